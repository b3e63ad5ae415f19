//! Logistic regression of the outcomes on very few columns: the calibration line and curve. Unlike a
//! model's fit it has no penalty, and it can be moved to resampled patients in one step.

use super::resampling::{PatientSums, Resampling};
use crate::model::{sigmoid, softplus};

/// Newton doubles the digits with each step; only separated outcomes take this long.
const STEPS_MAX: usize = 100;
/// The last step is the one that gains less than this share of the loss.
const GAIN_MIN: f64 = 1e-13;
/// What is added to the curvature, as a share of its diagonal: columns that are copies of each other
/// stay solvable, and the place of the optimum does not move.
const RIDGE: f64 = 1e-10;

/// The rows of a regression.
pub(super) struct Regression {
    pub width: usize,
    /// Row by row, `width` numbers each.
    pub columns: Vec<f64>,
    /// Part of each row's log-odds that is not fitted.
    pub offset: Vec<f64>,
    /// 1 with the outcome, else 0.
    pub outcome: Vec<f64>,
    pub weight: Vec<f64>,
}

/// Loss, gradient and the lower triangle of the curvature, row by row.
struct Sums {
    loss: f64,
    /// Gradient, then triangle.
    bent: Vec<f64>,
}

impl Regression {
    /// The coefficients of least loss, starting from `start`; `None` without both outcomes, or where
    /// there is no end to them.
    pub(super) fn solve(&self, start: Vec<f64>) -> Option<Vec<f64>> {
        let has = |outcome: f64| {
            let mut rows = self.outcome.iter().zip(&self.weight);
            rows.any(|(y, weight)| *y == outcome && *weight > 0.0)
        };
        if !has(0.0) || !has(1.0) {
            return None;
        }
        let mut at = start;
        let mut sums = self.sums(&at);
        for _ in 0..STEPS_MAX {
            let step = newton_step(self.width, &sums.bent)?;
            let sizes = (0..30).map(|halvings| 0.5f64.powi(halvings));
            let mut moved = sizes.map(|size| {
                let next: Vec<f64> = at.iter().zip(&step).map(|(a, s)| a - size * s).collect();
                (self.sums(&next), next)
            });
            let Some((found, next)) = moved.find(|(found, _)| found.loss < sums.loss) else {
                break;
            };
            let gain = sums.loss - found.loss;
            (sums, at) = (found, next);
            if gain < GAIN_MIN * sums.loss {
                break;
            }
        }
        at.iter().all(|value| value.is_finite()).then_some(at)
    }

    fn rows(&self) -> impl Iterator<Item = (&[f64], f64, f64, f64)> {
        let columns = self.columns.chunks_exact(self.width.max(1));
        let rest = self.offset.iter().zip(self.outcome.iter().zip(&self.weight));
        columns.zip(rest).map(|(columns, (offset, (y, weight)))| (columns, *offset, *y, *weight))
    }

    fn sums(&self, at: &[f64]) -> Sums {
        let mut sums = Sums { loss: 0.0, bent: vec![0.0; bent_width(self.width)] };
        for (columns, offset, y, weight) in self.rows() {
            let z = offset + dot(columns, at);
            sums.loss += weight * (softplus(z) - y * z);
            bend(columns, z, y, weight, &mut sums.bent);
        }
        sums
    }

    /// What resampled patients make of the coefficients `at`.
    pub(super) fn movable(self, at: Vec<f64>, resampling: &Resampling) -> Movable {
        let Regression { width, columns, offset, outcome, weight } = &self;
        let sums = resampling.sums(bent_width(*width), |row, sums| {
            let columns = &columns[row * width..(row + 1) * width];
            let z = offset[row] + dot(columns, &at);
            bend(columns, z, outcome[row], weight[row], sums);
        });
        Movable { width: *width, at, sums }
    }
}

/// Coefficients that follow resampled patients by one full Newton step from the optimum of all of
/// them. With a few hundred patients the ends of an interval are off by less than a tenth of its
/// width; that falls with their number.
pub(super) struct Movable {
    width: usize,
    pub at: Vec<f64>,
    sums: PatientSums,
}

impl Movable {
    /// The coefficients of a draw; those of all patients where it has none of its own.
    pub(super) fn drawn(&self, times: &[u32]) -> Vec<f64> {
        let bent = self.sums.drawn(times);
        match newton_step(self.width, &bent) {
            Some(step) => self.at.iter().zip(step).map(|(at, step)| at - step).collect(),
            None => self.at.clone(),
        }
    }
}

fn bent_width(width: usize) -> usize {
    width + width * (width + 1) / 2
}

fn dot(columns: &[f64], at: &[f64]) -> f64 {
    columns.iter().zip(at).map(|(value, slope)| value * slope).sum()
}

/// Adds one row's gradient and curvature.
fn bend(columns: &[f64], z: f64, y: f64, weight: f64, bent: &mut [f64]) {
    let q = sigmoid(z);
    let (pull, curve) = (weight * (q - y), weight * q * (1.0 - q));
    let (gradient, triangle) = bent.split_at_mut(columns.len());
    gradient.iter_mut().zip(columns).for_each(|(slot, value)| *slot += pull * value);
    let mut slots = triangle.iter_mut();
    for (i, a) in columns.iter().enumerate() {
        for b in &columns[..=i] {
            if let Some(slot) = slots.next() {
                *slot += curve * a * b;
            }
        }
    }
}

/// Curvature times step = gradient, by Cholesky; `None` where the curvature is not positive.
fn newton_step(width: usize, bent: &[f64]) -> Option<Vec<f64>> {
    let (gradient, triangle) = bent.split_at(width);
    let place = |i: usize, j: usize| i * (i + 1) / 2 + j;
    let mut lower = triangle.to_vec();
    for i in 0..width {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[place(i, k)] * lower[place(j, k)]).sum();
            let ridge = if i == j { RIDGE * triangle[place(i, i)] } else { 0.0 };
            let rest = triangle[place(i, j)] + ridge - known;
            lower[place(i, j)] = match i == j {
                true if rest > 0.0 && rest.is_finite() => rest.sqrt(),
                true => return None,
                false => rest / lower[place(j, j)],
            };
        }
    }
    let mut step = gradient.to_vec();
    for i in 0..width {
        let known: f64 = (0..i).map(|k| lower[place(i, k)] * step[k]).sum();
        step[i] = (step[i] - known) / lower[place(i, i)];
    }
    for i in (0..width).rev() {
        let known: f64 = (i + 1..width).map(|k| lower[place(k, i)] * step[k]).sum();
        step[i] = (step[i] - known) / lower[place(i, i)];
    }
    step.iter().all(|value| value.is_finite()).then_some(step)
}
