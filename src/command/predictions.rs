//! Prediction files: MEDS labels and predictions side by side, one row an index time.

use std::path::Path;

use super::CommandError;
use crate::import::{Column, ColumnType, ParquetWriter};
use crate::record::Time;
use crate::score::{Score, Sufficiency};
use crate::task::NotEligible;

/// How many rows are gathered before they are written.
const BATCH_ROWS: usize = 8_192;

/// The columns of a prediction file.
const COLUMNS: [(&str, ColumnType); 11] = [
    ("subject_id", ColumnType::Integer),
    ("patient_id", ColumnType::Text),
    ("prediction_time", ColumnType::Time),
    ("boolean_value", ColumnType::Boolean),
    ("predicted_boolean_value", ColumnType::Boolean),
    ("predicted_boolean_probability", ColumnType::Double),
    ("interval_low", ColumnType::Double),
    ("interval_high", ColumnType::Double),
    ("tier", ColumnType::Text),
    ("sufficiency", ColumnType::Text),
    ("not_eligible", ColumnType::Text),
];

/// One row of a prediction file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub subject_id: i64,
    pub patient_id: String,
    pub prediction_time: Time,
    pub boolean_value: Option<bool>,
    pub probability: Option<f64>,
    /// Of the event rate among patients with this probability.
    pub interval: Option<[f64; 2]>,
    /// Whether the probability is in the highest tier.
    pub flagged: Option<bool>,
    pub tier: Option<String>,
    /// How far the record sufficed; `None` where the patient is not eligible.
    pub sufficiency: Option<Sufficiency>,
    /// The criterion that left the patient out, or `not_enough_data`.
    pub not_eligible: Option<String>,
}

impl Row {
    /// The row of one answer.
    pub(super) fn of(
        subject_id: i64,
        patient_id: &str,
        prediction_time: Time,
        boolean_value: Option<bool>,
        answer: Result<Score, NotEligible>,
    ) -> Row {
        let mut row = Row {
            subject_id,
            patient_id: patient_id.to_owned(),
            prediction_time,
            boolean_value,
            probability: None,
            interval: None,
            flagged: None,
            tier: None,
            sufficiency: None,
            not_eligible: None,
        };
        match answer {
            Ok(score) => {
                row.flagged = score.probability.map(|p| p >= score.flag_threshold);
                row.not_eligible = score.probability.is_none().then(|| "not_enough_data".into());
                row.probability = score.probability;
                row.interval = score.interval;
                row.tier = score.tier;
                row.sufficiency = Some(score.sufficiency);
            }
            Err(not) => row.not_eligible = Some(not.criterion),
        }
        row
    }
}

/// A prediction file being written.
pub(super) struct PredictionFile {
    writer: ParquetWriter,
    rows: Vec<Row>,
    /// What went wrong first; nothing is written after it, and `finish` tells it.
    failed: Option<CommandError>,
}

impl PredictionFile {
    pub(super) fn create(path: &Path) -> Result<PredictionFile, CommandError> {
        let writer = ParquetWriter::create(path, &COLUMNS)?;
        Ok(PredictionFile { writer, rows: Vec::new(), failed: None })
    }

    /// Adds a row. A reader of records cannot stop at a failed write, so it is kept for `finish`.
    pub(super) fn push(&mut self, row: Row) {
        if self.failed.is_some() {
            return;
        }
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS {
            self.failed = self.write().err();
        }
    }

    /// Writes what is left and gives the file its name.
    pub(super) fn finish(mut self) -> Result<(), CommandError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.write()?;
        Ok(self.writer.finish()?)
    }

    fn write(&mut self) -> Result<(), CommandError> {
        fn column<'a, T>(rows: &'a [Row], of: impl Fn(&'a Row) -> T) -> Vec<T> {
            rows.iter().map(of).collect()
        }
        let rows = &self.rows;
        self.writer.append(&[
            Column::Integer(&column(rows, |row| row.subject_id)),
            Column::Text(&column(rows, |row| Some(row.patient_id.as_str()))),
            Column::Time(&column(rows, |row| Some(row.prediction_time))),
            Column::Boolean(&column(rows, |row| row.boolean_value)),
            Column::Boolean(&column(rows, |row| row.flagged)),
            Column::Double(&column(rows, |row| row.probability)),
            Column::Double(&column(rows, |row| row.interval.map(|[low, _]| low))),
            Column::Double(&column(rows, |row| row.interval.map(|[_, high]| high))),
            Column::Text(&column(rows, |row| row.tier.as_deref())),
            Column::Text(&column(rows, |row| row.sufficiency.map(Sufficiency::letter))),
            Column::Text(&column(rows, |row| row.not_eligible.as_deref())),
        ])?;
        self.rows.clear();
        Ok(())
    }
}
