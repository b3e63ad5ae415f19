//! Intervals: patients are drawn with replacement, all rows of a patient together with their weights.

use rayon::prelude::*;

use super::outcome;
use super::ranking::{ranked, weighted_auroc};
use super::usable;
use crate::model::Weights;

/// Bootstrap samples behind an interval.
const RESAMPLES: u64 = 1000;

/// 95% intervals of one set of predictions.
pub(super) struct Intervals {
    pub auroc: [f64; 2],
    pub observed_over_expected: [f64; 2],
}

/// Patients renumbered from 0, and how many there are.
pub(super) fn numbered(patients: &[u32]) -> (Vec<u32>, usize) {
    let mut distinct = patients.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |patient: &u32| distinct.partition_point(|other| other < patient) as u32;
    (patients.iter().map(place).collect(), distinct.len())
}

/// SplitMix64's mixing of a counter into random bits.
pub(super) fn mixed(counter: u64) -> u64 {
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

/// 95% interval of the AUROC, patients resampled; `None` without both outcomes, for slices of other
/// lengths or for weights that are none.
pub fn auroc_interval(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<[f64; 2]> {
    intervals(p, y, patients, weights, seed).map(|intervals| intervals.auroc)
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
    intervals(p, y, patients, weights, seed).map(|intervals| intervals.observed_over_expected)
}

pub(super) fn intervals(
    p: &[f64],
    y: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    seed: u64,
) -> Option<Intervals> {
    if !usable(p, y, weights) || p.len() != patients.len() {
        return None;
    }
    let (patients, distinct) = numbered(patients);
    let order = ranked(p);
    // Per patient, what came and what was expected.
    let mut sums = vec![(0.0, 0.0); distinct];
    for (row, patient) in patients.iter().enumerate() {
        let (observed, expected) = &mut sums[*patient as usize];
        *observed += weights.of(row) * outcome(y[row]);
        *expected += weights.of(row) * p[row];
    }
    let drawn: Vec<(f64, f64)> = (0..RESAMPLES)
        .into_par_iter()
        .filter_map(|draw| {
            let times = times(distinct, draw, seed);
            let time = |row: usize| f64::from(times[patients[row] as usize]);
            let area = match weights {
                Weights::Even => weighted_auroc(p, y, &order, time),
                Weights::Each(each) => weighted_auroc(p, y, &order, |row| each[row] * time(row)),
            }?;
            let (mut observed, mut expected) = (0.0, 0.0);
            for (sum, times) in sums.iter().zip(&times) {
                observed += f64::from(*times) * sum.0;
                expected += f64::from(*times) * sum.1;
            }
            (expected > 0.0).then(|| (area, observed / expected))
        })
        .collect();
    let (areas, ratios): (Vec<f64>, Vec<f64>) = drawn.into_iter().unzip();
    Some(Intervals { auroc: middle(areas)?, observed_over_expected: middle(ratios)? })
}

/// The middle 95% of the values.
fn middle(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() as f64 - 1.0;
    let at = |share: f64| values.get((share * last).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}
