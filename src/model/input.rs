//! From a feature row with gaps to the finite inputs of a member.
//!
//! What is stored comes from the training rows, so every number in it has at least
//! `SMALL_CELL_PATIENTS` patients at or beyond it: no minimum, maximum or outlier of a few survives.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ModelError, check_rows};
use crate::SMALL_CELL_PATIENTS;
use crate::feature::Matrix;

/// The share of observed values that is clipped at either end, as far as patients allow.
const CLIPPED_SHARE: f64 = 0.005;
/// A missing group gets an indicator when more than this share of rows lacks it.
const MISSING_SHARE: f64 = 0.01;

/// What a missing value is to the family that reads the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// The median stands in, and values are clipped: the inputs are all finite.
    Filled,
    /// It stays missing (`NaN`), and values are as they are.
    Kept,
}

/// A feature column that is an input; values are in the feature's own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Column of the feature row.
    pub index: usize,
    /// What stands in for a missing value: the median of the observed ones.
    pub median: f32,
    /// Lower values are raised to this one.
    pub clip_low: f32,
    /// Higher values are cut to this one.
    pub clip_high: f32,
}

/// How a feature row becomes inputs: the kept columns in order, then the missing indicators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The kept columns, by rising index.
    pub kept: Vec<Column>,
    /// One indicator each (1 = missing, 0 = there): the feature column whose gap it reports, which
    /// is the first kept column of a group that goes missing together.
    pub indicators: Vec<usize>,
}

impl InputSpec {
    /// Learns from the training rows which columns to keep and how to fill and clip them.
    ///
    /// `rows` are indices of `matrix` rows; `patients` has the patient number of every matrix row;
    /// `missing_groups` has a group number for every column, equal where columns go missing
    /// together. A column that does not vary among enough patients is dropped.
    ///
    /// # Errors
    /// `Mismatch` and `TooFewRows` for arguments that do not fit, `NoInputs` when nothing is left.
    pub fn fit(
        matrix: &Matrix,
        rows: &[usize],
        patients: &[u32],
        missing_groups: &[u32],
    ) -> Result<InputSpec, ModelError> {
        check_rows(matrix, rows, &[("patients", patients.len())])?;
        if missing_groups.len() != matrix.columns() {
            return Err(ModelError::Mismatch("one missing group per column is needed".to_owned()));
        }
        // Each column is learnt alone and collected in order: threads cannot change the result.
        let kept: Vec<Column> = (0..matrix.columns())
            .into_par_iter()
            .filter_map(|index| learn_column(matrix, rows, patients, index))
            .collect();
        if kept.is_empty() {
            return Err(ModelError::NoInputs);
        }
        let mut groups: Vec<u32> = Vec::new();
        let mut indicators = Vec::new();
        for column in &kept {
            let group = missing_groups[column.index];
            if groups.contains(&group) {
                continue;
            }
            groups.push(group);
            if is_often_missing(matrix, rows, patients, column.index) {
                indicators.push(column.index);
            }
        }
        Ok(InputSpec { kept, indicators })
    }

    /// How many inputs a row gives.
    pub fn inputs(&self) -> usize {
        self.kept.len() + self.indicators.len()
    }

    /// Writes the inputs of a feature row to `out`, which is emptied first.
    ///
    /// A missing value (`NaN`, or a row that is too short) and a value outside the clips become what
    /// `gaps` says; infinities become finite either way. Both forms have the same inputs.
    pub fn apply(&self, row: &[f32], gaps: Gaps, out: &mut Vec<f32>) {
        let value = |index: usize| row.get(index).copied().unwrap_or(f32::NAN);
        out.clear();
        out.extend(self.kept.iter().map(|column| match (value(column.index), gaps) {
            // Trees were grown on the same bounds; `NaN` stays what it is.
            (there, Gaps::Kept) => there.clamp(f32::MIN, f32::MAX),
            (missing, Gaps::Filled) if missing.is_nan() => column.median,
            // Not `clamp`, which panics on bounds that are the wrong way round.
            (there, Gaps::Filled) => there.max(column.clip_low).min(column.clip_high),
        }));
        out.extend(self.indicators.iter().map(|index| f32::from(u8::from(value(*index).is_nan()))));
    }

    /// The feature column that an input belongs to; for an indicator, the column it reports on.
    ///
    /// Panics when there is no such input, as a slice does.
    pub fn column_of(&self, input: usize) -> usize {
        match self.kept.get(input) {
            Some(column) => column.index,
            None => self.indicators[input - self.kept.len()],
        }
    }

    /// Which input holds the values of a feature column; `None` when the column was dropped.
    pub fn input_of(&self, index: usize) -> Option<usize> {
        self.kept.binary_search_by_key(&index, |column| column.index).ok()
    }

    /// Checks a spec that was read from a file against the number of feature columns.
    ///
    /// # Errors
    /// `BadPart` with what is wrong.
    pub fn check(&self, columns: usize) -> Result<(), ModelError> {
        let bad = |reason: &str| Err(ModelError::BadPart(format!("inputs: {reason}")));
        if self.kept.is_empty() {
            return bad("no input column");
        }
        let rising = |pair: &[Column]| pair[0].index < pair[1].index;
        if !self.kept.windows(2).all(rising) || !self.indicators.windows(2).all(|p| p[0] < p[1]) {
            return bad("columns are not in rising order");
        }
        for column in &self.kept {
            if column.index >= columns {
                return bad("a column that the features do not have");
            }
            let numbers = [column.clip_low, column.median, column.clip_high];
            if !numbers.iter().all(|number| number.is_finite()) || !numbers.is_sorted() {
                return bad("bounds and median that are not finite and in order");
            }
        }
        if !self.indicators.iter().all(|index| self.input_of(*index).is_some()) {
            return bad("an indicator for a column that is not an input");
        }
        Ok(())
    }
}

/// Where, in the given order, the row is at which `need` distinct patients have been met.
pub(crate) fn enough_at(patients: impl Iterator<Item = u32>, need: usize) -> Option<usize> {
    let mut seen = Vec::with_capacity(need.min(SMALL_CELL_PATIENTS));
    for (place, patient) in patients.enumerate() {
        if !seen.contains(&patient) {
            seen.push(patient);
        }
        if seen.len() == need {
            return Some(place);
        }
    }
    None
}

fn learn_column(matrix: &Matrix, rows: &[usize], patients: &[u32], index: usize) -> Option<Column> {
    let read = |row: &usize| (matrix.get(*row, index), patients[*row]);
    let mut observed: Vec<(f32, u32)> =
        rows.iter().map(read).filter(|(value, _)| value.is_finite()).collect();
    let flags = observed.iter().all(|(value, _)| *value == 0.0 || *value == 1.0);
    // The order of equal values cannot matter below except by patient, so it is fixed by patient.
    observed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let last = observed.len().checked_sub(1)?;
    let median = observed[last / 2].0;
    // The 11th patient from either end; without them there is nothing to say about the column.
    let low = enough_at(observed.iter().map(|(_, patient)| *patient), SMALL_CELL_PATIENTS)?;
    let falling = observed.iter().rev().map(|(_, patient)| *patient);
    let high = last - enough_at(falling, SMALL_CELL_PATIENTS)?;
    if flags {
        // Both values have enough patients when the 11th from each end still has its end's value.
        let varies = observed[low].0 == 0.0 && observed[high].0 == 1.0;
        return varies.then_some(Column { index, median, clip_low: 0.0, clip_high: 1.0 });
    }
    let share = (CLIPPED_SHARE * observed.len() as f64) as usize;
    let mut bounds = (observed[low.max(share)].0, observed[high.min(last - share)].0);
    if bounds.0 >= bounds.1 {
        // A rare count, nearly always one value: keep what the patients allow to keep.
        bounds = (observed[low].0, observed[high].0);
    }
    if bounds.0 >= bounds.1 {
        return None;
    }
    // Adding 0 turns -0 into 0, so that equal numbers are equal text.
    let (clip_low, clip_high) = (bounds.0 + 0.0, bounds.1 + 0.0);
    let median = median.max(clip_low).min(clip_high) + 0.0;
    Some(Column { index, median, clip_low, clip_high })
}

/// Whether enough rows lack the column, and enough patients lack it and have it.
fn is_often_missing(matrix: &Matrix, rows: &[usize], patients: &[u32], index: usize) -> bool {
    let is_missing = |row: &&usize| matrix.get(**row, index).is_nan();
    let missing = rows.iter().filter(is_missing).count();
    let is_shared = |is: bool| {
        let rows = rows.iter().filter(|row| is_missing(row) == is);
        enough_at(rows.map(|row| patients[*row]), SMALL_CELL_PATIENTS).is_some()
    };
    missing as f64 > MISSING_SHARE * rows.len() as f64 && is_shared(true) && is_shared(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 rows of 500 patients: a number, a constant, a common flag, a rare flag, a lab and its
    /// twin (both missing in every 4th row), and a column of gaps.
    fn table() -> (Matrix, Vec<usize>, Vec<u32>) {
        let mut matrix = Matrix::with_capacity(7, 1000);
        for row in 0..1000usize {
            let number = ((row * 617) % 1000) as f32;
            let flag = |is| f32::from(u8::from(is));
            let lab = if row % 4 == 0 { f32::NAN } else { number / 7.0 };
            matrix.push(&[number, 5.0, flag(row % 3 == 0), flag(row < 10), lab, -lab, f32::NAN]);
        }
        (matrix, (0..1000).collect(), (0..1000).map(|row| row / 2).collect())
    }

    fn spec() -> InputSpec {
        let (matrix, rows, patients) = table();
        InputSpec::fit(&matrix, &rows, &patients, &[0, 1, 2, 3, 4, 4, 5]).unwrap()
    }

    #[test]
    fn keeps_what_varies_among_enough_patients() {
        let spec = spec();
        let kept: Vec<usize> = spec.kept.iter().map(|column| column.index).collect();
        assert_eq!(kept, [0, 2, 4, 5]);
        assert_eq!(spec.indicators, [4]);
        assert_eq!(spec.inputs(), 5);
        assert_eq!(spec.column_of(1), 2);
        assert_eq!(spec.column_of(4), 4);
        assert_eq!((spec.input_of(2), spec.input_of(3)), (Some(1), None));
        let number = &spec.kept[0];
        assert_eq!((number.clip_low, number.median, number.clip_high), (10.0, 499.0, 989.0));
        spec.check(7).unwrap();
        assert!(spec.check(5).is_err());
    }

    #[test]
    fn bounds_have_enough_patients_when_one_patient_owns_the_tail() {
        let (mut matrix, _, mut patients) = table();
        for _ in 0..300 {
            matrix.push(&[9e9, 5.0, 0.0, 0.0, 1.0, 1.0, f32::NAN]);
        }
        patients.resize(1300, 0);
        let rows: Vec<usize> = (0..1300).collect();
        let spec = InputSpec::fit(&matrix, &rows, &patients, &[0, 1, 2, 3, 4, 4, 5]).unwrap();
        assert!(spec.kept[0].clip_high < 1000.0);
    }

    #[test]
    fn fills_and_clips() {
        let spec = spec();
        let mut out = vec![7.0];
        let row = [f32::INFINITY, 0.0, 1.0, 0.0, f32::NAN, f32::NEG_INFINITY];
        spec.apply(&row, Gaps::Filled, &mut out);
        let (lab, twin) = (&spec.kept[2], &spec.kept[3]);
        assert_eq!(out, [989.0, 1.0, lab.median, twin.clip_low, 1.0]);
        spec.apply(&row, Gaps::Kept, &mut out);
        assert!(out[2].is_nan() && out.len() == spec.inputs());
        assert_eq!((out[0], out[1], out[3], out[4]), (f32::MAX, 1.0, f32::MIN, 1.0));
        spec.apply(&[], Gaps::Filled, &mut out);
        assert!(out.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn text_comes_back_and_unknown_fields_are_refused() {
        let text = serde_json::to_string(&spec()).unwrap();
        assert_eq!(serde_json::from_str::<InputSpec>(&text).unwrap(), spec());
        assert!(serde_json::from_str::<InputSpec>(&text.replace("kept", "keep")).is_err());
    }
}
