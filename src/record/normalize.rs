//! One event made ready for use: its concepts, its value in their unit, the time it became known.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::issue::{IssueKind, Issues, KnownAfter};
use super::unit::{Converted, convert};
use super::{
    Code, Comparator, Concept, ConceptId, ConceptSet, Event, EventKind, EventStatus, Time,
    TimePrecision, Value,
};

/// One usable event of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it happened; noon of its day where only the day is known.
    pub time: Time,
    /// When the record knew of it.
    pub known: Time,
    pub precision: TimePrecision,
    pub kind: EventKind,
    pub code: Code,
    /// The concepts its code belongs to, in order.
    pub concepts: Vec<ConceptId>,
    /// Its number in the unit of its concept, rounded to the concept's step.
    pub number: Option<f64>,
    pub comparator: Option<Comparator>,
    pub coded: Option<String>,
    pub rank: Option<u32>,
    /// The place of its encounter in the history.
    pub(super) encounter: Option<usize>,
    id: Option<String>,
    text: Option<String>,
    end_time: Option<Time>,
    /// Its place in the record it came from.
    pub(super) source: usize,
}

impl Entry {
    /// A total order by content alone, so that the order of the record cannot matter.
    pub(super) fn order(&self, other: &Entry) -> Ordering {
        let number = |entry: &Entry| entry.number.map(f64::to_bits);
        (self.time, self.kind, &self.code, &self.coded, &self.text, self.rank, self.encounter)
            .cmp(&(
                other.time,
                other.kind,
                &other.code,
                &other.coded,
                &other.text,
                other.rank,
                other.encounter,
            ))
            .then_with(|| number(self).cmp(&number(other)))
            .then_with(|| {
                (self.comparator, self.known, self.end_time, self.precision, &self.id).cmp(&(
                    other.comparator,
                    other.known,
                    other.end_time,
                    other.precision,
                    &other.id,
                ))
            })
            .then(self.source.cmp(&other.source))
    }

    /// Whether both are the same event sent twice.
    pub(super) fn repeats(&self, other: &Entry) -> bool {
        let Entry {
            time,
            known,
            precision,
            kind,
            code,
            concepts: _,
            number,
            comparator,
            coded,
            rank,
            encounter,
            id,
            text,
            end_time,
            source: _,
        } = self;
        (time, known, precision, kind, code, comparator, rank, encounter)
            == (
                &other.time,
                &other.known,
                &other.precision,
                &other.kind,
                &other.code,
                &other.comparator,
                &other.rank,
                &other.encounter,
            )
            && number.map(f64::to_bits) == other.number.map(f64::to_bits)
            && (coded, id, text, end_time)
                == (&other.coded, &other.id, &other.text, &other.end_time)
    }
}

/// What entries need of the whole record.
pub(super) struct Context<'a> {
    pub concepts: &'a ConceptSet,
    pub known_after: &'a KnownAfter,
    /// Encounter id to its place in the history.
    pub encounters: HashMap<&'a str, usize>,
}

/// Makes the entry of event number `source`, or counts why there is none.
pub(super) fn entry(
    event: &Event,
    source: usize,
    context: &Context<'_>,
    issues: &mut Issues,
) -> Option<Entry> {
    let mut drop = |kind, field| {
        issues.count(kind, || format!("events[{source}].{field}"));
        None
    };
    match event.status {
        EventStatus::Counted => {}
        EventStatus::EnteredInError => return drop(IssueKind::EnteredInError, "status"),
        EventStatus::NotDone => return drop(IssueKind::NotDone, "status"),
    }
    let Some(given) = event.time.or(event.recorded_time) else {
        return drop(IssueKind::NoTime, "time");
    };
    // A date may be sent as any instant of its day.
    let (earliest, time) = match event.time_precision {
        TimePrecision::Day => (given.start_of_day(), given.start_of_day().plus_hours(12)),
        _ => (given, given),
    };
    // A recording before the event is not believable.
    let recorded = event.recorded_time.filter(|recorded| *recorded >= earliest);
    let known =
        recorded.unwrap_or_else(|| earliest.plus_hours(context.known_after.hours(event.kind)));
    let concepts = context.concepts.concepts_of(&event.code);
    let encounter = event.encounter_id.as_deref().and_then(|id| {
        let place = context.encounters.get(id).copied();
        if place.is_none() {
            let path = || format!("events[{source}].encounter_id");
            issues.count(IssueKind::UnknownEncounter, path);
        }
        place
    });
    let (number, coded, text) = match &event.value {
        Some(Value::Number(number)) => {
            (number_in_unit(*number, event, &concepts, source, context, issues), None, None)
        }
        Some(Value::Coded(code)) => (None, Some(code.trim().to_ascii_lowercase()), None),
        Some(Value::Text(text)) => (None, None, Some(text.clone())),
        None => (None, None, None),
    };
    Some(Entry {
        time,
        known,
        precision: event.time_precision,
        kind: event.kind,
        code: event.code.clone(),
        concepts,
        number,
        comparator: event.comparator,
        coded,
        rank: event.rank,
        encounter,
        id: event.id.clone(),
        text,
        end_time: event.end_time,
        source,
    })
}

/// The number in the unit of the first concept that has one: converted, checked against the
/// plausible range, rounded. A number that fails is missing, never guessed.
fn number_in_unit(
    number: f64,
    event: &Event,
    concepts: &[ConceptId],
    source: usize,
    context: &Context<'_>,
    issues: &mut Issues,
) -> Option<f64> {
    // Adding 0.0 turns -0.0 into 0.0, which must not differ from it in any order or hash.
    let number = number + 0.0;
    let known = concepts.iter().filter_map(|id| context.concepts.get(*id));
    let Some(concept) = known.into_iter().find(|concept| concept.unit.is_some()) else {
        return Some(number);
    };
    let own = concept.unit.as_deref().unwrap_or_default();
    let converted = convert(number, event.unit.as_deref(), own, &concept.accept);
    let number = match converted {
        Converted::Value(number) => number,
        Converted::Assumed(number) => {
            if own != "{count}" {
                issues.count(IssueKind::MissingUnit, || format!("events[{source}].unit"));
            }
            number
        }
        Converted::Unknown => {
            issues.count(IssueKind::UnknownUnit, || format!("events[{source}].unit"));
            return None;
        }
    };
    let rounded = round_to_step(number, concept);
    let plausible = concept.range.is_none_or(|[low, high]| (low..=high).contains(&rounded))
        && rounded.is_finite();
    if !plausible {
        issues.count(IssueKind::ImplausibleValue, || format!("events[{source}].value"));
        return None;
    }
    Some(rounded)
}

fn round_to_step(number: f64, concept: &Concept) -> f64 {
    match concept.step {
        // Dividing by the inverse keeps decimal steps such as 0.1 on their decimal values.
        Some(step) if step < 1.0 => {
            let inverse = (1.0 / step).round();
            (number * inverse).round() / inverse + 0.0
        }
        Some(step) => (number / step).round() * step + 0.0,
        None => number,
    }
}
