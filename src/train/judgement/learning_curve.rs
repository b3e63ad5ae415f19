//! Whether more patients would help: the best single candidate fitted on parts of the development patients.

use serde::Serialize;

use crate::feature::Spec;
use crate::model::{ModelError, Weights};
use crate::train::Sample;
use crate::train::metrics::{Core, DRAWS_OF_GROUPS, Estimate, Resampling, log_loss, mixed};
use crate::train::report::EACH_CLASS_MIN;
use crate::train::select::{Candidate, Pace, Table, calibrator, cross_validate, margins};

/// The parts of the development patients, each within the next.
const SHARES: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// The best single candidate fitted on a part of the development patients, judged on the held-out ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningPoint {
    /// Share of the development patients.
    pub share: f64,
    /// Rows it was fitted on.
    pub rows: usize,
    /// Those of them with the outcome.
    pub events: usize,
    pub auroc: Estimate,
    pub brier: Estimate,
    /// Mean negative log-likelihood, natural logarithm.
    pub log_loss: f64,
    pub observed_over_expected: Estimate,
    pub calibration_slope: Estimate,
}

/// Held-out rows: their samples, outcomes, patients and weights.
pub(in crate::train) struct HeldOutRows<'a> {
    pub samples: Vec<&'a Sample>,
    pub y: Vec<bool>,
    pub patients: Vec<u32>,
    pub weights: Option<Vec<f64>>,
}

/// Fits on 10, 25, 50 and 100% of the development patients and judges each fit on the held-out rows.
///
/// `patients` and `labels` are those of the development rows. `fit` is given a share and the places
/// of its rows (rising) and gives a probability for each held-out row, or nothing where it cannot be
/// fitted. Such a part is left out, as is one with too few rows with or without the outcome to learn
/// from; all are where too few held-out patients have or lack the outcome.
pub(in crate::train) fn learning_curve(
    (patients, labels): (&[u32], &[bool]),
    held_out: &HeldOutRows<'_>,
    seed: u64,
    fit: impl Fn(f64, &[usize]) -> Option<Vec<f64>>,
) -> Vec<LearningPoint> {
    let lot = |patient: u32| (mixed(seed ^ mixed(u64::from(patient))), patient);
    let mut lots: Vec<(u64, u32)> = patients.iter().map(|patient| lot(*patient)).collect();
    lots.sort_unstable();
    lots.dedup();
    let mut points = Vec::new();
    for share in SHARES {
        let last = ((share * lots.len() as f64).round() as usize).checked_sub(1);
        let Some(last) = last.and_then(|place| lots.get(place)) else { continue };
        let is_in = |row: &usize| lot(patients[*row]) <= *last;
        let rows: Vec<usize> = (0..patients.len()).filter(is_in).collect();
        let events = rows.iter().filter(|row| labels[**row]).count();
        if events.min(rows.len() - events) >= EACH_CLASS_MIN {
            let judged = |p: Vec<f64>| point(share, (rows.len(), events), &p, held_out, seed);
            points.extend(fit(share, &rows).and_then(judged));
        }
    }
    points
}

/// What `candidate` says of the held-out rows when it is fitted on the rows at `rows` of `table`
/// alone: every step that learns anything (codes, medians, model, calibration) is done anew.
///
/// # Errors
/// A fault of a model library, or rows of which nothing can be learned.
pub(in crate::train) fn relearnt(
    table: &Table<'_>,
    rows: &[usize],
    share: f64,
    spec: &Spec,
    candidate: Candidate,
    held_out: &HeldOutRows<'_>,
    seed: u64,
) -> Result<Vec<f64>, ModelError> {
    let part = Table {
        samples: rows.iter().map(|row| table.samples[*row]).collect(),
        labels: rows.iter().map(|row| table.labels[*row]).collect(),
        patients: rows.iter().map(|row| table.patients[*row]).collect(),
        weights: table.weights().of_rows(rows),
        folds: rows.iter().map(|row| table.folds[*row]).collect(),
        folds_count: table.folds_count,
    };
    let candidate = match candidate {
        // The penalty grows with the rows.
        Candidate::Logistic { alpha } => Candidate::Logistic { alpha: alpha * share },
        other => other,
    };
    let mut searched = cross_validate(&part, spec, &[candidate], seed, Pace::unwatched())?;
    let tried = searched.tried.pop().ok_or(ModelError::NoInputs)?;
    let candidate = tried.report.candidate;
    let all: Vec<usize> = (0..rows.len()).collect();
    let layout = part.layout(spec, &all)?;
    let member = candidate.fit(&layout, &all, &part, seed)?;
    let calibrator = calibrator(&part, candidate, &tried.margins, &all)?;
    let columns = layout.vocabulary.columns(spec).len();
    let matrix = layout.vocabulary.matrix(columns, held_out.samples.iter().map(|s| &s.facts));
    let judged: Vec<usize> = (0..matrix.rows()).collect();
    let margins = margins(&member, &layout.input, &matrix, &judged);
    Ok(margins.into_iter().map(|margin| calibrator.apply(margin)).collect())
}

fn point(
    share: f64,
    (rows, events): (usize, usize),
    p: &[f64],
    held_out: &HeldOutRows<'_>,
    seed: u64,
) -> Option<LearningPoint> {
    let (y, weights) = (&held_out.y, Weights::from(&held_out.weights));
    let loss = log_loss(p, y, weights)?;
    let resampling = Resampling::of(&held_out.patients, seed);
    let counted = weights.counted(0..p.len());
    let core = Core::of(&counted, (p, y, weights), &resampling)?;
    let figures = resampling.figures(DRAWS_OF_GROUPS, |times| core.drawn(times).to_vec());
    Some(LearningPoint {
        share,
        rows,
        events,
        auroc: figures.estimate(0)?,
        observed_over_expected: figures.estimate(1)?,
        calibration_slope: figures.estimate(2)?,
        brier: figures.estimate(3)?,
        log_loss: loss,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::Draws;

    #[test]
    fn parts_hold_whole_patients_and_lie_within_each_other() {
        let mut draws = Draws(5);
        let patients: Vec<u32> = (0..4_000).map(|row| row / 2).collect();
        let labels: Vec<bool> = patients.iter().map(|_| draws.uniform() < 0.3).collect();
        let y: Vec<bool> = labels.iter().take(1_000).copied().collect();
        let truth: Vec<f64> = y.iter().map(|y| if *y { 0.4 } else { 0.2 }).collect();
        let held_out =
            HeldOutRows { samples: Vec::new(), patients: (0..1_000).collect(), weights: None, y };
        let seen = std::cell::RefCell::new(Vec::new());
        let fit = |share: f64, rows: &[usize]| {
            seen.borrow_mut().push(rows.to_vec());
            // More patients, nearer to the truth.
            Some(truth.iter().map(|p| share * p + (1.0 - share) * 0.5).collect())
        };
        let points = learning_curve((&patients, &labels), &held_out, 9, fit);
        let seen = seen.into_inner();
        assert_eq!(points.iter().map(|point| point.share).collect::<Vec<_>>(), SHARES);
        for (point, rows) in points.iter().zip(&seen) {
            assert_eq!(rows.len(), (4_000.0 * point.share) as usize);
            let with = rows.iter().filter(|row| labels[**row]).count();
            assert_eq!((point.rows, point.events), (rows.len(), with));
            assert!(rows.chunks(2).all(|pair| patients[pair[0]] == patients[pair[1]]));
        }
        let within = |pair: &[Vec<usize>]| pair[0].iter().all(|row| pair[1].contains(row));
        assert!(seen.windows(2).all(within));
        assert!(points.windows(2).all(|pair| pair[1].log_loss < pair[0].log_loss));
        let fit = |_: f64, _: &[usize]| panic!("too few to learn from: not even tried");
        assert!(learning_curve((&patients[..120], &labels[..120]), &held_out, 9, fit).is_empty());
        let half = |share: f64, _: &[usize]| (share > 0.3).then(|| truth.clone());
        assert_eq!(learning_curve((&patients, &labels), &held_out, 9, half).len(), 2);
    }
}
