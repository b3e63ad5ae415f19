//! The MIMIC-IV demo in MEDS form, whole, where a machine has it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use prodrome::record::{ConceptSet, Encounter, EncounterClass, History, KnownAfter};

use prodrome::command::{self, CohortRequest, ConvertRequest, Source, TaskSource};
use prodrome::import::{Labels, Meter, Subject};
use prodrome::record::Time;

use super::read;
use crate::support::{full_data, root, task_file};

#[test]
fn mimic_reads_whole_with_the_known_readmissions() {
    let Some(folder) = full_data("mimic4-demo-meds") else { return };
    let file = std::fs::File::open(folder.join("data/0.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.metadata().file_metadata().num_rows() as u64;
    let (subjects, counts) = read(&folder, None).unwrap();
    assert_eq!((counts.read(), subjects.len()), (rows, 100));
    assert_eq!((counts.quarantined(), counts.skipped().len()), (0, 0), "{:?}", counts.skipped());

    let (mut discharges, mut readmitted) = (0, 0);
    let mut classes: HashMap<EncounterClass, usize> = HashMap::new();
    for subject in &subjects {
        let built = History::build(&subject.record, &ConceptSet::default(), &KnownAfter::default());
        built.unwrap();
        subject.record.encounters.iter().for_each(|e| *classes.entry(e.class).or_default() += 1);
        let admitted = |e: &&Encounter| e.class != EncounterClass::Emergency;
        let stays: Vec<&Encounter> = subject.record.encounters.iter().filter(admitted).collect();
        for stay in &stays {
            let end = stay.end.unwrap();
            if matches!(stay.discharge_disposition.as_deref(), Some("exp" | "hosp")) {
                continue;
            }
            discharges += 1;
            let again = |e: &&&Encounter| e.start > end && e.start <= end.plus_days(30);
            readmitted += usize::from(stays.iter().any(|stay| again(&stay)));
        }
    }
    let stays = classes[&EncounterClass::Inpatient] + classes[&EncounterClass::Observation];
    assert_eq!((stays, classes[&EncounterClass::Emergency]), (275, 181));
    assert_eq!((discharges, readmitted), (255, 53), "by the plain rule");

    // Written with MIMIC-IV's words again, so that what is made for it finds the same rows.
    let work = tempfile::tempdir().unwrap();
    let (source, out) = (Source::new(folder), work.path().join("meds"));
    let request = ConvertRequest { source, out: out.clone(), keep_ids: true };
    command::convert(&request, &Meter::default()).unwrap();
    let (again, counts) = read(&out, None).unwrap();
    assert_eq!(counts.used(), rows);
    let same = |(before, after): (&Subject, &Subject)| {
        before.record.encounters.len() == after.record.encounters.len()
            && before.record.birth_date == after.record.birth_date
            && before.record.encounters.iter().all(|e| after.record.encounters.contains(e))
    };
    assert!(subjects.iter().zip(&again).all(same));
}

/// Labels by subject and time.
type Rows = BTreeMap<(i64, Time), bool>;

fn rows(labels: &Path, subjects: &[Subject]) -> Rows {
    let labels = Labels::read(labels).unwrap();
    let each = |subject: &Subject| {
        let taken = labels.of(subject);
        let row = |label: prodrome::import::Label| {
            ((subject.subject_id, label.prediction_time), label.boolean_value)
        };
        taken.into_iter().map(row).collect::<Vec<_>>()
    };
    let found = subjects.iter().flat_map(each).collect();
    assert_eq!(labels.left(), 0, "all labels are of subjects of the demo");
    found
}

fn labelled(task: &str, folder: &Path, subjects: &[Subject]) -> Rows {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("labels.parquet");
    let request = CohortRequest {
        task: TaskSource::new(task_file(work.path(), task)),
        source: Source::new(folder.to_owned()),
        out: out.clone(),
    };
    assert_eq!(command::cohort(&request, &Meter::default()).unwrap().problem, None);
    rows(&out, subjects)
}

fn positives(rows: &Rows) -> usize {
    rows.values().filter(|value| **value).count()
}

/// How our rows differ from ACES's, by reason.
#[derive(Debug, Default, PartialEq)]
struct Differences {
    /// Only in theirs: the discharge is from observation, which is no inpatient stay.
    observation_discharge: usize,
    /// Only in theirs: the discharge lies within or touches another stay, with which it is one.
    joined: usize,
    /// Positive in theirs alone: the admission was to observation.
    observation_admission: usize,
    unexplained: usize,
    only_in_ours: usize,
}

fn differences(ours: &Rows, theirs: &Rows, subjects: &[Subject]) -> Differences {
    let mut found = Differences {
        only_in_ours: ours.keys().filter(|key| !theirs.contains_key(key)).count(),
        ..Differences::default()
    };
    let of = |id: i64| subjects.iter().find(|subject| subject.subject_id == id).unwrap();
    let is = |e: &Encounter, class| e.class == class;
    for ((id, time), value) in theirs {
        let encounters = &of(*id).record.encounters;
        let mut left = encounters.iter().filter(|e| e.end == Some(*time));
        let all_observed = left.all(|e| !is(e, EncounterClass::Inpatient));
        let soon = |e: &&Encounter| e.start > *time && e.start <= time.plus_days(30);
        let mut back = encounters.iter().filter(soon);
        let reason = match ours.get(&(*id, *time)) {
            Some(ours) if ours == value => continue,
            None if all_observed => &mut found.observation_discharge,
            None => &mut found.joined,
            Some(false) if back.all(|e| !is(e, EncounterClass::Inpatient)) => {
                &mut found.observation_admission
            }
            Some(_) => &mut found.unexplained,
        };
        *reason += 1;
    }
    found
}

#[test]
fn plain_labels_are_those_of_aces_row_by_row() {
    let Some(folder) = full_data("mimic4-demo-meds") else { return };
    let aces = folder.join("../../peers/aces/readmission30_mimic4.parquet");
    if !aces.is_file() {
        eprintln!("SKIPPED: the labels that ACES gives for the demo are not beside its folder");
        return;
    }
    let (subjects, _) = read(&folder, None).unwrap();
    let theirs = rows(&aces, &subjects);
    assert_eq!((theirs.len(), positives(&theirs)), (255, 53));

    // Where nothing is joined, the definitions agree.
    let plain = root().join("tests/cases/mimic_readmit30_plain.toml");
    let plain = std::fs::read_to_string(plain).unwrap();
    assert_eq!(labelled(&plain, &folder, &subjects), theirs);

    // With stays of our own making; README-mimic.md says what each difference is.
    let stays = plain
        .replace(
            "{ contact = { classes = [\"IMP\", \"ACUTE\", \"NONAC\", \"OBSENC\"] } }",
            "\"episode_end\"",
        )
        .replace(
            "rule.contact = { classes = [\"IMP\", \"ACUTE\", \"NONAC\", \"OBSENC\"] }",
            "rule.stay = {}",
        );
    let ours = labelled(&stays, &folder, &subjects);
    let found = differences(&ours, &theirs, &subjects);
    let explained = Differences {
        observation_discharge: 42,
        joined: 0,
        observation_admission: 3,
        unexplained: 0,
        only_in_ours: 0,
    };
    assert_eq!((ours.len(), positives(&ours), found), (213, 47, explained));
}
