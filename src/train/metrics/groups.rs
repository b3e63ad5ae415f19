//! Figures of groups of rows with neighbouring probabilities, small ones left out.

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

/// Distinct patients, as many as it takes to be enough.
#[derive(Debug, Clone, Default)]
pub(in crate::train) struct Crowd {
    met: Vec<u32>,
}

impl Crowd {
    pub(in crate::train) fn meet(&mut self, patient: u32) {
        if !self.is_enough() && !self.met.contains(&patient) {
            self.met.push(patient);
        }
    }

    pub(in crate::train) fn is_enough(&self) -> bool {
        self.met.len() >= SMALL_CELL_PATIENTS
    }
}

/// Whether enough distinct patients are among these.
pub(in crate::train) fn enough(patients: impl IntoIterator<Item = u32>) -> bool {
    let mut crowd = Crowd::default();
    patients.into_iter().any(|patient| {
        crowd.meet(patient);
        crowd.is_enough()
    })
}
