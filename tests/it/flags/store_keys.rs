//! What is encrypted, with which keys, and what becomes of a store whose keys change.

use std::fs;

use prodrome::command::{self, FlagsRekeyRequest};
use prodrome::flag::{FlagQuery, Reach};
use prodrome::flag_store::{FlagSettings, FlagStore, StoreError};

use super::made::{block_on, hours, in_folder, raise, score, sight, start, write_keys};
use super::postgres;

const PATIENT: &str = "MRN-4711-Müller";

/// All bytes of an SQLite store and its further files.
fn bytes_of(folder: &std::path::Path) -> Vec<u8> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let database = files.filter(|path| path.extension().is_none_or(|kind| kind != "key"));
    database.flat_map(|path| fs::read(path).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn write(settings: &FlagSettings) {
    let store = FlagStore::open(settings, start()).await.unwrap();
    let flag = raise(&store, PATIENT, hours(0)).await;
    sight(&store, score(PATIENT, hours(1), 0.35)).await;
    let update = prodrome::flag::FlagUpdate::Assign(Some("Dr Ada".into()));
    store.update(flag.id, 2, &update, "ada", &Reach::everything(), hours(2)).await.unwrap();
    store.close().await;
}

fn check_nothing_is_readable(bytes: &[u8]) {
    assert!(holds(bytes, "readmit30") && holds(bytes, "Dr Ada"), "the bytes are the store's");
    for secret in [PATIENT, "MRN-4711", "blood pressure", "Systolic", "171 mmHg"] {
        assert!(!holds(bytes, secret), "{secret}");
    }
}

#[test]
fn no_patient_and_no_reason_can_be_read_off_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    block_on(write(&in_folder(folder.path())));
    check_nothing_is_readable(&bytes_of(folder.path()));
    if let Some(server) = postgres::server() {
        let settings = server.database();
        block_on(write(&settings));
        check_nothing_is_readable(&server.dump(&settings));
    }
}

/// Renews the key of a store from one to another, while a server goes on.
async fn rotate(settings: &FlagSettings, old: &str, new: &str) {
    let key_file = settings.key_file.as_deref().unwrap();
    let open = async || FlagStore::open(settings, start()).await;
    let reach = Reach::everything();
    let store = open().await.unwrap();
    for at in 0..450 {
        raise(&store, &format!("p{at}"), hours(0)).await;
    }
    store.close().await;
    write_keys(key_file, &[new.to_owned()]);
    let wrong = open().await.unwrap_err();
    assert!(matches!(wrong, StoreError::WrongKey { .. }), "{wrong}");
    assert!(!wrong.to_string().contains(new));
    write_keys(key_file, &[new.to_owned(), old.to_owned()]);
    let (server, trainer) = (open().await.unwrap(), open().await.unwrap());
    let (rekeyed, _) = tokio::join!(trainer.rekey(hours(1)), async {
        for at in 0..40 {
            sight(&server, score(&format!("p{at}"), hours(1), 0.31)).await;
        }
    });
    let rekeyed = rekeyed.unwrap().flags;
    assert!((410..=450).contains(&rekeyed), "what the server wrote has the new key: {rekeyed}");
    assert_eq!(trainer.rekey(hours(2)).await.unwrap().flags, 0);
    trainer.close().await;
    server.close().await;
    write_keys(key_file, &[new.to_owned()]);
    let store = open().await.unwrap();
    let found = FlagQuery { patient_id: Some("p7".into()), ..FlagQuery::default() };
    let page = store.list(&found, &reach, hours(3)).await.unwrap();
    assert_eq!((page.count, page.flags[0].course.len()), (1, 2), "found by the same hash");
    let again = sight(&store, score("p9", hours(4), 0.3)).await;
    assert_eq!(again.flag.is_some(), again.change.is_some());
    assert_eq!(store.list(&FlagQuery::default(), &reach, hours(3)).await.unwrap().count, 450);
    store.close().await;
}

#[test]
fn keys_are_renewed_while_servers_go_on() {
    let (old, new) = ("5e".repeat(32), "7a".repeat(32));
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("keys");
    write_keys(&key_file, std::slice::from_ref(&old));
    let settings = FlagSettings { key_file: Some(key_file), ..in_folder(folder.path()) };
    block_on(rotate(&settings, &old, &new));
    if let Some(server) = postgres::server() {
        block_on(rotate(&server.database(), &old, &new));
    }
}

#[test]
fn the_trainers_command_renews_keys_and_says_when_the_old_ones_may_go() {
    let (old, new) = ("5e".repeat(32), "7a".repeat(32));
    let folder = tempfile::tempdir().unwrap();
    let settings = in_folder(folder.path());
    let store = settings.store.clone().unwrap();
    let key_file = folder.path().join("flags.db.key");
    write_keys(&key_file, std::slice::from_ref(&old));
    block_on(write(&settings));
    let rekey = || {
        let request = FlagsRekeyRequest { store: store.clone(), key_file: None };
        command::flags_rekey(&request, hours(3))
    };
    write_keys(&key_file, &[new.clone(), old]);
    assert_eq!(rekey().unwrap().rekeyed.flags, 1);
    let again = rekey().unwrap();
    assert_eq!(again.rekeyed.flags, 0);
    let summary = again.summary();
    assert!(summary.contains("a server that runs without it cannot read them"), "{summary}");
    assert!(summary.contains("may go once every server was restarted"), "{summary}");
    write_keys(&key_file, &[new]);
    block_on(async { FlagStore::open(&settings, start()).await.unwrap().close().await });
    write_keys(&key_file, &["00".repeat(32)]);
    let refused = rekey().unwrap_err();
    assert_eq!(refused.exit_code(), 2, "{refused}");
}

#[test]
fn what_was_tampered_with_is_named_and_nothing_else_is_lost() {
    let Some(server) = postgres::server() else { return };
    let settings = server.database();
    block_on(async {
        let store = FlagStore::open(&settings, start()).await.unwrap();
        let reach = Reach::everything();
        let (a, b) = (raise(&store, "a", hours(0)).await, raise(&store, "b", hours(0)).await);
        // The reasons of one patient put under another's name.
        let statement = format!(
            "UPDATE flag SET sealed_reasons = (SELECT sealed_reasons FROM flag WHERE id = '{}') \
             WHERE id = '{}'",
            a.id, b.id
        );
        server.run(&settings, &statement);
        let damaged = store.get(b.id, &reach).await.unwrap_err();
        let expected = StoreError::Damaged { flag: b.id, column: "reasons" }.to_string();
        assert_eq!(damaged.to_string(), expected);
        assert!(store.get(a.id, &reach).await.unwrap().is_some());
        let again = store.sight(&[score("b", hours(1), 0.3)], hours(1)).await.unwrap_err();
        assert!(matches!(again, StoreError::Damaged { .. }), "{again}");
        assert!(store.sight(&[score("a", hours(1), 0.3)], hours(1)).await.is_ok());
        // Who lists, watches and tends goes on with the others.
        let page = store.list(&FlagQuery::default(), &reach, hours(1)).await.unwrap();
        let listed: Vec<_> = page.flags.iter().map(|flag| flag.id).collect();
        assert_eq!((listed, page.count), (vec![a.id], 2));
        let looked = store.changes_after(0, 10, &reach).await.unwrap();
        assert!(looked.changes.iter().all(|change| change.flag.id == a.id));
        assert_eq!((looked.changes.len(), looked.until), (2, 3));
        raise(&store, "c", hours(1)).await;
        for column in ["sealed_patient_id = 'x'", "sealed_course = ''", "state = 'gone'"] {
            server.run(&settings, &format!("UPDATE flag SET {column} WHERE id = '{}'", a.id));
            assert!(store.get(a.id, &reach).await.is_err(), "{column}");
        }
        let tended = store.tend(hours(31 * 24)).await.unwrap();
        assert_eq!((tended.expired, tended.damaged), (1, 1), "a state without a name is not due");
        store.close().await;
    });
}
