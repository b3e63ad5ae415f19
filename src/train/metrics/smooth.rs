//! The smooth calibration curve: a logistic regression of the outcome on a restricted cubic spline of
//! the log-odds (Harrell 2001), which Austin, Harrell and van Klaveren 2020 use beside loess. Unlike
//! loess it stays between 0 and 1, takes weights as they are, has no bandwidth to choose, is a
//! straight line in the tails where few rows lie, and follows resampled patients in no time.

use serde::Serialize;

use super::calibration::{log_odds, regression};
use super::groups::Crowd;
use super::quantiles::Quantiles;
use super::regression::Regression;
use super::resampling::{DRAWS, Resampling};
use super::usable;
use crate::model::{Weights, sigmoid};

/// Where the knots lie among the log-odds (Harrell 2001, table 2.3, five knots).
const KNOTS: [f64; 5] = [0.05, 0.275, 0.5, 0.725, 0.95];
/// Points of a curve.
const POINTS: usize = 50;

/// One point of the smooth calibration curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationPoint {
    /// The probability that was given.
    pub predicted: f64,
    /// The share with the outcome among rows that were given it, smoothed.
    pub observed: f64,
    /// 95% band of `observed`, patients resampled, at this point alone.
    pub interval: [f64; 2],
}

/// The columns of a restricted cubic spline.
struct Spline {
    knots: Vec<f64>,
    /// Whether all values are the same: there is but an intercept then.
    is_flat: bool,
}

impl Spline {
    fn of(p: &[f64], weights: Weights<'_>) -> Spline {
        let values: Vec<f64> = p.iter().map(|p| log_odds(*p)).collect();
        let quantiles = Quantiles::of(&values, weights);
        let mut knots: Vec<f64> = KNOTS.iter().map(|share| quantiles.at(*share)).collect();
        knots.dedup();
        let is_flat = values.windows(2).all(|pair| pair[0] == pair[1]);
        Spline { knots, is_flat }
    }

    /// Intercept, the value itself, and a column for each knot but the last two.
    fn width(&self) -> usize {
        if self.is_flat { 1 } else { 2 + self.knots.len().saturating_sub(2) }
    }

    fn write(&self, x: f64, out: &mut Vec<f64>) {
        out.extend([1.0, x].into_iter().take(self.width()));
        let [first, .., before, last] = self.knots.as_slice() else { return };
        let cube = |knot: &f64| (x - knot).max(0.0).powi(3);
        let (scale, span) = ((last - first).powi(2), last - before);
        let bent = self.knots.iter().take(self.knots.len() - 2).map(|knot| {
            let tails = cube(before) * (last - knot) - cube(last) * (before - knot);
            (cube(knot) - tails / span) / scale
        });
        out.extend(bent);
    }

    fn regression(&self, rows: &[usize], judged: (&[f64], &[bool], Weights<'_>)) -> Regression {
        regression(rows, judged, false, self.width(), |x, out| self.write(x, out))
    }

    fn start(&self) -> Vec<f64> {
        let mut start = vec![0.0; self.width()];
        if let Some(slope) = start.get_mut(1) {
            *slope = 1.0;
        }
        start
    }

    /// What the curve with these coefficients says of a probability.
    fn at(&self, coefficients: &[f64], p: f64) -> f64 {
        let mut columns = Vec::with_capacity(self.width());
        self.write(log_odds(p), &mut columns);
        let z: f64 = columns.iter().zip(coefficients).map(|(value, slope)| value * slope).sum();
        sigmoid(z)
    }
}

/// Mean, median and 90th percentile of the distance between each probability and the smooth curve
/// (ICI, E50 and E90: Austin and Steyerberg 2019), weighted; `None` without both outcomes.
pub fn calibration_errors(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<[f64; 3]> {
    if !usable(p, y, weights) {
        return None;
    }
    let rows = weights.counted(0..p.len());
    let spline = Spline::of(p, weights);
    let at = spline.regression(&rows, (p, y, weights)).solve(spline.start())?;
    let errors: Vec<f64> = p.iter().map(|p| (spline.at(&at, *p) - p).abs()).collect();
    let mean = super::mean(p.len(), weights, |row| errors[row])?;
    let quantiles = Quantiles::of(&errors, weights);
    Some([mean, quantiles.at(0.5), quantiles.at(0.9)])
}

/// The smooth calibration curve from the lowest to the highest probability beyond which at least
/// eleven patients lie; empty without both outcomes or with fewer patients.
pub fn calibration_curve(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Vec<CalibrationPoint> {
    if !usable(p, y, weights) || p.len() != patients.len() {
        return Vec::new();
    }
    curve(p, y, patients, weights, seed).unwrap_or_default()
}

fn curve(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<Vec<CalibrationPoint>> {
    let rows = weights.counted(0..p.len());
    let mut rising = rows.clone();
    rising.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let low = beyond(rising.iter(), p, patients)?;
    let high = beyond(rising.iter().rev(), p, patients)?;
    if low >= high {
        return None;
    }
    let spline = Spline::of(p, weights);
    let regression = spline.regression(&rows, (p, y, weights));
    let at = regression.solve(spline.start())?;
    let chosen: Vec<u32> = rows.iter().map(|row| patients[*row]).collect();
    let resampling = Resampling::of(&chosen, seed);
    let movable = regression.movable(at, &resampling);
    let step = (high - low) / (POINTS - 1) as f64;
    let grid: Vec<f64> = (0..POINTS).map(|point| low + step * point as f64).collect();
    let figures = resampling.figures(DRAWS, |times| {
        let at = movable.drawn(times);
        grid.iter().map(|p| spline.at(&at, *p)).collect()
    });
    let point = |(place, predicted): (usize, &f64)| {
        let estimate = figures.estimate(place)?;
        let (observed, interval) = (estimate.value, estimate.interval);
        Some(CalibrationPoint { predicted: *predicted, observed, interval })
    };
    grid.iter().enumerate().map(point).collect()
}

/// The probability at which enough patients have been met.
fn beyond<'r>(rows: impl Iterator<Item = &'r usize>, p: &[f64], patients: &[u32]) -> Option<f64> {
    let mut met = Crowd::default();
    let found = rows.into_iter().find(|row| {
        met.meet(patients[**row]);
        met.is_enough()
    });
    found.map(|row| p[*row])
}
