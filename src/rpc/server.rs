//! The server: its own accept loop, because a listener handed to tonic loses TCP_NODELAY and has no
//! cap on connections, no limit on silent ones and no end to its drain.

use std::io::{Cursor, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::catalog::Catalog;
use super::serving::model_catalog_server::ModelCatalogServer;
use super::serving::risk_scoring_server::RiskScoringServer;
use super::scoring::Scoring;
use super::{FILE_DESCRIPTOR_SET, call};
use crate::service::Service;

/// `PRI * HTTP/2.0`, two empty lines and `SM`: what a client sends before all else.
const PREFACE_BYTES: usize = 24;
/// The rest after a failed accept: without file descriptors, trying on only burns the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What a server allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; further ones are closed at once.
    pub connections_max: usize,
    /// Concurrent calls on one connection.
    pub streams_max: u32,
    /// Time from a connection to its HTTP/2 preface.
    pub preface_max: Duration,
    /// Time from a call to its answer, reading of the request included.
    pub call_max: Duration,
    /// Length of one message.
    pub message_bytes_max: usize,
    /// Length of a call's headers together.
    pub header_bytes_max: u32,
    /// Silence on a connection after which it is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// Time for that sign.
    pub keepalive_timeout: Duration,
    /// Time for open calls to end after a shutdown began; then they are cut.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 1_024,
            streams_max: 100,
            preface_max: Duration::from_secs(10),
            call_max: Duration::from_secs(30),
            message_bytes_max: 4 * 1024 * 1024,
            header_bytes_max: 16 * 1024,
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            drain_max: Duration::from_secs(25),
        }
    }
}

/// Why a server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the compiled protobuf files cannot be shown by reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// The name under which `grpc.health.v1` knows a task.
pub fn health_name(task: &str) -> String {
    format!("prodrome.task.{task}")
}

/// Serves until `shutdown` is done: then health says NOT_SERVING, no connection is accepted any
/// more, and open calls have `limits.drain_max` to end before they are cut.
///
/// # Errors
/// Only before the first connection. However the drain goes, the end is `Ok`.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut health = Health::new(&service).await;
    let routes = routes(service, &health.reporter, &limits)?;
    let (drain, draining) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut is_full = false;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) if connections.len() < limits.connections_max => {
                is_full = false;
                connections.spawn(connection(stream, routes.clone(), limits, draining.clone()));
            }
            Ok(_refused) => {
                // Once for each time of being full, or an attacker would fill the log.
                if !is_full {
                    tracing::warn!(limits.connections_max, "connections are refused: at the limit");
                }
                is_full = true;
            }
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    tracing::info!(connections = connections.len(), "shutting down");
    health.not_serving().await;
    let _ = drain.send(());
    health.end_watches().await;
    let drained =
        timeout(limits.drain_max, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "cut at the drain limit");
    }
    connections.shutdown().await;
    Ok(())
}

fn is_of_one_connection(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn routes(
    service: Arc<Service>,
    health: &HealthReporter,
    limits: &Limits,
) -> Result<Routes, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let bytes_max = limits.message_bytes_max;
    let scoring = RiskScoringServer::new(Scoring::new(Arc::clone(&service)));
    let catalog = ModelCatalogServer::new(Catalog { service });
    let health = tonic_health::server::HealthService::from_health_reporter(health.clone());
    let health = tonic_health::pb::health_server::HealthServer::new(health);
    Ok(Routes::new(scoring.max_decoding_message_size(bytes_max))
        .add_service(catalog.max_decoding_message_size(bytes_max))
        .add_service(health.max_decoding_message_size(bytes_max))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare())
}

/// Serves one connection until it closes, or until its calls are answered once the drain began.
async fn connection(
    stream: TcpStream,
    routes: Routes,
    limits: Limits,
    mut draining: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let (mut read, write) = stream.into_split();
    let mut preface = [0; PREFACE_BYTES];
    let has_come = tokio::select! {
        came = timeout(limits.preface_max, read.read_exact(&mut preface)) => {
            matches!(came, Ok(Ok(_)))
        }
        _ = draining.changed() => false,
    };
    if !has_come {
        return;
    }
    // hyper reads and checks the preface itself, so it gets it once more.
    let io = TokioIo::new(tokio::io::join(Cursor::new(preface).chain(read), write));
    let answer = service_fn(move |request: Request<Incoming>| {
        call::answer(routes.clone(), request, limits.call_max)
    });
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout)
            .serve_connection(io, answer)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = draining.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// What `grpc.health.v1` says of the server, its services and its tasks.
struct Health {
    reporter: HealthReporter,
    names: Vec<String>,
}

impl Health {
    async fn new(service: &Service) -> Health {
        let models = service.list_models();
        let is_serving = |task: &str| models.iter().any(|m| m.task == task && m.refused.is_none());
        let any = models.iter().any(|model| model.refused.is_none());
        let mut states = vec![
            (String::new(), any),
            (RiskScoringServer::<Scoring>::NAME.to_owned(), any),
            (ModelCatalogServer::<Catalog>::NAME.to_owned(), true),
        ];
        states.extend(models.iter().map(|m| (health_name(&m.task), is_serving(&m.task))));
        let reporter = HealthReporter::new();
        for (name, serving) in &states {
            let status = if *serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            reporter.set_service_status(name, status).await;
        }
        Health { reporter, names: states.into_iter().map(|(name, _)| name).collect() }
    }

    async fn not_serving(&self) {
        for name in &self.names {
            self.reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
    }

    /// Ends the streams of `Watch`, which by themselves never end and would hold up every drain.
    async fn end_watches(&mut self) {
        for name in &self.names {
            self.reporter.clear_service_status(name).await;
        }
    }
}
