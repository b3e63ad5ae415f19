//! What no label depends on may be passed over: the labels are the same, and so are those of files read
//! at one time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use prodrome::command::{self, ExportFormat, SimulateRequest, TaskSource};
use prodrome::import::{Counts, Export, Meter, Received, Subject, Wanted};
use prodrome::record::ConceptSet;
use prodrome::simulate::Settings;
use prodrome::task::Task;
use prodrome::train::{Case, Roll, RollRow, ShownAttrition};

use super::{Row, STAY, write};
use crate::support::{concepts, full_data, root};

/// The files of all tasks that are shipped.
fn task_files() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("models")).unwrap();
    let files = folders.map(|entry| entry.unwrap().path().join("task.toml"));
    let mut files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    files
}

fn case(subject: Subject) -> Case {
    let Subject { subject_id, group, record, split, .. } = subject;
    Case { subject_id, group, record, labels: None, split }
}

fn add(roll: &mut Roll<'_>, subject: Subject) -> Received {
    match roll.add(&case(subject)) {
        Ok(()) => Received::Used,
        Err(error) => Received::Quarantined(error.to_string()),
    }
}

/// What a roll says: its rows, its counts, the rows of the export.
type Said = (Vec<RollRow>, ShownAttrition, Counts);

/// The labels by whole records.
fn whole(folder: &Path, task: &Task, concepts: &ConceptSet) -> Said {
    let mut roll = Roll::new(task, concepts);
    let counts = Export::new(folder).read(&Meter::default(), |subject| add(&mut roll, subject));
    roll.finish();
    (roll.rows().to_vec(), roll.attrition(), counts.unwrap())
}

/// The labels by what they depend on, file by file.
fn narrow(folder: &Path, task: &Task, concepts: &ConceptSet) -> Said {
    let wanted = Wanted::for_labels(task, concepts);
    let begin = |_| Roll::new(task, concepts);
    let read = Export::new(folder).fold(&Meter::default(), &wanted, begin, add);
    let (parts, counts) = read.unwrap();
    let mut roll = begin(1);
    parts.into_iter().for_each(|part| roll.join(part));
    roll.finish();
    (roll.rows().to_vec(), roll.attrition(), counts)
}

/// Compares both for every task; how many labels there were in each.
fn compare(folder: &Path) -> Vec<(String, usize)> {
    let concepts = concepts();
    let each = task_files().into_iter().map(|file| {
        let task = Task::parse(&fs::read_to_string(&file).unwrap(), &concepts).unwrap();
        let (name, whole) = (task.params().name.clone(), whole(folder, &task, &concepts));
        let narrow = narrow(folder, &task, &concepts);
        assert_eq!(whole.0, narrow.0, "{name}");
        assert_eq!(whole.1, narrow.1, "{name}");
        assert_eq!(whole.2, narrow.2, "{name}");
        (name, whole.0.len())
    });
    each.collect()
}

fn simulated(patients: u64, out: &Path) {
    let settings = Settings { censoring: 0.2, ..Settings::new(patients, 10, 11) };
    let (format, out) = (ExportFormat::Meds, out.to_owned());
    command::simulate(&SimulateRequest { settings, format, out, truth: None }).unwrap();
}

#[test]
fn labels_are_the_same_when_only_what_they_depend_on_is_read() {
    let folder = tempfile::tempdir().unwrap();
    simulated(400, folder.path());
    let found = compare(folder.path());
    // Not every task has a cohort in these records.
    let many = found.iter().filter(|(_, labels)| *labels > 20).count();
    assert!(many >= 5, "{found:?}");
}

#[test]
fn labels_of_the_mimic_demo_are_the_same_when_only_what_they_depend_on_is_read() {
    let Some(folder) = full_data("mimic4-demo-meds") else { return };
    compare(&folder);
}

/// The rows of the stay of subject 7 as those of another one.
fn rows_of(subject: i64) -> Vec<Row<'static>> {
    STAY.iter().map(|row| (subject, row.1, row.2, row.3, row.4, row.5)).collect()
}

#[test]
fn files_come_back_in_their_order_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..12 {
        let rows = [rows_of(100 + 2 * number), rows_of(101 + 2 * number)].concat();
        write(&folder.path().join(format!("data/{number:02}.parquet")), &rows, None);
    }
    let fold = || {
        let read = Export::new(folder.path()).fold(
            &Meter::default(),
            &Wanted::everything(),
            |_| Vec::new(),
            |part: &mut Vec<i64>, subject| {
                part.push(subject.subject_id);
                Received::Used
            },
        );
        let (parts, counts) = read.unwrap();
        (parts.concat(), counts)
    };
    let (subjects, counts) = fold();
    assert_eq!(subjects, (100..124).collect::<Vec<i64>>());
    assert_eq!((counts.read(), counts.used()), (24 * 14, 24 * 13));
    for threads in [1, 2, 7] {
        let again = command::with_threads(Some(threads), fold).unwrap();
        assert_eq!(again, (subjects.clone(), counts.clone()), "{threads}");
    }
}

#[test]
fn a_subject_in_two_files_ends_the_run_in_either_way_of_reading() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("data/0.parquet"), &rows_of(7), None);
    write(&folder.path().join("data/1.parquet"), &[rows_of(8), rows_of(7)].concat(), None);
    let export = Export::new(folder.path());
    let whole = export.read(&Meter::default(), |_| Received::Used).unwrap_err().to_string();
    let each = |_: &mut (), _| Received::Used;
    let folded = export.fold(&Meter::default(), &Wanted::everything(), |_| (), each);
    assert_eq!(folded.unwrap_err().to_string(), whole);
    assert!(whole.contains("data/1.parquet") && whole.contains("15"), "{whole}");
}

#[test]
fn the_truth_of_a_simulated_population_is_what_the_tasks_find() {
    let folder = tempfile::tempdir().unwrap();
    simulated(800, folder.path());
    for name in ["readmit30", "htn_incident", "bp_rise"] {
        let out = folder.path().join(format!("{name}.parquet"));
        let task = TaskSource::new(root().join(format!("models/{name}/task.toml")));
        let source = command::Source::new(folder.path().to_owned());
        let request = command::CohortRequest { task, source, out: out.clone() };
        assert_eq!(command::cohort(&request, &Meter::default()).unwrap().problem, None);
        let found = rows(&out, None);
        let truth = rows(&folder.path().join("truth.parquet"), Some(name));
        assert!(truth.len() > 200, "{name}: {} rows", truth.len());
        let differing = found.symmetric_difference(&truth).count();
        assert_eq!(differing, 0, "{name}: {} found, {} true", found.len(), truth.len());
    }
}

/// Subject, time and outcome of the rows of a label file, or of those of one task in a truth file.
fn rows(path: &Path, task: Option<&str>) -> BTreeSet<(i64, i64, bool)> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut found = BTreeSet::new();
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let value = |name: &str| {
            row.get_column_iter().find(|(known, _)| *known == name).map(|(_, field)| field.clone())
        };
        let is_task = match (task, value("task")) {
            (Some(task), Some(Field::Str(of))) => task == of,
            _ => task.is_none(),
        };
        let (Some(Field::Long(subject)), Some(Field::TimestampMicros(at))) =
            (value("subject_id"), value("prediction_time"))
        else {
            panic!("no subject and time")
        };
        // Of an unknown outcome there is no label.
        if let (true, Some(Field::Bool(outcome))) = (is_task, value("boolean_value")) {
            found.insert((subject, at, outcome));
        }
    }
    found
}
