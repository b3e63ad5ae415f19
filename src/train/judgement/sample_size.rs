//! How many patients a model of this size needs (Riley et al. 2020, BMJ 368:m441).

use serde::Serialize;

/// The minimum sample size for a binary outcome by the four criteria of Riley et al. 2020, and what
/// the development cohort has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleSize {
    /// Candidate predictor parameters: the inputs of the model.
    pub parameters: usize,
    /// Weighted share of the development rows with the outcome.
    pub prevalence: f64,
    /// The anticipated Cox-Snell R squared.
    pub r2_cox_snell: f64,
    /// Whether that was cross-validated; else it is 15% of the largest possible (Riley's default).
    pub r2_is_cross_validated: bool,
    /// Criterion 1: the overall risk within 0.05.
    pub for_overall_risk: u64,
    /// Criterion 2: a mean absolute error of the probabilities of 0.05; `None` for more than 30
    /// parameters, for which its formula was not made (van Smeden et al. 2019).
    pub for_mean_error: Option<u64>,
    /// Criterion 3: a shrinkage of the effects of at most 10%.
    pub for_shrinkage: u64,
    /// Criterion 4: an optimism of at most 0.05 in Nagelkerke's R squared.
    pub for_optimism: u64,
    /// The largest of the four.
    pub needed: u64,
    /// Outcomes that many rows are expected to hold.
    pub events_needed: u64,
    /// How many rows of even weight the development cohort is worth.
    pub have: f64,
}
