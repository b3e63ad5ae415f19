//! The server: its own accept loop, because a listener handed to tonic loses TCP_NODELAY and has no
//! cap on connections, no limit on silent ones and no end to its drain.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tonic::service::Routes;

use super::call::Desk;
use super::catalog::Catalog;
use super::flags::Flags;
use super::health::Health;
use super::scoring::Scoring;
use super::serving::model_catalog_server::ModelCatalogServer;
use super::serving::population_trends_server::PopulationTrendsServer;
use super::serving::risk_flags_server::RiskFlagsServer;
use super::serving::risk_scoring_server::RiskScoringServer;
use super::trends::Trends;
use super::{FILE_DESCRIPTOR_SET, connection};
use crate::identity::Tls;
use crate::meters::{self, Shed};
use crate::service::{Gate, Limits, Service};

/// The longest message to health and reflection, which ask nobody who they are.
const NAME_BYTES_MAX: usize = 4 << 10;
/// The rest after a failed accept: without file descriptors, trying on only burns the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Why a server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the compiled protobuf files cannot be shown by reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves until `shutdown` is done. Then health says NOT_SERVING; after `limits.notice` no connection
/// is accepted any more, and open calls have `limits.drain_max` to end before they are cut.
///
/// # Errors
/// Only before the first connection. However the drain goes, the end is `Ok`.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    serve_through(listener, None, service, Gate::new(limits), shutdown).await
}

/// The same, encrypted.
///
/// # Errors
/// As of `serve`.
pub async fn serve_encrypted(
    listener: TcpListener,
    tls: Arc<Tls>,
    service: Arc<Service>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    serve_through(listener, Some(tls), service, Gate::new(limits), shutdown).await
}

/// The same through a gate that calls by HTTP come through as well; encrypted where there is a `tls`.
///
/// # Errors
/// As of `serve`.
pub async fn serve_through(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: Arc<Service>,
    gate: Arc<Gate>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (mut models, mut trends) = (service.models().subscribe(), service.releases().subscribe());
    let mut health = Health::new(&service).await;
    let (drain, draining) = watch::channel(false);
    let limits = *gate.limits();
    let scoring = Scoring::new(Arc::clone(&service), Arc::clone(&gate), draining.clone());
    let flags = Flags::new(Arc::clone(&service), limits, draining.clone());
    let routes = routes(scoring, flags, Arc::clone(&service), &health, &limits)?;
    let desk = Arc::new(Desk::new(routes, (Arc::clone(&service), gate), tls));
    let mut door = Door { desk, draining, connections: JoinSet::new(), silent: VecDeque::new() };
    {
        let mut shutdown = pin!(shutdown);
        let told = async {
            loop {
                // Both senders live as long as the service does.
                let told = tokio::select! {
                    told = models.changed() => told,
                    told = trends.changed() => told,
                };
                if told.is_err() {
                    std::future::pending::<()>().await;
                }
                health.tell(&service).await;
            }
        };
        tokio::select! { () = &mut shutdown => {}, () = door.accept(&listener) => {}, () = told => {} }
        tracing::info!(connections = door.connections.len(), "shutting down");
        health.not_serving().await;
        // Calls go on coming until their balancers have heard.
        let _ = timeout(limits.notice, door.accept(&listener)).await;
    }
    drop(listener);
    let _ = drain.send(true);
    health.end_watches().await;
    let mut connections = door.connections;
    let drained =
        timeout(limits.drain_max, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "cut at the drain limit");
    }
    connections.shutdown().await;
    Ok(())
}

/// Lets connections in.
struct Door {
    desk: Arc<Desk>,
    draining: watch::Receiver<bool>,
    connections: JoinSet<()>,
    /// Those that have not said what HTTP/2 begins with, the oldest first.
    silent: VecDeque<Silent>,
}

struct Silent {
    is_open: Arc<AtomicBool>,
    handle: AbortHandle,
}

impl Door {
    /// Accepts connections for as long as it is polled.
    async fn accept(&mut self, listener: &TcpListener) {
        let mut is_full = false;
        loop {
            let accepted = tokio::select! {
                Some(_) = self.connections.join_next(), if !self.connections.is_empty() => continue,
                accepted = listener.accept() => accepted,
            };
            while self.connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) if self.make_room() => {
                    is_full = false;
                    self.open(stream);
                }
                Ok(_refused) => {
                    meters::process().shed(Shed::Connections);
                    // Once for each time of being full, or an attacker would fill the log.
                    if !is_full {
                        let connections_max = self.desk.limits().connections_max;
                        tracing::warn!(connections_max, "connections are refused: at the limit");
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
    }

    /// Whether one more connection can be let in; where all places are taken, the oldest that has
    /// said nothing yet makes room, so that silent ones never keep out those who call.
    fn make_room(&mut self) -> bool {
        self.silent.retain(|each| !each.is_open.load(Relaxed) && !each.handle.is_finished());
        if self.connections.len() < self.desk.limits().connections_max {
            return true;
        }
        let oldest = self.silent.pop_front();
        oldest.inspect(|silent| silent.handle.abort()).is_some()
    }

    fn open(&mut self, stream: TcpStream) {
        let is_open = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&is_open);
        let serve =
            connection::serve(stream, Arc::clone(&self.desk), self.draining.clone(), move || {
                opened.store(true, Relaxed)
            });
        let handle = self.connections.spawn(serve);
        self.silent.push_back(Silent { is_open, handle });
    }
}

fn is_of_one_connection(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn routes(
    scoring: Scoring,
    flags: Flags,
    service: Arc<Service>,
    health: &Health,
    limits: &Limits,
) -> Result<Routes, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let bytes_max = limits.message_bytes_max;
    let scoring = RiskScoringServer::new(scoring);
    let trends = PopulationTrendsServer::new(Trends::new(Arc::clone(&service)));
    let catalog = ModelCatalogServer::new(Catalog::new(service));
    Ok(Routes::new(scoring.max_decoding_message_size(bytes_max))
        .add_service(RiskFlagsServer::new(flags).max_decoding_message_size(bytes_max))
        .add_service(trends.max_decoding_message_size(bytes_max))
        .add_service(catalog.max_decoding_message_size(bytes_max))
        .add_service(health.server().max_decoding_message_size(NAME_BYTES_MAX))
        .add_service(reflection().build_v1()?.max_decoding_message_size(NAME_BYTES_MAX))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(NAME_BYTES_MAX))
        .prepare())
}
