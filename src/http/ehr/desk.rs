//! Around every call of the door: a place, a deadline, who calls, one record, one log line; the same
//! as around a call of gRPC.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use tokio::time::timeout;
use tracing::Instrument;

use super::cds::Hook;
use super::refusal::Refusal;
use super::{Ehr, body};
use crate::access::{Method, Outcome, Purpose};
use crate::http::listener::Peer;
use crate::meters;
use crate::service::{Brought, Recorded, Visit, guarded_future};
use crate::trace::{self, Traceparent};

const REQUEST_ID: &str = "x-request-id";

/// What can be called about patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `RiskAssessment/$score`.
    Score,
    /// `Flag`, one or many.
    Flags,
    Hook(Hook),
    Feedback(Hook),
}

impl Endpoint {
    /// Its name in logs and metrics.
    fn label(self) -> &'static str {
        match self {
            Endpoint::Score => "fhir.score",
            Endpoint::Flags => "fhir.flags",
            Endpoint::Hook(Hook::PatientView) => "cds.patient_view",
            Endpoint::Hook(Hook::EncounterDischarge) => "cds.encounter_discharge",
            Endpoint::Feedback(_) => "cds.feedback",
        }
    }

    /// The method of the contract that it is, for the policy and the access log.
    fn method(self) -> Method {
        match self {
            Endpoint::Score | Endpoint::Hook(_) => Method::Score,
            Endpoint::Flags => Method::ListFlags,
            Endpoint::Feedback(_) => Method::RecordFeedback,
        }
    }

    /// What a call is for that does not say: CDS Hooks has no word for it, and fires while somebody
    /// cares for the patient.
    fn purpose(self) -> Option<Purpose> {
        match self {
            Endpoint::Score | Endpoint::Flags => None,
            Endpoint::Hook(_) | Endpoint::Feedback(_) => Some(Purpose::Treatment),
        }
    }

    /// What a token of CDS Hooks names as its audience, below the door's address.
    fn audience(self) -> Option<String> {
        match self {
            Endpoint::Score | Endpoint::Flags => None,
            Endpoint::Hook(hook) => Some(format!("/cds-services/{}", hook.service_id())),
            Endpoint::Feedback(hook) => {
                Some(format!("/cds-services/{}/feedback", hook.service_id()))
            }
        }
    }
}

/// A call of somebody who is known.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) visit: Arc<Visit>,
    /// The record that the access log will have of it.
    pub(super) recorded: Option<Arc<Recorded>>,
    /// When the answer must be there.
    pub(super) end_by: Instant,
}

impl Call {
    /// Notes whose record it is about, as early as it is known.
    pub(super) fn patient(&self, patient_id: &str) {
        if let Some(recorded) = &self.recorded {
            recorded.patient(patient_id);
        }
    }

    /// The same of a call that may be about several.
    pub(super) fn patients(&self, patient_ids: &[String]) {
        match (&self.recorded, patient_ids) {
            (Some(recorded), [only]) => recorded.patient(only),
            (Some(recorded), [_, ..]) => recorded.listed(patient_ids.iter().map(String::as_str)),
            _ => {}
        }
    }
}

impl Ehr {
    /// Answers a call of `endpoint` by `work`, which gets the body.
    pub(super) async fn answer(
        &self,
        endpoint: Endpoint,
        peer: &Peer,
        request: Request,
        work: impl AsyncFnOnce(Call, Bytes) -> Result<Response, Refusal>,
    ) -> Response {
        let began = Instant::now();
        let (id, label, method) = (self.gate.next_id(), endpoint.label(), endpoint.method());
        let place = traceparent(request.headers());
        let trace_id = place.map(Traceparent::trace_id);
        let recorded = self.service.record(id.0, method, trace_id, self.clock);
        let counted = meters::process().call(label);
        let span = trace::call_span(label, place);
        let call_max = self.gate.limits().call_max;
        let end_by = began + call_max;
        let begun = Begun { endpoint, end_by, recorded: recorded.clone() };
        let worked = guarded_future(self.admitted(begun, peer, request, work));
        let worked = timeout(call_max, worked).instrument(span.clone()).await;
        let worked = match worked {
            Ok(Ok(worked)) => worked,
            Ok(Err(incident)) => Err(incident.into()),
            Err(_) => Err(Refusal::deadline()),
        };
        let (mut outcome, mut response) = match worked {
            Ok(response) => (Outcome::Ok, response),
            Err(refusal) => (refusal.outcome, refusal.into_response()),
        };
        if let Some(recorded) = recorded
            && let Err(error) = recorded.end(outcome).await
        {
            let refusal = Refusal::from(error);
            (outcome, response) = (refusal.outcome, refusal.into_response());
        }
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let took = began.elapsed();
        counted.answered(outcome, took);
        trace::call_ended(&span, outcome.code());
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if outcome == Outcome::Ok {
            tracing::debug!(%id, method = label, %outcome, duration_us, "call");
        } else {
            tracing::info!(%id, method = label, %outcome, duration_us, "call");
        }
        response
    }

    /// Answers a call that finds a place, and whose caller is known.
    async fn admitted(
        &self,
        begun: Begun,
        peer: &Peer,
        request: Request,
        work: impl AsyncFnOnce(Call, Bytes) -> Result<Response, Refusal>,
    ) -> Result<Response, Refusal> {
        let (Parts { headers, .. }, body) = request.into_parts();
        let Begun { endpoint, end_by, recorded } = begun;
        let (method, entered) = (endpoint.method(), self.gate.admission().enter());
        let visit = match &entered {
            Ok(_place) => self.received(endpoint, peer, &headers, recorded.as_deref()),
            Err(shed) => Err((*shed).into()),
        };
        let visit = match visit {
            Ok(visit) => Arc::new(visit),
            Err(refusal) => {
                // Its place is for others while the rest comes in.
                drop(entered);
                body::pass_over(body, self.gate.limits().message_bytes_max).await;
                return Err(refusal);
            }
        };
        let body = body::whole(body, &self.gate).await?;
        work(Call { method, visit, recorded, end_by }, body).await
    }

    /// Who calls, and whether they may do so at all.
    fn received(
        &self,
        endpoint: Endpoint,
        peer: &Peer,
        headers: &HeaderMap,
        recorded: Option<&Recorded>,
    ) -> Result<Visit, Refusal> {
        let audience = endpoint.audience().map(|path| format!("{}{path}", self.base_url));
        let brought = Brought {
            headers,
            peer: peer.name.as_deref(),
            audience: audience.as_deref(),
            purpose: endpoint.purpose(),
        };
        let now_seconds = (self.clock)().micros().div_euclid(1_000_000);
        let visit = self.service.receive(brought, recorded, now_seconds)?;
        // Before anything is read or asked of others for somebody who may not.
        self.service.may_at_all(&visit, endpoint.method())?;
        Ok(visit)
    }
}

/// A call before anybody is recognised.
struct Begun {
    endpoint: Endpoint,
    end_by: Instant,
    recorded: Option<Arc<Recorded>>,
}

fn traceparent(headers: &HeaderMap) -> Option<Traceparent> {
    headers.get("traceparent").and_then(|text| text.to_str().ok()).and_then(Traceparent::parse)
}
