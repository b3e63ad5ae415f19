//! What a store does with scores and with what people do, on SQLite and on PostgreSQL alike.

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;

use prodrome::flag::{
    Action, ChangeKind, Dismissal, Feedback, FlagQuery, FlagRulesParams, FlagState, FlagUpdate,
    Held, InvalidUpdate, Place, Reach, ReachRow, Sighting,
};
use prodrome::flag_store::{FlagSettings, FlagStore, StoreError};

use super::made::{all, block_on, get, hours, in_folder, limited, raise, score, sight, start};
use super::postgres;

/// Runs a test on an SQLite store, and on a PostgreSQL one where there is a server program.
pub(super) fn on_both<F: Future<Output = ()>>(test: impl Fn(FlagSettings) -> F) {
    let folder = tempfile::tempdir().unwrap();
    block_on(test(in_folder(folder.path())));
    if let Some(server) = postgres::server() {
        block_on(test(server.database()));
    }
}

async fn open(settings: &FlagSettings) -> FlagStore {
    FlagStore::open(settings, start()).await.unwrap()
}

#[test]
fn a_high_score_raises_one_flag_that_outlives_the_server() {
    on_both(async |settings| {
        let store = open(&settings).await;
        let nothing = sight(&store, score("a", hours(0), 0.05)).await;
        assert_eq!((nothing.flag, nothing.change), (None, None));
        assert_eq!(store.last_change().await.unwrap(), 0, "a low score stores nothing");
        let flag = raise(&store, "a", hours(1)).await;
        assert_eq!((flag.version, flag.change_number, flag.tier.as_str()), (1, 1, "high"));
        let again = sight(&store, score("a", hours(1), 0.3)).await;
        assert_eq!((again.flag, again.change), (Some(flag.id), None), "the same score");
        let old = store.sight(&[score("a", hours(0), 0.9)], hours(1)).await.unwrap().remove(0);
        assert_eq!((old.change, old.held), (None, Some(Held::OutOfOrder)));
        let next = sight(&store, score("a", hours(2), 0.35)).await;
        assert_eq!((next.flag, next.change), (Some(flag.id), Some(ChangeKind::Scored)));
        let kept = get(&store, &next).await;
        assert_eq!((kept.patient_id.as_str(), kept.course.len()), ("a", 2));
        store.close().await;
        let store = open(&settings).await;
        assert_eq!(get(&store, &next).await, kept, "to the last bit");
        assert_eq!(kept.reasons, score("a", hours(2), 0.35).reasons);
        store.close().await;
    });
}

#[test]
fn tasks_of_one_patient_are_stored_together() {
    on_both(async |settings| {
        let store = open(&settings).await;
        let other = |task: &str| Sighting { task: task.into(), ..score("a", hours(0), 0.4) };
        let seen = store.sight(&[other("x"), other("y")], hours(0)).await.unwrap();
        assert_ne!(seen[0].flag, seen[1].flag);
        let page = store.list(&FlagQuery::default(), &Reach::everything(), hours(0)).await.unwrap();
        assert_eq!((page.count, page.change_number), (2, 2));
        store.close().await;
    });
}

#[test]
fn people_answer_and_see_each_other() {
    on_both(async |settings| {
        let store = open(&settings).await;
        let reach = Reach::everything();
        let flag = raise(&store, "a", hours(0)).await;
        let watched = store.changed();
        let assign = FlagUpdate::Assign(Some("Dr Ada".into()));
        let update = async |version, update: &FlagUpdate, actor| {
            store.update(flag.id, version, update, actor, &reach, hours(1)).await
        };
        let assigned = update(1, &assign, "ada").await.unwrap();
        assert_eq!((assigned.version, assigned.assignee.as_deref()), (2, Some("Dr Ada")));
        assert!(watched.has_changed().unwrap());
        // Sent again, because the answer got lost.
        assert_eq!(update(1, &assign, "ada").await.unwrap(), assigned);
        let conflict = update(1, &FlagUpdate::Acknowledge, "bob").await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict { version: 2 }), "{conflict}");
        let conflict = update(1, &assign, "bob").await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict { .. }), "somebody else's: {conflict}");
        let late = FlagUpdate::Snooze { until: hours(0) };
        let invalid = update(2, &late, "ada").await.unwrap_err();
        assert!(matches!(invalid, StoreError::Invalid(InvalidUpdate::SnoozeTime)), "{invalid}");
        let done = update(2, &FlagUpdate::Act(Action::Call), "ada").await.unwrap();
        assert_eq!((done.state, done.action), (FlagState::Answered, Some(Action::Call)));
        for _ in 0..2 {
            let useful = store.feedback(flag.id, Feedback::Useful, "ada", &reach, hours(2)).await;
            assert_eq!(useful.unwrap().version, 4, "recorded once");
        }
        let kinds: Vec<ChangeKind> =
            store.history(flag.id, &reach).await.unwrap().iter().map(|past| past.kind).collect();
        use ChangeKind::{Answered, Assigned, Raised};
        assert_eq!(kinds, [Raised, Assigned, Answered, ChangeKind::Feedback]);
        let held = sight(&store, score("a", hours(5), 0.31)).await;
        assert_eq!((held.change, held.held), (Some(ChangeKind::Held), Some(Held::Answered)));
        let held = sight(&store, score("a", hours(6), 0.31)).await;
        assert_eq!((held.change, held.held), (None, Some(Held::Answered)), "said once");
        let risen = sight(&store, score("a", hours(7), 0.6)).await;
        assert_eq!(risen.change, Some(ChangeKind::Raised));
        assert_ne!(risen.flag, Some(flag.id));
        let reopen = store.update(flag.id, 5, &FlagUpdate::Reopen, "ada", &reach, hours(8)).await;
        let superseded = StoreError::Invalid(InvalidUpdate::Superseded).to_string();
        assert_eq!(reopen.unwrap_err().to_string(), superseded);
        store.close().await;
    });
}

#[test]
fn what_is_out_of_reach_is_not_there() {
    on_both(async |settings| {
        let store = open(&settings).await;
        let flag = raise(&store, "a", hours(0)).await;
        let elsewhere = Place { team: Some("red".into()), ..Place::default() };
        let other = Sighting { place: elsewhere, ..score("b", hours(0), 0.4) };
        store.sight(&[other], hours(0)).await.unwrap();
        let nowhere = Sighting { place: Place::default(), ..score("c", hours(0), 0.5) };
        store.sight(&[nowhere], hours(0)).await.unwrap();
        let row = |team: &str| ReachRow { teams: Some(vec![team.into()]), ..ReachRow::default() };
        let red = Reach { rows: vec![row("red")] };
        let page = store.list(&FlagQuery::default(), &red, hours(0)).await.unwrap();
        assert_eq!((page.count, page.flags.len()), (1, 1));
        assert_eq!(page.flags[0].patient_id, "b");
        assert_eq!(store.get(flag.id, &red).await.unwrap(), None);
        assert!(store.history(flag.id, &red).await.unwrap().is_empty());
        let acknowledge = FlagUpdate::Acknowledge;
        let update = store.update(flag.id, 1, &acknowledge, "eve", &red, hours(1)).await;
        assert!(matches!(update, Err(StoreError::NotFound)));
        // Nor does a wrong version tell that it is there.
        let update = store.update(flag.id, 9, &acknowledge, "eve", &red, hours(1)).await;
        assert!(matches!(update, Err(StoreError::NotFound)));
        let feedback = store.feedback(flag.id, Feedback::Useful, "eve", &red, hours(1)).await;
        assert!(matches!(feedback, Err(StoreError::NotFound)));
        let changes = store.changes_after(0, 100, &red).await.unwrap();
        assert_eq!((changes.changes.len(), changes.until), (1, 3));
        for rows in [vec![], vec![ReachRow { tasks: Some(vec![]), ..ReachRow::default() }]] {
            let none = Reach { rows };
            assert_eq!(store.list(&all(10), &none, hours(0)).await.unwrap().count, 0);
            let changes = store.changes_after(0, 100, &none).await.unwrap();
            assert_eq!((changes.changes.len(), changes.until), (0, 3), "looked up to the last");
        }
        let both = Reach { rows: vec![row("red"), row("blue")] };
        assert_eq!(store.list(&all(10), &both, hours(0)).await.unwrap().count, 2);
        store.close().await;
    });
}

#[test]
fn a_full_day_lets_the_others_wait_and_the_highest_tier_through() {
    on_both(async |settings| {
        let store = open(&limited(settings, 2)).await;
        let moderate = |id: &str, hour, risk| score(id, hours(hour), risk);
        for (id, risk) in [("a", 0.11), ("b", 0.12)] {
            assert_eq!(sight(&store, moderate(id, 0, risk)).await.state, Some(FlagState::Raised));
        }
        for (id, risk) in [("c", 0.13), ("d", 0.15), ("e", 0.14)] {
            let seen = sight(&store, moderate(id, 1, risk)).await;
            assert_eq!((seen.state, seen.held), (Some(FlagState::Waiting), Some(Held::Capacity)));
        }
        assert_eq!(sight(&store, score("f", hours(2), 0.5)).await.state, Some(FlagState::Raised));
        assert_eq!(store.tend(hours(3)).await.unwrap().promoted, 0, "the day is full");
        // Risk falls below where it waits: it does not come up before it is back.
        sight(&store, moderate("d", 4, 0.05)).await;
        let tended = store.tend(hours(20)).await.unwrap();
        assert_eq!(tended.promoted, 2, "a new day");
        let page =
            store.list(&FlagQuery::default(), &Reach::everything(), hours(20)).await.unwrap();
        let up: Vec<&str> = page.flags.iter().map(|flag| flag.patient_id.as_str()).collect();
        assert_eq!(up, ["f", "e", "c", "b", "a"], "the highest risks came first");
        store.close().await;
    });
}

#[test]
fn a_dismissal_holds_and_is_taken_back() {
    on_both(async |settings| {
        let store = open(&settings).await;
        let reach = Reach::everything();
        let flag = raise(&store, "a", hours(0)).await;
        let dismiss = FlagUpdate::Dismiss(Dismissal::AlreadyKnown);
        let flag = store.update(flag.id, 1, &dismiss, "ada", &reach, hours(1)).await.unwrap();
        assert_eq!(flag.dismissal, Some(Dismissal::AlreadyKnown));
        let seen = sight(&store, score("a", hours(24), 0.32)).await;
        assert_eq!(seen.held, Some(Held::Dismissed));
        let held = get(&store, &seen).await;
        let back = store
            .update(flag.id, held.version, &FlagUpdate::Reopen, "ada", &reach, hours(30))
            .await
            .unwrap();
        assert_eq!((back.state, back.dismissal, back.held), (FlagState::Raised, None, None));
        store.close().await;
    });
}

#[test]
fn two_servers_on_one_store_agree() {
    on_both(async |settings| {
        // At once: both make the tables.
        let opened =
            tokio::join!(FlagStore::open(&settings, start()), FlagStore::open(&settings, start()));
        let (one, two) = (opened.0.unwrap(), opened.1.unwrap());
        let reach = Reach::everything();
        let high = [score("a", hours(0), 0.3)];
        let same = tokio::join!(one.sight(&high, hours(0)), two.sight(&high, hours(0)));
        let (first, second) = (same.0.unwrap().remove(0), same.1.unwrap().remove(0));
        assert_eq!(first.flag, second.flag, "one flag");
        let kinds: Vec<_> = [first.change, second.change].into_iter().flatten().collect();
        assert_eq!(kinds, [ChangeKind::Raised], "raised once");
        let flag = one.get(first.flag.unwrap(), &reach).await.unwrap().unwrap();
        let acknowledge = FlagUpdate::Acknowledge;
        let assign = FlagUpdate::Assign(Some("bob".into()));
        let raced = tokio::join!(
            one.update(flag.id, 1, &acknowledge, "ada", &reach, hours(1)),
            two.update(flag.id, 1, &assign, "bob", &reach, hours(1))
        );
        assert!(raced.0.is_ok() != raced.1.is_ok(), "one of them was first: {raced:?}");
        let (mut seen, mut number) = (Vec::new(), 0);
        for hour in 2..30 {
            let (writer, watcher) = if hour % 2 == 0 { (&one, &two) } else { (&two, &one) };
            sight(writer, score("a", hours(hour), 0.3)).await;
            sight(writer, score(&format!("p{hour}"), hours(hour), 0.4)).await;
            let looked = watcher.changes_after(number, 7, &reach).await.unwrap();
            number = looked.until;
            seen.extend(looked.changes.iter().map(|change| change.number));
        }
        assert_eq!(seen, (1..=58).collect::<Vec<u64>>(), "each change once, in order");
        one.close().await;
        two.close().await;
    });
}

#[test]
fn servers_agree_whatever_the_database_does_by_default() {
    let Some(server) = postgres::server() else { return };
    let settings = server.database();
    let name = settings.store.as_deref().unwrap().rsplit('/').next().unwrap().to_owned();
    let strict = "SET default_transaction_isolation = 'serializable'";
    server.run(&settings, &format!("ALTER DATABASE {name} {strict}"));
    block_on(async {
        let (one, two) = (open(&settings).await, open(&settings).await);
        for hour in 0..20 {
            let (a, b) =
                ([score("a", hours(hour), 0.3)], [score(&format!("b{hour}"), hours(hour), 0.3)]);
            let seen = tokio::join!(one.sight(&a, hours(hour)), two.sight(&b, hours(hour)));
            assert!(seen.0.is_ok() && seen.1.is_ok(), "{seen:?}");
        }
        assert_eq!(one.last_change().await.unwrap(), 40);
        one.close().await;
        two.close().await;
    });
}

#[test]
fn files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = in_folder(folder.path());
    block_on(async {
        let store = open(&settings).await;
        raise(&store, "a", hours(0)).await;
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.path());
        }
        store.close().await;
        let refused = async || FlagStore::open(&settings, start()).await.unwrap_err().to_string();
        let give = |path: &std::path::Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let file = folder.path().join("flags.db");
        give(&file, 0o640);
        assert!(refused().await.contains("chmod 600"));
        give(&file, 0o600);
        give(folder.path(), 0o777);
        assert!(refused().await.contains("chmod 700"));
        give(folder.path(), 0o700);
        open(&settings).await.close().await;
        let demonstration =
            FlagStore::for_demonstration(folder.path(), FlagRulesParams::default(), start()).await;
        assert!(matches!(demonstration, Err(StoreError::Demonstration)));
    });
}

#[test]
fn simulated_patients_raise_flags_in_a_store_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let simulated = || Sighting { is_synthetic: true, ..score("a", hours(0), 0.4) };
        let store = FlagStore::for_demonstration(
            &folder.path().join("demo"),
            FlagRulesParams::default(),
            start(),
        )
        .await;
        let store = store.unwrap();
        let seen = sight(&store, simulated()).await;
        assert!(seen.state == Some(FlagState::Raised) && get(&store, &seen).await.is_synthetic);
        store.close().await;
        let real = open(&in_folder(&folder.path().join("real"))).await;
        for hour in 0..3 {
            let later = Sighting { time: hours(hour), ..simulated() };
            let seen = sight(&real, later).await;
            assert_eq!((seen.flag, seen.held), (None, Some(Held::Synthetic)));
        }
        real.close().await;
    });
}

#[test]
fn a_lost_database_is_said_and_found_again() {
    let Some(server) = postgres::server() else { return };
    let settings = server.database();
    block_on(async {
        let store = open(&settings).await;
        raise(&store, "a", hours(0)).await;
        server.run(
            &settings,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        let mut tries = 0;
        loop {
            match store.sight(&[score("b", hours(1), 0.3)], hours(1)).await {
                Ok(_) => break,
                Err(error) => {
                    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                    tries += 1;
                    assert!(tries < 10, "it recovers by itself");
                }
            }
        }
        assert_eq!(store.last_change().await.unwrap(), 2, "once");
        store.close().await;
        // A database that is not there, and a password that is none.
        let url = settings.store.clone().unwrap();
        for wrong in [url.replace("/flags_", "/no_flags_"), url.replace("of%20the", "hunter2")] {
            let settings = FlagSettings { store: Some(wrong), ..settings.clone() };
            let error = FlagStore::open(&settings, start()).await.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, StoreError::Unavailable(_)), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("127.0.0.1"), "{said}");
        }
    });
}
