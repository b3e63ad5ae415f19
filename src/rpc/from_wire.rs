//! Requests as domain types. Every field that cannot mean anything is named by its path; what a
//! history as a whole cannot be is for `History::build` to say.

mod asked;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use prost_types::Timestamp;

use super::request::Entries;
use super::wire::{Field, Fields, Unreadable};
use super::{given, proto, request};
use crate::access::Classes;
use crate::import::{Part, PartRules};
use crate::record::{
    AuditAttributes, Code, Comparator, DataIssue, ENCOUNTERS_MAX, EVENTS_MAX, Encounter,
    EncounterClass, Event, EventKind, EventStatus, PartialDate, Period, Record, Sex, Time,
    TimePrecision, Value, Violation,
};
use crate::service::{Origin, ScoreRequest, TaskRef};

pub(super) use asked::task_ref;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i64 = 1_000;
const NANOS_PER_SECOND: i32 = 1_000_000_000;

const MISSING: &str = "missing";
const NOT_A_VALUE: &str = "not a value of its enum";
const OUTSIDE: &str = "outside the years 1800 to 2299";

/// Faults found so far; at most `MAX`, so that a bad request gets a short answer.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Violation>);

impl Faults {
    const MAX: usize = 20;

    /// # Errors
    /// The faults found, where there are any.
    pub(super) fn end(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    pub(super) fn at(&mut self, path: impl FnOnce() -> String, reason: &'static str) {
        if self.0.len() < Faults::MAX {
            self.0.push(Violation { path: path(), reason });
        }
    }

    pub(super) fn time(
        &mut self,
        given: Option<Timestamp>,
        path: impl Fn() -> String,
    ) -> Option<Time> {
        let Timestamp { seconds, nanos } = given?;
        if !(0..NANOS_PER_SECOND).contains(&nanos) {
            self.at(path, "nanos outside 0 to 999999999");
            return None;
        }
        let micros = seconds.checked_mul(MICROS_PER_SECOND);
        let micros = micros.and_then(|m| m.checked_add(i64::from(nanos) / NANOS_PER_MICRO));
        let time = micros.map(Time::from_micros).filter(|time| time.is_believable());
        if time.is_none() {
            self.at(path, OUTSIDE);
        }
        time
    }

    pub(super) fn name(&mut self, name: &str, path: impl Fn() -> String) {
        if let Some(reason) = TaskRef::fault_of_name(name) {
            self.at(path, reason);
        }
    }
}

/// The request's id and its meaning.
///
/// # Errors
/// A message that cannot be read; or the fields that cannot be used, at least one, with paths such as
/// `history.events[3].kind`.
pub(super) fn score_request(
    request: &request::ScoreRequest,
) -> Result<(String, Origin, ScoreRequest), Vec<Violation>> {
    let mut given = Given::default();
    given.read(request).map_err(|unreadable| vec![unreadable.into()])?;
    let Given { request_id, record, tasks, prediction_time, options, team } = given;
    let mut faults = Faults::default();
    faults.name(request_id, || "request_id".into());
    let tasks = asked::task_refs(&tasks, &mut faults);
    let prediction_time = faults.time(prediction_time, || "prediction_time".into());
    faults.name(team, || "team".into());
    let options = asked::score_options(&options, &mut faults);
    let (origin, record, issues) = match record {
        Some(Source::History(given)) => (Origin::History, given.record(&mut faults), Vec::new()),
        Some(Source::Bundle(json)) => {
            let read = of_bundle(json).map_err(|found| faults.0.extend(found));
            read.unwrap_or_default()
        }
        None => {
            faults.at(|| "history".into(), MISSING);
            Default::default()
        }
    };
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    let request_id = request_id.to_owned();
    let team = Some(team.to_owned()).filter(|team| !team.is_empty());
    let only_allowed = false;
    let request =
        ScoreRequest { record, issues, tasks, only_allowed, prediction_time, options, team };
    Ok((request_id, origin, request))
}

/// The record of a Bundle.
fn of_bundle(json: &[u8]) -> Result<(Origin, Record, Vec<DataIssue>), Vec<Violation>> {
    let path = "fhir_bundle_json";
    let fault = || vec![Violation { path: path.to_owned(), reason: "not UTF-8" }];
    let json = std::str::from_utf8(json).map_err(|_| fault())?;
    Origin::of_parts(
        &[Part { path, json, must_be_bundle: true, is_page_of_all: false }],
        PartRules::default(),
    )
}

/// A request as it is given, but for the entries of its history, which are taken in as they come.
#[derive(Default)]
struct Given<'a> {
    request_id: &'a str,
    record: Option<Source<'a>>,
    tasks: Vec<given::TaskRef<'a>>,
    prediction_time: Option<Timestamp>,
    options: given::ScoreOptions<'a>,
    team: &'a str,
}

enum Source<'a> {
    History(Box<History<'a>>),
    Bundle(&'a [u8]),
}

impl<'a> Given<'a> {
    fn read(&mut self, request: &'a request::ScoreRequest) -> Result<(), Unreadable> {
        for field in Fields::of(request.bytes()) {
            match field.number {
                1 => self.request_id = field.text("request_id")?,
                2 => match &mut self.record {
                    Some(Source::History(history)) => history.add(field)?,
                    other => {
                        let mut history = Box::new(History::with_room(request.listed()));
                        history.add(field)?;
                        *other = Some(Source::History(history));
                    }
                },
                3 => self.record = Some(Source::Bundle(field.bytes("fhir_bundle_json")?)),
                4 => self.tasks.push(given::TaskRef::read(field, "tasks")?),
                5 => given::timestamp(field, "prediction_time", &mut self.prediction_time)?,
                6 => self.options.add(field, "options")?,
                7 => self.team = field.text("team")?,
                _ => field.unknown()?,
            }
        }
        Ok(())
    }
}

/// A history while it is read.
#[derive(Default)]
struct History<'a> {
    person: given::Person<'a>,
    coverage: Vec<Period>,
    entries: Entries,
    encounters: Vec<Encounter>,
    events: Vec<Event>,
    /// The codes met so far: one code stands in many events.
    codes: HashMap<(&'a str, &'a str), Arc<Code>, RandomState>,
    faults: Faults,
}

impl<'a> History<'a> {
    /// A history that so many entries fit in without growing; no more than a record may have.
    fn with_room(entries: Entries) -> History<'a> {
        History {
            encounters: Vec::with_capacity(entries.encounters.min(ENCOUNTERS_MAX)),
            events: Vec::with_capacity(entries.events.min(EVENTS_MAX)),
            ..History::default()
        }
    }

    fn add(&mut self, field: Field<'a>) -> Result<(), Unreadable> {
        let History { person, coverage, entries, encounters, events, codes, faults } = self;
        person.add(field, "history", |entry| match entry {
            given::Entry::Coverage(given) => {
                coverage.push(period(&given, coverage.len(), faults));
            }
            given::Entry::Encounter(given) => {
                encounters.extend(encounter(given, entries.encounters, faults));
                entries.encounters += 1;
            }
            given::Entry::Event(given) => {
                add_event(given, entries.events, codes, faults, events);
                entries.events += 1;
            }
        })
    }

    /// The record, its faults added to `faults`.
    fn record(self, faults: &mut Faults) -> Record {
        let given::Person { patient_id, birth_date, sex: number, death_time, region, .. } =
            self.person;
        let birth_date = filled(birth_date).and_then(|text| {
            let date = PartialDate::parse(&text);
            if date.is_none() {
                let reason = "not a date YYYY, YYYY-MM or YYYY-MM-DD";
                faults.at(|| "history.birth_date".into(), reason);
            }
            date
        });
        let sex = sex(number, faults);
        let death_time = faults.time(death_time, || "history.death_time".into());
        for Violation { path, reason } in self.faults.0 {
            faults.at(|| path, reason);
        }
        Record {
            patient_id: patient_id.to_owned(),
            birth_date,
            sex,
            death_time,
            region: filled(region),
            coverage: self.coverage,
            encounters: self.encounters,
            events: self.events,
            audit_attributes: attributes(&self.person.audit_attributes),
        }
    }
}

fn sex(number: i32, faults: &mut Faults) -> Sex {
    match proto::Sex::try_from(number) {
        Ok(proto::Sex::Female) => Sex::Female,
        Ok(proto::Sex::Male) => Sex::Male,
        Ok(proto::Sex::Other) => Sex::Other,
        Ok(proto::Sex::Unspecified | proto::Sex::Unknown) => Sex::Unknown,
        Err(_) => {
            faults.at(|| "history.sex".into(), NOT_A_VALUE);
            Sex::Unknown
        }
    }
}

fn period(given: &given::Period, place: usize, faults: &mut Faults) -> Period {
    Period {
        start: faults.time(given.start, || format!("history.coverage[{place}].start")),
        end: faults.time(given.end, || format!("history.coverage[{place}].end")),
    }
}

fn attributes(given: &given::AuditAttributes<'_>) -> AuditAttributes {
    let given::AuditAttributes { race, ethnicity, language, insurance, gender_identity } = given;
    AuditAttributes {
        race: filled(race),
        ethnicity: filled(ethnicity),
        language: filled(language),
        insurance: filled(insurance),
        gender_identity: filled(gender_identity),
    }
}

/// `None` when a fault was noted that leaves no encounter.
fn encounter(given: &given::Encounter<'_>, place: usize, faults: &mut Faults) -> Option<Encounter> {
    let path = |field: &str| format!("history.encounters[{place}].{field}");
    let known_class = EncounterClass::parse(given.class);
    if known_class.is_none() {
        let reason = if given.class.is_empty() { MISSING } else { "not a known v3-ActCode" };
        faults.at(|| path("class"), reason);
    }
    if given.start.is_none() {
        faults.at(|| path("start"), MISSING);
    }
    let start = faults.time(given.start, || path("start"));
    let end = faults.time(given.end, || path("end"));
    Some(Encounter {
        id: given.id.to_owned(),
        class: known_class?,
        start: start?,
        end,
        admission_type: filled(given.admission_type),
        admission_source: filled(given.admission_source),
        discharge_disposition: filled(given.discharge_disposition),
        service: filled(given.service),
        facility: filled(given.facility),
        planned: given.planned,
        synthetic: given.synthetic,
        sensitive: sensitive(&given.security_labels),
    })
}

/// Adds the event to `events`, unless a fault was noted that leaves none.
fn add_event<'a>(
    given: &given::Event<'a>,
    place: usize,
    codes: &mut HashMap<(&'a str, &'a str), Arc<Code>, RandomState>,
    faults: &mut Faults,
    events: &mut Vec<Event>,
) {
    let path = |field: &str| format!("history.events[{place}].{field}");
    let kind = event_kind(given.kind).map_err(|reason| faults.at(|| path("kind"), reason)).ok();
    let time_precision = precision(given.time_precision);
    if time_precision.is_none() {
        faults.at(|| path("time_precision"), NOT_A_VALUE);
    }
    let comparator = Some(given.comparator).filter(|text| !text.is_empty()).map(Comparator::parse);
    if comparator == Some(None) {
        faults.at(|| path("comparator"), "not one of <, <=, >= and >");
    }
    let time = faults.time(given.time, || path("time"));
    let end_time = faults.time(given.end_time, || path("end_time"));
    let recorded_time = faults.time(given.recorded_time, || path("recorded_time"));
    let (system, code) = (given.system, given.code);
    let code = codes.entry((system, code)).or_insert_with(|| Code::new(system, code).into());
    let (Some(kind), Some(time_precision)) = (kind, time_precision) else { return };
    events.push(Event {
        id: filled(given.id),
        kind,
        time,
        end_time,
        recorded_time,
        time_precision,
        code: Arc::clone(code),
        value: given.value.as_ref().map(|value| match *value {
            given::Value::Number(number) => Value::Number(number),
            given::Value::Coded(code) => Value::Coded(code.to_owned()),
            given::Value::Text(text) => Value::Text(text.to_owned()),
        }),
        comparator: comparator.flatten(),
        unit: filled(given.unit),
        encounter_id: filled(given.encounter_id),
        rank: given.rank,
        status: EventStatus::parse(given.status),
        sensitive: sensitive(&given.security_labels),
    });
}

fn event_kind(number: i32) -> Result<EventKind, &'static str> {
    match proto::EventKind::try_from(number) {
        Ok(proto::EventKind::Diagnosis) => Ok(EventKind::Diagnosis),
        Ok(proto::EventKind::Problem) => Ok(EventKind::Problem),
        Ok(proto::EventKind::Procedure) => Ok(EventKind::Procedure),
        Ok(proto::EventKind::Measurement) => Ok(EventKind::Measurement),
        Ok(proto::EventKind::DrugOrder) => Ok(EventKind::DrugOrder),
        Ok(proto::EventKind::DrugDispensed) => Ok(EventKind::DrugDispensed),
        Ok(proto::EventKind::DrugGiven) => Ok(EventKind::DrugGiven),
        Ok(proto::EventKind::Allergy) => Ok(EventKind::Allergy),
        Ok(proto::EventKind::Immunization) => Ok(EventKind::Immunization),
        Ok(proto::EventKind::Other) => Ok(EventKind::Other),
        Ok(proto::EventKind::Unspecified) => Err(MISSING),
        Err(_) => Err(NOT_A_VALUE),
    }
}

fn precision(number: i32) -> Option<TimePrecision> {
    Some(match proto::TimePrecision::try_from(number).ok()? {
        proto::TimePrecision::Unspecified | proto::TimePrecision::Instant => TimePrecision::Instant,
        proto::TimePrecision::Day => TimePrecision::Day,
        proto::TimePrecision::Month => TimePrecision::Month,
        proto::TimePrecision::Year => TimePrecision::Year,
    })
}

/// proto3 sends an absent text as an empty one.
fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The classes that security labels name.
fn sensitive(labels: &[&str]) -> Classes {
    labels.iter().fold(Classes::NONE, |all, label| all.and(Classes::of_label(label)))
}

#[cfg(test)]
mod tests;
