//! What the model loses without a feature: its columns are shuffled together among the judged rows
//! (permutation importance: Breiman 2001; Fisher, Rudin and Dominici 2019).

use serde::Serialize;

/// What shuffling one feature costs the model on the judged rows. Features that tell the same stand
/// in for each other, so each of them may look needless; it is no statement about causes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureImportance {
    pub feature: String,
    /// How much the AUROC falls.
    pub auroc_fall: f64,
    /// How much the mean log loss rises (natural logarithm).
    pub log_loss_rise: f64,
}
