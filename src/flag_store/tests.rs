//! What can be tried from inside alone: a database that takes no more, one that is lost, and rows that
//! are not what was written.

use std::path::Path;
use std::time::Duration;

use super::sql::Sql;
use super::{FlagSettings, FlagStore, StoreError};
use crate::bundle::{Sufficiency, TierCut};
use crate::flag::{
    Feedback, FlagId, FlagQuery, FlagRulesParams, FlagState, Place, Reach, Sighted, Sighting,
};
use crate::private_file;
use crate::record::Time;

fn settings(folder: &Path) -> FlagSettings {
    let store = folder.join("flags.db").to_str().map(str::to_owned);
    FlagSettings { store, wait_milliseconds: 20_000, ..FlagSettings::default() }
}

fn now() -> Time {
    Time::parse("2026-03-01T08:00:00Z").unwrap()
}

fn high(patient_id: String) -> Sighting {
    Sighting {
        patient_id,
        task: "task".into(),
        place: Place::default(),
        time: now(),
        index_time: now(),
        horizon_days: 30,
        probability: Some(0.5),
        cuts: [("high", 0.2), ("low", 0.0)]
            .map(|(name, from)| TierCut { name: name.into(), from, basis: None })
            .into(),
        is_provisional: false,
        is_synthetic: false,
        history_used_until: None,
        sufficiency: Sufficiency::A,
        model_version: "1".into(),
        bundle_digest: "0".into(),
        reasons: Vec::new(),
    }
}

#[tokio::test]
async fn a_full_store_refuses_whole_writes_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let store = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    let pages_max = async |pages: i64| {
        let mut writer = store.writer.acquire().await.unwrap();
        Sql::new(&format!("PRAGMA max_page_count = {pages}")).rows(&mut writer).await.unwrap();
    };
    pages_max(60).await;
    let (mut kept, mut refused, mut at) = (0, 0, 0);
    // The limit goes with the connection, which goes with the write that failed.
    while refused == 0 {
        match store.sight(&[high(format!("p{at}"))], now()).await {
            Ok(_) => kept += 1,
            Err(error) => {
                assert!(matches!(error, StoreError::Full), "{error}");
                refused += 1;
            }
        }
        at += 1;
    }
    assert!(kept > 3, "{kept}");
    let all = FlagQuery::default();
    let page = store.list(&all, &Reach::everything(), now()).await.unwrap();
    assert_eq!((page.count, page.change_number), (kept, kept), "nothing half");

    store.sight(&[high("again".into())], now()).await.unwrap();
    assert_eq!(store.last_change().await.unwrap(), kept + 1);
    store.close().await;
}

#[tokio::test]
async fn a_store_that_another_process_holds_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let slow = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    let quick = FlagSettings { wait_milliseconds: 100, ..settings(folder.path()) };
    let quick = FlagStore::open(&quick, now()).await.unwrap();
    let held = slow.begin(now()).await.unwrap();
    let error = quick.sight(&[high("a".into())], now()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(quick.last_change().await.unwrap(), 0, "readers do not wait");
    drop(held);
    let mut tries = 0;
    while quick.sight(&[high("a".into())], now()).await.is_err() {
        tries += 1;
        assert!(tries < 50, "it recovers by itself");
    }
    assert_eq!(quick.last_change().await.unwrap(), 1, "what was given up left nothing behind");
    slow.close().await;
    quick.close().await;
}

#[tokio::test]
async fn what_is_no_store_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.db");
    let settings = settings(folder.path());
    FlagStore::open(&settings, now()).await.unwrap().close().await;
    assert!(!folder.path().join("flags.db-wal").exists(), "the log is in the file");
    private_file::write_atomically(&file, "no database".repeat(1_000).as_bytes()).unwrap();
    let error = FlagStore::open(&settings, now()).await.unwrap_err().to_string();
    assert!(error.contains("not a sound SQLite file"), "{error}");
}

async fn run(store: &FlagStore, statement: &str) -> u64 {
    let mut writer = store.writer.acquire().await.unwrap();
    Sql::new(statement).run(&mut writer).await.unwrap()
}

async fn number(store: &FlagStore, statement: &str) -> i64 {
    let mut reader = store.reader.acquire().await.unwrap();
    Sql::new(statement).number(&mut reader).await.unwrap()
}

async fn sight(store: &FlagStore, sighting: Sighting) -> Sighted {
    let time = sighting.time;
    store.sight(&[sighting], time).await.unwrap().remove(0)
}

#[tokio::test]
async fn damaged_rows_keep_nothing_else_from_its_course() {
    let folder = tempfile::tempdir().unwrap();
    let store = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    let reach = Reach::everything();
    let mut ids: Vec<FlagId> = Vec::new();
    for patient_id in ["a", "b", "c", "d"] {
        ids.extend(sight(&store, high(patient_id.into())).await.flag);
    }
    for (id, damage) in ids.iter().zip(["sealed_reasons = 'x'", "state = 'gone'", "tier = 7.5"]) {
        run(&store, &format!("UPDATE flag SET {damage} WHERE id = '{id}'")).await;
    }
    // SQLite keeps a number in a column of texts as one where it is told to.
    run(&store, &format!("UPDATE flag SET tier_rank = 'x' WHERE id = '{}'", ids[2])).await;
    let page = store.list(&FlagQuery::default(), &reach, now()).await.unwrap();
    let listed: Vec<&str> = page.flags.iter().map(|flag| flag.patient_id.as_str()).collect();
    assert_eq!((listed, page.count), (vec!["d"], 4));
    for (limit, found, until) in [(10, 1, 4), (2, 0, 2)] {
        let looked = store.changes_after(0, limit, &reach).await.unwrap();
        assert_eq!((looked.changes.len(), looked.until), (found, until), "it goes on");
    }
    for id in &ids[..3] {
        let error = store.get(*id, &reach).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { flag, .. } if flag == *id), "{error}");
    }
    run(&store, "UPDATE flag SET key_id = 'another'").await;
    let rekeyed = store.rekey(now()).await.unwrap();
    // What is sealed is sound in two of the damaged ones.
    assert_eq!((rekeyed.flags, rekeyed.damaged), (3, 1));
    let tended = store.tend(now().plus_days(31)).await.unwrap();
    // The one whose state has no name is not known to be due.
    assert_eq!((tended.expired, tended.damaged), (1, 2));
    let flag = store.get(ids[3], &reach).await.unwrap().unwrap();
    assert_eq!(flag.state, FlagState::Expired);
    store.close().await;
    // Nor do they keep the server from starting, and in the end they go like all others.
    let store = FlagStore::open(&settings(folder.path()), now().plus_days(31)).await.unwrap();
    assert_eq!(store.tend(now().plus_days(1_000)).await.unwrap().deleted, 4);
    store.close().await;
}

#[tokio::test]
async fn nobody_waits_behind_a_damaged_flag_and_without_a_limit_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let limited = |raises_a_day_per_team| FlagSettings {
        rules: FlagRulesParams {
            raising_tiers: 2,
            raises_a_day_per_team,
            ..FlagRulesParams::default()
        },
        ..settings(folder.path())
    };
    let store = FlagStore::open(&limited(1), now()).await.unwrap();
    let moderate =
        |patient_id: &str, probability| {
            let cuts = [("high", 0.6), ("moderate", 0.2), ("low", 0.0)]
                .map(|(name, from)| TierCut { name: name.into(), from, basis: None });
            let probability = Some(probability);
            Sighting { probability, cuts: cuts.into(), ..high(patient_id.into()) }
        };
    assert_eq!(sight(&store, moderate("up", 0.3)).await.state, Some(FlagState::Raised));
    let first = sight(&store, moderate("first", 0.5)).await;
    for (patient_id, risk) in [("second", 0.4), ("third", 0.3)] {
        assert_eq!(sight(&store, moderate(patient_id, risk)).await.state, Some(FlagState::Waiting));
    }
    let id = first.flag.unwrap();
    run(&store, &format!("UPDATE flag SET sealed_course = 'x' WHERE id = '{id}'")).await;
    let tended = store.tend(now().plus_days(1)).await.unwrap();
    assert_eq!((tended.promoted, tended.damaged), (1, 1));
    let states = "SELECT COUNT(*) FROM flag WHERE state = 'waiting' AND is_falling = 0";
    assert_eq!(number(&store, states).await, 1, "the third, and the first is set aside");
    store.close().await;
    let store = FlagStore::open(&limited(0), now()).await.unwrap();
    assert_eq!(store.tend(now().plus_days(1)).await.unwrap().promoted, 1);
    store.close().await;
}

#[tokio::test]
async fn what_is_old_goes_in_batches_and_pages_of_it_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    sight(&store, high("a".into())).await;
    let synthetic = Sighting { is_synthetic: true, ..high("z".into()) };
    for hour in 0..2 {
        sight(&store, Sighting { time: now().plus_hours(hour), ..synthetic.clone() }).await;
    }
    let suppressed = "SELECT COUNT(*) FROM flag_suppressed WHERE held = 'synthetic'";
    assert_eq!(number(&store, suppressed).await, 1, "said once");
    let old = now().micros();
    let numbers =
        "WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 2500)";
    run(
        &store,
        &format!(
            "{numbers} INSERT INTO flag_position SELECT 'x', at, at + 1, {old} + at, 1, 'raised', \
             't', NULL, NULL, NULL, 'high', 'k', NULL, 0, 0, 0.0, 0.0 FROM n"
        ),
    )
    .await;
    let insert = "INSERT INTO flag_suppressed SELECT 'k', 't', 'synthetic'";
    run(&store, &format!("{numbers} {insert}, {old} + at FROM n")).await;
    let insert = "INSERT INTO flag_standing SELECT 'k', 't' || at, NULL, '{}'";
    run(&store, &format!("{numbers} {insert}, {old} + at FROM n")).await;
    store.tend(now().plus_days(3)).await.unwrap();
    assert_eq!(number(&store, "SELECT COUNT(*) FROM flag_position").await, 1, "the one in use");
    assert_eq!(number(&store, "SELECT positions_gone_to FROM flag_store").await, 2_501);
    assert_eq!(number(&store, "SELECT COUNT(*) FROM flag_suppressed").await, 2_501);
    for days in [500, 1_000] {
        store.tend(now().plus_days(days)).await.unwrap();
    }
    for table in ["flag", "flag_position", "flag_suppressed", "flag_standing", "flag_change"] {
        let rows = number(&store, &format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(rows, 0, "{table}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_look_goes_through_so_many_numbers_and_no_further_than_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let store = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    let reach = Reach::everything();
    sight(&store, high("a".into())).await;
    run(&store, "UPDATE flag_store SET last_change = 25000").await;
    sight(&store, high("b".into())).await;
    let (mut number, mut looks) = (0, Vec::new());
    while number < 25_001 {
        let looked = store.changes_after(number, 10, &reach).await.unwrap();
        number = looked.until;
        looks.push((looked.changes.len(), looked.until));
    }
    assert_eq!(looks, [(1, 10_000), (0, 20_000), (1, 25_001)]);
    let still = store.changes_after(25_001, 10, &reach).await.unwrap();
    assert_eq!((still.changes.len(), still.until), (0, 25_001));
    let of_another_store = store.changes_after(25_002, 10, &reach).await.unwrap_err();
    assert!(matches!(of_another_store, StoreError::TooOld), "{of_another_store}");
    // What is gone is not gone through.
    run(&store, "UPDATE flag_store SET changes_gone_to = 20000").await;
    let looked = store.changes_after(0, 10, &reach).await.unwrap();
    assert_eq!((looked.changes.len(), looked.until), (1, 25_001));
    store.close().await;
}

#[tokio::test]
async fn a_caller_has_one_word_on_the_use_of_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let store = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    let reach = Reach::everything();
    let id = sight(&store, high("a".into())).await.flag.unwrap();
    use Feedback::{NotUseful, OutcomeSeen, Useful};
    for (actor, said, version) in [
        ("ada", Useful, 2),
        ("ada", OutcomeSeen, 3),
        ("bob", Useful, 4),
        ("ada", NotUseful, 5),
        ("ada", NotUseful, 5),
    ] {
        let flag = store.feedback(id, said, actor, &reach, now()).await.unwrap();
        assert_eq!(flag.version, version, "{actor} {said:?}");
    }
    let mut reader = store.reader.acquire().await.unwrap();
    let words = "SELECT actor || ' ' || feedback FROM flag_feedback ORDER BY actor, feedback";
    let words = Sql::new(words).texts(&mut reader).await.unwrap();
    assert_eq!(words, ["ada not_useful", "ada outcome_seen", "bob useful"]);
    drop(reader);
    store.close().await;
}

#[tokio::test]
async fn a_score_waits_no_longer_than_it_may_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let wait = Duration::from_millis(1_000);
    let slow = FlagSettings { wait_milliseconds: 1_000, ..settings(folder.path()) };
    let store = FlagStore::open(&slow, now()).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(store.reader.acquire().await.unwrap());
    }
    let writer = store.writer.acquire().await.unwrap();
    // Most of the time goes by before a reader is free, and then there is no writer.
    let freed = async {
        tokio::time::sleep(wait * 3 / 4).await;
        drop(readers);
        std::future::pending::<()>().await;
    };
    let scores = [high("a".into())];
    let seen = tokio::select! {
        biased;
        seen = store.sight(&scores, now()) => seen,
        () = freed => return,
        () = tokio::time::sleep(wait * 3 / 2) => panic!("it waits for longer than it may"),
    };
    assert!(matches!(seen, Err(StoreError::Unavailable(_))));
    drop(writer);
    store.close().await;
}

#[tokio::test]
async fn a_store_opens_however_its_making_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.db");
    private_file::prepare(&file).unwrap();
    let store = FlagStore::open(&settings(folder.path()), now()).await.unwrap();
    sight(&store, high("a".into())).await;
    store.close().await;
    // A store with something in it gets no new key.
    let key_file = folder.path().join("mislaid.key");
    let elsewhere = FlagSettings { key_file: Some(key_file.clone()), ..settings(folder.path()) };
    let error = FlagStore::open(&elsewhere, now()).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(!key_file.exists());
}
