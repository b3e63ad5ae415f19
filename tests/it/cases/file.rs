//! The case files as they are written, and the records they stand for.

use std::path::PathBuf;

use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, PartialDate, Period, Record, Sex, Time,
    TimePrecision, Value,
};
use serde::Deserialize;

use crate::support::root;

/// Who is meant where a case says nothing of it.
const BIRTH: &str = "1960-07-01";
const COVERAGE: [&str; 2] = ["2015-01-01", "2025-01-01"];
/// How long a visit lasts, and when in it the pressure is taken.
const VISIT_MINUTES: i64 = 30;
const READING_MINUTES: i64 = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

/// One history and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub name: String,
    pub why: String,
    birth: Option<String>,
    #[serde(default = "female")]
    sex: String,
    death: Option<String>,
    coverage: Option<Vec<[String; 2]>>,
    #[serde(default)]
    encounters: Vec<EncounterRow>,
    #[serde(default)]
    visits: Vec<VisitRow>,
    #[serde(default)]
    events: Vec<EventRow>,
    expect: Vec<ExpectRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncounterRow {
    id: String,
    class: EncounterClass,
    start: String,
    end: Option<String>,
    #[serde(rename = "type")]
    admission_type: Option<String>,
    source: Option<String>,
    disposition: Option<String>,
    facility: Option<String>,
    planned: Option<bool>,
}

/// A short contact, with a blood pressure where one is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VisitRow {
    id: Option<String>,
    at: String,
    #[serde(default = "ambulatory")]
    class: EncounterClass,
    pressure: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventRow {
    #[serde(default = "measurement")]
    kind: EventKind,
    code: Option<String>,
    /// Systolic and diastolic, instead of a code and a number.
    pressure: Option<String>,
    time: String,
    recorded: Option<String>,
    #[serde(default)]
    precision: Precision,
    number: Option<f64>,
    unit: Option<String>,
    encounter: Option<String>,
    rank: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Precision {
    #[default]
    Instant,
    Day,
    Month,
    Year,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectRow {
    at: String,
    /// The same for the first of each month up to this one.
    monthly_to: Option<String>,
    label: Option<Word>,
    part: Option<String>,
    left_out: Option<String>,
    /// When the outcome, the death or the end of follow-up came.
    until: Option<String>,
    /// What the days are counted from, where that is not the index time.
    from: Option<String>,
    because: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Positive,
    Negative,
    CompetingDeath,
    Censored,
}

/// What must come of one index time.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub at: Time,
    pub what: String,
    pub until: Option<Time>,
    pub from: Option<Time>,
    pub because: String,
}

fn female() -> String {
    "female".to_owned()
}

fn ambulatory() -> EncounterClass {
    EncounterClass::Ambulatory
}

fn measurement() -> EventKind {
    EventKind::Measurement
}

/// Where the case files are.
pub(super) fn folder() -> PathBuf {
    root().join("tests/cases/labels")
}

/// The cases of a task.
pub(super) fn read(task: &str) -> Vec<Case> {
    let path = folder().join(format!("{task}.toml"));
    parse(task, &std::fs::read_to_string(path).unwrap())
}

/// The cases in a file's text.
pub(super) fn parse(task: &str, text: &str) -> Vec<Case> {
    let file: CaseFile = toml::from_str(text).unwrap_or_else(|error| panic!("{task}: {error}"));
    file.case
}

/// `2020-03-01` (midnight) or `2020-03-01T10:00`, both UTC.
fn time(text: &str) -> Time {
    let full = if text.contains('T') { format!("{text}:00Z") } else { format!("{text}T00:00:00Z") };
    Time::parse(&full).unwrap_or_else(|| panic!("no time: {text}"))
}

fn minutes_after(start: Time, minutes: i64) -> Time {
    Time::from_micros(start.micros() + minutes * 60_000_000)
}

impl Case {
    /// The record the case stands for.
    pub(super) fn record(&self) -> Record {
        let mut encounters: Vec<Encounter> =
            self.encounters.iter().map(EncounterRow::encounter).collect();
        let mut events = Vec::new();
        for (place, visit) in self.visits.iter().enumerate() {
            let id = visit.id.clone().unwrap_or_else(|| format!("visit {place}"));
            let start = time(&visit.at);
            let end = minutes_after(start, VISIT_MINUTES);
            encounters.push(Encounter::new(&id, visit.class, start, Some(end)));
            let at = minutes_after(start, READING_MINUTES);
            let taken = visit.pressure.iter().flat_map(|pressure| readings(pressure, at));
            events.extend(taken.map(|event| Event { encounter_id: Some(id.clone()), ..event }));
        }
        events.extend(self.events.iter().flat_map(EventRow::events));
        let given = self.coverage.clone();
        let coverage = given.unwrap_or_else(|| vec![COVERAGE.map(str::to_owned)]);
        let birth = self.birth.as_deref().unwrap_or(BIRTH);
        Record {
            patient_id: "p".into(),
            birth_date: (birth != "unknown").then(|| PartialDate::parse(birth).unwrap()),
            sex: Sex::parse(&self.sex),
            death_time: self.death.as_deref().map(time),
            coverage: coverage
                .iter()
                .map(|[start, end]| Period { start: Some(time(start)), end: Some(time(end)) })
                .collect(),
            encounters,
            events,
            ..Record::default()
        }
    }

    /// What must come of every index time, in order.
    pub(super) fn expected(&self) -> Vec<Expected> {
        self.expect.iter().flat_map(ExpectRow::each).collect()
    }
}

impl EncounterRow {
    fn encounter(&self) -> Encounter {
        let end = self.end.as_deref().map(time);
        Encounter {
            admission_type: self.admission_type.clone(),
            admission_source: self.source.clone(),
            discharge_disposition: self.disposition.clone(),
            facility: self.facility.clone(),
            planned: self.planned,
            ..Encounter::new(&self.id, self.class, time(&self.start), end)
        }
    }
}

fn readings(pressure: &str, at: Time) -> [Event; 2] {
    let (systolic, diastolic) = pressure.split_once('/').unwrap();
    [("8480-6", systolic), ("8462-4", diastolic)].map(|(code, number)| Event {
        value: Some(Value::Number(number.parse().unwrap())),
        unit: Some("mm[Hg]".into()),
        ..Event::new(EventKind::Measurement, Code::new("LOINC", code), at)
    })
}

impl EventRow {
    fn events(&self) -> Vec<Event> {
        let at = time(&self.time);
        let bare = match (&self.pressure, &self.code) {
            (Some(pressure), None) => readings(pressure, at).to_vec(),
            (None, Some(code)) => {
                let code = Code::parse(code).unwrap_or_else(|| panic!("no code: {code}"));
                let event = Event::new(self.kind, code, at);
                let (value, unit) = (self.number.map(Value::Number), self.unit.clone());
                vec![Event { value, unit, ..event }]
            }
            _ => panic!("an event has a code or a pressure: {}", self.time),
        };
        let whole = |event| Event {
            recorded_time: self.recorded.as_deref().map(time),
            time_precision: match self.precision {
                Precision::Instant => TimePrecision::Instant,
                Precision::Day => TimePrecision::Day,
                Precision::Month => TimePrecision::Month,
                Precision::Year => TimePrecision::Year,
            },
            encounter_id: self.encounter.clone(),
            rank: self.rank,
            ..event
        };
        bare.into_iter().map(whole).collect()
    }
}

impl ExpectRow {
    fn each(&self) -> Vec<Expected> {
        let what = match (self.label, &self.part, &self.left_out) {
            (Some(Word::Positive), Some(part), None) => format!("positive: {part}"),
            (Some(Word::Negative), None, None) => "negative".to_owned(),
            (Some(Word::CompetingDeath), None, None) => "competing_death".to_owned(),
            (Some(Word::Censored), None, None) => "censored".to_owned(),
            (None, None, Some(criterion)) => format!("left out: {criterion}"),
            _ => panic!("a label (positive with its part) or left_out: {}", self.at),
        };
        let mut at = time(&self.at);
        let last = self.monthly_to.as_deref().map_or(at, time);
        let mut list = Vec::new();
        while at <= last {
            list.push(Expected {
                at,
                what: what.clone(),
                until: self.until.as_deref().map(time),
                from: self.from.as_deref().map(time),
                because: self.because.clone(),
            });
            at = at.next_month_start();
        }
        list
    }
}
