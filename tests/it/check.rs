//! `prodrome-train check`: what it says of good, poor and made-up exports, and what it never says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use prodrome::command::{self, CheckRequest, Checked, Source};
use prodrome::import::Meter;
use serde_json::{Value, json};

use crate::support::{full_data, one_task, root, task_folder};

/// A text longer than this is not read.
const LINES_MAX: usize = 130;

fn request(export: &Path) -> CheckRequest {
    CheckRequest {
        source: Source::new(export.to_owned()),
        tasks: Vec::new(),
        models: one_task().to_owned(),
        concepts: Vec::new(),
        published: Vec::new(),
    }
}

fn check(request: &CheckRequest) -> Checked {
    command::check(request, &Meter::default()).unwrap()
}

/// A FHIR export of so many patients with one stay each.
struct MadeUp {
    folder: tempfile::TempDir,
}

/// What is made up about an export.
#[derive(Clone, Copy)]
struct Made {
    patients: usize,
    diagnosis_system: &'static str,
    disposition: Option<&'static str>,
}

const ICD: &str = "http://hl7.org/fhir/sid/icd-10-cm";
const PLAIN: Made = Made { patients: 12, diagnosis_system: ICD, disposition: Some("home") };

fn coding(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

/// Writes the export; ten of the patients bear marks that must not be told.
fn made_up(made: Made) -> MadeUp {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    for number in 0..made.patients {
        let subject = json!({"reference": format!("Patient/canary-person-{number}")});
        let marked = number < 10;
        let (start, end) =
            ("2019-07-23T03:17:00Z", format!("2019-07-{}T05:19:00Z", 24 + number % 7));
        let stay = format!("canary-stay-{number}");
        lines.push(json!({"resourceType": "Patient", "id": format!("canary-person-{number}"),
            "birthDate": "1947-02-13", "gender": "male",
            "address": [{"postalCode": format!("7{number:02}99")}]}));
        let mut encounter = json!({"resourceType": "Encounter", "id": stay, "status": "finished",
            "class": {"code": "IMP"}, "subject": subject, "period": {"start": start, "end": end}});
        if let Some(code) = made.disposition {
            let disposition = coding("urn:hospital:disposition", code);
            encounter["hospitalization"] = json!({"dischargeDisposition": disposition});
        }
        lines.push(encounter);
        let condition = |id: String, code: Value| {
            json!({"resourceType": "Condition", "id": id, "subject": subject, "code": code,
                "encounter": {"reference": format!("Encounter/{stay}")}, "onsetDateTime": start})
        };
        let own = coding(made.diagnosis_system, "E11.9");
        lines.push(condition(format!("a{number}"), own));
        lines.push(condition(format!("b{number}"), coding("urn:local", "COMMON-CODE")));
        if marked {
            lines.push(condition(format!("c{number}"), coding("urn:local", "CANARY-CODE")));
            lines.push(condition(format!("d{number}"), coding("urn:canary-system", "x")));
            lines.push(json!({"resourceType": "Observation", "id": format!("o{number}"),
                "status": "final", "subject": subject, "effectiveDateTime": "2019-07-23T04:00:00Z",
                "code": coding("http://loinc.org", "4548-4"),
                "valueQuantity": {"value": 4001.77, "unit": "canary/unit", "code": "canary/unit"}}));
        }
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("All.ndjson"), text).unwrap();
    MadeUp { folder }
}

fn sample() -> CheckRequest {
    let mut request = request(&root().join("tests/data/diabetes130"));
    request.source.mapping = Some(task_folder().join("diabetes130.toml"));
    request
}

#[test]
fn the_sample_of_the_shipped_task_passes() {
    let checked = check(&sample());
    assert_eq!(checked.exit_code(), 0, "{:?}", checked.look_at);
    let json = serde_json::to_value(&checked).unwrap();
    assert_eq!(json["patients"], 1397);
    assert_eq!(json["subjects"], 2000);
    assert_eq!(json["encounters"], 4342);
    assert_eq!(json["lines"]["read"], 2000);
    assert_eq!(json["lines"]["quarantined"], 0);
    assert!(json["issues"].is_array() && json["lines"]["skipped"].is_object());
    assert_eq!(json["tasks"][0]["verdict"], "trainable");
    assert_eq!(json["content"]["coverage"]["median_days"], 365);
    assert_eq!(json["content"]["encounters"]["episodes_ended"], 2000);
    let text = checked.text();
    assert!(text.lines().count() <= LINES_MAX, "{text}");
    assert!(text.contains("times without a zone were read as UTC"), "{text}");
    assert_eq!(check(&sample()), checked, "the same export, the same answer");
}

#[test]
fn a_task_named_by_its_file_is_checked_as_it_is_found_and_no_task_is_said() {
    let named = CheckRequest { tasks: vec![task_folder().join("task.toml")], ..sample() };
    let found = Checked { tasks_named: true, ..check(&sample()) };
    assert_eq!(check(&named), found);
    let empty = tempfile::tempdir().unwrap();
    fs::copy(root().join("models/concepts.toml"), empty.path().join("concepts.toml")).unwrap();
    let none = check(&CheckRequest { models: empty.path().to_owned(), ..sample() });
    assert_eq!(none.exit_code(), 0);
    assert!(none.look_at.iter().any(|line| line.contains("no task to check")));
}

#[test]
fn an_exclusion_that_can_never_hold_ends_with_3_and_says_how_to_mend_it() {
    let silent = made_up(Made { disposition: None, ..PLAIN });
    let checked = check(&request(silent.folder.path()));
    assert_eq!(checked.exit_code(), 3);
    let worst = &checked.look_at[..3];
    for criterion in ["`died`", "`died_in_stay`", "`hospice`"] {
        assert!(worst.iter().any(|line| line.contains(criterion)), "{worst:?}");
    }
    assert!(worst[2].contains("--concepts"), "{worst:?}");

    let local = made_up(Made { disposition: Some("ZZ-HOME"), ..PLAIN });
    let unknown = check(&request(local.folder.path()));
    assert_eq!(unknown.exit_code(), 3, "codes that no concept knows are no better than none");

    // The site's codes mend it; that nobody went to hospice is a doubt and no more.
    let site = local.folder.path().join("site.toml");
    let codes =
        "[concept.discharge_home]\ntitle = \"home\"\ncodes = [\"DISCHARGE_DISPOSITION//ZZ-HOME\"]";
    fs::write(&site, codes).unwrap();
    let mended = CheckRequest { concepts: vec![site], ..request(local.folder.path()) };
    let mended = check(&mended);
    assert_eq!(mended.exit_code(), 0, "{:?}", mended.look_at);
    assert!(
        mended.look_at.iter().any(|line| line.contains("`hospice`: `discharge_hospice` matches"))
    );
}

#[test]
fn an_inclusion_in_absent_systems_ends_with_3_and_names_them() {
    let export = made_up(Made { diagnosis_system: "urn:local", ..PLAIN });
    let checked = check(&request(export.folder.path()));
    assert_eq!(checked.exit_code(), 3);
    let first = &checked.look_at[0];
    assert!(first.contains("inclusion `diabetes`") && first.contains("ICD10CM"), "{first}");
    let json = serde_json::to_value(&checked).unwrap();
    let used = json["concepts_used"].as_array().unwrap();
    let why = |name: &str| used.iter().find(|c| c["concept"] == name).unwrap()["why"].clone();
    assert!(why("diabetes").as_str().unwrap().contains("do not occur in this export"));
    assert!(why("discharge_hospice").as_str().unwrap().contains("none of its own"));
    assert!(why("stay_diagnoses").as_str().unwrap().contains("counted from"));
}

#[test]
fn censoring_is_explained_and_frequent_codes_without_a_concept_are_listed() {
    let export = made_up(PLAIN);
    let checked = check(&request(export.folder.path()));
    assert_eq!(checked.exit_code(), 0, "{:?}", checked.look_at);
    let said = checked.look_at.join("\n");
    assert!(said.contains("finds no cohort") && said.contains("no patient has coverage"), "{said}");
    let json = serde_json::to_value(&checked).unwrap();
    let unmatched = json["codes"]["unmatched"].as_array().unwrap();
    assert_eq!(unmatched.len(), 1, "{unmatched:?}");
    assert_eq!(unmatched[0]["code"], "COMMON-CODE");
    assert_eq!(unmatched[0]["subjects"], 12);
    assert_eq!(json["content"]["events"]["kinds"]["measurement"]["count"], "<11");
    assert_eq!(json["content"]["events"]["year_range"], json!([2019, 2019]));
    let unit = &json["issues"].as_array().unwrap().iter().find(|i| i["kind"] == "UNKNOWN_UNIT");
    assert_eq!(unit.unwrap()["count"], 10);
}

#[test]
fn nothing_of_ten_patients_is_told() {
    let export = made_up(PLAIN);
    // A faulty line about a patient is named by its place alone.
    let file = export.folder.path().join("All.ndjson");
    let more = fs::read_to_string(&file).unwrap()
        + "{\"resourceType\":\"Encounter\",\"id\":\"canary-e\",\"subject\":{\"reference\":\"Patient/canary-person-1\"},\
           \"class\":{\"code\":\"IMP\"},\"period\":{\"start\":\"2019-07-99\"}}\n";
    fs::write(&file, more).unwrap();
    let checked = check(&request(export.folder.path()));
    assert_eq!(checked.lines.quarantined(), 1);
    assert_eq!(checked.quarantine.len(), 1);
    let said = checked.text() + &serde_json::to_string(&checked).unwrap();
    for mark in ["canary", "CANARY", "4001", "2019-07", "1947", "03:17", "05:19"] {
        assert!(!said.contains(mark), "{mark} is told");
    }
    assert!(!said.contains("urn:canary-system") && said.contains("COMMON-CODE"));
}

fn train(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_prodrome-train");
    Command::new(program).args(arguments).current_dir(root()).output().unwrap()
}

#[test]
fn the_program_prints_text_or_one_object_and_ends_as_the_check_says() {
    let mapping = ["--mapping", "models/readmit30_diabetes/diabetes130.toml"];
    let good = train(&[&["check", "--export", "tests/data/diabetes130"], &mapping[..]].concat());
    assert_eq!(good.status.code(), Some(0));
    assert!(String::from_utf8(good.stdout).unwrap().starts_with("What to look at"));

    let export = made_up(Made { disposition: None, ..PLAIN });
    let folder = export.folder.path().to_str().unwrap();
    let task = ["--task", "models/readmit30_diabetes/task.toml"];
    let poor = train(&[&["check", "--json", "--export", folder], &task[..]].concat());
    assert_eq!(poor.status.code(), Some(3));
    let json: Value = serde_json::from_slice(&poor.stdout).unwrap();
    assert_eq!(json["tasks"][0]["verdict"], "wrong_people");

    fs::write(export.folder.path().join("All.ndjson"), "{\"resourceType\":\n").unwrap();
    let nothing = train(&["check", "--export", folder]);
    assert_eq!(nothing.status.code(), Some(3));
    assert!(String::from_utf8(nothing.stdout).unwrap().contains("nothing at all could be used"));
}

#[test]
fn real_exports_are_told_in_a_page_or_two() {
    for name in ["fhir-synthea-r4", "fhir-pysynthea"] {
        let Some(export): Option<PathBuf> = full_data(name) else { return };
        let checked = check(&request(&export));
        let text = checked.text();
        assert!(text.lines().count() <= LINES_MAX, "{text}");
        let json = serde_json::to_value(&checked).unwrap();
        assert!(json["codes"]["unmatched"].as_array().unwrap().len() <= 50);
        assert!(
            json["codes"]["unmatched"]
                .as_array()
                .unwrap()
                .iter()
                .all(|c| c["subjects"].as_u64() >= Some(11))
        );
    }
}
