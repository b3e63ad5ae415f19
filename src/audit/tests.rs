//! A disk that fails, is full, or hangs: no answer without a record, no record lost or halved.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::disk::{Faults, Operation};
use super::queue::QUEUE_MAX;
use super::*;
use crate::access::{Method, Outcome, Purpose};
use crate::record::Time;

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Trick {
    #[default]
    None,
    Fails(Operation, ErrorKind),
    /// The disk takes half of what it is given, and then no more.
    Full,
    /// As `Full`, and what it took cannot be cut off again.
    Stuck,
    Hangs(Operation),
}

#[derive(Debug, Default)]
struct Planned {
    trick: Trick,
    /// Only this operation, counted from 1, is struck.
    at: Option<u64>,
    operations: u64,
    /// What a full disk has taken half of.
    has_halved: bool,
}

/// What goes wrong, and when.
#[derive(Debug, Default)]
pub(super) struct Plan(Mutex<Planned>);

impl Plan {
    fn set(&self, trick: Trick, at: Option<u64>) {
        *self.0.lock().unwrap() = Planned { trick, at, operations: 0, has_halved: false };
    }

    pub(super) fn strike(&self, operation: Operation, bytes: usize) -> io::Result<usize> {
        self.0.lock().unwrap().operations += 1;
        loop {
            let mut planned = self.0.lock().unwrap();
            let is_now = planned.at.is_none_or(|at| at == planned.operations);
            match planned.trick {
                Trick::Hangs(which) if which == operation && is_now => {
                    drop(planned);
                    thread::sleep(Duration::from_millis(2));
                }
                Trick::Fails(which, kind) if which == operation && is_now => {
                    return Err(kind.into());
                }
                Trick::Stuck if operation == Operation::Cut => return Err(ErrorKind::Other.into()),
                Trick::Full | Trick::Stuck
                    if operation == Operation::Write && planned.has_halved =>
                {
                    planned.has_halved = false;
                    return Err(ErrorKind::StorageFull.into());
                }
                Trick::Full | Trick::Stuck if operation == Operation::Write && is_now => {
                    planned.has_halved = true;
                    return Ok(bytes / 2);
                }
                _ => return Ok(bytes),
            }
        }
    }
}

/// For tests in which the disk hangs.
fn short_wait(settings: &mut AuditSettings) {
    settings.append_wait_milliseconds = 500;
}

fn at(second: i64) -> Time {
    Time::from_micros(1_700_000_000_000_000 + 1_000_000 * second)
}

fn entry(log: &AuditLog, call_id: u64) -> Entry {
    Entry {
        time: at(call_id as i64),
        call_id,
        method: Method::Score,
        caller: "svc-ehr".into(),
        user: Some("Practitioner/7".into()),
        purpose: Some(Purpose::Treatment),
        break_glass: None,
        listed_keys: Vec::new(),
        patient_key: Some(log.patient_key("p")),
        models: Vec::new(),
        outcome: Outcome::Ok,
        trace_id: None,
    }
}

struct Site {
    settings: AuditSettings,
    faults: Faults,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(change: impl FnOnce(&mut AuditSettings)) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = AuditSettings {
            folder: Some(folder.path().join("audit")),
            // A busy test machine is no slow disk.
            append_wait_milliseconds: 30_000,
            ..AuditSettings::default()
        };
        change(&mut settings);
        Site { settings, faults: Faults::default(), folder }
    }

    fn open(&self) -> AuditLog {
        AuditLog::open_with(&self.settings, at(0), self.faults.clone()).unwrap()
    }

    fn plan(&self, trick: Trick) {
        self.faults.plan.set(trick, None);
    }

    fn logs(&self) -> std::path::PathBuf {
        self.folder.path().join("audit")
    }

    /// The log's records, after a check of the whole log.
    fn records(&self) -> Vec<Value> {
        let key_file = Some(self.folder.path().join("audit.key"));
        let evidence = Evidence { key_file, ..Evidence::default() };
        let verdict = verify(&self.logs(), &evidence).unwrap();
        assert_eq!(verdict.fault, None);
        read(&self.logs())
    }

    /// What each call ended with, by the log; each call stands there once.
    fn outcomes(&self) -> BTreeMap<u64, String> {
        let mut outcomes = BTreeMap::new();
        for record in self.records().iter().filter(|record| record["kind"] == "call") {
            let call = u64::from_str_radix(record["call"].as_str().unwrap(), 16).unwrap();
            let outcome = record["outcome"].as_str().unwrap().to_owned();
            assert_eq!(outcomes.insert(call, outcome), None, "call {call} has one record");
        }
        outcomes
    }
}

fn read(folder: &Path) -> Vec<Value> {
    let files = super::folder::files(folder).unwrap();
    let texts = files.values().map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| text.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Waits until `is_so`, ten seconds at most.
async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never came about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_disk_that_hangs_refuses_within_the_wait_and_every_call_is_recorded_once() {
    let site = Site::new(short_wait);
    let log = Arc::new(site.open());
    log.append(entry(&log, 1)).await.unwrap();
    site.plan(Trick::Hangs(Operation::Write));
    let begun = Instant::now();
    let calls = (2..40).map(|call| {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append(entry(&log, call)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, AuditError::TimedOut { milliseconds: 500 }), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(log.figures().refused, 38);
    site.plan(Trick::None);
    until(|| site.calls_written() == 39).await;
    log.append(entry(&log, 40)).await.unwrap();
    log.close(at(50)).await.unwrap();
    let outcomes = site.outcomes();
    assert_eq!(outcomes.keys().copied().collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    let records = site.records();
    // What was on its way to the disk when the wait ended is taken back by a record after it.
    let taken_back: Vec<&Value> = records.iter().filter(|r| r["kind"] == "withheld").collect();
    for call in 2..40 {
        let seq = &records.iter().find(|r| r["call"] == format!("{call:016x}")).unwrap()["seq"];
        let is_taken_back = taken_back.iter().any(|record| record["of"] == *seq);
        assert!(is_taken_back || outcomes[&call] == "UNAVAILABLE", "call {call}");
    }
    assert!(!taken_back.is_empty() && outcomes[&1] == "OK" && outcomes[&40] == "OK");
    // Whoever reads the calls is told what their callers got, whichever way a call was taken back.
    let mut ended = BTreeMap::new();
    let read = super::calls(&site.logs(), |call| {
        let id = u64::from_str_radix(&call.call_id, 16).unwrap();
        assert_eq!(ended.insert(id, (call.outcome, call.withheld)), None);
    });
    assert_eq!(read.unwrap(), CallsRead { calls: 40, ..CallsRead::default() });
    for (call, ended) in ended {
        let withheld = (Outcome::Unavailable, Some(Outcome::Ok));
        let is_first_or_last = call == 1 || call == 40;
        assert_eq!(ended, if is_first_or_last { (Outcome::Ok, None) } else { withheld }, "{call}");
    }
}

#[tokio::test]
async fn a_full_disk_at_any_moment_refuses_what_is_not_written_and_halves_nothing() {
    for n in 1..=24 {
        let site = Site::new(|settings| settings.sync = SyncRule::Each);
        let log = site.open();
        site.faults.plan.set(Trick::Full, Some(n));
        let mut told = BTreeMap::new();
        for call in 1..=12 {
            let is_written = log.append(entry(&log, call)).await.is_ok();
            told.insert(call, if is_written { "OK" } else { "UNAVAILABLE" }.to_owned());
        }
        until(|| log.figures().is_writing).await;
        log.append(entry(&log, 13)).await.unwrap();
        told.insert(13, "OK".into());
        log.close(at(50)).await.unwrap();
        assert_eq!(site.outcomes(), told, "the disk was full at operation {n}");
    }
}

#[tokio::test]
async fn a_disk_that_stays_full_refuses_at_once_and_recovers_by_itself() {
    let site = Site::new(|_| {});
    let log = site.open();
    site.plan(Trick::Full);
    for call in 1..=20 {
        let begun = Instant::now();
        let error = log.append(entry(&log, call)).await.unwrap_err();
        assert!(matches!(error, AuditError::NotNow(ErrorKind::StorageFull)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert!(!log.figures().is_writing);
    site.plan(Trick::None);
    until(|| log.figures().is_writing).await;
    log.append(entry(&log, 21)).await.unwrap();
    log.close(at(50)).await.unwrap();
    let outcomes = site.outcomes();
    assert_eq!(outcomes.len(), 21);
    assert_eq!(outcomes.values().filter(|outcome| *outcome == "UNAVAILABLE").count(), 20);
}

#[tokio::test]
async fn after_a_failed_flush_nothing_is_written_until_the_log_is_opened_again() {
    for sync in [SyncRule::Each, SyncRule::Interval] {
        let site = Site::new(|settings| settings.sync = sync);
        let log = site.open();
        log.append(entry(&log, 1)).await.unwrap();
        // The flush that the opening asked for is done by then.
        tokio::time::sleep(Duration::from_millis(250)).await;
        site.plan(Trick::Fails(Operation::Sync, ErrorKind::Other));
        let first = log.append(entry(&log, 2)).await;
        assert_eq!(first.is_ok(), sync == SyncRule::Interval, "{first:?}");
        let mut call = 2;
        while call < 5 || log.figures().is_writing {
            call += 1;
            assert!(call < 200, "the failed flush is noticed");
            tokio::time::sleep(Duration::from_millis(10)).await;
            let _ = log.append(entry(&log, call)).await;
        }
        site.plan(Trick::None);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let error = log.append(entry(&log, 1_000)).await.unwrap_err();
        assert!(matches!(error, AuditError::Broken(_)), "{error}");
        assert!(log.close(at(300)).await.is_err());
        let log = site.open();
        log.append(entry(&log, 1_001)).await.unwrap();
        log.close(at(301)).await.unwrap();
        let outcomes = site.outcomes();
        assert!(!outcomes.contains_key(&1_000), "no try and hope");
        assert_eq!(outcomes[&1_001], "OK");
    }
}

#[tokio::test]
async fn a_half_record_that_cannot_be_cut_off_is_cut_off_by_the_next_start() {
    let site = Site::new(|_| {});
    let log = site.open();
    log.append(entry(&log, 1)).await.unwrap();
    site.plan(Trick::Stuck);
    let error = log.append(entry(&log, 2)).await.unwrap_err();
    assert!(matches!(error, AuditError::Broken(_)), "{error}");
    let text = std::fs::read_to_string(super::folder::path_of(&site.logs(), 1)).unwrap();
    let (_, torn) = text.rsplit_once('\n').unwrap();
    assert!(!torn.is_empty());
    site.plan(Trick::None);
    assert!(log.close(at(9)).await.is_err());
    let log = site.open();
    log.append(entry(&log, 2)).await.unwrap();
    log.close(at(10)).await.unwrap();
    let records = site.records();
    let recovered = records.iter().find(|record| record["kind"] == "recovered").unwrap();
    let cut = (&recovered["file"], &recovered["bytes_cut"]);
    assert_eq!(cut, (&1.into(), &torn.len().into()));
    assert_eq!(site.outcomes().len(), 2, "the refused call is written once, by its second try");
}

#[tokio::test]
async fn where_calls_are_served_all_the_same_their_records_come_later() {
    let site = Site::new(|settings| {
        settings.on_failure = OnFailure::Serve;
        short_wait(settings);
    });
    let log = site.open();
    site.plan(Trick::Full);
    for call in 1..=5 {
        log.append(entry(&log, call)).await.unwrap();
    }
    assert!(!log.figures().is_writing, "and it can be seen");
    site.plan(Trick::Hangs(Operation::Write));
    log.append(entry(&log, 6)).await.unwrap();
    site.plan(Trick::None);
    until(|| log.figures().is_writing).await;
    log.close(at(50)).await.unwrap();
    assert_eq!(site.outcomes().len(), 6);
    assert!(site.outcomes().values().all(|outcome| outcome == "OK"), "{:?}", site.outcomes());
}

#[tokio::test]
async fn calls_beyond_what_memory_keeps_are_counted() {
    let site = Site::new(short_wait);
    let log = Arc::new(site.open());
    site.plan(Trick::Hangs(Operation::Write));
    let total = QUEUE_MAX as u64 + 1_000;
    let calls = (0..total).map(|call| {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append(entry(&log, call)).await.is_err() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap());
    }
    site.plan(Trick::None);
    until(|| site.calls_written() > 0).await;
    log.close(at(50)).await.unwrap();
    let records = site.records();
    let counted: u64 = records.iter().filter_map(|record| record["calls"].as_u64()).sum();
    assert_eq!(site.outcomes().len() as u64 + counted, total);
    assert!(counted > 0 && log.figures().unrecorded == counted);
    let read = super::calls(&site.logs(), drop).unwrap();
    assert_eq!((read.calls + counted, read.unrecorded_calls), (total, counted));
}

impl Site {
    /// How many calls are in the log, as long as it can be read.
    fn calls_written(&self) -> usize {
        let path = super::folder::path_of(&self.logs(), 1);
        std::fs::read_to_string(path).unwrap().matches("\"kind\":\"call\"").count()
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_is_recorded_as_not_answered() {
    let site = Site::new(|_| {});
    let log = site.open();
    site.plan(Trick::Hangs(Operation::Write));
    for call in 1..=3 {
        let gone = tokio::time::timeout(Duration::from_millis(20), log.append(entry(&log, call)));
        assert!(gone.await.is_err());
    }
    site.plan(Trick::None);
    log.append(entry(&log, 4)).await.unwrap();
    log.close(at(50)).await.unwrap();
    let outcomes = site.outcomes();
    assert_eq!(outcomes.len(), 4);
    assert_eq!((outcomes[&2].as_str(), outcomes[&3].as_str()), ("UNAVAILABLE", "UNAVAILABLE"));
}
