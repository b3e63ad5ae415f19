//! FHIR: one patient by both doors, hostile lines, and that every line is accounted for.

mod hostile;
mod reading;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use prodrome::command::{self, ScoreFormat, ScoreRequest, Source};
use prodrome::import::{BundleRecord, Counts, Meter, Received, Subject, read_bundle};
use prodrome::record::{
    Comparator, Event, EventKind, History, Record, Sex, TimePrecision, Value, Violation,
};
use prodrome::score;
use serde_json::{Value as Json, json};

use crate::support::{self, read_export, root, time};

fn folder() -> PathBuf {
    root().join("tests/data/fhir")
}

fn skipped(counts: &Counts) -> u64 {
    counts.skipped().values().sum()
}

/// Reads an export, and holds that its counts add up.
fn read_all(folder: &Path) -> (Vec<Subject>, Counts) {
    let mut subjects = Vec::new();
    let counts = read_export(folder, |subject| {
        subjects.push(subject);
        Received::Used
    });
    let counts = counts.unwrap();
    assert_eq!(counts.read(), counts.used() + skipped(&counts) + counts.quarantined());
    (subjects, counts)
}

/// All resources of the sample, in the order of files and lines.
fn resources() -> Vec<Json> {
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bundle(resources: impl IntoIterator<Item = Json>) -> Vec<u8> {
    let entries = resources.into_iter().map(|resource| json!({ "resource": resource }));
    let entries: Vec<Json> = entries.collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    serde_json::to_vec(&bundle).unwrap()
}

fn read_violations(json: &[u8]) -> Vec<(String, &'static str)> {
    let found = read_bundle(json).unwrap_err();
    found.into_iter().map(|Violation { path, reason }| (path, reason)).collect()
}

fn event<'a>(record: &'a Record, kind: EventKind, code: &str) -> &'a Event {
    let is_it = |event: &&Event| event.kind == kind && event.code.to_string() == code;
    record.events.iter().find(is_it).unwrap_or_else(|| panic!("{code}"))
}

#[test]
fn every_line_of_the_sample_is_accounted_for() {
    let (subjects, counts) = read_all(&folder());
    assert_eq!(subjects.len(), 1);
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (24, 18, 0));
    let expected = [
        ("Organization", 1),
        ("OperationOutcome", 1),
        ("a drug proposed, planned or forbidden", 1),
        ("blank line", 1),
        ("entered in error", 1),
        ("planned or cancelled, not done", 1),
    ];
    let expected: BTreeMap<_, _> = expected.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
    assert_eq!(*counts.skipped(), expected);
    let Subject { source_id, group, label, file, line, .. } = &subjects[0];
    assert_eq!((source_id.as_str(), group.as_str(), *label), ("p", "p", None));
    assert_eq!((&**file, *line), ("Patient.ndjson", 1));
}

#[test]
fn the_person_and_the_encounters_are_read() {
    let record = read_all(&folder()).0.remove(0).record;
    assert_eq!(record.sex, Sex::Female);
    assert_eq!(record.birth_date.unwrap().to_string(), "1951-07-08");
    assert_eq!((record.region.as_deref(), record.death_time), (Some("021"), None));
    let given = &record.audit_attributes;
    assert_eq!(given.race.as_deref(), Some("White"));
    assert_eq!(given.ethnicity.as_deref(), Some("Not Hispanic or Latino"));
    assert_eq!(given.language.as_deref(), Some("en-US"));
    let [stay, visit] = record.encounters.as_slice() else { panic!("two encounters") };
    assert_eq!(stay.admission_type.as_deref(), Some("emergency"));
    assert_eq!(
        stay.planned, None,
        "an urgent admission says nothing of plans, nor does an elective one"
    );
    assert_eq!(stay.admission_source.as_deref(), Some("emd"));
    assert_eq!(stay.discharge_disposition.as_deref(), Some("home"));
    assert_eq!(stay.service.as_deref(), Some("Cardiology"));
    assert_eq!(stay.facility.as_deref(), Some("north"));
    assert_eq!(visit.start, time("2023-12-24T20:00:00Z"));
    assert_eq!(visit.end, Some(time("2023-12-24T23:00:00Z")));
    let [coverage] = record.coverage.as_slice() else { panic!("one coverage") };
    assert_eq!(coverage.start, Some(time("2020-01-01T00:00:00Z")));
    assert!(coverage.end > Some(time("2024-12-31T23:59:00Z")));
}

#[test]
fn resources_become_events() {
    let record = read_all(&folder()).0.remove(0).record;
    let discharge = support::discharge();
    let principal = event(&record, EventKind::Diagnosis, "ICD10CM//I509");
    assert_eq!((principal.rank, principal.time), (Some(1), Some(discharge)));
    let second = event(&record, EventKind::Diagnosis, "ICD10CM//E119");
    assert_eq!((second.rank, second.encounter_id.as_deref()), (Some(2), Some("stay")));
    assert_eq!(second.time_precision, TimePrecision::Day);
    let problem = event(&record, EventKind::Problem, "SNOMED//38341003");
    assert_eq!(problem.time_precision, TimePrecision::Month);
    // The diastolic pressure stands first in the sample.
    let systolic = event(&record, EventKind::Measurement, "LOINC//8480-6");
    assert_eq!(systolic.value, Some(Value::Number(143.0)));
    assert_eq!(systolic.unit.as_deref(), Some("mm[Hg]"));
    assert_eq!(systolic.recorded_time, Some(time("2024-03-03T06:30:00Z")));
    let diastolic = event(&record, EventKind::Measurement, "LOINC//8462-4");
    assert_eq!(diastolic.value, Some(Value::Number(81.0)));
    let panel = |event: &Event| event.code.code == "55284-4";
    assert!(!record.events.iter().any(panel), "a panel has no value of its own");
    let hba1c = event(&record, EventKind::Measurement, "LOINC//4548-4");
    assert_eq!(hba1c.comparator, Some(Comparator::Greater));
    assert_eq!(event(&record, EventKind::Measurement, "LOINC//718-7").value, None);
    let smoker = event(&record, EventKind::Measurement, "LOINC//72166-2");
    assert_eq!(smoker.value, Some(Value::Coded("8517006".into())));
    let ordered = event(&record, EventKind::DrugOrder, "RXNORM//5856");
    assert_eq!(ordered.time, Some(time("2024-03-02T08:00:00Z")));
    let dispensed = event(&record, EventKind::DrugDispensed, "RXNORM//6809");
    assert_eq!(dispensed.encounter_id.as_deref(), Some("stay"));
    let given = event(&record, EventKind::DrugGiven, "RXNORM//5856");
    assert_eq!(given.end_time, Some(time("2024-03-02T09:05:00Z")));
    event(&record, EventKind::Procedure, "CPT//93306");
    event(&record, EventKind::Immunization, "CVX//140");
    let allergy = event(&record, EventKind::Allergy, "SNOMED//91934008");
    assert_eq!(allergy.time_precision, TimePrecision::Year);
    assert_eq!(record.events.len(), 14);
}

#[test]
fn a_bundle_and_an_export_give_the_same_record_and_the_same_bits() {
    let exported = read_all(&folder()).0.remove(0).record;
    let same = read_bundle(&bundle(resources())).unwrap();
    assert_eq!(same.record, exported);
    let turned: Vec<Json> = resources().into_iter().rev().collect();
    let places: Vec<&str> = turned.iter().map(|r| r["id"].as_str().unwrap_or("")).collect();
    let BundleRecord { record, events, encounters, patient, issues } =
        read_bundle(&bundle(turned.clone())).unwrap();
    assert_eq!((record.clone(), issues), (exported.clone(), Vec::new()));
    assert_eq!(events.len(), record.events.len());
    for (event, entry) in record.events.iter().zip(&events) {
        assert_eq!(event.id.as_deref(), Some(places[entry.entry]));
    }
    assert_eq!(encounters.iter().map(|e| places[e.entry]).collect::<Vec<_>>(), ["stay", "visit"]);
    assert_eq!(patient.map(|entry| places[entry.entry]), Some("p"));

    let bundle = support::shipped();
    let scored = |record: &Record| {
        let known_after = &bundle.task().params().known_after;
        let history = History::build(record, bundle.concepts(), known_after).unwrap();
        assert!(history.issues.is_empty(), "{:?}", history.issues);
        score::score(bundle, &history.history, support::discharge(), 5).unwrap()
    };
    let (one, other) = (scored(&exported), scored(&record));
    assert!(one.probability.is_some());
    assert_eq!(one.probability.map(f64::to_bits), other.probability.map(f64::to_bits));
}

#[test]
fn entries_may_refer_to_each_other_by_their_full_urls() {
    let resource = |id: &str| resources().into_iter().find(|r| r["id"] == id).unwrap();
    let mut stay = resource("stay");
    let mut condition = resource("dx-1");
    let mut patient = resource("p");
    patient.as_object_mut().unwrap().remove("id");
    stay["subject"]["reference"] = json!("urn:uuid:1");
    stay["diagnosis"][1]["condition"]["reference"] = json!("urn:uuid:3");
    condition["subject"]["reference"] = json!("urn:uuid:1");
    condition["encounter"]["reference"] = json!("urn:uuid:2");
    let entry = |url: &str, resource| json!({ "fullUrl": url, "resource": resource });
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        entry("urn:uuid:3", condition), entry("urn:uuid:2", stay), entry("urn:uuid:1", patient),
    ] });
    let read = read_bundle(&serde_json::to_vec(&bundle).unwrap()).unwrap();
    assert_eq!(read.record.patient_id, "1");
    let principal = &read.record.events[0];
    assert_eq!((principal.rank, principal.encounter_id.as_deref()), (Some(1), Some("stay")));
}

#[test]
fn a_later_version_replaces_or_withdraws_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let order = |id: &str, updated: &str, status: &str, code: &str| {
        json!({ "resourceType": "Observation", "id": id, "meta": { "lastUpdated": updated },
            "status": status, "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
            "subject": { "reference": "urn:uuid:q" }, "effectiveDateTime": "2020-05-05T10:00:00" })
    };
    let lines = [
        order("a", "2020-05-07T00:00:00Z", "entered-in-error", "1-1"),
        order("a", "2020-05-06T00:00:00Z", "final", "1-1"),
        order("b", "2020-05-07T00:00:00Z", "corrected", "2-2"),
        order("b", "2020-05-06T00:00:00Z", "final", "1-1"),
        order("c", "2022-05-06T00:00:00Z", "final", "3-3"),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    fs::write(folder.path().join("x.ndjson.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap())
        .unwrap();
    let (subjects, counts) = read_all(folder.path());
    assert_eq!((counts.read(), counts.used()), (5, 2));
    assert_eq!(counts.skipped()["earlier version of a resource"], 2);
    assert_eq!(counts.skipped()["entered in error"], 1);
    assert_eq!(counts.issues()["a patient without a Patient resource"], 1);
    let [kept, reloaded] = subjects[0].record.events.as_slice() else { panic!("two events") };
    assert_eq!(kept.code.code, "2-2");
    assert_eq!(kept.recorded_time, Some(time("2020-05-07T00:00:00Z")));
    assert_eq!(reloaded.recorded_time, None, "a reload says nothing of when it was known");
}

#[test]
fn what_the_receiver_says_of_a_patient_counts_for_all_its_lines() {
    let counts = read_export(&folder(), |_| Received::Skipped("not held out".into()));
    let counts = counts.unwrap();
    // The Medication is nobody's line.
    assert_eq!((counts.used(), counts.skipped()["not held out"]), (1, 17));
    let reason = "events: more than 200000 events".to_owned();
    let counts = read_export(&folder(), |_| Received::Quarantined(reason.clone())).unwrap();
    assert_eq!((counts.used(), counts.quarantined(), counts.examples().len()), (1, 17, 1));
}

#[test]
fn a_whole_export_is_scored_without_a_mapping() {
    let folder_out = tempfile::tempdir().unwrap();
    let mut request = ScoreRequest {
        bundle: support::task_folder().join("1"),
        source: Source::new(folder()),
        concepts: Vec::new(),
        out: folder_out.path().join("predictions.parquet"),
        format: ScoreFormat::Meds,
    };
    let scored = command::score(&request, &Meter::default()).unwrap();
    assert_eq!((scored.scored, scored.not_scored), (1, 0));
    request.source.export = folder_out.path().to_owned();
    assert_eq!(command::score(&request, &Meter::default()).unwrap_err().exit_code(), 2);
}

/// How many lines a file has, by another road than the importer's.
fn lines(path: &Path) -> u64 {
    let unpacked = flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap());
    BufReader::new(unpacked).split(b'\n').count() as u64
}

#[test]
fn all_files_of_the_public_exports_are_read_without_loss() {
    // One encounter of the second ends before it begins.
    for (what, patients, quarantined) in
        [("fhir-synthea-r4", 456, 0), ("fhir-pysynthea", 99, 1), ("mimic4-demo-fhir-part", 100, 0)]
    {
        let Some(folder) = support::full_data(what) else { continue };
        let concepts = support::concepts();
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.to_str().unwrap().ends_with(".ndjson.gz"));
        let expected: u64 = files.map(|path| lines(&path)).sum();
        let began = std::time::Instant::now();
        let (mut subjects, mut events) = (0, 0);
        let counts = read_export(&folder, |subject| {
            subjects += 1;
            events += subject.record.events.len();
            let built = History::build(&subject.record, &concepts, &Default::default());
            built.map_or_else(|e| Received::Quarantined(e.to_string()), |_| Received::Used)
        });
        let counts = counts.unwrap();
        eprintln!("{what}: {} {events} events, {:?}", counts.sentence(), began.elapsed());
        eprintln!("{:?} {:?}", counts.examples().first(), counts.issues());
        assert_eq!(counts.read(), expected, "{what}");
        assert_eq!(counts.read(), counts.used() + skipped(&counts) + counts.quarantined());
        assert_eq!((subjects, counts.quarantined()), (patients, quarantined), "{what}");
    }
}
