//! The lowest cut that keeps a promise: at most so many flags, or a PPV at least so high.

use super::groups::Crowd;
use super::ranking::ranked;
use super::resampling::numbered;
use crate::model::Weights;

/// The normal quantile of a one-sided 95% bound.
const ONE_SIDED_95: f64 = 1.644_853_626_951_472_7;
/// Sums of weights are rounded; a promise is not broken by that.
const ROUNDING: f64 = 1e-12;

/// The lowest probability from which the rows upwards weigh at most `limit`; `None` where those with
/// the highest probability alone, who tie, weigh more. Rows that tie are flagged together or not at
/// all: of many at the limit none is.
pub(in crate::train) fn lowest_cut_within(
    p: &[f64],
    weights: Weights<'_>,
    limit: f64,
) -> Option<f64> {
    let (mut taken, mut cut) = (0.0, None);
    for ties in falling(p, weights).chunk_by(|a, b| p[*a] == p[*b]) {
        taken += weights.sum(ties);
        if taken > limit * (1.0 + ROUNDING) {
            break;
        }
        cut = ties.first().map(|row| p[*row]);
    }
    cut
}

/// What the search for a PPV found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::train) enum PpvCut {
    /// The lowest cut whose PPV is at least as high as asked, beyond chance.
    At(f64),
    /// No cut's is. The highest lower bound of all cuts that flag enough patients.
    Nowhere { highest: Option<f64> },
}

/// The lowest cut of which the lower bound of the PPV is at least `ppv_min`, among those that flag
/// enough patients.
///
/// The bound, not the estimate, because the estimate is best where chance was kindest: of many cuts
/// one nearly always has a PPV above the truth, most of all among the few rows at the top. The bound
/// is one-sided, 95%: Wilson's, with as many rows as give the variance that the PPV has with the rows
/// of a patient taken together (linearised ratio; Korn and Graubard 1998). A single bound errs in one
/// of twenty samples; the lowest of many cuts somewhat more often, as neighbouring cuts share nearly
/// all of their rows, and then by little.
pub(in crate::train) fn lowest_cut_with_ppv(
    (p, y, weights): (&[f64], &[bool], Weights<'_>),
    patients: &[u32],
    ppv_min: f64,
) -> PpvCut {
    let (numbers, distinct) = numbered(patients);
    let mut flagged = Flagged { of_patient: vec![[0.0; 2]; distinct], ..Flagged::default() };
    let mut crowd = Crowd::default();
    let (mut found, mut highest) = (None, None);
    for ties in falling(p, weights).chunk_by(|a, b| p[*a] == p[*b]) {
        for row in ties {
            crowd.meet(numbers[*row]);
            flagged.add(numbers[*row] as usize, weights.of(*row), y[*row]);
        }
        let Some(bound) = flagged.lower_bound().filter(|_| crowd.is_enough()) else { continue };
        highest = highest.map_or(Some(bound), |highest: f64| Some(highest.max(bound)));
        if bound >= ppv_min {
            found = ties.first().map(|row| p[*row]);
        }
    }
    found.map_or(PpvCut::Nowhere { highest }, PpvCut::At)
}

/// The rows that count, by falling probability.
fn falling(p: &[f64], weights: Weights<'_>) -> Vec<usize> {
    let mut order = weights.counted(ranked(p));
    order.reverse();
    order
}

/// What is flagged so far: sums over rows, and over patients of products of their own sums.
#[derive(Default)]
struct Flagged {
    /// Of each patient the weight flagged with the outcome, and all of it.
    of_patient: Vec<[f64; 2]>,
    with: f64,
    all: f64,
    /// The sum of the squared weights of rows.
    squares: f64,
    /// Over patients: with x with, with x all, all x all.
    products: [f64; 3],
}

impl Flagged {
    fn add(&mut self, patient: usize, weight: f64, outcome: bool) {
        let Some(of) = self.of_patient.get_mut(patient) else { return };
        let products = |[with, all]: [f64; 2]| [with * with, with * all, all * all];
        let before = products(*of);
        let with = if outcome { weight } else { 0.0 };
        *of = [of[0] + with, of[1] + weight];
        for (sum, (now, before)) in
            self.products.iter_mut().zip(products(*of).into_iter().zip(before))
        {
            *sum += now - before;
        }
        self.with += with;
        self.all += weight;
        self.squares += weight * weight;
    }

    /// The one-sided 95% lower bound of the PPV; `None` before anything is flagged.
    fn lower_bound(&self) -> Option<f64> {
        let ppv = self.with / self.all;
        let [with_with, with_all, all_all] = self.products;
        let spread = with_with - 2.0 * ppv * with_all + ppv * ppv * all_all;
        let even = self.all * self.all / self.squares;
        // Where all flagged have the outcome, or none, the spread says nothing: each patient then
        // counts for one.
        let rows = match spread > ROUNDING * self.all {
            true => (ppv * (1.0 - ppv) * self.all * self.all / spread).min(even),
            false => self.all * self.all / all_all,
        };
        let z = ONE_SIDED_95;
        let within = (ppv * (1.0 - ppv) / rows + z * z / (4.0 * rows * rows)).sqrt();
        let bound = (ppv + z * z / (2.0 * rows) - z * within) / (1.0 + z * z / rows);
        bound.is_finite().then_some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cut by hand: the lowest value that keeps the promise.
    fn brute(p: &[f64], keeps: impl Fn(f64) -> bool) -> Option<f64> {
        p.iter().copied().filter(|cut| keeps(*cut)).min_by(f64::total_cmp)
    }

    fn drawn(rows: usize, grid: f64, seed: u64) -> (Vec<f64>, Vec<bool>) {
        let mut draws = crate::train::tests::Draws(seed);
        let each = (0..rows).map(|_| {
            let risk = draws.uniform();
            ((risk * grid).round() / grid, draws.uniform() < risk * risk)
        });
        each.unzip()
    }

    #[test]
    fn at_most_so_many_are_flagged_and_no_lower_cut_keeps_that() {
        for (rows, grid, seed) in [(500, 1e9, 1), (500, 40.0, 2), (37, 5.0, 3), (1, 2.0, 4)] {
            let (p, _) = drawn(rows, grid, seed);
            for limit in [0.0, 1.0, 7.0, 0.29 * rows as f64, rows as f64] {
                let count = |cut: f64| p.iter().filter(|p| **p >= cut).count() as f64;
                let expected = brute(&p, |cut| count(cut) <= limit);
                let found = lowest_cut_within(&p, Weights::Even, limit);
                assert_eq!(found, expected, "{rows} rows, at most {limit}");
            }
        }
        assert_eq!(lowest_cut_within(&[], Weights::Even, 5.0), None);
    }

    #[test]
    fn rows_that_tie_never_break_the_promise() {
        let p = [0.9, 0.5, 0.5, 0.5, 0.1];
        let cut = |limit| lowest_cut_within(&p, Weights::Even, limit);
        assert_eq!([cut(1.0), cut(3.0), cut(4.0)], [Some(0.9), Some(0.9), Some(0.5)]);
        assert_eq!(lowest_cut_within(&[0.5; 9], Weights::Even, 8.0), None, "all or none");
        let weights = [1.0, 2.0, 0.0, 2.0, 1.0];
        let weighted = |limit| lowest_cut_within(&p, Weights::Each(&weights), limit);
        assert_eq!([weighted(4.0), weighted(5.0)], [Some(0.9), Some(0.5)]);
    }

    #[test]
    fn the_lowest_cut_by_ppv_is_that_of_all_cuts_tried_by_hand() {
        for (rows, grid, seed) in [(2_000, 1e9, 1), (2_000, 50.0, 2), (300, 20.0, 3)] {
            let (p, y) = drawn(rows, grid, seed);
            let patients: Vec<u32> = (0..rows as u32).collect();
            let bound = |cut: f64| {
                let of: Vec<bool> =
                    p.iter().zip(&y).filter(|(p, _)| **p >= cut).map(|(_, y)| *y).collect();
                let (n, z) = (of.len() as f64, 1.6448536269514727);
                let share = of.iter().filter(|y| **y).count() as f64 / n;
                let root = (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
                let low = (share + z * z / (2.0 * n) - z * root) / (1.0 + z * z / n);
                (of.len() >= 11).then_some(low)
            };
            for ppv_min in [0.3, 0.5, 0.7, 0.99] {
                // Ties of rounding between the two ways to sum are none of ours.
                let keeps = |cut: f64| bound(cut).is_some_and(|bound| bound >= ppv_min);
                let found = lowest_cut_with_ppv((&p, &y, Weights::Even), &patients, ppv_min);
                match (found, brute(&p, keeps)) {
                    (PpvCut::At(cut), Some(expected)) => assert_eq!(cut, expected, "{ppv_min}"),
                    (PpvCut::Nowhere { highest }, None) => assert!(highest.unwrap() < ppv_min),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn the_ppv_that_was_asked_for_is_there_in_truth() {
        let runs = 200;
        let kept = (0..runs).filter(|seed| {
            let (p, y) = drawn(3_000, 1e9, 100 + seed);
            let patients: Vec<u32> = (0..3_000).collect();
            let found = lowest_cut_with_ppv((&p, &y, Weights::Even), &patients, 0.5);
            let PpvCut::At(cut) = found else { panic!("{found:?}") };
            // The mean of p x p from the cut to 1, as p is even there.
            let truth = (1.0 - cut.powi(3)) / (3.0 * (1.0 - cut));
            assert!(truth > 0.45 && truth < 0.6, "near what was asked: {truth}");
            truth >= 0.5
        });
        let kept = kept.count();
        assert!(kept * 100 >= runs as usize * 85, "{kept} of {runs}");
    }

    #[test]
    fn many_rows_of_a_patient_tell_less_than_as_many_patients() {
        // Patients of ten rows that share their outcome.
        let (p, y): (Vec<f64>, Vec<bool>) = (0..400).map(|row| (0.5, row / 10 % 2 == 0)).unzip();
        let bound = |patients: Vec<u32>| match lowest_cut_with_ppv(
            (&p, &y, Weights::Even),
            &patients,
            0.99,
        ) {
            PpvCut::Nowhere { highest } => highest.unwrap(),
            found => panic!("{found:?}"),
        };
        let (alone, together) =
            (bound((0..400).collect()), bound((0..400).map(|r| r / 10).collect()));
        assert!((alone - 0.459).abs() < 0.002 && (together - 0.375).abs() < 0.005, "{together}");
        let few = lowest_cut_with_ppv((&p, &y, Weights::Even), &[1; 400], 0.1);
        assert_eq!(few, PpvCut::Nowhere { highest: None }, "one patient is nobody");
        let none = lowest_cut_with_ppv((&[], &[], Weights::Even), &[], 0.1);
        assert_eq!(none, PpvCut::Nowhere { highest: None });
    }
}
