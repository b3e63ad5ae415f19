//! How good a set of predictions is: pure numbers, nothing about models.
//!
//! `p` are probabilities, `y` the outcomes, `patients` the patient number of every row; the slices
//! have one length, else there is no result. Every figure is weighted, and a row of weight 0 is as
//! if it were not there. Every number that comes out stands for a group of rows, never for its most
//! extreme one, and small groups give no number at all.

use serde::Serialize;

mod calibration;
mod core;
mod estimate;
mod groups;
mod lowest_cut;
mod paired;
mod quantiles;
mod ranking;
mod regression;
mod resampling;
mod smooth;
mod thresholds;

pub(super) use calibration::Line;
pub(super) use calibration::log_odds;
pub use calibration::{calibration_in_the_large, calibration_line, observed_over_expected};
pub(super) use core::Core;
pub use estimate::Estimate;
pub(super) use groups::enough;
pub use groups::{Bin, calibration_bins};
pub(super) use lowest_cut::{PpvCut, lowest_cut_with_ppv, lowest_cut_within};
pub use paired::{Comparison, Difference, paired};
pub(super) use quantiles::Quantiles;
pub(super) use ranking::Ranked;
pub use ranking::{auroc, average_precision};
pub(super) use resampling::{DRAWS, DRAWS_OF_GROUPS, PatientSums, Resampling, mixed};
pub use resampling::{auroc_interval, observed_over_expected_interval};
pub use smooth::{CalibrationPoint, calibration_curve, calibration_errors};
pub use thresholds::{
    CurvePoint, ScoreBand, ThresholdRow, TopShareRow, curve, score_bands, threshold_table,
    top_shares,
};

use crate::model::Weights;

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
    /// Mean precision over the rows with the outcome: the area under the curve of precision by recall
    /// (AUPRC), without interpolation.
    pub average_precision: f64,
    /// 95% interval of `average_precision`, patients resampled.
    pub average_precision_interval: [f64; 2],
    /// Mean squared error.
    pub brier: f64,
    /// 95% interval of `brier`, patients resampled.
    pub brier_interval: [f64; 2],
    /// 1 - `brier` / the Brier score of saying the prevalence to all; 1 is best, 0 tells nothing
    /// (Steyerberg et al. 2010).
    pub scaled_brier: f64,
    /// 95% interval of `scaled_brier`, patients resampled, each draw with its own prevalence.
    pub scaled_brier_interval: [f64; 2],
    /// Mean negative log-likelihood, natural logarithm.
    pub log_loss: f64,
    /// Outcomes that came per outcome that was expected; 1 is best.
    pub observed_over_expected: f64,
    /// 95% interval of `observed_over_expected`, patients resampled.
    pub observed_over_expected_interval: [f64; 2],
    /// Shift in log-odds that would make the mean right (slope held at 1); 0 is best.
    pub calibration_in_the_large: f64,
    /// 95% interval of `calibration_in_the_large`, patients resampled.
    pub calibration_in_the_large_interval: [f64; 2],
    /// Intercept of the logistic refit on the log-odds; 0 is best.
    pub calibration_intercept: f64,
    /// 95% interval of `calibration_intercept`, patients resampled.
    pub calibration_intercept_interval: [f64; 2],
    /// Slope of that refit; 1 is best, below 1 is overconfident.
    pub calibration_slope: f64,
    /// 95% interval of `calibration_slope`, patients resampled.
    pub calibration_slope_interval: [f64; 2],
    /// Mean distance between the probability and the smooth calibration curve (the integrated
    /// calibration index, ICI, of Austin and Steyerberg 2019); 0 is best.
    pub ici: f64,
    /// Median of that distance (E50 of the same paper).
    pub e50: f64,
    /// 90th percentile of that distance (E90 of the same paper).
    pub e90: f64,
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
        let all: Vec<usize> = (0..p.len()).collect();
        let resampling = Resampling::of(patients, seed);
        let judged = (p, y, weights);
        let ranked = Ranked::of(p, y, weights, &resampling);
        let line = Line::of_rows(&all, judged, &resampling, false)?;
        let shift = Line::of_rows(&all, judged, &resampling, true)?;
        let sums = resampling.sums(4, |row, sums| {
            let (weight, outcome) = (weights.of(row), outcome(y[row]));
            let error = (p[row] - outcome).powi(2);
            sums.iter_mut().zip([1.0, outcome, p[row], error]).for_each(|(s, v)| *s += weight * v);
        });
        let figures = resampling.figures(DRAWS, |times| {
            let descent = ranked.descent(times, &[]);
            let drawn = sums.drawn(times);
            let (prevalence, brier) = (drawn[1] / drawn[0], drawn[3] / drawn[0]);
            let scaled = 1.0 - brier / (prevalence * (1.0 - prevalence));
            let [intercept, slope] = line.drawn(times);
            let ranks = [descent.auroc, descent.average_precision];
            let sizes =
                [brier, scaled, drawn[1] / drawn[2], shift.drawn(times)[0], intercept, slope];
            [ranks.as_slice(), &sizes].concat()
        });
        let events: Vec<usize> = all.iter().copied().filter(|row| y[*row]).collect();
        let [ici, e50, e90] = calibration_errors(p, y, weights)?;
        let found: Option<Vec<Estimate>> = figures.estimates().collect();
        let [area, precision, brier, scaled, ratio, shift, intercept, slope] =
            found?.try_into().ok()?;
        Some(Metrics {
            rows: p.len(),
            patients: resampling.distinct,
            events: events.len(),
            effective_rows: weights.effective(&all),
            prevalence: weights.sum(&events) / weights.sum(&all),
            auroc: area.value,
            auroc_interval: area.interval,
            average_precision: precision.value,
            average_precision_interval: precision.interval,
            brier: brier.value,
            brier_interval: brier.interval,
            scaled_brier: scaled.value,
            scaled_brier_interval: scaled.interval,
            log_loss: log_loss(p, y, weights)?,
            observed_over_expected: ratio.value,
            observed_over_expected_interval: ratio.interval,
            calibration_in_the_large: shift.value,
            calibration_in_the_large_interval: shift.interval,
            calibration_intercept: intercept.value,
            calibration_intercept_interval: intercept.interval,
            calibration_slope: slope.value,
            calibration_slope_interval: slope.interval,
            ici,
            e50,
            e90,
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
mod reference_tests;
#[cfg(test)]
mod tests;
