//! placeholder
pub mod bundle;
pub mod command;
pub mod feature;
pub mod import;
pub mod model;
pub mod record;
pub mod registry;
pub mod score;
pub mod service;
mod strict_toml;
pub mod task;
pub mod train;

/// No figure, code or cut may rest on fewer patients than this (the small-cell rule of US federal
/// health statistics, which suppresses counts of 1 to 10).
pub const SMALL_CELL_PATIENTS: usize = 11;
