//! What can be tried from inside alone: a database that takes no more, and one that is lost.

use std::path::Path;

use super::sql::Sql;
use super::{FlagSettings, FlagStore, StoreError};
use crate::bundle::{Sufficiency, TierCut};
use crate::flag::{FlagQuery, Place, Reach, Sighting};
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
    private_file::write_atomically(&file, "no database".repeat(1_000).as_bytes()).unwrap();
    let error = FlagStore::open(&settings, now()).await.unwrap_err().to_string();
    assert!(error.contains("not a sound SQLite file"), "{error}");
}
