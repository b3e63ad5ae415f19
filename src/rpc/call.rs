//! Around every call: a place, a deadline, a name for every fault, and one log line.

use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic::{Code, Status};

use super::admission::Admission;
use super::limits::Limits;
use super::request_body::RequestBody;
use super::traffic::{Answer, Traffic};
use super::{deadline, status};
use crate::access::Method;
use crate::meters;
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
    // Nothing that `work` borrows is changed by it, so a panic leaves nothing half done behind.
    // The payload is dropped unread: its text may hold a value of the record.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_payload| Err(panicked()))
}

fn panicked() -> Status {
    let incident = format!("{:016x}", RandomState::new().hash_one(Instant::now()));
    tracing::error!(incident, "a call panicked");
    meters::process().panicked();
    status::internal(&incident)
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The name in the client's certificate.
    pub(super) name: Option<String>,
    pub(super) traffic: Arc<Traffic>,
}

/// The name of a call, for the log, the audit and the caller's questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallId(u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a handler may want to know of its call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// When the answer must be there; `None` for a stream whose caller gives no time.
    pub(super) end_by: Option<Instant>,
}

/// Where all calls of all connections come to.
pub(super) struct Desk {
    routes: Routes,
    limits: Limits,
    admission: Arc<Admission>,
    /// Makes the ids of this process differ from those of others.
    process: u32,
    calls: AtomicU32,
}

impl Desk {
    pub(super) fn new(routes: Routes, limits: Limits, admission: Arc<Admission>) -> Desk {
        let process = RandomState::new().hash_one(Instant::now()) as u32;
        Desk { routes, limits, admission, process, calls: AtomicU32::new(0) }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn next_id(&self) -> CallId {
        let number = self.calls.fetch_add(1, Relaxed);
        CallId(u64::from(self.process) << 32 | u64::from(number))
    }

    /// Answers one HTTP request, whatever it is, and logs it.
    pub(super) async fn answer(
        self: Arc<Desk>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Result<Response<Answer<Body>>, Infallible> {
        let began = Instant::now();
        let id = self.next_id();
        let path = request.uri().path();
        let method = Method::of_path(path);
        let is_stream = method == Some(Method::ScoreStream) || path == WATCH;
        let has_place = UNLIMITED.iter().any(|prefix| path.starts_with(prefix));
        let given = deadline::of(request.headers());
        let limit = match (is_stream, given) {
            (true, given) => given,
            (false, given) => {
                Some(given.map_or(self.limits.call_max, |given| given.min(self.limits.call_max)))
            }
        };
        let end_by = limit.and_then(|limit| began.checked_add(limit));
        let taken_by = end_by.filter(|_| !is_stream).map(|end_by| end_by + ANSWER_MAX);
        let open = Arc::new(peer.traffic.call(taken_by));
        let wait = if is_stream { self.limits.idle_max } else { self.limits.body_max };
        let name = Name { method, is_quiet: has_place };
        let mut request =
            request.map(|body| RequestBody::new(body, Arc::clone(&open), wait, is_stream));
        request.extensions_mut().insert(Call { id, end_by });
        let admitted = match has_place {
            true => Ok(None),
            false => self.admission.enter().map(Some),
        };
        let mut response = match admitted {
            Ok(_place) => self.within(request, limit).await,
            Err(shed) => status::shed(shed).into_http(),
        };
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        // An error of a single call always stands in the headers; a stream that began logs as OK.
        let code =
            Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        name.log(id, code, began.elapsed());
        Ok(response.map(|body| Answer::new(body, open)))
    }

    /// Answers a call that has its place within `limit`.
    async fn within(
        &self,
        request: Request<RequestBody>,
        limit: Option<Duration>,
    ) -> Response<Body> {
        let mut routes = self.routes.clone();
        let mut answered = pin!(routes.call(request));
        let guarded = std::future::poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| answered.as_mut().poll(context)));
            match polled {
                Ok(polled) => polled,
                Err(_payload) => Poll::Ready(Ok(panicked().into_http())),
            }
        });
        let answered = match limit {
            None => Ok(guarded.await),
            Some(limit) => tokio::time::timeout(limit, guarded).await,
        };
        match answered {
            Ok(Ok(response)) => named_fault(response),
            Ok(Err(never)) => match never {},
            Err(_) => status::deadline_exceeded().into_http(),
        }
    }
}

/// A method as the log names it.
struct Name {
    method: Option<Method>,
    is_quiet: bool,
}

impl Name {
    /// Calls that went well are for the metrics to count; the log has those that did not, and at
    /// `debug` all.
    fn log(&self, id: CallId, code: Code, took: Duration) {
        // A path that is no method of ours is the caller's own text, which may be anything.
        let method = match self {
            Name { method: Some(method), .. } => method.name(),
            Name { is_quiet: true, .. } => "health or reflection",
            Name { .. } => "unknown",
        };
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
