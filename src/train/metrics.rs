//! How good a set of predictions is: pure numbers, nothing about models.
//!
//! `p` are probabilities, `y` the outcomes, `patients` the patient number of every row; the slices
//! have one length, else there is no result. Every number that comes out stands for a group of
//! rows, never for its most extreme one, and small groups give no number at all.

use rayon::prelude::*;
use serde::Serialize;

use crate::SMALL_CELL_PATIENTS;

/// Bootstrap samples behind an interval.
const RESAMPLES: u64 = 1000;
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
    /// Share of rows with the outcome.
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
    /// other lengths, or for a probability outside 0 to 1. `seed` drives the bootstrap.
    pub fn of(p: &[f64], y: &[bool], patients: &[u32], seed: u64) -> Option<Metrics> {
        if p.len() != y.len() || !p.iter().all(|value| (0.0..=1.0).contains(value)) {
            return None;
        }
        let some = |with: bool| y.iter().zip(patients).filter(move |(y, _)| **y == with);
        if ![true, false].iter().all(|with| enough(some(*with).map(|(_, patient)| *patient))) {
            return None;
        }
        let interval = auroc_interval(p, y, patients, seed)?;
        let (intercept, slope) = calibration_line(p, y)?;
        let events = y.iter().filter(|event| **event).count();
        Some(Metrics {
            rows: p.len(),
            patients: numbered(patients).1,
            events,
            prevalence: events as f64 / p.len() as f64,
            auroc: auroc(p, y)?,
            auroc_interval: interval,
            average_precision: average_precision(p, y)?,
            brier: brier(p, y)?,
            log_loss: log_loss(p, y)?,
            observed_over_expected: observed_over_expected(p, y)?,
            calibration_in_the_large: calibration_in_the_large(p, y)?,
            calibration_intercept: intercept,
            calibration_slope: slope,
            bins: calibration_bins(p, y, patients, 10),
        })
    }
}

/// Row indices by rising probability.
fn ranked(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    // Stable, so that equal probabilities stay in the order of the rows.
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Patients renumbered from 0, and how many there are.
fn numbered(patients: &[u32]) -> (Vec<u32>, usize) {
    let mut distinct = patients.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |patient: &u32| distinct.partition_point(|other| other < patient) as u32;
    (patients.iter().map(place).collect(), distinct.len())
}

/// Area under the ROC curve with a whole weight per row; `order` is by rising probability.
fn weighted_auroc(
    p: &[f64],
    y: &[bool],
    order: &[usize],
    weight: impl Fn(usize) -> u64,
) -> Option<f64> {
    // Twice the number of won pairs, in whole numbers: exact, whatever the order of summing.
    let (mut won, mut below, mut events) = (0u128, 0u64, 0u64);
    for ties in order.chunk_by(|a, b| p[*a] == p[*b]) {
        let (mut with, mut without) = (0, 0);
        for row in ties {
            if y[*row] { with += weight(*row) } else { without += weight(*row) }
        }
        won += u128::from(with) * u128::from(2 * below + without);
        below += without;
        events += with;
    }
    let pairs = 2.0 * events as f64 * below as f64;
    (pairs > 0.0).then(|| won as f64 / pairs)
}

/// Chance that a row with the outcome has the higher probability than one without; ties count
/// half. `None` without both outcomes.
pub fn auroc(p: &[f64], y: &[bool]) -> Option<f64> {
    if p.len() != y.len() {
        return None;
    }
    weighted_auroc(p, y, &ranked(p), |_| 1)
}

/// 95% interval of the AUROC: patients are drawn with replacement, all rows of a patient together.
///
/// Every draw has its own random stream, so threads cannot change the result. `None` without both
/// outcomes or for slices of other lengths.
pub fn auroc_interval(p: &[f64], y: &[bool], patients: &[u32], seed: u64) -> Option<[f64; 2]> {
    if p.len() != y.len() || p.len() != patients.len() {
        return None;
    }
    let (patients, distinct) = numbered(patients);
    let order = ranked(p);
    let mut areas: Vec<f64> = (0..RESAMPLES)
        .into_par_iter()
        .filter_map(|draw| {
            let mut state = mixed(seed ^ mixed(draw));
            let mut times = vec![0u64; distinct];
            for _ in 0..distinct {
                state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                // The upper half of a product scales 64 random bits to 0..distinct.
                let place = (u128::from(mixed(state)) * distinct as u128) >> 64;
                times[place as usize] += 1;
            }
            weighted_auroc(p, y, &order, |row| times[patients[row] as usize])
        })
        .collect();
    areas.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| areas.get((share * (areas.len() as f64 - 1.0)).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}

/// SplitMix64's mixing of a counter into random bits.
fn mixed(counter: u64) -> u64 {
    let a = (counter ^ (counter >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    b ^ (b >> 31)
}

/// Mean precision over the rows with the outcome, equal probabilities entering together. `None`
/// without the outcome.
pub fn average_precision(p: &[f64], y: &[bool]) -> Option<f64> {
    if p.len() != y.len() {
        return None;
    }
    let (mut flagged, mut found, mut sum) = (0usize, 0usize, 0.0);
    let mut order = ranked(p);
    order.reverse();
    for ties in order.chunk_by(|a, b| p[*a] == p[*b]) {
        let with = ties.iter().filter(|row| y[**row]).count();
        flagged += ties.len();
        found += with;
        sum += with as f64 * found as f64 / flagged as f64;
    }
    (found > 0).then(|| sum / found as f64)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

fn outcome(event: bool) -> f64 {
    f64::from(u8::from(event))
}

/// Mean squared error; `None` without rows.
pub fn brier(p: &[f64], y: &[bool]) -> Option<f64> {
    mean(p.iter().zip(y).map(|(p, y)| (p - outcome(*y)).powi(2)))
}

/// Mean negative log-likelihood (natural logarithm); `None` without rows.
pub fn log_loss(p: &[f64], y: &[bool]) -> Option<f64> {
    mean(p.iter().zip(y).map(|(p, y)| {
        let right = if *y { *p } else { 1.0 - p };
        -right.max(EDGE).ln()
    }))
}

/// Outcomes that came per outcome expected; `None` where none was expected.
pub fn observed_over_expected(p: &[f64], y: &[bool]) -> Option<f64> {
    let expected: f64 = p.iter().sum();
    let observed = y.iter().filter(|event| **event).count() as f64;
    (expected > 0.0).then(|| observed / expected)
}

fn log_odds(p: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

fn both_outcomes(y: &[bool]) -> bool {
    y.contains(&true) && y.contains(&false)
}

/// Newton's method with halved steps for outcome ~ intercept + slope * log-odds; with `free` false
/// the slope stays 1.
fn refit(p: &[f64], y: &[bool], free: bool) -> Option<(f64, f64)> {
    if p.len() != y.len() || !both_outcomes(y) {
        return None;
    }
    let points: Vec<(f64, f64)> =
        p.iter().zip(y).map(|(p, y)| (log_odds(*p), outcome(*y))).collect();
    let loss = |a: f64, b: f64| -> f64 {
        let terms = points.iter().map(|(x, y)| {
            let z = a + b * x;
            z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
        });
        terms.sum()
    };
    let (mut a, mut b) = (0.0, 1.0);
    let mut best = loss(a, b);
    for _ in 0..100 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-12, 0.0, 1e-12);
        for (x, y) in &points {
            let q = 1.0 / (1.0 + (-(a + b * x)).exp());
            let weight = q * (1.0 - q);
            ga += q - y;
            gb += (q - y) * x;
            haa += weight;
            hab += weight * x;
            hbb += weight * x * x;
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
pub fn calibration_line(p: &[f64], y: &[bool]) -> Option<(f64, f64)> {
    refit(p, y, true)
}

/// The shift in log-odds that makes the mean prediction right, slope held at 1; 0 is best. `None`
/// without both outcomes.
pub fn calibration_in_the_large(p: &[f64], y: &[bool]) -> Option<f64> {
    refit(p, y, false).map(|(shift, _)| shift)
}

/// A group of rows with neighbouring probabilities.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// Rows in the group.
    pub rows: usize,
    /// Their mean probability.
    pub predicted: f64,
    /// The share of them with the outcome.
    pub observed: f64,
}

/// Up to `bins` groups of about equal size by rising probability, equal probabilities together.
///
/// A group that holds too few patients with the outcome, or without it, takes in its neighbour;
/// with too few of them in all there is no group.
pub fn calibration_bins(p: &[f64], y: &[bool], patients: &[u32], bins: usize) -> Vec<Bin> {
    if p.len() != y.len() || p.len() != patients.len() {
        return Vec::new();
    }
    let order = ranked(p);
    let size = p.len().div_ceil(bins.max(1)).max(1);
    let shows_nobody = |rows: &[usize]| {
        [true, false].iter().all(|with| {
            enough(rows.iter().filter(|row| y[**row] == *with).map(|row| patients[*row]))
        })
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for ties in order.chunk_by(|a, b| p[*a] == p[*b]) {
        open.extend(ties);
        if open.len() >= size && shows_nobody(&open) {
            groups.push(std::mem::take(&mut open));
        }
    }
    // The rest has too few rows to be a group of its own, unless it is nearly one.
    let stands = 2 * open.len() >= size && shows_nobody(&open);
    match groups.last_mut() {
        Some(last) if !stands => last.extend(open),
        _ if stands || shows_nobody(&open) => groups.push(open),
        _ => {}
    }
    let share = |rows: &[usize], value: &dyn Fn(usize) -> f64| {
        rows.iter().map(|row| value(*row)).sum::<f64>() / rows.len() as f64
    };
    let bin = |rows: &Vec<usize>| Bin {
        rows: rows.len(),
        predicted: share(rows, &|row| p[row]),
        observed: share(rows, &|row| outcome(y[row])),
    };
    groups.iter().map(bin).collect()
}

/// Whether enough distinct patients are among these.
pub(super) fn enough(patients: impl Iterator<Item = u32>) -> bool {
    let mut seen = Vec::with_capacity(SMALL_CELL_PATIENTS);
    for patient in patients {
        if !seen.contains(&patient) {
            seen.push(patient);
        }
        if seen.len() == SMALL_CELL_PATIENTS {
            return true;
        }
    }
    false
}

/// What follows from flagging every row at or above a cut; a number with too few patients behind
/// it is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThresholdRow {
    /// The cut, a probability.
    pub cut: f64,
    /// Share of rows that are flagged.
    pub flagged: Option<f64>,
    /// Share of flagged rows with the outcome.
    pub ppv: Option<f64>,
    /// Share of rows with the outcome that are flagged.
    pub sensitivity: Option<f64>,
    /// Share of rows without the outcome that are not flagged.
    pub specificity: Option<f64>,
}

/// One line per cut, in the order of `cuts`.
pub fn threshold_table(p: &[f64], y: &[bool], patients: &[u32], cuts: &[f64]) -> Vec<ThresholdRow> {
    if p.len() != y.len() || p.len() != patients.len() {
        return Vec::new();
    }
    let line = |cut: &f64| {
        // The share of `whole` that is also `part`, if enough patients are in the part and in the
        // rest: a share gives its count away to whoever knows the whole.
        let share = |whole: &dyn Fn(usize) -> bool, part: &dyn Fn(usize) -> bool| {
            let rows = (0..p.len()).filter(|row| whole(*row));
            let (hits, rest): (Vec<usize>, Vec<usize>) = rows.partition(|row| part(*row));
            let told = [&hits, &rest].iter().all(|rows| enough(rows.iter().map(|r| patients[*r])));
            told.then(|| hits.len() as f64 / (hits.len() + rest.len()) as f64)
        };
        let flagged = |row: usize| p[row] >= *cut;
        ThresholdRow {
            cut: *cut,
            flagged: share(&|_| true, &flagged),
            ppv: share(&flagged, &|row| y[row]),
            sensitivity: share(&|row| y[row], &flagged),
            specificity: share(&|row| !y[row], &|row| !flagged(row)),
        }
    };
    cuts.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
