//! The server under fire: limits, deadlines, overload, hostile frames, drains.
