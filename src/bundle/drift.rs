//! What the development rows looked like, so that it can be told when rows no longer do.

use serde::{Deserialize, Serialize};

use crate::SMALL_CELL_PATIENTS;
use crate::model::enough_at;

/// No column is told apart in more bands.
const BANDS_MAX: usize = 10;
/// A smaller share is taken to be this one: no share can be infinitely far from another.
const SHARE_MIN: f64 = 1e-4;

/// The development rows in coarse shares; every share stands for at least eleven patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftReference {
    /// One for each column of the row, in order.
    pub columns: Vec<Bands>,
    /// Of the cross-fitted probabilities.
    pub score: Bands,
}

/// How the values of one column lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// Where each band but the first begins, rising, in the column's unit; at most nine.
    pub from: Vec<f32>,
    /// Share of rows without a value; 0 for fewer than eleven patients.
    pub missing: f64,
    /// Share of rows in each band; with `missing` they sum to 1. Empty where fewer than eleven
    /// patients have a value.
    pub shares: Vec<f64>,
}

impl DriftReference {
    /// Whether it is one of `columns` columns, and makes sense.
    pub fn fits(&self, columns: usize) -> bool {
        let bands = || self.columns.iter().chain([&self.score]);
        self.columns.len() == columns && bands().all(Bands::make_sense)
    }
}

impl Bands {
    /// Up to ten bands of about as many rows of `values` (NaN = missing), equal values together, each
    /// with at least eleven of the `patients` (one a value).
    pub fn of(values: &[f32], patients: &[u32]) -> Bands {
        let mut rows: Vec<(f32, u32)> =
            values.iter().copied().zip(patients.iter().copied()).collect();
        let (all, mut without) = (rows.len() as f64, Vec::new());
        rows.retain(|(value, patient)| {
            if value.is_nan() {
                without.push(*patient);
            }
            !value.is_nan()
        });
        if !enough(rows.iter().map(|(_, patient)| *patient)) {
            return Bands { from: Vec::new(), missing: 1.0, shares: Vec::new() };
        }
        let missing = match enough(without.iter().copied()) {
            true => without.len() as f64 / all,
            false => 0.0,
        };
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let starts = starts(&rows);
        let ends = starts.iter().skip(1).copied().chain([rows.len()]);
        let sizes = starts.iter().zip(ends).map(|(start, end)| (end - start) as f64);
        Bands {
            from: starts.iter().skip(1).filter_map(|at| Some(rows.get(*at)?.0)).collect(),
            missing,
            shares: sizes.map(|size| (1.0 - missing) * size / rows.len() as f64).collect(),
        }
    }

    /// How many of `values` (NaN = missing) are missing, and how many lie in each band.
    pub fn counts(&self, values: impl IntoIterator<Item = f32>) -> Vec<u64> {
        let mut counts = vec![0; self.places()];
        for value in values {
            if let Some(count) = counts.get_mut(self.place(value)) {
                *count += 1;
            }
        }
        counts
    }

    /// How many counts there are: of the missing, and of each band.
    pub(super) fn places(&self) -> usize {
        1 + self.shares.len().max(1)
    }

    /// Where among the counts `value` belongs.
    pub(super) fn place(&self, value: f32) -> usize {
        match value.is_nan() {
            true => 0,
            false => 1 + self.from.partition_point(|from| *from <= value),
        }
    }

    /// The population stability index of rows that fall into the bands as `counts` says (the missing
    /// first): the sum of (share now - share then) times the logarithm of their ratio. Below 0.1 they
    /// are alike, from 0.25 on unlike (Siddiqi 2006). `None` without rows or for other bands.
    pub fn psi(&self, counts: &[u64]) -> Option<f64> {
        let total: u64 = counts.iter().sum();
        if total == 0 || self.shares.is_empty() || counts.len() != 1 + self.shares.len() {
            return None;
        }
        let then = [self.missing].into_iter().chain(self.shares.iter().copied());
        let each = then.zip(counts).map(|(then, count)| {
            let now = (*count as f64 / total as f64).max(SHARE_MIN);
            let then = then.max(SHARE_MIN);
            (now - then) * (now / then).ln()
        });
        Some(each.sum())
    }

    fn make_sense(&self) -> bool {
        let bands_fit = match self.shares.len() {
            0 => self.from.is_empty(),
            bands => bands <= BANDS_MAX && self.from.len() + 1 == bands,
        };
        let rising = self.from.windows(2).all(|pair| pair[0] < pair[1])
            && self.from.iter().all(|from| from.is_finite());
        let mut shares = self.shares.iter().chain([&self.missing]);
        let whole: f64 = self.shares.iter().sum::<f64>() + self.missing;
        bands_fit
            && rising
            && shares.all(|share| (0.0..=1.0).contains(share))
            && (whole - 1.0).abs() < 1e-6
    }
}

/// Where each band begins among the rows, which rise by value.
fn starts(rows: &[(f32, u32)]) -> Vec<usize> {
    let size = rows.len().div_ceil(BANDS_MAX).max(1);
    let (mut starts, mut at) = (vec![0], 0);
    for ties in rows.chunk_by(|a, b| a.0 == b.0) {
        at += ties.len();
        let start = starts.last().copied().unwrap_or(0);
        let stands = |rows: Option<&[(f32, u32)]>| {
            let patients = rows.unwrap_or_default().iter().map(|(_, patient)| *patient);
            enough(patients)
        };
        if at - start >= size && stands(rows.get(start..at)) && stands(rows.get(at..)) {
            starts.push(at);
        }
    }
    starts.truncate(BANDS_MAX);
    starts
}

/// Whether enough distinct patients are among these.
fn enough(patients: impl Iterator<Item = u32>) -> bool {
    enough_at(patients, SMALL_CELL_PATIENTS).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> (Vec<f32>, Vec<u32>) {
        ((0..100).map(|row| row as f32).collect(), (0..100).collect())
    }

    #[test]
    fn bands_hold_enough_patients_and_sum_to_one() {
        let (mut values, patients) = hundred();
        let bands = Bands::of(&values, &patients);
        // Eleven patients a band, and the last one takes what is left.
        assert_eq!(bands.from, [11.0, 22.0, 33.0, 44.0, 55.0, 66.0, 77.0, 88.0]);
        assert_eq!(bands.shares.last(), Some(&0.12));
        assert!(bands.make_sense() && bands.missing == 0.0);
        values[..20].fill(f32::NAN);
        let bands = Bands::of(&values, &patients);
        assert_eq!((bands.missing, bands.make_sense()), (0.2, true));
        values[10..].fill(1.0);
        let few_missing = Bands::of(&values, &patients);
        assert_eq!((few_missing.missing, few_missing.shares.as_slice()), (0.0, [1.0].as_slice()));
        let one = vec![7; 100];
        assert!(Bands::of(&hundred().0, &one).shares.is_empty(), "one patient, a hundred rows");
    }

    #[test]
    fn the_index_is_0_for_the_same_rows_and_by_hand_for_others() {
        let (values, patients) = hundred();
        let bands = Bands::of(&values, &patients);
        let counts = bands.counts(values.iter().copied());
        assert_eq!((counts[0], counts[1], counts.iter().sum::<u64>()), (0, 11, 100));
        assert!(bands.psi(&counts).unwrap().abs() < 1e-12);
        let two = Bands { from: vec![1.0], missing: 0.0, shares: vec![0.5, 0.5] };
        let by_hand = 0.3 * 1.6f64.ln() - 0.3 * 0.4f64.ln();
        assert!((two.psi(&[0, 80, 20]).unwrap() - by_hand).abs() < 1e-12);
        assert!(two.psi(&[100, 0, 0]).unwrap() > 5.0, "all gone missing");
        assert_eq!((two.psi(&[0, 0, 0]), two.psi(&[1, 2])), (None, None));
    }

    #[test]
    fn what_makes_no_sense_is_seen() {
        let good = Bands { from: vec![1.0], missing: 0.2, shares: vec![0.5, 0.3] };
        let reference = |bands: Bands| DriftReference { columns: vec![bands], score: good.clone() };
        assert!(reference(good.clone()).fits(1) && !reference(good.clone()).fits(2));
        for bad in [
            Bands { from: vec![], ..good.clone() },
            Bands { missing: 0.3, ..good.clone() },
            Bands { from: vec![f32::NAN], ..good.clone() },
            Bands { shares: vec![1.3, -0.5], ..good.clone() },
        ] {
            assert!(!reference(bad).fits(1));
        }
    }
}
