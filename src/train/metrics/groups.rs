//! Figures of groups of rows, small ones left out: calibration bins, and what a cut would flag.

use serde::Serialize;

use super::ranking::ranked;
use super::{outcome, usable};
use crate::SMALL_CELL_PATIENTS;
use crate::model::Weights;

/// A group of rows with neighbouring probabilities.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// Rows in the group.
    pub rows: usize,
    /// Their weighted mean probability.
    pub predicted: f64,
    /// The weighted share of them with the outcome.
    pub observed: f64,
}

/// Up to `bins` groups of about equal size by rising probability, equal probabilities together.
///
/// A group that holds too few patients with the outcome, or without it, takes in its neighbour;
/// with too few of them in all there is no group. Groups count rows, their means are weighted.
pub fn calibration_bins(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    bins: usize,
) -> Vec<Bin> {
    if !usable(p, y, weights) || p.len() != patients.len() {
        return Vec::new();
    }
    let order = weights.counted(ranked(p));
    let size = order.len().div_ceil(bins.max(1)).max(1);
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
        let each = rows.iter().map(|row| weights.of(*row) * value(*row));
        each.sum::<f64>() / weights.sum(rows)
    };
    let bin = |rows: &Vec<usize>| Bin {
        rows: rows.len(),
        predicted: share(rows, &|row| p[row]),
        observed: share(rows, &|row| outcome(y[row])),
    };
    groups.iter().map(bin).collect()
}

/// Whether enough distinct patients are among these.
pub(in crate::train) fn enough(patients: impl Iterator<Item = u32>) -> bool {
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

/// What follows from flagging every row at or above a cut, in weighted shares; a number with too few
/// patients behind it is `None`.
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
pub fn threshold_table(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    cuts: &[f64],
) -> Vec<ThresholdRow> {
    if !usable(p, y, weights) || p.len() != patients.len() {
        return Vec::new();
    }
    let counted = weights.counted(0..p.len());
    let line = |cut: &f64| {
        // The share of `whole` that is also `part`, if enough patients are in the part and in the
        // rest: a share gives its count away to whoever knows the whole.
        let share = |whole: &dyn Fn(usize) -> bool, part: &dyn Fn(usize) -> bool| {
            let rows = counted.iter().copied().filter(|row| whole(*row));
            let (hits, rest): (Vec<usize>, Vec<usize>) = rows.partition(|row| part(*row));
            let told = [&hits, &rest].iter().all(|rows| enough(rows.iter().map(|r| patients[*r])));
            told.then(|| weights.sum(&hits) / (weights.sum(&hits) + weights.sum(&rest)))
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
