//! Judging a finished bundle on a cohort, as a whole and by subgroup.

use std::collections::BTreeMap;

use serde::Serialize;

use super::censoring::{CensoringReport, FollowUp};
use super::cohort::{Cohort, Sample};
use super::judgement::{
    Description, Drift, FeatureImportance, GroupFlags, OverTime, Population, Rows, Subgroup,
    description, drift, group_flags, importance, over_time, subgroups,
};
use super::metrics::{
    self, CalibrationPoint, CurvePoint, Metrics, ScoreBand, ThresholdRow, TopShareRow,
};
use super::published_figures::{PublishedFigures, published_figures};
use crate::bundle::{Bundle, TierCut};
use crate::feature::Matrix;

/// The seed of the bootstrap; the same everywhere, so that the same predictions get the same figures.
pub(super) const BOOTSTRAP_SEED: u64 = 1;
/// The shares of the rows with the highest probabilities that a service could afford to look after.
const TOP_SHARES: [f64; 10] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5];

/// How a bundle did on a cohort.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    pub metrics: Metrics,
    /// What was done about samples that were not followed to the end, where a cohort was judged that
    /// has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub censoring: Option<CensoringReport>,
    /// The smooth calibration curve, from the lowest to the highest probability beyond which at least
    /// eleven patients lie.
    pub calibration_curve: Vec<CalibrationPoint>,
    /// The curves of ROC, precision by recall and net benefit, from the highest cut down.
    pub curve: Vec<CurvePoint>,
    /// How the probabilities lie by outcome, from low to high.
    pub score_bands: Vec<ScoreBand>,
    /// What flagging from each tier's cut upwards would do.
    pub tiers: BTreeMap<String, ThresholdRow>,
    /// How many index times a day the records have; `None` where they do not tell, or only a part of
    /// their patients was judged and the whole is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_times_per_day: Option<f64>,
    /// For each tier but the highest, which `subgroups` tell of, and the last: what flagging from its
    /// cut upwards would do in each group.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tier_groups: BTreeMap<String, Vec<GroupFlags>>,
    /// What flagging the share with the highest probabilities would do.
    pub top_shares: Vec<TopShareRow>,
    /// The figures by calendar period.
    pub over_time: OverTime,
    /// What each feature is worth to the model, the most valuable first; empty for a bundle without a
    /// model.
    pub importance: Vec<FeatureImportance>,
    /// The published scores of the task beside the bundle, in the task's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedFigures>,
    pub subgroups: Vec<Subgroup>,
    /// Whether the rows are like those the bundle was fitted on; `None` for a bundle that does not
    /// say what those were like, and in a fit, which holds out patients of the same source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What the judged patients were like; `None` in a fit, whose report describes them beside the
    /// development patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
}

/// A sample with its probability.
pub(super) struct Predicted<'a> {
    pub sample: &'a Sample,
    pub patient: u32,
    pub probability: f64,
    /// Above 0.
    pub weight: f64,
}

/// Judges `bundle` on the samples of `cohort`, given the probability it gave each (`None` for one
/// without enough data, which is left out); `None` when both outcomes are not there. The chance of
/// being lost to follow-up is learnt from this very cohort.
pub fn evaluate(
    bundle: &Bundle,
    cohort: &Cohort<'_>,
    probability: impl Fn(&Sample) -> Option<f64>,
) -> Option<Evaluation> {
    let patients = cohort.patient_numbers();
    let samples = cohort.samples();
    let follow_up = FollowUp::of(cohort, &vec![true; samples.len()]);
    let rows = follow_up.weights().counted(0..samples.len());
    let predicted = rows.into_iter().filter_map(|row| {
        let (sample, patient) = (&samples[row], patients[row]);
        let weight = follow_up.weights().of(row);
        Some(Predicted { sample, patient, probability: probability(sample)?, weight })
    });
    let predicted: Vec<Predicted<'_>> = predicted.collect();
    let (rows, matrix) = laid_out(bundle, &predicted);
    let judged = judged(bundle, &predicted, &rows, &matrix)?;
    let all: Vec<usize> = (0..predicted.len()).collect();
    let population =
        Population { matrix: &matrix, rows: &all, y: &rows.y, patients: &rows.patients };
    Some(Evaluation {
        censoring: follow_up.report,
        drift: drift(bundle, &rows, &matrix),
        description: Some(description(bundle, None, Some(&population))),
        ..judged
    })
}

/// Rows with another probability for each.
pub(super) fn predicted<'a>(rows: &Rows<'a>, p: &[f64]) -> Vec<Predicted<'a>> {
    let each = rows.samples.iter().zip(&rows.patients).zip(p).enumerate();
    each.map(|(row, ((sample, patient), probability))| Predicted {
        sample,
        patient: *patient,
        probability: *probability,
        weight: rows.weights().of(row),
    })
    .collect()
}

/// Judges `bundle` on predicted rows: every figure of an evaluation but those of a whole cohort.
pub(super) fn evaluation(bundle: &Bundle, predicted: &[Predicted<'_>]) -> Option<Evaluation> {
    let (rows, matrix) = laid_out(bundle, predicted);
    judged(bundle, predicted, &rows, &matrix)
}

fn judged(
    bundle: &Bundle,
    predicted: &[Predicted<'_>],
    rows: &Rows<'_>,
    matrix: &Matrix,
) -> Option<Evaluation> {
    let Rows { p, y, patients, .. } = rows;
    let weights = rows.weights();
    let metrics = Metrics::of(p, y, patients, weights, BOOTSTRAP_SEED)?;
    let upper = bundle.manifest().upper_tiers();
    let cuts: Vec<f64> = upper.iter().map(|cut| cut.from).collect();
    let lines = metrics::threshold_table(p, y, patients, weights, &cuts, BOOTSTRAP_SEED);
    let curve = metrics::curve(p, y, patients, weights, &cuts);
    let flag_from = upper.first().map_or(f64::INFINITY, |cut| cut.from);
    Some(Evaluation {
        metrics,
        censoring: None,
        calibration_curve: metrics::calibration_curve(p, y, patients, weights, BOOTSTRAP_SEED),
        score_bands: metrics::score_bands(&curve),
        curve,
        tiers: upper.iter().map(|cut| cut.name.clone()).zip(lines).collect(),
        index_times_per_day: None,
        tier_groups: tier_groups(upper, rows),
        top_shares: metrics::top_shares(p, y, patients, weights, &TOP_SHARES, BOOTSTRAP_SEED),
        over_time: over_time(rows, BOOTSTRAP_SEED),
        importance: importance(bundle, rows, matrix, BOOTSTRAP_SEED),
        published: published_figures(bundle.task(), predicted, BOOTSTRAP_SEED),
        subgroups: subgroups(rows, flag_from, BOOTSTRAP_SEED),
        drift: None,
        description: None,
    })
}

fn tier_groups(upper: &[TierCut], rows: &Rows<'_>) -> BTreeMap<String, Vec<GroupFlags>> {
    let each = upper.windows(2).map(|pair| {
        let [above, tier] = [&pair[0], &pair[1]];
        let groups = group_flags(rows, tier.from, Some(above.from), BOOTSTRAP_SEED);
        (tier.name.clone(), groups)
    });
    each.filter(|(_, groups)| !groups.is_empty()).collect()
}

/// Predicted rows column by column, and their feature rows.
fn laid_out<'a>(bundle: &Bundle, predicted: &[Predicted<'a>]) -> (Rows<'a>, Matrix) {
    let rows = Rows {
        samples: predicted.iter().map(|one| one.sample).collect(),
        p: predicted.iter().map(|one| one.probability).collect(),
        y: predicted.iter().map(|one| one.sample.boolean_value).collect(),
        patients: predicted.iter().map(|one| one.patient).collect(),
        weights: weights(predicted.iter()),
    };
    let facts = predicted.iter().map(|one| &one.sample.facts);
    let matrix = bundle.manifest().vocabulary.matrix(bundle.columns().len(), facts);
    (rows, matrix)
}

/// The weights of predicted rows; `None` where every row counts once.
pub(super) fn weights<'a>(
    predicted: impl ExactSizeIterator<Item = &'a Predicted<'a>>,
) -> Option<Vec<f64>> {
    let each: Vec<f64> = predicted.map(|one| one.weight).collect();
    each.iter().any(|weight| *weight != 1.0).then_some(each)
}

/// Whether enough patients stand behind the rows that are `wanted`.
pub(super) fn enough(rows: &[&Predicted<'_>], wanted: impl Fn(&Predicted<'_>) -> bool) -> bool {
    metrics::enough(rows.iter().filter(|one| wanted(one)).map(|one| one.patient))
}
