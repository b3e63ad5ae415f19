//! The columns of a MEDS export, as they are read and as they are written.
//!
//! The first five are those of MEDS 0.4. The others are this program's own: MEDS allows further columns, and
//! they carry what the five cannot, so that a record that is written reads back the same.

use super::convention::Meaning;
use super::subject::LeftOut;
use crate::import::parquet_in::{Batch, Holds, ParquetFile, Values};
use crate::import::{ColumnType, ImportError};
use crate::record::{Code, EventKind, TEXT_BYTES_MAX, Time};

/// A column by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Subject,
    Time,
    Code,
    Number,
    Text,
    /// The id of the encounter.
    Visit,
    /// The source's id of the subject, where it is no integer.
    Patient,
    /// What rows of one person have in common, where it is not the id.
    Group,
    EventId,
    Kind,
    /// The system of the code, since a system may hold `//` itself.
    System,
    /// The number in 64 bits.
    Exact,
    Coded,
    Comparator,
    Unit,
    EndTime,
    RecordedTime,
    Precision,
    Rank,
    VisitClass,
    AdmissionType,
    AdmissionSource,
    Disposition,
    Service,
    Facility,
    Planned,
    Synthetic,
}

/// All columns in the order in which they are written.
pub(super) const COLUMNS: [(Field, &str, ColumnType); 27] = [
    (Field::Subject, "subject_id", ColumnType::Integer),
    (Field::Time, "time", ColumnType::Time),
    (Field::Code, "code", ColumnType::Text),
    (Field::Number, "numeric_value", ColumnType::NullableFloat),
    (Field::Text, "text_value", ColumnType::Text),
    (Field::Visit, "visit_id", ColumnType::Text),
    (Field::Patient, "patient_id", ColumnType::Text),
    (Field::Group, "group_id", ColumnType::Text),
    (Field::EventId, "event_id", ColumnType::Text),
    (Field::Kind, "kind", ColumnType::Text),
    (Field::System, "system", ColumnType::Text),
    (Field::Exact, "numeric_value_exact", ColumnType::Double),
    (Field::Coded, "coded_value", ColumnType::Text),
    (Field::Comparator, "comparator", ColumnType::Text),
    (Field::Unit, "unit", ColumnType::Text),
    (Field::EndTime, "end_time", ColumnType::Time),
    (Field::RecordedTime, "recorded_time", ColumnType::Time),
    (Field::Precision, "time_precision", ColumnType::Text),
    (Field::Rank, "rank", ColumnType::Double),
    (Field::VisitClass, "visit_class", ColumnType::Text),
    (Field::AdmissionType, "admission_type", ColumnType::Text),
    (Field::AdmissionSource, "admission_source", ColumnType::Text),
    (Field::Disposition, "discharge_disposition", ColumnType::Text),
    (Field::Service, "service", ColumnType::Text),
    (Field::Facility, "facility", ColumnType::Text),
    (Field::Planned, "planned", ColumnType::Boolean),
    (Field::Synthetic, "synthetic", ColumnType::Boolean),
];

/// Where a file has its columns.
pub(super) struct Columns {
    /// Places in the file of those that are read.
    pub places: Vec<usize>,
    /// For each field its place among those.
    at: [Option<usize>; COLUMNS.len()],
}

impl Columns {
    /// Finds the columns of `file`; the encounter's id stands in the first of `visit_columns` there is.
    /// When it is `for_labels`, those that no label depends on are left out.
    ///
    /// # Errors
    /// No `subject_id`, `time` or `code`; a column of the wrong type.
    pub(super) fn find(
        file: &ParquetFile,
        name: &str,
        visit_columns: &[String],
        for_labels: bool,
    ) -> Result<Columns, ImportError> {
        let mut columns = Columns { places: Vec::new(), at: [None; COLUMNS.len()] };
        let unread = |field| for_labels && matches!(field, Field::EventId | Field::Service);
        for (field, column, kind) in COLUMNS.into_iter().filter(|(field, ..)| !unread(*field)) {
            let place = match field {
                Field::Visit => visit_column(file, visit_columns)?,
                _ => find(file, column, field, kind)?,
            };
            let is_needed = matches!(field, Field::Subject | Field::Time | Field::Code);
            match place {
                Some(place) => {
                    columns.at[field as usize] = Some(columns.places.len());
                    columns.places.push(place);
                }
                None if is_needed => {
                    let (file, column) = (name.to_owned(), column.to_owned());
                    let hint = "; MEDS needs subject_id, time and code".to_owned();
                    return Err(ImportError::MissingColumn { file, column, hint });
                }
                None => {}
            }
        }
        Ok(columns)
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.at[field as usize].is_some()
    }

    /// The values of `field` in `batch`.
    pub(super) fn values<'b>(&self, batch: &'b Batch, field: Field) -> Option<&'b Values> {
        batch.columns.get(self.at[field as usize]?)
    }
}

fn visit_column(file: &ParquetFile, names: &[String]) -> Result<Option<usize>, ImportError> {
    let takes = |holds| matches!(holds, Holds::Text | Holds::Integer | Holds::Unsigned);
    for name in names {
        if let Some(place) = file.find(name, "text or whole numbers", takes)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn find(
    file: &ParquetFile,
    column: &str,
    field: Field,
    kind: ColumnType,
) -> Result<Option<usize>, ImportError> {
    let (wanted, takes): (&str, fn(Holds) -> bool) = match kind {
        ColumnType::Integer | ColumnType::NullableInteger => {
            ("whole numbers", |h| matches!(h, Holds::Integer | Holds::Unsigned))
        }
        ColumnType::Time => ("times", |h| matches!(h, Holds::Instant { .. } | Holds::Date)),
        ColumnType::Boolean => ("truth values", |h| h == Holds::Boolean),
        ColumnType::Text => ("text", |h| h == Holds::Text),
        ColumnType::NoTexts => ("lists of text", |h| h == Holds::Texts),
        ColumnType::Double | ColumnType::Float | ColumnType::NullableFloat => ("numbers", |h| {
            matches!(
                h,
                Holds::Float | Holds::Double | Holds::Integer | Holds::Unsigned | Holds::Decimal(_)
            )
        }),
    };
    let found = file.find(column, wanted, takes);
    // Another program's column of that name may mean something else. Only those of MEDS must fit.
    match found {
        Err(ImportError::ColumnType { .. }) if field as usize > Field::Text as usize => Ok(None),
        found => found,
    }
}

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub batch: &'a Batch,
    pub columns: &'a Columns,
    pub at: usize,
}

/// A text that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoText(pub Field);

impl<'a> Row<'a> {
    fn values(&self, field: Field) -> Option<&'a Values> {
        self.columns.values(self.batch, field)
    }

    /// Its number in the file, from 1.
    pub(super) fn number(&self) -> u64 {
        self.batch.row + self.at as u64
    }

    pub(super) fn integer(&self, field: Field) -> Option<i64> {
        self.values(field)?.integer(self.at)
    }

    /// The place of its text in the dictionary of the column, where that has one.
    pub(super) fn place(&self, field: Field) -> Option<u32> {
        self.values(field)?.place(self.at)
    }

    pub(super) fn float(&self, field: Field) -> Option<f64> {
        self.values(field)?.number(self.at)
    }

    pub(super) fn time(&self, field: Field) -> Option<Time> {
        self.values(field)?.time(self.at)
    }

    pub(super) fn truth(&self, field: Field) -> Option<bool> {
        match self.values(field)? {
            Values::Booleans(values) => values.get(self.at).copied().flatten(),
            _ => None,
        }
    }

    /// The text of `field`; an empty one is none, and neither is a value that is a whole note.
    pub(super) fn text(&self, field: Field) -> Result<Option<&'a str>, NoText> {
        let bytes = self.values(field).and_then(|values| values.text(self.at));
        let text = bytes.map(std::str::from_utf8).transpose().map_err(|_| NoText(field))?;
        let text = text.filter(|text| !text.is_empty());
        match text.is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            false => Ok(text),
            // Whole notes stand here, and no feature reads them.
            true if field == Field::Text => Ok(None),
            true => Err(NoText(field)),
        }
    }

    pub(super) fn owned(&self, field: Field) -> Result<Option<String>, NoText> {
        Ok(self.text(field)?.map(str::to_owned))
    }

    /// The id of the encounter, which may be a number.
    pub(super) fn visit(&self) -> Result<Option<String>, NoText> {
        match self.integer(Field::Visit) {
            Some(number) => Ok(Some(number.to_string())),
            None => self.owned(Field::Visit),
        }
    }
}

/// What a field's column is called in a report.
pub(super) fn column_name(field: Field) -> &'static str {
    COLUMNS.iter().find(|(known, _, _)| *known == field).map_or("", |(_, name, _)| name)
}

/// Kinds of events under the names they have in the column `kind`.
const KINDS: [(EventKind, &str); 10] = [
    (EventKind::Diagnosis, "diagnosis"),
    (EventKind::Problem, "problem"),
    (EventKind::Procedure, "procedure"),
    (EventKind::Measurement, "measurement"),
    (EventKind::DrugOrder, "drug_order"),
    (EventKind::DrugDispensed, "drug_dispensed"),
    (EventKind::DrugGiven, "drug_given"),
    (EventKind::Allergy, "allergy"),
    (EventKind::Immunization, "immunization"),
    (EventKind::Other, "other"),
];

/// The kind of that name.
pub(super) fn kind(name: &str) -> Option<EventKind> {
    KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
}

/// The name of a kind.
pub(super) fn kind_name(kind: EventKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, name)| name)
}

/// What `SYSTEM//code` means where the row says of what kind it is: an event, as this program writes it.
pub(super) fn own_event(
    code: &str,
    system: Option<&str>,
    kind: EventKind,
) -> Result<Meaning, LeftOut> {
    let code = match system {
        Some(system) => {
            let own = code.strip_prefix(system).and_then(|rest| rest.strip_prefix("//"));
            own.filter(|own| !own.is_empty()).map(|own| Code::new(system, own))
        }
        None => Code::parse(code),
    };
    let (field, reason) = (Field::Code, "not SYSTEM//code");
    let code = code.ok_or(LeftOut::Quarantined { field, reason })?;
    Ok(Meaning::Event { code: code.into(), kind, unit: None })
}
