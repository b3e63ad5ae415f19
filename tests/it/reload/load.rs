//! Reloads while calls run: none fails, and none mixes two versions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use prodrome::bundle::Bundle;
use prodrome::registry::{Change, ModelSettings, Models};
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::{self, assessment, score_request};
use prodrome::rpc::{Limits, serve};
use prodrome::service::Service;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};

use super::small::{Folder, Said, expected};
use crate::parity::{history, timestamp};
use crate::support::{discharge, patient};

const CLIENTS: usize = 4;
/// A machine so slow that this passes has other troubles.
const PATIENCE: Duration = Duration::from_secs(900);

fn said(answer: proto::ScoreResponse) -> Said {
    let [assessment] = answer.assessments.as_slice() else { panic!("{answer:?}") };
    let Some(assessment::Outcome::Score(score)) = &assessment.outcome else { panic!("{answer:?}") };
    let bits = score.probability.unwrap().to_bits();
    (assessment.model_version.clone(), assessment.bundle_digest.clone(), bits)
}

/// Calls until it is told to stop; the answers by what they said.
async fn client(
    channel: Channel,
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> BTreeMap<Said, usize> {
    let mut client = RiskScoringClient::new(channel);
    let request = proto::ScoreRequest {
        record: Some(score_request::Record::History(history(&patient()))),
        prediction_time: Some(timestamp(discharge())),
        ..Default::default()
    };
    let mut answers = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = client.score(request.clone()).await.expect("no call fails").into_inner();
        *answers.entry(said(answer)).or_insert(0) += 1;
        calls.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

/// Swaps versions 1 and 2 `reloads` times, spread over at least `calls_min` calls.
async fn swapped_under_load(reloads: usize, calls_min: usize) {
    let folder = Folder::new(&[1, 2]);
    folder.promote(1);
    let settings = ModelSettings { versions_kept: 0, ..folder.settings() };
    let models = Arc::new(Models::open(settings).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Arc::new(Service::new(Arc::clone(&models)));
    let (end, ended) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, service, Limits::default(), async {
        let _ = ended.await;
    }));
    let (calls, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        clients.push(tokio::spawn(client(channel, Arc::clone(&calls), Arc::clone(&stop))));
    }
    let began = Instant::now();
    let mut old: Vec<Weak<Bundle>> = Vec::new();
    for reload in 0..reloads {
        while calls.load(Ordering::Relaxed) < calls_min * (reload + 1) / reloads {
            assert!(began.elapsed() < PATIENCE, "the calls have stopped");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        old.push(Arc::downgrade(&models.current().served()[0]));
        folder.promote(if reload % 2 == 0 { 2 } else { 1 });
        let models = Arc::clone(&models);
        let report = tokio::task::spawn_blocking(move || models.reload()).await.unwrap();
        assert!(report.is_clean() && report.tasks[0].change() == Change::Swapped, "{report:?}");
    }
    stop.store(true, Ordering::Relaxed);
    let mut answers: BTreeMap<Said, usize> = BTreeMap::new();
    for client in clients {
        for (said, count) in client.await.unwrap() {
            *answers.entry(said).or_insert(0) += count;
        }
    }
    let known = BTreeMap::from([(expected(1), 0), (expected(2), 0)]);
    assert!(answers.keys().eq(known.keys()), "no answer but those of the two: {answers:?}");
    assert!(answers.values().sum::<usize>() >= calls_min);
    let alive = old.iter().filter(|old| old.upgrade().is_some()).count();
    assert_eq!(alive, 0, "each version is freed once another is in service");
    end.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_reloads_during_five_thousand_calls_fail_none_and_mix_none() {
    swapped_under_load(20, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: run with --release -- --ignored"]
async fn a_hundred_reloads_during_a_hundred_thousand_calls_fail_none_and_mix_none() {
    swapped_under_load(100, 100_000).await;
}
