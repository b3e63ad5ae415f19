//! Whether more patients would help: the chosen candidate fitted on parts of the development patients.

use serde::Serialize;

use crate::model::Weights;
use crate::train::metrics::{Core, DRAWS_OF_GROUPS, Estimate, Resampling, log_loss, mixed};
use crate::train::report::EACH_CLASS_MIN;

/// The parts of the development patients, each within the next.
const SHARES: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// The chosen candidate fitted on a part of the development patients, judged on the held-out ones.
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

/// Fits on 10, 25, 50 and 100% of the development patients and judges each fit on the held-out rows.
///
/// `patients` and `labels` are those of the development rows; `held_out` has outcome, patient and
/// weight of the held-out ones. `fit` is given places of development rows (rising) and gives a
/// probability for each held-out row. A part with too few rows with or without the outcome to learn
/// from is left out, and all are where too few held-out patients have or lack the outcome.
///
/// # Errors
/// The first one of `fit`.
pub(in crate::train) fn learning_curve<E>(
    (patients, labels): (&[u32], &[bool]),
    held_out: (&[bool], &[u32], Weights<'_>),
    seed: u64,
    fit: impl Fn(&[usize]) -> Result<Vec<f64>, E>,
) -> Result<Vec<LearningPoint>, E> {
    let mut drawn: Vec<(u64, u32)> = patients
        .iter()
        .map(|patient| (mixed(seed ^ mixed(u64::from(*patient))), *patient))
        .collect();
    drawn.sort_unstable();
    drawn.dedup();
    let mut points = Vec::new();
    for share in SHARES {
        let last = ((share * drawn.len() as f64).round() as usize).checked_sub(1);
        let Some(last) = last.and_then(|place| drawn.get(place)) else { continue };
        let is_in =
            |row: &usize| (mixed(seed ^ mixed(u64::from(patients[*row]))), patients[*row]) <= *last;
        let rows: Vec<usize> = (0..patients.len()).filter(is_in).collect();
        let events = rows.iter().filter(|row| labels[**row]).count();
        if events.min(rows.len() - events) >= EACH_CLASS_MIN {
            points.extend(point(share, (rows.len(), events), &fit(&rows)?, held_out, seed));
        }
    }
    Ok(points)
}

fn point(
    share: f64,
    (rows, events): (usize, usize),
    p: &[f64],
    (y, patients, weights): (&[bool], &[u32], Weights<'_>),
    seed: u64,
) -> Option<LearningPoint> {
    let loss = log_loss(p, y, weights)?;
    let resampling = Resampling::of(patients, seed);
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
