//! Two bundles on the same index times, in pairs: which ranks better, which errs less, and whom their
//! tiers put elsewhere.

use serde::Serialize;

use super::censoring::FollowUp;
use super::cohort::{Cohort, Sample};
use super::evaluate::BOOTSTRAP_SEED;
use super::metrics::{Comparison, DRAWS_OF_GROUPS, Estimate, Metrics, Resampling, enough, paired};
use crate::bundle::Bundle;
use crate::model::Weights;

/// A version beside another one that it may replace, on patients that neither has learnt from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beside {
    /// The other one.
    pub version: String,
    pub digest: String,
    /// The version less the other one.
    pub comparison: Comparison,
}

/// Two bundles on the index times that both give a probability; every difference is the first's less
/// the second's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Versus {
    pub comparison: Comparison,
    /// The first alone.
    pub first: Metrics,
    /// The second alone.
    pub second: Metrics,
    /// What flagging from the first's tier cuts upwards is worth with either.
    pub net_benefit: Vec<NetBenefit>,
    /// Whom the first puts into another tier than the second: those with the outcome, and those
    /// without. Empty where the tiers have other names.
    pub reclassification: Vec<Reclassification>,
}

/// The net benefit (Vickers and Elkin 2006) of flagging from a cut upwards, per index time: outcomes
/// found, less false alarms at the odds of the cut. `None` where too few patients are flagged, or
/// flagged by one of the bundles alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetBenefit {
    pub tier: String,
    /// The cut, a probability: the first's, for both.
    pub cut: f64,
    pub first: Option<Estimate>,
    pub second: Option<Estimate>,
    pub difference: Option<Estimate>,
}

/// Weighted shares of those with the outcome, or without it, whom the first puts into another tier.
/// They sum to 1; all are `None` where too few patients stand behind one of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reclassification {
    pub outcome: bool,
    /// Into a higher tier than the second does.
    pub up: Option<f64>,
    pub down: Option<f64>,
    pub same: Option<f64>,
}

/// The rows both bundles gave a probability.
struct Pairs {
    /// Of the first and of the second bundle.
    p: [Vec<f64>; 2],
    y: Vec<bool>,
    patients: Vec<u32>,
    weights: Option<Vec<f64>>,
}

/// Compares two bundles on the samples of `cohort`, given the probabilities both gave each (`None`
/// where one of them has not enough data); `None` without both outcomes. The chance of being lost to
/// follow-up is learnt from this very cohort.
pub fn versus(
    [first, second]: [&Bundle; 2],
    cohort: &Cohort<'_>,
    probabilities: impl Fn(&Sample) -> Option<[f64; 2]>,
) -> Option<Versus> {
    let pairs = Pairs::of(cohort, probabilities);
    let Pairs { p: [p, q], y, patients, .. } = &pairs;
    let weights = Weights::from(&pairs.weights);
    Some(Versus {
        comparison: paired(p, q, y, patients, weights, BOOTSTRAP_SEED)?,
        first: Metrics::of(p, y, patients, weights, BOOTSTRAP_SEED)?,
        second: Metrics::of(q, y, patients, weights, BOOTSTRAP_SEED)?,
        net_benefit: pairs.net_benefit(first),
        reclassification: pairs.reclassification([first, second]),
    })
}

impl Pairs {
    fn of(cohort: &Cohort<'_>, probabilities: impl Fn(&Sample) -> Option<[f64; 2]>) -> Pairs {
        let samples = cohort.samples();
        let follow_up = FollowUp::of(cohort, &vec![true; samples.len()]);
        let counted = follow_up.weights().counted(0..samples.len());
        let both = |row: &usize| Some((*row, probabilities(&samples[*row])?));
        let given: Vec<(usize, [f64; 2])> = counted.iter().filter_map(both).collect();
        let rows: Vec<usize> = given.iter().map(|(row, _)| *row).collect();
        let numbers = cohort.patient_numbers();
        Pairs {
            p: [0, 1].map(|of| given.iter().map(|(_, pair)| pair[of]).collect()),
            y: rows.iter().map(|row| samples[*row].boolean_value).collect(),
            patients: rows.iter().map(|row| numbers[*row]).collect(),
            weights: follow_up.weights().uneven(&rows),
        }
    }

    fn net_benefit(&self, first: &Bundle) -> Vec<NetBenefit> {
        let resampling = Resampling::of(&self.patients, BOOTSTRAP_SEED);
        let each = first.manifest().upper_tiers().iter().map(|tier| {
            let benefit = self.benefit_at(tier.from, &resampling);
            let [first, second, difference] = benefit;
            NetBenefit { tier: tier.name.clone(), cut: tier.from, first, second, difference }
        });
        each.collect()
    }

    /// Of the first, of the second, and their difference.
    fn benefit_at(&self, cut: f64, resampling: &Resampling) -> [Option<Estimate>; 3] {
        let weights = Weights::from(&self.weights);
        let flagged = |of: usize, row: usize| self.p[of][row] >= cut;
        let stands = |is: &dyn Fn(usize) -> bool| {
            enough((0..self.y.len()).filter(|row| is(*row)).map(|row| self.patients[row]))
        };
        let nobody = |is: &dyn Fn(usize) -> bool| !(0..self.y.len()).any(is);
        let told = [0, 1].map(|of| {
            [true, false].iter().all(|with| stands(&|row| flagged(of, row) && self.y[row] == *with))
        });
        let moved = [true, false].iter().all(|with| {
            let apart = |row: usize| flagged(0, row) != flagged(1, row) && self.y[row] == *with;
            nobody(&apart) || stands(&apart)
        });
        let odds = cut / (1.0 - cut);
        let sums = resampling.sums(3, |row, sums| {
            let (weight, worth) = (weights.of(row), if self.y[row] { 1.0 } else { -odds });
            sums[0] += weight;
            for of in [0, 1] {
                sums[1 + of] += if flagged(of, row) { weight * worth } else { 0.0 };
            }
        });
        let figures = resampling.figures(DRAWS_OF_GROUPS, |times| {
            let sums = sums.drawn(times);
            let [first, second] = [sums[1] / sums[0], sums[2] / sums[0]];
            vec![first, second, first - second]
        });
        let shown = [told[0], told[1], told[0] && told[1] && moved];
        let mut place = 0;
        shown.map(|shown| {
            place += 1;
            figures.estimate(place - 1).filter(|_| shown && moved)
        })
    }

    fn reclassification(&self, bundles: [&Bundle; 2]) -> Vec<Reclassification> {
        let [ours, theirs] = bundles.map(|bundle| &bundle.manifest().tiers);
        let names = |tiers: &[crate::bundle::TierCut]| -> Vec<String> {
            tiers.iter().map(|tier| tier.name.clone()).collect()
        };
        if names(ours) != names(theirs) {
            return Vec::new();
        }
        // 0 is the highest tier.
        let place = |of: usize, row: usize| {
            let cuts = [ours, theirs][of];
            cuts.iter().position(|cut| self.p[of][row] >= cut.from).unwrap_or(cuts.len())
        };
        let weights = Weights::from(&self.weights);
        let of_outcome = |outcome: bool| {
            let mut parts: [Vec<usize>; 3] = Default::default();
            for row in (0..self.y.len()).filter(|row| self.y[*row] == outcome) {
                let moved = place(0, row).cmp(&place(1, row));
                parts[(moved as i8 + 1) as usize].push(row);
            }
            let told = parts
                .iter()
                .all(|rows| rows.is_empty() || enough(rows.iter().map(|row| self.patients[*row])));
            let all: f64 = parts.iter().map(|rows| weights.sum(rows)).sum();
            let [up, same, down] =
                parts.map(|rows| (told && all > 0.0).then(|| weights.sum(&rows) / all));
            Reclassification { outcome, up, down, same }
        };
        [true, false].map(of_outcome).into()
    }
}
