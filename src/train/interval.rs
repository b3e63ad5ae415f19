//! The interval of the answers of a fit: how well the development cohort tells the event rate among
//! patients with the same score.
//!
//! The out-of-fold probabilities are what a fit says of patients it has not seen. The logistic line
//! of the outcomes on their log-odds (Cox 1958) says by how much they are off, and its covariance, by
//! patients (the sandwich of Liang and Zeger 1986), how well that is known: of the level and of the
//! slope. A line cannot tell what bends between its ends, nor how far one fit differs from the
//! next; both show in groups of one fold with neighbouring scores, whose event rates then scatter
//! about the line by more than chance. That excess (DerSimonian and Laird 1986) is added. A
//! bootstrap of the calibrator alone knows of neither, and a binomial interval of each group is
//! too wide: neighbouring groups tell of each other.

use super::metrics::{calibration_line, enough, log_odds};
use super::select::Table;
use crate::bundle::Interval;
use crate::model::{Weights, sigmoid};

/// The groups by rising probability that are knots of a interval.
const KNOTS: usize = 20;
/// The groups by rising probability whose scatter about the line is looked at, in each fold.
const GROUPS: usize = 5;
/// A log-odds is said to lie within so many of its standard errors: 95%.
const NORMAL_95: f64 = 1.96;

/// The out-of-fold probabilities of a fit with what came of them.
pub(super) struct Scored<'a> {
    pub probabilities: &'a [f64],
    pub labels: &'a [bool],
    pub patients: &'a [u32],
    pub folds: &'a [u8],
    pub weights: Weights<'a>,
}

impl<'a> Scored<'a> {
    /// The rows of `table`, to which a fit gave the out-of-fold `probabilities`.
    pub(super) fn of(table: &'a Table<'a>, probabilities: &'a [f64]) -> Scored<'a> {
        let Table { labels, patients, folds, .. } = table;
        Scored { probabilities, labels, patients, folds, weights: table.weights() }
    }

    /// The rows by rising probability.
    fn ranked(&self) -> Vec<usize> {
        let mut order = self.weights.counted(0..self.probabilities.len());
        order.sort_by(|a, b| self.probabilities[*a].total_cmp(&self.probabilities[*b]));
        order
    }
}

/// The line of the outcomes on the log-odds of the probabilities, and how well it is known.
struct Line {
    intercept: f64,
    slope: f64,
    /// Variance of the intercept, covariance, variance of the slope.
    covariance: [f64; 3],
    /// How much more the sums of patients vary than those of rows would, if each stood alone; 1 or
    /// more.
    clustering: f64,
}

impl Line {
    fn fit(scored: &Scored<'_>) -> Option<Line> {
        let Scored { probabilities, labels, weights, .. } = *scored;
        let (intercept, slope) = calibration_line(probabilities, labels, weights)?;
        let mut line = Line { intercept, slope, covariance: [0.0; 3], clustering: 1.0 };
        let mut rows = weights.counted(0..probabilities.len());
        rows.sort_by_key(|row| scored.patients[*row]);
        let (mut bread, mut filling) = ([0.0; 3], [0.0; 3]);
        let (mut alone, mut together) = (0.0, 0.0);
        for rows in rows.chunk_by(|a, b| scored.patients[*a] == scored.patients[*b]) {
            let mut score = [0.0; 2];
            for row in rows {
                let (x, rate, weight) = line.at(scored, *row);
                let curve = weight * rate * (1.0 - rate);
                let gap = weight * (f64::from(u8::from(labels[*row])) - rate);
                bread = [bread[0] + curve, bread[1] + curve * x, bread[2] + curve * x * x];
                score = [score[0] + gap, score[1] + gap * x];
                alone += weight * curve;
            }
            let [level, tilt] = score;
            filling[0] += level * level;
            filling[1] += level * tilt;
            filling[2] += tilt * tilt;
            together += level * level;
        }
        line.covariance = sandwich(bread, filling)?;
        line.clustering = (together / alone).max(1.0);
        Some(line)
    }

    /// Log-odds of the probability of a row, its event rate by the line, its weight.
    fn at(&self, scored: &Scored<'_>, row: usize) -> (f64, f64, f64) {
        let x = log_odds(scored.probabilities[row]);
        (x, sigmoid(self.intercept + self.slope * x), scored.weights.of(row))
    }

    /// The variance of the line at the log-odds `x`.
    fn variance(&self, x: f64) -> f64 {
        let [level, both, tilt] = self.covariance;
        level + 2.0 * x * both + x * x * tilt
    }

    /// By how much groups of one fold with neighbouring probabilities scatter about the line beyond
    /// chance, as a variance of log-odds.
    fn scatter(&self, scored: &Scored<'_>) -> f64 {
        let order = scored.ranked();
        let size = order.len().div_ceil(GROUPS).max(1);
        // Per group and fold: what came beyond the line, and the curvature.
        let mut cells = std::collections::BTreeMap::<(usize, u8), [f64; 3]>::new();
        for (place, row) in order.iter().enumerate() {
            let (_, rate, weight) = self.at(scored, *row);
            let cell = cells.entry((place / size, scored.folds[*row])).or_default();
            cell[0] += weight * (f64::from(u8::from(scored.labels[*row])) - rate);
            cell[1] += weight * rate * (1.0 - rate);
            cell[2] += weight * weight * rate * (1.0 - rate);
        }
        // The line has taken two of the degrees of freedom.
        let (mut excess, mut precision, mut squares) = (2.0, 0.0, 0.0);
        for [gap, curve, spread] in cells.into_values() {
            let variance = self.clustering * spread / (curve * curve);
            if !(variance > 0.0 && variance.is_finite()) {
                continue;
            }
            excess += (gap / curve).powi(2) / variance - 1.0;
            precision += 1.0 / variance;
            squares += (1.0 / variance).powi(2);
        }
        let scale = precision - squares / precision;
        if scale > 0.0 { (excess / scale).max(0.0) } else { 0.0 }
    }
}

/// The interval of the answers of a fit; `None` where both outcomes do not stand behind it.
pub(super) fn interval(scored: &Scored<'_>) -> Option<Interval> {
    let line = Line::fit(scored)?;
    let scatter = line.scatter(scored);
    let knots = knots(scored);
    let bounds = |sign: f64| -> Vec<f64> {
        let bound = |p: &f64| {
            let x = log_odds(*p);
            sigmoid(x + sign * NORMAL_95 * (line.variance(x) + scatter).max(0.0).sqrt())
        };
        knots.iter().map(bound).collect()
    };
    let (mut low, mut high) = (bounds(-1.0), bounds(1.0));
    // A bound that falls where the probability rises is drawn outwards.
    for at in (1..low.len()).rev() {
        low[at - 1] = low[at - 1].min(low[at]);
    }
    for at in 1..high.len() {
        high[at] = high[at].max(high[at - 1]);
    }
    (!knots.is_empty()).then_some(Interval { probabilities: knots, low, high })
}

/// Mean probabilities of neighbouring groups of about equal size, rising; each of enough patients.
fn knots(scored: &Scored<'_>) -> Vec<f64> {
    let order = scored.ranked();
    let size = order.len().div_ceil(KNOTS).max(1);
    let mut knots: Vec<f64> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for row in order {
        open.push(row);
        if open.len() < size || !enough(open.iter().map(|row| scored.patients[*row])) {
            continue;
        }
        let sum: f64 =
            open.iter().map(|row| scored.weights.of(*row) * scored.probabilities[*row]).sum();
        let mean = sum / scored.weights.sum(&open);
        if knots.last().is_none_or(|last| *last < mean) {
            knots.push(mean);
        }
        open.clear();
    }
    knots
}

/// `bread`^-1 `filling` `bread`^-1 of symmetric matrices of two rows, each as its upper half.
fn sandwich(bread: [f64; 3], filling: [f64; 3]) -> Option<[f64; 3]> {
    let [a, b, c] = bread;
    let det = a * c - b * b;
    if !(det > 1e-9 * a * c) {
        // Equal probabilities have no slope: the level alone is uncertain.
        return (a > 0.0).then(|| [filling[0] / (a * a), 0.0, 0.0]);
    }
    let (i, j, k) = (c / det, -b / det, a / det);
    let [p, q, r] = filling;
    Some([
        i * i * p + 2.0 * i * j * q + j * j * r,
        i * j * p + (i * k + j * j) * q + j * k * r,
        j * j * p + 2.0 * j * k * q + k * k * r,
    ])
}
