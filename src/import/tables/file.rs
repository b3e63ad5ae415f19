//! A `TableSet` as its TOML file gives it, unchecked; `check` makes the checked one of it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::table_set::OffsetUnit;
use crate::import::mapping::TableSource;

fn comma() -> char {
    ','
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TablesFile {
    /// Which kind of mapping this is; read by `Mapping::parse`.
    #[serde(default, rename = "kind")]
    pub _kind: IgnoredAny,
    /// Where the tables come from, for the model card.
    pub source: TableSource,
    /// Cell values that mean "missing" in every column; an empty cell always does.
    #[serde(default)]
    pub missing: Vec<String>,
    /// How time cells are written: `iso`, or a pattern of strtime such as `%m/%d/%Y %H:%M`. The first
    /// that fits counts. A table may have its own.
    #[serde(default)]
    pub time_formats: Vec<String>,
    /// What a cell in the system part of a code stands for; a system not listed gives no code.
    #[serde(default)]
    pub systems: BTreeMap<String, String>,
    #[serde(default)]
    pub lookup: Vec<LookupFile>,
    #[serde(default)]
    pub table: Vec<TableFile>,
}

/// A table that other tables refer to by a key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupFile {
    pub name: String,
    pub files: OneOrMany,
    #[serde(default = "comma")]
    pub delimiter: char,
    #[serde(default = "yes")]
    pub quote: bool,
    pub key: String,
    pub values: Vec<String>,
    /// Rows with another value in one of these columns are not held.
    #[serde(default)]
    pub keep: BTreeMap<String, Vec<String>>,
    /// Without its file, the lookup finds nothing.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableFile {
    pub files: OneOrMany,
    #[serde(default = "comma")]
    pub delimiter: char,
    #[serde(default = "yes")]
    pub quote: bool,
    /// An export without the file is read.
    #[serde(default)]
    pub optional: bool,
    /// Columns that a file may lack: their cells are missing then.
    #[serde(default)]
    pub optional_columns: Vec<String>,
    #[serde(default)]
    pub time_formats: Vec<String>,
    /// A time at 00:00:00 is a date without a time.
    #[serde(default)]
    pub midnight_is_day: bool,
    /// The cell with the patient's id.
    pub subject: String,
    pub person: Option<PersonFile>,
    #[serde(default)]
    pub encounter: Vec<EncounterFile>,
    #[serde(default)]
    pub event: Vec<EventFile>,
    pub coverage: Option<CoverageFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonFile {
    pub birth: Option<BirthFile>,
    pub sex: Option<FieldFile>,
    pub death_time: Option<TimeFile>,
    pub region: Option<FieldFile>,
    #[serde(default)]
    pub audit_attributes: AuditFile,
}

/// A date, its parts, or an age in completed years at a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BirthFile {
    pub date: Option<TimeFile>,
    pub year: Option<String>,
    pub month: Option<String>,
    pub day: Option<String>,
    pub age_years: Option<String>,
    pub at: Option<TimeFile>,
}

/// Attributes for subgroup figures. They are never features.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFile {
    pub race: Option<FieldFile>,
    pub ethnicity: Option<FieldFile>,
    pub language: Option<FieldFile>,
    pub insurance: Option<FieldFile>,
    pub gender_identity: Option<FieldFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncounterFile {
    /// Rows in which one of these columns is missing give no such encounter.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Rows with another value in one of these columns give no such encounter.
    #[serde(default)]
    pub only: BTreeMap<String, Vec<String>>,
    /// Rows with such a value in one of these columns give no such encounter.
    #[serde(default)]
    pub except: BTreeMap<String, Vec<String>>,
    /// Text with cells in braces.
    pub id: String,
    pub class: FieldFile,
    pub start: TimeFile,
    pub end: Option<TimeFile>,
    pub admission_type: Option<FieldFile>,
    pub admission_source: Option<FieldFile>,
    pub discharge_disposition: Option<FieldFile>,
    pub service: Option<FieldFile>,
    pub facility: Option<FieldFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFile {
    #[serde(default)]
    pub needs: Vec<String>,
    #[serde(default)]
    pub only: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub except: BTreeMap<String, Vec<String>>,
    pub kind: FieldFile,
    /// `SYSTEM//code` with cells in braces; the first whose cells are all there counts.
    pub code: OneOrMany,
    /// Without it, the end of the encounter.
    pub time: Option<TimeFile>,
    pub end_time: Option<TimeFile>,
    pub recorded_time: Option<TimeFile>,
    pub number: Option<String>,
    /// The value where there is no number.
    pub coded: Option<FieldFile>,
    /// The value where there is no number and no code.
    pub text: Option<FieldFile>,
    pub comparator: Option<FieldFile>,
    pub unit: Option<FieldFile>,
    /// The encounter's id: text with cells in braces.
    pub encounter: Option<String>,
    pub rank: Option<FieldFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CoverageFile {
    pub start: Option<TimeFile>,
    pub end: Option<TimeFile>,
}

/// Cells, and what their values stand for. Cells alone may be given as a text or a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    /// The first cell that is there and known counts.
    #[serde(default)]
    pub from: OneOrMany,
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// Values that mean "not known".
    #[serde(default)]
    pub unknown: Vec<String>,
    /// What the field is where no cell says it.
    pub otherwise: Option<String>,
}

/// When something happened: cells, a date with a clock time beside it, or an offset from a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moment {
    #[serde(default)]
    pub from: OneOrMany,
    /// The clock time to the date in `from`; both are read as one text with a space between.
    pub clock: Option<String>,
    /// A number of `unit`s after `since`.
    pub offset: Option<String>,
    pub unit: Option<OffsetUnit>,
    pub since: Option<String>,
    /// An instant such as 2000-01-01T00:00:00Z.
    pub since_time: Option<String>,
    #[serde(default)]
    pub formats: Vec<String>,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, Default)]
pub(super) struct OneOrMany(pub Vec<String>);

#[derive(Debug)]
pub(super) struct FieldFile(pub Field);

#[derive(Debug)]
pub(super) struct TimeFile(pub Moment);

/// What may be given as its cells alone.
trait FromCells {
    fn from_cells(cells: Vec<String>) -> Self;
}

impl FromCells for Field {
    fn from_cells(cells: Vec<String>) -> Field {
        let (values, unknown) = (BTreeMap::new(), Vec::new());
        Field { from: OneOrMany(cells), values, unknown, otherwise: None }
    }
}

impl FromCells for Moment {
    fn from_cells(cells: Vec<String>) -> Moment {
        Moment {
            from: OneOrMany(cells),
            clock: None,
            offset: None,
            unit: None,
            since: None,
            since_time: None,
            formats: Vec::new(),
        }
    }
}

/// Reads a text or a list as cells, and a table as what `T` is in full.
struct CellsVisitor<T>(PhantomData<T>);

impl<'de, T: FromCells + Deserialize<'de>> Visitor<'de> for CellsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of texts, or a table")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from_cells(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(T::from_cells)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

impl<'de> Deserialize<'de> for FieldFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FieldFile, D::Error> {
        deserializer.deserialize_any(CellsVisitor(PhantomData)).map(FieldFile)
    }
}

impl<'de> Deserialize<'de> for TimeFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeFile, D::Error> {
        deserializer.deserialize_any(CellsVisitor(PhantomData)).map(TimeFile)
    }
}
