//! One use of the service by a page: within the caller's share, and recorded before its answer leaves.

use std::sync::Arc;

use axum::http::StatusCode;

use super::Worklist;
use crate::access::{Method, Outcome};
use crate::identity::AuthKind;
use crate::service::{Recorded, Service, ServiceError, Visit};

/// A use that has begun.
pub(super) struct Call(Option<Arc<Recorded>>);

impl Worklist {
    /// Begins a use of `method` by `visit`.
    pub(super) fn call(&self, visit: &Visit, method: Method) -> Call {
        // A name for the access log alone; without random bytes it has none of its own.
        let mut id = [0; 8];
        let _ = getrandom::fill(&mut id);
        let recorded = self.service.record(u64::from_be_bytes(id), method, None, self.clock);
        if let Some(recorded) = &recorded {
            recorded.caller(visit);
        }
        Call(recorded)
    }
}

impl Call {
    /// Notes whose flag it is about.
    pub(super) fn patient(&self, patient_id: &str) {
        if let Some(recorded) = &self.0 {
            recorded.patient(patient_id);
        }
    }

    /// What `work` gives, once it is recorded; `work` is begun only within the caller's share.
    ///
    /// # Errors
    /// Those of `work`; the share is used up; the record cannot be written.
    pub(super) async fn answer<T>(
        self,
        service: &Service,
        visit: &Visit,
        work: impl AsyncFnOnce(&Call) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let answer = match service.take_share(&visit.caller) {
            Ok(()) => work(&self).await,
            Err(error) => Err(error),
        };
        if let Some(recorded) = &self.0 {
            recorded.end(answer.as_ref().err().map_or(Outcome::Ok, outcome)).await?;
        }
        answer
    }
}

/// The outcome of a use that ended so.
fn outcome(error: &ServiceError) -> Outcome {
    match error {
        ServiceError::NotRecognised(error) if error.kind() == AuthKind::Unavailable => {
            Outcome::Unavailable
        }
        ServiceError::NotRecognised(_) => Outcome::Unauthenticated,
        ServiceError::Denied(_) | ServiceError::NoTaskAllowed => Outcome::PermissionDenied,
        ServiceError::TooOften { .. } => Outcome::ResourceExhausted,
        ServiceError::UnknownFlag => Outcome::NotFound,
        ServiceError::FlagChanged { .. } => Outcome::Aborted,
        ServiceError::InvalidFlagUpdate(_) => Outcome::FailedPrecondition,
        ServiceError::FlagToken(_) => Outcome::InvalidArgument,
        _ => Outcome::Unavailable,
    }
}

/// How an error is told: by its status, a title, and what it means for who reads it.
pub(super) fn told(error: &ServiceError) -> (StatusCode, &'static str, String) {
    let (status, title) = match outcome(error) {
        Outcome::Unauthenticated => (StatusCode::UNAUTHORIZED, "Not logged in"),
        Outcome::PermissionDenied => (StatusCode::FORBIDDEN, "Not allowed"),
        Outcome::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "Too often"),
        Outcome::NotFound => (StatusCode::NOT_FOUND, "No such flag"),
        Outcome::Aborted => (StatusCode::CONFLICT, "Changed meanwhile"),
        Outcome::FailedPrecondition => (StatusCode::UNPROCESSABLE_ENTITY, "That cannot be done"),
        Outcome::InvalidArgument => (StatusCode::BAD_REQUEST, "The page is out of date"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "Not possible now"),
    };
    let text = match error {
        // Which store is where is for the log of the server.
        ServiceError::Flags(_) => {
            "The flags cannot be reached. Please try again shortly.".to_owned()
        }
        error => super::words::capital(&format!("{error}.")),
    };
    (status, title, text)
}
