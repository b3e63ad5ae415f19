//! How good a set of predictions is: pure numbers, nothing about models.
//!
//! `p` are probabilities, `y` the outcomes, `patients` the patient number of every row; the slices
//! have one length, else there is no result. Every figure is weighted, and a row of weight 0 is as
//! if it were not there. Every number that comes out stands for a group of rows, never for its most
//! extreme one, and small groups give no number at all.

use serde::Serialize;

mod calibration;
mod groups;
mod ranking;
mod resampling;

pub use calibration::{calibration_in_the_large, calibration_line, observed_over_expected};
pub(super) use groups::enough;
pub use groups::{Bin, ThresholdRow, calibration_bins, threshold_table};
pub use ranking::{auroc, average_precision};
pub use resampling::{auroc_interval, observed_over_expected_interval};

use crate::model::Weights;
use resampling::{intervals, numbered};

/// Probabilities are kept this far from 0 and 1 where a logarithm is taken.
const EDGE: f64 = 1e-15;

/// Everything that is reported about one set of predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    /// Rows judged.
    pub rows: usize,
    /// Distinct patients among them.
    pub patients: usize,
    /// Rows with the outcome.
    pub events: usize,
    /// How many rows of even weight they are worth.
    pub effective_rows: f64,
    /// Weighted share of rows with the outcome.
    pub prevalence: f64,
    /// Chance that a row with the outcome has the higher probability; ties count half.
    pub auroc: f64,
    /// 95% interval of `auroc`, patients resampled.
    pub auroc_interval: [f64; 2],
    /// Mean precision over the rows with the outcome.
    pub average_precision: f64,
    /// Mean squared error.
    pub brier: f64,
    /// Mean negative log-likelihood, natural logarithm.
    pub log_loss: f64,
    /// Outcomes that came per outcome that was expected; 1 is best.
    pub observed_over_expected: f64,
    /// 95% interval of `observed_over_expected`, patients resampled.
    pub observed_over_expected_interval: [f64; 2],
    /// Shift in log-odds that would make the mean right (slope held at 1); 0 is best.
    pub calibration_in_the_large: f64,
    /// Intercept of the logistic refit on the log-odds; 0 is best.
    pub calibration_intercept: f64,
    /// Slope of that refit; 1 is best, below 1 is overconfident.
    pub calibration_slope: f64,
    /// Up to ten groups of rows by rising probability.
    pub bins: Vec<Bin>,
}

impl Metrics {
    /// Judges predictions; `None` with too few patients with or without the outcome, for slices of
    /// other lengths, for weights that are none or for a probability outside 0 to 1. `seed` drives
    /// the bootstrap.
    pub fn of(
        p: &[f64],
        y: &[bool],
        patients: &[u32],
        weights: Weights<'_>,
        seed: u64,
    ) -> Option<Metrics> {
        if !usable(p, y, weights) || p.len() != patients.len() {
            return None;
        }
        let rows = weights.counted(0..p.len());
        let chosen = weights.of_rows(&rows);
        let weights = Weights::from(&chosen);
        let p: Vec<f64> = rows.iter().map(|row| p[*row]).collect();
        let y: Vec<bool> = rows.iter().map(|row| y[*row]).collect();
        let patients: Vec<u32> = rows.iter().map(|row| patients[*row]).collect();
        Metrics::of_counted(&p, &y, &patients, weights, seed)
    }

    /// The figures a summary leads with, in words.
    pub fn sentence(&self) -> String {
        let [low, high] = self.auroc_interval;
        let [least, most] = self.observed_over_expected_interval;
        format!(
            "AUROC {:.4} ({low:.4} to {high:.4}), observed / expected {:.3} ({least:.3} to {most:.3}), \
             calibration slope {:.3}",
            self.auroc, self.observed_over_expected, self.calibration_slope
        )
    }

    /// As `of`, for rows that all count.
    fn of_counted(
        p: &[f64],
        y: &[bool],
        patients: &[u32],
        weights: Weights<'_>,
        seed: u64,
    ) -> Option<Metrics> {
        if !p.iter().all(|value| (0.0..=1.0).contains(value)) {
            return None;
        }
        let some = |with: bool| y.iter().zip(patients).filter(move |(y, _)| **y == with);
        if ![true, false].iter().all(|with| enough(some(*with).map(|(_, patient)| *patient))) {
            return None;
        }
        let intervals = intervals(p, y, patients, weights, seed)?;
        let (intercept, slope) = calibration_line(p, y, weights)?;
        let events = (0..p.len()).filter(|row| y[*row]).collect::<Vec<usize>>();
        let all: Vec<usize> = (0..p.len()).collect();
        Some(Metrics {
            rows: p.len(),
            patients: numbered(patients).1,
            events: events.len(),
            effective_rows: weights.effective(&all),
            prevalence: weights.sum(&events) / weights.sum(&all),
            auroc: auroc(p, y, weights)?,
            auroc_interval: intervals.auroc,
            average_precision: average_precision(p, y, weights)?,
            brier: brier(p, y, weights)?,
            log_loss: log_loss(p, y, weights)?,
            observed_over_expected: observed_over_expected(p, y, weights)?,
            observed_over_expected_interval: intervals.observed_over_expected,
            calibration_in_the_large: calibration_in_the_large(p, y, weights)?,
            calibration_intercept: intercept,
            calibration_slope: slope,
            bins: calibration_bins(p, y, patients, weights, 10),
        })
    }
}

/// Whether the slices have one length, and the weights are weights of it.
fn usable(p: &[f64], y: &[bool], weights: Weights<'_>) -> bool {
    p.len() == y.len() && weights.fits(p.len())
}

fn outcome(event: bool) -> f64 {
    f64::from(u8::from(event))
}

/// The weighted mean over the rows; `None` where nothing counts.
fn mean(rows: usize, weights: Weights<'_>, value: impl Fn(usize) -> f64) -> Option<f64> {
    let rows = weights.counted(0..rows);
    let total = weights.sum(&rows);
    let each = rows.iter().map(|row| weights.of(*row) * value(*row));
    (total > 0.0).then(|| each.sum::<f64>() / total)
}

/// Mean squared error; `None` without rows.
pub fn brier(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    let error = |row: usize| (p[row] - outcome(y[row])).powi(2);
    usable(p, y, weights).then(|| mean(p.len(), weights, error)).flatten()
}

/// Mean negative log-likelihood (natural logarithm); `None` without rows.
pub fn log_loss(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    let loss = |row: usize| row_loss(p[row], y[row]);
    usable(p, y, weights).then(|| mean(p.len(), weights, loss)).flatten()
}

/// The negative log-likelihood of one row (natural logarithm).
pub(super) fn row_loss(p: f64, y: bool) -> f64 {
    let right = if y { p } else { 1.0 - p };
    -right.max(EDGE).ln()
}

#[cfg(test)]
mod tests;
