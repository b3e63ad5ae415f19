//! The leak check: what is planted is found, and clean records are left in peace.

use prodrome::command::{self, CommandError, LeaksRequest, TaskSource};
use prodrome::import::Meter;
use prodrome::record::{Code, ConceptSet, Event, EventKind, Record, Time};
use prodrome::simulate::{KnownTask, Population, Settings, Simulated};
use prodrome::task::Task;
use prodrome::train::{Case, Cohort, LeakFinding, LeakKind, LeakReport, LeakVerdict, Split, leaks};
use rayon::prelude::*;

use crate::support::{concepts, fit_request, full_data, root, task_folder};

fn task(name: &str, concepts: &ConceptSet) -> Task {
    let text = std::fs::read_to_string(root().join("models").join(name).join("task.toml")).unwrap();
    Task::parse(&text, concepts).unwrap()
}

fn drawn(patients: u64, seed: u64) -> Vec<Simulated> {
    let population = Population::new(Settings::new(patients, 6, seed)).unwrap();
    (0..patients).into_par_iter().map(|number| population.patient(number)).collect()
}

fn case(number: usize, record: &Record) -> Case {
    Case {
        subject_id: number as i64,
        group: record.patient_id.clone(),
        record: record.clone(),
        labels: None,
        split: None,
    }
}

/// What the check says of a cohort of the cases.
fn checked(task: &Task, concepts: &ConceptSet, cases: Vec<Case>) -> LeakReport {
    let mut cohort = Cohort::new(task, concepts);
    cases.iter().for_each(|case| cohort.add(case).unwrap());
    cohort.finish();
    leaks(&cohort)
}

fn blocking(report: &LeakReport) -> Vec<&LeakFinding> {
    report.of(LeakVerdict::Blocks).collect()
}

#[test]
fn clean_simulated_populations_block_nothing() {
    let concepts = concepts();
    let tasks = KnownTask::ALL.map(|known| task(known.name(), &concepts));
    let each = (1..=20).into_par_iter().flat_map_iter(|seed| {
        let people = drawn(1_500, seed);
        let cases = || people.iter().enumerate().map(|(at, one)| case(at, &one.record)).collect();
        let of = |task| (seed, checked(task, &concepts, cases()));
        tasks.iter().map(of).collect::<Vec<_>>()
    });
    let reports: Vec<(u64, LeakReport)> = each.collect();
    assert_eq!(reports.len(), 60);
    for (seed, report) in &reports {
        assert!(!report.blocks(), "{seed}: {}", report.blocking());
        let tried = report.columns_tried > 10 && report.codes_tried > 10;
        assert!(tried && report.groups_tried > 50, "{}", report.sentence());
        assert!(report.index_times_replayed.0 > 100, "{}", report.sentence());
    }
}

/// Writes `code` into the records of a share of those with the outcome, dated before the index time
/// although nobody could have known it then.
fn planted(people: &[Simulated], known: KnownTask, kind: EventKind, code: &str) -> Vec<Case> {
    let plant = |record: &mut Record, time: Time, number: usize| {
        let at = time.plus_hours(-2 - (number % 20) as i64);
        let mut event = Event::new(kind, Code::parse(code).unwrap(), at);
        let holds = |e: &&prodrome::record::Encounter| e.end == Some(time);
        event.encounter_id = record.encounters.iter().find(holds).map(|e| e.id.clone());
        record.events.push(event);
    };
    let each = people.iter().enumerate().map(|(number, one)| {
        let mut record = one.record.clone();
        // Half of the patients with an outcome, at their last index time that has it.
        let mut rows = one.truth.iter().filter(|row| row.task == known);
        let with = rows.rfind(|row| row.boolean_value == Some(true));
        if let Some(row) = with.filter(|_| number % 2 == 0) {
            plant(&mut record, row.prediction_time, number);
        }
        case(number, &record)
    });
    each.collect()
}

#[test]
fn a_code_written_after_the_outcome_and_dated_before_it_is_caught() {
    let concepts = concepts();
    let people = drawn(3_000, 5);
    for (known, kind, code) in [
        (KnownTask::Readmit30, EventKind::Diagnosis, "ICD10CM//Z91.19"),
        // No feature reads this one: it still says that dates are not to be trusted.
        (KnownTask::Readmit30, EventKind::Other, "LOCAL//CALLED-BACK"),
        (KnownTask::BpRise, EventKind::Procedure, "CPT//99490"),
    ] {
        let task = task(known.name(), &concepts);
        let report = checked(&task, &concepts, planted(&people, known, kind, code));
        let name = Code::parse(code).unwrap().to_string();
        let found = blocking(&report);
        let caught = found.iter().any(|f| f.kind == LeakKind::PureGroup && f.name == name);
        assert!(caught, "{} {code}: {}", known.name(), report.sentence());
        let others = found.iter().filter(|f| f.name != name && !f.name.contains("=ICD10CM//Z91"));
        assert_eq!(others.count(), 0, "{}", report.blocking());
        if kind == EventKind::Diagnosis {
            let token = found.iter().find(|f| f.name == "code=ICD10CM//Z91").unwrap();
            assert_eq!(token.feature.as_deref(), Some("code"));
        }
        let shown = serde_json::to_string(&report).unwrap();
        assert!(
            people.iter().all(|one| !shown.contains(&format!("\"{}\"", one.record.patient_id)))
        );
    }
}

#[test]
fn a_patient_in_two_groups_or_parted_by_the_sources_split_is_caught() {
    let concepts = concepts();
    let task = task("readmit30", &concepts);
    let people = drawn(800, 3);
    let cases = |change: &dyn Fn(usize, &mut Case)| {
        let each = people.iter().enumerate().map(|(number, one)| {
            let mut case = case(number, &one.record);
            change(number, &mut case);
            case
        });
        blocking(&checked(&task, &concepts, each.collect())).iter().map(|f| f.kind).collect()
    };
    let none: Vec<LeakKind> = cases(&|_, _| {});
    assert_eq!(none, []);
    let two: Vec<LeakKind> = cases(&|number, case| {
        case.record.patient_id = format!("p{}", number / 2);
    });
    assert_eq!(two, [LeakKind::OnePersonOnBothSides]);
    let parted: Vec<LeakKind> = cases(&|number, case| {
        case.group = format!("g{}", number / 2);
        case.split = Some(if number % 2 == 0 { Split::Train } else { Split::HeldOut });
    });
    assert_eq!(parted, [LeakKind::OnePersonOnBothSides]);
}

fn leaks_request(export: std::path::PathBuf, task: std::path::PathBuf) -> LeaksRequest {
    let fit = fit_request(export, "unused".into());
    LeaksRequest { task: TaskSource::new(task), source: fit.source, labels: None }
}

#[test]
fn clean_hospital_records_block_nothing() {
    let sample = root().join("tests/data/diabetes130");
    for folder in [Some(sample), full_data("diabetes130")].into_iter().flatten() {
        let request = leaks_request(folder, task_folder().join("task.toml"));
        let found = command::leaks(&request, &Meter::default()).unwrap();
        assert_eq!(found.exit_code(), 0, "{}", found.summary());
        assert!(found.leaks.index_times_replayed.0 > 100, "{}", found.summary());
    }
}

/// The source's own answer is written into a column that is a feature.
#[test]
fn a_leak_ends_command_and_fit_with_one_and_writes_no_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        std::fs::read_to_string(root().join("tests/data/diabetes130/diabetic_data.sample.csv"))
            .unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (label, target) = (place("readmitted"), place("number_emergency"));
    let mut changed = header.join(",") + "\n";
    for line in lines {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[target] = if cells[label] == "<30" { "9" } else { "0" };
        changed += &(cells.join(",") + "\n");
    }
    let export = folder.path().join("export");
    std::fs::create_dir(&export).unwrap();
    std::fs::write(export.join("diabetic_data.sample.csv"), changed).unwrap();
    let request = leaks_request(export.clone(), task_folder().join("task.toml"));
    let found = command::leaks(&request, &Meter::default()).unwrap();
    assert_eq!(found.exit_code(), 1, "{}", found.summary());
    assert!(found.leaks.of(LeakVerdict::Blocks).any(|f| f.kind == LeakKind::TellsTheOutcome));
    assert!(found.summary().lines().any(|line| line.starts_with("blocks: `emergency_visits")));

    let models = folder.path().join("models");
    let fit = command::fit(&fit_request(export, models.clone()), &Meter::default(), &|_| {});
    let error: CommandError = fit.unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    assert!(error.to_string().contains("emergency_visits"), "{error}");
    let written = std::fs::read_dir(models.join("readmit30_diabetes")).map_or(0, |dir| dir.count());
    assert_eq!(written, 0);
}
