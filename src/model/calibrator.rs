//! From a member's margin to a probability.
//!
//! Two ways are tried, a line in log-odds (Platt) and steps with slopes between them (isotonic);
//! the one with the lower cross-validated log loss is kept. Both are our own: the libraries' either
//! hide their numbers or give wrong ones. A higher margin never gets a lower probability.

use serde::{Deserialize, Serialize};

use super::{ModelError, renumbered};
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
        /// How many rows it was fitted on.
        rows: u64,
    },
    /// Straight lines between knots; flat outside the first and the last.
    Isotonic {
        /// Mean margin of each block of rows, rising.
        margins: Vec<f64>,
        /// Event rate of each block, never falling.
        rates: Vec<f64>,
        /// How many rows it was fitted on.
        rows: u64,
    },
}

impl Calibrator {
    /// Fits on margins that the member did not see in its own fit. Each slice has one value per
    /// row; `folds` only serve to choose between the two ways.
    ///
    /// # Errors
    /// `Mismatch` for slices of other lengths, `NotFinite`, `OneClass`, `TooFewPatients`.
    pub fn fit(
        margins: &[f64],
        labels: &[bool],
        patients: &[u32],
        folds: &[u8],
        scale: Scale,
    ) -> Result<Calibrator, ModelError> {
        let rows = margins.len();
        if [labels.len(), patients.len(), folds.len()] != [rows; 3] {
            return Err(ModelError::Mismatch("calibration slices of other lengths".to_owned()));
        }
        if margins.iter().any(|margin| !margin.is_finite()) {
            return Err(ModelError::NotFinite { column: 0 });
        }
        let (patients, distinct) = renumbered(patients.iter().copied());
        if distinct < SMALL_CELL_PATIENTS {
            return Err(ModelError::TooFewPatients { have: distinct, need: SMALL_CELL_PATIENTS });
        }
        let sample =
            |i: usize| Sample { margin: margins[i], event: labels[i], patient: patients[i] };
        let mut samples: Vec<(Sample, u8)> = (0..rows).map(|i| (sample(i), folds[i])).collect();
        // One fixed order for every sum below, so that the order of the rows does not matter.
        samples.sort_by(|(a, fold_a), (b, fold_b)| {
            a.margin
                .total_cmp(&b.margin)
                .then((a.patient, a.event, fold_a).cmp(&(b.patient, b.event, fold_b)))
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
        };
        let least = 1.0 / (*rows as f64 + 2.0);
        probability.clamp(least, 1.0 - least)
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
}

fn has_both(samples: &[Sample]) -> bool {
    let events = samples.iter().filter(|sample| sample.event).count();
    events > 0 && events < samples.len()
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn log_odds(margin: f64, scale: Scale) -> f64 {
    match scale {
        Scale::LogOdds => margin,
        Scale::Rate => {
            let rate = margin.clamp(EDGE, 1.0 - EDGE);
            (rate / (1.0 - rate)).ln()
        }
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
                *loss -= if sample.event { probability.ln() } else { (1.0 - probability).ln() };
            }
        }
    }
    losses
}

/// Platt's line by Newton's method with halved steps, on log-odds scaled to a spread of 1.
fn fit_platt(samples: &[Sample], scale: Scale) -> Calibrator {
    let count = samples.len() as f64;
    let events = samples.iter().filter(|sample| sample.event).count() as f64;
    // Platt's targets, a little inside 0 and 1, keep the slope finite when the outcomes separate.
    let targets = [1.0 / (count - events + 2.0), (events + 1.0) / (events + 2.0)];
    let odds = samples.iter().map(|sample| log_odds(sample.margin, scale));
    let mean = odds.clone().sum::<f64>() / count;
    let spread = (odds.clone().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let spread = if spread > 0.0 { spread } else { 1.0 };
    let points: Vec<(f64, f64)> = odds
        .zip(samples)
        .map(|(value, sample)| ((value - mean) / spread, targets[usize::from(sample.event)]))
        .collect();
    let target = points.iter().map(|point| point.1).sum::<f64>() / count;
    let flat = [0.0, (target / (1.0 - target)).ln()];
    let mut line = newton(&points, flat);
    if line[0] < 0.0 {
        line = flat;
    }
    let slope = line[0] / spread;
    Calibrator::Platt {
        slope,
        intercept: line[1] - slope * mean,
        scale,
        rows: samples.len() as u64,
    }
}

fn newton(points: &[(f64, f64)], start: [f64; 2]) -> [f64; 2] {
    let loss = |line: [f64; 2]| -> f64 {
        let each = points.iter().map(|(x, target)| {
            let z = line[0] * x + line[1];
            // log(1 + e^z) - target z, without overflow.
            z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z
        });
        each.sum()
    };
    let (mut line, mut best) = (start, loss(start));
    for _ in 0..50 {
        // Gradient and Hessian of the loss; the tiny ridge keeps a constant margin solvable.
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (x, target) in points {
            let p = sigmoid(line[0] * x + line[1]);
            let (gap, weight) = (p - target, p * (1.0 - p));
            g0 += gap * x;
            g1 += gap;
            h00 += weight * x * x;
            h01 += weight * x;
            h11 += weight;
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

/// A run of sorted rows: `end` is one past its last.
struct Run {
    end: usize,
    events: f64,
    count: f64,
}

impl Run {
    fn rate(&self) -> f64 {
        self.events / self.count
    }

    fn take(&mut self, next: &Run) {
        self.end = next.end;
        self.events += next.events;
        self.count += next.count;
    }
}

/// Pool-adjacent-violators on rows sorted by margin, equal margins pooled first.
fn pooled(samples: &[Sample]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut end = 0;
    for ties in samples.chunk_by(|a, b| a.margin == b.margin) {
        end += ties.len();
        let events = ties.iter().filter(|sample| sample.event).count() as f64;
        let mut run = Run { end, events, count: ties.len() as f64 };
        while let Some(last) = runs.pop_if(|last| last.rate() >= run.rate()) {
            let mut merged = last;
            merged.take(&run);
            run = merged;
        }
        runs.push(run);
    }
    runs
}

/// Joins neighbouring runs until each holds enough patients; rates stay in order, as a joined
/// rate lies between its parts.
fn with_patients(samples: &[Sample], runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    let mut open: Option<Run> = None;
    let (mut start, mut seen) = (0, Vec::with_capacity(SMALL_CELL_PATIENTS));
    for run in runs {
        for sample in &samples[start..run.end] {
            if seen.len() < SMALL_CELL_PATIENTS && !seen.contains(&sample.patient) {
                seen.push(sample.patient);
            }
        }
        start = run.end;
        let current = match open.take() {
            Some(mut before) => {
                before.take(&run);
                before
            }
            None => run,
        };
        if seen.len() == SMALL_CELL_PATIENTS {
            joined.push(current);
            seen.clear();
        } else {
            open = Some(current);
        }
    }
    match (open, joined.last_mut()) {
        (Some(rest), Some(last)) => last.take(&rest),
        (Some(rest), None) => joined.push(rest),
        (None, _) => {}
    }
    joined
}

fn fit_isotonic(samples: &[Sample]) -> Calibrator {
    let (mut margins, mut rates) = (Vec::new(), Vec::new());
    let mut start = 0;
    for run in with_patients(samples, pooled(samples)) {
        let own = &samples[start..run.end];
        start = run.end;
        let mean = own.iter().map(|sample| sample.margin).sum::<f64>() / own.len() as f64;
        // Rounding may bring two centres together when margins differ in their last bits only.
        if margins.last().is_none_or(|last| *last < mean) {
            margins.push(mean);
            rates.push(run.rate());
        }
    }
    Calibrator::Isotonic { margins, rates, rows: samples.len() as u64 }
}

fn interpolated(margins: &[f64], rates: &[f64], margin: f64) -> f64 {
    let above = margins.partition_point(|knot| *knot <= margin);
    let Some(last) = rates.len().checked_sub(1) else { return 0.0 };
    if above == 0 || above > last {
        return rates[above.min(last)];
    }
    let (low, high) = (rates[above - 1], rates[above]);
    let share = (margin - margins[above - 1]) / (margins[above] - margins[above - 1]);
    // Rounding must not lift a point above the next knot: that would break the order.
    (low + share * (high - low)).min(high)
}

#[cfg(test)]
mod tests;
