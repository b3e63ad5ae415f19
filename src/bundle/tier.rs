//! Where the tiers of a bundle begin, and by which rule on whose records that was found.

use serde::{Deserialize, Serialize};

use crate::task::TierRule;

/// Where a tier begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierCut {
    pub name: String,
    /// The lowest probability in the tier.
    pub from: f64,
    /// How the cut was found; `None` where it is the task's `top_share` of the development cohort, and
    /// for the last tier, which takes the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<TierBasis>,
}

/// How a cut was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierBasis {
    pub rule: TierRule,
    /// The index times a day that the rule was applied with; `None` where it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_times_per_day: Option<f64>,
    /// On whose records it was found; `None` where on those of the fit, or of the recalibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recut: Option<Recut>,
}

/// The records on which a tier of a finished version was cut anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recut {
    /// The version it was made from, and its digest.
    pub parent_version: String,
    pub parent_digest: String,
    /// Where the records come from.
    pub source: String,
    /// First and last year of the records.
    pub years: [i32; 2],
    /// Of the patients that the cut was found on.
    pub index_times: u64,
    pub patients: u64,
    pub outcomes: u64,
    /// Which part of the patients it was judged on instead.
    pub held_out_part: String,
    /// Whether the records are a simulated population's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic_training_data: bool,
}

impl TierCut {
    /// On whose records it was cut anew, where it was.
    pub fn recut(&self) -> Option<&Recut> {
        self.basis.as_ref().and_then(|basis| basis.recut.as_ref())
    }

    pub(super) fn is_synthetic(&self) -> bool {
        self.recut().is_some_and(|recut| recut.synthetic_training_data)
    }

    /// Whether its numbers can be.
    pub(super) fn is_sound(&self) -> bool {
        let rate = self.basis.as_ref().and_then(|basis| basis.index_times_per_day);
        (0.0..=1.0).contains(&self.from)
            && self.basis.as_ref().is_none_or(|basis| basis.rule.fault().is_none())
            && rate.is_none_or(|a_day| a_day.is_finite() && a_day > 0.0)
    }
}
