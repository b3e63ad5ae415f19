//! What time does to a store: flags expire and wake, what is old goes, and nobody is misled by it.

use prodrome::flag::{
    ChangeKind, Dismissal, FlagQuery, FlagState, FlagUpdate, Held, Reach, Sighting,
};
use prodrome::flag_store::{FlagSettings, FlagStore, StoreError, Tended};

use super::made::{all, get, hours, raise, score, sight, start};
use super::store::on_both;

#[test]
fn flags_expire_and_wake_once_whoever_tends() {
    on_both(async |settings| {
        let store = FlagStore::open(&settings, start()).await.unwrap();
        let other = FlagStore::open(&settings, start()).await.unwrap();
        let reach = Reach::everything();
        let asleep = raise(&store, "a", hours(0)).await;
        let snooze = FlagUpdate::Snooze { until: hours(48) };
        store.update(asleep.id, 1, &snooze, "ada", &reach, hours(1)).await.unwrap();
        raise(&store, "b", hours(0)).await;
        let nothing = Tended::default();
        assert_eq!(store.tend(hours(47)).await.unwrap(), nothing);
        let both = tokio::join!(store.tend(hours(48)), other.tend(hours(48)));
        assert_eq!(both.0.unwrap().woke + both.1.unwrap().woke, 1);
        let woken = store.get(asleep.id, &reach).await.unwrap().unwrap();
        assert_eq!((woken.state, woken.snoozed_until), (FlagState::Raised, None));
        let end = 30 * 24;
        let both = tokio::join!(store.tend(hours(end)), other.tend(hours(end)));
        assert_eq!(both.0.unwrap().expired + both.1.unwrap().expired, 2);
        assert_eq!(store.tend(hours(end)).await.unwrap(), nothing);
        let expired = store.get(asleep.id, &reach).await.unwrap().unwrap();
        assert_eq!(expired.state, FlagState::Expired);
        // A score about the window that is over raises nothing; one about a new window does.
        let over = Sighting { index_time: hours(0), ..score("a", hours(end + 1), 0.9) };
        assert_eq!(sight(&store, over).await.held, Some(Held::NotOfNow));
        let new = sight(&store, score("a", hours(end + 2), 0.3)).await;
        assert_eq!(new.change, Some(ChangeKind::Raised));
        store.close().await;
        other.close().await;
    });
}

#[test]
fn what_is_older_than_the_retention_goes_and_the_rest_stays() {
    on_both(async |settings| {
        let settings = FlagSettings { retention_days: 100, ..settings };
        let store = FlagStore::open(&settings, start()).await.unwrap();
        let reach = Reach::everything();
        let gone = raise(&store, "a", hours(0)).await;
        let dismiss = FlagUpdate::Dismiss(Dismissal::PatientDeclined);
        store.update(gone.id, 1, &dismiss, "ada", &reach, hours(1)).await.unwrap();
        let synthetic = Sighting { is_synthetic: true, ..score("z", hours(0), 0.4) };
        sight(&store, synthetic).await;
        let day = 24;
        let kept = raise(&store, "b", hours(60 * day)).await;
        assert_eq!(store.tend(hours(129 * day)).await.unwrap().deleted, 0);
        assert_eq!(store.tend(hours(131 * day)).await.unwrap().deleted, 1);
        assert_eq!(store.get(gone.id, &reach).await.unwrap(), None);
        assert!(store.history(gone.id, &reach).await.unwrap().is_empty());
        assert!(store.get(kept.id, &reach).await.unwrap().is_some());
        assert_eq!(store.list(&all(10), &reach, hours(131 * day)).await.unwrap().count, 1);
        // A watcher who was away for so long is told so.
        let missed = store.changes_after(1, 10, &reach).await.unwrap_err();
        assert!(matches!(missed, StoreError::TooOld), "{missed}");
        let from_the_start = store.changes_after(0, 10, &reach).await.unwrap();
        assert!(from_the_start.changes.iter().all(|change| change.flag.id == kept.id));
        let again = sight(&store, score("a", hours(131 * day), 0.3)).await;
        assert_eq!(get(&store, &again).await.course.len(), 1, "as if there had been nothing");
        store.close().await;
    });
}

#[test]
fn a_watcher_who_comes_back_misses_nothing_and_sees_nothing_twice() {
    on_both(async |settings| {
        let store = FlagStore::open(&settings, start()).await.unwrap();
        let reach = Reach::everything();
        let page = store.list(&FlagQuery::default(), &reach, hours(0)).await.unwrap();
        let (mut number, mut numbers) = (page.change_number, Vec::new());
        for round in 0..6 {
            for at in 0..round * 4 {
                raise(&store, &format!("{round} {at}"), hours(round)).await;
            }
            // In small bites, until nothing is left.
            loop {
                let looked = store.changes_after(number, 3, &reach).await.unwrap();
                number = looked.until;
                if looked.changes.is_empty() {
                    break;
                }
                numbers.extend(looked.changes.iter().map(|change| change.number));
            }
        }
        assert_eq!(numbers, (1..=60).collect::<Vec<u64>>());
        assert_eq!(number, store.last_change().await.unwrap());
        store.close().await;
    });
}
