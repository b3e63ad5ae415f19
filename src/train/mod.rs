//! Training: from cases to a bundle with honest figures. Pure: reading and writing is the caller's.
//!
//! `Cohort` gathers the samples and says who was left out and why; `fit` chooses, fits and
//! calibrates on the development patients and judges once on the held-out ones; `Evaluation` judges
//! a finished bundle on any cohort, and `Account` tells people of either. `leaks` looks for features
//! that know what came later. `Survey` says beforehand what records hold and what cohort each task
//! would find in them.

mod account;
mod alert_burden;
mod assemble;
mod attributes;
mod attrition;
mod censoring;
mod cohort;
mod evaluate;
mod fit;
mod gate;
mod interval;
mod judgement;
mod leaks;
mod metrics;
mod published_figures;
mod published_only;
mod recalibrate;
mod report;
mod roll;
mod select;
mod small_cell;
mod split;
mod survey;
#[cfg(test)]
mod tests;
mod thresholds;
mod tier_cut;
mod versus;

pub use account::{Account, Occasion};
pub use alert_burden::{AlertBurden, index_times_per_day};
pub use attrition::{Attrition, AttritionLine, Rates, ShownAttrition};
pub use censoring::{CensoringPart, CensoringReport, WeightsFrom};
pub use cohort::{Case, Cohort, GivenLabel, Sample};
pub use evaluate::{Evaluation, evaluate};
pub use fit::fit;
pub use gate::{ComparedFigures, GateFigures, Served, refusals};
pub use judgement::{
    ColumnDrift, Described, Description, Drift, FeatureImportance, Gap, GroupFlags, LearningPoint,
    OverTime, PeriodFigures, SampleSize, Subgroup, Summary,
};
pub use leaks::{LeakFinding, LeakKind, LeakReport, LeakVerdict, leaks};
pub use metrics::{
    Bin, CalibrationPoint, Comparison, CurvePoint, Difference, Estimate, Metrics, ScoreBand,
    ThresholdRow, TopShareRow, auroc, auroc_interval, average_precision, brier, calibration_bins,
    calibration_curve, calibration_errors, calibration_in_the_large, calibration_line, curve,
    log_loss, observed_over_expected, observed_over_expected_interval, paired, score_bands,
    threshold_table, top_shares,
};
pub use published_figures::{PublishedFigures, PublishedProbability, Ranking};
pub use published_only::published_only;
pub use recalibrate::{RecalibrateParams, RecalibratedVersion, RecalibrationReport, recalibrate};
pub use report::{Dump, FitParams, Fitted, Report, SourceNote, TrainError};
pub use roll::{Roll, RollRow};
pub use select::{Candidate, CandidateReport, Contender, Pace, Search, Step};
pub use small_cell::{Count, Shown, Tally};
pub use split::{HeldOut, Split, part_of};
pub use survey::{
    ConceptMatch, Findings, Occurrence, Section, ShownCodes, ShownContent, ShownCoverage,
    ShownEncounters, ShownEvents, ShownUnit, Survey, TaskFinding, Unmatched, Verdict, Why,
};
pub use thresholds::{
    PartCount, Promise, RateFrom, RecutReport, RecutVersion, RuleFigures, ThresholdLine,
    ThresholdSearch, Thresholds, ThresholdsParams, thresholds,
};
pub use tier_cut::CutFault;
pub use versus::{Beside, NetBenefit, Reclassification, Versus, versus};
