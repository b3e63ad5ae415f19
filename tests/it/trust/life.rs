//! The server's beginning and end: readiness, models that are damaged, and shutdowns that lose nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prodrome::rpc::proto;
use prodrome::rpc::proto::model_catalog_client::ModelCatalogClient;
use prost::bytes::Bytes;
use tokio::time::sleep;
use tonic::Code;
use tonic::transport::Channel;

use super::site::{
    API_KEY, Door, Site, TASK, TREATMENT, calls, connect, score, verify, wait_until, with,
};
use crate::pages::get;
use crate::serve::load::{self, code_of, exchange};
use crate::serve::process::{SCORE, Server, Setup, patient, request};
use crate::support::{root, task_folder};

/// What health says of the whole server: its answer's message.
async fn health(server: &Server) -> Vec<u8> {
    let mut sender = load::connect(server.address).await.unwrap();
    let check = "/grpc.health.v1.Health/Check";
    let answer = exchange(&mut sender, check, &[], &Bytes::from_static(&[0; 5])).await.unwrap();
    assert_eq!(code_of(&answer.status), 0);
    answer.body.get(5..).unwrap_or_default().to_vec()
}

// `HealthCheckResponse`: field 1 is the state.
const SERVING: [u8; 2] = [8, 1];
const NOT_SERVING: [u8; 2] = [8, 2];

async fn readyz(server: &Server) -> String {
    get(server.pages.unwrap(), "/readyz").await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_fail_while_calls_are_still_taken() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("svc-ehr", "scorer", None);
    // A long notice, so that a slow machine has time for all these calls in it.
    let server = site.start(&[("LIMITS__NOTICE_MILLISECONDS", "8000")], &Setup::default());
    assert_eq!(health(&server).await, SERVING);
    assert!(readyz(&server).await.starts_with("HTTP/1.1 200"));
    server.terminate();
    wait_until("health says so", async || health(&server).await == NOT_SERVING).await;
    assert!(readyz(&server).await.starts_with("HTTP/1.1 503"));
    let late = connect(&server).await;
    let words = [(API_KEY, key.as_str()), TREATMENT];
    score(&late, request(20), &words).await.expect("the door is still open");
    drop(late);
    let mut server = server;
    let status = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert!(status.success());
    verify(&site.log()).unwrap();
    assert_eq!(calls(&site.log()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_leaves_a_whole_access_log() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("svc-ehr", "scorer", None);
    let mut server = site.start(&[("LIMITS__DRAIN_SECONDS", "30")], &Setup::default());
    let address = server.address;
    let load = tokio::spawn(async move {
        let mut sender = load::connect(address).await.unwrap();
        let mut answered = Vec::new();
        let words = [(API_KEY, key.as_str()), TREATMENT];
        while let Some(answer) = exchange(&mut sender, SCORE, &words, &patient(50)).await {
            match code_of(&answer.status) {
                0 => {}
                // The log is closed already: what it cannot hold is not answered.
                code => {
                    assert_eq!(code, i32::from(Code::Unavailable));
                    break;
                }
            }
            answered.push(answer.head["x-request-id"].to_str().unwrap().to_owned());
        }
        answered
    });
    sleep(Duration::from_millis(300)).await;
    server.terminate();
    // Inside the notice, in which calls are answered still.
    sleep(Duration::from_millis(200)).await;
    server.terminate();
    let status = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(1));
    let answered = load.await.unwrap();
    assert!(answered.len() > 5, "{}", answered.len());
    verify(&site.log()).unwrap();
    let recorded = calls(&site.log());
    for id in &answered {
        assert_eq!(recorded.iter().filter(|record| record["call"] == **id).count(), 1);
    }
    assert!(recorded.len() <= answered.len() + 1, "but the one whose answer was cut off");
    let log = fs::read_to_string(site.log().join("audit-000001.jsonl")).unwrap();
    let mut end = log.lines().rev().take(2);
    assert!(end.any(|line| line.contains("\"kind\":\"closed\"")), "closed in order");
}

/// Copies a folder's plain files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A models folder with that stages file; version 2 is the newest, and damaged.
fn damaged(folder: &Path, stages: &str) -> PathBuf {
    let models = folder.join("models");
    let task = models.join(TASK);
    copy(&task_folder().join("1"), &task.join("1"));
    copy(&task_folder().join("1"), &task.join("2"));
    let blob = task.join("2/boosted.bin");
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    fs::copy(root().join("models/concepts.toml"), models.join("concepts.toml")).unwrap();
    fs::copy(task_folder().join("task.toml"), task.join("task.toml")).unwrap();
    fs::write(task.join("stages.json"), stages).unwrap();
    models
}

async fn version(channel: &Channel, key: &str) -> Result<String, Code> {
    let answer = score(channel, request(20), &[(API_KEY, key), TREATMENT]).await;
    let answer = answer.map_err(|status| status.code())?.into_inner();
    Ok(answer.assessments[0].model_version.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_damaged_newest_model_the_older_one_is_served() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("svc-ehr", "scorer", None);
    let models = damaged(&site.path(""), r#"{"stable": "2", "kept": ["1"]}"#);
    let setup = Setup { models: &models, is_heard: true, ..Setup::default() };
    let server = site.start(&[], &setup);
    assert_eq!(health(&server).await, SERVING);
    assert!(readyz(&server).await.starts_with("HTTP/1.1 200"));
    let channel = connect(&server).await;
    assert_eq!(version(&channel, &key).await.as_deref(), Ok("1"));
    drop(channel);
    let (status, said) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
    assert!(said.contains("refused") && said.contains("/2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_model_it_waits_for_one_and_takes_it_up() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("svc-ehr", "scorer", None);
    let operator = site.key("svc-operator", "operator", None);
    let models = damaged(&site.path(""), r#"{"stable": "2"}"#);
    let setup = Setup { models: &models, is_heard: true, ..Setup::default() };
    // Only when asked does it look again.
    let server = site.start(&[("MODELS__RELOAD_SECONDS", "3600")], &setup);
    assert_eq!(health(&server).await, NOT_SERVING);
    let page = readyz(&server).await;
    assert!(page.starts_with("HTTP/1.1 503") && page.contains("no model"), "{page}");
    assert!(get(server.pages.unwrap(), "/livez").await.starts_with("HTTP/1.1 200"));
    let channel = connect(&server).await;
    assert_eq!(version(&channel, &key).await, Err(Code::Unavailable));

    let mut catalog = ModelCatalogClient::new(channel.clone());
    let words = [(API_KEY, operator.as_str())];
    let mut reload = async || {
        let answer = catalog.reload_models(with(proto::ReloadModelsRequest {}, &words)).await;
        answer.unwrap().into_inner().tasks
    };
    let refused = reload().await;
    assert_eq!(refused[0].outcome(), proto::ReloadOutcome::Refused, "{refused:?}");
    assert!(!refused[0].reason.is_empty());
    fs::write(models.join(TASK).join("stages.json"), r#"{"stable": "1"}"#).unwrap();
    let swapped = reload().await;
    assert_eq!(swapped[0].outcome(), proto::ReloadOutcome::Swapped, "{swapped:?}");
    assert_eq!(version(&channel, &key).await.as_deref(), Ok("1"));
    wait_until("health says so", async || health(&server).await == SERVING).await;
    assert!(readyz(&server).await.starts_with("HTTP/1.1 200"));
}
