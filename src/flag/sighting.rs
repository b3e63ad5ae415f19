//! What a flag is decided on: one score of one patient for one task.

use std::fmt;

use super::FlagReason;
use crate::bundle::{Sufficiency, TierCut};
use crate::record::Time;

/// Where a patient is in care; who may see the flag goes by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    pub facility: Option<String>,
    pub unit: Option<String>,
    /// The team that follows the patient up; its capacity counts.
    pub team: Option<String>,
}

/// One score as flags see it.
#[derive(Clone, PartialEq)]
pub struct Sighting {
    pub patient_id: String,
    pub task: String,
    pub place: Place,
    /// The prediction time of the score.
    pub time: Time,
    pub index_time: Time,
    pub horizon_days: u32,
    /// Calibrated probability (0 to 1); `None` where the record does not suffice (grade D).
    pub probability: Option<f64>,
    /// Where each tier begins, from the highest to the lowest.
    pub cuts: Vec<TierCut>,
    /// Scored as if an open stay were over.
    pub is_provisional: bool,
    /// By a model of simulated patients.
    pub is_synthetic: bool,
    pub history_used_until: Option<Time>,
    pub sufficiency: Sufficiency,
    pub model_version: String,
    pub bundle_digest: String,
    /// The largest shares first, as somebody sees them who may see no sensitive class.
    pub reasons: Vec<FlagReason>,
}

/// Without the patient.
impl fmt::Debug for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sighting").field("task", &self.task).finish_non_exhaustive()
    }
}
