//! placeholder
pub mod feature;
pub mod record;
mod strict_toml;
pub mod task;

/// No figure, code or cut may rest on fewer patients than this (the small-cell rule of US federal
/// health statistics, which suppresses counts of 1 to 10).
pub const SMALL_CELL_PATIENTS: usize = 11;
