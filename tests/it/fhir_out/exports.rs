//! `score --format fhir`: the same answers as the prediction file, as resources that others read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use prodrome::command::{self, ConvertRequest, ExportFormat, SimulateRequest, Source};
use prodrome::import::Meter;
use prodrome::record::Time;
use prodrome::simulate::Settings;
use serde_json::Value;

use super::{assert_valid, read};
use crate::support::{full_data, root, time};

/// The most lines of a large export that the library, which is slow, is asked to read.
const JUDGED_MAX: usize = 300;

fn run(bundle: &str, export: &Path, format: &[&str], out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prodrome-train"))
        .args(["score", "--json", "--bundle", bundle, "--export"])
        .arg(export)
        .arg("--out")
        .arg(out)
        .args(format)
        .current_dir(root())
        .output()
        .unwrap()
}

fn score(bundle: &str, export: &Path, format: &str, out: &Path) -> Value {
    json(&run(bundle, export, &["--format", format], out))
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// By patient and index time the bits of the probability; nothing where the data do not suffice.
type Answers = BTreeMap<(String, Time), Option<u64>>;

/// Those of a prediction file that have an answer.
fn predicted(path: &Path) -> Answers {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let names: Vec<String> = schema.columns().iter().map(|c| c.name().to_owned()).collect();
    let place = |name: &str| names.iter().position(|known| known == name).unwrap();
    let [patient, at, probability, sufficiency] =
        ["patient_id", "prediction_time", "predicted_boolean_probability", "sufficiency"]
            .map(place);
    let mut answers = Answers::new();
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        if row.get_string(sufficiency).is_ok() {
            let time = Time::from_micros(row.get_timestamp_micros(at).unwrap());
            let bits = row.get_double(probability).ok().map(f64::to_bits);
            answers.insert((row.get_string(patient).unwrap().clone(), time), bits);
        }
    }
    answers
}

/// Those of resources.
fn assessed(resources: &[Value]) -> Answers {
    let answer = |resource: &Value| {
        let subject = &resource["subject"];
        let patient = match subject["reference"].as_str() {
            Some(reference) => reference.strip_prefix("Patient/").unwrap(),
            None => subject["identifier"]["value"].as_str().unwrap(),
        };
        let at = time(resource["occurrenceDateTime"].as_str().unwrap());
        let exact = &resource["prediction"][0]["extension"][0];
        let bits = exact["valueDecimal"].as_f64().map(f64::to_bits);
        ((patient.to_owned(), at), bits)
    };
    let answers: Answers = resources.iter().map(answer).collect();
    assert_eq!(answers.len(), resources.len(), "one resource for each index time");
    answers
}

#[test]
fn the_resources_of_an_export_hold_the_probabilities_of_its_prediction_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let settings = Settings::new(200, 6, 23);
    let request =
        |format, out| SimulateRequest { settings: settings.clone(), format, out, truth: None };
    command::simulate(&request(ExportFormat::Fhir, at("fhir"))).unwrap();
    let convert =
        ConvertRequest { source: Source::new(at("fhir")), out: at("meds"), keep_ids: true };
    command::convert(&convert, &Meter::default()).unwrap();
    for bundle in ["models/readmit30/1", "models/bp_rise/1"] {
        let mut of_source = Vec::new();
        for source in ["fhir", "meds"] {
            let (plain, resources) = (at("out.parquet"), at("out.ndjson"));
            let by_plain = score(bundle, &at(source), "meds", &plain);
            let by_fhir = score(bundle, &at(source), "fhir", &resources);
            for name in ["digest", "lines", "scored", "not_scored", "sufficiency"] {
                assert_eq!(by_plain[name], by_fhir[name], "{name}");
            }
            assert_eq!(fs::metadata(&resources).unwrap().permissions().mode() & 0o777, 0o600);
            let found = read(&resources);
            assert!(found.len() > 30, "{bundle}: {}", found.len());
            assert_eq!(predicted(&plain), assessed(&found), "{bundle} of {source}");
            assert_valid(&resources, "RiskAssessment", found.len());
            assert!(
                found.iter().all(|each| each["meta"]["tag"][0]["code"] == "HTEST"),
                "simulated"
            );
            let explained =
                found.iter().filter(|each| each["prediction"][0]["rationale"].is_string());
            assert!(explained.count() * 2 > found.len());
            if source == "fhir" {
                let with_basis = found.iter().filter(|each| each["basis"].is_array()).count();
                assert!(with_basis * 2 > found.len(), "{with_basis} of {}", found.len());
                let with_encounter =
                    found.iter().filter(|each| each["encounter"].is_object()).count();
                assert_eq!(
                    with_encounter,
                    found.len(),
                    "each index time here ends a stay or contact"
                );
                all_are_in_the_source(&found, &at("fhir"));
            }
            of_source.push(assessed(&found));
        }
        assert_eq!(of_source[0], of_source[1], "{bundle}: one road from both sources");
    }
}

#[test]
fn a_table_of_labelled_stays_gives_the_same_answers_in_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, resources) = (folder.path().join("out.parquet"), folder.path().join("out.ndjson"));
    let export = root().join("tests/data/diabetes130");
    let mapping = ["--mapping", "models/readmit30_diabetes/diabetes130.toml"];
    let bundle = "models/readmit30_diabetes/1";
    let by_plain = json(&run(bundle, &export, &mapping, &plain));
    let format = ["--format", "fhir"];
    let by_fhir = json(&run(bundle, &export, &[&mapping[..], &format].concat(), &resources));
    assert_eq!(by_plain["scored"], by_fhir["scored"], "the usual format is the prediction file");
    let found = read(&resources);
    assert!(found.len() > 1_500, "{}", found.len());
    assert!(predicted(&plain) == assessed(&found));
    // Visits that stand for counts were never there: nothing refers to them.
    let basis = found.iter().flat_map(|each| each["basis"].as_array().into_iter().flatten());
    let encounters: BTreeSet<&str> = basis.filter_map(|of| of["reference"].as_str()).collect();
    let stays = found.iter().filter_map(|each| each["encounter"]["reference"].as_str());
    let stays: BTreeSet<&str> = stays.collect();
    assert!(!stays.is_empty() && encounters.is_subset(&stays));
    let wrong = run(bundle, &export, &["--format", "csv"], &resources);
    assert_eq!(wrong.status.code(), Some(2));
}

/// That everything referred to is in the export.
fn all_are_in_the_source(found: &[Value], export: &Path) {
    let mut names = std::collections::HashSet::new();
    for file in fs::read_dir(export).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            let resources = read(&path);
            names.extend(resources.iter().map(|of| {
                format!("{}/{}", of["resourceType"].as_str().unwrap(), of["id"].as_str().unwrap())
            }));
        }
    }
    let referred = |of: &Value| of["reference"].as_str().map(str::to_owned);
    for each in found {
        let basis = each["basis"].as_array().into_iter().flatten();
        let all = basis.chain([&each["subject"], &each["encounter"]]).filter_map(referred);
        for reference in all {
            assert!(names.contains(&reference), "{reference} is not in the export");
        }
    }
}

#[test]
fn resources_of_public_fhir_samples_are_read_by_the_library() {
    // Most of these people have no coverage, without which the simulated models score nobody.
    let bundles = [
        "models/readmit30/1",
        "models/bp_rise/1",
        "models/htn_incident/1",
        "models/readmit30_diabetes/1",
    ];
    for sample in ["fhir-synthea-r4", "fhir-pysynthea"] {
        let Some(export) = full_data(sample) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let [mut all, mut with_number] = [0, 0];
        for bundle in bundles {
            let (plain, out) =
                (folder.path().join("out.parquet"), folder.path().join("out.ndjson"));
            score(bundle, &export, "meds", &plain);
            score(bundle, &export, "fhir", &out);
            let found = read(&out);
            let answers = assessed(&found);
            assert!(answers == predicted(&plain), "{sample}, {bundle}: the same answers");
            all += found.len();
            with_number += answers.values().flatten().count();
            // From everywhere in the file.
            let step = found.len().div_ceil(JUDGED_MAX).max(1);
            let text = fs::read_to_string(&out).unwrap();
            let some: Vec<&str> = text.split_inclusive('\n').step_by(step).collect();
            eprintln!("{sample}, {bundle}: {} resources, {} of them read", found.len(), some.len());
            if !some.is_empty() {
                let part = folder.path().join("part.ndjson");
                fs::write(&part, some.concat()).unwrap();
                assert_valid(&part, "RiskAssessment", some.len());
            }
        }
        assert!(all > 500 && with_number > 10, "{sample}: {all}, {with_number} with a probability");
    }
}
