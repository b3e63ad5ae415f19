//! Records written as MEDS and read back: the same features and the same bits.

use std::fs;
use std::path::Path;

use prodrome::command::{self, ConvertRequest, Converted, Source};
use prodrome::feature::extract;
use prodrome::import::{Export, Mapping, Meter, Received, Subject};
use prodrome::record::{Event, History, Record};
use prodrome::score::score;

use super::{export, read};
use crate::support::{mapping, patient, root, sample, shipped, task_folder, time};

fn convert(source: Source, out: &Path, keep_ids: bool) -> Converted {
    let request = ConvertRequest { source, out: out.to_owned(), keep_ids };
    command::convert(&request, &Meter::default()).unwrap()
}

fn tables() -> Source {
    let mapping = Some(task_folder().join("diabetes130.toml"));
    Source { mapping, ..Source::new(root().join("tests/data/diabetes130")) }
}

/// A record in an order that does not depend on the file's.
fn sorted(mut record: Record) -> Record {
    record.events.sort_by_cached_key(|event: &Event| format!("{event:?}"));
    record.encounters.sort_by(|a, b| a.id.cmp(&b.id));
    record
}

#[test]
fn the_sample_comes_back_the_same_and_scores_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meds");
    let converted = convert(tables(), &out, true);
    assert_eq!(converted.written.subjects, 2_000);
    assert_eq!(converted.written.labels_left_out, 2_000, "MEDS data hold no labels");
    assert_eq!(converted.written.events_left_out, 0);
    let (subjects, counts) = read(&out, None).unwrap();
    assert_eq!((counts.used(), counts.read()), (converted.written.rows, converted.written.rows));
    assert!(counts.skipped().is_empty() && counts.issues().is_empty());
    let bundle = shipped();
    let known_after = &bundle.task().params().known_after;
    let mut answers = 0;
    for (before, after) in sample().iter().zip(&subjects) {
        assert_eq!(
            (before.subject_id, &before.source_id, &before.group),
            (after.subject_id, &after.source_id, &after.group)
        );
        assert_eq!(
            sorted(before.record.clone()),
            sorted(after.record.clone()),
            "line {}",
            before.line
        );
        let at = before.label.unwrap().prediction_time;
        let answer = |subject: &Subject| {
            let built = History::build(&subject.record, bundle.concepts(), known_after).unwrap();
            let facts = extract(&built.history.view(at), bundle.task().spec(), false);
            let probability =
                score(bundle, &built.history, at, 0).map(|s| s.probability.map(f64::to_bits));
            (facts, probability.map_err(|not| not.criterion))
        };
        let (direct, by_meds) = (answer(before), answer(after));
        assert_eq!(format!("{direct:?}"), format!("{by_meds:?}"));
        answers += usize::from(direct.1.is_ok());
    }
    assert!(answers > 1_500, "{answers} rows have a score");
}

#[test]
fn an_export_is_for_its_owner_alone_and_ids_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meds");
    convert(tables(), &out, false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode =
            |path: &str| std::fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("data"), mode("metadata")), (0o700, 0o700, 0o700));
        for file in ["data/0.parquet", "metadata/codes.parquet", "metadata/dataset.json"] {
            assert_eq!(mode(file), 0o600, "{file}");
        }
    }
    let dataset = std::fs::read_to_string(out.join("metadata/dataset.json")).unwrap();
    let dataset: serde_json::Value = serde_json::from_str(&dataset).unwrap();
    assert_eq!(dataset["meds_version"], "0.4.1");
    assert!(!out.join("metadata/subject_splits.parquet").exists(), "the source has none");
    let again = ConvertRequest { source: tables(), out, keep_ids: true };
    let error = command::convert(&again, &Meter::default()).unwrap_err().to_string();
    assert!(error.ends_with("the folder is not empty"), "{error}");
}

/// Reads `export`, writes it as MEDS and reads that.
fn there_and_back(export: &Path, keep_ids: bool) -> (Vec<Subject>, Vec<Subject>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meds");
    let mut before = Vec::new();
    Export::new(export)
        .read(&Meter::default(), |subject| {
            before.push(subject);
            Received::Used
        })
        .unwrap();
    convert(Source::new(export.to_owned()), &out, keep_ids);
    (before, read(&out, None).unwrap().0)
}

#[test]
fn splits_and_ids_of_any_form_go_the_way_too() {
    let mut record = patient();
    record.patient_id = "P-1".into();
    record.events[0].recorded_time = Some(time("2024-03-07T00:00:00Z"));
    record.events[4].value = Some(prodrome::record::Value::Number(0.1));
    record.region = Some("021".into());
    let subject = Subject {
        subject_id: prodrome::import::subject_id("P-1"),
        source_id: "P-1".into(),
        group: "P-1".into(),
        record,
        label: None,
        split: Some(prodrome::train::Split::HeldOut),
        file: "x".into(),
        line: 1,
    };
    let folder = tempfile::tempdir().unwrap();
    for keep_ids in [true, false] {
        let out = folder.path().join(keep_ids.to_string());
        let mut writer = prodrome::import::MedsWriter::create(&out, keep_ids).unwrap();
        writer.push(&subject);
        writer.finish("own").unwrap();
        let (subjects, _) = read(&out, None).unwrap();
        let found = &subjects[0];
        assert_eq!((found.subject_id, found.split), (subject.subject_id, subject.split));
        let name = if keep_ids { "P-1".to_owned() } else { subject.subject_id.to_string() };
        assert_eq!((&found.source_id, &found.group), (&name, &name));
        let mut expected = sorted(subject.record.clone());
        expected.patient_id = name;
        assert_eq!(sorted(found.record.clone()), expected);
    }
}

#[test]
fn fhir_goes_the_way_too() {
    let Some(folder) = crate::support::full_data("fhir-synthea-r4") else { return };
    let (before, after) = there_and_back(&folder, true);
    assert_eq!(before.len(), after.len());
    let bundle = shipped();
    let known_after = &bundle.task().params().known_after;
    for (before, after) in before.iter().zip(&after) {
        let history = |subject: &Subject| {
            History::build(&subject.record, bundle.concepts(), known_after).map(|b| b.history)
        };
        let (Ok(direct), Ok(by_meds)) = (history(before), history(after)) else { panic!("built") };
        for at in direct.episode_ends() {
            let facts = |history: &History| {
                format!("{:?}", extract(&history.view(at), bundle.task().spec(), false))
            };
            assert_eq!(facts(&direct), facts(&by_meds));
        }
        assert_eq!(direct.episode_ends(), by_meds.episode_ends());
    }
}

#[test]
fn a_mapping_for_tables_is_none_for_meds() {
    let Mapping::Stays(_) = mapping() else { panic!("the sample's mapping is of stays") };
    let text = "kind = \"med\"\n";
    assert!(Mapping::parse(text).unwrap_err().to_string().contains("med"));
}

#[test]
fn a_conversion_that_fails_leaves_nothing_and_can_be_begun_again() {
    let row = |id| (id, Some("2020-01-01T00:00:00Z"), "LOINC//4548-4", Some(7.0), None, None);
    let parted = [row(1), row(2), row(1)];
    let (bad, good) = (export(&parted, None), export(&parted[..2], None));
    let out = tempfile::tempdir().unwrap();
    let convert = |folder: &Path| {
        let source = Source::new(folder.to_owned());
        let request = ConvertRequest { source, out: out.path().to_owned(), keep_ids: true };
        command::convert(&request, &Meter::default())
    };
    assert_eq!(convert(bad.path()).unwrap_err().exit_code(), 3);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    assert_eq!(convert(good.path()).unwrap().written.subjects, 2);
}
