//! Planted leaks in samples made by hand, and the replay on a record of which the future is known.

use super::replay::{Replay, cut};
use super::{LeakKind, LeakReport, LeakVerdict, leaks};
use crate::feature::{Token, extract};
use crate::record::{
    Code, ConceptSet, Encounter, EncounterClass, Event, EventKind, History, KnownAfter, Record,
    Time, TimePrecision,
};
use crate::task::Task;
use crate::train::tests::{Draws, Known, cohort, params, population, task};
use crate::train::{Split, TrainError, fit};

/// The column that stands third in the tests' samples, and is otherwise noise.
const COLUMN: usize = 2;

fn column_name(task: &Task) -> (String, String) {
    let column = &task.spec().fixed_columns()[COLUMN];
    (column.name.clone(), task.spec().features()[column.feature].name.clone())
}

fn found(task: &Task, concepts: &ConceptSet, known: &[Known]) -> LeakReport {
    leaks(&cohort(task, concepts, known))
}

/// The kinds of the findings of one verdict about `name`, or about anything.
fn kinds(report: &LeakReport, verdict: LeakVerdict, name: &str) -> Vec<LeakKind> {
    let of = report.of(verdict).filter(|finding| finding.name == name);
    of.map(|finding| finding.kind).collect()
}

/// Sets the third column of every sample.
fn set(known: &mut [Known], mut value: impl FnMut(&Known) -> f32) {
    for one in known {
        let value = value(one);
        one.sample.facts.values[COLUMN] = value;
    }
}

#[test]
fn samples_without_a_leak_block_nothing() {
    let (concepts, task) = task();
    for seed in 1..=20 {
        let report = found(&task, &concepts, &population(&task, 1_500, 0.02, seed));
        assert!(!report.blocks(), "{}", report.blocking());
        assert!(report.columns_tried > 10 && report.groups_tried > 0);
    }
}

#[test]
fn a_column_made_from_the_outcome_blocks_and_a_strong_one_warns() {
    let (concepts, task) = task();
    let (name, _) = column_name(&task);
    let mut known = population(&task, 2_000, 0.0, 1);
    let mut draws = Draws(5);
    for (noise, verdict, kind) in [
        (0.9, LeakVerdict::Blocks, LeakKind::TellsTheOutcome),
        (1.8, LeakVerdict::Warns, LeakKind::StrongColumn),
    ] {
        // Turned, and missing now and then: neither hides it.
        set(&mut known, |one| {
            let noise = draws.uniform() * noise;
            let value = 3.0 - noise as f32 - f32::from(u8::from(one.sample.boolean_value));
            if draws.uniform() < 0.02 { f32::NAN } else { value }
        });
        let report = found(&task, &concepts, &known);
        assert_eq!(kinds(&report, verdict, &name), [kind], "{}", report.sentence());
    }
    set(&mut known, |_| draws.uniform() as f32);
    let report = found(&task, &concepts, &known);
    assert!(report.findings.iter().all(|finding| finding.name != name));
}

#[test]
fn a_value_that_only_some_with_the_outcome_have_blocks_from_thirty_patients_on() {
    let (concepts, task) = task();
    let (name, feature) = column_name(&task);
    for (patients, present, absent) in [(29, 1.0, 0.0), (40, 1.0, 0.0), (40, 5.0, f32::NAN)] {
        let mut known = population(&task, 2_000, 0.0, 1);
        let mut left = patients;
        set(&mut known, |one| {
            let has = one.sample.boolean_value && left > 0;
            left -= i32::from(has);
            if has { present } else { absent }
        });
        let report = found(&task, &concepts, &known);
        let about = if absent.is_nan() { &feature } else { &name };
        let expected = if patients < 30 { vec![] } else { vec![LeakKind::PureGroup] };
        assert_eq!(kinds(&report, LeakVerdict::Blocks, about), expected, "{}", report.blocking());
        if patients < 30 {
            continue;
        }
        assert!(report.blocking().contains("of about 40 patients"), "{}", report.blocking());
        // One patient of the other outcome makes the group impure.
        let other = known.iter_mut().find(|one| !one.sample.boolean_value).unwrap();
        other.sample.facts.values[COLUMN] = present;
        assert!(!found(&task, &concepts, &known).blocks());
    }
}

/// Thirty of a patient's index times are not thirty patients.
#[test]
fn index_times_of_one_patient_count_once() {
    let (concepts, task) = task();
    let mut known = population(&task, 2_000, 0.0, 1);
    for (number, one) in known.iter_mut().enumerate() {
        one.sample.group = format!("{:06}", number / 50);
    }
    let mut left = 45;
    set(&mut known, |one| {
        let has = one.sample.boolean_value && left > 0;
        left -= i32::from(has);
        if has { 1.0 } else { 0.0 }
    });
    assert!(!found(&task, &concepts, &known).blocks());
}

#[test]
fn a_learned_code_blocks_however_rare_unless_the_task_lists_it() {
    let (concepts, task) = task();
    let (place, feature) = task.spec().learned().next().map(|(_, f)| (0, f.name.clone())).unwrap();
    let mut known = population(&task, 2_000, 0.0, 1);
    known.iter_mut().for_each(|one| one.sample.facts.learned_missing[place] = false);
    for one in known.iter_mut().filter(|one| one.sample.boolean_value).take(50) {
        let text = "ICD10CM//Y95".to_owned();
        one.sample.facts.tokens.push(Token { learned: place, text, evidence: Vec::new() });
    }
    let name = format!("{feature}=ICD10CM//Y95");
    let report = found(&task, &concepts, &known);
    assert_eq!(kinds(&report, LeakVerdict::Blocks, &name), [LeakKind::PureGroup]);
    assert_eq!(report.tokens_tried, 1);
    let fitted = fit(&cohort(&task, &concepts, &known), &params(), crate::train::Pace::unwatched());
    let Err(TrainError::Leaks(said)) = fitted else { panic!("a leak makes no bundle") };
    assert!(said.blocking().contains("leak_allowed"), "the mend is named: {}", said.blocking());

    let listed = |name: &str| {
        let text = task.to_toml().unwrap();
        let entry = format!("\n[[leak_allowed]]\nfeature = \"{name}\"\nreason = \"looked into\"\n");
        let task = Task::parse(&(text + &entry), &concepts).unwrap();
        found(&task, &concepts, &known)
    };
    for allowed in [name.as_str(), feature.as_str()] {
        let report = listed(allowed);
        assert!(!report.blocks(), "{}", report.blocking());
        assert_eq!(kinds(&report, LeakVerdict::Allowed, &name), [LeakKind::PureGroup]);
        let finding = report.of(LeakVerdict::Allowed).next().unwrap();
        assert_eq!(finding.reason.as_deref(), Some("looked into"));
        assert!(finding.sentence().contains("looked into"));
    }
    let report = listed("another");
    assert!(report.blocks());
    assert_eq!(kinds(&report, LeakVerdict::Warns, "another"), [LeakKind::UnusedAllowance]);
}

#[test]
fn one_person_on_both_sides_blocks() {
    let (concepts, task) = task();
    let person = [LeakKind::OnePersonOnBothSides];
    let blocks = |change: &dyn Fn(&mut [Known])| {
        let mut known = population(&task, 600, 0.0, 1);
        change(&mut known);
        kinds(&found(&task, &concepts, &known), LeakVerdict::Blocks, "")
    };
    assert_eq!(blocks(&|_| {}), []);
    assert_eq!(blocks(&|known| known[7].sample.patient_id = "9".into()), person);
    assert_eq!(blocks(&|known| known[7].sample.subject_id = 9), person);
    let splits = |known: &mut [Known], apart: bool| {
        for (number, one) in known.iter_mut().enumerate() {
            one.sample.group = format!("{:06}", number / 2);
            let held = if apart { number % 4 == 3 } else { number % 4 >= 2 };
            one.sample.split = Some(if held { Split::HeldOut } else { Split::Train });
        }
    };
    assert_eq!(blocks(&|known| splits(known, false)), [], "whole groups are held out");
    assert_eq!(blocks(&|known| splits(known, true)), person);
}

fn time(text: &str) -> Time {
    Time::parse(text).unwrap()
}

/// A stay that ends at the index time, and all that came after it.
fn record() -> (Record, Time) {
    let stay = |id: &str, start: &str, end: &str| {
        let (start, end) = (time(start), Some(time(end)));
        Encounter::new(id, EncounterClass::Inpatient, start, end)
    };
    let event = |kind, code: &str, at: &str, encounter: &str| {
        let mut event = Event::new(kind, Code::parse(code).unwrap(), time(at));
        event.encounter_id = Some(encounter.into());
        event
    };
    let diagnosis = EventKind::Diagnosis;
    let mut late = event(diagnosis, "ICD10CM//N17.9", "2024-03-05T08:00:00Z", "a");
    late.recorded_time = Some(time("2024-03-20T08:00:00Z"));
    let mut day = event(diagnosis, "ICD10CM//J44.9", "2024-03-06T00:00:00Z", "a");
    day.time_precision = TimePrecision::Day;
    let mut running = stay("v", "2024-03-06T10:00:00Z", "2024-03-07T10:00:00Z");
    running.class = EncounterClass::Ambulatory;
    running.discharge_disposition = Some("home".into());
    let record = Record {
        patient_id: "p".into(),
        birth_date: crate::record::PartialDate::parse("1951-07-08"),
        death_time: Some(time("2024-05-01T00:00:00Z")),
        encounters: vec![
            stay("a", "2024-03-01T09:00:00Z", "2024-03-06T15:00:00Z"),
            running,
            stay("b", "2024-03-20T09:00:00Z", "2024-03-22T15:00:00Z"),
        ],
        events: vec![
            event(diagnosis, "ICD10CM//E11.9", "2024-03-02T12:00:00Z", "a"),
            late,
            day,
            event(diagnosis, "ICD10CM//I50.9", "2024-03-21T12:00:00Z", "b"),
        ],
        ..Record::default()
    };
    (record, time("2024-03-06T15:00:00Z"))
}

#[test]
fn a_record_is_cut_to_what_was_there_and_known() {
    let (record, index_time) = record();
    let cut = cut(&record, &KnownAfter::default(), index_time);
    let ids: Vec<&str> = cut.encounters.iter().map(|encounter| encounter.id.as_str()).collect();
    assert_eq!(ids, ["a", "v"]);
    assert_eq!(cut.encounters[0], record.encounters[0], "over at the index time");
    assert_eq!((cut.encounters[1].end, &cut.encounters[1].discharge_disposition), (None, &None));
    assert_eq!(cut.death_time, None);
    let codes: Vec<&str> = cut.events.iter().map(|event| event.code.code.as_str()).collect();
    assert_eq!(codes, ["E119", "J449"], "what was recorded later is not there");
    let at_the_end = super::replay::cut(&record, &KnownAfter::default(), Time::LATEST);
    assert_eq!(at_the_end, record);
}

#[test]
fn a_row_that_looked_ahead_is_found_and_an_honest_one_is_not() {
    let (concepts, task) = task();
    let (record, index_time) = record();
    let history = History::build(&record, &concepts, &KnownAfter::default()).unwrap().history;
    let mut replay = Replay::default();
    let honest = extract(&history.view(index_time), task.spec(), false);
    replay.compare(&record, &concepts, &task, index_time, &honest);
    assert!(replay.changed.is_empty(), "{:?}", replay.changed);
    // The row of a road that sees what is recorded two weeks later.
    let peeking = extract(&history.view(index_time.plus_days(14)), task.spec(), false);
    replay.compare(&record, &concepts, &task, index_time, &peeking);
    assert_eq!(replay.replayed, 2);
    let changed: Vec<&str> = replay.changed.iter().map(|(name, _)| name.as_str()).collect();
    assert!(changed.contains(&"stay_days"), "{changed:?}");
    let learned =
        task.spec().learned().any(|(_, feature)| changed.contains(&feature.name.as_str()));
    assert!(learned, "learned codes are compared too: {changed:?}");
    // One bit is enough, and one code.
    for (bit, code) in [(true, false), (false, true)] {
        let mut other = honest.clone();
        if bit {
            other.values[0] = f32::from_bits(other.values[0].to_bits() ^ 1);
        }
        if code {
            let text = "ICD10CM//N17".into();
            other.tokens.push(Token { learned: 0, text, evidence: Vec::new() });
        }
        let mut replay = Replay::default();
        replay.compare(&record, &concepts, &task, index_time, &other);
        assert_eq!(replay.changed.len(), 1);
    }
}

#[test]
fn some_index_times_of_many_are_replayed_and_all_of_few() {
    let mut replay = Replay::default();
    let at = time("2024-03-06T15:00:00Z");
    let mut replayed = Vec::new();
    for number in 0..100_000 {
        let due = replay.is_due(&number.to_string(), at);
        replay.replayed += u64::from(due);
        replayed.push(due);
    }
    assert!(replayed[..128].iter().all(|due| *due));
    assert!((900..1_600).contains(&replay.replayed), "{}", replay.replayed);
    assert!(replayed[50_000..].iter().any(|due| *due), "to the end of the export");
}
