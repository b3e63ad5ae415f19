//! One thing that happened to a patient: a diagnosis, a measurement, a drug order ...

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Code, KnownAfter, Time};
use crate::access::Classes;

/// What sort of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Diagnosis,
    Problem,
    Procedure,
    Measurement,
    DrugOrder,
    DrugDispensed,
    DrugGiven,
    Allergy,
    Immunization,
    Other,
}

impl EventKind {
    /// Whether it is an order, a dispensing or a gift of a drug.
    pub fn is_drug(self) -> bool {
        matches!(self, EventKind::DrugOrder | EventKind::DrugDispensed | EventKind::DrugGiven)
    }
}

/// How exactly the time of an event is known.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum TimePrecision {
    #[default]
    Instant,
    Day,
    Month,
    Year,
}

impl TimePrecision {
    /// Whether at least the day is known.
    pub fn is_dated(self) -> bool {
        matches!(self, TimePrecision::Instant | TimePrecision::Day)
    }
}

/// A value beside the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Number(f64),
    Coded(String),
    Text(String),
}

/// That a number is a bound only (FHIR `Quantity.comparator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Comparator {
    Less,
    LessOrEqual,
    GreaterOrEqual,
    Greater,
}

impl Comparator {
    /// Reads `<`, `<=`, `>=` or `>`.
    pub fn parse(text: &str) -> Option<Comparator> {
        match text.trim() {
            "<" => Some(Comparator::Less),
            "<=" => Some(Comparator::LessOrEqual),
            ">=" => Some(Comparator::GreaterOrEqual),
            ">" => Some(Comparator::Greater),
            _ => None,
        }
    }

    /// `<`, `<=`, `>=` or `>`.
    pub fn sign(self) -> &'static str {
        match self {
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::GreaterOrEqual => ">=",
            Comparator::Greater => ">",
        }
    }
}

/// Whether an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EventStatus {
    /// Active, completed, final, or without a status.
    #[default]
    Counted,
    /// Withdrawn as a mistake.
    EnteredInError,
    /// Planned or cancelled, but it did not happen.
    NotDone,
}

impl EventStatus {
    /// Reads a FHIR status code; those not named here count.
    pub fn parse(text: &str) -> EventStatus {
        let text = text.trim();
        let is = |name: &&str| text.eq_ignore_ascii_case(name);
        if is(&"entered-in-error") {
            EventStatus::EnteredInError
        } else if ["not-done", "cancelled", "preparation", "draft", "refuted"].iter().any(is) {
            EventStatus::NotDone
        } else {
            EventStatus::Counted
        }
    }
}

/// One event as a source gives it, unchecked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The source's id of the event, if it has one.
    pub id: Option<String>,
    pub kind: EventKind,
    /// When it happened; an event without any time cannot be used and is counted as such.
    pub time: Option<Time>,
    pub end_time: Option<Time>,
    /// When it became known to the record; used when it is not before `time`.
    pub recorded_time: Option<Time>,
    pub time_precision: TimePrecision,
    /// Shared, because one code stands in many events.
    #[serde(with = "shared")]
    pub code: Arc<Code>,
    pub value: Option<Value>,
    pub comparator: Option<Comparator>,
    /// The unit of a number, in UCUM.
    pub unit: Option<String>,
    /// The encounter it belongs to, by `Encounter::id`.
    pub encounter_id: Option<String>,
    /// The rank of a diagnosis in its encounter; 1 is the principal one.
    pub rank: Option<u32>,
    pub status: EventStatus,
    /// The classes of sensitive content that its security labels name.
    pub sensitive: Classes,
}

/// A shared code, written as the code itself.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Code;

    pub(super) fn serialize<S: Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
        code.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Code>, D::Error> {
        Code::deserialize(from).map(Arc::new)
    }
}

/// When an event happened, and when the record knew of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTimes {
    /// The first instant it can have happened at.
    pub earliest: Time,
    /// The instant that stands for it: of a day its noon.
    pub time: Time,
    /// When it was recorded, where the source says so; a recording before the event is not believable.
    pub recorded: Option<Time>,
    /// When the record knew of it, as far as it says; else so many hours after it as its kind takes.
    pub known: Time,
}

impl Event {
    /// Its times; `None` for an event without a time of any kind.
    pub fn times(&self, known_after: &KnownAfter) -> Option<EventTimes> {
        let given = self.time.or(self.recorded_time)?;
        // A date may be sent as any instant of its day.
        let (earliest, time) = match self.time_precision {
            TimePrecision::Day => (given.start_of_day(), given.start_of_day().plus_hours(12)),
            _ => (given, given),
        };
        let recorded = self.recorded_time.filter(|recorded| *recorded >= earliest);
        let known = recorded.unwrap_or_else(|| earliest.plus_hours(known_after.hours(self.kind)));
        Some(EventTimes { earliest, time, recorded, known })
    }

    /// An event of `kind` with `code` at `time`, and nothing else said of it.
    pub fn new(kind: EventKind, code: impl Into<Arc<Code>>, time: Time) -> Event {
        Event {
            id: None,
            kind,
            time: Some(time),
            end_time: None,
            recorded_time: None,
            time_precision: TimePrecision::Instant,
            code: code.into(),
            value: None,
            comparator: None,
            unit: None,
            encounter_id: None,
            rank: None,
            status: EventStatus::Counted,
            sensitive: Classes::NONE,
        }
    }
}
