//! The gRPC server, black box: health, reflection, bad bytes, bad fields, connections, shutdown.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use prodrome::rpc::proto::model_catalog_client::ModelCatalogClient;
use prodrome::rpc::proto::risk_scoring_client::RiskScoringClient;
use prodrome::rpc::proto::{self, score_request::Record};
use prodrome::rpc::{Limits, health_name, serve};
use prost::bytes::{Buf, BufMut, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::codegen::http::{self, uri::PathAndQuery};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support;

const SCORE: &str = "/prodrome.v1.RiskScoring/Score";
/// What opens an HTTP/2 connection: the preface and an empty SETTINGS frame.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// How long a test waits before it calls something stuck.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or_default() };
            serve(listener, support::service(), limits, shutdown).await.unwrap();
        });
        Server { address, stop, done }
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// Asks the server to stop and tells how long it took.
    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.done).await.expect("the server does not end").unwrap();
        began.elapsed()
    }
}

/// Sends bytes as a message, whatever they are.
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = RawCodec;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> RawCodec {
        RawCodec
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

async fn send_raw(channel: &Channel, path: &'static str, message: Vec<u8>) -> Status {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let request = Request::new(Bytes::from(message));
    client.unary(request, PathAndQuery::from_static(path), RawCodec).await.unwrap_err()
}

/// Sends a whole HTTP/2 body, whose gRPC frame may be broken.
async fn send_frame(channel: &mut Channel, body: &'static str) -> Status {
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let request = http::Request::post(SCORE).header("content-type", "application/grpc");
    let body = tonic::body::Body::new(body.to_owned());
    let response = channel.call(request.body(body).unwrap()).await.unwrap();
    Status::from_header_map(response.headers()).unwrap()
}

fn patient(patient_id: &str) -> proto::PatientHistory {
    proto::PatientHistory { patient_id: patient_id.into(), ..Default::default() }
}

fn request(history: proto::PatientHistory) -> proto::ScoreRequest {
    proto::ScoreRequest { record: Some(Record::History(history)), ..Default::default() }
}

#[tokio::test]
async fn a_patient_is_answered_and_the_request_id_comes_back() {
    let server = Server::start(Limits::default()).await;
    let mut client = RiskScoringClient::new(server.channel().await);
    let asked = proto::ScoreRequest { request_id: "r-7".into(), ..request(patient("p-1")) };
    let response = client.score(asked).await.unwrap().into_inner();
    assert_eq!(response.request_id, "r-7");
    assert!(!response.assessments.is_empty());
    assert!(response.assessments.iter().all(|assessment| assessment.outcome.is_some()));
    drop(client);
    assert!(server.stop().await < Duration::from_secs(5));
}

#[tokio::test]
async fn health_knows_the_server_its_services_and_its_tasks() {
    let server = Server::start(Limits::default()).await;
    let mut client = HealthClient::new(server.channel().await);
    let models = support::service().list_models();
    let any = models.iter().any(|model| model.refused.is_none());
    let mut expected = vec![
        (String::new(), any),
        ("prodrome.v1.RiskScoring".into(), any),
        ("prodrome.v1.ModelCatalog".into(), true),
    ];
    for model in &models {
        let serving = models.iter().any(|m| m.task == model.task && m.refused.is_none());
        expected.push((health_name(&model.task), serving));
    }
    for (service, serving) in expected {
        let asked = HealthCheckRequest { service: service.clone() };
        let status = client.check(asked).await.unwrap().into_inner().status();
        assert_eq!(status == ServingStatus::Serving, serving, "{service}");
    }
    let unknown = HealthCheckRequest { service: health_name("nonsense") };
    assert_eq!(client.check(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_of_health_hears_of_the_shutdown_and_does_not_hold_it_up() {
    let server = Server::start(Limits::default()).await;
    let mut client = HealthClient::new(server.channel().await);
    let asked = HealthCheckRequest { service: "prodrome.v1.ModelCatalog".into() };
    let mut watch = client.watch(asked).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert!(server.stop().await < Duration::from_secs(5));
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(watch.message().await.unwrap().is_none());
}

#[tokio::test]
async fn both_versions_of_reflection_list_the_services() {
    use tonic_reflection::pb::{v1, v1alpha};
    let server = Server::start(Limits::default()).await;
    let channel = server.channel().await;

    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let asked = v1::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let stream = client.server_reflection_info(tonic::codegen::tokio_stream::once(asked));
    let answer = stream.await.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer.message_response
    else {
        panic!("no list")
    };
    assert_all_listed(list.service.into_iter().map(|service| service.name).collect());

    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let asked =
        v1alpha::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let stream = client.server_reflection_info(tonic::codegen::tokio_stream::once(asked));
    let answer = stream.await.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer.message_response
    else {
        panic!("no list")
    };
    assert_all_listed(list.service.into_iter().map(|service| service.name).collect());
}

fn assert_all_listed(names: Vec<String>) {
    for name in [
        "prodrome.v1.RiskScoring",
        "prodrome.v1.ModelCatalog",
        "prodrome.v1.PopulationTrends",
        "grpc.health.v1.Health",
    ] {
        assert!(names.iter().any(|listed| listed == name), "{name} is not in {names:?}");
    }
}

#[tokio::test]
async fn unreadable_messages_are_the_callers_fault() {
    let server = Server::start(Limits::default()).await;
    let mut channel = server.channel().await;
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("random bytes", vec![0xff; 40], ""),
        ("a number where text belongs", vec![0x08, 1], "request_id"),
        ("a group", vec![0x0b, 0x0c], "request_id"),
        ("an id that is not UTF-8", vec![0x0a, 2, 0xff, 0xfe], "request_id"),
        ("a patient id that is not UTF-8", vec![0x12, 3, 0x0a, 1, 0xff], "history.patient_id"),
        ("cut inside the history", vec![0x12, 9, 0x0a, 1, b'p'], "history"),
    ];
    for (name, message, path) in cases {
        let status = send_raw(&channel, SCORE, message).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status:?}");
        let details = status.get_error_details();
        let field = &details.bad_request().unwrap().field_violations[0].field;
        assert_eq!(field, path, "{name}: {status:?}");
    }
    let health = send_raw(&channel, "/grpc.health.v1.Health/Check", vec![0x0a, 1, 0xff]).await;
    assert_eq!(health.code(), Code::InvalidArgument);
    for frame in ["", "\0\0\0\0", "\0\0\0\0\x64abc", "\x07\0\0\0\x01a"] {
        let status = send_frame(&mut channel, frame).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{frame:?}: {status:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let limits = Limits { message_bytes_max: 1_000, ..Limits::default() };
    let server = Server::start(limits).await;
    let mut client = RiskScoringClient::new(server.channel().await);
    let status = client.score(request(patient(&"x".repeat(1_000)))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "MESSAGE_TOO_LONG");
}

#[tokio::test]
async fn a_message_that_would_unfold_to_a_gigabyte_is_refused_unread() {
    let server = Server::start(Limits::default()).await;
    let channel = server.channel().await;
    // Two million empty events: 4,000,000 bytes, within the limit.
    let mut message = vec![0x12, 0x80, 0x92, 0xf4, 0x01];
    message.extend([0x42, 0].repeat(2_000_000));
    let status = send_raw(&channel, SCORE, message).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "more than 250000 entries");
}

#[tokio::test]
async fn fields_at_fault_are_named_and_no_value_is_repeated() {
    let server = Server::start(Limits::default()).await;
    let mut client = RiskScoringClient::new(server.channel().await);
    let mut asked = patient("secret-id");
    asked.birth_date = "secret-date".into();
    asked.events = vec![
        proto::Event { kind: proto::EventKind::Other.into(), ..Default::default() },
        proto::Event { comparator: "secret".into(), ..Default::default() },
    ];
    let status = client.score(request(asked)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
    let expected = ["history.birth_date", "history.events[1].kind", "history.events[1].comparator"];
    assert_eq!(fields, expected);
    assert!(!format!("{status:?} {details:?}").contains("secret"));

    let status = client.score(request(patient(" "))).await.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "history.patient_id");
}

#[tokio::test]
async fn an_unknown_task_is_not_found() {
    let server = Server::start(Limits::default()).await;
    let mut client = RiskScoringClient::new(server.channel().await);
    let tasks = vec![proto::TaskRef { task: "nonsense".into(), version: String::new() }];
    let asked = proto::ScoreRequest { tasks, ..request(patient("p")) };
    let status = client.score(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.get_error_details().resource_info().unwrap().resource_name, "nonsense");
}

#[tokio::test]
async fn the_catalog_lists_the_models() {
    let server = Server::start(Limits::default()).await;
    let mut client = ModelCatalogClient::new(server.channel().await);
    let listed = client.list_models(proto::ListModelsRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.models.len(), support::service().list_models().len());
}

#[tokio::test]
async fn silent_and_idle_connections_do_not_hold_up_a_shutdown() {
    let drain_max = Duration::from_secs(1);
    let server = Server::start(Limits { drain_max, ..Limits::default() }).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    // Says nothing after its opening, not even that it has seen GOAWAY.
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(OPENING).await.unwrap();
    assert!(idle.read(&mut [0; 64]).await.unwrap() > 0);
    let took = server.stop().await;
    assert!(took < drain_max + Duration::from_secs(2), "{took:?}");
    drop((silent, idle));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let handshake_max = Duration::from_millis(200);
    let server = Server::start(Limits { handshake_max, ..Limits::default() }).await;
    for begun in [&b""[..], &OPENING[..10]] {
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        silent.write_all(begun).await.unwrap();
        let read = timeout(PATIENCE, silent.read(&mut [0; 64])).await.expect("still open");
        assert!(matches!(read, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_cut() {
    let call_max = Duration::from_millis(200);
    let server = Server::start(Limits { call_max, ..Limits::default() }).await;
    let never = tonic::codegen::tokio_stream::pending::<proto::ScoreRequest>();
    let mut client = tonic::client::Grpc::new(server.channel().await);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<proto::ScoreRequest, proto::ScoreResponse>::default();
    let path = PathAndQuery::from_static(SCORE);
    let asked = client.client_streaming(Request::new(never), path, codec);
    let status = timeout(PATIENCE, asked).await.expect("still waiting").unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn connections_over_the_cap_are_closed_and_room_comes_back() {
    let server = Server::start(Limits { connections_max: 2, ..Limits::default() }).await;
    let mut first = ModelCatalogClient::new(server.channel().await);
    let mut held = ModelCatalogClient::new(server.channel().await);
    first.list_models(proto::ListModelsRequest {}).await.unwrap();
    held.list_models(proto::ListModelsRequest {}).await.unwrap();
    let mut over = TcpStream::connect(server.address).await.unwrap();
    let read = timeout(PATIENCE, over.read(&mut [0; 64])).await.expect("still open");
    assert!(matches!(read, Ok(0) | Err(_)));
    first.list_models(proto::ListModelsRequest {}).await.unwrap();
    drop(held);
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "no room came back");
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        let Ok(channel) = endpoint.connect().await else { continue };
        if ModelCatalogClient::new(channel).list_models(proto::ListModelsRequest {}).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_bundle_is_scored_and_its_faults_are_named_by_entry() {
    let server = Server::start(Limits::default()).await;
    let mut client = RiskScoringClient::new(server.channel().await);
    let folder = support::root().join("tests/data/fhir");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let entries: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("{{\"resource\":{line}}}"))
        .collect();
    let ask = |entries: &[String]| {
        let entries = entries.join(",");
        let json = format!("{{\"resourceType\":\"Bundle\",\"entry\":[{entries}]}}");
        proto::ScoreRequest {
            record: Some(Record::FhirBundleJson(json.into())),
            prediction_time: Some(prost_types::Timestamp { seconds: 1_709_737_200, nanos: 0 }),
            ..Default::default()
        }
    };
    let response = client.score(ask(&entries)).await.unwrap().into_inner();
    let Some(proto::assessment::Outcome::Score(score)) = &response.assessments[0].outcome else {
        panic!("scored")
    };
    assert!(score.probability.is_some());
    let refs = score.reasons.iter().flat_map(|reason| &reason.events);
    let mut named = 0;
    for place in refs.filter_map(|event| event.place) {
        let (proto::event_ref::Place::EventIndex(entry)
        | proto::event_ref::Place::EncounterIndex(entry)) = place;
        assert!(!entries[entry as usize].contains("\"Patient\""));
        named += 1;
    }
    assert!(named > 0);

    let place = entries.iter().position(|entry| entry.contains("1951-07-08")).unwrap();
    let mut bad = entries.clone();
    bad[place] = entries[place].replace("1951-07-08", "1951-07-88");
    let status = client.score(ask(&bad)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let path = format!("fhir_bundle_json.entry[{place}].resource.birthDate");
    let violations = status.get_error_details().bad_request().unwrap().field_violations.clone();
    assert_eq!(violations[0].field, path);
    bad[place] = entries[place].replace("1951-07-08", "2024-07-08");
    let status = client.score(ask(&bad)).await.unwrap_err();
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, path);
    assert!(!status.message().contains("2024"));
    let status = client.score(ask(&[])).await.unwrap_err();
    assert_eq!(status.message(), "fhir_bundle_json.entry: no Patient: age and sex come from it");
    drop(client);
    server.stop().await;
}
