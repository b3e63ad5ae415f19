//! One record in the access log for each call that is about a patient, however it ends: answered,
//! refused, failed, cancelled, or with the server killed under it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use h2::client::SendRequest;
use prodrome::access::Outcome;
use prodrome::rpc::proto::{self, ScoreStreamRequest, score_stream_response};
use prost::Message;
use prost::bytes::Bytes;
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::codegen::http::Request;

use super::site::{API_KEY, Door, PURPOSE, Site, TREATMENT, calls, verify, wait_until};
use crate::pages::get;
use crate::serve::load::{code_of, connect, exchange};
use crate::serve::process::{PATIENCE, SCORE, Server, Setup, framed, patient, request};

const STREAM: &str = "/prodrome.v1.RiskScoring/ScoreStream";
const CONNECTIONS: usize = 8;
/// Items of a stream, of which the second and the third fail.
const ITEMS: usize = 5;
/// Kinds of calls.
const KINDS: usize = 13;
/// Calls that are held open to leave no place for others.
const PLACES: usize = 64;

/// What a client knows of its calls.
#[derive(Debug, Default)]
struct Known {
    /// The outcome of each answered call, by its id.
    answered: BTreeMap<String, &'static str>,
    /// Outcomes of the items of streams.
    items: BTreeMap<&'static str, usize>,
    /// Calls that were cancelled, or whose answer was lost with the server.
    open: usize,
    /// Calls that are about no patient.
    of_no_patient: Vec<String>,
}

impl Known {
    fn add(&mut self, other: Known) {
        for (id, outcome) in other.answered {
            assert!(self.answered.insert(id, outcome).is_none(), "an id was given twice");
        }
        for (outcome, count) in other.items {
            *self.items.entry(outcome).or_default() += count;
        }
        self.open += other.open;
        self.of_no_patient.extend(other.of_no_patient);
    }
}

/// Who calls, by key.
#[derive(Debug)]
struct Keys {
    scorer: String,
    bystander: String,
    hasty: String,
}

impl Keys {
    fn of(site: &mut Site) -> Keys {
        site.more = "[rates.callers.\"svc-hasty\"]\ncalls_per_second = 0.01\nburst = 3\n".into();
        Keys {
            scorer: site.key("svc-scorer", "scorer", None),
            bystander: site.key("svc-bystander", "bystander", None),
            hasty: site.key("svc-hasty", "scorer", None),
        }
    }
}

/// A frame cut off in the middle.
fn cut() -> Bytes {
    patient(20).slice(..40)
}

fn unknown_task() -> Bytes {
    let task = proto::TaskRef { task: "readmit30_diabetes".into(), version: "999".into() };
    framed(&proto::ScoreRequest { tasks: vec![task], ..request(20) })
}

fn faulty() -> Bytes {
    framed(&proto::ScoreRequest { record: None, ..request(20) })
}

fn items() -> Bytes {
    let fails = |number: usize| number == 1 || number == 2;
    let item = |number: usize| {
        let good = request(20);
        let record = if fails(number) { None } else { good.record.clone() };
        framed(&ScoreStreamRequest { request: Some(proto::ScoreRequest { record, ..good }) })
    };
    (0..ITEMS).map(item).collect::<Vec<_>>().concat().into()
}

/// How the items of a stream ended.
fn outcomes(mut body: &[u8]) -> Vec<&'static str> {
    let mut outcomes = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let (message, rest) = rest.split_at(length);
        let answer = proto::ScoreStreamResponse::decode(message).unwrap();
        let code = match answer.result.unwrap() {
            score_stream_response::Result::Response(_) => 0,
            score_stream_response::Result::Error(error) => error.code,
        };
        outcomes.push(Outcome::of_code(code).name());
        body = rest;
    }
    outcomes
}

/// Begins a call and takes it back, at once or after a while, its message sent or not.
async fn cancel(sender: &SendRequest<Bytes>, keys: &Keys, number: usize) -> Option<()> {
    let head = Request::post(format!("http://server{SCORE}"))
        .header("content-type", "application/grpc")
        .header(API_KEY, &keys.scorer)
        .header(PURPOSE, TREATMENT.1);
    let mut ready = sender.clone().ready().await.ok()?;
    let (response, mut stream) = ready.send_request(head.body(()).unwrap(), false).ok()?;
    if number.is_multiple_of(2) {
        stream.send_data(patient(150), true).ok()?;
    }
    tokio::time::sleep(Duration::from_micros(300 * (number % 7) as u64)).await;
    stream.send_reset(h2::Reason::CANCEL);
    drop(response);
    Some(())
}

/// One call of many kinds; whether the connection can take another.
async fn one(
    sender: &mut SendRequest<Bytes>,
    keys: &Keys,
    number: usize,
    known: &mut Known,
) -> bool {
    let scorer = [(API_KEY, &*keys.scorer), TREATMENT];
    let as_caller = |key| [(API_KEY, key), TREATMENT];
    if number % KINDS == 10 {
        known.open += 1;
        return cancel(sender, keys, number).await.is_some();
    }
    let (path, metadata, body) = match number % KINDS {
        0 => (SCORE, as_caller("pk_nobody"), patient(20)),
        1 => (SCORE, as_caller(&keys.bystander), patient(20)),
        2 => (SCORE, as_caller(&keys.hasty), patient(20)),
        3 => (SCORE, scorer, faulty()),
        4 => (SCORE, scorer, unknown_task()),
        5 => (SCORE, scorer, cut()),
        6 => (STREAM, scorer, items()),
        11 => (STREAM, as_caller("pk_nobody"), items()),
        7 => ("/prodrome.v1.ModelCatalog/ListModels", scorer, framed(&proto::ListModelsRequest {})),
        _ => (SCORE, scorer, patient(150)),
    };
    let Some(answer) = exchange(sender, path, &metadata, &body).await else {
        known.open += 1;
        return false;
    };
    let outcome = Outcome::of_code(code_of(&answer.status)).name();
    let id = answer.head["x-request-id"].to_str().unwrap().to_owned();
    if path == STREAM && outcome == "OK" {
        for outcome in outcomes(&answer.body) {
            *known.items.entry(outcome).or_default() += 1;
        }
    } else if path == SCORE || path == STREAM {
        known.answered.insert(id, outcome);
    } else {
        known.of_no_patient.push(id);
    }
    true
}

/// Calls over many connections until there were `count`, or the server is gone.
async fn call_all(address: SocketAddr, keys: &Arc<Keys>, count: usize) -> Known {
    let mut workers = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let keys = Arc::clone(keys);
        workers.spawn(async move {
            let mut known = Known::default();
            let Some(mut sender) = connect(address).await else { return known };
            for number in (connection..count).step_by(CONNECTIONS) {
                // The kinds turn by themselves: 8 connections, 13 kinds.
                if !one(&mut sender, &keys, number, &mut known).await {
                    break;
                }
            }
            known
        });
    }
    let mut known = Known::default();
    while let Some(each) = workers.join_next().await {
        known.add(each.unwrap());
    }
    known
}

/// Holds all places, and calls once more than there are: those are refused.
async fn overfill(address: SocketAddr, keys: &Keys) -> Known {
    let mut known = Known::default();
    let holder = connect(address).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..PLACES {
        let head = Request::post(format!("http://server{SCORE}"))
            .header("content-type", "application/grpc")
            .header(API_KEY, &keys.scorer)
            .header(PURPOSE, TREATMENT.1);
        let mut ready = holder.clone().ready().await.unwrap();
        held.push(ready.send_request(head.body(()).unwrap(), false).unwrap());
    }
    known.open += PLACES;
    let mut other = connect(address).await.unwrap();
    let began = Instant::now();
    let mut shed = 0;
    while shed < 50 {
        assert!(began.elapsed() < PATIENCE, "no call is refused although all places are taken");
        let metadata = [(API_KEY, &*keys.scorer), TREATMENT];
        let answer = exchange(&mut other, SCORE, &metadata, &patient(20)).await.unwrap();
        let outcome = Outcome::of_code(code_of(&answer.status)).name();
        shed += usize::from(outcome == "RESOURCE_EXHAUSTED");
        known.answered.insert(answer.head["x-request-id"].to_str().unwrap().to_owned(), outcome);
    }
    for (_, stream) in &mut held {
        stream.send_reset(h2::Reason::CANCEL);
    }
    drop(held);
    known
}

/// How often each outcome stands in the records.
fn count<'a>(records: impl Iterator<Item = &'a Value>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record["outcome"].as_str().unwrap()).or_default() += 1;
    }
    counts
}

/// Compares the records with what the clients know. `lost` items of streams may have been recorded
/// without an answer.
fn compare(site: &Site, known: &Known, lost: usize) {
    let records = calls(&site.log());
    let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
    for record in &records {
        let id = record["call"].as_str().unwrap();
        assert!(by_id.insert(id, record).is_none(), "call {id} is recorded twice");
    }
    for (id, outcome) in &known.answered {
        let record = by_id.get(id.as_str()).unwrap_or_else(|| panic!("{outcome}: no record"));
        assert_eq!(record["outcome"], *outcome, "{record}");
        assert_eq!(record["patient"].is_null(), record_is_early(record), "{record}");
    }
    assert!(known.of_no_patient.iter().all(|id| !by_id.contains_key(id.as_str())));
    let is_item = |record: &&Value| {
        let id = record["call"].as_str().unwrap();
        record["method"] == "ScoreStream" && !known.answered.contains_key(id)
    };
    let streamed = count(records.iter().filter(is_item));
    for (outcome, items) in &known.items {
        let recorded = streamed.get(outcome).copied().unwrap_or_default();
        assert!((*items..=items + lost).contains(&recorded), "{outcome}: {streamed:?}");
    }
    // The rest are calls that got no answer, or items of streams.
    let rest = records.len() - known.answered.len() - streamed.values().sum::<usize>();
    assert!(rest <= known.open, "{rest} records too many, of {} open calls", known.open);
    let methods =
        |record: &Value| ["Score", "ScoreStream"].map(Value::from).contains(&record["method"]);
    assert!(records.iter().all(methods));
}

/// Whether a call ended before its patient was known, or so that none could be.
fn record_is_early(record: &Value) -> bool {
    let has_no_patient = ["UNAUTHENTICATED", "RESOURCE_EXHAUSTED"].map(Value::from);
    has_no_patient.contains(&record["outcome"])
        || (record["outcome"] == "INVALID_ARGUMENT" && record["patient"].is_null())
}

/// Calls, a kill in the middle of more, and calls again: `count` each time.
async fn one_record_each(count: usize) {
    let mut site = Site::new(Door::Plain);
    let keys = Arc::new(Keys::of(&mut site));
    let places = PLACES.to_string();
    let settings = [("LIMITS__CALLS_AT_ONCE_MAX", places.as_str()), ("LIMITS__BODY_SECONDS", "60")];
    let server = site.start(&settings, &Setup::default());
    let mut known = call_all(server.address, &keys, count).await;
    known.add(overfill(server.address, &keys).await);
    let (status, _) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
    for outcome in [
        "OK",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
    ] {
        let found = known.answered.values().filter(|found| **found == outcome).count();
        assert!(found > count / 20, "{outcome}: {found}");
    }
    assert!(known.items["OK"] > 0 && known.items["INVALID_ARGUMENT"] > 0);
    verify(&site.log()).unwrap();
    compare(&site, &known, 0);

    let mut killed = site.start(&settings, &Setup::default());
    let under_fire = tokio::spawn({
        let (address, keys) = (killed.address, Arc::clone(&keys));
        async move { call_all(address, &keys, usize::MAX).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    killed.kill();
    let under_fire = under_fire.await.unwrap();
    assert!(under_fire.answered.len() > 20, "calls were answered before the kill");
    known.add(under_fire);
    let again = site.start(&settings, &Setup::default());
    known.add(call_all(again.address, &keys, count / 4).await);
    let (status, _) = tokio::task::spawn_blocking(|| again.end()).await.unwrap();
    assert!(status.success());
    verify(&site.log()).unwrap();
    compare(&site, &known, CONNECTIONS * ITEMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_one_record_also_where_the_server_is_killed() {
    one_record_each(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: ten thousand calls"]
async fn each_of_ten_thousand_calls_has_one_record() {
    one_record_each(10_000).await;
}

async fn status_of(server: &Server, key: &str) -> (&'static str, Duration) {
    let mut sender = connect(server.address).await.unwrap();
    let began = Instant::now();
    let metadata = [(API_KEY, key), TREATMENT];
    let answer = exchange(&mut sender, SCORE, &metadata, &patient(20)).await.unwrap();
    (Outcome::of_code(code_of(&answer.status)).name(), began.elapsed())
}

async fn is_healthy(server: &Server) -> bool {
    let mut sender = connect(server.address).await.unwrap();
    let check = "/grpc.health.v1.Health/Check";
    let answer = exchange(&mut sender, check, &[], &Bytes::from_static(&[0; 5])).await.unwrap();
    code_of(&answer.status) == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_records_nothing_is_answered_until_there_is_some() {
    let mut site = Site::new(Door::Plain);
    let key = site.key("svc-scorer", "scorer", None);
    // The room is what one file may hold: 40 kB, of which the signal is not to end the server.
    let limit = "trap '' XFSZ; exec prlimit --fsize=40000:unlimited \"$@\"";
    let under = ["sh", "-c", limit, "sh"];
    let setup = Setup { log: "off", under: &under, ..Setup::default() };
    let server = site.start(&[], &setup);
    let mut answered = 0;
    let (mut outcome, mut took) = status_of(&server, &key).await;
    while outcome == "OK" {
        answered += 1;
        assert!(answered < 1_000, "40 kB do not hold so many records");
        (outcome, took) = status_of(&server, &key).await;
    }
    assert!(answered > 10 && outcome == "UNAVAILABLE", "{outcome} after {answered}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let ready = async || get(server.pages.unwrap(), "/readyz").await;
    let page = ready().await;
    assert!(page.starts_with("HTTP/1.1 503") && page.contains("access log"), "{page}");
    assert!(is_healthy(&server).await, "health goes on to answer");
    let (outcome, took) = status_of(&server, &key).await;
    assert!(outcome == "UNAVAILABLE" && took < Duration::from_secs(1), "{outcome} {took:?}");

    let pid = server.id().to_string();
    let more = std::process::Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:unlimited"])
        .status();
    assert!(more.unwrap().success());
    wait_until("it recovers by itself", async || status_of(&server, &key).await.0 == "OK").await;
    assert!(ready().await.starts_with("HTTP/1.1 200"));
    let (status, _) = tokio::task::spawn_blocking(|| server.end()).await.unwrap();
    assert!(status.success());
    verify(&site.log()).unwrap();
    let records = calls(&site.log());
    let recorded = |outcome: &str| records.iter().filter(|r| r["outcome"] == outcome).count();
    assert_eq!(recorded("OK"), answered + 1, "those that were answered");
    assert!(recorded("UNAVAILABLE") >= 2, "and those that were not, once there is room");
}
