//! The access log: chain, checkpoints, rotation, retention, kills, and whoever tampers with it.

mod tampering;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prodrome::access::{Method, Outcome, Purpose};
use prodrome::audit::{
    AuditError, AuditLog, AuditSettings, Entry, Evidence, FaultKind, ModelUsed, Verdict, verify,
};
use prodrome::record::Time;
use serde_json::Value;

use crate::support::time;

const START: &str = "2026-03-01T08:00:00Z";

fn settings(folder: &Path) -> AuditSettings {
    AuditSettings {
        folder: Some(folder.join("audit")),
        // A busy test machine is no slow disk.
        append_wait_milliseconds: 30_000,
        ..AuditSettings::default()
    }
}

fn later(seconds: i64) -> Time {
    Time::from_micros(time(START).micros() + 1_000_000 * seconds)
}

fn entry(log: &AuditLog, call_id: u64) -> Entry {
    Entry {
        time: later(call_id as i64),
        call_id,
        method: Method::Score,
        caller: "spiffe://site/ehr".into(),
        user: None,
        purpose: Some(Purpose::Treatment),
        break_glass: None,
        listed_keys: Vec::new(),
        patient_key: Some(log.patient_key(&format!("patient-{}", call_id % 7))),
        models: vec![ModelUsed {
            task: "readmit30_diabetes".into(),
            version: "1".into(),
            digest: "0123456789ab".into(),
        }],
        outcome: Outcome::Ok,
        trace_id: Some(7),
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("audit/audit-{number:06}.jsonl"))
}

/// Checks the log in a folder with its secret.
fn check(folder: &Path) -> Verdict {
    let key_file = Some(folder.join("audit.key"));
    verify(&folder.join("audit"), &Evidence { key_file, ..Evidence::default() }).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Writes a log of `calls` calls, closed in order.
fn write(settings: &AuditSettings, calls: std::ops::Range<u64>) {
    runtime().block_on(async {
        let end = later(calls.end as i64);
        let log = AuditLog::open(settings, later(calls.start as i64)).unwrap();
        for call in calls {
            log.append(entry(&log, call)).await.unwrap();
        }
        log.close(end).await.unwrap();
    });
}

/// The ids of the calls in a log, in order.
fn calls(folder: &Path) -> Vec<u64> {
    let mut calls = Vec::new();
    for number in 1.. {
        let Ok(text) = fs::read_to_string(path(folder, number)) else { return calls };
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ids = records.filter_map(|r| r["call"].as_str().map(str::to_owned));
        calls.extend(ids.map(|id| u64::from_str_radix(&id, 16).unwrap()));
    }
    calls
}

#[test]
fn a_call_is_one_line_that_names_the_patient_by_a_keyed_hash_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    runtime().block_on(async {
        let log = AuditLog::open(&settings, later(0)).unwrap();
        let key = log.patient_key("MRN-4711");
        assert_eq!(key, log.patient_key("MRN-4711"));
        assert_ne!(key, log.patient_key("MRN-4712"));
        let reason = Some("found unconscious\r\nseq: 1".to_owned());
        let entry = Entry { patient_key: Some(key), break_glass: reason, ..entry(&log, 42) };
        log.append(entry).await.unwrap();
        log.close(later(60)).await.unwrap();
        let text = fs::read_to_string(path(folder.path(), 1)).unwrap();
        // The whole name: four digits alone stand in a hash now and then.
        assert!(!text.contains("MRN-4711"));
        let record = text.lines().find(|line| line.contains("\"kind\":\"call\"")).unwrap();
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!(record["patient"], key.to_string());
        assert_eq!(record["call"], "000000000000002a");
        assert_eq!(record["break_glass"], "found unconscious\\u{d}\\u{a}seq: 1");
        assert_eq!((&record["outcome"], &record["purpose"]), (&"OK".into(), &"TREATMENT".into()));
        assert_eq!(record["models"][0]["digest"], "0123456789ab");
    });
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().join("audit")), 0o700);
    assert_eq!(mode(path(folder.path(), 1)), 0o600);
    assert_eq!(mode(folder.path().join("audit/checkpoint.json")), 0o600);
    assert_eq!(mode(folder.path().join("audit.key")), 0o600);
}

#[test]
fn a_log_is_written_by_one_server_with_one_secret() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    runtime().block_on(async {
        let log = AuditLog::open(&settings, later(0)).unwrap();
        let error = AuditLog::open(&settings, later(0)).unwrap_err();
        assert!(matches!(error, AuditError::Locked { .. }), "{error}");
        log.close(later(1)).await.unwrap();
        let error = log.append(entry(&log, 1)).await.unwrap_err();
        assert!(matches!(error, AuditError::Closed), "{error}");
    });
    let key = folder.path().join("audit.key");
    let secret = fs::read(&key).unwrap();
    let refused = |what: &str| {
        let error = AuditLog::open(&settings, later(2)).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refused("chmod 600");
    fs::remove_file(&key).unwrap();
    refused("bring it back");
    let other = "ab".repeat(32);
    fs::write(&key, other).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    refused("not the key");
    fs::write(&key, secret).unwrap();
    write(&settings, 5..8);
    assert_eq!(check(folder.path()).fault, None);
}

#[test]
fn calls_from_many_tasks_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AuditSettings { rotate_bytes: 8 << 20, ..settings(folder.path()) };
    const CALLS: u64 = 100_000;
    runtime().block_on(async {
        let log = Arc::new(AuditLog::open(&settings, later(0)).unwrap());
        let tasks = (0..64).map(|task| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for call in (task..CALLS).step_by(64) {
                    log.append(entry(&log, call)).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        log.close(later(CALLS as i64)).await.unwrap();
    });
    let verdict = check(folder.path());
    assert_eq!((verdict.fault, verdict.calls), (None, CALLS));
    assert!(verdict.files >= 4 && verdict.checkpoints >= 10, "{} files", verdict.files);
    let calls: BTreeSet<u64> = calls(folder.path()).into_iter().collect();
    assert_eq!(calls.len() as u64, CALLS);
}

#[test]
fn files_older_than_the_retention_go_and_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        AuditSettings { rotate_bytes: 8 << 10, retention_days: 30, ..settings(folder.path()) };
    // A call every hour for 100 days.
    runtime().block_on(async {
        let log = AuditLog::open(&settings, later(0)).unwrap();
        for hour in 0..2_400 {
            let entry = Entry { time: later(3_600 * hour), ..entry(&log, hour as u64) };
            log.append(entry).await.unwrap();
        }
        log.close(later(3_600 * 2_400)).await.unwrap();
    });
    let verdict = check(folder.path());
    assert_eq!(verdict.fault, None);
    assert!(verdict.first_file > 1 && !path(folder.path(), 1).exists());
    let kept_days = (2_400 - verdict.calls as i64 - 1) / 24;
    assert!((60..70).contains(&kept_days), "70 days of 100 are too old: {kept_days} are gone");
    // Somebody helps.
    fs::remove_file(path(folder.path(), verdict.first_file)).unwrap();
    let fault = check(folder.path()).fault.unwrap();
    assert_eq!((fault.kind, fault.line), (FaultKind::Beginning, 1));
    assert_eq!(fault.file, path(folder.path(), verdict.first_file + 1));
}

#[test]
fn a_clock_that_jumps_years_ahead_costs_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    write(&settings, 0..10);
    runtime().block_on(async {
        let log = AuditLog::open(&settings, later(0).plus_days(3_650)).unwrap();
        let entry = Entry { time: later(0).plus_days(3_650), ..entry(&log, 10) };
        log.append(entry).await.unwrap();
        // And back again.
        log.close(later(0).plus_days(-3)).await.unwrap();
    });
    let verdict = check(folder.path());
    assert_eq!((verdict.fault, verdict.calls, verdict.first_file), (None, 11, 1));
}

const CHILD_FOLDER: &str = "PRODROME_TEST_AUDIT_FOLDER";

/// Not a test: the program that is killed below. Prints each call once it is recorded.
#[test]
#[ignore = "run as a child process by the test below"]
fn records_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER).map(PathBuf::from) else { return };
    let settings = AuditSettings { rotate_bytes: 64 << 10, ..settings(&folder) };
    let first: u64 = calls(&folder).iter().max().map_or(0, |last| last + 1_000_000);
    runtime().block_on(async {
        let log = Arc::new(AuditLog::open(&settings, later(0)).unwrap());
        let tasks = (0..8).map(|task| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for call in (first + task..).step_by(8) {
                    log.append(entry(&log, call)).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "recorded {call}").unwrap();
                    out.flush().unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

/// Kills the writer `kills` times at any moment, and counts what is left.
fn kill_the_writer(kills: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = Vec::new();
    let mut random = fastrand::Rng::with_seed(6);
    for _ in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "audit::records_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged = |line: String| {
            line.split_once("recorded ").and_then(|(_, call)| call.parse::<u64>().ok())
        };
        // Not before it records.
        let first = lines.by_ref().map_while(Result::ok).find_map(acknowledged);
        recorded.extend(first);
        let killer = std::thread::spawn({
            let wait = Duration::from_micros(random.u64(0..60_000));
            move || {
                std::thread::sleep(wait);
                child.kill().unwrap();
                child.wait().unwrap()
            }
        });
        recorded.extend(lines.map_while(Result::ok).filter_map(acknowledged));
        killer.join().unwrap();
    }
    // The next start puts right what the last kill left.
    write(&settings(folder.path()), 1 << 40..(1 << 40) + 1);
    let verdict = check(folder.path());
    assert_eq!(verdict.fault, None);
    let calls = calls(folder.path());
    let once: BTreeSet<u64> = calls.iter().copied().collect();
    assert_eq!(once.len(), calls.len(), "no call twice");
    assert!(recorded.len() > kills as usize, "{} acknowledged", recorded.len());
    for call in recorded {
        assert!(once.contains(&call), "call {call} was acknowledged");
    }
}

#[test]
fn a_kill_loses_no_acknowledged_record() {
    kill_the_writer(12);
}

#[test]
#[ignore = "long: 500 kills"]
fn five_hundred_kills_lose_no_acknowledged_record() {
    kill_the_writer(500);
}

#[test]
#[ignore = "mounts a file system of 1 MB: needs the right to"]
fn a_full_file_system_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
    };
    let place = folder.path().to_str().unwrap();
    if !mount("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs", place]) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    let settings = settings(folder.path());
    runtime().block_on(async {
        let log = AuditLog::open(&settings, later(0)).unwrap();
        let ballast = folder.path().join("ballast");
        fs::write(&ballast, vec![1; 400 << 10]).unwrap();
        let (mut call, mut refused) = (0, 0);
        while refused < 100 {
            let begun = std::time::Instant::now();
            refused += u64::from(log.append(entry(&log, call)).await.is_err());
            assert!(begun.elapsed() < Duration::from_secs(1));
            call += 1;
        }
        fs::remove_file(ballast).unwrap();
        while log.append(entry(&log, call)).await.is_err() {
            call += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        log.close(later(1_000_000)).await.unwrap();
        let verdict = check(folder.path());
        assert_eq!((verdict.fault, verdict.calls), (None, call + 1));
    });
    // Lazily: the thread that flushes may still hold the last file.
    assert!(mount("umount", &["-l", place]));
}
