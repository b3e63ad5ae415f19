//! Label cases written by hand (`tests/cases/labels`): every index time of a small history, and what
//! must come of it.

mod file;

use std::collections::BTreeSet;
use std::fmt::Write;

use file::{Case, Expected};
use prodrome::record::{ConceptSet, History, Period, Record, Time};
use prodrome::task::{Label, Task, eligibility, index_times, label, latest_index};

use crate::support::{concepts, task_text};

/// The tasks of which there are cases.
const TASKS: [&str; 8] = [
    "readmit30",
    "readmit30_early",
    "htn_incident",
    "bp_rise",
    "admit365",
    "ed72",
    "ckd_progress",
    "t2d_incident",
];
/// How often the lists of a record are shuffled.
const SHUFFLES: u64 = 4;

/// What came of an index time, in the words of the case files.
#[derive(Debug, Clone, PartialEq)]
struct Fate {
    at: Time,
    what: String,
    followed_days: Option<f64>,
}

fn task(name: &str, concepts: &ConceptSet) -> Task {
    Task::parse(&task_text(name), concepts).unwrap()
}

fn history(record: &Record, task: &Task, concepts: &ConceptSet) -> History {
    History::build(record, concepts, &task.params().known_after).unwrap().history
}

fn fate(history: &History, task: &Task, at: Time) -> Fate {
    let index = latest_index(&history.view(at), task).and_then(|index| {
        assert_eq!(index.time, at, "the server takes the index time that the replay takes");
        eligibility(&history.view(index.time), task)?;
        label(history, task, index.time)
    });
    let outcome = match index {
        Ok(outcome) => outcome,
        Err(not) => {
            return Fate { at, what: format!("left out: {}", not.criterion), followed_days: None };
        }
    };
    let what = match outcome.label {
        Label::Positive => {
            let part = outcome.part.map(|part| task.outcome()[part].name.as_str());
            format!("positive: {}", part.expect("a positive names its part"))
        }
        Label::Negative => "negative".to_owned(),
        Label::CompetingDeath => "competing_death".to_owned(),
        Label::Censored => "censored".to_owned(),
    };
    Fate { at, what, followed_days: Some(outcome.followed_days) }
}

fn fates(record: &Record, task: &Task, concepts: &ConceptSet) -> Vec<Fate> {
    let history = history(record, task, concepts);
    index_times(&history, task).into_iter().map(|at| fate(&history, task, at)).collect()
}

/// Whether what came is what was expected; the days only where the case names the day.
fn agree(found: &[Fate], wanted: &[Expected]) -> bool {
    found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(fate, expected)| {
            let on_day = expected.until.is_none_or(|until| {
                let days = until.days_since(expected.from.unwrap_or(fate.at));
                fate.followed_days.is_some_and(|found| (found - days).abs() < 1e-9)
            });
            fate.at == expected.at && fate.what == expected.what && on_day
        })
}

fn difference(task: &str, case: &Case, found: &[Fate], wanted: &[Expected]) -> String {
    let mut text = format!("\n{task}: {}\n  because {}\n  expected:\n", case.name, case.why);
    for Expected { at, what, until, because, .. } in wanted {
        let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
        writeln!(text, "    {at}  {what}{until}  ({because})").unwrap();
    }
    text += "  found:\n";
    for Fate { at, what, followed_days } in found {
        let days = followed_days.map(|days| format!(", after {days} days")).unwrap_or_default();
        writeln!(text, "    {at}  {what}{days}").unwrap();
    }
    text
}

/// The record without anything that happened or became known after `at`.
fn cut(record: &Record, at: Time) -> Record {
    let mut cut = record.clone();
    cut.death_time = cut.death_time.filter(|death| *death <= at);
    let begun = |period: &Period| period.start.is_none_or(|start| start <= at);
    cut.coverage.retain(begun);
    for period in &mut cut.coverage {
        period.end = Some(period.end.map_or(at, |end| end.min(at)));
    }
    cut.encounters.retain(|encounter| encounter.start <= at);
    for encounter in &mut cut.encounters {
        if encounter.end.is_none_or(|end| end > at) {
            encounter.end = None;
            encounter.discharge_disposition = None;
        }
    }
    cut.events.retain(|event| event.time.max(event.recorded_time).is_none_or(|time| time <= at));
    cut
}

/// Whether the patient is eligible is told from what was there at the index time alone.
fn assert_no_leak(place: &str, record: &Record, task: &Task, concepts: &ConceptSet, at: Time) {
    let seen = |record: &Record| {
        let history = history(record, task, concepts);
        let index = latest_index(&history.view(at), task);
        let eligible = index.clone().and_then(|i| eligibility(&history.view(i.time), task));
        (index, eligible)
    };
    assert_eq!(seen(record), seen(&cut(record, at)), "{place}: {at} sees what came after it");
}

fn shuffled(record: &Record, seed: u64) -> Record {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut shuffled = record.clone();
    rng.shuffle(&mut shuffled.encounters);
    rng.shuffle(&mut shuffled.events);
    rng.shuffle(&mut shuffled.coverage);
    shuffled
}

fn run(name: &str) {
    let concepts = concepts();
    let task = task(name, &concepts);
    let mut faults = String::new();
    for case in file::read(name) {
        let record = case.record();
        let (found, wanted) = (fates(&record, &task, &concepts), case.expected());
        let place = format!("{name}, {}", case.name);
        if !agree(&found, &wanted) {
            faults += &difference(name, &case, &found, &wanted);
        }
        for fate in &found {
            assert_no_leak(&place, &record, &task, &concepts, fate.at);
        }
        for seed in 0..SHUFFLES {
            let again = fates(&shuffled(&record, seed), &task, &concepts);
            assert_eq!(again, found, "{place}: the order of the record must not matter");
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn readmit30() {
    run("readmit30");
}

#[test]
fn readmit30_early() {
    run("readmit30_early");
}

#[test]
fn htn_incident() {
    run("htn_incident");
}

#[test]
fn bp_rise() {
    run("bp_rise");
}

#[test]
fn admit365() {
    run("admit365");
}

#[test]
fn ed72() {
    run("ed72");
}

#[test]
fn ckd_progress() {
    run("ckd_progress");
}

#[test]
fn t2d_incident() {
    run("t2d_incident");
}

#[test]
fn every_task_has_cases_and_every_case_its_own_name_and_reasons() {
    let folder = std::fs::read_dir(file::folder()).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = names.filter(|name| name.ends_with(".toml")).collect();
    assert_eq!(files, TASKS.map(|task| format!("{task}.toml")).into(), "all files are run");
    let mut cases = 0;
    for task in TASKS {
        let list = file::read(task);
        let names: BTreeSet<&str> = list.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), list.len(), "{task}: two cases share a name");
        assert!(list.len() >= 2, "{task}");
        for case in &list {
            assert!(case.why.contains(' '), "{task}, {}: says why", case.name);
            let silent = |expected: &Expected| expected.because.is_empty();
            assert!(!case.expected().iter().any(silent), "{task}, {}: says why", case.name);
        }
        cases += list.len();
    }
    assert!(cases >= 45, "{cases}");
}

#[test]
fn a_wrong_expectation_is_found_and_shown_with_both_sides() {
    let text = r#"
        [[case]]
        name = "one stay"
        why = "nobody comes back"
        encounters = [{ id = "a", class = "IMP", start = "2020-03-01T10:00", end = "2020-03-05T12:00" }]
        expect = [{ at = "2020-03-05T12:00", label = "positive", part = "unplanned_readmission", because = "wrong" }]
    "#;
    let case = file::parse("readmit30", text).remove(0);
    let concepts = concepts();
    let found = fates(&case.record(), &task("readmit30", &concepts), &concepts);
    assert!(!agree(&found, &case.expected()));
    let shown = difference("readmit30", &case, &found, &case.expected());
    assert!(shown.contains("positive: unplanned_readmission  (wrong)"), "{shown}");
    assert!(shown.contains("2020-03-05T12:00:00Z  negative, after 30 days"), "{shown}");
}
