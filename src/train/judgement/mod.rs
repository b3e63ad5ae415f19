//! What is told of a finished model beside its figures on one set of rows: groups, times, features,
//! how many patients it took, and what they were like.

mod description;
mod drift;
mod importance;
mod learning_curve;
mod over_time;
mod sample_size;
mod subgroups;

use crate::model::Weights;
use crate::train::Sample;

pub use description::{Described, Description, Summary};
pub(super) use description::{Population, description};
pub use drift::{ColumnDrift, Drift};
pub(super) use drift::{drift, drift_reference};
pub use importance::FeatureImportance;
pub(super) use importance::importance;
pub use learning_curve::LearningPoint;
pub(super) use learning_curve::{HeldOutRows, learning_curve, relearnt};
pub(super) use over_time::over_time;
pub use over_time::{OverTime, PeriodFigures};
pub use sample_size::SampleSize;
pub use subgroups::{Gap, GroupFlags, Subgroup};
pub(super) use subgroups::{group_flags, subgroups};

/// The rows that are judged, all of which count, and what the model said of them.
pub(super) struct Rows<'a> {
    pub samples: Vec<&'a Sample>,
    /// Probabilities.
    pub p: Vec<f64>,
    /// Outcomes.
    pub y: Vec<bool>,
    /// Number of the patient of each.
    pub patients: Vec<u32>,
    /// One a row, above 0; `None` where every row counts once.
    pub weights: Option<Vec<f64>>,
}

impl Rows<'_> {
    /// How much each row counts.
    pub(super) fn weights(&self) -> Weights<'_> {
        Weights::from(&self.weights)
    }
}

#[cfg(test)]
mod tests;
