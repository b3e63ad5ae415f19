//! Callers that are not ours: the sample client and the sandbox page that are shipped, and the library that
//! reads all that leaves by HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::patients::{bundle, hardly_ill, often_here};
use super::{SCORE, asked, post, server};
use crate::fhir_out::{file, judged};
use crate::support::root;
use crate::trust::python_with_browser;

/// The Python that runs clients.
fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("PRODROME_PYTHON");
    if python.is_none() {
        assert!(
            std::env::var_os("PRODROME_CI").is_none(),
            "a skip is a failure where all is there"
        );
        eprintln!("SKIPPED: PRODROME_PYTHON names no Python");
    }
    python
}

#[test]
fn the_sample_client_walks_a_patient_through() {
    let Some(python) = python() else { return };
    let server = server(&[]);
    let address = format!("http://{}", server.ehr.unwrap());
    let run = |patient: &str, more: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["examples/ehr/fhir_cds.py", &address, patient]).args(more);
        let output = command.current_dir(root()).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    };
    let (went, said) = run("examples/ehr/patient.json", &["--override", "already-managed"]);
    assert!(went && said.contains("feedback: overridden") && said.contains("card(s)"), "{said}");
    assert!(said.contains("[warning] ") || said.contains("[info] "), "{said}");
    let (went, said) = run("examples/ehr/low_risk.json", &[]);
    assert!(went && said.ends_with("no card: there is nothing to say\n"), "{said}");
    let (went, said) = run("tests/cases/readmission/request.json", &[]);
    assert!(!went, "{said}");
}

/// A web server for the sandbox page; it ends when dropped.
struct Pages(Child);

impl Drop for Pages {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_sandbox_shows_cards_and_sends_feedback_in_a_browser() {
    let Some(python) = python_with_browser() else { return };
    let mut command = Command::new(&python);
    command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]);
    command.arg("examples/ehr").current_dir(root()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut pages = Pages(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(pages.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.split("port ").nth(1).unwrap().split(' ').next().unwrap();
    let origin = format!("http://127.0.0.1:{port}");
    let server = server(&[("EHR__ALLOWED_ORIGINS", &format!("[\"{origin}\"]"))]);
    let mut command = Command::new(&python);
    command.arg("tests/clients/sandbox.py").arg(format!("{origin}/sandbox.html"));
    command.arg(format!("http://{}", server.ehr.unwrap()));
    command.args(std::env::var_os("PRODROME_SHOTS")).current_dir(root());
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("sandbox: all held"), "{said}");
}

#[test]
fn all_that_leaves_by_http_is_fhir_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("flags/flags.db");
    let settings = [("FLAGS__STORE", store.to_str().unwrap()), ("MODELS__DEMO", "false")];
    let server = server(&settings);
    let address = server.ehr.unwrap();
    let scored = post(&server, SCORE, &bundle("collection", &often_here()));
    let kinds: Vec<&str> = scored.body["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["resourceType"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"RiskAssessment") && kinds.contains(&"Flag"), "{kinds:?}");
    let get = |path: &str| asked::get(address, path, &[]).body;
    let all = [
        scored.body.clone(),
        post(&server, SCORE, &bundle("searchset", &hardly_ill())).body,
        post(&server, SCORE, &bundle("collection", &[])).body,
        get("/fhir/Flag?status=active&_count=1"),
        get("/fhir/Flag?status=odd"),
        get("/fhir/metadata"),
        get("/fhir/OperationDefinition/RiskAssessment-score"),
        get("/nothing"),
    ];
    for answer in &all {
        assert!(answer["resourceType"].is_string(), "{answer}");
    }
    let made = file(folder.path(), "answers.ndjson", &all);
    if let Some(judged) = judged(&[&made]) {
        judged.unwrap_or_else(|said| panic!("{said}"));
    }
}
