//! The leak check: what is planted is found, and clean records are left in peace.

use prodrome::command::{self, CommandError, LeaksRequest, TaskSource};
use prodrome::import::Meter;
use prodrome::record::{Code, ConceptSet, Event, EventKind, Record, Time};
use prodrome::simulate::{KnownTask, Population, Settings, Simulated};
use prodrome::task::Task;
use prodrome::train::{Case, Cohort, LeakFinding, LeakKind, LeakReport, LeakVerdict, Split, leaks};
use rayon::prelude::*;

use crate::support::{concepts, fit_request, full_data, root, task_folder};

fn task(name: &str, concepts: &ConceptSet, more: &str) -> Task {
    let text = std::fs::read_to_string(root().join("models").join(name).join("task.toml")).unwrap();
    Task::parse(&(text + more), concepts).unwrap()
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

/// What the check says of the cases of simulated patients, each as `change` leaves it.
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
    for known in KnownTask::ALL {
        let task = task(known.name(), &concepts, "");
        let reports: Vec<LeakReport> = (1..=20)
            .into_par_iter()
            .map(|seed| {
                let people = drawn(1_500, seed);
                let cases =
                    people.iter().enumerate().map(|(at, one)| case(at, &one.record)).collect();
                checked(&task, &concepts, cases)
            })
            .collect();
        for (seed, report) in (1..).zip(&reports) {
            println!("{} {seed}: {}", known.name(), report.sentence());
            for finding in &report.findings {
                println!("   {}", finding.sentence());
            }
            assert!(blocking(report).is_empty(), "{} {seed}: {}", known.name(), report.blocking());
            assert!(
                report.columns_tried > 10 && report.codes_tried > 20 && report.groups_tried > 50
            );
            assert!(report.index_times_replayed.0 > 100, "{}", report.sentence());
        }
    }
}
