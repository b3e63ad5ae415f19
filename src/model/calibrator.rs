//! From a member's margin to a probability.
//!
//! Two ways are tried, a line in log-odds (Platt) and steps with slopes between them (isotonic);
//! the one with the lower cross-validated log loss is kept. Both are our own: the libraries' either
//! hide their numbers or give wrong ones. A higher margin never gets a lower probability.

use serde::{Deserialize, Serialize};

mod steps;

use steps::{fit_isotonic, interpolated};

use super::{ModelError, Weights, logit, renumbered, sigmoid, softplus};
use crate::SMALL_CELL_PATIENTS;

/// Event rates are kept this far from 0 and 1 before their log-odds are taken.
const EDGE: f64 = 1e-6;

/// The scale of a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Log-odds, any number.
    LogOdds,
    /// A rate, 0 to 1.
    Rate,
}

/// A fitted calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibrator {
    /// log-odds = slope times margin (as log-odds) + intercept.
    Platt {
        /// Not below 0.
        slope: f64,
        /// Log-odds at margin log-odds 0.
        intercept: f64,
        /// The scale of the margin.
        scale: Scale,
        /// How many rows it was fitted on; of uneven weights, how many even ones they are worth.
        rows: u64,
    },
    /// Straight lines between knots; flat outside the first and the last.
    Isotonic {
        /// Mean margin of each block of rows, rising.
        margins: Vec<f64>,
        /// Event rate of each block, never falling.
        rates: Vec<f64>,
        /// As above.
        rows: u64,
    },
    /// Another calibration, moved to other patients: log-odds = slope times its log-odds + intercept.
    Recalibrated {
        /// Not recalibrated itself.
        of: Box<Calibrator>,
        /// Above 0.
        slope: f64,
        intercept: f64,
        /// How many of the other patients' rows it was moved by, as above.
        rows: u64,
    },
}

impl Calibrator {
    /// Fits on margins that the member did not see in its own fit. Each slice has one value per
    /// row; a row of weight 0 is left out; `folds` only serve to choose between the two ways.
    ///
    /// # Errors
    /// `Mismatch` for slices of other lengths, `NotFinite`, `OneClass`, `TooFewPatients`.
    pub fn fit(
        margins: &[f64],
        labels: &[bool],
        patients: &[u32],
        folds: &[u8],
        weights: Weights<'_>,
        scale: Scale,
    ) -> Result<Calibrator, ModelError> {
        let rows = margins.len();
        if [labels.len(), patients.len(), folds.len()] != [rows; 3] || !weights.fits(rows) {
            return Err(ModelError::Mismatch("calibration slices of other lengths".to_owned()));
        }
        let rows = weights.counted(0..rows);
        if rows.iter().any(|row| !margins[*row].is_finite()) {
            return Err(ModelError::NotFinite { column: 0 });
        }
        let (patients, distinct) = renumbered(rows.iter().map(|row| patients[*row]));
        if distinct < SMALL_CELL_PATIENTS {
            return Err(ModelError::TooFewPatients { have: distinct, need: SMALL_CELL_PATIENTS });
        }
        let sample = |(row, patient): (&usize, &u32)| Sample {
            margin: margins[*row],
            event: labels[*row],
            patient: *patient,
            weight: weights.of(*row),
        };
        let mut samples: Vec<(Sample, u8)> = rows
            .iter()
            .zip(&patients)
            .map(|(row, patient)| (sample((row, patient)), folds[*row]))
            .collect();
        // One fixed order for every sum below, so that the order of the rows does not matter.
        samples.sort_by(|(a, fold_a), (b, fold_b)| {
            a.margin
                .total_cmp(&b.margin)
                .then((a.patient, a.event, fold_a).cmp(&(b.patient, b.event, fold_b)))
                .then(a.weight.total_cmp(&b.weight))
        });
        let all: Vec<Sample> = samples.iter().map(|(sample, _)| *sample).collect();
        if !has_both(&all) {
            return Err(ModelError::OneClass);
        }
        let [platt, isotonic] = cross_validated(&samples, scale);
        Ok(if isotonic < platt { fit_isotonic(&all) } else { fit_platt(&all, scale) })
    }

    /// The probability for a margin, at least 1/(n+2) away from 0 and 1 for n calibration rows.
    pub fn apply(&self, margin: f64) -> f64 {
        let (probability, rows) = match self {
            Calibrator::Platt { slope, intercept, scale, rows } => {
                (sigmoid(slope * log_odds(margin, *scale) + intercept), rows)
            }
            Calibrator::Isotonic { margins, rates, rows } => {
                (interpolated(margins, rates, margin), rows)
            }
            Calibrator::Recalibrated { of, slope, intercept, rows } => {
                let before = log_odds(of.apply(margin), Scale::Rate);
                (sigmoid(slope * before + intercept), rows)
            }
        };
        let least = 1.0 / (*rows as f64 + 2.0);
        probability.clamp(least, 1.0 - least)
    }

    /// The same calibration moved to other patients by a line in log-odds, which `rows` of their rows
    /// stand behind; a slope above 0 keeps every order.
    pub fn recalibrated(&self, intercept: f64, slope: f64, rows: u64) -> Calibrator {
        let (of, intercept, slope) = match self {
            // One line after another is one line.
            Calibrator::Recalibrated { of, slope: first, intercept: level, .. } => {
                (of.clone(), intercept + slope * level, slope * first)
            }
            plain => (Box::new(plain.clone()), intercept, slope),
        };
        Calibrator::Recalibrated { of, slope, intercept, rows }
    }

    /// Checks a calibration that was read from a file.
    ///
    /// # Errors
    /// `BadPart` with what is wrong.
    pub fn check(&self) -> Result<(), ModelError> {
        let bad = |reason: &str| Err(ModelError::BadPart(format!("calibrator: {reason}")));
        let rows = match self {
            Calibrator::Platt { slope, intercept, rows, .. } => {
                if !(slope.is_finite() && *slope >= 0.0 && intercept.is_finite()) {
                    return bad("a line that falls or is not finite");
                }
                rows
            }
            Calibrator::Isotonic { margins, rates, rows } => {
                if margins.is_empty() || margins.len() != rates.len() {
                    return bad("not one rate per knot");
                }
                if !margins.iter().all(|margin| margin.is_finite())
                    || !margins.windows(2).all(|pair| pair[0] < pair[1])
                {
                    return bad("knots that do not rise");
                }
                if !rates.iter().all(|rate| (0.0..=1.0).contains(rate)) || !rates.is_sorted() {
                    return bad("rates that fall or are not rates");
                }
                rows
            }
            Calibrator::Recalibrated { of, slope, intercept, rows } => {
                if matches!(**of, Calibrator::Recalibrated { .. }) {
                    return bad("recalibrated twice");
                }
                if !(slope.is_finite() && *slope > 0.0 && intercept.is_finite()) {
                    return bad("a recalibration that falls or is not finite");
                }
                of.check()?;
                rows
            }
        };
        // More rows than any cohort has would let a probability reach 0 or 1.
        if (1..1 << 40).contains(rows) { Ok(()) } else { bad("no rows, or too many to be true") }
    }
}

#[derive(Clone, Copy)]
struct Sample {
    margin: f64,
    event: bool,
    patient: u32,
    /// Above 0.
    weight: f64,
}

/// The summed weight of the samples.
fn total(samples: &[Sample]) -> f64 {
    samples.iter().map(|sample| sample.weight).sum()
}

/// The summed weight of those with the outcome.
fn events(samples: &[Sample]) -> f64 {
    samples.iter().filter(|sample| sample.event).map(|sample| sample.weight).sum()
}

/// How many samples of even weight they are worth (Kish 1965).
fn effective(samples: &[Sample]) -> f64 {
    let squares: f64 = samples.iter().map(|sample| sample.weight.powi(2)).sum();
    total(samples).powi(2) / squares
}

fn has_both(samples: &[Sample]) -> bool {
    let events = samples.iter().filter(|sample| sample.event).count();
    events > 0 && events < samples.len()
}

/// A margin as log-odds.
pub(crate) fn log_odds(margin: f64, scale: Scale) -> f64 {
    match scale {
        Scale::LogOdds => margin,
        Scale::Rate => logit(margin.clamp(EDGE, 1.0 - EDGE)),
    }
}

/// Summed log loss of both ways (Platt, isotonic), each row judged by a fit without its fold.
fn cross_validated(samples: &[(Sample, u8)], scale: Scale) -> [f64; 2] {
    let mut folds: Vec<u8> = samples.iter().map(|(_, fold)| *fold).collect();
    folds.sort_unstable();
    folds.dedup();
    let mut losses = [0.0; 2];
    for fold in folds {
        let others = samples.iter().filter(|(_, other)| *other != fold);
        let others: Vec<Sample> = others.map(|(sample, _)| *sample).collect();
        // A fold whose complement has one outcome cannot judge; with one fold Platt is kept.
        if !has_both(&others) {
            continue;
        }
        let ways = [fit_platt(&others, scale), fit_isotonic(&others)];
        for (sample, _) in samples.iter().filter(|(_, own)| *own == fold) {
            for (loss, way) in losses.iter_mut().zip(&ways) {
                let probability = way.apply(sample.margin);
                let log = if sample.event { probability.ln() } else { (1.0 - probability).ln() };
                *loss -= sample.weight * log;
            }
        }
    }
    losses
}

/// Platt's line by Newton's method with halved steps, on log-odds scaled to a spread of 1.
fn fit_platt(samples: &[Sample], scale: Scale) -> Calibrator {
    let (count, rows) = (total(samples), effective(samples));
    let events = events(samples) * (rows / count);
    // Platt's targets, a little inside 0 and 1, keep the slope finite when the outcomes separate.
    let targets = [1.0 / (rows - events + 2.0), (events + 1.0) / (events + 2.0)];
    let odds = samples.iter().map(|sample| (log_odds(sample.margin, scale), sample.weight));
    let mean = odds.clone().map(|(value, weight)| weight * value).sum::<f64>() / count;
    let squares = odds.clone().map(|(value, weight)| weight * (value - mean).powi(2));
    let spread = (squares.sum::<f64>() / count).sqrt();
    let spread = if spread > 0.0 { spread } else { 1.0 };
    let points: Vec<Point> = odds
        .zip(samples)
        .map(|((value, weight), sample)| Point {
            x: (value - mean) / spread,
            target: targets[usize::from(sample.event)],
            weight,
        })
        .collect();
    let target = points.iter().map(|point| point.weight * point.target).sum::<f64>() / count;
    let flat = [0.0, (target / (1.0 - target)).ln()];
    let mut line = newton(&points, flat);
    if line[0] < 0.0 {
        line = flat;
    }
    let slope = line[0] / spread;
    Calibrator::Platt { slope, intercept: line[1] - slope * mean, scale, rows: whole(rows) }
}

/// An effective number as whole rows; 1 at least.
fn whole(rows: f64) -> u64 {
    rows.round().max(1.0) as u64
}

/// What Platt's line goes through.
struct Point {
    x: f64,
    target: f64,
    weight: f64,
}

fn newton(points: &[Point], start: [f64; 2]) -> [f64; 2] {
    let loss = |line: [f64; 2]| -> f64 {
        let each = points.iter().map(|Point { x, target, weight }| {
            let z = line[0] * x + line[1];
            // log(1 + e^z) - target z, without overflow.
            weight * (softplus(z) - target * z)
        });
        each.sum()
    };
    let (mut line, mut best) = (start, loss(start));
    for _ in 0..50 {
        // Gradient and Hessian of the loss; the tiny ridge keeps a constant margin solvable.
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for Point { x, target, weight } in points {
            let p = sigmoid(line[0] * x + line[1]);
            let (gap, curve) = (weight * (p - target), weight * (p * (1.0 - p)));
            g0 += gap * x;
            g1 += gap;
            h00 += curve * x * x;
            h01 += curve * x;
            h11 += curve;
        }
        let det = h00 * h11 - h01 * h01;
        let step = [(h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det];
        let mut size = 1.0;
        let next = loop {
            let next = [line[0] - size * step[0], line[1] - size * step[1]];
            let value = loss(next);
            if value < best {
                break Some((next, value));
            }
            size *= 0.5;
            if size < 1e-6 {
                break None;
            }
        };
        let Some((next, value)) = next else { break };
        let done = best - value < 1e-12 * best;
        (line, best) = (next, value);
        if done {
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests;
