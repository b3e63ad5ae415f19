//! Whether probabilities are as large as they should be, as a whole and along their range.

use super::regression::{Movable, Regression};
use super::resampling::Resampling;
use super::{EDGE, outcome, usable};
use crate::model::Weights;

/// Outcomes that came per outcome expected; `None` where none was expected.
pub fn observed_over_expected(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    if !usable(p, y, weights) {
        return None;
    }
    let sum = |value: &dyn Fn(usize) -> f64| -> f64 {
        (0..p.len()).map(|row| weights.of(row) * value(row)).sum()
    };
    let expected = sum(&|row| p[row]);
    let observed = sum(&|row| outcome(y[row]));
    (expected > 0.0).then(|| observed / expected)
}

pub(in crate::train) fn log_odds(p: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

/// Some rows as a regression of the outcome on what `columns` makes of the log-odds; `fixed` keeps
/// them with slope 1 beside it.
pub(super) fn regression(
    rows: &[usize],
    (p, y, weights): (&[f64], &[bool], Weights<'_>),
    fixed: bool,
    width: usize,
    columns: impl Fn(f64, &mut Vec<f64>),
) -> Regression {
    let mut regression = Regression {
        width,
        columns: Vec::with_capacity(width * rows.len()),
        offset: Vec::with_capacity(rows.len()),
        outcome: rows.iter().map(|row| outcome(y[*row])).collect(),
        weight: rows.iter().map(|row| weights.of(*row)).collect(),
    };
    for row in rows {
        let x = log_odds(p[*row]);
        columns(x, &mut regression.columns);
        regression.offset.push(if fixed { x } else { 0.0 });
    }
    regression
}

/// Intercept and slope of some rows, ready to follow resampled patients.
pub(in crate::train) struct Line {
    line: Movable,
    /// Equal probabilities leave the slope open: only the intercept is fitted then.
    is_open: bool,
}

impl Line {
    /// The line of the rows at `rows` (rising) of those that `resampling` draws; `None` without both
    /// outcomes. With `fixed` the slope is held at 1.
    pub(in crate::train) fn of_rows(
        rows: &[usize],
        judged: (&[f64], &[bool], Weights<'_>),
        resampling: &Resampling,
        fixed: bool,
    ) -> Option<Line> {
        let (regression, is_open) = line(rows, judged, fixed);
        let start = if is_open { vec![0.0] } else { vec![0.0, 1.0] };
        let at = regression.solve(start)?;
        Some(Line { line: regression.movable(at, &resampling.of_rows(rows)), is_open })
    }

    /// Intercept and slope of a draw.
    pub(in crate::train) fn drawn(&self, times: &[u32]) -> [f64; 2] {
        let at = self.line.drawn(times);
        match (at.as_slice(), self.is_open) {
            ([intercept], true) => [*intercept, 1.0],
            ([intercept, slope], _) => [*intercept, *slope],
            _ => [f64::NAN; 2],
        }
    }
}

fn line(rows: &[usize], judged: (&[f64], &[bool], Weights<'_>), fixed: bool) -> (Regression, bool) {
    let (p, _, _) = judged;
    let is_even = rows.windows(2).all(|pair| p[pair[0]] == p[pair[1]]);
    let is_open = fixed || is_even;
    let width = if is_open { 1 } else { 2 };
    let columns = |x: f64, out: &mut Vec<f64>| out.extend([1.0, x].into_iter().take(width));
    (regression(rows, judged, is_open, width, columns), is_open)
}

/// Intercept and slope of the logistic refit of the outcomes on the log-odds of `p`; (0, 1) is
/// best. `None` without both outcomes.
pub fn calibration_line(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<(f64, f64)> {
    if !usable(p, y, weights) {
        return None;
    }
    let rows = weights.counted(0..p.len());
    let (regression, is_open) = line(&rows, (p, y, weights), false);
    match regression.solve(if is_open { vec![0.0] } else { vec![0.0, 1.0] })?.as_slice() {
        [intercept] => Some((*intercept, 1.0)),
        [intercept, slope] => Some((*intercept, *slope)),
        _ => None,
    }
}

/// The shift in log-odds that makes the mean prediction right, slope held at 1; 0 is best. `None`
/// without both outcomes.
pub fn calibration_in_the_large(p: &[f64], y: &[bool], weights: Weights<'_>) -> Option<f64> {
    if !usable(p, y, weights) {
        return None;
    }
    let (regression, _) = line(&weights.counted(0..p.len()), (p, y, weights), true);
    regression.solve(vec![0.0])?.first().copied()
}
