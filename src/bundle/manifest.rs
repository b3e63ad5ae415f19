//! `manifest.json`: what a bundle holds, and the sha256 of every other file in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drift::DriftReference;
use super::golden::Golden;
use super::interval::Interval;
use super::tier::TierCut;
use crate::feature::Vocabulary;
use crate::model::{Calibrator, Family, InputSpec};

/// The layout this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest of a bundle. It holds no clock time, host, path, thread count or patient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format_version: u32,
    pub task: String,
    pub version: String,
    /// Digest of the task file's content.
    pub task_digest: String,
    /// Seed of every draw in the fit.
    pub seed: u64,
    /// `None` where nothing was fitted: the bundle shows published scores alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub development: Option<Development>,
    /// `None` for a version as it was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrated: Option<Recalibration>,
    pub columns: Vec<ColumnEntry>,
    pub vocabulary: Vocabulary,
    /// Medians, bounds and missing indicators: how a row becomes model inputs.
    pub input: InputSpec,
    pub members: Vec<MemberEntry>,
    /// From the highest tier to the lowest.
    pub tiers: Vec<TierCut>,
    /// The 1st to 99th percentile of the out-of-fold probabilities of the development cohort.
    pub reference: Vec<f64>,
    /// Where the event rate of all patients with a score lies; `None` in bundles made before there were
    /// intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Up to which share of the model's weight lies outside the usual range in 99.5% of the development
    /// rows; `None` in bundles made before novelty was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novelty_usual: Option<f64>,
    /// What the development rows looked like; absent in a bundle that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_reference: Option<DriftReference>,
    /// Figures of the whole on patients that no fit saw; `None` when none were held out.
    pub held_out: Option<Headline>,
    pub golden: Vec<Golden>,
    /// All other files of the folder.
    pub files: BTreeMap<String, FileEntry>,
}

/// What the bundle was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Development {
    /// Where the records come from, as the mapping says.
    pub source: String,
    /// First and last year of the records.
    pub years: [i32; 2],
    pub index_times: u64,
    pub patients: u64,
    pub outcomes: u64,
    /// Which part of the patients was held out, such as `0/5`; `source` where the source itself says
    /// who is.
    pub held_out_part: String,
    /// Whether the records are a simulated population's, and nobody's: such a bundle is for showing
    /// and trying alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic_training_data: bool,
}

/// What moved the probabilities of a version to other patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recalibration {
    /// The version it was made from, and its digest.
    pub parent_version: String,
    pub parent_digest: String,
    /// Where the records come from.
    pub source: String,
    /// First and last year of the records.
    pub years: [i32; 2],
    /// Of the patients that it was recalibrated on.
    pub index_times: u64,
    pub patients: u64,
    pub outcomes: u64,
    /// Which part of the patients it was judged on instead.
    pub held_out_part: String,
    /// The new log-odds = `intercept` + `slope` times those of the parent.
    pub intercept: f64,
    pub slope: f64,
    /// Whether the records are a simulated population's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic_training_data: bool,
}

impl Manifest {
    /// Whether it was fitted or recalibrated on a simulated population, or a tier was cut on one.
    pub fn is_synthetic(&self) -> bool {
        self.development.as_ref().is_some_and(|of| of.synthetic_training_data)
            || self.recalibrated.as_ref().is_some_and(|of| of.synthetic_training_data)
            || self.tiers.iter().any(TierCut::is_synthetic)
    }

    /// All tiers but the lowest, which takes everybody: its cut flags nobody apart.
    pub fn upper_tiers(&self) -> &[TierCut] {
        self.tiers.split_last().map_or(&[], |(_, upper)| upper)
    }
}

/// One column of the row that models read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnEntry {
    pub name: String,
    /// Place of its feature in the task file.
    pub feature: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The column's share of the score's movement over the development cohort; all sum to 1.
    pub weight: f64,
}

/// One model of the bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    pub family: Family,
    pub file: String,
    pub calibrator: Calibrator,
    /// Share of its calibrated log-odds in the answer; 0 for a member kept for comparison.
    pub weight: f64,
    /// Figures of this member alone on the held-out patients.
    pub held_out: Option<Headline>,
}

/// The few figures a model is known by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headline {
    pub auroc: f64,
    /// 95% interval, by resampling patients.
    pub auroc_low: f64,
    pub auroc_high: f64,
    pub average_precision: f64,
    pub brier: f64,
    pub log_loss: f64,
    pub observed_over_expected: f64,
    pub calibration_slope: f64,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub bytes: u64,
    pub sha256: String,
}
