//! Around every call: a time limit, one log line, and names for the faults that tonic finds.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Request, Response};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::service::Routes;
use tonic::{Code, Status};

use super::status;

const HEALTH_PREFIX: &str = "/grpc.health.v1.Health/";

/// Runs the work of a handler. A panic ends this call alone: INTERNAL with an incident number that
/// the log has too.
///
/// # Errors
/// Those of `work`, and INTERNAL when it panicked.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Status>) -> Result<T, Status> {
    // Nothing that `work` borrows is changed by it, so a panic leaves nothing half done behind.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_payload| {
        // The payload is dropped unread: its text may hold a value of the record.
        let incident = format!("{:016x}", RandomState::new().hash_one(Instant::now()));
        tracing::error!(incident, "a call panicked");
        Err(status::internal(&incident))
    })
}

/// Answers one HTTP request within `limit`, reading of its body included, and logs it.
pub(super) async fn answer(
    mut routes: Routes,
    request: Request<Incoming>,
    limit: Duration,
) -> Result<Response<Body>, Infallible> {
    let started = Instant::now();
    let method = request.uri().path().to_owned();
    let response = match tokio::time::timeout(limit, routes.call(request)).await {
        Ok(Ok(response)) => named_fault(response),
        Ok(Err(never)) => match never {},
        Err(_) => {
            let message = "the call took longer than the server allows";
            status::named(Code::DeadlineExceeded, message, "CALL_TOO_LONG").into_http()
        }
    };
    // An error of a unary call always stands in the headers; the start of a stream logs as OK.
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    log(&method, code, started.elapsed());
    Ok(response)
}

fn log(method: &str, code: Code, took: Duration) {
    // A path that is no method of ours is the caller's own text, which may be anything.
    let method = if code == Code::Unimplemented { "unknown" } else { method };
    let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if method.starts_with(HEALTH_PREFIX) {
        tracing::debug!(method, ?code, duration_us, "call");
    } else {
        tracing::info!(method, ?code, duration_us, "call");
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
