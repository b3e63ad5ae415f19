//! Properties that hold for every record: what comes after the index time, the order of events and
//! their repetition never change a score by a single bit.

use proptest::prelude::*;

use prodrome::record::Value;
use prodrome::record::{Code, Encounter, EncounterClass, Event, EventKind, History, Record, Time};
use prodrome::score::score;

use crate::support::{discharge, patient, sample, shipped};

/// The bits of the score, and everything else that it says.
fn said(record: &Record, at: Time) -> String {
    let bundle = shipped();
    let built = History::build(record, bundle.concepts(), &Default::default()).unwrap();
    match score(bundle, &built.history, at, 0) {
        Ok(score) => format!("{:?} {score:?}", score.probability.map(f64::to_bits)),
        Err(not) => not.criterion,
    }
}

/// A record and its prediction time: one of the sample, or the patient of today.
fn chosen(place: usize) -> (Record, Time) {
    match sample().get(place) {
        Some(subject) => (subject.record.clone(), subject.label.unwrap().prediction_time),
        None => (patient(), discharge()),
    }
}

fn shuffle<T>(rng: &mut fastrand::Rng, items: &mut [T]) {
    (1..items.len()).rev().for_each(|at| items.swap(at, rng.usize(..=at)));
}

fn later_event(rng: &mut fastrand::Rng, after: Time) -> Event {
    let codes = [
        "ICD9CM//428",
        "ICD10CM//I50.9",
        "D130//insulin",
        "LOINC//4548-4",
        "D130//num_medications",
    ];
    let kinds = [EventKind::Diagnosis, EventKind::DrugOrder, EventKind::Measurement];
    let code = Code::parse(codes[rng.usize(..codes.len())]).unwrap();
    let at = Time::from_micros(after.micros() + rng.i64(1..90 * 86_400_000_000));
    let mut event = Event::new(kinds[rng.usize(..kinds.len())], code, at);
    event.value = rng.bool().then(|| Value::Number(f64::from(rng.u32(0..50))));
    event.rank = rng.bool().then_some(1);
    event
}

fn later_encounter(id: &str, start: Time, rng: &mut fastrand::Rng) -> Encounter {
    let classes = [EncounterClass::Inpatient, EncounterClass::Emergency];
    let end = rng.bool().then(|| start.plus_days(rng.i64(1..9)));
    Encounter::new(id, classes[rng.usize(..2)], start, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn order_never_changes_a_score(place in 0_usize..2_001, seed in any::<u64>()) {
        let (record, at) = chosen(place);
        let mut shuffled = record.clone();
        let mut rng = fastrand::Rng::with_seed(seed);
        shuffle(&mut rng, &mut shuffled.events);
        shuffle(&mut rng, &mut shuffled.encounters);
        prop_assert_eq!(said(&record, at), said(&shuffled, at));
    }

    #[test]
    fn repetition_never_changes_a_score(place in 0_usize..2_001, seed in any::<u64>()) {
        let (record, at) = chosen(place);
        let mut repeated = record.clone();
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..rng.usize(1..20) {
            let again = repeated.events[rng.usize(..record.events.len())].clone();
            repeated.events.push(again);
            let again = repeated.encounters[rng.usize(..record.encounters.len())].clone();
            repeated.encounters.push(again);
        }
        shuffle(&mut rng, &mut repeated.events);
        prop_assert_eq!(said(&record, at), said(&repeated, at));
    }

    #[test]
    fn what_comes_after_the_index_time_never_changes_a_score(
        place in 0_usize..2_001,
        seed in any::<u64>(),
    ) {
        let (record, at) = chosen(place);
        let mut longer = record.clone();
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..rng.usize(1..30) {
            let mut event = later_event(&mut rng, at);
            event.encounter_id = rng.bool().then(|| record.encounters[0].id.clone());
            longer.events.push(event);
        }
        for number in 0..rng.usize(0..4) {
            let start = Time::from_micros(at.micros() + rng.i64(1..60 * 86_400_000_000));
            longer.encounters.push(later_encounter(&format!("later{number}"), start, &mut rng));
        }
        // What began earlier may end whenever: its end is not known yet.
        let ends = [None, Some(at.plus_days(2)), Some(at.plus_days(900))];
        let (mut live, mut replayed) = (longer.clone(), longer.clone());
        let mut open = later_encounter("open", at.plus_hours(-rng.i64(1..60)), &mut rng);
        open.end = ends[rng.usize(..3)];
        replayed.encounters.push(open.clone());
        open.end = ends[rng.usize(..3)];
        live.encounters.push(open);
        prop_assert_eq!(said(&live, at), said(&replayed, at));
        // An event known only later must not count either.
        let mut unknown_yet = later_event(&mut rng, at.plus_days(-100));
        unknown_yet.time = Some(at.plus_days(-1));
        unknown_yet.recorded_time = Some(at.plus_days(1));
        longer.events.push(unknown_yet);
        prop_assert_eq!(said(&record, at), said(&longer, at));
    }

    #[test]
    fn any_record_gets_an_answer_or_a_path(
        numbers in proptest::collection::vec(any::<f64>(), 0..12),
        times in proptest::collection::vec(any::<i64>(), 12),
        text in ".{0,40}",
        at in any::<i64>(),
    ) {
        let mut record = patient();
        record.patient_id = text.clone();
        for (number, time) in numbers.iter().zip(&times) {
            let code = Code::new(&text, &text);
            let mut event = Event::new(EventKind::Measurement, code, Time::from_micros(*time));
            event.value = Some(Value::Number(*number));
            event.unit = Some(text.clone());
            record.events.push(event);
        }
        let bundle = shipped();
        match History::build(&record, bundle.concepts(), &Default::default()) {
            Ok(built) => drop(score(bundle, &built.history, Time::from_micros(at), 5)),
            Err(error) => prop_assert!(error.violations.iter().all(|v| !v.path.is_empty())),
        }
    }
}
