//! The interval of the answers of a fit: how well the development cohort tells the event rate among
//! patients with the same score.
//!
//! The out-of-fold probabilities are what a fit says of patients it has not seen. Their smooth
//! calibration curve (a logistic spline of five knots: Harrell 2001) is the event rate by score, and
//! its pointwise 95% band, patients resampled, is how well that is known. A band of the calibrator's
//! own parameters would believe its shape, and a binomial interval of each group would not let
//! neighbouring scores tell of each other: of simulated fits the one holds the true rate too rarely
//! where the shape is wrong, the other too often. Adding the scatter of the folds about the curve
//! was tried: with some hundred outcomes it is mostly noise, and the interval then holds nearly
//! always. Where the curve leaves the answer outside, the interval is widened to it: the answer is
//! then known to be off there.

use super::metrics::calibration_curve;
use crate::bundle::Interval;
use crate::model::Weights;

/// The intervals of probabilities that were given to patients whom the model had not seen, by what
/// came of them; `None` where too few patients with and without the outcome stand behind them. `seed`
/// drives the resampling.
pub(super) fn interval(
    probabilities: &[f64],
    labels: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<Interval> {
    let mut found = Interval { probabilities: Vec::new(), low: Vec::new(), high: Vec::new() };
    for point in calibration_curve(probabilities, labels, patients, weights, seed) {
        let [low, high] = point.interval;
        found.probabilities.push(point.predicted);
        found.low.push(low.min(point.predicted));
        found.high.push(high.max(point.predicted));
    }
    // A bound that falls where the probability rises is drawn outwards.
    for at in (1..found.low.len()).rev() {
        found.low[at - 1] = found.low[at - 1].min(found.low[at]);
    }
    for at in 1..found.high.len() {
        found.high[at] = found.high[at].max(found.high[at - 1]);
    }
    (!found.probabilities.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests;
