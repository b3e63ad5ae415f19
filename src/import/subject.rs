//! `Subject`: one patient of an export, or one stay where the export's rows are stays.

use std::sync::Arc;

use crate::record::{Record, Time};
use crate::train::Split;

/// What came of a row at the end of its time at risk, as the source says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    pub prediction_time: Time,
    pub boolean_value: bool,
}

/// One subject of a table: one row, one index stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The MEDS id: see `subject_id`.
    pub subject_id: i64,
    /// The id as the source has it; also `Record::patient_id`.
    pub source_id: String,
    /// Rows of one person have one group and must stay together in splits.
    pub group: String,
    pub record: Record,
    /// `None` when the mapping or the file has no labels.
    pub label: Option<Label>,
    /// The part it belongs to, where the source itself splits its subjects.
    pub split: Option<Split>,
    /// The name of the file, without its folder.
    pub file: Arc<str>,
    /// The line it begins on.
    pub line: u64,
}
