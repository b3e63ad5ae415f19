//! The door for EHRs: FHIR operations and CDS Hooks over HTTP, under the limits, identities, policy, access
//! log and metrics of the calls of gRPC.
//!
//! - `settings`: the section `[ehr]`
//! - `desk`: what stands around every call; `origin`: from which pages; `body`: what it brings; `refusal`,
//!   `answer`: how it ends
//! - `scoring`: a patient's scores from resources; `parameters`, `operation`: `RiskAssessment/$score`
//! - `flags`: `Flag`; `capability`: what the door can do
//! - `cds`: CDS Hooks

mod answer;
mod body;
mod capability;
mod cds;
mod desk;
mod flags;
mod operation;
mod origin;
mod parameters;
mod refusal;
mod scoring;
mod settings;

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderName, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower_http::cors::CorsLayer;

pub use settings::{EhrPlan, EhrSettings};

use crate::http::listener::{self, Allowance};
use crate::identity::Tls;
use crate::record::Time;
use crate::service::{Gate, Service};
use refusal::Refusal;

/// The door of a service.
pub struct Ehr {
    service: Arc<Service>,
    gate: Arc<Gate>,
    plan: EhrPlan,
    /// The address by which EHRs call, without a slash at the end.
    base_url: String,
    clock: fn() -> Time,
    /// Calls that wait for a FHIR server.
    fetches: Arc<Semaphore>,
}

/// How many calls may wait for a FHIR server at once: each holds a few threads.
const FETCHES_MAX: usize = 16;

impl fmt::Debug for Ehr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ehr").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Ehr {
    /// The door of `service`, through the same `gate` as gRPC; `clock` tells the time of each answer.
    pub fn new(service: Arc<Service>, gate: Arc<Gate>, plan: EhrPlan, clock: fn() -> Time) -> Ehr {
        let fetches = Arc::new(Semaphore::new(FETCHES_MAX));
        Ehr { service, gate, plan, base_url: String::new(), clock, fetches }
    }

    /// Serves it until `shutdown` is done; encrypted where there is a `tls`. Then new connections come
    /// for as long as the limits give balancers notice, and calls in work have the drain limit.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        shutdown: impl Future<Output = ()>,
    ) {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let bound = listener.local_addr().unwrap_or(self.plan.address);
        let own = || format!("{scheme}://{bound}");
        self.base_url = self.plan.base_url.clone().unwrap_or_else(own);
        let limits = *self.gate.limits();
        let allowance = Allowance {
            connections_max: limits.connections_max,
            head_max: limits.handshake_max,
            age_max: limits.age_max,
            last_max: limits.call_max,
            keep_alive: true,
            head_bytes_max: (limits.header_bytes_max as usize).max(listener::HEAD_BYTES_MAX),
            drain_max: limits.drain_max,
        };
        let router = Arc::new(self).router();
        let pages = move |peer| router.clone().layer(Extension(peer));
        let ended = async {
            shutdown.await;
            sleep(limits.notice).await;
        };
        listener::serve(listener, tls, allowance, pages, ended).await;
    }

    fn router(self: Arc<Self>) -> Router {
        let origins = self.plan.allowed_origins.clone();
        let from_pages = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::CONTENT_TYPE,
                header::AUTHORIZATION,
                header::ACCEPT,
                HeaderName::from_static("x-api-key"),
                HeaderName::from_static("prodrome-purpose"),
                HeaderName::from_static("traceparent"),
            ])
            .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER]);
        let no_such_method = async || Refusal::no_such_method().into_response();
        Router::new()
            .route("/fhir/metadata", get(capability::statement))
            .route("/fhir/OperationDefinition/RiskAssessment-score", get(capability::definition))
            .route("/fhir/RiskAssessment/$score", post(operation::score))
            // Some clients escape what they need not.
            .route("/fhir/RiskAssessment/%24score", post(operation::score))
            .route("/fhir/Flag", get(flags::search))
            .route("/fhir/Flag/{id}", get(flags::read))
            .route("/cds-services", get(cds::services))
            .route("/cds-services/{id}", post(cds::call))
            .route("/cds-services/{id}/feedback", post(cds::feedback))
            .fallback(no_such_page)
            .method_not_allowed_fallback(no_such_method)
            .layer(from_fn_with_state(Arc::clone(&self), origin::own_alone))
            .layer(from_pages)
            .with_state(self)
    }
}

async fn no_such_page() -> Response {
    Refusal::no_such_page().into_response()
}
