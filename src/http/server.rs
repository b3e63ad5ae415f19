//! The pages and their server: few connections, one request each, short.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Readiness;

/// Open connections; further ones are closed at once.
const CONNECTIONS_MAX: usize = 16;
/// Time of a connection, from its opening to the end of the answer.
const CONNECTION_MAX: Duration = Duration::from_secs(5);
/// Room for the head of a request, the least that the library takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 32;
/// The rest after a failed accept: without file descriptors, trying on only burns the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    readiness: Arc<Readiness>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Pages {
    /// Pages that show `readiness`, and what `metrics` says at each scrape.
    pub fn new(
        readiness: Arc<Readiness>,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Pages {
        Pages { readiness, metrics: Arc::new(metrics) }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || plain(StatusCode::OK, "alive\n".to_owned())))
            .route("/readyz", get(readyz))
            .fallback(async || plain(StatusCode::NOT_FOUND, "no such page\n".to_owned()))
            .with_state(self)
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let text = (pages.metrics)();
    ([(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE))], text).into_response()
}

async fn readyz(State(pages): State<Pages>) -> Response {
    let faults = pages.readiness.faults();
    if faults.is_empty() {
        return plain(StatusCode::OK, "ready\n".to_owned());
    }
    let lines = faults.into_iter().map(|fault| format!("{}\n", fault.text()));
    plain(StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

fn plain(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, text).into_response()
}

/// Serves `pages` until `shutdown` is done, which should be when the gRPC side has drained; open
/// connections are then cut.
pub async fn serve(listener: TcpListener, pages: Pages, shutdown: impl Future<Output = ()>) {
    let router = pages.router();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(connection(stream, router.clone()));
            }
            Ok(_refused) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection to the pages can be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        // A scraper comes every few seconds and may connect anew.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(CONNECTION_MAX, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the pages broke"),
        Err(_) => tracing::debug!("a connection to the pages took too long"),
    }
}
