//! The pages and their server: few connections, one request each, short.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::Readiness;
use super::listener::{self, Allowance};

/// A scraper comes every few seconds and may connect anew.
const ALLOWANCE: Allowance = Allowance {
    connections_max: 16,
    head_max: Duration::from_secs(5),
    age_max: Duration::from_secs(5),
    last_max: Duration::ZERO,
    keep_alive: false,
    head_bytes_max: listener::HEAD_BYTES_MAX,
    drain_max: Duration::ZERO,
};
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
    listener::serve(listener, None, ALLOWANCE, move |_peer| router.clone(), shutdown).await;
}
