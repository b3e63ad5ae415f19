//! Index times that were not followed to the end: weights that make those who were stand for them.
//!
//! A sample whose follow-up ended early, without the outcome, is neither yes nor no. Leaving it out
//! alone would bend every figure towards those who stay, so every other sample counts 1 / G times,
//! where G is the chance that one like it was still followed until its own end (inverse probability
//! of censoring: Robins and Finkelstein 2000; for metrics: Gerds and Schumacher 2006). That holds as
//! far as the recorded features say who is lost.

use std::fmt;

use serde::Serialize;

use super::cohort::{Cohort, Sample};
use super::select::Table;
use super::small_cell::Tally;
use crate::model::{Followed, Hazard, ModelError, Weights};

/// The horizon is cut into this many equal intervals for the hazard of being lost.
const INTERVALS: usize = 10;
/// Fewer lost patients than this cannot carry a regression: all samples then share one curve.
const LOST_PATIENTS_MIN: usize = 50;
/// Larger weights are cut to this quantile of the weights of the rows they were learnt on (Cole and
/// Hernan 2008).
const WEIGHT_QUANTILE: f64 = 0.99;
/// No chance of still being followed is taken to be lower than this.
const CHANCE_MIN: f64 = 1e-6;

/// What is done about samples that were not followed to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CensoredRows {
    /// They are left out, and the others are weighted to stand for them.
    Weighted,
    /// They are left out, and nothing stands for them.
    Dropped,
}

/// Where the chance of still being followed comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightsFrom {
    /// A discrete-time hazard of being lost, given the features.
    Regression,
    /// One curve for all (Kaplan and Meier 1958): too few patients were lost for a regression.
    KaplanMeier,
    /// Nowhere: no weight was asked for.
    Nothing,
}

/// What was done about censoring, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CensoringReport {
    pub handling: CensoredRows,
    pub weights_from: WeightsFrom,
    /// The largest weight; larger ones were cut to it.
    pub weight_max: f64,
    /// The samples that the chance of being lost was learnt on.
    pub learnt_on: CensoringPart,
    /// The held-out samples, weighted by what was learnt on the others.
    pub held_out: Option<CensoringPart>,
}

/// The censoring of one set of samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CensoringPart {
    /// Share of the samples that were not followed to the end; `None` with too few patients
    /// behind it.
    pub censored_share: Option<f64>,
    /// How many samples of even weight the others are worth: squared sum of weights by sum of
    /// squared weights.
    pub effective_samples: f64,
    /// The samples that count.
    pub counted_samples: usize,
}

impl CensoringReport {
    /// In sentences, for a summary or a card.
    pub fn sentence(&self) -> String {
        let how = match (self.handling, self.weights_from) {
            (CensoredRows::Dropped, _) | (_, WeightsFrom::Nothing) => {
                "they are left out, and nothing stands for them".to_owned()
            }
            (_, WeightsFrom::Regression) => format!(
                "the others are weighted to stand for them, by the chance of being lost given the \
                 features (weights up to {:.2})",
                self.weight_max
            ),
            (_, WeightsFrom::KaplanMeier) => format!(
                "the others are weighted to stand for them, by one curve for all, as too few were \
                 lost for a regression (weights up to {:.2})",
                self.weight_max
            ),
        };
        format!("not followed to the end: {self}; {how}")
    }

    /// What should be looked at before a figure is believed.
    pub fn warning(&self) -> Option<String> {
        let part = &self.learnt_on;
        let share = part.censored_share.unwrap_or(0.0);
        match self.handling {
            CensoredRows::Dropped => Some(format!(
                "{:.1}% of the index times were not followed to the end and are dropped: the \
                 figures are those of patients who stay",
                share * 100.0
            )),
            CensoredRows::Weighted
                if part.effective_samples < 0.5 * part.counted_samples as f64 || share > 0.5 =>
            {
                Some(format!(
                    "{:.1}% of the index times were not followed to the end; the {} others are \
                     worth {:.0} of even weight: a shorter horizon would lose fewer",
                    share * 100.0,
                    part.counted_samples,
                    part.effective_samples
                ))
            }
            CensoredRows::Weighted => None,
        }
    }
}

impl fmt::Display for CensoringReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.learnt_on)?;
        match &self.held_out {
            Some(held_out) => write!(f, "; of the held-out, {held_out}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CensoringPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.censored_share {
            Some(share) => write!(f, "{:.1}% of the index times", share * 100.0)?,
            None => write!(f, "too few to be told")?,
        }
        write!(
            f,
            ", the other {} worth {:.0} of even weight",
            self.counted_samples, self.effective_samples
        )
    }
}

/// The weights of a cohort's samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FollowUp {
    /// One a sample; `None` where all were followed to the end.
    each: Option<Vec<f64>>,
    pub report: Option<CensoringReport>,
}

impl FollowUp {
    /// Weighs the samples of `cohort`. The chance of being lost is learnt on those that `learns`
    /// names, and applied to all.
    pub(super) fn of(cohort: &Cohort<'_>, learns: &[bool], handling: CensoredRows) -> FollowUp {
        let samples = cohort.samples();
        if !samples.iter().any(|sample| sample.censored) {
            return FollowUp { each: None, report: None };
        }
        let learning: Vec<usize> =
            learns.iter().enumerate().filter(|(_, learns)| **learns).map(|(row, _)| row).collect();
        let counts = |sample: &Sample| f64::from(u8::from(!sample.censored));
        let (mut each, weights_from) = match handling {
            CensoredRows::Dropped => (samples.iter().map(counts).collect(), WeightsFrom::Nothing),
            CensoredRows::Weighted => {
                let (chances, from) = chances(cohort, &learning);
                let weight = |(sample, chance): (&Sample, &f64)| counts(sample) / chance;
                (samples.iter().zip(&chances).map(weight).collect::<Vec<f64>>(), from)
            }
        };
        let weight_max = largest(&each, &learning);
        each.iter_mut().for_each(|weight| *weight = weight.min(weight_max));
        let others: Vec<usize> = (0..samples.len()).filter(|row| !learns[*row]).collect();
        let report = CensoringReport {
            handling,
            weights_from,
            weight_max,
            learnt_on: part(samples, &learning, &each),
            held_out: (!others.is_empty()).then(|| part(samples, &others, &each)),
        };
        FollowUp { each: Some(each), report: Some(report) }
    }

    /// How much each sample counts; 0 for a censored one.
    pub(super) fn weights(&self) -> Weights<'_> {
        Weights::from(&self.each)
    }
}

/// The weight that larger ones are cut to.
fn largest(each: &[f64], learning: &[usize]) -> f64 {
    let mut known: Vec<f64> = learning.iter().map(|row| each[*row]).filter(|w| *w > 0.0).collect();
    known.sort_by(f64::total_cmp);
    let place = (WEIGHT_QUANTILE * known.len() as f64) as usize;
    known.get(place.min(known.len().saturating_sub(1))).copied().unwrap_or(1.0)
}

fn part(samples: &[Sample], rows: &[usize], each: &[f64]) -> CensoringPart {
    let mut censored = Tally::default();
    let lost = rows.iter().map(|row| &samples[*row]).filter(|sample| sample.censored);
    lost.for_each(|sample| censored.add(&sample.group));
    let share = censored.count() as f64 / rows.len() as f64;
    let weights = Weights::Each(each);
    CensoringPart {
        censored_share: (!censored.is_small() && !rows.is_empty()).then_some(share),
        effective_samples: weights.effective(rows),
        counted_samples: weights.counted(rows.iter().copied()).len(),
    }
}

/// For each sample the chance that it was still followed just before its own end, learnt on the
/// `learning` ones.
fn chances(cohort: &Cohort<'_>, learning: &[usize]) -> (Vec<f64>, WeightsFrom) {
    let samples = cohort.samples();
    let mut lost: Vec<&str> = learning
        .iter()
        .map(|row| &samples[*row])
        .filter(|sample| sample.censored)
        .map(|sample| sample.group.as_str())
        .collect();
    lost.dedup();
    // A regression that cannot be fitted leaves the one curve, which always can.
    if lost.len() >= LOST_PATIENTS_MIN
        && let Ok(chances) = by_features(cohort, learning)
    {
        return (chances, WeightsFrom::Regression);
    }
    let curve = Curve::of(learning.iter().map(|row| &samples[*row]));
    let chances = samples.iter().map(|sample| curve.before(sample.followed_days));
    (chances.collect(), WeightsFrom::KaplanMeier)
}

fn by_features(cohort: &Cohort<'_>, learning: &[usize]) -> Result<Vec<f64>, ModelError> {
    let samples = cohort.samples();
    // Laid out as for a model of who is lost, so learned columns are the codes that tell of that.
    let table = Table {
        samples: samples.iter().collect(),
        labels: samples.iter().map(|sample| sample.censored).collect(),
        patients: cohort.patient_numbers(),
        weights: None,
        folds: Vec::new(),
        folds_count: 0,
    };
    let inputs = table.layout(cohort.task().spec(), learning)?.inputs;
    let followed =
        |sample: &Sample| Followed { days: sample.followed_days, censored: sample.censored };
    let followed: Vec<Followed> = samples.iter().map(followed).collect();
    let horizon_days = f64::from(cohort.task().params().time_at_risk.horizon_days);
    // As a prior: all inputs together move the log-odds by a standard deviation of 1.
    let alpha = inputs.columns() as f64;
    let hazard = Hazard::fit(&inputs, learning, &followed, horizon_days, INTERVALS, alpha)?;
    let chance = |(row, followed): (usize, &Followed)| {
        hazard.still_followed(inputs.row(row), followed.days).max(CHANCE_MIN)
    };
    Ok(followed.iter().enumerate().map(chance).collect())
}

/// Kaplan and Meier's curve of still being followed.
struct Curve {
    /// Days at which someone was lost, rising, with the chance of being followed beyond.
    steps: Vec<(f64, f64)>,
}

impl Curve {
    fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Curve {
        // Whoever leaves otherwise on a day on which others are lost leaves before them.
        let mut ends: Vec<(f64, bool)> =
            samples.map(|sample| (sample.followed_days, sample.censored)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut steps, mut chance, mut left) = (Vec::new(), 1.0, 0);
        for day in ends.chunk_by(|a, b| a.0 == b.0) {
            let lost = day.iter().filter(|(_, censored)| *censored).count();
            let at_risk = ends.len() - left - (day.len() - lost);
            left += day.len();
            if lost > 0 {
                chance *= 1.0 - lost as f64 / at_risk as f64;
                steps.push((day[0].0, chance));
            }
        }
        Curve { steps }
    }

    /// The chance of being followed until just before `days`.
    fn before(&self, days: f64) -> f64 {
        let passed = self.steps.partition_point(|(day, _)| *day < days);
        let last = passed.checked_sub(1).and_then(|place| self.steps.get(place));
        last.map_or(1.0, |(_, chance)| chance.max(CHANCE_MIN))
    }
}

#[cfg(test)]
mod tests;
