//! Newton's method for weighted logistic regression, over one interval of time or several.
//!
//! With one interval this is plain logistic regression: an event ends the row's spell in it. With
//! several it is the discrete-time hazard (Cox 1972; Allison 1982): every interval has its own
//! intercept, and the inputs act alike in all of them. A row's inputs do not change between its
//! intervals, so the costly part of the curvature is summed once a row, not once an interval.

use rayon::prelude::*;

use super::Weights;
use super::{sigmoid, softplus};
use crate::feature::Matrix;

/// The rows are summed in at most this many parts, whatever the number of threads.
const PARTS: usize = 16;
/// Fewer rows than this are not worth a part of their own.
const PART_ROWS: usize = 512;
/// Newton doubles the digits with each step; only separated outcomes take this long.
const STEPS_MAX: usize = 100;
/// The last step is the one that promised to lower the loss by less than this share of it.
const GAIN_MIN: f64 = 1e-14;
/// What is added to the curvature, as a share of its diagonal: columns that are copies of each
/// other stay solvable, and the place of the optimum does not move.
const RIDGE: f64 = 1e-10;

/// One row's way through the intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spell {
    pub weight: f64,
    /// How many whole intervals it came through.
    pub passed: usize,
    /// The share of the next interval that it came through before it left without an event.
    pub part: f64,
    /// Whether the event ended it in the next interval.
    pub ends: bool,
}

/// The inputs of the rows of a fit, centred and scaled to a standard deviation of 1.
pub(super) struct Scaled<'a> {
    inputs: &'a Matrix,
    rows: &'a [usize],
    pub means: Vec<f64>,
    pub scales: Vec<f64>,
}

impl<'a> Scaled<'a> {
    /// Measures centre and spread of every input over `rows`, by their weights.
    pub(super) fn new(inputs: &'a Matrix, rows: &'a [usize], weights: Weights<'_>) -> Scaled<'a> {
        let total = weights.sum(rows);
        let measure = |column: usize| {
            let over = |value: &dyn Fn(f64) -> f64| -> f64 {
                let each = rows
                    .iter()
                    .map(|row| weights.of(*row) * value(f64::from(inputs.get(*row, column))));
                each.sum::<f64>() / total
            };
            let mean = over(&|value| value);
            let spread = over(&|value| (value - mean).powi(2));
            // A constant column becomes all zeros; its slope then stays 0.
            (mean, if spread > 0.0 { spread.sqrt() } else { 1.0 })
        };
        let (means, scales) = (0..inputs.columns()).map(measure).unzip();
        Scaled { inputs, rows, means, scales }
    }

    fn write(&self, place: usize, out: &mut [f64]) {
        let Some(row) = self.rows.get(place) else { return };
        let values = self.inputs.row(*row).iter().zip(self.means.iter().zip(&self.scales));
        for (slot, (value, (mean, scale))) in out.iter_mut().zip(values) {
            *slot = (f64::from(*value) - mean) / scale;
        }
    }
}

/// Where the loss is lowest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Optimum {
    /// On the scaled inputs.
    pub slopes: Vec<f64>,
    /// One for each interval.
    pub intercepts: Vec<f64>,
    /// Loss per unit of weight, without the penalty.
    pub mean_loss: f64,
}

/// The problem: rows, their spells, and the penalties.
pub(super) struct Problem<'a> {
    pub scaled: &'a Scaled<'a>,
    /// One for each row.
    pub spells: &'a [Spell],
    pub intervals: usize,
    /// Half of it times the squared slopes is added to the loss.
    pub alpha: f64,
    /// The same for the intercepts.
    pub intercept_alpha: f64,
}

struct Sums {
    loss: f64,
    gradient: Vec<f64>,
    /// Upper triangle, row by row.
    curvature: Vec<f64>,
}

impl Problem<'_> {
    /// Finds the optimum. What is not finite going in comes out so: the caller checks.
    pub(super) fn solve(&self) -> Optimum {
        let mut at = vec![0.0; self.inputs()];
        at.extend(self.start());
        let mut sums = self.sums(&at);
        for _ in 0..STEPS_MAX {
            let Some(step) = self.step(&sums) else { break };
            let promised: f64 = step.iter().zip(&sums.gradient).map(|(s, g)| s * g).sum();
            if promised <= GAIN_MIN * sums.loss.abs() {
                // So close that rounding would hide the gain: the step is right, unseen.
                at.iter_mut().zip(&step).for_each(|(at, step)| *at -= step);
                break;
            }
            let sizes = (0..30).map(|halvings| 0.5f64.powi(halvings));
            let next = sizes
                .map(|size| at.iter().zip(&step).map(|(a, s)| a - size * s).collect::<Vec<f64>>())
                .map(|next| (self.sums(&next), next))
                .find(|(found, _)| found.loss <= sums.loss);
            let Some((found, next)) = next else { break };
            (sums, at) = (found, next);
        }
        let intercepts = at.split_off(self.inputs().min(at.len()));
        let total: f64 = self.spells.iter().map(|spell| spell.weight).sum();
        let penalty = self.penalty(&at, &intercepts);
        Optimum { slopes: at, intercepts, mean_loss: (sums.loss - penalty) / total }
    }

    fn inputs(&self) -> usize {
        self.scaled.means.len()
    }

    fn size(&self) -> usize {
        self.inputs() + self.intervals
    }

    fn penalty(&self, slopes: &[f64], intercepts: &[f64]) -> f64 {
        let squares = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        0.5 * (self.alpha * squares(slopes) + self.intercept_alpha * squares(intercepts))
    }

    /// The log-odds of the event in each interval, all rows taken together.
    fn start(&self) -> Vec<f64> {
        let mut ended = vec![0.5; self.intervals];
        let mut stayed = vec![0.5; self.intervals];
        for spell in self.spells {
            let through = stayed.iter_mut().take(spell.passed);
            through.for_each(|stayed| *stayed += spell.weight);
            let last = if spell.ends { &mut ended } else { &mut stayed };
            let share = if spell.ends { 1.0 } else { spell.part };
            if let Some(last) = last.get_mut(spell.passed) {
                *last += share * spell.weight;
            }
        }
        ended.iter().zip(&stayed).map(|(ended, stayed)| (ended / stayed).ln()).collect()
    }

    /// Loss, gradient and curvature at a place. The parts and the order in which they are added
    /// depend on nothing but the number of rows.
    fn sums(&self, at: &[f64]) -> Sums {
        let rows = self.spells.len();
        let part = rows.div_ceil(PARTS).max(PART_ROWS);
        let starts: Vec<usize> = (0..rows).step_by(part).collect();
        let parts: Vec<Sums> = starts
            .into_par_iter()
            .map(|start| self.sums_of(at, start..(start + part).min(rows)))
            .collect();
        let size = self.size();
        let mut total =
            Sums { loss: 0.0, gradient: vec![0.0; size], curvature: vec![0.0; size * size] };
        for part in parts {
            total.loss += part.loss;
            add(&mut total.gradient, &part.gradient);
            add(&mut total.curvature, &part.curvature);
        }
        let (slopes, intercepts) = at.split_at(self.inputs().min(at.len()));
        total.loss += self.penalty(slopes, intercepts);
        for (place, value) in at.iter().enumerate() {
            let alpha = if place < slopes.len() { self.alpha } else { self.intercept_alpha };
            total.gradient[place] += alpha * value;
            total.curvature[place * size + place] += alpha;
        }
        total
    }

    fn sums_of(&self, at: &[f64], rows: std::ops::Range<usize>) -> Sums {
        let (inputs, size) = (self.inputs(), self.size());
        let (slopes, intercepts) = at.split_at(inputs.min(at.len()));
        let mut sums =
            Sums { loss: 0.0, gradient: vec![0.0; size], curvature: vec![0.0; size * size] };
        // Four rows at a time: the curvature is read and written once for all of them.
        let mut lanes = vec![0.0; 4 * inputs];
        let mut curves = [0.0; 4];
        let mut lane = 0;
        for place in rows {
            let Some(spell) = self.spells.get(place) else { continue };
            let z = &mut lanes[lane * inputs..(lane + 1) * inputs];
            self.scaled.write(place, z);
            let base: f64 = z.iter().zip(slopes).map(|(z, slope)| z * slope).sum();
            let (mut pull, mut curve) = (0.0, 0.0);
            for (interval, intercept) in intercepts.iter().enumerate().take(spell.passed + 1) {
                let ends = spell.ends && interval == spell.passed;
                let share = if interval < spell.passed || ends { 1.0 } else { spell.part };
                let weight = share * spell.weight;
                if weight == 0.0 {
                    continue;
                }
                let log_odds = intercept + base;
                let hazard = sigmoid(log_odds);
                let event = f64::from(u8::from(ends));
                sums.loss += weight * (softplus(log_odds) - event * log_odds);
                let (own_pull, own_curve) =
                    (weight * (hazard - event), weight * hazard * (1.0 - hazard));
                let diagonal = inputs + interval;
                sums.gradient[diagonal] += own_pull;
                sums.curvature[diagonal * size + diagonal] += own_curve;
                for (input, z) in z.iter().enumerate() {
                    sums.curvature[input * size + diagonal] += own_curve * z;
                }
                pull += own_pull;
                curve += own_curve;
            }
            for (slot, z) in sums.gradient.iter_mut().zip(z.iter()) {
                *slot += pull * z;
            }
            curves[lane] = curve;
            lane += 1;
            if lane == 4 {
                bend(&mut sums.curvature, size, &lanes, inputs, curves);
                lane = 0;
            }
        }
        curves.iter_mut().skip(lane).for_each(|curve| *curve = 0.0);
        bend(&mut sums.curvature, size, &lanes, inputs, curves);
        sums
    }

    /// Newton's step: curvature times step = gradient, by Cholesky. `None` where the curvature is
    /// no longer positive.
    fn step(&self, sums: &Sums) -> Option<Vec<f64>> {
        let size = self.size();
        // Transposed into a lower triangle, so that every loop below reads along rows.
        let mut lower = vec![0.0; size * size];
        let largest = (0..size).map(|i| sums.curvature[i * size + i]).fold(0.0, f64::max);
        for i in 0..size {
            for j in 0..=i {
                let ridge = if i == j { RIDGE * largest + f64::MIN_POSITIVE } else { 0.0 };
                let known: f64 = (0..j).map(|k| lower[i * size + k] * lower[j * size + k]).sum();
                let rest = sums.curvature[j * size + i] + ridge - known;
                lower[i * size + j] = if i == j {
                    if !(rest > 0.0 && rest.is_finite()) {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / lower[j * size + j]
                };
            }
        }
        let mut step = sums.gradient.clone();
        for i in 0..size {
            let known: f64 = (0..i).map(|k| lower[i * size + k] * step[k]).sum();
            step[i] = (step[i] - known) / lower[i * size + i];
        }
        for i in (0..size).rev() {
            let known: f64 = (i + 1..size).map(|k| lower[k * size + i] * step[k]).sum();
            step[i] = (step[i] - known) / lower[i * size + i];
        }
        step.iter().all(|value| value.is_finite()).then_some(step)
    }
}

fn add(total: &mut [f64], part: &[f64]) {
    total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
}

/// Adds curve times z z' of four rows to the upper triangle of the inputs' curvature.
fn bend(curvature: &mut [f64], size: usize, lanes: &[f64], inputs: usize, curves: [f64; 4]) {
    if inputs == 0 {
        return;
    }
    let mut rows = lanes.chunks_exact(inputs);
    let (Some(a), Some(b), Some(c), Some(d)) = (rows.next(), rows.next(), rows.next(), rows.next())
    else {
        return;
    };
    for i in 0..inputs {
        let (fa, fb) = (curves[0] * a[i], curves[1] * b[i]);
        let (fc, fd) = (curves[2] * c[i], curves[3] * d[i]);
        let target = &mut curvature[i * size + i..i * size + inputs];
        let columns = a[i..].iter().zip(&b[i..]).zip(&c[i..]).zip(&d[i..]);
        for (slot, (((a, b), c), d)) in target.iter_mut().zip(columns) {
            *slot += fa * a + fb * b + fc * c + fd * d;
        }
    }
}
