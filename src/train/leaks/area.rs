//! How well one column tells the outcome: its area under the ROC curve with a bound, by patient.

use crate::SMALL_CELL_PATIENTS;
use crate::model::Weights;
use crate::train::Cohort;

/// The 97.5th percentile of the normal distribution: the lower end of a 95% interval.
const NORMAL_975: f64 = 1.959_963_985;

/// The samples that count, one entry each, in the order of the cohort.
pub(super) struct Rows {
    /// Places among the cohort's samples.
    pub samples: Vec<usize>,
    pub labels: Vec<bool>,
    /// Number of the patient, from 0 without gaps, rising.
    pub patients: Vec<u32>,
    pub weights: Vec<f64>,
    pub base: Base,
    pub with: Class,
    pub without: Class,
}

/// The rows of one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Class {
    pub rows: usize,
    pub weight: f64,
}

/// How many patients there are, and how many with at least one sample of each outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Base {
    pub patients: u64,
    pub with: u64,
    pub without: u64,
}

impl Rows {
    /// The samples of `cohort` that are weighted above 0.
    pub(super) fn of(cohort: &Cohort<'_>, weights: Weights<'_>) -> Rows {
        let samples = weights.counted(0..cohort.samples().len());
        let all = cohort.patient_numbers();
        let numbers: Vec<u32> = samples.iter().filter_map(|row| all.get(*row).copied()).collect();
        let chosen = samples.iter().filter_map(|row| cohort.samples().get(*row));
        let labels: Vec<bool> = chosen.map(|sample| sample.boolean_value).collect();
        let mut patients = Vec::with_capacity(numbers.len());
        let mut last: Option<(u32, u32)> = None;
        for number in numbers {
            let place = match last {
                Some((known, place)) if known == number => place,
                Some((_, place)) => place + 1,
                None => 0,
            };
            last = Some((number, place));
            patients.push(place);
        }
        let weights = samples.iter().map(|row| weights.of(*row)).collect();
        Rows::new(samples, labels, patients, weights)
    }

    fn new(samples: Vec<usize>, labels: Vec<bool>, patients: Vec<u32>, weights: Vec<f64>) -> Rows {
        let (base, with, without) = Default::default();
        let mut rows = Rows { samples, labels, patients, weights, base, with, without };
        let all = 0..rows.len() as u32;
        rows.base = rows.base_of(all.clone());
        (rows.with, rows.without) = (rows.class(all.clone(), true), rows.class(all, false));
        rows
    }

    /// Those of the rows that have one outcome.
    pub(super) fn class(&self, rows: impl Iterator<Item = u32>, label: bool) -> Class {
        let mut class = Class::default();
        for row in rows.filter(|row| self.label(*row) == label) {
            class.rows += 1;
            class.weight += self.weight(row);
        }
        class
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, row: u32) -> bool {
        self.labels.get(row as usize) == Some(&true)
    }

    fn patient(&self, row: u32) -> u32 {
        self.patients.get(row as usize).copied().unwrap_or_default()
    }

    fn weight(&self, row: u32) -> f64 {
        self.weights.get(row as usize).copied().unwrap_or_default()
    }

    /// Distinct patients among rows in rising order.
    pub(super) fn patients_in(&self, rows: impl IntoIterator<Item = u32>) -> u64 {
        let mut last = None;
        let mut count = 0;
        for row in rows {
            let patient = Some(self.patient(row));
            count += u64::from(patient != last);
            last = patient;
        }
        count
    }

    /// The patients among rows in rising order, by what became of them.
    pub(super) fn base_of(&self, rows: impl Iterator<Item = u32> + Clone) -> Base {
        let of = |label: bool| rows.clone().filter(move |row| self.label(*row) == label);
        Base {
            patients: self.patients_in(rows.clone()),
            with: self.patients_in(of(true)),
            without: self.patients_in(of(false)),
        }
    }

    /// The outcome that all rows share, if they do.
    pub(super) fn one_class(&self, rows: &[u32]) -> Option<bool> {
        let (first, others) = rows.split_first()?;
        let label = self.label(*first);
        others.iter().all(|row| self.label(*row) == label).then_some(label)
    }

    /// The rows that are not among `rows`, both in rising order.
    pub(super) fn others(&self, rows: &[u32]) -> Vec<u32> {
        let mut left = rows.iter().peekable();
        let all = 0..self.len() as u32;
        all.filter(|row| left.next_if(|other| *other == row).is_none()).collect()
    }
}

/// An area under the ROC curve, turned so that it is at least one half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub area: f64,
    /// The lower end of its 95% interval.
    pub low: f64,
}

/// The area of an order of rows: `levels` by rising value, rows of one level tied. `None` with too
/// few patients of either outcome.
///
/// The standard error takes all rows of a patient together (Obuchowski 1997; with one row each it is
/// that of DeLong and others 1988), each row by its weight. It is never taken to be below that of
/// Hanley and McNeil (1982) for so many patients, because a perfect order would have none at all.
pub(super) fn area(levels: &[&[u32]], rows: &Rows) -> Option<Area> {
    let [with, without] = [rows.base.with, rows.base.without].map(|count| count as f64);
    if with.min(without) < SMALL_CELL_PATIENTS as f64 {
        return None;
    }
    let sum = |level: &[u32], label: bool| -> f64 {
        let of = level.iter().filter(|row| rows.label(**row) == label);
        of.map(|row| rows.weight(*row)).sum()
    };
    let total = |label: bool| levels.iter().map(|level| sum(level, label)).sum::<f64>();
    let (positive, negative) = (total(true), total(false));
    if positive <= 0.0 || negative <= 0.0 {
        return None;
    }
    let patients = rows.base.patients as usize;
    // Per patient, the parts that its rows have in the area, and in the two sums of weights.
    let mut parts = vec![(0.0, 0.0); patients];
    let (mut won, mut below, mut passed) = (0.0, 0.0, 0.0);
    for level in levels {
        let (tied, here) = (sum(level, false), sum(level, true));
        let share_with = (below + 0.5 * tied) / negative;
        let share_without = (positive - passed - 0.5 * here) / positive;
        for row in *level {
            let (share, scaled) = match rows.label(*row) {
                true => (share_with, rows.weight(*row) / positive),
                false => (share_without, rows.weight(*row) / negative),
            };
            if let Some((area, weight)) = parts.get_mut(rows.patient(*row) as usize) {
                *area += scaled * share;
                *weight += scaled;
            }
        }
        won += here * share_with;
        below += tied;
        passed += here;
    }
    let area = won / positive;
    let squares: f64 = parts.iter().map(|(part, weight)| (part - area * weight).powi(2)).sum();
    let clustered = squares * patients as f64 / (patients as f64 - 1.0).max(1.0);
    let turned = area.max(1.0 - area);
    let variance = clustered.max(hanley_mcneil(turned, with, without));
    Some(Area { area: turned, low: turned - NORMAL_975 * variance.sqrt() })
}

/// Hanley and McNeil's variance (1982) of an area at least one half, kept half a pair away from 1.
fn hanley_mcneil(area: f64, with: f64, without: f64) -> f64 {
    let area = area.min(1.0 - 0.5 / with.min(without));
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let square = area * area;
    let spread = (with - 1.0) * (q1 - square) + (without - 1.0) * (q2 - square);
    (area * (1.0 - area) + spread) / (with * without)
}

/// The better of two orders.
pub(super) fn better(one: Option<Area>, other: Option<Area>) -> Option<Area> {
    match (one, other) {
        (Some(one), Some(other)) if other.low > one.low => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::{Rows, area};
    use crate::model::Weights;
    use crate::train::auroc_interval;
    use crate::train::metrics::auroc;

    fn rows(labels: Vec<bool>, patients: Vec<u32>, weights: Vec<f64>) -> Rows {
        Rows::new((0..labels.len()).collect(), labels, patients, weights)
    }

    #[test]
    fn it_is_the_area_of_the_metrics_and_its_bound_is_the_bootstraps() {
        let mut rng = fastrand::Rng::with_seed(3);
        // Three rows a patient that mostly agree: rows are no independent witnesses.
        let (mut labels, mut patients, mut weights, mut values) = (vec![], vec![], vec![], vec![]);
        for patient in 0..900_u32 {
            let (label, level) = (rng.f64() < 0.3, rng.u32(0..6));
            for _ in 0..3 {
                labels.push(label);
                patients.push(patient);
                weights.push(1.0 + rng.f64());
                values.push(level + 2 * u32::from(label) + u32::from(rng.bool()));
            }
        }
        let most = values.iter().max().copied().unwrap();
        let of = |level: u32| -> Vec<u32> {
            (0..values.len() as u32).filter(|row| values[*row as usize] == level).collect()
        };
        let levels: Vec<Vec<u32>> = (0..=most).map(of).collect();
        let levels: Vec<&[u32]> = levels.iter().map(Vec::as_slice).collect();
        let p: Vec<f64> = values.iter().map(|value| f64::from(*value) / f64::from(most)).collect();
        let expected = auroc(&p, &labels, Weights::Each(&weights)).unwrap();
        let interval = auroc_interval(&p, &labels, &patients, Weights::Each(&weights), 1).unwrap();
        let rows = rows(labels, patients, weights);
        let found = area(&levels, &rows).unwrap();
        assert!((found.area - expected).abs() < 1e-12, "{found:?} {expected}");
        let (ours, theirs) = (found.area - found.low, expected - interval[0]);
        assert!((ours / theirs - 1.0).abs() < 0.12, "{ours} {theirs}");
        let turned: Vec<&[u32]> = levels.iter().rev().copied().collect();
        let turned = area(&turned, &rows).unwrap();
        assert!((turned.area - found.area).abs() < 1e-12 && (turned.low - found.low).abs() < 1e-12);
    }

    #[test]
    fn a_perfect_order_of_few_is_not_certain_and_of_too_few_says_nothing() {
        let bound = |each: u32| {
            let labels = (0..2 * each).map(|row| row >= each).collect();
            let rows = rows(labels, (0..2 * each).collect(), vec![1.0; 2 * each as usize]);
            let (low, high): (Vec<u32>, Vec<u32>) = (0..2 * each).partition(|row| *row < each);
            area(&[&low, &high], &rows)
        };
        assert_eq!(bound(10), None);
        let (few, many) = (bound(11).unwrap(), bound(400).unwrap());
        assert_eq!((few.area, many.area), (1.0, 1.0));
        assert!(few.low < 0.92 && many.low > 0.99, "{few:?} {many:?}");
    }
}
