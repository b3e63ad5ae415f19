//! `Bundle::predict`: the one way from a row to a probability, and the shares behind it.

use super::open::{Bundle, BundleMember};
use crate::model::{logit, sigmoid};

/// Below this distance from the reference's margin a member's contributions are all taken as 0.
const MARGIN_EPSILON: f64 = 1e-9;

/// A calibrated probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    pub probability: f64,
}

/// The shares of the columns in one prediction, in log-odds.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Log-odds of the reference patient, from which the shares start: baseline + sum of shares =
    /// log-odds of the probability.
    pub baseline: f64,
    /// One share for each column of the row.
    pub contributions: Vec<f64>,
}

impl Bundle {
    /// The probability for `row` (one value for each column, `NaN` = missing).
    pub fn predict(&self, row: &[f32]) -> Prediction {
        let mut inputs = Vec::with_capacity(self.input().inputs());
        let mut calibrated = |member: &BundleMember| {
            self.input().apply(row, member.model.reads(), &mut inputs);
            member.calibrator.apply(member.model.margin(&inputs))
        };
        let mut in_use = self.members().iter().filter(|member| member.weight > 0.0);
        let probability = match (in_use.next(), in_use.next()) {
            // One member alone gives its probability as it is, without a trip through log-odds.
            (Some(only), None) => calibrated(only),
            _ => sigmoid(self.blended(|member| logit(calibrated(member)))),
        };
        Prediction { probability }
    }

    /// The shares of the columns in the prediction for `row`, compared with the reference patient:
    /// one with the median of every input, and without a value where most development rows have none.
    ///
    /// Each member explains its own margin by exact Shapley values; its shares are then scaled so that
    /// they sum to the difference of calibrated log-odds, and members add up with their weights.
    pub fn explain(&self, row: &[f32]) -> Explanation {
        let mut inputs = Vec::with_capacity(self.input().inputs());
        let mut contributions = vec![0.0; self.columns().len()];
        let mut baseline = 0.0;
        let mut shares = vec![0.0; self.input().inputs()];
        for member in self.members().iter().filter(|member| member.weight > 0.0) {
            let BundleMember { model, calibrator, weight, reference } = member;
            self.input().apply(row, model.reads(), &mut inputs);
            let margin = model.contributions(&inputs, &reference.inputs, &mut shares);
            let here = logit(calibrator.apply(margin));
            let gap = margin - reference.margin;
            if gap.abs() < MARGIN_EPSILON {
                baseline += weight * here;
                continue;
            }
            baseline += weight * reference.log_odds;
            let scale = weight * (here - reference.log_odds) / gap;
            for (input, share) in shares.iter().enumerate() {
                if let Some(sum) = contributions.get_mut(self.input().column_of(input)) {
                    *sum += scale * share;
                }
            }
        }
        Explanation { baseline, contributions }
    }

    fn blended(&self, mut log_odds: impl FnMut(&BundleMember) -> f64) -> f64 {
        let in_use = self.members().iter().filter(|member| member.weight > 0.0);
        in_use.map(|member| member.weight * log_odds(member)).sum()
    }

    /// The name of the tier that `probability` falls in.
    pub fn tier(&self, probability: f64) -> &str {
        let cuts = &self.manifest().tiers;
        let found = cuts.iter().find(|cut| probability >= cut.from).or(cuts.last());
        found.map_or("", |cut| cut.name.as_str())
    }

    /// 95% bounds of the event rate among all patients with this probability; `None` where the fit left
    /// none.
    pub fn interval(&self, probability: f64) -> Option<[f64; 2]> {
        self.manifest().interval.as_ref().map(|interval| interval.around(probability))
    }

    /// The share (0 to 99 percent) of the development cohort with a lower probability.
    pub fn reference_percentile(&self, probability: f64) -> f64 {
        self.manifest().reference.partition_point(|quantile| *quantile < probability) as f64
    }
}
