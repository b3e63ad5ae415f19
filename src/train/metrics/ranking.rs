//! How well probabilities rank: pairs won, precision over the rows with the outcome, and what the
//! highest of them hold. The rows are sorted once; patients may then count several times.

use super::resampling::Resampling;
use super::usable;
use crate::model::Weights;

/// Row indices by rising probability.
pub(super) fn ranked(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    // Stable, so that equal probabilities stay in the order of the rows.
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Rows by falling value.
pub(in crate::train) struct Ranked {
    rows: Vec<RankedRow>,
}

#[derive(Clone, Copy)]
struct RankedRow {
    weight: f64,
    patient: u32,
    outcome: bool,
    /// Whether the next row has another value.
    ends_tie: bool,
}

/// The summed weights of the rows at and above some value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Taken {
    pub with: f64,
    pub without: f64,
}

/// What one way down the rows finds; NaN without both outcomes.
pub(super) struct Descent {
    pub auroc: f64,
    pub average_precision: f64,
    /// For each share asked for, what its rows hold.
    pub top: Vec<Taken>,
    pub all: Taken,
}

impl Ranked {
    /// Sorts rows whose lengths fit together.
    pub(super) fn of(
        values: &[f64],
        y: &[bool],
        weights: Weights<'_>,
        resampling: &Resampling,
    ) -> Ranked {
        let all: Vec<usize> = (0..values.len()).collect();
        Ranked::of_rows(&all, values, y, weights, resampling)
    }

    /// As `of`, for some of the rows.
    pub(in crate::train) fn of_rows(
        chosen: &[usize],
        values: &[f64],
        y: &[bool],
        weights: Weights<'_>,
        resampling: &Resampling,
    ) -> Ranked {
        let mut order = chosen.to_vec();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        let next = order.iter().skip(1).map(Some).chain([None]);
        let each = order.iter().zip(next).map(|(row, next)| RankedRow {
            weight: weights.of(*row),
            patient: resampling.patients[*row],
            outcome: y[*row],
            ends_tie: next.is_none_or(|next| values[*next] != values[*row]),
        });
        Ranked { rows: each.collect() }
    }

    /// Chance that a row with the outcome has the higher value; patients count `times`.
    pub(in crate::train) fn auroc(&self, times: &[u32]) -> f64 {
        self.descent(times, &[]).auroc
    }

    /// One way down the rows. `shares` rise; of rows that tie at the end of a share, the same part of
    /// each is taken.
    pub(super) fn descent(&self, times: &[u32], shares: &[f64]) -> Descent {
        let counted = |row: &RankedRow| row.weight * f64::from(times[row.patient as usize]);
        let total: f64 = if shares.is_empty() { 0.0 } else { self.rows.iter().map(counted).sum() };
        let mut targets = shares.iter().map(|share| share * total).peekable();
        let mut top = Vec::with_capacity(shares.len());
        // Twice the weight of won pairs; whole weights keep every sum a whole number, and so exact.
        let (mut won, mut precision) = (0.0, 0.0);
        let (mut all, mut tie) = (Taken::default(), Taken::default());
        for row in &self.rows {
            let weight = counted(row);
            if row.outcome {
                tie.with += weight
            } else {
                tie.without += weight
            }
            if !row.ends_tie {
                continue;
            }
            won += tie.without * (2.0 * all.with + tie.with);
            let (above, here) = (all.with + all.without, tie.with + tie.without);
            while let Some(target) = targets.next_if(|target| *target <= above + here) {
                let part = if here > 0.0 { ((target - above) / here).clamp(0.0, 1.0) } else { 0.0 };
                top.push(Taken {
                    with: all.with + part * tie.with,
                    without: all.without + part * tie.without,
                });
            }
            all.with += tie.with;
            all.without += tie.without;
            // Rows of weight 0 alone flag nobody.
            if tie.with > 0.0 {
                precision += tie.with * all.with / (above + here);
            }
            tie = Taken::default();
        }
        // Rounding may leave the last share open.
        top.resize(shares.len(), all);
        Descent {
            auroc: won / (2.0 * all.with * all.without),
            average_precision: precision / all.with,
            top,
            all,
        }
    }
}

fn once(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<Descent> {
    if !usable(p, y, weights) {
        return None;
    }
    let one = Resampling::of(&vec![0; p.len()], 0);
    Some(Ranked::of(p, y, weights, &one).descent(&[1], &[]))
}

/// Chance that a row with the outcome has the higher probability than one without, pairs weighted
/// by the product of their weights; ties count half. `None` without both outcomes.
pub fn auroc(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    once(p, y, weights).map(|descent| descent.auroc).filter(|area| area.is_finite())
}

/// Mean precision over the rows with the outcome, equal probabilities entering together. `None`
/// without the outcome.
pub fn average_precision(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    once(p, y, weights).map(|descent| descent.average_precision).filter(|mean| mean.is_finite())
}
