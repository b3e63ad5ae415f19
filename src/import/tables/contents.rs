//! What one row gives: a part of the person, encounters, events and coverage.

use super::row::{Fault, Row};
use super::table_check::rank;
use super::table_set::{
    Birth, Cell, ColumnRef, CoverageMap, EncounterMap, EventMap, PersonMap, TimeRule,
};
use crate::access::Classes;
use crate::import::fact::{Content, Doubt, Item, Kind, Person};
use crate::import::moment::Moment;
use crate::record::{
    AuditAttributes, Comparator, Encounter, EncounterClass, Event, EventKind, EventStatus,
    PartialDate, Period, Sex, Time, TimePrecision, Value,
};

const SUBJECT_BYTES_MAX: usize = 128;
const AGE_YEARS_MAX: i64 = 130;

/// What a row says.
pub(super) enum Told {
    Item(Box<Item>),
    Nothing(&'static str),
}

/// The contents of a row, and what is missing from it.
#[derive(Default)]
struct Made {
    contents: Vec<(Kind, Content)>,
    events: Vec<Event>,
    lacks_code: bool,
    doubts: Vec<Doubt>,
}

/// Reads a row.
pub(super) fn read(row: &Row<'_>) -> Result<Told, Fault> {
    let table = row.table;
    let patient = row.required(&table.subject)?;
    if patient.len() > SUBJECT_BYTES_MAX {
        return Err(Fault { column: table.subject.column, reason: "longer than 128 bytes" });
    }
    let mut made = Made::default();
    if let Some(map) = &table.person {
        let person = person(row, map, &mut made.doubts);
        made.contents.push((Kind::Patient, Content::Person(Box::new(person))));
    }
    for map in &table.encounters {
        if let Some(encounter) = encounter(row, map, &mut made.doubts)? {
            let (encounter, diagnoses) = (Box::new(encounter), Vec::new());
            made.contents.push((Kind::Encounter, Content::Encounter { encounter, diagnoses }));
        }
    }
    for map in &table.events {
        event(row, map, &mut made)?;
    }
    if let Some(map) = &table.coverage
        && let Some(period) = coverage(row, map)?
    {
        made.contents.push((Kind::Coverage, Content::Coverage { period, insurance: None }));
    }
    if let Some(first) = made.events.first() {
        made.contents.push((kind(first.kind), Content::Events(made.events)));
    }
    let (kind, content) = match made.contents.pop() {
        None if made.lacks_code => return Ok(Told::Nothing("a row without a code")),
        None => return Ok(Told::Nothing("a row that gives nothing")),
        Some(only) if made.contents.is_empty() => only,
        Some(last) => {
            made.contents.push(last);
            let kind = made.contents.first().map_or(Kind::Patient, |(kind, _)| *kind);
            let several = made.contents.into_iter().map(|(_, content)| content).collect();
            (kind, Content::Several(several))
        }
    };
    let (patient, doubts) = (patient.to_owned(), made.doubts);
    Ok(Told::Item(Box::new(Item { patient, kind, id: None, updated: None, content, doubts })))
}

/// The resource that a row with such an event would be.
fn kind(kind: EventKind) -> Kind {
    match kind {
        EventKind::Diagnosis | EventKind::Problem => Kind::Condition,
        EventKind::Procedure => Kind::Procedure,
        EventKind::DrugOrder => Kind::MedicationRequest,
        EventKind::DrugDispensed => Kind::MedicationDispense,
        EventKind::DrugGiven => Kind::MedicationAdministration,
        EventKind::Allergy => Kind::AllergyIntolerance,
        EventKind::Immunization => Kind::Immunization,
        EventKind::Measurement | EventKind::Other => Kind::Observation,
    }
}

fn person(row: &Row<'_>, map: &PersonMap, doubts: &mut Vec<Doubt>) -> Person {
    let birth_date = map.birth.as_ref().and_then(|birth| {
        let found = birth_date(row, birth, doubts);
        row.softly(found, doubts)
    });
    let read_sex = |text: &str| Some(Sex::parse(text)).filter(|sex| *sex != Sex::Unknown);
    let sex = map.sex.as_ref().and_then(|sex| row.softly(row.field(sex, read_sex), doubts));
    let death_time = map.death_time.as_ref().and_then(|rule| {
        let moment = row.softly(row.moment(rule), doubts)?;
        // A death of which the day is known counts as at noon.
        let is_day = moment.precision == TimePrecision::Day;
        Some(if is_day { moment.time.plus_hours(12) } else { moment.time })
    });
    let mut words = |field| row.softly(row.words(field), doubts);
    Person {
        birth_date,
        sex,
        death_time,
        region: words(&map.region),
        audit_attributes: AuditAttributes {
            race: words(&map.race),
            ethnicity: words(&map.ethnicity),
            language: words(&map.language),
            insurance: words(&map.insurance),
            gender_identity: words(&map.gender_identity),
        },
    }
}

fn birth_date(
    row: &Row<'_>,
    birth: &Birth,
    doubts: &mut Vec<Doubt>,
) -> Result<Option<PartialDate>, Fault> {
    let date = match birth {
        Birth::Date(rule) => {
            return Ok(row.date(rule)?.and_then(|date| PartialDate::parse(&date.to_string())));
        }
        Birth::AgeYears { age, at } => {
            let (Some(text), Some(at)) = (row.text(age)?, row.moment(at)?) else { return Ok(None) };
            let years = text.parse().ok().filter(|years| (0..=AGE_YEARS_MAX).contains(years));
            let reason = "not an age from 0 to 130";
            let years: i64 = years.ok_or(Fault { column: age.column, reason })?;
            let year = i64::from(at.time.year()) - years;
            (age, i16::try_from(year).ok().and_then(PartialDate::from_year))
        }
        Birth::Parts { year, month, day } => {
            let Some(text) = row.text(year)? else { return Ok(None) };
            let mut part = |cell: &Option<Cell>| -> Option<u8> {
                let cell = cell.as_ref()?;
                let number = row.softly(row.text(cell), doubts)?.parse().ok();
                if number.is_none() {
                    row.doubt(Fault { column: cell.column, reason: "not a number" }, doubts);
                }
                number
            };
            let month = part(month);
            let day = part(day).filter(|_| month.is_some());
            let whole = [Some(text.to_owned()), month.map(two), day.map(two)];
            let known: Vec<String> = whole.into_iter().flatten().collect();
            let exact = PartialDate::parse(&known.join("-"));
            if exact.is_none() {
                row.doubt(Fault { column: year.column, reason: "no day of the calendar" }, doubts);
            }
            (year, exact.or_else(|| PartialDate::parse(text)))
        }
    };
    let (cell, date) = date;
    let is_believable = |date: &PartialDate| date.earliest().is_some_and(Time::is_believable);
    let reason = "gives no birth date";
    date.filter(is_believable).map(Some).ok_or(Fault { column: cell.column, reason })
}

fn two(number: u8) -> String {
    format!("{number:02}")
}

/// A period's times: the day of the end belongs to it whole.
fn span(
    row: &Row<'_>,
    start: Option<&TimeRule>,
    end: Option<&TimeRule>,
) -> Result<(Option<Time>, Option<Time>), Fault> {
    let start = start.map(|rule| row.moment(rule)).transpose()?.flatten();
    let moment = end.map(|rule| row.moment(rule)).transpose()?.flatten();
    let (start, end_time) = (start.map(|start| start.time), moment.and_then(Moment::latest));
    if let (Some(rule), Some(start), Some(end_time)) = (end, start, end_time)
        && end_time < start
    {
        return Err(Fault { column: column(row, rule), reason: "before the start" });
    }
    Ok((start, end_time))
}

/// The column that stands for a time in messages.
fn column(row: &Row<'_>, rule: &TimeRule) -> ColumnRef {
    match rule {
        TimeRule::Cells { cells, .. } => {
            let there = |cell: &&Cell| matches!(row.text(cell), Ok(Some(_)));
            let cell = cells.iter().find(there).or(cells.first());
            cell.map_or(row.table.subject.column, |cell| cell.column)
        }
        TimeRule::Offset { offset, .. } => offset.column,
    }
}

fn encounter(
    row: &Row<'_>,
    map: &EncounterMap,
    doubts: &mut Vec<Doubt>,
) -> Result<Option<Encounter>, Fault> {
    if !row.meets(&map.condition)? {
        return Ok(None);
    }
    let missing = |column| Fault { column, reason: "missing" };
    let start_column = column(row, &map.start);
    let id = row.template(&map.id)?.ok_or(missing(row.table.subject.column))?;
    let class = row.field(&map.class, EncounterClass::parse)?;
    let class_column = map.class.cells.first().map_or(start_column, |cell| cell.column);
    let class = class.ok_or(missing(class_column))?;
    let (start, end) = span(row, Some(&map.start), map.end.as_ref())?;
    let mut made = Encounter::new(&id, class, start.ok_or(missing(start_column))?, end);
    let mut words = |field| row.softly(row.words(field), doubts);
    made.admission_type = words(&map.admission_type);
    made.admission_source = words(&map.admission_source);
    made.discharge_disposition = words(&map.discharge_disposition);
    made.service = words(&map.service);
    made.facility = words(&map.facility);
    Ok(Some(made))
}

fn event(row: &Row<'_>, map: &EventMap, made: &mut Made) -> Result<(), Fault> {
    if !row.meets(&map.condition)? {
        return Ok(());
    }
    let Some(code) = row.code(&map.codes)? else {
        made.lacks_code = true;
        return Ok(());
    };
    let Some(kind) = row.field(&map.kind, |_| None)? else { return Ok(()) };
    let start = map.time.as_ref().map(|rule| row.moment(rule)).transpose()?.flatten();
    let encounter_id = map.encounter.as_ref().map(|one| row.template(one)).transpose()?.flatten();
    if start.is_none() && encounter_id.is_none() {
        let rule = map.time.as_ref();
        let column = rule.map_or(row.table.subject.column, |rule| column(row, rule));
        return Err(Fault { column, reason: "missing" });
    }
    let doubts = &mut made.doubts;
    let mut soft = |rule: &Option<TimeRule>| {
        rule.as_ref().and_then(|rule| row.softly(row.moment(rule), doubts))
    };
    let (end, recorded) = (soft(&map.end_time), soft(&map.recorded_time));
    let time = start.map(|start| start.time);
    // A day counts as known within its encounter on that day, and else when it has passed everywhere.
    let recorded = recorded.map(|recorded| match encounter_id {
        Some(_) => Some(recorded.time),
        None => recorded.surely_past(),
    });
    let recorded = recorded.flatten();
    let mut event = Event {
        id: None,
        kind,
        time,
        end_time: end.and_then(Moment::latest).filter(|end| Some(*end) >= time),
        recorded_time: recorded.filter(|recorded| time.is_none_or(|time| *recorded >= time)),
        time_precision: start.map(|start| start.precision).unwrap_or_default(),
        code: code.into(),
        value: None,
        comparator: None,
        unit: None,
        encounter_id,
        rank: None,
        status: EventStatus::Counted,
        sensitive: Classes::NONE,
    };
    event.rank = map.rank.as_ref().and_then(|field| row.softly(row.field(field, rank), doubts));
    give_value(row, map, &mut event, doubts)?;
    made.events.push(event);
    Ok(())
}

/// Gives `event` the first value that is there: a number, a code, a text.
fn give_value(
    row: &Row<'_>,
    map: &EventMap,
    event: &mut Event,
    doubts: &mut Vec<Doubt>,
) -> Result<(), Fault> {
    let number = map.number.as_ref().and_then(|cell| {
        let text = row.softly(row.text(cell), doubts)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() {
            row.doubt(Fault { column: cell.column, reason: "not a number" }, doubts);
        }
        number
    });
    if let Some(number) = number {
        // Taken without its comparator, a bound would pass for a measured value: a fault ends the row.
        let comparator = map.comparator.as_ref();
        let comparator = comparator.map(|field| row.field(field, Comparator::parse)).transpose()?;
        event.comparator = comparator.flatten();
        // A unit that is not listed stays as it is: dropped, the number would pass for one without.
        let unit = map.unit.as_ref();
        let unit = unit.map(|field| row.field(field, |text| Some(text.to_owned()))).transpose()?;
        event.unit = unit.flatten();
        event.value = Some(Value::Number(number));
        return Ok(());
    }
    let coded = row.softly(row.words(&map.coded), doubts);
    event.value = match coded {
        Some(code) => Some(Value::Coded(code)),
        None => row.softly(row.words(&map.text), doubts).map(Value::Text),
    };
    Ok(())
}

fn coverage(row: &Row<'_>, map: &CoverageMap) -> Result<Option<Period>, Fault> {
    let (start, end) = span(row, map.start.as_ref(), map.end.as_ref())?;
    Ok((start.is_some() || end.is_some()).then_some(Period { start, end }))
}
