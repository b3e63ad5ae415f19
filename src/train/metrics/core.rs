//! The few figures that every set of rows is judged by, ready to follow resampled patients.

use super::calibration::Line;
use super::groups::enough;
use super::outcome;
use super::ranking::Ranked;
use super::resampling::{PatientSums, Resampling};
use crate::model::Weights;

/// AUROC, observed over expected, calibration slope and Brier score of some rows.
pub(in crate::train) struct Core {
    ranked: Ranked,
    line: Line,
    sums: PatientSums,
}

impl Core {
    /// How many figures there are.
    pub(in crate::train) const FIGURES: usize = 4;

    /// Of the rows `rows` (rising) of those that `resampling` draws; `None` with too few patients with
    /// or without the outcome.
    pub(in crate::train) fn of(
        rows: &[usize],
        (p, y, weights): (&[f64], &[bool], Weights<'_>),
        resampling: &Resampling,
    ) -> Option<Core> {
        let of = |with: bool| rows.iter().filter(move |row| y[**row] == with);
        let stands = |with| enough(of(with).map(|row| resampling.patients[*row]));
        if !stands(true) || !stands(false) {
            return None;
        }
        let line = Line::of_rows(rows, (p, y, weights), resampling, false)?;
        let ranked = Ranked::of_rows(rows, p, y, weights, resampling);
        let sums = resampling.of_rows(rows).sums(4, |place, sums| {
            let row = rows[place];
            let error = (p[row] - outcome(y[row])).powi(2);
            let values = [1.0, outcome(y[row]), p[row], error];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weights.of(row) * value);
        });
        Some(Core { ranked, line, sums })
    }

    /// AUROC, observed over expected, calibration slope and Brier score of a draw.
    pub(in crate::train) fn drawn(&self, times: &[u32]) -> [f64; Core::FIGURES] {
        let sums = self.sums.drawn(times);
        let [_, slope] = self.line.drawn(times);
        [self.ranked.auroc(times), sums[1] / sums[2], slope, sums[3] / sums[0]]
    }
}
