//! How well probabilities rank: pairs won, and precision over the rows with the outcome.

use super::usable;
use crate::model::Weights;

/// Row indices by rising probability.
pub(super) fn ranked(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    // Stable, so that equal probabilities stay in the order of the rows.
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Area under the ROC curve with a weight per row; `order` is by rising probability.
pub(super) fn weighted_auroc(
    p: &[f64],
    y: &[bool],
    order: &[usize],
    weight: impl Fn(usize) -> f64,
) -> Option<f64> {
    // Twice the weight of won pairs; whole weights keep every sum a whole number, and so exact.
    let (mut won, mut below, mut events) = (0.0, 0.0, 0.0);
    for ties in order.chunk_by(|a, b| p[*a] == p[*b]) {
        let (mut with, mut without) = (0.0, 0.0);
        for row in ties {
            if y[*row] { with += weight(*row) } else { without += weight(*row) }
        }
        won += with * (2.0 * below + without);
        below += without;
        events += with;
    }
    let pairs = 2.0 * events * below;
    (pairs > 0.0).then(|| won / pairs)
}

/// Chance that a row with the outcome has the higher probability than one without, pairs weighted
/// by the product of their weights; ties count half. `None` without both outcomes.
pub fn auroc(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    if !usable(p, y, weights) {
        return None;
    }
    weighted_auroc(p, y, &ranked(p), |row| weights.of(row))
}

/// Mean precision over the rows with the outcome, equal probabilities entering together. `None`
/// without the outcome.
pub fn average_precision(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    if !usable(p, y, weights) {
        return None;
    }
    let (mut flagged, mut found, mut sum) = (0.0, 0.0, 0.0);
    let mut order = ranked(p);
    order.reverse();
    for ties in order.chunk_by(|a, b| p[*a] == p[*b]) {
        let weight = |row: &usize| weights.of(*row);
        let with: f64 = ties.iter().filter(|row| y[**row]).map(weight).sum();
        flagged += ties.iter().map(weight).sum::<f64>();
        found += with;
        // Rows of weight 0 alone flag nobody.
        if with > 0.0 {
            sum += with * found / flagged;
        }
    }
    (found > 0.0).then(|| sum / found)
}
