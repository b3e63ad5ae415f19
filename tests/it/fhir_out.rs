//! FHIR R4 out: every kind of resource, held against a library that is not ours.

mod audit_log;
mod exports;
mod made;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use crate::support::root;

/// Says that the library is not here; where it must be, that is a failure.
fn skip(what: &str) {
    assert!(
        std::env::var_os("PRODROME_CI").is_none(),
        "{what}: .ci/run must bring it, and a skip is a failure there"
    );
    eprintln!("SKIPPED: {what}");
}

/// What the library says of files of resources: how many there are of each type. `None` without a
/// Python that has it.
pub(crate) fn judged(files: &[&Path]) -> Option<Result<String, String>> {
    let Some(python) = std::env::var_os("PRODROME_PYTHON") else {
        skip("PRODROME_PYTHON names no Python with fhir.resources");
        return None;
    };
    let has_it = Command::new(&python).args(["-c", "import fhir.resources.R4B"]).output().unwrap();
    if !has_it.status.success() {
        skip("no fhir.resources in PRODROME_PYTHON");
        return None;
    }
    let program = root().join("tests/clients/fhir_valid.py");
    let output = Command::new(python).arg(program).args(files).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    })
}

/// Holds a file of resources against the library, and says how many of a type were in it.
fn assert_valid(file: &Path, kind: &str, count: usize) {
    if let Some(judged) = judged(&[file]) {
        let said = judged.unwrap_or_else(|said| panic!("{said}"));
        assert!(said.contains(&format!(": {count} {kind}\n")), "{count} {kind} wanted: {said}");
    }
}

/// A file of these resources.
pub(crate) fn file(folder: &Path, name: &str, resources: &[impl Serialize]) -> PathBuf {
    let path = folder.join(name);
    let lines = resources.iter().map(|resource| serde_json::to_string(resource).unwrap() + "\n");
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    path
}

/// The resources of a file.
fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// That the judge judges: what it must refuse, it refuses, and by its name.
#[test]
fn the_judge_refuses_what_is_no_resource_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let good = made::assessment();
    let text = serde_json::to_string(&good).unwrap();
    assert_valid(&file(folder.path(), "good", &[&good]), "RiskAssessment", 1);
    let number = good.prediction[0].probability_decimal.unwrap();
    let percent = format!("\"probabilityDecimal\":{number:?}");
    assert!(text.contains(&percent), "{text}");
    for (what, bad) in [
        ("status", text.replace("\"final\"", "\"done\"")),
        ("subject", text.replace("\"subject\"", "\"subjekt\"")),
        ("probabilityDecimal", text.replace(&percent, "\"probabilityDecimal\":1.5")),
        ("ras-2", text.replace(&percent, "\"probabilityDecimal\":101.5")),
        ("match pattern", text.replace("\"id\":\"", "\"id\":\"a_")),
        ("no reference", text.replace("Patient/p", "Patient/p_1")),
        ("markup", text.replace("\"rationale\":\"", "\"rationale\":\"<b>")),
        ("per-1", text.replace("\"end\":\"2", "\"end\":\"1")),
        ("twice", text.replace("\"status\"", "\"status\":\"final\",\"status\"")),
    ] {
        assert_ne!(bad, text, "{what}");
        let path = folder.path().join("bad");
        std::fs::write(&path, bad + "\n").unwrap();
        let Some(judged) = judged(&[&path]) else { return };
        let said = judged.expect_err(what);
        assert!(said.contains(what), "{what}: {said}");
    }
}
