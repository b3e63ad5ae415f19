//! Intervals: patients are drawn with replacement, all rows of a patient together with their weights
//! (the cluster bootstrap; percentile intervals: Efron and Tibshirani 1993).
//!
//! Rows are sorted and summed up by patient once; a draw then only says how often each patient
//! counts.

use rayon::prelude::*;

use super::estimate::Estimate;
use super::ranking::Ranked;
use super::{outcome, usable};
use crate::model::Weights;

/// Draws behind the intervals of the figures of a whole.
pub(in crate::train) const DRAWS: u64 = 1000;
/// Draws behind the intervals of many figures of many groups.
pub(in crate::train) const DRAWS_OF_GROUPS: u64 = 300;

/// Patients renumbered from 0, and how many there are.
pub(super) fn numbered(patients: &[u32]) -> (Vec<u32>, usize) {
    let mut distinct = patients.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |patient: &u32| distinct.partition_point(|other| other < patient) as u32;
    (patients.iter().map(place).collect(), distinct.len())
}

/// SplitMix64's mixing of a counter into random bits.
pub(in crate::train) fn mixed(counter: u64) -> u64 {
    let a = (counter ^ (counter >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    b ^ (b >> 31)
}

/// How often each of `distinct` patients is in draw number `draw`. Every draw has its own random
/// stream, so threads cannot change the result.
fn times(distinct: usize, draw: u64, seed: u64) -> Vec<u32> {
    let mut state = mixed(seed ^ mixed(draw));
    let mut times = vec![0u32; distinct];
    for _ in 0..distinct {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        // The upper half of a product scales 64 random bits to 0..distinct.
        let place = (u128::from(mixed(state)) * distinct as u128) >> 64;
        times[place as usize] += 1;
    }
    times
}

/// The patients of some rows, ready to be drawn.
pub(in crate::train) struct Resampling {
    /// Number of the patient of each row, from 0 without gaps.
    pub(super) patients: Vec<u32>,
    pub(super) distinct: usize,
    seed: u64,
}

/// Figures of all rows, and of each draw; NaN where there is none.
pub(in crate::train) struct Resampled {
    pub values: Vec<f64>,
    pub drawn: Vec<Vec<f64>>,
}

impl Resampling {
    pub(in crate::train) fn of(patients: &[u32], seed: u64) -> Resampling {
        let (patients, distinct) = numbered(patients);
        Resampling { patients, distinct, seed }
    }

    /// The same draws for some of the rows: they are then rows 0, 1, 2 and so on.
    pub(in crate::train) fn of_rows(&self, rows: &[usize]) -> Resampling {
        let patients = rows.iter().map(|row| self.patients[*row]).collect();
        Resampling { patients, distinct: self.distinct, seed: self.seed }
    }

    /// Sums `width` numbers of each row up by patient; `add` adds those of a row to its patient's.
    pub(in crate::train) fn sums(
        &self,
        width: usize,
        add: impl Fn(usize, &mut [f64]),
    ) -> PatientSums {
        let (patients, distinct) = numbered(&self.patients);
        let mut each = vec![0.0; width * distinct];
        let mut named = vec![0; distinct];
        for (row, (place, patient)) in patients.iter().zip(&self.patients).enumerate() {
            let from = *place as usize * width;
            add(row, &mut each[from..from + width]);
            named[*place as usize] = *patient;
        }
        PatientSums { width, patients: named, each }
    }

    /// The figures of all patients, each counted once, and of `draws` draws. `figures` is told how
    /// often each patient counts, and always gives the same number of figures.
    pub(in crate::train) fn figures(
        &self,
        draws: u64,
        figures: impl Fn(&[u32]) -> Vec<f64> + Sync,
    ) -> Resampled {
        let drawn = (0..draws).into_par_iter();
        let drawn = drawn.map(|draw| figures(&times(self.distinct, draw, self.seed))).collect();
        Resampled { values: figures(&vec![1; self.distinct]), drawn }
    }
}

impl Resampled {
    /// The figure at `place` of every draw that has it.
    pub(super) fn draws_of(&self, place: usize) -> Vec<f64> {
        let each = self.drawn.iter().filter_map(|figures| figures.get(place).copied());
        each.filter(|value| value.is_finite()).collect()
    }

    /// The figure at `place`; `None` where there is none, or hardly any draw has one.
    pub(in crate::train) fn estimate(&self, place: usize) -> Option<Estimate> {
        let value = self.values.get(place).copied().filter(|value| value.is_finite())?;
        let drawn = self.draws_of(place);
        let most = 2 * drawn.len() > self.drawn.len();
        Some(Estimate { value, interval: middle(drawn).filter(|_| most)? })
    }

    /// All figures in order.
    pub(in crate::train) fn estimates(&self) -> impl Iterator<Item = Option<Estimate>> + '_ {
        (0..self.values.len()).map(|place| self.estimate(place))
    }
}

/// Some numbers of each patient, whose sums over a draw are wanted.
pub(in crate::train) struct PatientSums {
    width: usize,
    /// Those who have a row.
    patients: Vec<u32>,
    each: Vec<f64>,
}

impl PatientSums {
    /// The sums over a draw.
    pub(in crate::train) fn drawn(&self, times: &[u32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for (each, patient) in self.each.chunks_exact(self.width.max(1)).zip(&self.patients) {
            let times = f64::from(times[*patient as usize]);
            sums.iter_mut().zip(each).for_each(|(sum, value)| *sum += times * value);
        }
        sums
    }
}

/// 95% interval of the AUROC, patients resampled; `None` without both outcomes, for slices of other
/// lengths or for weights that are none.
pub fn auroc_interval(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<[f64; 2]> {
    if !usable(p, y, weights) || p.len() != patients.len() {
        return None;
    }
    let resampling = Resampling::of(patients, seed);
    let ranked = Ranked::of(p, y, weights, &resampling);
    let figures = resampling.figures(DRAWS, |times| vec![ranked.auroc(times)]);
    figures.estimate(0).map(|estimate| estimate.interval)
}

/// 95% interval of the outcomes that came per outcome expected, patients resampled; `None` as for
/// the AUROC's, which comes of the same draws.
pub fn observed_over_expected_interval(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<[f64; 2]> {
    if !usable(p, y, weights) || p.len() != patients.len() {
        return None;
    }
    let resampling = Resampling::of(patients, seed);
    let sums = resampling.sums(2, |row, sums| {
        sums[0] += weights.of(row) * outcome(y[row]);
        sums[1] += weights.of(row) * p[row];
    });
    let ratio = |times: &[u32]| {
        let sums = sums.drawn(times);
        vec![sums[0] / sums[1]]
    };
    resampling.figures(DRAWS, ratio).estimate(0).map(|estimate| estimate.interval)
}

/// The middle 95% of the values.
fn middle(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() as f64 - 1.0;
    let at = |share: f64| values.get((share * last).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}
