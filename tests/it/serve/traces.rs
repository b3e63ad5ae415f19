//! Traces by OTLP, to a collector that takes whatever comes.

use std::sync::{Arc, Mutex};

use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::score_request::Record;
use prost::bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tonic::Request;
use tonic::codegen::http::{HeaderMap, Response};
use tonic::transport::Channel;

use super::process::{Server, request};

type Taken = Arc<Mutex<Vec<u8>>>;

/// Takes the exports of one connection.
async fn take(stream: TcpStream, taken: Taken) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            let path = request.uri().path();
            assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                taken.lock().unwrap().extend_from_slice(&data);
            }
            let head = Response::builder().header("content-type", "application/grpc");
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
            let trailers =
                HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
            stream.send_trailers(trailers).unwrap();
        });
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_exported_as_a_span_of_its_callers_trace_and_nothing_of_its_patient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let taken = Taken::default();
    let taking = Arc::clone(&taken);
    let collector = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, Arc::clone(&taking)));
        }
    });
    let mut server = Server::start(&[("TELEMETRY__OTLP_ENDPOINT", &endpoint)]);
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let mut client = RiskScoringClient::new(channel.connect().await.unwrap());
    let mut message = request(20);
    if let Some(Record::History(history)) = &mut message.record {
        history.patient_id = "CANARY-17".into();
    }
    let mut request = Request::new(message);
    let place = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", place.parse().unwrap());
    client.score(request).await.unwrap();
    drop(client);
    server.terminate();
    assert!(server.ended().success());
    collector.abort();

    let taken = taken.lock().unwrap();
    for word in ["prodrome-server", "rpc.method", "Score", "rpc.grpc.status_code"] {
        assert!(holds(&taken, word.as_bytes()), "{word} is not exported");
    }
    let id = |text: &str| u128::from_str_radix(text, 16).unwrap().to_be_bytes();
    assert!(holds(&taken, &id("4bf92f3577b34da6a3ce929d0e0e4736")), "the caller's trace");
    assert!(holds(&taken, &id("00f067aa0ba902b7")[8..]), "the caller's span is the parent");
    assert!(!holds(&taken, b"CANARY"), "a patient's id is exported");
}
