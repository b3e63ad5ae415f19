//! A `StayTable` as its TOML file gives it, unchecked; `check` makes the checked one of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::import::mapping::TableSource;
use crate::record::{EncounterClass, EventKind};

/// The longest id, in bytes, where the file sets no limit.
fn id_bytes_max() -> usize {
    128
}

fn comma() -> char {
    ','
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableFile {
    /// Which kind of mapping this is; read by `Mapping::parse`.
    #[serde(default, rename = "kind")]
    pub _kind: IgnoredAny,
    /// Where the table comes from, for the model card.
    pub source: TableSource,
    /// Names of files inside the export folder; `*` stands for any characters.
    pub files: String,
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Cell values that mean "missing" in every column; an empty cell always does.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Care is known for this many days before the index time.
    pub coverage_days: Option<i64>,
    pub anchor: AnchorFile,
    pub subject: SubjectFile,
    #[serde(default)]
    pub exclude: Vec<ExcludeFile>,
    pub stay: StayFile,
    #[serde(default)]
    pub earlier: Vec<EarlierFile>,
    #[serde(default)]
    pub event: Vec<EventFile>,
    pub label: Option<LabelFile>,
    #[serde(default)]
    pub audit_attributes: AuditFile,
}

/// The index time of a row: one for all rows, or a column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnchorFile {
    pub time: Option<String>,
    pub column: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectFile {
    /// The column with the id.
    pub id: String,
    /// The column that keeps rows of one person together; the id itself when absent.
    pub group: Option<String>,
    /// The column by whose whole numbers the rows of one person are ordered, for `earlier_rows`.
    pub earlier_rows_by: Option<String>,
    #[serde(default = "id_bytes_max")]
    pub id_bytes_max: usize,
    pub birth: Option<BirthFile>,
    pub sex: Option<CodedFile>,
}

/// The age at the index time: a band such as `[50-60)`, or completed years.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BirthFile {
    pub age_band: Option<String>,
    pub age_years: Option<String>,
}

/// A column of codes. Without `values` they are taken as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodedFile {
    pub column: String,
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// Values that mean "not known".
    #[serde(default)]
    pub unknown: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExcludeFile {
    pub column: String,
    pub values: Vec<String>,
    /// The name under which the rows are counted.
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StayFile {
    pub class: EncounterClass,
    /// The column with the encounter's id.
    pub id: String,
    /// The column with the length in whole days; the stay ends at the index time.
    pub length_days: String,
    pub admission_type: Option<CodedFile>,
    pub admission_source: Option<CodedFile>,
    pub discharge_disposition: Option<CodedFile>,
    pub service: Option<CodedFile>,
}

/// A column that counts encounters in the year before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EarlierFile {
    pub class: EncounterClass,
    pub count: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFile {
    pub kind: EventKind,
    /// `SYSTEM//code`. `{name}` is the row's value in the column `name`; with `columns`,
    /// `{column_name}` is the name of the column at hand and `{column_value}` its value.
    pub code: String,
    /// Make the event once for each of these columns.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What the cell of the column at hand is.
    pub value: Option<ValueForm>,
    /// What the cell's values stand for; any other value quarantines the row.
    #[serde(default)]
    pub values: BTreeMap<String, MappedFile>,
    /// Values that mean that there is no event.
    #[serde(default)]
    pub no_event: Vec<String>,
    /// The unit (UCUM) of numbers.
    pub unit: Option<String>,
    pub rank: Option<u32>,
    pub time: EventTime,
}

/// What a cell holds, where its values are not listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueForm {
    Number,
    Coded,
    /// No cell: how many rows of the same person come before this one.
    EarlierRows,
}

/// What one listed value stands for: a number or a code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappedFile {
    pub number: Option<f64>,
    pub comparator: Option<String>,
    pub coded: Option<String>,
}

/// When an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventTime {
    StayStart,
    StayEnd,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LabelFile {
    pub column: String,
    pub positive: Vec<String>,
    pub negative: Vec<String>,
    /// A file without the column is read, and its rows have no label.
    #[serde(default)]
    pub column_optional: bool,
}

/// Columns for subgroup figures. They are never features.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFile {
    pub race: Option<String>,
    pub ethnicity: Option<String>,
    pub language: Option<String>,
    pub insurance: Option<String>,
    pub gender_identity: Option<String>,
}
