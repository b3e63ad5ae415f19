//! placeholder
pub mod record;
mod strict_toml;
