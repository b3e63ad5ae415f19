//! Whether more patients would help: the chosen candidate fitted on parts of the development patients.

use serde::Serialize;

use crate::train::metrics::Estimate;

/// The chosen candidate fitted on a part of the development patients, judged on the held-out ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningPoint {
    /// Share of the development patients.
    pub share: f64,
    /// Rows it was fitted on.
    pub rows: usize,
    /// Those of them with the outcome.
    pub events: usize,
    pub auroc: Estimate,
    pub brier: Estimate,
    /// Mean negative log-likelihood, natural logarithm.
    pub log_loss: f64,
    pub observed_over_expected: Estimate,
    pub calibration_slope: Estimate,
}
