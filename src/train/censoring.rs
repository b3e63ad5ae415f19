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
/// Samples that are worth a smaller share of their number are warned of.
const WORTH_MIN: f64 = 0.5;
/// A larger share of censored samples is warned of.
const SHARE_MAX: f64 = 0.5;

/// Where the chance of still being followed comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightsFrom {
    /// A discrete-time hazard of being lost, given the features.
    Regression,
    /// One curve for all (Kaplan and Meier 1958): too few patients were lost for a regression.
    KaplanMeier,
}

/// What was done about censoring, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CensoringReport {
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
        let by = match self.weights_from {
            WeightsFrom::Regression => "by their chance of being lost given the features",
            WeightsFrom::KaplanMeier => {
                "by one curve for all, as too few were lost for a regression"
            }
        };
        format!(
            "not followed to the end: {self}; the others are weighted to stand for them, {by} (weights \
             up to {:.2})",
            self.weight_max
        )
    }

    /// What should be looked at before a figure is believed.
    pub fn warning(&self) -> Option<String> {
        let part = &self.learnt_on;
        let share = part.censored_share.unwrap_or(0.0);
        let worth = part.effective_samples / part.counted_samples as f64;
        (worth < WORTH_MIN || share > SHARE_MAX).then(|| {
            format!(
                "{:.1}% of the index times were not followed to the end; the {} others are worth \
                 {:.0} of even weight: a shorter horizon would lose fewer",
                share * 100.0,
                part.counted_samples,
                part.effective_samples
            )
        })
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
    /// names, and applied to all. A task that drops censored samples has none here.
    pub(super) fn of(cohort: &Cohort<'_>, learns: &[bool]) -> FollowUp {
        let samples = cohort.samples();
        if !samples.iter().any(|sample| sample.censored) {
            return FollowUp { each: None, report: None };
        }
        let (learning, others): (Vec<usize>, Vec<usize>) =
            (0..samples.len()).partition(|row| learns.get(*row) == Some(&true));
        let (chances, weights_from) = chances(cohort, &learning);
        let weight = |(sample, chance): (&Sample, &f64)| match sample.censored {
            true => 0.0,
            false => 1.0 / chance.max(CHANCE_MIN),
        };
        let mut each: Vec<f64> = samples.iter().zip(&chances).map(weight).collect();
        let weight_max = largest(&each, &learning);
        each.iter_mut().for_each(|weight| *weight = weight.min(weight_max));
        let report = CensoringReport {
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

/// When a sample is lost. Each way has its own chance, and a sample counts that escaped all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    /// From the first moment: nothing says that anybody would have seen it.
    AtOnce,
    /// Within the time at risk.
    Within,
    /// At its end: followed, but never looked at in the way that shows the outcome.
    Unseen,
}

/// When `sample` was lost, if it was.
fn loss(sample: &Sample, horizon_days: f64) -> Option<Loss> {
    sample.censored.then_some(match sample.followed_days {
        days if days <= 0.0 => Loss::AtOnce,
        days if days >= horizon_days => Loss::Unseen,
        _ => Loss::Within,
    })
}

/// For each sample the chance that it was not lost until just before its own end, learnt on the
/// `learning` ones.
fn chances(cohort: &Cohort<'_>, learning: &[usize]) -> (Vec<f64>, WeightsFrom) {
    let samples = cohort.samples();
    let lost = learning.iter().map(|row| &samples[*row]).filter(|sample| sample.censored);
    let mut lost: Vec<&str> = lost.map(|sample| sample.group.as_str()).collect();
    lost.dedup();
    // A regression that cannot be fitted leaves the one curve, which always can.
    if lost.len() >= LOST_PATIENTS_MIN
        && let Ok(chances) = by_features(cohort, learning)
    {
        return (chances, WeightsFrom::Regression);
    }
    let horizon_days = f64::from(cohort.task().params().time_at_risk.horizon_days);
    let learnt = learning.iter().map(|row| &samples[*row]);
    let curve = Curve::of(learnt, horizon_days);
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
    let horizon_days = f64::from(cohort.task().params().time_at_risk.horizon_days);
    // As a prior: all inputs together move the log-odds by a standard deviation of 1.
    let alpha = inputs.columns() as f64;
    let losses: Vec<Option<Loss>> = samples.iter().map(|s| loss(s, horizon_days)).collect();
    let mut chances = vec![1.0; samples.len()];
    for way in [Loss::AtOnce, Loss::Within, Loss::Unseen] {
        // Only who was there to the end could have been without a look: whoever had the outcome or died
        // before needed none.
        let is_at_risk = |row: usize| match way {
            Loss::Unseen => {
                losses[row].is_none_or(|loss| loss == way)
                    && (losses[row].is_some() || samples[row].followed_days >= horizon_days)
            }
            _ => losses[row].is_none_or(|loss| loss >= way),
        };
        let at_risk = |row: &usize| is_at_risk(*row);
        let rows: Vec<usize> = learning.iter().copied().filter(at_risk).collect();
        if !rows.iter().any(|row| losses[*row] == Some(way)) {
            continue;
        }
        let spent = |(sample, loss): (&Sample, &Option<Loss>)| {
            let censored = *loss == Some(way);
            // Beside the way within, there is one interval, which is escaped or not.
            let days = match (way, censored) {
                (Loss::Within, _) => sample.followed_days,
                (_, true) => 0.0,
                (_, false) => horizon_days,
            };
            Followed { days, censored }
        };
        let followed: Vec<Followed> = samples.iter().zip(&losses).map(spent).collect();
        let intervals = if way == Loss::Within { INTERVALS } else { 1 };
        let hazard = Hazard::fit(&inputs, &rows, &followed, horizon_days, intervals, alpha)?;
        for (row, chance) in chances.iter_mut().enumerate() {
            if way == Loss::Unseen && !is_at_risk(row) {
                continue;
            }
            *chance *= hazard.still_followed(inputs.row(row), followed[row].days);
        }
    }
    Ok(chances)
}

/// Kaplan and Meier's curve of still being followed.
struct Curve {
    /// Days at which someone was lost, rising, with the chance of being followed beyond.
    steps: Vec<(f64, f64)>,
    /// The share that was looked at, of those who were not lost.
    seen: f64,
    horizon_days: f64,
}

impl Curve {
    fn of<'a>(samples: impl Iterator<Item = &'a Sample>, horizon_days: f64) -> Curve {
        // Whoever leaves otherwise on a day on which others are lost leaves before them.
        let mut ends: Vec<(f64, bool, bool)> = samples
            .map(|sample| {
                let unseen = loss(sample, horizon_days) == Some(Loss::Unseen);
                (sample.followed_days, sample.censored && !unseen, unseen)
            })
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut steps, mut chance, mut left) = (Vec::new(), 1.0, 0);
        for day in ends.chunk_by(|a, b| a.0 == b.0) {
            let lost = day.iter().filter(|(_, lost, _)| *lost).count();
            let at_risk = ends.len() - left - (day.len() - lost);
            left += day.len();
            if lost > 0 {
                chance *= 1.0 - lost as f64 / at_risk as f64;
                steps.push((day[0].0, chance));
            }
        }
        let to_the_end =
            |(days, lost, unseen): &&(f64, bool, bool)| !lost && (*unseen || *days >= horizon_days);
        let stayed = ends.iter().filter(to_the_end).count();
        let unseen = ends.iter().filter(|(_, _, unseen)| *unseen).count();
        let seen = if stayed > unseen { 1.0 - unseen as f64 / stayed as f64 } else { 1.0 };
        Curve { steps, seen, horizon_days }
    }

    /// The chance of being looked at and followed until just before `days`.
    fn before(&self, days: f64) -> f64 {
        let passed = self.steps.partition_point(|(day, _)| *day < days);
        let last = passed.checked_sub(1).and_then(|place| self.steps.get(place));
        let seen = if days >= self.horizon_days { self.seen } else { 1.0 };
        seen * last.map_or(1.0, |(_, chance)| *chance)
    }
}

#[cfg(test)]
mod tests;
