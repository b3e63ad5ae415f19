//! Marks in the records that the trainer reads, good and broken: no command says one, or leaves one in
//! anything but the files that are for patients' data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::marks::Marks;
use crate::canary::planted;
use crate::support::{root, task_folder};

/// A command's end: what it said, and the code.
struct Said {
    code: i32,
    text: Vec<u8>,
}

/// Runs `prodrome-train` with a folder for files for a while, which must be empty again.
fn run(marks: &Marks, arguments: &[&str]) -> Said {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_prodrome-train"))
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let shown = String::from_utf8_lossy(&text);
    assert_eq!(marks.found(&text), [""; 0], "{arguments:?}: {shown}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{arguments:?}");
    let code = output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {shown}"));
    assert!(code != 101, "a panic: {arguments:?}: {shown}");
    Said { code, text }
}

/// In both forms of what a command says.
fn run_both(marks: &Marks, arguments: &[&str]) -> i32 {
    let plain = run(marks, &[arguments, &["-v"]].concat());
    assert!(!plain.text.is_empty(), "{arguments:?}");
    let json = run(marks, &[arguments, &["--json"]].concat());
    assert_eq!(plain.code, json.code, "{arguments:?}");
    plain.code
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn no_command_says_anything_of_a_patient_in_a_table() {
    let planted = planted();
    let marks = Marks::default();
    planted.texts.iter().for_each(|mark| _ = marks.text(mark));
    assert!(marks.len() >= 50);
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name);
    let (mapping, task) = (task_folder().join("diabetes130.toml"), task_folder().join("task.toml"));
    let bundle = task_folder().join("1");
    let records = ["--export", text(planted.export.path()), "--mapping", text(&mapping)];
    fn with<'a>(words: &[&'a str], records: &[&'a str]) -> Vec<&'a str> {
        [words, records].concat()
    }
    let models = root().join("models");
    let one = |words: &[&str]| run(&marks, &with(words, &records)).code;
    assert_eq!(
        run_both(
            &marks,
            &with(&["check", "--task", text(&task), "--models", text(&models)], &records)
        ),
        0
    );
    assert_eq!(one(&["cohort", "--task", text(&task), "--out", text(&at("labels.parquet"))]), 0);
    let leaks = one(&["leaks", "--task", text(&task)]);
    assert!(leaks <= 1, "{leaks}");
    assert_eq!(one(&["convert", "--out", text(&at("meds"))]), 0);
    assert_eq!(one(&["score", "--bundle", text(&bundle), "--out", text(&at("scores.parquet"))]), 0);
    let resources = at("scores.ndjson");
    let resources = ["--format", "fhir", "--out", text(&resources)];
    assert_eq!(one(&[&["score", "--bundle", text(&bundle)][..], &resources].concat()), 0);
    let judged = at("judged");
    assert_eq!(one(&["evaluate", "--bundle", text(&bundle), "--out", text(&judged)]), 0);
    let fit = ["fit", "--task", text(&task), "--families", "logistic", "--trials", "1", "--models"];
    let fitted = at("fitted");
    let fit = with(&[&fit[..], &[text(&fitted)]].concat(), &records);
    assert_eq!(run(&marks, &fit).code, 0);
    // Files that are for patients' data; of these the names alone are looked at.
    for file in ["labels.parquet", "scores.parquet", "scores.ndjson"] {
        fs::remove_file(at(file)).unwrap();
    }
    fs::remove_file(judged.join("predictions.parquet")).unwrap();
    fs::remove_dir_all(at("meds")).unwrap();
    assert_eq!(marks.found_under(out.path()), [""; 0]);
    assert!(judged.join("report.html").is_file() && at("fitted").is_dir());
}

/// A FHIR export of which some lines cannot be used.
fn fhir(marks: &Marks, folder: &Path) -> PathBuf {
    let word = |place: &str| marks.word(place);
    let patient = word("patient");
    let subject = json!({"reference": format!("Patient/{patient}")});
    let lines = |name: &str, lines: Vec<String>| {
        fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
    };
    let of_patient = |birth: String| {
        json!({
            "resourceType": "Patient", "id": patient, "gender": "female", "birthDate": birth,
            "name": [{"family": word("family"), "given": [word("given")]}],
            "identifier": [{"system": "urn:mrn", "value": word("mrn")}],
            "address": [{"line": [word("street")], "city": word("city"), "postalCode": word("zip")}],
            "telecom": [{"value": word("phone")}],
        })
        .to_string()
    };
    lines(
        "Patient.ndjson",
        vec![
            of_patient(marks.text("1931-07-23")),
            of_patient(word("birthdate")),
            format!("{{\"resourceType\": \"Patient\", \"id\": {}", word("cutline")),
            word("nojson"),
        ],
    );
    let stay = |id: String, start: String| {
        json!({
            "resourceType": "Encounter", "id": id, "status": word("status"),
            "class": {"code": word("class")}, "subject": subject,
            "period": {"start": start, "end": word("end")},
            "serviceProvider": {"display": word("hospital")},
        })
        .to_string()
    };
    lines(
        "Encounter.ndjson",
        vec![
            stay(word("stay"), word("start")),
            stay(word("other"), marks.text("2024-03-01T09:46:57Z")),
        ],
    );
    let value = |value: serde_json::Value| {
        json!({
            "resourceType": "Observation", "id": word("observation"), "status": "final",
            "subject": subject, "effectiveDateTime": "2024-03-02T09:46:57Z",
            "code": {"coding": [{"system": word("system"), "code": word("code"),
                "display": word("display")}], "text": word("codetext")},
            "valueQuantity": {"value": value, "unit": word("unit"), "code": word("ucum")},
            "note": [{"text": word("note")}],
        })
        .to_string()
    };
    lines(
        "Observation.ndjson",
        vec![
            value(json!(7391.468213)),
            value(json!(word("value"))),
            value(json!({"deep": [[word("deep")]]})),
        ],
    );
    marks.text("7391.468213");
    lines("Condition.ndjson", vec![
        json!({
            "resourceType": "Condition", "id": word("condition"), "subject": subject,
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": word("icd")}]},
            "recordedDate": word("recorded"), "encounter": {"reference": word("ofstay")},
        })
        .to_string(),
    ]);
    folder.to_owned()
}

#[test]
fn no_command_says_anything_of_a_patient_in_broken_records() {
    let marks = Marks::default();
    let fhir_folder = tempfile::tempdir().unwrap();
    let export = fhir(&marks, fhir_folder.path());
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name);
    let task = task_folder().join("task.toml");
    let bundle = task_folder().join("1");
    let models = root().join("models");
    let exports = [
        (export, None),
        (broken_table(&marks, &at("table")), Some(task_folder().join("diabetes130.toml"))),
        (broken_meds(&marks, &at("meds")), None),
    ];
    for (number, (export, mapping)) in exports.iter().enumerate() {
        let mut records = vec!["--export", text(export)];
        records.extend(mapping.iter().flat_map(|mapping| ["--mapping", text(mapping)]));
        let new = |name: &str| text(&at(&format!("{name}{number}"))).to_owned();
        let (labels, meds, scores, resources) = (new("l"), new("m"), new("s"), new("r"));
        let (judged, fitted) = (new("j"), new("f"));
        let commands: [&[&str]; 8] = [
            &["check", "--task", text(&task), "--models", text(&models)],
            &["cohort", "--task", text(&task), "--out", &labels],
            &["leaks", "--task", text(&task)],
            &["convert", "--out", &meds],
            &["score", "--bundle", text(&bundle), "--out", &scores],
            &["score", "--bundle", text(&bundle), "--format", "fhir", "--out", &resources],
            &["evaluate", "--bundle", text(&bundle), "--out", &judged],
            &["fit", "--task", text(&task), "--models", &fitted],
        ];
        for command in commands {
            let said = run(&marks, &[command, &records, &["-v"]].concat());
            assert!(!said.text.is_empty() && said.code <= 4, "{command:?}: {}", said.code);
        }
    }
    assert!(marks.len() >= 30, "{}", marks.len());
}

/// A table with rows that cannot be used.
fn broken_table(marks: &Marks, folder: &Path) -> PathBuf {
    fs::create_dir(folder).unwrap();
    let sample = root().join("tests/data/diabetes130/diabetic_data.sample.csv");
    let sample = fs::read_to_string(sample).unwrap();
    let mut lines: Vec<String> = sample.lines().take(40).map(str::to_owned).collect();
    let width = lines[0].split(',').count();
    for place in 0..width.min(20) {
        let mut cells: Vec<String> = lines[1 + place].split(',').map(str::to_owned).collect();
        cells[place] = marks.word(&format!("cell{place}"));
        lines[1 + place] = cells.join(",");
    }
    lines.push(marks.word("shortrow"));
    lines.push(format!("\"{},never closed", marks.word("quote")));
    fs::write(folder.join("diabetic_data.csv"), lines.join("\n")).unwrap();
    folder.to_owned()
}

/// What looks like a MEDS export and is none.
fn broken_meds(marks: &Marks, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder.join("data")).unwrap();
    let bytes = format!("PAR1{}PAR1", marks.word("parquet").repeat(50));
    fs::write(folder.join("data/0.parquet"), bytes).unwrap();
    folder.to_owned()
}

#[test]
fn no_command_says_what_is_in_a_bad_file() {
    let marks = Marks::default();
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad");
    let task = task_folder().join("task.toml");
    let export = root().join("tests/data/diabetes130");
    let mapping = task_folder().join("diabetes130.toml");
    let out = folder.path().join("out");
    let [out, bad, task] = [&out, &bad, &task].map(|path| text(path));
    let records = ["--export", text(&export), "--mapping", text(&mapping)];
    let label =
        format!("patient_id,prediction_time\n{},{}\n", marks.word("id"), marks.word("time"));
    let contents = [label, format!("{{\"{}\": 1", marks.word("json")), marks.word("nothing")];
    for content in contents {
        fs::write(bad, content).unwrap();
        let fit =
            [&["fit", "--task", task, "--labels", bad, "--models", out][..], &records].concat();
        assert!(run(&marks, &fit).code >= 2);
        let leaks = [&["leaks", "--task", task, "--labels", bad][..], &records].concat();
        assert!(run(&marks, &leaks).code >= 2);
        assert!(run(&marks, &["audit-verify", "--folder", bad]).code >= 1);
        assert!(run(&marks, &["audit-export", "--folder", bad, "--out", out]).code >= 1);
        assert!(run(&marks, &["verify", bad]).code >= 1);
    }
    // The access log itself, with a line that somebody wrote into it.
    let log = folder.path().join("audit");
    fs::create_dir(&log).unwrap();
    fs::write(
        log.join("audit-000001.jsonl"),
        format!("{{\"call\": \"{}\"}}\n", marks.word("forged")),
    )
    .unwrap();
    assert!(run(&marks, &["audit-verify", "--folder", text(&log)]).code >= 1);
    assert!(run(&marks, &["audit-export", "--folder", text(&log), "--out", out]).code >= 1);
}
