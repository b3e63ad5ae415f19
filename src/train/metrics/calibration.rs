//! Whether probabilities are as large as they should be, as a whole and along their range.

use super::{EDGE, outcome, usable};
use crate::model::{Weights, softplus};

/// Outcomes that came per outcome expected; `None` where none was expected.
pub fn observed_over_expected(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    if !usable(p, y, weights) {
        return None;
    }
    let sum = |value: &dyn Fn(usize) -> f64| -> f64 {
        (0..p.len()).map(|row| weights.of(row) * value(row)).sum()
    };
    let expected = sum(&|row| p[row]);
    let observed = sum(&|row| outcome(y[row]));
    (expected > 0.0).then(|| observed / expected)
}

pub(super) fn log_odds(p: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

/// A row of the refit.
struct Point {
    log_odds: f64,
    outcome: f64,
    weight: f64,
}

/// Newton's method with halved steps for outcome ~ intercept + slope * log-odds; with `free` false
/// the slope stays 1.
fn refit(p: &[f64], y: &[bool], weights: Weights<'_>, free: bool) -> Option<(f64, f64)> {
    if !usable(p, y, weights) {
        return None;
    }
    let point = |row: usize| Point {
        log_odds: log_odds(p[row]),
        outcome: outcome(y[row]),
        weight: weights.of(row),
    };
    let points: Vec<Point> = weights.counted(0..p.len()).into_iter().map(point).collect();
    let has = |outcome: f64| points.iter().any(|point| point.outcome == outcome);
    if !has(0.0) || !has(1.0) {
        return None;
    }
    let loss = |a: f64, b: f64| -> f64 {
        let terms = points.iter().map(|point| {
            let z = a + b * point.log_odds;
            point.weight * (softplus(z) - point.outcome * z)
        });
        terms.sum()
    };
    let (mut a, mut b) = (0.0, 1.0);
    let mut best = loss(a, b);
    for _ in 0..100 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-12, 0.0, 1e-12);
        for Point { log_odds: x, outcome, weight } in &points {
            let q = 1.0 / (1.0 + (-(a + b * x)).exp());
            let (gap, curve) = (weight * (q - outcome), weight * (q * (1.0 - q)));
            ga += gap;
            gb += gap * x;
            haa += curve;
            hab += curve * x;
            hbb += curve * x * x;
        }
        let det = haa * hbb - hab * hab;
        // Equal probabilities leave the slope open: only the intercept is moved then.
        let (da, db) = if free && det > 1e-9 * haa * hbb {
            ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det)
        } else {
            (ga / haa, 0.0)
        };
        let sizes = (0..30).map(|halvings| 0.5f64.powi(halvings));
        let tried = sizes.map(|size| (a - size * da, b - size * db));
        let Some((next, value)) =
            tried.map(|next| (next, loss(next.0, next.1))).find(|(_, value)| *value < best)
        else {
            break;
        };
        let gain = best - value;
        ((a, b), best) = (next, value);
        if gain < 1e-13 * best {
            break;
        }
    }
    (a.is_finite() && b.is_finite()).then_some((a, b))
}

/// Intercept and slope of the logistic refit of the outcomes on the log-odds of `p`; (0, 1) is
/// best. `None` without both outcomes.
pub fn calibration_line(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<(f64, f64)> {
    refit(p, y, weights, true)
}

/// The shift in log-odds that makes the mean prediction right, slope held at 1; 0 is best. `None`
/// without both outcomes.
pub fn calibration_in_the_large(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    refit(p, y, weights, false).map(|(shift, _)| shift)
}
