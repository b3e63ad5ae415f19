//! Judging a finished bundle on a cohort, as a whole and by subgroup.

use std::collections::BTreeMap;

use serde::Serialize;

use super::censoring::{CensoringReport, FollowUp};
use super::cohort::{Cohort, Sample};
use super::metrics::{self, Metrics, ThresholdRow};
use super::published_figures::{PublishedFigures, published_figures};
use super::small_cell::nearest_ten;
use crate::bundle::Bundle;
use crate::model::Weights;

/// The seed of the bootstrap; the same everywhere, so that the same predictions get the same figures.
const BOOTSTRAP_SEED: u64 = 1;

/// How a bundle did on a cohort.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    pub metrics: Metrics,
    /// What was done about samples that were not followed to the end, where a cohort was judged that
    /// has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub censoring: Option<CensoringReport>,
    /// What flagging from each tier's cut upwards would do.
    pub tiers: BTreeMap<String, ThresholdRow>,
    /// The published scores of the task beside the bundle, in the task's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedFigures>,
    pub subgroups: Vec<Subgroup>,
}

/// How a bundle did on one group of patients.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subgroup {
    pub attribute: &'static str,
    pub group: String,
    /// To the nearest ten, so that no subtraction gives a group back that is not shown.
    pub samples_about: u64,
    /// `None` where fewer than eleven patients with or without the outcome stand behind it.
    pub auroc: Option<f64>,
    pub observed_over_expected: Option<f64>,
    /// Share of the group in the highest tier; `None` for all groups of an attribute when fewer than
    /// eleven patients in or outside the tier stand behind one of them.
    pub flagged: Option<f64>,
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
    let judged = evaluation(bundle, &predicted.collect::<Vec<_>>())?;
    Some(Evaluation { censoring: follow_up.report, ..judged })
}

pub(super) fn evaluation(bundle: &Bundle, predicted: &[Predicted<'_>]) -> Option<Evaluation> {
    let p: Vec<f64> = predicted.iter().map(|one| one.probability).collect();
    let y: Vec<bool> = predicted.iter().map(|one| one.sample.boolean_value).collect();
    let patients: Vec<u32> = predicted.iter().map(|one| one.patient).collect();
    let weights = weights(predicted.iter());
    let weights = Weights::from(&weights);
    let metrics = Metrics::of(&p, &y, &patients, weights, BOOTSTRAP_SEED)?;
    // The lowest tier takes everybody: its cut flags nobody apart.
    let upper = bundle.manifest().tiers.split_last().map_or(&[][..], |(_, upper)| upper);
    let cuts: Vec<f64> = upper.iter().map(|cut| cut.from).collect();
    let rows = metrics::threshold_table(&p, &y, &patients, weights, &cuts);
    let tiers = upper.iter().map(|cut| cut.name.clone()).zip(rows).collect();
    let flag_from = upper.first().map_or(f64::INFINITY, |cut| cut.from);
    let subgroups = subgroups(predicted, flag_from);
    let published = published_figures(bundle.task(), predicted, BOOTSTRAP_SEED);
    Some(Evaluation { metrics, censoring: None, tiers, published, subgroups })
}

/// The weights of predicted rows; `None` where every row counts once.
pub(super) fn weights<'a>(
    predicted: impl ExactSizeIterator<Item = &'a Predicted<'a>>,
) -> Option<Vec<f64>> {
    let each: Vec<f64> = predicted.map(|one| one.weight).collect();
    each.iter().any(|weight| *weight != 1.0).then_some(each)
}

fn subgroups(predicted: &[Predicted<'_>], flag_from: f64) -> Vec<Subgroup> {
    let mut groups: BTreeMap<(&'static str, &str), Vec<&Predicted<'_>>> = BTreeMap::new();
    for one in predicted {
        for (attribute, group) in &one.sample.attributes {
            groups.entry((attribute, group)).or_default().push(one);
        }
    }
    // A group of few patients is not even named.
    let named = groups.into_iter().filter(|(_, rows)| enough(rows, |_| true));
    let mut found: Vec<Subgroup> = named
        .map(|((attribute, group), rows)| subgroup(attribute, group, &rows, flag_from))
        .collect();
    for at in 0..found.len() {
        let attribute = found[at].attribute;
        let of_it = || found.iter().filter(|group| group.attribute == attribute);
        if of_it().any(|group| group.flagged.is_none()) {
            found[at].flagged = None;
        }
    }
    found
}

fn subgroup(
    attribute: &'static str,
    group: &str,
    rows: &[&Predicted<'_>],
    flag_from: f64,
) -> Subgroup {
    let p: Vec<f64> = rows.iter().map(|one| one.probability).collect();
    let y: Vec<bool> = rows.iter().map(|one| one.sample.boolean_value).collect();
    let judged = enough(rows, |one| one.sample.boolean_value)
        && enough(rows, |one| !one.sample.boolean_value);
    let told = enough(rows, |one| one.probability >= flag_from)
        && enough(rows, |one| one.probability < flag_from);
    let weights = weights(rows.iter().copied());
    let weights = Weights::from(&weights);
    let all: Vec<usize> = (0..p.len()).collect();
    let flagged: Vec<usize> = (0..p.len()).filter(|row| p[*row] >= flag_from).collect();
    let share = weights.sum(&flagged) / weights.sum(&all);
    Subgroup {
        attribute,
        group: group.to_owned(),
        samples_about: nearest_ten(rows.len() as u64),
        auroc: metrics::auroc(&p, &y, weights).filter(|_| judged),
        observed_over_expected: metrics::observed_over_expected(&p, &y, weights).filter(|_| judged),
        flagged: told.then_some(share),
    }
}

/// Whether enough patients stand behind the rows that are `wanted`.
pub(super) fn enough(rows: &[&Predicted<'_>], wanted: impl Fn(&Predicted<'_>) -> bool) -> bool {
    metrics::enough(rows.iter().filter(|one| wanted(one)).map(|one| one.patient))
}
