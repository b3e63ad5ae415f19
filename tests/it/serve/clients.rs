//! Callers that are not ours: Python's grpcio, buf and grpcurl, with nothing but what the server says
//! of itself. `.ci/run` brings the Python one; the others run where they are.

use std::path::Path;
use std::process::{Command, Output};

use super::process::Server;
use crate::support::root;

const SAMPLE: &str = "tests/cases/readmission/request.json";
const TASK: &str = "readmit30_diabetes";

/// Says that a client is not here; where all must be, that is a failure.
fn skip(what: &str) {
    assert!(
        std::env::var_os("PRODROME_CI").is_none(),
        "{what}: .ci/run must bring it, and a skip is a failure there"
    );
    eprintln!("SKIPPED: {what}");
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(root()).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn python_scores_by_the_reflected_descriptors() {
    let Some(python) = std::env::var_os("PRODROME_PYTHON") else {
        return skip("PRODROME_PYTHON names no Python with grpcio");
    };
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let output = run(Path::new(&python), &["tests/clients/score.py", SAMPLE, &address, TASK]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("ok: ").count(), 8, "{said}");
}

/// A program of that name, where `variable` or the search path has one.
fn tool(variable: &str, name: &str) -> Option<std::path::PathBuf> {
    let found = std::env::var_os(variable).map_or_else(|| name.into(), std::path::PathBuf::from);
    let answers = Command::new(&found).arg("--version").output().is_ok();
    if !answers {
        eprintln!("SKIPPED: no {name} here; name one in {variable}");
    }
    answers.then_some(found)
}

#[test]
fn buf_scores_by_the_reflected_descriptors() {
    let Some(buf) = tool("PRODROME_BUF", "buf") else { return };
    let server = Server::start(&[]);
    let url = format!("http://{}/prodrome.v1.RiskScoring/Score", server.address);
    let data = format!("@{SAMPLE}");
    let call = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", &data, &url];
    let output = run(&buf, &call);
    assert!(
        output.status.success() && said(&output).contains("\"probability\""),
        "{}",
        said(&output)
    );
}

#[test]
fn grpcurl_scores_by_the_reflected_descriptors() {
    let Some(grpcurl) = tool("PRODROME_GRPCURL", "grpcurl") else { return };
    let server = Server::start(&[]);
    let sample = std::fs::read_to_string(root().join(SAMPLE)).unwrap();
    let address = server.address.to_string();
    let call = ["-plaintext", "-d", &sample, &address, "prodrome.v1.RiskScoring/Score"];
    let output = run(&grpcurl, &call);
    assert!(
        output.status.success() && said(&output).contains("\"probability\""),
        "{}",
        said(&output)
    );
}

#[test]
fn the_contract_is_clean_by_buf() {
    let Some(buf) = tool("PRODROME_BUF", "buf") else { return };
    for call in
        [&["lint", "proto"][..], &["breaking", "proto", "--against", "proto/prodrome.v1.binpb"]]
    {
        let output = run(&buf, call);
        assert!(output.status.success(), "buf {call:?}: {}", said(&output));
    }
}
