//! `ScoreStream`: in order, an error in its place, back-pressure, and the end at a shutdown.

use std::time::Duration;

use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::score_stream_response::Result as Item;
use prodrome::rpc::proto::{self, ScoreStreamRequest};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::load::{Load, quantile};
use super::process::{PATIENCE, Server, patient, request};

async fn client(server: &Server) -> RiskScoringClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    RiskScoringClient::new(endpoint.connect().await.unwrap())
}

fn item(number: usize, events: usize) -> ScoreStreamRequest {
    let request = proto::ScoreRequest { request_id: format!("r{number}"), ..request(events) };
    ScoreStreamRequest { request: Some(request) }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_order_and_a_fault_stays_in_its_place() {
    let server = Server::start(&[]);
    let mut client = client(&server).await;
    let mut items: Vec<ScoreStreamRequest> = (0..300).map(|number| item(number, 20)).collect();
    items[7].request.as_mut().unwrap().record = None;
    items[8].request.as_mut().unwrap().tasks =
        vec![proto::TaskRef { task: "nonsense".into(), version: String::new() }];
    items[9].request = None;
    let answers = client.score_stream(tokio_stream::iter(items)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(answers.len(), 300);
    let mut expected = client.score(item(0, 20).request.unwrap()).await.unwrap().into_inner();
    for (number, answer) in answers.into_iter().enumerate() {
        let error = match answer.result.unwrap() {
            Item::Response(response) => {
                expected.request_id = format!("r{number}");
                assert_eq!(response, expected, "as a single call would be answered");
                continue;
            }
            Item::Error(error) => error,
        };
        let code = match number {
            8 => Code::NotFound,
            _ => Code::InvalidArgument,
        };
        assert!((7..10).contains(&number));
        assert_eq!(error.code, i32::from(code), "{error:?}");
        assert!(!error.reason.is_empty());
        assert_eq!(error.field_violations.is_empty(), number == 8, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_calls_are_answered_beside_streams() {
    single_beside_streams(40).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its figure needs a quiet machine and --release"]
async fn single_calls_go_before_streams() {
    let server = Server::start(&[]);
    let alone = Load::new(patient(150), 1, Duration::from_secs(1)).run(server.address).await;
    let (alone, beside) = (quantile(&alone.ok, 0.99), single_beside_streams(4_000).await);
    eprintln!("p99 of a single call: alone {alone:?}, beside eight streams {beside:?}");
    assert!(beside <= 3 * alone + Duration::from_millis(2), "{alone:?} {beside:?}");
}

/// How long a single call takes beside eight streams of so many requests.
async fn single_beside_streams(requests: usize) -> Duration {
    let server = Server::start(&[]);
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut client = client(&server).await;
        let items = tokio_stream::iter(std::iter::repeat_with(|| item(0, 1_500)).take(requests));
        streams.push(tokio::spawn(async move {
            let answers = client.score_stream(items).await.unwrap().into_inner();
            answers.collect::<Vec<_>>().await.len()
        }));
    }
    let single = Load::new(patient(150), 1, Duration::from_secs(1)).run(server.address).await;
    assert_eq!(single.others(&[Code::Ok]), 0, "{:?}", single.codes);
    for stream in streams {
        assert_eq!(stream.await.unwrap(), requests);
    }
    quantile(&single.ok, 0.99)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_not_worked_ahead_of() {
    let server = Server::start(&[]);
    let mut client = client(&server).await;
    let rss_kib = server.rss_kib();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let mut answers =
        client.score_stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    // 40,000 records of about 20 kB: 800 MB, if they were held.
    let sending = tokio::spawn(async move {
        let mut sent = 0_u32;
        let item = item(0, 400);
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_secs(2), sender.send(item.clone())).await
        {
            sent += 1;
            if sent == 40_000 {
                break;
            }
        }
        sent
    });
    let sent = sending.await.unwrap();
    assert!(sent < 40_000, "nothing held the sender back");
    assert!(server.rss_kib() < rss_kib + (64 << 10), "{} KiB", server.rss_kib());
    let mut taken = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(matches!(answer.result, Some(Item::Response(_))));
        taken += 1;
    }
    assert_eq!(taken, sent, "each request that was sent is answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_a_shutdown_after_whole_answers() {
    let mut server = Server::start(&[("LIMITS__DRAIN_SECONDS", "10")]);
    let mut client = client(&server).await;
    let items = tokio_stream::iter((0..).map(|number| item(number, 50)));
    let mut answers = client.score_stream(items).await.unwrap().into_inner();
    let mut taken = 0;
    let ended = loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                assert_eq!(answer.request_id, format!("r{taken}"));
                taken += 1;
                if taken == 50 {
                    server.terminate();
                }
            }
            Ok(None) => panic!("the stream ended as if all were answered"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    let ended = tokio::task::spawn_blocking(move || server.ended());
    assert!(tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().success());
}
