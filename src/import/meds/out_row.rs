//! `OutRow`: what a record says, row by row, as it is written.

use super::layout::{COLUMNS, Field, kind_name};
use crate::import::fhir::codes;
use crate::import::{Column, ParquetWriter, WriteError};
use crate::record::{
    Comparator, Encounter, EncounterClass, Event, EventStatus, Record, Sex, Time, TimePrecision,
    Value,
};

/// MIMIC-IV's type of an admission for observation.
const OBSERVATION: &str = "EU OBSERVATION";
/// What stands in a code where the source says nothing, as MIMIC-IV's export has it.
const NOTHING_SAID: &str = "UNK";

/// One row; the same columns as `COLUMNS`.
#[derive(Debug, Clone, Default)]
pub(super) struct OutRow {
    pub time: Option<Time>,
    pub code: String,
    pub number: Option<f64>,
    pub exact: Option<f64>,
    pub end_time: Option<Time>,
    pub recorded_time: Option<Time>,
    pub rank: Option<f64>,
    pub planned: Option<bool>,
    pub synthetic: Option<bool>,
    /// All other columns, which are text.
    pub texts: Vec<(Field, String)>,
}

/// The values of one column of a batch.
enum Values<'a> {
    Integers(Vec<i64>),
    Times(Vec<Option<Time>>),
    Booleans(Vec<Option<bool>>),
    Doubles(Vec<Option<f64>>),
    Floats(Vec<Option<f32>>),
    Texts(Vec<Option<&'a str>>),
}

pub(super) fn append(shard: &mut ParquetWriter, rows: &[(i64, OutRow)]) -> Result<(), WriteError> {
    let columns: Vec<Values<'_>> =
        COLUMNS.iter().map(|(field, _, _)| values(*field, rows)).collect();
    let batch: Vec<Column<'_>> = columns
        .iter()
        .map(|values| match values {
            Values::Integers(values) => Column::Integer(values),
            Values::Times(values) => Column::Time(values),
            Values::Booleans(values) => Column::Boolean(values),
            Values::Doubles(values) => Column::Double(values),
            Values::Floats(values) => Column::NullableFloat(values),
            Values::Texts(values) => Column::Text(values),
        })
        .collect();
    shard.append(&batch)
}

fn values(field: Field, rows: &[(i64, OutRow)]) -> Values<'_> {
    let row = rows.iter().map(|(_, row)| row);
    match field {
        Field::Subject => Values::Integers(rows.iter().map(|(id, _)| *id).collect()),
        Field::Time => Values::Times(row.map(|row| row.time).collect()),
        Field::EndTime => Values::Times(row.map(|row| row.end_time).collect()),
        Field::RecordedTime => Values::Times(row.map(|row| row.recorded_time).collect()),
        Field::Number => Values::Floats(row.map(|row| row.number.map(|n| n as f32)).collect()),
        Field::Exact => Values::Doubles(row.map(|row| row.exact).collect()),
        Field::Rank => Values::Doubles(row.map(|row| row.rank).collect()),
        Field::Planned => Values::Booleans(row.map(|row| row.planned).collect()),
        Field::Synthetic => Values::Booleans(row.map(|row| row.synthetic).collect()),
        Field::Code => Values::Texts(row.map(|row| Some(row.code.as_str())).collect()),
        field => Values::Texts(
            row.map(|row| {
                let found = row.texts.iter().find(|(known, _)| *known == field);
                found.map(|(_, text)| text.as_str())
            })
            .collect(),
        ),
    }
}

fn static_row(code: String) -> OutRow {
    OutRow { code, ..OutRow::default() }
}

pub(super) fn person_rows(record: &Record, rows: &mut Vec<OutRow>) {
    let sex = match record.sex {
        Sex::Female => Some("F"),
        Sex::Male => Some("M"),
        Sex::Other => Some("O"),
        Sex::Unknown => None,
    };
    let given = &record.audit_attributes;
    let named = [
        ("GENDER", sex),
        ("REGION", record.region.as_deref()),
        ("RACE", given.race.as_deref()),
        ("ETHNICITY", given.ethnicity.as_deref()),
        ("LANGUAGE", given.language.as_deref()),
        ("INSURANCE", given.insurance.as_deref()),
        ("GENDER_IDENTITY", given.gender_identity.as_deref()),
    ];
    let said = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    rows.extend(said.map(|(name, value)| static_row(format!("{name}//{value}"))));
    if let Some(date) = record.birth_date {
        // MEDS wants an instant; the date itself, which may be a year only, stands beside it.
        let text = date.to_string();
        let rest = "0000-01-01".get(text.len()..).unwrap_or_default();
        let time = Time::parse(&format!("{text}{rest}T00:00:00Z"));
        let texts = vec![(Field::Text, text)];
        rows.push(OutRow { time, texts, ..static_row("MEDS_BIRTH".to_owned()) });
    }
    if record.death_time.is_some() {
        rows.push(OutRow { time: record.death_time, ..static_row("MEDS_DEATH".to_owned()) });
    }
    for period in &record.coverage {
        let (time, end_time) = (period.start, period.end);
        rows.push(OutRow { time, end_time, ..static_row("COVERAGE".to_owned()) });
    }
}

pub(super) fn encounter_rows(encounter: &Encounter, rows: &mut Vec<OutRow>) {
    let Encounter {
        id,
        class,
        start,
        end,
        admission_type,
        admission_source,
        discharge_disposition,
        service,
        facility,
        planned,
        synthetic,
        // MEDS has no place for security labels.
        sensitive: _,
    } = encounter;
    let said = |text: &Option<String>, word: fn(&str) -> String| {
        text.as_deref().map_or_else(|| NOTHING_SAID.to_owned(), word)
    };
    let kind = match class {
        EncounterClass::Observation => OBSERVATION.to_owned(),
        _ => said(admission_type, str::to_ascii_uppercase),
    };
    let in_hospital = class.is_stay() || *class == EncounterClass::Observation;
    let class_code = class.code();
    let (begin, finish) = match class {
        // A visit of which only the count is known must not look like an admission to others.
        _ if in_hospital && !synthetic => (
            format!(
                "HOSPITAL_ADMISSION//{kind}//{}",
                said(admission_source, codes::admission_source_word)
            ),
            format!("HOSPITAL_DISCHARGE//{}", said(discharge_disposition, codes::disposition_word)),
        ),
        EncounterClass::Emergency if !synthetic => {
            ("ED_REGISTRATION".to_owned(), "ED_OUT".to_owned())
        }
        _ => (format!("VISIT//{class_code}"), format!("VISIT_END//{class_code}")),
    };
    let texts = |named: &[(Field, &Option<String>)]| {
        let known = [(Field::Visit, id.clone()), (Field::VisitClass, class_code.to_owned())];
        let said = named.iter().filter_map(|(field, text)| Some((*field, (*text).clone()?)));
        known.into_iter().chain(said).collect()
    };
    rows.push(OutRow {
        time: Some(*start),
        planned: *planned,
        synthetic: synthetic.then_some(true),
        texts: texts(&[
            (Field::AdmissionType, admission_type),
            (Field::AdmissionSource, admission_source),
            (Field::Service, service),
            (Field::Facility, facility),
        ]),
        ..static_row(begin)
    });
    if end.is_some() {
        let texts = texts(&[(Field::Disposition, discharge_disposition)]);
        rows.push(OutRow { time: *end, texts, ..static_row(finish) });
    }
}

/// The row of an event; none for one that does not count or has no time at all.
pub(super) fn event_row(event: &Event) -> Option<OutRow> {
    if event.status != EventStatus::Counted {
        return None;
    }
    let time = event.time.or(event.recorded_time)?;
    let number = match event.value {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    };
    let mut texts = vec![
        (Field::Kind, kind_name(event.kind).to_owned()),
        (Field::System, event.code.system.clone()),
    ];
    match &event.value {
        Some(Value::Coded(coded)) => {
            texts.push((Field::Text, coded.clone()));
            texts.push((Field::Coded, coded.clone()));
        }
        Some(Value::Text(text)) => texts.push((Field::Text, text.clone())),
        Some(Value::Number(_)) | None => {}
    }
    let comparator = event.comparator.map(Comparator::sign);
    let precision = match event.time_precision {
        TimePrecision::Instant => None,
        TimePrecision::Day => Some("day"),
        TimePrecision::Month => Some("month"),
        TimePrecision::Year => Some("year"),
    };
    let more = [
        (Field::EventId, event.id.as_deref()),
        (Field::Visit, event.encounter_id.as_deref()),
        (Field::Unit, event.unit.as_deref()),
        (Field::Comparator, comparator),
        (Field::Precision, precision),
    ];
    let said = more.into_iter().filter_map(|(field, text)| Some((field, text?.to_owned())));
    texts.extend(said);
    Some(OutRow {
        time: Some(time),
        code: event.code.to_string(),
        number,
        // Only what 32 bits do not hold.
        exact: number.filter(|number| f64::from(*number as f32) != *number),
        end_time: event.end_time,
        recorded_time: event.recorded_time,
        rank: event.rank.map(f64::from),
        texts,
        ..OutRow::default()
    })
}
