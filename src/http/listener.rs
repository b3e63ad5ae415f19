//! The accept loop of pages: a bounded number of connections, each with its time, encrypted or not.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::identity::{Tls, peer_name};
use crate::meters::{self, Shed};

/// Room for the head of a request of a browser or a scraper, the least that the library takes.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 32;
/// The rest after a failed accept: without file descriptors, trying on only burns the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// For a client to take something of an answer.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Open connections; further ones are closed at once.
    pub(super) connections_max: usize,
    /// For the handshake, and for the head of each request.
    pub(super) head_max: Duration,
    /// From the opening of a connection to its last request.
    pub(super) age_max: Duration,
    /// For that request to be answered.
    pub(super) last_max: Duration,
    /// Whether a connection may bring more than one request.
    pub(super) keep_alive: bool,
    /// Room for the head of a request, at least `HEAD_BYTES_MAX`.
    pub(super) head_bytes_max: usize,
    /// For requests to be answered once the server ends; zero cuts them at once.
    pub(super) drain_max: Duration,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// The name in the client's certificate.
    pub(super) name: Option<Arc<str>>,
}

/// Serves what `pages` makes for each peer until `shutdown` is done. Requests in work have the
/// allowance's `drain_max` from then on; then open connections are cut.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    allowance: Allowance,
    pages: impl Fn(Peer) -> Router + Clone + Send + 'static,
    shutdown: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let (drain, draining) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) if connections.len() < allowance.connections_max => {
                let (tls, pages) = (tls.clone(), pages.clone());
                let allowed = (allowance, draining.clone());
                connections.spawn(open(stream, address.ip(), tls, allowed, pages));
            }
            Ok(_refused) => meters::process().shed(Shed::Connections),
            Err(error) => {
                tracing::warn!(%error, "no connection to the pages can be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    let _ = drain.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(allowance.drain_max, drained).await.is_err() && !allowance.drain_max.is_zero() {
        tracing::warn!("connections are cut at the drain limit");
    }
}

async fn open(
    stream: TcpStream,
    address: IpAddr,
    tls: Option<Arc<Tls>>,
    allowed: (Allowance, watch::Receiver<bool>),
    pages: impl Fn(Peer) -> Router,
) {
    // An answer leaves in several writes, which must not wait for each other's acknowledgement.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return requests(stream, pages(Peer { address, name: None }), allowed).await;
    };
    let accepted = TlsAcceptor::from(tls.http_config()).accept(stream);
    match timeout(allowed.0.head_max, accepted).await {
        Ok(Ok(stream)) => {
            let name = stream.get_ref().1.peer_certificates().and_then(peer_name);
            let peer = Peer { address, name: name.map(Arc::from) };
            requests(stream, pages(peer), allowed).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "no TLS with a caller of the pages"),
        Err(_) => tracing::debug!("a handshake with a caller of the pages took too long"),
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    router: Router,
    (allowance, mut draining): (Allowance, watch::Receiver<bool>),
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_MAX));
    let stream = Box::pin(stream);
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(allowance.head_max)
            .max_buf_size(allowance.head_bytes_max)
            .max_headers(HEADERS_MAX)
            .keep_alive(allowance.keep_alive)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let is_over = async {
        let told = draining.wait_for(|is_draining| *is_draining);
        // The sender lives as long as the door; without it the connection is cut in any case.
        timeout(allowance.age_max, told).await.is_ok()
    };
    let ended = tokio::select! {
        ended = served.as_mut() => Ok(ended),
        is_draining = is_over => {
            served.as_mut().graceful_shutdown();
            let last = if is_draining { allowance.drain_max } else { allowance.last_max };
            timeout(last, served).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the pages broke"),
        Err(_) => tracing::debug!("a connection to the pages took too long"),
    }
}
