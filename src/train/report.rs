//! What a fit is asked, what it reports, and what it hands on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attrition::ShownAttrition;
use super::censoring::CensoringReport;
use super::evaluate::Evaluation;
use super::judgement::{Description, LearningPoint, SampleSize};
use super::leaks::LeakReport;
use super::metrics::Metrics;
use super::select::{CandidateReport, Contender, Search};
use super::small_cell::Count;
use super::split::HeldOut;
use super::thresholds::PartCount;
use super::tier_cut::CutFault;
use crate::SMALL_CELL_PATIENTS;
use crate::bundle::{Bundle, BundleError, Files, Headline};
use crate::feature::{Column, Matrix};
use crate::model::{Family, ModelError};
use crate::task::TierRule;

/// Fewer samples with or without the outcome cannot be cross-validated honestly.
pub(super) const EACH_CLASS_MIN: usize = 50;

/// Where the records come from, for the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceNote {
    pub title: String,
    pub citation: Option<String>,
    /// First and last year of the records, where the source says so.
    pub years: Option<[i32; 2]>,
    /// Whether they are a simulated population's.
    pub synthetic: bool,
}

/// What a fit is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct FitParams {
    /// The version to write into the bundle.
    pub version: String,
    pub seed: u64,
    pub held_out: HeldOut,
    pub source: SourceNote,
    pub search: Search,
}

/// Why there is no bundle.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    #[error("the cohort is empty: {0}")]
    EmptyCohort(String),
    #[error(
        "the development cohort has {positives} index times with the outcome and {negatives} without; \
         at least {EACH_CLASS_MIN} of each are needed"
    )]
    TooFew { positives: Count, negatives: Count },
    #[error(
        "there are {positives} index times with the outcome and {negatives} without to recalibrate on; \
         they must be those of {SMALL_CELL_PATIENTS} patients at least"
    )]
    TooFewToRecalibrate { positives: Count, negatives: Count },
    #[error(
        "on these records higher scores have fewer outcomes: recalibration cannot mend a model that \
         ranks the wrong way round"
    )]
    RanksTheWrongWay,
    #[error("tier `{tier}` ({rule}): {fault}")]
    Tier { tier: String, rule: TierRule, fault: CutFault },
    #[error(
        "there are {} index times {what_for}, {} of them with the outcome; with and without it they must \
         be those of {SMALL_CELL_PATIENTS} patients at least: give more records, or another \
         --held-out; by default only patients that the fit held out are used", .count.index_times, .count.outcomes
    )]
    TooFewForCut { what_for: String, count: PartCount },
    #[error("the bundle has no such tier that begins at a cut")]
    NoTier,
    #[error(
        "the patients that the cut was not found on do not bear out what was asked for, or are too few \
         to tell: no version is made"
    )]
    PromiseNotKept,
    #[error("the leak check found what no live system would know:\n{}", .0.blocking())]
    Leaks(Box<LeakReport>),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("cannot be written as JSON: {0}")]
    Json(String),
}

/// Everything that is reported about a fit; `metrics.json` of the bundle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub task: String,
    pub seed: u64,
    pub held_out_part: String,
    pub attrition: ShownAttrition,
    pub development_samples: Count,
    /// What was done about samples that were not followed to the end; absent where all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub censoring: Option<CensoringReport>,
    /// Features that may know what came after the index time.
    pub leaks: LeakReport,
    /// What goes into the bundle.
    pub chosen: Contender,
    /// The share of each family in it, all above 0.
    pub shares: BTreeMap<Family, f64>,
    pub candidates: Vec<CandidateReport>,
    /// Cross-fitted figures of the development cohort.
    pub cross_validation: BTreeMap<Contender, Metrics>,
    /// Figures on the held-out patients; empty when none were held out.
    pub held_out: BTreeMap<Contender, Metrics>,
    /// The chosen model on the held-out patients.
    pub held_out_evaluation: Option<Evaluation>,
    /// What the development patients and the held-out ones were like.
    pub description: Option<Description>,
    /// How many patients a model of this size needs, and how many there were; `None` where nothing
    /// can be anticipated.
    pub sample_size: Option<SampleSize>,
    /// The best single candidate fitted on parts of the development patients; empty when none were
    /// held out, and when the time for the fit is over.
    pub learning_curve: Vec<LearningPoint>,
    /// Columns that are empty or constant in the development cohort; no model uses them.
    pub unused_columns: Vec<String>,
}

/// The rows of a fit, for `--dump-matrix`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dump {
    pub columns: Vec<Column>,
    /// One row a sample, in the order of the cohort.
    pub matrix: Matrix,
    /// For each sample its fold, or `None` when it is held out.
    pub folds: Vec<Option<u8>>,
    /// For each sample how much it counts; 0 when it is censored.
    pub weights: Vec<f64>,
}

/// A finished fit.
#[derive(Debug)]
pub struct Fitted {
    pub files: Files,
    pub bundle: Bundle,
    pub report: Report,
    pub dump: Dump,
}

/// The few figures a model is known by.
pub(super) fn headline(metrics: &Metrics) -> Headline {
    Headline {
        auroc: metrics.auroc,
        auroc_low: metrics.auroc_interval[0],
        auroc_high: metrics.auroc_interval[1],
        average_precision: metrics.average_precision,
        brier: metrics.brier,
        log_loss: metrics.log_loss,
        observed_over_expected: metrics.observed_over_expected,
        calibration_slope: metrics.calibration_slope,
    }
}
