//! Cohorts made of the files of an export at one time: the same as of one file after the other.

use std::fs;
use std::path::Path;

use prodrome::command::{self, ExportFormat, SimulateRequest, with_threads};
use prodrome::import::{Counts, Export, MedsWriter, Meter, Received, Subject, Wanted};
use prodrome::record::ConceptSet;
use prodrome::simulate::Settings;
use prodrome::task::Task;
use prodrome::train::{Case, Cohort, leaks};

use crate::support::{concepts, read_export, task_text};

/// How many files the export is parted in.
const FILES: usize = 5;

fn subjects(folder: &Path) -> Vec<Subject> {
    let settings = Settings { censoring: 0.2, ..Settings::new(500, 10, 5) };
    let (format, out) = (ExportFormat::Meds, folder.to_owned());
    command::simulate(&SimulateRequest { settings, format, out, truth: None }).unwrap();
    let mut subjects = Vec::new();
    read_export(folder, |subject| {
        subjects.push(subject);
        Received::Used
    })
    .unwrap();
    subjects
}

/// An export of the subjects in several files.
fn parted(subjects: &[Subject], folder: &Path) {
    fs::create_dir_all(folder.join("data")).unwrap();
    for (number, some) in subjects.chunks(subjects.len().div_ceil(FILES)).enumerate() {
        let part = folder.join(format!("part{number}"));
        let mut writer = MedsWriter::create(&part, true).unwrap();
        some.iter().for_each(|subject| writer.push(subject));
        writer.finish("part").unwrap();
        let to = folder.join(format!("data/{number}.parquet"));
        fs::rename(part.join("data/0.parquet"), to).unwrap();
    }
}

fn case(subject: Subject) -> Case {
    let Subject { subject_id, group, record, split, .. } = subject;
    Case { subject_id, group, record, labels: None, split }
}

fn add(cohort: &mut Cohort<'_>, subject: Subject) -> Received {
    cohort.add(&case(subject)).unwrap();
    Received::Used
}

/// The cohort of the whole records, file after file.
fn whole<'a>(folder: &Path, task: &'a Task, concepts: &'a ConceptSet) -> (Cohort<'a>, Counts) {
    let mut cohort = Cohort::new(task, concepts);
    let counts = read_export(folder, |subject| add(&mut cohort, subject)).unwrap();
    cohort.finish();
    (cohort, counts)
}

/// The cohort as `fit` reads it.
fn joined<'a>(
    folder: &Path,
    task: &'a Task,
    concepts: &'a ConceptSet,
    threads: usize,
) -> (Cohort<'a>, Counts) {
    let wanted = Wanted::for_index_times(task);
    let begin = |parts| Cohort::part(task, concepts, parts);
    let read = || Export::new(folder).fold(&Meter::default(), &wanted, begin, add);
    let (parts, counts) = with_threads(Some(threads), read).unwrap().unwrap();
    assert_eq!(parts.len(), FILES);
    (Cohort::joined(task, concepts, parts), counts)
}

#[test]
fn a_cohort_of_parts_is_that_of_the_whole_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (simulated, parts) = (folder.path().join("simulated"), folder.path().join("parted"));
    parted(&subjects(&simulated), &parts);
    let concepts = concepts();
    for name in ["readmit30", "bp_rise", "t2d_incident"] {
        let task = Task::parse(&task_text(name), &concepts).unwrap();
        let (whole, read) = whole(&parts, &task, &concepts);
        let (one, one_read) = joined(&parts, &task, &concepts, 1);
        let (four, four_read) = joined(&parts, &task, &concepts, 4);
        assert!(whole.samples().len() > 100, "{name}: {}", whole.samples().len());
        let said = |cohort: &Cohort<'_>| format!("{:?}", cohort.samples());
        assert_eq!(said(&whole), said(&one), "{name}");
        assert_eq!(said(&whole), said(&four), "{name}");
        assert_eq!(whole.attrition().shown(), one.attrition().shown(), "{name}");
        assert_eq!((&read, &read), (&one_read, &four_read), "{name}");
        // What is replayed depends on the parts and on nothing else.
        assert_eq!(leaks(&one), leaks(&four), "{name}");
        let codes = |cohort: &Cohort<'_>| {
            let found = leaks(cohort);
            (found.columns_tried, found.tokens_tried, found.codes_tried, found.groups_tried)
        };
        assert_eq!(codes(&whole), codes(&one), "{name}");
    }
}
