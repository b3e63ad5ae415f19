//! Simulated exports: every format says the same, the same seed gives the same bytes, and a run that
//! fails leaves nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use prodrome::command::{
    self, CommandError, ConvertRequest, ExportFormat, SimulateRequest, SimulatedExport, Source,
};
use prodrome::import::{Export, Meter, Received};
use prodrome::record::Record;
use prodrome::simulate::{Population, Settings};

use crate::support::read_export;

fn request(settings: Settings, format: ExportFormat, out: &Path) -> SimulateRequest {
    SimulateRequest { settings, format, out: out.to_owned(), truth: None }
}

fn simulated(settings: &Settings, format: ExportFormat, out: &Path) -> SimulatedExport {
    command::simulate(&request(settings.clone(), format, out)).unwrap()
}

/// The records by patient, what has no order in them in one order.
fn records(folder: &Path) -> BTreeMap<String, Record> {
    let mut records = BTreeMap::new();
    let counts = read_export(folder, |subject| {
        records.insert(subject.source_id.clone(), ordered(subject.record));
        Received::Used
    });
    assert_eq!(counts.unwrap().quarantined(), 0);
    records
}

fn ordered(mut record: Record) -> Record {
    record.encounters.sort_by(|a, b| a.id.cmp(&b.id));
    record.events.sort_by(|a, b| (&a.id, &a.code).cmp(&(&b.id, &b.code)));
    record
}

/// All files below `folder`, by their path, with their bytes.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{} is for its owner alone", path.display());
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn fhir_and_meds_are_read_back_as_what_was_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { censoring: 0.2, ..Settings::new(250, 8, 5) };
    let population = Population::new(settings.clone()).unwrap();
    let patients = (0..settings.patients).map(|number| population.patient(number).record);
    let drawn: BTreeMap<String, Record> =
        patients.map(|record| (record.patient_id.clone(), ordered(record))).collect();
    for (name, format) in [("fhir", ExportFormat::Fhir), ("meds", ExportFormat::Meds)] {
        let out = folder.path().join(name);
        let written = simulated(&settings, format, &out);
        assert_eq!(written.patients, settings.patients);
        let read = records(&out);
        assert_eq!(read.len(), drawn.len(), "{name}");
        for (id, record) in &drawn {
            assert_eq!(&read[id], record, "{name}, patient {id}");
        }
    }
    let truth = |name: &str| fs::read(folder.path().join(name).join("truth.parquet")).unwrap();
    assert_eq!(truth("fhir"), truth("meds"));
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    // More than one batch.
    let settings = Settings::new(1_100, 3, 11);
    for (name, format) in [("fhir", ExportFormat::Fhir), ("meds", ExportFormat::Meds)] {
        let write = |run: &str, threads, settings: &Settings| {
            let out = folder.path().join(format!("{name}-{run}"));
            command::with_threads(Some(threads), || simulated(settings, format, &out)).unwrap();
            bytes(&out)
        };
        let one = write("one", 1, &settings);
        assert_eq!(one, write("three", 3, &settings), "{name}");
        let other = write("other", 2, &Settings { seed: 12, ..settings.clone() });
        assert_ne!(one["truth.parquet"], other["truth.parquet"], "{name}");
    }
}

#[test]
fn more_patients_and_more_threads_leave_the_first_as_they_are() {
    let few = Population::new(Settings::new(10, 5, 4)).unwrap();
    let many = Population::new(Settings::new(1_000_000, 5, 4)).unwrap();
    assert_eq!(few.patient(9), many.patient(9));
    assert_eq!(many.patient(999_999), many.patient(999_999));
    assert_ne!(many.patient(999_999).record.events, many.patient(999_998).record.events);
}

#[test]
fn a_simulated_export_is_marked_and_stays_so_when_converted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("fhir");
    simulated(&Settings::new(20, 3, 1), ExportFormat::Fhir, &out);
    assert!(Export::new(&out).is_synthetic());
    assert_eq!(Export::new(&out).title(), "simulated population (FHIR R4 Bulk Data)");
    let line = fs::read_to_string(out.join("Patient.000.ndjson")).unwrap();
    assert!(line.lines().all(|line| line.contains("\"HTEST\"")));
    let meds = folder.path().join("meds");
    let source = Source::new(out.clone());
    let convert = ConvertRequest { source, out: meds.clone(), keep_ids: true };
    command::convert(&convert, &Meter::default()).unwrap();
    assert!(Export::new(&meds).is_synthetic());
    assert_eq!(Export::new(&meds).title(), "simulated population (MEDS)");
    fs::remove_file(meds.join("synthetic.json")).unwrap();
    assert!(!Export::new(&meds).is_synthetic());
    assert_eq!(Export::new(&meds).title(), "MEDS export");
}

/// The names in `folder`.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_run_that_fails_leaves_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(30, 3, 1);
    let out = folder.path().join("out");
    let lost = folder.path().join("not/there/truth.parquet");
    let failing = SimulateRequest {
        truth: Some(lost),
        ..request(settings.clone(), ExportFormat::Meds, &out)
    };
    let error = command::simulate(&failing).unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert_eq!(names(folder.path()), Vec::<String>::new());

    fs::create_dir(&out).unwrap();
    fs::write(out.join("kept"), "mine").unwrap();
    let error =
        command::simulate(&request(settings.clone(), ExportFormat::Fhir, &out)).unwrap_err();
    assert!(error.to_string().contains("the folder is not empty"), "{error}");
    assert_eq!((error.exit_code(), names(folder.path())), (4, vec!["out".to_owned()]));
    fs::remove_file(out.join("kept")).unwrap();

    let wrong = Settings { missing: 1.5, ..settings.clone() };
    let error = command::simulate(&request(wrong, ExportFormat::Fhir, &out)).unwrap_err();
    assert!(matches!(error, CommandError::Settings(_)), "{error}");
    assert_eq!(error.exit_code(), 2);

    let truth = folder.path().join("elsewhere.parquet");
    let fine = SimulateRequest {
        truth: Some(truth.clone()),
        ..request(settings, ExportFormat::Fhir, &out)
    };
    let written = command::simulate(&fine).unwrap();
    assert_eq!(written.truth, truth);
    assert!(truth.is_file() && !out.join("truth.parquet").exists());
    assert!(!names(&out).contains(&".unfinished".to_owned()), "{:?}", names(&out));
    let out = folder.path().join("new");
    command::simulate(&SimulateRequest { out: out.clone(), truth: None, ..fine }).unwrap();
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}
