//! The server's configuration: defaults, then a TOML file, then the environment, then flags; each
//! value knows where it came from.
