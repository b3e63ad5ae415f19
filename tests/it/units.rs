//! Units, swapped pressures and joined stays, through the door every record comes in by.

use std::sync::OnceLock;

use proptest::prelude::*;

use prodrome::import::Received;
use prodrome::record::{
    Built, Code, ConceptSet, Event, EventKind, History, IssueKind, Joined, Record, Time, Value,
};

use crate::support::{self, full_data, read_export, time};

fn concepts() -> &'static ConceptSet {
    static CONCEPTS: OnceLock<ConceptSet> = OnceLock::new();
    CONCEPTS.get_or_init(support::concepts)
}

fn measured(code: &str, number: f64, unit: &str, at: Time) -> Event {
    let mut event = Event::new(EventKind::Measurement, Code::new("LOINC", code), at);
    event.value = Some(Value::Number(number));
    event.unit = Some(unit.to_owned());
    event
}

fn build(events: Vec<Event>) -> Built {
    let record = Record { patient_id: "made-up".into(), events, ..Record::default() };
    History::build(&record, concepts(), &Default::default()).unwrap()
}

fn numbers(built: &Built) -> Vec<Option<f64>> {
    built.history.view(Time::LATEST).entries().map(|entry| entry.number).collect()
}

fn count(built: &Built, kind: IssueKind) -> u32 {
    built.issues.iter().find(|issue| issue.kind == kind).map_or(0, |issue| issue.count)
}

#[test]
fn a_unit_that_is_not_known_makes_the_value_missing_and_is_reported() {
    let at = time("2024-01-01T10:00:00Z");
    let built = build(vec![
        measured("8480-6", 120.0, "furlong", at),
        measured("8480-6", 121.0, "kg", at),
        measured("8480-6", 122.0, "mm Hg", at),
    ]);
    let found: Vec<f64> = numbers(&built).into_iter().flatten().collect();
    assert_eq!(found, [122.0]);
    assert_eq!(count(&built, IssueKind::UnknownUnit), 2);
}

#[test]
fn swapped_pressures_are_missing_and_reported_whatever_their_order() {
    let (at, later) = (time("2024-01-01T10:00:00Z"), time("2024-01-01T10:05:00Z"));
    let systolic = |number, at| measured("8480-6", number, "mmHg", at);
    let diastolic = |number, at| measured("8462-4", number, "mmHg", at);
    let pair = vec![systolic(80.0, at), diastolic(120.0, at), systolic(130.0, later)];
    let mut back = pair.clone();
    back.reverse();
    let mut twice = pair.clone();
    twice.extend(pair.clone());
    for events in [pair.clone(), back, twice] {
        let built = build(events);
        assert_eq!(numbers(&built), [None, None, Some(130.0)]);
        assert_eq!(count(&built, IssueKind::SwappedPressure), 2);
    }
    let sound = |events| count(&build(events), IssueKind::SwappedPressure) == 0;
    assert!(sound(vec![systolic(120.0, at), diastolic(80.0, at)]));
    assert!(sound(vec![systolic(90.0, at), diastolic(90.0, at)]));
    assert!(sound(vec![systolic(80.0, at), diastolic(120.0, later)]), "two readings");
    let mut other_stay = diastolic(120.0, at);
    other_stay.encounter_id = Some("s".into());
    let mut record = Record { patient_id: "made-up".into(), ..Record::default() };
    record.encounters = support::patient().encounters;
    record.encounters[0].id = "s".into();
    record.events = vec![systolic(80.0, at), other_stay];
    let built = History::build(&record, concepts(), &Default::default()).unwrap();
    assert_eq!(count(&built, IssueKind::SwappedPressure), 0, "another encounter");
}

#[test]
fn a_value_that_became_known_later_clears_none_seen_before() {
    let at = time("2024-01-01T10:00:00Z");
    let mut late = measured("8462-4", 120.0, "mmHg", at);
    late.recorded_time = Some(time("2024-01-03T10:00:00Z"));
    let built = build(vec![measured("8480-6", 80.0, "mmHg", at), late]);
    let seen = built.history.view(time("2024-01-02T10:00:00Z"));
    let seen: Vec<Option<f64>> = seen.entries().map(|entry| entry.number).collect();
    assert_eq!(seen, [Some(80.0)]);
}

#[test]
fn a_hundred_thousand_values_of_one_instant_are_paired_at_once() {
    let at = time("2024-01-01T10:00:00Z");
    let events = (0..100_000).map(|place| {
        let (code, number) = if place % 2 == 0 { ("8480-6", 60.0) } else { ("8462-4", 100.0) };
        let mut event = measured(code, number, "mmHg", at);
        event.id = Some(place.to_string());
        event
    });
    let built = build(events.collect());
    assert_eq!(count(&built, IssueKind::SwappedPressure), 100_000);
}

/// How many stays of a record began before all earlier ones had ended.
fn within_another(record: &Record) -> u32 {
    let mut stays: Vec<(Time, Time)> = record
        .encounters
        .iter()
        .filter(|encounter| encounter.class.is_stay())
        .map(|stay| (stay.start, stay.end.unwrap_or(Time::LATEST)))
        .collect();
    stays.sort_unstable();
    let earlier_end = |place: usize| stays[..place].iter().map(|stay| stay.1).max();
    let within = |place: &usize| earlier_end(*place).is_some_and(|end| stays[*place].0 <= end);
    (0..stays.len()).filter(within).count() as u32
}

#[test]
fn overlapping_stays_of_the_full_data_are_merged_and_no_length_is_negative() {
    let Some(folder) = full_data("fhir-pysynthea") else { return };
    let (mut joined, mut began_within) = (Joined::default(), 0);
    let counts = read_export(&folder, |subject| {
        let built = History::build(&subject.record, concepts(), &Default::default());
        let history = built.unwrap().history;
        joined.add(history.joined());
        began_within += within_another(&subject.record);
        let mut ends = history.episode_ends();
        ends.dedup();
        for end in ends {
            let stay = history.view(end);
            let stay = stay.stay().unwrap();
            assert!(stay.start <= end, "an episode ends before it starts");
        }
        Received::Used
    });
    assert!(counts.unwrap().used() > 0);
    assert!(began_within > 15);
    assert_eq!(joined.overlapping + joined.nested, began_within, "{joined:?}");
    eprintln!("fhir-pysynthea: {joined:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_unit_text_panics_or_makes_a_number_that_is_none(
        unit in prop_oneof![
            any::<String>(),
            "[a-zA-Z0-9*^./()\\[\\]{}%+' µ°-]{0,60}",
            "(m|u|k|d)?(g|mol|eq|L|m|s|U|Hz|\\[iU\\])[-+]?[0-9]{0,12}(/|\\.)(d|m)?(L|g|mol|10\\*)[0-9]{0,12}",
        ],
        number in proptest::num::f64::NORMAL,
        code in prop_oneof![Just("8480-6"), Just("4548-4"), Just("2160-0"), Just("8310-5")],
    ) {
        let event = measured(code, number, &unit, time("2024-01-01T10:00:00Z"));
        let record = Record { patient_id: "p".into(), events: vec![event], ..Record::default() };
        if let Ok(built) = History::build(&record, concepts(), &Default::default()) {
            for number in numbers(&built).into_iter().flatten() {
                prop_assert!(number.is_finite());
            }
        }
    }
}
