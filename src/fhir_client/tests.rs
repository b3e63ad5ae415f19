//! The client against servers that mean it no good.
