//! The MIMIC-IV demo in MEDS form, whole, where a machine has it.

use std::collections::HashMap;

use parquet::file::reader::{FileReader, SerializedFileReader};
use prodrome::record::{ConceptSet, Encounter, EncounterClass, History, KnownAfter};

use prodrome::command::{self, ConvertRequest, Source};
use prodrome::import::{Meter, Subject};

use super::read;
use crate::support::full_data;

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
