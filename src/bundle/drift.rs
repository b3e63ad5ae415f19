//! What the development rows looked like, so that it can be told when rows no longer do.

use serde::{Deserialize, Serialize};

/// The development rows in coarse shares; every share stands for at least eleven patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftReference {
    /// One for each column of the row, in order.
    pub columns: Vec<Bands>,
    /// Of the cross-fitted probabilities.
    pub score: Bands,
}

/// How the values of one column lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// Where each band but the first begins, rising; at most nine.
    pub from: Vec<f32>,
    /// Share of rows without a value; 0 for fewer than eleven patients.
    pub missing: f64,
    /// Share of rows in each band; with `missing` they sum to 1. Empty where too few have a value.
    pub shares: Vec<f64>,
}
