//! What tests of flags are made of: scores, stores in folders of their own, a PostgreSQL server.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use prodrome::bundle::{Sufficiency, TierCut};
use prodrome::flag::{
    Flag, FlagQuery, FlagReason, FlagRulesParams, FlagState, Place, Reach, Sighted, Sighting,
};
use prodrome::flag_store::{FlagSettings, FlagStore};
use prodrome::record::Time;

use crate::support::time;

pub(super) const START: &str = "2026-03-01T08:00:00Z";
/// Where the highest tier begins in these tests.
pub(super) const CUT: f64 = 0.2;

pub(super) fn start() -> Time {
    time(START)
}

pub(super) fn hours(hours: i64) -> Time {
    start().plus_hours(hours)
}

/// A score of a patient of ward 3, whom team `blue` follows up.
pub(crate) fn score(patient_id: &str, time: Time, probability: f64) -> Sighting {
    Sighting {
        patient_id: patient_id.to_owned(),
        task: "readmit30".to_owned(),
        place: Place {
            facility: Some("north".into()),
            unit: Some("3".into()),
            team: Some("blue".into()),
        },
        time,
        index_time: time,
        horizon_days: 30,
        probability: Some(probability),
        cuts: [("high", CUT), ("moderate", 0.1), ("low", 0.0)]
            .map(|(name, from)| TierCut { name: name.into(), from, basis: None })
            .into(),
        is_provisional: false,
        is_synthetic: false,
        history_used_until: Some(time),
        sufficiency: Sufficiency::A,
        model_version: "1".into(),
        bundle_digest: "0123456789ab".into(),
        reasons: vec![FlagReason {
            theme: "blood pressure".into(),
            text: "Systolic blood pressure rose to 171 mmHg".into(),
            contribution: 0.4,
            modifiable: true,
        }],
    }
}

pub(super) fn settings(store: String) -> FlagSettings {
    FlagSettings {
        store: Some(store),
        // A busy test machine is no slow disk.
        wait_milliseconds: 20_000,
        ..FlagSettings::default()
    }
}

/// The settings of an SQLite store in a folder.
pub(super) fn in_folder(folder: &Path) -> FlagSettings {
    settings(folder.join("flags.db").to_str().unwrap().to_owned())
}

/// Two tiers raise, and a team has room for so many a day.
pub(super) fn limited(settings: FlagSettings, raises_a_day_per_team: u32) -> FlagSettings {
    let rules =
        FlagRulesParams { raising_tiers: 2, raises_a_day_per_team, ..FlagRulesParams::default() };
    FlagSettings { rules, ..settings }
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// One score into a store, at the time that it is about.
pub(super) async fn sight(store: &FlagStore, sighting: Sighting) -> Sighted {
    let now = sighting.time;
    store.sight(&[sighting], now).await.unwrap().remove(0)
}

/// A flag of a patient, raised now.
pub(super) async fn raise(store: &FlagStore, patient_id: &str, now: Time) -> Flag {
    let seen = sight(store, score(patient_id, now, 0.3)).await;
    assert_eq!(seen.state, Some(FlagState::Raised));
    get(store, &seen).await
}

/// The flag that a score was about.
pub(super) async fn get(store: &FlagStore, seen: &Sighted) -> Flag {
    store.get(seen.flag.unwrap(), &Reach::everything()).await.unwrap().unwrap()
}

/// A query for all flags, in pages of so many.
pub(super) fn all(page_flags: u32) -> FlagQuery {
    FlagQuery { states: Vec::new(), page_flags, ..FlagQuery::default() }
}

/// Writes a key file of these lines.
pub(super) fn write_keys(path: &Path, lines: &[String]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, lines.join("\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
