//! Around every call: a place, a deadline, a name for every fault, and one log line.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic::{Code, Status};
use tracing::Instrument;

use super::request_body::RequestBody;
use super::traffic::{Answer, Traffic};
use super::{clock, deadline, status};
use crate::access::{Method, Outcome};
use crate::identity::Tls;
use crate::meters;
use crate::service::{self, Brought, CallId, Gate, Limits, Recorded, Service, Visit};
use crate::trace::{self, Traceparent};

const REQUEST_ID: &str = "x-request-id";
/// Services that answer however full the server is, since those who ask decide where calls go.
const UNLIMITED: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];
/// Calls that go on for as long as the client likes, beside the streams of scores.
const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// What a deadline leaves for sending the answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Runs the work of a handler. A panic ends this call alone: INTERNAL with an incident number that
/// the log has too.
///
/// # Errors
/// Those of `work`, and INTERNAL when it panicked.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Status>) -> Result<T, Status> {
    service::guarded(work).unwrap_or_else(|incident| Err(status::fault(&incident)))
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// The name in the client's certificate.
    pub(super) name: Option<String>,
    pub(super) traffic: Arc<Traffic>,
}

/// What a handler may want to know of its call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// When the answer must be there; `None` for a stream whose caller gives no time.
    pub(super) end_by: Option<Instant>,
    pub(super) method: Method,
    pub(super) visit: Arc<Visit>,
    /// The record that the access log will have of it.
    pub(super) recorded: Option<Arc<Recorded>>,
    pub(super) trace_id: Option<u128>,
}

/// The call of `request`.
///
/// # Errors
/// Never for a request that came by the desk.
pub(super) fn of<T>(request: &tonic::Request<T>) -> Result<&Call, Status> {
    request.extensions().get().ok_or_else(|| status::internal("no desk"))
}

/// Where all calls of all connections come to.
pub(super) struct Desk {
    routes: Routes,
    service: Arc<Service>,
    gate: Arc<Gate>,
    /// Calls that were refused, and whose requests are still read.
    refused: Arc<Semaphore>,
    pub(super) tls: Option<Arc<Tls>>,
}

impl Desk {
    pub(super) fn new(
        routes: Routes,
        (service, gate): (Arc<Service>, Arc<Gate>),
        tls: Option<Arc<Tls>>,
    ) -> Desk {
        let refused = Arc::new(Semaphore::new(gate.limits().calls_at_once_max));
        Desk { routes, service, gate, refused, tls }
    }

    pub(super) fn limits(&self) -> &Limits {
        self.gate.limits()
    }

    /// Answers one HTTP request, whatever it is: counted, recorded where it is about a patient, and
    /// logged.
    pub(super) async fn answer(
        self: Arc<Desk>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Result<Response<Answer<Body>>, Infallible> {
        let began = Instant::now();
        let id = self.gate.next_id();
        let path = request.uri().path();
        let method = Method::of_path(path);
        let name = Name { label: meters::method_label(path), is_quiet: is_unlimited(path) };
        let is_stream = method == Some(Method::ScoreStream);
        let is_endless = is_stream || method == Some(Method::WatchFlags) || path == WATCH;
        let limit = self.limit(request.headers(), is_endless);
        let end_by = limit.and_then(|limit| began.checked_add(limit));
        let taken_by = end_by.filter(|_| !is_endless).map(|end_by| end_by + ANSWER_MAX);
        let open = Arc::new(peer.traffic.call(taken_by));
        let counted = meters::process().call(name.label);
        let place = request.headers().get("traceparent").and_then(|text| text.to_str().ok());
        let place = place.and_then(Traceparent::parse);
        let trace_id = place.map(Traceparent::trace_id);
        let recorded =
            method.and_then(|method| self.service.record(id.0, method, trace_id, clock::now));
        let wait = if is_stream { self.limits().idle_max } else { self.limits().body_max };
        let request = request.map(|body| {
            let admission = Arc::clone(self.gate.admission());
            RequestBody::new(body, Arc::clone(&open), wait, is_stream, admission)
        });
        let begun = Begun { method, end_by, recorded: recorded.clone(), trace_id };
        let span = trace::call_span(name.label, place);
        let answered = self.admitted(request, &peer, begun, limit, name.is_quiet);
        let mut response = answered.instrument(span.clone()).await;
        // An error of a single call always stands in the headers; a stream that began counts as OK.
        let mut code = code_of(&response);
        if let Some(recorded) = recorded {
            if is_stream && code == Code::Ok {
                recorded.leave_to_items();
            } else if let Err(error) = recorded.end(Outcome::of_code(code.into())).await {
                response = status::of(&error).into_http();
                code = code_of(&response);
            }
        }
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let took = began.elapsed();
        counted.answered(Outcome::of_code(code.into()), took);
        trace::call_ended(&span, code.into());
        name.log(id, code, took);
        Ok(response.map(|body| Answer::new(body, open)))
    }

    /// The time that a call has, by what its caller says and what the server allows.
    fn limit(&self, headers: &HeaderMap, is_endless: bool) -> Option<Duration> {
        let given = deadline::of(headers);
        let call_max = self.limits().call_max;
        if is_endless { given } else { Some(given.map_or(call_max, |given| given.min(call_max))) }
    }

    /// Answers a call that finds a place, and whose caller is known.
    async fn admitted(
        &self,
        mut request: Request<RequestBody>,
        peer: &Peer,
        begun: Begun,
        limit: Option<Duration>,
        is_unlimited: bool,
    ) -> Response<Body> {
        if is_unlimited {
            return self.within(request, limit).await;
        }
        let _place = match self.gate.admission().enter() {
            Ok(place) => place,
            Err(shed) => {
                self.read_on(request);
                return status::shed(shed).into_http();
            }
        };
        // A path that is no method of ours is for the routes to refuse.
        if let Some(method) = begun.method {
            let recorded = begun.recorded.as_deref();
            let headers = request.headers();
            let peer = peer.name.as_deref();
            let brought = Brought { headers, peer, audience: None, purpose: None };
            match self.service.receive(brought, recorded, clock::now_seconds()) {
                Err(error) => {
                    self.read_on(request);
                    return status::of(&error).into_http();
                }
                Ok(visit) => {
                    let Begun { end_by, recorded, trace_id, .. } = begun;
                    let visit = Arc::new(visit);
                    let call = Call { end_by, method, visit, recorded, trace_id };
                    request.extensions_mut().insert(call);
                }
            }
        }
        self.within(request, limit).await
    }

    /// Reads what is still to come of a call that was refused, for as many at once as are answered at
    /// once; of others the connection bears it.
    fn read_on(&self, request: Request<RequestBody>) {
        if request.body().is_end_stream() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.refused).try_acquire_owned() else { return };
        let bytes_max = self.limits().message_bytes_max;
        tokio::spawn(async move {
            let _turn = turn;
            request.into_body().read_on(bytes_max).await;
        });
    }

    /// Answers a call that has its place within `limit`.
    async fn within(
        &self,
        request: Request<RequestBody>,
        limit: Option<Duration>,
    ) -> Response<Body> {
        let mut routes = self.routes.clone();
        let answered = service::guarded_future(routes.call(request));
        let answered = match limit {
            None => Ok(answered.await),
            Some(limit) => tokio::time::timeout(limit, answered).await,
        };
        match answered {
            Ok(Ok(Ok(response))) => named_fault(response),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(incident)) => status::fault(&incident).into_http(),
            Err(_) => status::deadline_exceeded().into_http(),
        }
    }
}

/// A call before anybody is recognised.
struct Begun {
    method: Option<Method>,
    end_by: Option<Instant>,
    recorded: Option<Arc<Recorded>>,
    trace_id: Option<u128>,
}

/// Whether calls of `path` are answered however full the server is.
fn is_unlimited(path: &str) -> bool {
    UNLIMITED.iter().any(|prefix| path.starts_with(prefix))
}

fn code_of(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

/// A method as logs and metrics name it: a path that is none of ours is the caller's own text, which
/// may be anything.
struct Name {
    label: &'static str,
    is_quiet: bool,
}

impl Name {
    /// Calls that went well are for the metrics to count; the log has those that did not, and at
    /// `debug` all.
    fn log(&self, id: CallId, code: Code, took: Duration) {
        let method = self.label;
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if code == Code::Ok || self.is_quiet {
            tracing::debug!(%id, method, ?code, duration_us, "call");
        } else {
            tracing::info!(%id, method, ?code, duration_us, "call");
        }
    }
}

/// tonic calls a broken frame INTERNAL and a long message OUT_OF_RANGE, without details; all errors
/// of ours have details. Both are the caller's fault and get the code that says so.
fn named_fault(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    match (status.code(), status.details()) {
        (Code::Internal, []) => {
            let message = "the message is missing, cut short or not framed as gRPC says";
            status::named(Code::InvalidArgument, message, "BROKEN_FRAME").into_http()
        }
        (Code::OutOfRange, []) => {
            let message = "the message is longer than the server allows";
            status::named(Code::ResourceExhausted, message, "MESSAGE_TOO_LONG").into_http()
        }
        // tonic repeats the compression that the caller named, which may be any text.
        (Code::Unimplemented, []) if !status.message().is_empty() => {
            let message = "the message is compressed, which this server does not take";
            let status = status::named(Code::Unimplemented, message, "COMPRESSED");
            let mut response = status.into_http();
            let taken = HeaderValue::from_static("identity");
            response.headers_mut().insert("grpc-accept-encoding", taken);
            response
        }
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn a_panic_becomes_internal_without_its_text() {
        let status = guarded::<()>(|| panic!("patient 17")).unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("patient"));
        let details = status.get_error_details();
        let incident = &details.error_info().unwrap().metadata["incident"];
        assert!(status.message().contains(incident.as_str()));
    }
}
