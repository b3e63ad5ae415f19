//! One event made ready for use: its concepts, its value in their unit, the time it became known.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::issue::{IssueKind, Issues, KnownAfter};
use super::known_codes::{KnownCode, KnownCodes};
use super::protected::Protected;
use super::unit::Converted;
use super::{
    Code, Comparator, Concept, ConceptId, ConceptSet, Event, EventKind, EventStatus, EventTimes,
    Time, TimePrecision, Value,
};

/// One usable event of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it happened; noon of its day where only the day is known.
    pub time: Time,
    /// When the record knew of it.
    pub known: Time,
    pub precision: TimePrecision,
    /// When it counts as an outcome: for diagnoses and problems when they were recorded, where the
    /// record says so, because an onset is often put before the day it was found. `None` where not
    /// even the day is known.
    pub(super) dated: Option<Time>,
    pub kind: EventKind,
    pub code: Arc<Code>,
    /// The concepts its code belongs to, in order.
    pub concepts: Arc<[ConceptId]>,
    /// Its number in the unit of its concept, rounded to the concept's step.
    pub number: Option<f64>,
    pub comparator: Option<Comparator>,
    pub coded: Option<String>,
    pub rank: Option<u32>,
    /// The place of its encounter in the history.
    pub(super) encounter: Option<usize>,
    /// Its place in the record it came from.
    pub(super) source: usize,
}

impl Entry {
    /// Whether its code belongs to one of the concepts.
    pub fn is_any_of(&self, concepts: &[ConceptId]) -> bool {
        concepts.iter().any(|concept| self.concepts.contains(concept))
    }

    /// Whether at least the day on which it happened is known.
    pub fn is_dated(&self) -> bool {
        self.precision.is_dated()
    }

    /// The place of its encounter in the history: the same for all events of one encounter.
    pub fn encounter(&self) -> Option<usize> {
        self.encounter
    }

    /// A total order by content alone, so that the order of the record cannot matter; `events` are those
    /// of the record it came from.
    pub(super) fn order(&self, other: &Entry, events: &[Event]) -> Ordering {
        let number = |entry: &Entry| entry.number.map(f64::to_bits);
        let (one, two) = (events.get(self.source), events.get(other.source));
        let end = |event: Option<&Event>| event?.end_time;
        fn id(event: Option<&Event>) -> Option<&str> {
            event?.id.as_deref()
        }
        (self.time, self.kind)
            .cmp(&(other.time, other.kind))
            .then_with(|| match Arc::ptr_eq(&self.code, &other.code) {
                true => Ordering::Equal,
                false => self.code.cmp(&other.code),
            })
            .then_with(|| self.coded.cmp(&other.coded))
            .then_with(|| one.and_then(text).cmp(&two.and_then(text)))
            .then_with(|| (self.rank, self.encounter).cmp(&(other.rank, other.encounter)))
            .then_with(|| number(self).cmp(&number(other)))
            .then_with(|| {
                (self.comparator, self.known, self.dated, end(one), self.precision, id(one)).cmp(&(
                    other.comparator,
                    other.known,
                    other.dated,
                    end(two),
                    other.precision,
                    id(two),
                ))
            })
            .then(self.source.cmp(&other.source))
    }

    /// Whether both are the same event of `events` sent twice.
    pub(super) fn repeats(&self, other: &Entry, events: &[Event]) -> bool {
        let Entry {
            time,
            known,
            precision,
            dated,
            kind,
            code,
            concepts: _,
            number,
            comparator,
            coded,
            rank,
            encounter,
            source,
        } = self;
        let said = |source: usize| {
            let event = events.get(source)?;
            Some((&event.id, text(event), event.end_time))
        };
        (time, known, dated, precision, kind, code, comparator, rank, encounter)
            == (
                &other.time,
                &other.known,
                &other.dated,
                &other.precision,
                &other.kind,
                &other.code,
                &other.comparator,
                &other.rank,
                &other.encounter,
            )
            && number.map(f64::to_bits) == other.number.map(f64::to_bits)
            && *coded == other.coded
            && said(*source) == said(other.source)
    }
}

/// The free text of an event.
fn text(event: &Event) -> Option<&str> {
    match &event.value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// What entries need of the whole record.
pub(super) struct Context<'a, 'c> {
    pub concepts: &'a ConceptSet,
    pub codes: &'c mut KnownCodes,
    pub known_after: &'a KnownAfter,
    /// Encounter id to its place in the history.
    pub encounters: HashMap<&'a str, usize, RandomState>,
    /// The concepts of codes by where they stand in memory: one that many events of the record share
    /// is not read again for each of them.
    shared: HashMap<*const Code, KnownCode, RandomState>,
    /// What of the entries made so far is sensitive.
    pub protected: Protected,
}

impl<'a, 'c> Context<'a, 'c> {
    pub(super) fn new(
        concepts: &'a ConceptSet,
        known_after: &'a KnownAfter,
        codes: &'c mut KnownCodes,
        encounters: HashMap<&'a str, usize, RandomState>,
    ) -> Context<'a, 'c> {
        let protected = Protected::of(concepts);
        Context { concepts, codes, known_after, encounters, shared: HashMap::default(), protected }
    }

    fn known(&mut self, code: &Arc<Code>) -> KnownCode {
        if let Some(known) = self.shared.get(&Arc::as_ptr(code)) {
            return known.clone();
        }
        let is_shared = Arc::strong_count(code) > 1;
        let found = self.codes.of(code, self.concepts);
        if is_shared {
            self.shared.insert(Arc::as_ptr(code), found.clone());
        }
        found
    }
}

/// Makes the entry of event number `source`, or counts why there is none.
pub(super) fn entry(
    event: &Event,
    source: usize,
    context: &mut Context<'_, '_>,
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
    let Some(times) = event.times(context.known_after) else {
        return drop(IssueKind::NoTime, "time");
    };
    let EventTimes { earliest: _, time, recorded, known } = times;
    let happened = event.time_precision.is_dated().then_some(time);
    let dated = match event.kind {
        EventKind::Diagnosis | EventKind::Problem => recorded.map(|r| r.max(time)).or(happened),
        _ => happened,
    };
    let KnownCode { concepts, classes } = context.known(&event.code);
    context.protected.event(source, classes.and(event.sensitive));
    let encounter = event.encounter_id.as_deref().and_then(|id| {
        let place = context.encounters.get(id).copied();
        if place.is_none() {
            let path = || format!("events[{source}].encounter_id");
            issues.count(IssueKind::UnknownEncounter, path);
        }
        place
    });
    let (number, coded) = match &event.value {
        Some(Value::Number(number)) => {
            (number_in_unit(*number, event, &concepts, source, context, issues), None)
        }
        Some(Value::Coded(code)) => (None, Some(code.trim().to_ascii_lowercase())),
        Some(Value::Text(_)) | None => (None, None),
    };
    Some(Entry {
        time,
        known,
        precision: event.time_precision,
        dated,
        kind: event.kind,
        code: event.code.clone(),
        concepts,
        number,
        comparator: event.comparator,
        coded,
        rank: event.rank,
        encounter,
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
    context: &Context<'_, '_>,
    issues: &mut Issues,
) -> Option<f64> {
    // Adding 0.0 turns -0.0 into 0.0, which must not differ from it in any order or hash.
    let number = number + 0.0;
    let with_unit = concepts
        .iter()
        .find_map(|id| Some((context.concepts.get(*id)?, context.concepts.units(*id)?)));
    let Some((concept, units)) = with_unit else { return Some(number) };
    let number = match units.convert(number, event.unit.as_deref(), &event.code) {
        Converted::Value(number) => number,
        Converted::Assumed(number) => {
            if concept.unit.as_deref() != Some("{count}") {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Code;

    fn shipped() -> ConceptSet {
        ConceptSet::parse(include_str!("../../models/concepts.toml")).unwrap()
    }

    /// The number of a measurement of `code`, as a history would hold it.
    fn read(concepts: &ConceptSet, code: &Code, number: f64, unit: Option<&str>) -> Option<f64> {
        let time = Time::from_micros(0);
        let mut event = Event::new(EventKind::Measurement, code.clone(), time);
        event.value = Some(Value::Number(number));
        event.unit = unit.map(str::to_owned);
        let known_after = KnownAfter::default();
        let (encounters, codes) = (HashMap::default(), &mut KnownCodes::default());
        let known_after = &known_after;
        let context = &mut Context::new(concepts, known_after, codes, encounters);
        entry(&event, 0, context, &mut Issues::default())?.number
    }

    /// A measured value that is exact in the concept's unit is the same number when it was sent in
    /// any other unit, printed with six significant digits.
    #[test]
    fn six_digits_in_any_unit_give_the_same_bits() {
        let concepts = shipped();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut compared = 0;
        for id in (0..concepts.len() as u32).map(ConceptId) {
            let (Some(concept), Some(units)) = (concepts.get(id), concepts.units(id)) else {
                continue;
            };
            let (Some([low, high]), Some(step)) = (concept.range, concept.step) else { continue };
            let code = concept.codes.iter().find_map(|code| Code::parse(code)).unwrap();
            let own = concept.unit.as_deref();
            let steps = ((low / step).ceil() as i64, (high / step).floor() as i64);
            for (unit, other) in units.ready() {
                for round in 0..40 {
                    let count = match round {
                        0 => steps.0,
                        1 => steps.1,
                        _ => rng.i64(steps.0..=steps.1),
                    };
                    let number = round_to_step(count as f64 * step, concept);
                    let exact = read(&concepts, &code, number, own).unwrap();
                    assert_eq!(exact.to_bits(), number.to_bits(), "{}", concept.title);
                    let sent = format!("{:.5e}", (number - other.offset) / other.scale);
                    let again = read(&concepts, &code, sent.parse().unwrap(), Some(unit));
                    let bits = again.map(f64::to_bits);
                    let title = &concept.title;
                    assert_eq!(bits, Some(number.to_bits()), "{title}: {sent} {unit}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 50_000, "{compared}");
    }

    #[test]
    fn shipped_concepts_read_everyday_units() {
        let concepts = shipped();
        let of = |code: &str, number, unit| {
            read(&concepts, &Code::new("LOINC", code), number, Some(unit))
        };
        assert_eq!(of("8480-6", 16.0, "kPa"), Some(120.0));
        assert_eq!(of("8480-6", 120.0, "mmHg"), Some(120.0));
        assert_eq!(of("8310-5", 98.6, "Deg. F"), Some(37.0));
        assert_eq!(of("29463-7", 150.0, "lbs"), Some(68.0));
        assert_eq!(of("8302-2", 70.0, "in"), Some(178.0));
        assert_eq!(of("2160-0", 88.42, "umol/L"), Some(1.0));
        assert_eq!(of("14682-9", 88.42, "µmol/l"), Some(1.0));
        assert_eq!(of("6690-2", 7.5, "K/uL"), Some(7.5));
        assert_eq!(of("6690-2", 7500.0, "/mm3"), Some(7.5));
        assert_eq!(of("777-3", 250.0, "10*9/L"), Some(250.0));
        assert_eq!(of("2823-3", 4.1, "mEq/L"), Some(4.1));
        assert_eq!(of("4548-4", 48.0, "mmol/mol"), Some(6.5));
        assert_eq!(of("1751-7", 40.0, "g/L"), Some(4.0));
        assert_eq!(of("33914-3", 60.0, "mL/min/1.73m2"), Some(60.0));
        assert_eq!(of("6301-6", 2.5, "1"), Some(2.5));
        assert_eq!(of("2093-3", 5.0, "mmol/L"), Some(193.0));
        assert_eq!(of("8867-4", 0.0, "bpm"), None, "no pulse at all");
        assert_eq!(of("29463-7", 70.0, "cm"), None);
        assert_eq!(of("2093-3", 5.0, "furlongs"), None);
        assert_eq!(of("8480-6", 120.0, "mmHg/x"), None);
        assert_eq!(read(&concepts, &Code::new("LOINC", "14682-9"), 30.0, None), None);
        assert_eq!(read(&concepts, &Code::new("LOINC", "2160-0"), 3.0, None), Some(3.0));
    }
}
