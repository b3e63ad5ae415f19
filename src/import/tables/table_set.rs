//! `TableSet`: how the rows of several tables become records of patients, checked.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::import::csv_rows::Dialect;
use crate::import::file_pattern::FilePattern;
use crate::import::mapping::TableSource;
use crate::record::{Comparator, EncounterClass, EventKind, Sex, Time};

/// A checked mapping of several files that are joined by the patient's id.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSet {
    pub(in crate::import) source: TableSource,
    pub(super) missing: Vec<String>,
    /// What a cell in the system part of a code stands for.
    pub(super) systems: BTreeMap<String, String>,
    pub(super) lookups: Vec<LookupMap>,
    pub(super) tables: Vec<Table>,
}

/// Which files hold a table, and how their lines are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub files: Vec<FilePattern>,
    pub dialect: Dialect,
    /// Every column that is read, once each.
    pub columns: Vec<String>,
    /// Those of `columns` that a file may lack.
    pub optional_columns: Vec<ColumnRef>,
    /// Whether an export without the file is read.
    pub optional: bool,
}

impl Form {
    pub(super) fn fits(&self, name: &str) -> bool {
        self.files.iter().any(|pattern| pattern.fits_in_any_case(name))
    }

    /// The pattern that stands for the table in messages.
    pub(super) fn pattern(&self) -> &str {
        self.files.first().map_or("", |pattern| &pattern.0)
    }
}

/// A column, by its place in `Form::columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnRef(pub(super) usize);

/// A table that others refer to. Its first column is the key, the next are the values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LookupMap {
    pub form: Form,
    pub values: usize,
    /// The values that a column must have one of, for the row to be held.
    pub keep: Vec<(ColumnRef, Vec<String>)>,
}

/// A step through a lookup: which, and which of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    pub lookup: usize,
    pub value: usize,
}

/// A cell of the row, or what lookups say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub column: ColumnRef,
    pub hops: Vec<Hop>,
}

/// Text with cells in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(pub Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    Cell(Cell),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum SystemPart {
    Fixed(String),
    /// Translated by `TableSet::systems`.
    Cell(Cell),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CodeTemplate {
    pub system: SystemPart,
    pub code: Template,
}

/// Cells, the first of which that is there and known gives the value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field<T> {
    pub cells: Vec<Cell>,
    pub values: BTreeMap<String, T>,
    pub unknown: Vec<String>,
    pub otherwise: Option<T>,
}

/// How a time cell is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TimeFormat {
    /// ISO 8601 with or without a zone, with a `T` or a space, or a date.
    Iso,
    /// A pattern of strtime that gives at least a date.
    Pattern(String),
}

/// The unit of an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OffsetUnit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl OffsetUnit {
    pub(super) fn seconds(self) -> f64 {
        match self {
            OffsetUnit::Seconds => 1.0,
            OffsetUnit::Minutes => 60.0,
            OffsetUnit::Hours => 3_600.0,
            OffsetUnit::Days => 86_400.0,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Since {
    Fixed(Time),
    Cell(Cell),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TimeRule {
    Cells { cells: Vec<Cell>, clock: Option<Cell>, formats: Vec<TimeFormat> },
    Offset { offset: Cell, unit: OffsetUnit, since: Since, formats: Vec<TimeFormat> },
}

/// When a row gives a content at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Condition {
    pub needs: Vec<Cell>,
    pub only: Vec<(Cell, Vec<String>)>,
    pub except: Vec<(Cell, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub form: Form,
    pub midnight_is_day: bool,
    pub subject: Cell,
    pub person: Option<PersonMap>,
    pub encounters: Vec<EncounterMap>,
    pub events: Vec<EventMap>,
    pub coverage: Option<CoverageMap>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct PersonMap {
    pub birth: Option<Birth>,
    pub sex: Option<Field<Sex>>,
    pub death_time: Option<TimeRule>,
    pub region: Option<Field<String>>,
    pub race: Option<Field<String>>,
    pub ethnicity: Option<Field<String>>,
    pub language: Option<Field<String>>,
    pub insurance: Option<Field<String>>,
    pub gender_identity: Option<Field<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Birth {
    Date(TimeRule),
    Parts { year: Cell, month: Option<Cell>, day: Option<Cell> },
    AgeYears { age: Cell, at: TimeRule },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct EncounterMap {
    pub condition: Condition,
    pub id: Template,
    pub class: Field<EncounterClass>,
    pub start: TimeRule,
    pub end: Option<TimeRule>,
    pub admission_type: Option<Field<String>>,
    pub admission_source: Option<Field<String>>,
    pub discharge_disposition: Option<Field<String>>,
    pub service: Option<Field<String>>,
    pub facility: Option<Field<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct EventMap {
    pub condition: Condition,
    pub kind: Field<EventKind>,
    pub codes: Vec<CodeTemplate>,
    pub time: Option<TimeRule>,
    pub end_time: Option<TimeRule>,
    pub recorded_time: Option<TimeRule>,
    pub number: Option<Cell>,
    pub coded: Option<Field<String>>,
    pub text: Option<Field<String>>,
    pub comparator: Option<Field<Comparator>>,
    pub unit: Option<Field<String>>,
    pub encounter: Option<Template>,
    pub rank: Option<Field<u32>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CoverageMap {
    pub start: Option<TimeRule>,
    pub end: Option<TimeRule>,
}
