//! The access log as AuditEvent resources: every method and outcome, and `audit-export`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use prodrome::access::{Method, Outcome, Purpose};
use prodrome::audit::{AuditError, AuditLog, AuditSettings, Entry, FaultKind, ModelUsed, calls};
use prodrome::record::Time;
use serde_json::Value;

use super::{assert_valid, read};
use crate::support::time;

const START: &str = "2026-03-01T08:00:00Z";

fn at(seconds: i64) -> Time {
    Time::from_micros(time(START).micros() + 1_000_000 * seconds)
}

/// A log of every method with every outcome, in files of a few records each; how many calls it holds.
fn written(folder: &Path) -> usize {
    let settings = AuditSettings {
        folder: Some(folder.join("audit")),
        append_wait_milliseconds: 30_000,
        rotate_bytes: 65_536,
        ..AuditSettings::default()
    };
    let each =
        Method::ALL.into_iter().flat_map(|method| Outcome::ALL.map(|outcome| (method, outcome)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = AuditLog::open(&settings, at(0)).unwrap();
        let mut count = 0;
        for (place, (method, outcome)) in (0_i64..).zip(each) {
            log.append(entry(&log, place, method, outcome)).await.unwrap();
            count += 1;
        }
        log.close(at(1_000)).await.unwrap();
        count
    })
}

fn entry(log: &AuditLog, place: i64, method: Method, outcome: Outcome) -> Entry {
    let key = |patient: &str| log.patient_key(patient);
    let is_list = method == Method::ListFlags;
    let purposes = Purpose::ALL.into_iter().map(Some).chain([None]).collect::<Vec<_>>();
    let purpose = purposes[place as usize % purposes.len()];
    let is_broken = purpose == Some(Purpose::EmergencyTreatment);
    let model =
        ModelUsed { task: "readmit30".into(), version: "1".into(), digest: "0123456789ab".into() };
    Entry {
        user: Some("Practitioner/7".into()),
        time: at(place),
        call_id: place as u64,
        method,
        caller: "spiffe://site/ehr".into(),
        purpose,
        break_glass: is_broken.then(|| "found unconscious\u{7}".into()),
        patient_key: (!is_list).then(|| key("MRN-4711")),
        listed_keys: if is_list { vec![key("MRN-4711"), key("MRN-4712")] } else { Vec::new() },
        models: if place % 2 == 0 { vec![model] } else { Vec::new() },
        outcome,
        trace_id: (place % 3 == 0).then_some(7),
    }
}

fn export(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prodrome-train"))
        .args(["audit-export", "--json", "--folder"])
        .arg(folder.join("audit"))
        .arg("--out")
        .arg(folder.join("out.ndjson"))
        .args(arguments)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_method_and_outcome_becomes_an_event_that_the_library_reads() {
    let folder = tempfile::tempdir().unwrap();
    let count = written(folder.path());
    assert!(fs::read_dir(folder.path().join("audit")).unwrap().count() > 2, "several files");
    let said = json(&export(folder.path(), &[]));
    let numbers = ["events", "calls", "unrecorded_calls"].map(|name| said[name].as_u64().unwrap());
    assert_eq!(numbers, [count as u64, count as u64, 0]);
    let out = folder.path().join("out.ndjson");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_valid(&out, "AuditEvent", count);

    let events = read(&out);
    assert!(
        !fs::read_to_string(&out).unwrap().contains("MRN-47"),
        "patients by keyed hashes alone"
    );
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each call is a resource of its own");
    let recorded: Vec<&str> =
        events.iter().map(|event| event["recorded"].as_str().unwrap()).collect();
    assert!(recorded.is_sorted(), "in the order of the log");
    let of = |method: &str| {
        events.iter().find(|event| event["subtype"][1]["code"] == method).unwrap()["action"].clone()
    };
    let actions = ["Score", "ListFlags", "UpdateFlag", "RecordFeedback"].map(of);
    assert_eq!(actions, ["E", "R", "U", "C"]);
    let failed = events.iter().filter(|event| event["outcome"] != "0").count();
    assert_eq!(failed, Method::ALL.len() * (Outcome::ALL.len() - 1));
    let broken =
        events.iter().find(|event| event["purposeOfEvent"][0]["coding"][0]["code"] == "BTG");
    assert_eq!(broken.unwrap()["purposeOfEvent"][0]["text"], "found unconscious\\u{7}");
    let again = fs::read(&out).unwrap();
    json(&export(folder.path(), &[]));
    assert_eq!(fs::read(&out).unwrap(), again, "twice exported is the same resources");
}

#[test]
fn an_export_can_be_of_a_span_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let count = written(folder.path());
    let events = |arguments: &[&str]| json(&export(folder.path(), arguments))["events"].clone();
    let since = ["--since", "2026-03-01T08:00:10Z"];
    assert_eq!(events(&since), count - 10);
    assert_eq!(events(&[&since[..], &["--until", "2026-03-01T08:00:13Z"]].concat()), 3);
    assert_eq!(events(&["--since", "2026-03-02"]), 0);
    assert_eq!(events(&["--until", "2026-03-02"]), count);
    for wrong in
        [&["--since", "yesterday"][..], &["--since", "2026-03-02", "--until", "2026-03-01"]]
    {
        assert_eq!(export(folder.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_log_that_is_not_what_was_written_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let logs = folder.path().join("audit");
    let first = logs.join("audit-000001.jsonl");
    let whole = fs::read_to_string(&first).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let changed = |text: String| {
        fs::write(&first, text).unwrap();
        let mut given = 0;
        let error = calls(&logs, |_| given += 1).unwrap_err();
        assert_eq!(given, 0, "not a single call of it is given");
        let AuditError::BadRecord { line, kind, .. } = &error else { panic!("{error}") };
        (*line, *kind)
    };
    let with = |place: usize, line: &str| {
        let mut lines = lines.clone();
        lines[place] = line;
        lines.concat()
    };
    let forged = lines[4].replace("spiffe://site/ehr", "spiffe://site/xyz");
    assert_ne!(forged, lines[4]);
    assert_eq!(changed(with(4, &forged)), (6, FaultKind::Unchained));
    assert_eq!(changed(with(4, "")), (5, FaultKind::Missing));
    assert_eq!(changed(with(4, "{\"kind\":\"call\"}\n")), (5, FaultKind::Unreadable));
    assert_eq!(changed(with(4, &"x".repeat(600 << 10))), (5, FaultKind::Torn));
    assert_eq!(changed(with(0, "")), (1, FaultKind::FileHead));

    fs::write(folder.path().join("out.ndjson"), "kept").unwrap();
    fs::write(&first, with(4, "MRN-4711\n")).unwrap();
    let output = export(folder.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("audit-000001.jsonl, line 5: not a record") && said.contains("audit-verify"),
        "{said}"
    );
    assert!(!said.contains("MRN-4711"), "{said}");
    assert_eq!(fs::read(folder.path().join("out.ndjson")).unwrap(), b"kept", "the old file stays");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "log, key and the old file alone");
    let nothing = calls(folder.path(), drop).unwrap_err();
    assert!(matches!(nothing, AuditError::NoLog { .. }), "{nothing}");
}
