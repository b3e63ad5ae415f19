//! Flags under fire: servers that are killed, a store that is held, and two servers on one store.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use prodrome::rpc::proto::assessment::Outcome;
use prodrome::rpc::proto::risk_flags_client::RiskFlagsClient;
use prodrome::rpc::proto::{FlagChangeKind, FlagState, ListFlagsRequest, WatchFlagsRequest};
use sqlx::ConnectOptions;
use tonic::Code;

use super::flags::{discharged, next, reason, start};
use super::site::{API_KEY, Door, Site, TREATMENT, connect, score, with};
use crate::flags::postgres;
use crate::serve::process::{PATIENCE, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_raises_a_watcher_of_another_sees() {
    let Some(database) = postgres::server() else { return };
    let settings = database.database();
    let (store, key_file) = (settings.store.unwrap(), settings.key_file.unwrap());
    let mut site = Site::new(Door::Plain);
    let north = site.key("nurse-north", "clinician", Some(&["north"]));
    let start = |audit: &str| {
        let audit = site.path(audit);
        let settings = [
            ("FLAGS__STORE", store.as_str()),
            ("FLAGS__KEY_FILE", key_file.to_str().unwrap()),
            ("AUDIT__FOLDER", audit.to_str().unwrap()),
        ];
        site.start(&settings, &Setup::default())
    };
    let (one, other) = (start("audit-1"), start("audit-2"));
    let (here, there) = (connect(&one).await, connect(&other).await);
    let words = [(API_KEY, north.as_str()), TREATMENT];
    let watch = |token: String| {
        let request = WatchFlagsRequest { resume_token: token, ..Default::default() };
        let mut client = RiskFlagsClient::new(there.clone());
        let request = with(request, &words);
        async move { client.watch_flags(request).await.unwrap().into_inner() }
    };
    let mut watching = watch(String::new()).await;
    let mut slowest = Duration::ZERO;
    for number in 0..10 {
        let id = format!("MRN-{number}");
        let raised = score(&here, discharged(&id, "north", 7), &words).await.unwrap();
        let raised = raised.into_inner().assessments[0].flag.clone().unwrap();
        let began = Instant::now();
        let (change, raise_token) = next(&mut watching).await;
        slowest = slowest.max(began.elapsed());
        assert_eq!(change.kind(), FlagChangeKind::Raised);
        assert_eq!(change.flag.map(|flag| flag.flag_id), raised.flag_id);
        // The other server agrees on whose flag it is.
        let again = score(&there, discharged(&id, "north", 7), &words).await.unwrap();
        let again = again.into_inner().assessments[0].flag.clone().unwrap();
        assert_eq!(again.flag_id, raised.flag_id);
        let (change, score_token) = next(&mut watching).await;
        assert_eq!(change.kind(), FlagChangeKind::Scored);
        // A watcher that comes back with an older token hears again what came after it.
        let is_behind = number % 2 == 1;
        if number % 3 == 0 {
            watching = watch(if is_behind { raise_token } else { score_token }).await;
            if is_behind {
                assert_eq!(next(&mut watching).await.0.kind(), FlagChangeKind::Scored);
            }
        }
    }
    eprintln!("the slowest change took {slowest:?} to the other server's watcher");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_flags_cannot_be_written_scores_go_on_or_stop_as_the_site_says() {
    for (on_failure, goes_on) in [("score", true), ("refuse", false)] {
        let mut site = Site::new(Door::Plain);
        let north = site.key("nurse-north", "clinician", Some(&["north"]));
        let store = site.store();
        let settings = [
            ("FLAGS__STORE", store.as_str()),
            ("FLAGS__ON_FAILURE", on_failure),
            ("FLAGS__WAIT_MILLISECONDS", "200"),
        ];
        let server = site.start(&settings, &Setup::default());
        let channel = connect(&server).await;
        let words = [(API_KEY, north.as_str()), TREATMENT];
        let scored = || score(&channel, discharged("MRN-1", "north", 7), &words);
        // Another process holds the file.
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&store);
        let mut other = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        match scored().await {
            Ok(answer) if goes_on => {
                let assessment = &answer.get_ref().assessments[0];
                assert!(assessment.flag.as_ref().unwrap().not_recorded);
                assert!(matches!(assessment.outcome, Some(Outcome::Score(_))));
            }
            Err(status) if !goes_on => {
                assert_eq!(status.code(), Code::Unavailable);
                assert_eq!(reason(&status), "FLAGS_UNAVAILABLE");
            }
            other => panic!("{on_failure}: {other:?}"),
        }
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        let began = Instant::now();
        loop {
            let flag = scored().await.ok().and_then(|s| s.get_ref().assessments[0].flag.clone());
            if flag.is_some_and(|flag| flag.state() == FlagState::Raised) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "it does not recover");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Kills the server at a random moment while scores come, and starts it again: what was
/// acknowledged is there, and each patient has one flag.
async fn killed(rounds: usize) {
    let mut site = Site::new(Door::Plain);
    let north = site.key("nurse-north", "clinician", Some(&["north"]));
    let mut acknowledged = BTreeMap::new();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..rounds {
        let mut server = start(&site);
        let channel = connect(&server).await;
        let deadline = Instant::now() + Duration::from_millis(random.u64(150..500));
        let writer = {
            let (channel, key) = (channel.clone(), north.clone());
            tokio::spawn(async move {
                let mut raised = Vec::new();
                for number in 0.. {
                    let id = format!("MRN-{round}-{number}");
                    // Twice: the second one must raise nothing.
                    for _ in 0..2 {
                        let words = [(API_KEY, key.as_str()), TREATMENT];
                        let request = discharged(&id, "north", 7);
                        let Ok(answer) = score(&channel, request, &words).await else {
                            return raised;
                        };
                        let flag = answer.into_inner().assessments[0].flag.clone().unwrap();
                        raised.push((id.clone(), flag.flag_id.unwrap()));
                    }
                }
                raised
            })
        };
        tokio::time::sleep_until(deadline.into()).await;
        server.kill();
        for (patient, flag) in writer.await.unwrap() {
            let known = acknowledged.entry(patient).or_insert_with(|| flag.clone());
            assert_eq!(*known, flag, "one flag for one patient");
        }
    }
    assert!(acknowledged.len() > rounds / 2, "{} flags", acknowledged.len());
    let server = start(&site);
    let channel = connect(&server).await;
    let mut found = BTreeMap::new();
    let mut token = String::new();
    loop {
        let words = [(API_KEY, north.as_str()), TREATMENT];
        let request = ListFlagsRequest { page_size: 500, page_token: token, ..Default::default() };
        let listed = RiskFlagsClient::new(channel.clone()).list_flags(with(request, &words)).await;
        let listed = listed.unwrap().into_inner();
        for flag in listed.flags {
            let before = found.insert(flag.patient_id, flag.flag_id);
            assert_eq!(before, None, "a second flag of one patient");
        }
        token = listed.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    for (patient, flag) in &acknowledged {
        assert_eq!(found.get(patient), Some(flag), "an acknowledged flag is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_acknowledged_flag() {
    killed(6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: 500 kills of the server"]
async fn five_hundred_killed_servers_lose_no_acknowledged_flag() {
    killed(500).await;
}
