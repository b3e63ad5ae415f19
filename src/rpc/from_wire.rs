//! Requests as domain types. Every field that cannot mean anything is named by its path; what a
//! history as a whole cannot be is for `History::build` to say.

use prost_types::Timestamp;

use super::{origin::Origin, proto};
use crate::record::{
    AuditAttributes, Code, Comparator, Encounter, EncounterClass, Event, EventKind, EventStatus,
    PartialDate, Period, Record, Sex, Time, TimePrecision, Value, Violation,
};
use crate::service::{ScoreOptions, ScoreRequest, TaskRef};

/// How many reasons a caller gets who does not say.
const REASONS_DEFAULT: u32 = 5;
const REASONS_MAX: u32 = 50;
const TASKS_MAX: usize = 64;
/// The longest name or id of a request, in bytes: names return in errors, whose room is short.
const NAME_BYTES_MAX: usize = 128;
const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i64 = 1_000;
const NANOS_PER_SECOND: i32 = 1_000_000_000;

const MISSING: &str = "missing";
const NOT_A_VALUE: &str = "not a value of its enum";
const OUTSIDE: &str = "outside the years 1800 to 2299";

/// Faults found so far; at most `MAX`, so that a bad request gets a short answer.
#[derive(Debug, Default)]
struct Faults(Vec<Violation>);

impl Faults {
    const MAX: usize = 20;

    fn at(&mut self, path: impl FnOnce() -> String, reason: &'static str) {
        if self.0.len() < Faults::MAX {
            self.0.push(Violation { path: path(), reason });
        }
    }

    fn time(&mut self, given: Option<Timestamp>, path: impl Fn() -> String) -> Option<Time> {
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

    fn name(&mut self, name: &str, path: impl Fn() -> String) {
        if name.len() > NAME_BYTES_MAX {
            self.at(&path, "longer than 128 bytes");
        }
        if name.chars().any(char::is_control) {
            self.at(path, "holds a control character");
        }
    }
}

/// The request's id and its meaning.
///
/// # Errors
/// The fields that cannot be used, at least one, with paths such as `history.events[3].kind`.
pub(super) fn score_request(
    request: proto::ScoreRequest,
) -> Result<(String, Origin, ScoreRequest), Vec<Violation>> {
    let proto::ScoreRequest { request_id, record, tasks, prediction_time, options } = request;
    let mut faults = Faults::default();
    faults.name(&request_id, || "request_id".into());
    let tasks = task_refs(tasks, &mut faults);
    let prediction_time = faults.time(prediction_time, || "prediction_time".into());
    let options = score_options(options.unwrap_or_default(), &mut faults);
    let (origin, record) = match record {
        Some(proto::score_request::Record::History(given)) => {
            (Origin::History, history(given, &mut faults))
        }
        Some(proto::score_request::Record::FhirBundleJson(json)) => {
            let read = Origin::of_bundle(&json).map_err(|found| faults.0.extend(found));
            read.unwrap_or_default()
        }
        None => {
            faults.at(|| "history".into(), MISSING);
            <(Origin, Record)>::default()
        }
    };
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    Ok((request_id, origin, ScoreRequest { record, tasks, prediction_time, options }))
}

fn task_refs(given: Vec<proto::TaskRef>, faults: &mut Faults) -> Vec<TaskRef> {
    if given.len() > TASKS_MAX {
        faults.at(|| "tasks".into(), "more than 64 tasks");
        return Vec::new();
    }
    let each = given.into_iter().enumerate();
    each.map(|(place, given)| named_task(given, &|field| format!("tasks[{place}].{field}"), faults))
        .collect()
}

fn named_task(
    given: proto::TaskRef,
    path: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) -> TaskRef {
    let proto::TaskRef { task, version } = given;
    if task.is_empty() {
        faults.at(|| path("task"), MISSING);
    }
    faults.name(&task, || path("task"));
    faults.name(&version, || path("version"));
    TaskRef { task, version: filled(version) }
}

/// A task and a version that are a request's own fields.
///
/// # Errors
/// The fields that cannot be used.
pub(super) fn task_ref(given: proto::TaskRef) -> Result<TaskRef, Vec<Violation>> {
    let mut faults = Faults::default();
    let named = named_task(given, &str::to_owned, &mut faults);
    if faults.0.is_empty() { Ok(named) } else { Err(faults.0) }
}

fn score_options(given: proto::ScoreOptions, faults: &mut Faults) -> ScoreOptions {
    let proto::ScoreOptions { max_reasons, no_reasons } = given;
    if max_reasons > REASONS_MAX {
        faults.at(|| "options.max_reasons".into(), "more than 50");
    }
    let reasons_max = match (no_reasons, max_reasons) {
        (true, _) => 0,
        (false, 0) => REASONS_DEFAULT,
        (false, some) => some,
    };
    ScoreOptions { reasons_max: reasons_max as usize }
}

fn history(given: proto::PatientHistory, faults: &mut Faults) -> Record {
    let proto::PatientHistory {
        patient_id,
        birth_date,
        sex: sex_number,
        death_time,
        region,
        coverage,
        encounters,
        events,
        audit_attributes,
    } = given;
    let path = |field: &str| format!("history.{field}");
    let birth_date = filled(birth_date).and_then(|text| {
        let date = PartialDate::parse(&text);
        if date.is_none() {
            faults.at(|| path("birth_date"), "not a date YYYY, YYYY-MM or YYYY-MM-DD");
        }
        date
    });
    Record {
        patient_id,
        birth_date,
        sex: sex(sex_number, faults),
        death_time: faults.time(death_time, || path("death_time")),
        region: filled(region),
        coverage: periods(coverage, faults),
        encounters: encounters
            .into_iter()
            .enumerate()
            .filter_map(|(place, given)| encounter(given, place, faults))
            .collect(),
        events: events
            .into_iter()
            .enumerate()
            .filter_map(|(place, given)| event(given, place, faults))
            .collect(),
        audit_attributes: attributes(audit_attributes.unwrap_or_default()),
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

fn periods(given: Vec<proto::Period>, faults: &mut Faults) -> Vec<Period> {
    let each = given.into_iter().enumerate();
    each.map(|(place, proto::Period { start, end })| Period {
        start: faults.time(start, || format!("history.coverage[{place}].start")),
        end: faults.time(end, || format!("history.coverage[{place}].end")),
    })
    .collect()
}

fn attributes(given: proto::AuditAttributes) -> AuditAttributes {
    let proto::AuditAttributes { race, ethnicity, language, insurance, gender_identity } = given;
    AuditAttributes {
        race: filled(race),
        ethnicity: filled(ethnicity),
        language: filled(language),
        insurance: filled(insurance),
        gender_identity: filled(gender_identity),
    }
}

/// `None` when a fault was noted that leaves no encounter.
fn encounter(given: proto::Encounter, place: usize, faults: &mut Faults) -> Option<Encounter> {
    let proto::Encounter {
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
    } = given;
    let path = |field: &str| format!("history.encounters[{place}].{field}");
    let known_class = EncounterClass::parse(&class);
    if known_class.is_none() {
        let reason = if class.is_empty() { MISSING } else { "not a known v3-ActCode" };
        faults.at(|| path("class"), reason);
    }
    if start.is_none() {
        faults.at(|| path("start"), MISSING);
    }
    let start = faults.time(start, || path("start"));
    let end = faults.time(end, || path("end"));
    Some(Encounter {
        id,
        class: known_class?,
        start: start?,
        end,
        admission_type: filled(admission_type),
        admission_source: filled(admission_source),
        discharge_disposition: filled(discharge_disposition),
        service: filled(service),
        facility: filled(facility),
        planned,
        synthetic,
    })
}

/// `None` when a fault was noted that leaves no event.
fn event(given: proto::Event, place: usize, faults: &mut Faults) -> Option<Event> {
    let proto::Event {
        id,
        kind,
        time,
        end_time,
        recorded_time,
        time_precision,
        system,
        code,
        value,
        comparator,
        unit,
        encounter_id,
        rank,
        status,
    } = given;
    let path = |field: &str| format!("history.events[{place}].{field}");
    let kind = event_kind(kind).map_err(|reason| faults.at(|| path("kind"), reason)).ok();
    let time_precision = precision(time_precision);
    if time_precision.is_none() {
        faults.at(|| path("time_precision"), NOT_A_VALUE);
    }
    let bound = filled(comparator).map(|text| Comparator::parse(&text));
    if bound == Some(None) {
        faults.at(|| path("comparator"), "not one of <, <=, >= and >");
    }
    let time = faults.time(time, || path("time"));
    let end_time = faults.time(end_time, || path("end_time"));
    let recorded_time = faults.time(recorded_time, || path("recorded_time"));
    Some(Event {
        id: filled(id),
        kind: kind?,
        time,
        end_time,
        recorded_time,
        time_precision: time_precision?,
        code: Code::new(&system, &code).into(),
        value: value.map(|value| match value {
            proto::event::Value::Number(number) => Value::Number(number),
            proto::event::Value::Coded(code) => Value::Coded(code),
            proto::event::Value::Text(text) => Value::Text(text),
        }),
        comparator: bound.flatten(),
        unit: filled(unit),
        encounter_id: filled(encounter_id),
        rank,
        status: EventStatus::parse(&status),
    })
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
fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos })
    }

    fn request(history: proto::PatientHistory) -> proto::ScoreRequest {
        let record = Some(proto::score_request::Record::History(history));
        proto::ScoreRequest { record, ..Default::default() }
    }

    fn faults(request: proto::ScoreRequest) -> Vec<(String, &'static str)> {
        let violations = score_request(request).unwrap_err();
        violations.into_iter().map(|v| (v.path, v.reason)).collect()
    }

    #[test]
    fn every_fault_is_named_by_its_path() {
        let good = proto::Event { kind: 1, time: at(-86_400, 0), ..Default::default() };
        let bad = proto::Event {
            comparator: "~".into(),
            time_precision: 77,
            recorded_time: at(i64::MAX, 0),
            ..Default::default()
        };
        let found = faults(request(proto::PatientHistory {
            birth_date: "1950-13".into(),
            sex: 9,
            coverage: vec![proto::Period { start: at(0, -1), end: None }],
            encounters: vec![proto::Encounter { class: "BED".into(), ..Default::default() }],
            events: vec![good, bad],
            ..Default::default()
        }));
        let expected = [
            ("history.birth_date", "not a date YYYY, YYYY-MM or YYYY-MM-DD"),
            ("history.sex", NOT_A_VALUE),
            ("history.coverage[0].start", "nanos outside 0 to 999999999"),
            ("history.encounters[0].class", "not a known v3-ActCode"),
            ("history.encounters[0].start", MISSING),
            ("history.events[1].kind", MISSING),
            ("history.events[1].time_precision", NOT_A_VALUE),
            ("history.events[1].comparator", "not one of <, <=, >= and >"),
            ("history.events[1].recorded_time", OUTSIDE),
        ];
        assert_eq!(found, expected.map(|(path, reason)| (path.to_owned(), reason)));
    }

    #[test]
    fn a_request_without_a_record_or_with_too_much_is_refused() {
        let tasks = vec![proto::TaskRef::default(); 65];
        let options = Some(proto::ScoreOptions { max_reasons: 51, no_reasons: false });
        let found = faults(proto::ScoreRequest { tasks, options, ..Default::default() });
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["tasks", "options.max_reasons", "history"]);
    }

    #[test]
    fn a_bad_record_gets_a_short_answer() {
        let events = vec![proto::Event::default(); 5_000];
        let history = proto::PatientHistory { events, ..Default::default() };
        assert_eq!(faults(request(history)).len(), Faults::MAX);
    }

    #[test]
    fn absent_fields_take_their_defaults() {
        let (id, _, meant) = score_request(request(proto::PatientHistory::default())).unwrap();
        assert_eq!(id, "");
        assert_eq!(meant.record, Record::default());
        assert_eq!(meant.options.reasons_max, 5);
        assert_eq!((meant.tasks.len(), meant.prediction_time), (0, None));
    }
}
