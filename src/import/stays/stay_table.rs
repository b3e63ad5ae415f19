//! `StayTable`: how the rows of a table with one row per stay become records, checked.

use std::collections::BTreeMap;

use super::file::EventTime;
use crate::import::csv_rows::Dialect;
use crate::import::file_pattern::FilePattern;
use crate::import::mapping::TableSource;
use crate::record::{Code, Comparator, EncounterClass, EventKind, Sex, Time, Value};

/// A column, by its place in `StayTable::columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnRef(pub(super) usize);

/// A checked mapping. One row becomes one subject with one index stay and its events.
#[derive(Debug, Clone, PartialEq)]
pub struct StayTable {
    pub(in crate::import) source: TableSource,
    pub(super) files: FilePattern,
    pub(super) dialect: Dialect,
    pub(super) missing: Vec<String>,
    /// Every column the mapping reads, once each.
    pub(super) columns: Vec<String>,
    pub(super) id_bytes_max: usize,
    pub(super) anchor: Anchor,
    pub(super) subject_id: ColumnRef,
    pub(super) group: Option<ColumnRef>,
    pub(super) earlier_rows: Option<RowOrder>,
    pub(super) birth: Option<Birth>,
    pub(super) sex: Option<CodedColumn<Sex>>,
    pub(super) exclusions: Vec<Exclusion>,
    pub(super) stay: StayMap,
    pub(super) coverage_days: Option<i64>,
    pub(super) earlier: Vec<Earlier>,
    pub(super) events: Vec<EventTemplate>,
    pub(super) label: Option<LabelMap>,
    pub(super) audit: AuditColumns,
}

/// The index time of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Fixed(Time),
    Column(ColumnRef),
}

/// What the rows of one person are told by, and ordered by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowOrder {
    pub group: ColumnRef,
    pub by: ColumnRef,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Birth {
    AgeBand(ColumnRef),
    AgeYears(ColumnRef),
}

/// A column whose values stand for others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CodedColumn<T> {
    pub column: ColumnRef,
    /// `None`: the values are taken as they are.
    pub values: Option<BTreeMap<String, T>>,
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exclusion {
    pub column: ColumnRef,
    pub values: Vec<String>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct StayMap {
    pub class: EncounterClass,
    pub id: ColumnRef,
    pub length_days: ColumnRef,
    pub admission_type: Option<CodedColumn<String>>,
    pub admission_source: Option<CodedColumn<String>>,
    pub discharge_disposition: Option<CodedColumn<String>>,
    pub service: Option<CodedColumn<String>>,
}

/// A count of encounters in the year before, expanded into synthetic encounters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Earlier {
    pub class: EncounterClass,
    pub count: ColumnRef,
}

/// One event that a row may give.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EventTemplate {
    pub kind: EventKind,
    pub code: CodeTemplate,
    pub value: Option<ValueFrom>,
    pub unit: Option<String>,
    pub rank: Option<u32>,
    pub time: EventTime,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum CodeTemplate {
    Fixed(Code),
    Parts { system: String, parts: Vec<CodePart> },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum CodePart {
    Text(String),
    Cell(ColumnRef),
}

/// Where an event takes its value from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ValueFrom {
    Column(ValueColumn),
    /// The count of earlier rows of the same person.
    EarlierRows,
}

/// The column an event takes its value from. A missing cell means that there is no event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueColumn {
    pub column: ColumnRef,
    pub no_event: Vec<String>,
    pub form: CellForm,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum CellForm {
    /// Read for `no_event` and for the code alone.
    Unused,
    Number,
    Coded,
    Listed(BTreeMap<String, MappedValue>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct MappedValue {
    pub value: Value,
    pub comparator: Option<Comparator>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LabelMap {
    pub column: ColumnRef,
    pub positive: Vec<String>,
    pub negative: Vec<String>,
    pub column_optional: bool,
}

/// Columns for subgroup figures. They are never features.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AuditColumns {
    pub race: Option<ColumnRef>,
    pub ethnicity: Option<ColumnRef>,
    pub language: Option<ColumnRef>,
    pub insurance: Option<ColumnRef>,
    pub gender_identity: Option<ColumnRef>,
}

impl StayTable {
    /// Whether a file may lack the column at a place in `columns`.
    pub(super) fn optional(&self) -> impl Fn(usize) -> bool {
        let optional = self.label.as_ref().filter(|label| label.column_optional);
        let optional = optional.map(|label| label.column.0);
        move |place| optional == Some(place)
    }
}
