//! The access log: chain, checkpoints, rotation, a sink that hangs.
