//! One use of the service by a page: within the caller's share, and recorded before its answer leaves.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::Worklist;
use crate::access::{Method, Outcome};
use crate::flag::{Flag, FlagId};
use crate::identity::AuthKind;
use crate::service::{Recorded, Service, ServiceError, Visit};

/// A use that has begun.
pub(super) struct Call(Option<Arc<Recorded>>);

impl Worklist {
    /// Begins a use of `method` by `visit`.
    pub(super) fn call(&self, visit: &Visit, method: Method) -> Call {
        let call = self.call_of_nobody(method);
        if let Some(recorded) = &call.0 {
            recorded.caller(visit);
        }
        call
    }

    /// The same by somebody who is not known.
    fn call_of_nobody(&self, method: Method) -> Call {
        // A name for the access log alone; without random bytes it has none of its own.
        let mut id = [0; 8];
        let _ = getrandom::fill(&mut id);
        Call(self.service.record(u64::from_be_bytes(id), method, None, self.clock))
    }

    /// Records a use that is refused before the service is asked.
    ///
    /// # Errors
    /// The visitor's share is used up, which is then what is recorded; the record cannot be written.
    pub(super) async fn record_refused(&self, refused: Refused<'_>) -> Result<(), ServiceError> {
        let Refused { visit, method, flag, outcome } = refused;
        let Some(visit) = visit else { return self.call_of_nobody(method).end(outcome).await };
        let call = self.call(visit, method);
        if let Err(error) = self.service.take_share(&visit.caller) {
            call.end(self::outcome(&error)).await?;
            return Err(error);
        }
        if let Some(id) = flag {
            call.patient_of(&self.service, visit, id).await;
        }
        call.end(outcome).await
    }

    /// `answer` to a use that was refused, once that is recorded.
    pub(super) async fn refuse(&self, refused: Refused<'_>, answer: Response) -> Response {
        match self.record_refused(refused).await {
            Ok(()) => answer,
            Err(error) => self.refusal(&error, None),
        }
    }
}

/// A use that is refused before the service is asked.
#[derive(Clone, Copy)]
pub(super) struct Refused<'a> {
    /// Who it was; none for nobody who is known.
    pub(super) visit: Option<&'a Visit>,
    pub(super) method: Method,
    /// The flag that it was about.
    pub(super) flag: Option<FlagId>,
    pub(super) outcome: Outcome,
}

impl Refused<'_> {
    /// By nobody who is known.
    pub(super) fn of(method: Method, outcome: Outcome) -> Refused<'static> {
        Refused { visit: None, method, flag: None, outcome }
    }
}

impl Call {
    /// Notes whose flag it is about.
    pub(super) fn patient(&self, patient_id: &str) {
        if let Some(recorded) = &self.0 {
            recorded.patient(patient_id);
        }
    }

    /// Notes whose flags a list shows.
    pub(super) fn listed(&self, flags: &[Flag]) {
        if let Some(recorded) = &self.0 {
            recorded.listed(flags.iter().map(|flag| flag.patient_id.as_str()));
        }
    }

    /// Notes whose flag it is by its id, where the visitor may see it.
    pub(super) async fn patient_of(&self, service: &Service, visit: &Visit, id: FlagId) {
        if self.0.is_some()
            && let Some(patient_id) = service.patient_of_flag(visit, id).await
        {
            self.patient(&patient_id);
        }
    }

    /// Puts the record into the log.
    async fn end(&self, outcome: Outcome) -> Result<(), ServiceError> {
        match &self.0 {
            Some(recorded) => recorded.end(outcome).await,
            None => Ok(()),
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
        self.end(answer.as_ref().err().map_or(Outcome::Ok, outcome)).await?;
        answer
    }
}

/// The outcome of a use that ended so.
pub(super) fn outcome(error: &ServiceError) -> Outcome {
    match error {
        ServiceError::NotRecognised(error) if error.kind() == AuthKind::Unavailable => {
            Outcome::Unavailable
        }
        ServiceError::NotRecognised(_) => Outcome::Unauthenticated,
        ServiceError::Denied(_) | ServiceError::NoTaskAllowed => Outcome::PermissionDenied,
        ServiceError::TooOften { .. } => Outcome::ResourceExhausted,
        ServiceError::UnknownFlag | ServiceError::UnknownTrend { .. } => Outcome::NotFound,
        ServiceError::FlagChanged { .. } => Outcome::Aborted,
        ServiceError::InvalidFlagUpdate(_) => Outcome::FailedPrecondition,
        ServiceError::FlagToken(_) | ServiceError::TrendToken => Outcome::InvalidArgument,
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
