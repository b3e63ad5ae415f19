//! The answer for one task: a score with its reasons, or why there is none.

use super::change::Change;
use crate::access::Classes;
use crate::bundle::Sufficiency;
use crate::published::PublishedScore;
use crate::record::{Evidence, Time};

/// The share of the score that belongs to one theme, in words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reason {
    /// What it is about, such as `blood pressure`.
    pub theme: String,
    /// Whether the record says anything of it.
    pub recorded: bool,
    /// The names in the task file of the features that are about it, those with the largest shares
    /// first, with the code for a learned one.
    pub features: Vec<String>,
    /// A sentence for clinicians: what was found, when, and whether it goes with a higher or a
    /// lower risk.
    pub text: String,
    /// The feature's value, when it is one feature with a single number.
    pub value: Option<f64>,
    pub unit: Option<String>,
    /// Share of the log-odds, compared with the reference patient; positive raises the risk.
    pub contribution: f64,
    /// Whether care can change it (from the concepts).
    pub modifiable: bool,
    /// The dated facts behind the value.
    pub events: Vec<Evidence>,
    /// The classes of sensitive content that it tells of; all must be allowed to who sees it.
    pub classes: Classes,
    /// Of a sensitive reason its parts, of which some may be seen by more than the whole.
    pub parts: Vec<Reason>,
}

/// A score at one index time.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub index_time: Time,
    /// The latest time of a fact that the score could use.
    pub history_used_until: Option<Time>,
    /// Whether the stay or contact that it stands at was still open.
    pub is_provisional: bool,
    /// What was assumed, in words, such as that an open stay ended now.
    pub assumptions: Vec<String>,
    /// Calibrated probability of the outcome within the horizon; `None` when the data do not suffice.
    pub probability: Option<f64>,
    /// 95% bounds of the event rate among all patients with this probability (not of this patient's
    /// own risk); `None` without a probability, and from bundles without intervals.
    pub interval: Option<[f64; 2]>,
    pub horizon_days: u32,
    /// The tier's name in the task; `None` without a probability.
    pub tier: Option<String>,
    /// The probability from which the task's highest tier begins.
    pub flag_threshold: f64,
    /// Share (0 to 100) of the development cohort with a lower probability.
    pub reference_percentile: Option<f64>,
    pub sufficiency: Sufficiency,
    /// Why the sufficiency is less than A, in words.
    pub sufficiency_notes: Vec<String>,
    /// The same without a word of what is sensitive.
    pub veiled_notes: Vec<String>,
    /// The classes of sensitive content that the notes tell of.
    pub notes_classes: Classes,
    /// Log-odds of the reference patient, from which the contributions start.
    pub baseline: f64,
    /// The largest shares first; of what is not recorded, last. Empty where the explanation failed.
    pub reasons: Vec<Reason>,
    /// Whether the explanation failed its own check, so that the score comes without reasons.
    pub explanation_failed: bool,
    /// Sum of all shares not listed, so that baseline + reasons + other = log-odds of probability.
    pub other_contribution: f64,
    /// The published scores of the task, in its order: each of its own outcome, not recalibrated.
    pub published: Vec<PublishedScore>,
    /// What changed since an earlier time or with another version, where that was asked for.
    pub change: Option<Box<Change>>,
}
