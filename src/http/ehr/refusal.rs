//! Why a call gets no answer, as HTTP says it: a status, and an `OperationOutcome` with the places at
//! fault.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::answer::fhir;
use crate::access::Outcome;
use crate::fhir::{Issue, IssueCode, IssueSeverity, operation_outcome};
use crate::flag::InvalidUpdate;
use crate::identity::AuthKind;
use crate::meters;
use crate::record::Violation;
use crate::service::{Incident, ServiceError, Shed};

/// Why a call gets no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) outcome: Outcome,
    status: StatusCode,
    issues: Vec<Issue>,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(
        (outcome, status, code): (Outcome, StatusCode, IssueCode),
        details: impl Into<String>,
    ) -> Refusal {
        let issues = vec![Issue::new(IssueSeverity::Error, code, details)];
        Refusal { outcome, status, issues, retry_after: None }
    }

    /// Fields of the request that cannot be used, at least one.
    pub(super) fn invalid(violations: Vec<Violation>) -> Refusal {
        let issue = |Violation { path, reason }: Violation| {
            let code = match reason {
                "missing" => IssueCode::Required,
                _ if reason.starts_with("longer") => IssueCode::TooLong,
                _ => IssueCode::Invalid,
            };
            Issue::new(IssueSeverity::Error, code, reason).at(path)
        };
        Refusal {
            outcome: Outcome::InvalidArgument,
            status: StatusCode::BAD_REQUEST,
            issues: violations.into_iter().map(issue).collect(),
            retry_after: None,
        }
    }

    /// One field of the request that cannot be used.
    pub(super) fn at(path: &str, reason: &'static str) -> Refusal {
        Refusal::invalid(vec![Violation { path: path.to_owned(), reason }])
    }

    /// Data without which there is no answer, and that cannot be had (CDS Hooks 2.0: 412).
    pub(super) fn no_data(issues: Vec<Issue>) -> Refusal {
        Refusal {
            outcome: Outcome::FailedPrecondition,
            status: StatusCode::PRECONDITION_FAILED,
            issues,
            retry_after: None,
        }
    }

    pub(super) fn deadline() -> Refusal {
        let details = "the time that the server allows for a call has passed";
        Refusal::new(
            (Outcome::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT, IssueCode::Timeout),
            details,
        )
    }

    pub(super) fn too_slow() -> Refusal {
        let details = "the request did not come in within the time that the server allows";
        Refusal::new(
            (Outcome::DeadlineExceeded, StatusCode::REQUEST_TIMEOUT, IssueCode::Timeout),
            details,
        )
    }

    pub(super) fn too_long() -> Refusal {
        let details = "the request is longer than the server allows; send the last years alone";
        Refusal::new(
            (Outcome::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE, IssueCode::TooLong),
            details,
        )
    }

    pub(super) fn no_such_page() -> Refusal {
        let details = "there is nothing at this address: see /cds-services and /fhir/metadata";
        let code = (Outcome::Unimplemented, StatusCode::NOT_FOUND, IssueCode::NotFound);
        Refusal::new(code, details)
    }

    pub(super) fn no_such_method() -> Refusal {
        let details = "this address does not take this method";
        let code =
            (Outcome::Unimplemented, StatusCode::METHOD_NOT_ALLOWED, IssueCode::NotSupported);
        Refusal::new(code, details)
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        let mut response = fhir(self.status, &operation_outcome(self.issues));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<Shed> for Refusal {
    fn from(Shed { what, retry_after }: Shed) -> Refusal {
        meters::process().shed(what);
        let (status, details) = match what {
            meters::Shed::CallerRate => (
                StatusCode::TOO_MANY_REQUESTS,
                "the caller's share of calls is used up for now; please try again a little later",
            ),
            _ => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the server has more calls than it can take; please try again a little later",
            ),
        };
        let refusal =
            Refusal::new((Outcome::ResourceExhausted, status, IssueCode::Throttled), details);
        Refusal { retry_after: Some(retry_after), ..refusal }
    }
}

impl From<Incident> for Refusal {
    fn from(incident: Incident) -> Refusal {
        let details = format!("a fault of the server; please quote incident {incident}");
        let code = (Outcome::Internal, StatusCode::INTERNAL_SERVER_ERROR, IssueCode::Exception);
        Refusal::new(code, details)
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Refusal {
        use ServiceError::{
            CardUnreadable, Denied, FlagChanged, FlagToken, Flags, Invalid, InvalidFlagUpdate,
            NoFlags, NoTaskAllowed, NoTrends, NotRecognised, NotRecorded, NothingServed, TooOften,
            TrendToken, TrendsUnavailable, UnknownFlag, UnknownTask, UnknownTrend, UnknownVersion,
        };
        let code = match error {
            Invalid(violations) => return Refusal::invalid(violations),
            TooOften { wait } => {
                return Shed { what: meters::Shed::CallerRate, retry_after: wait }.into();
            }
            NotRecognised(ref error) if error.kind() == AuthKind::Unauthenticated => {
                (Outcome::Unauthenticated, StatusCode::UNAUTHORIZED, IssueCode::Login)
            }
            Denied(_) | NoTaskAllowed => {
                (Outcome::PermissionDenied, StatusCode::FORBIDDEN, IssueCode::Forbidden)
            }
            UnknownTask { .. } | UnknownVersion { .. } | UnknownFlag | UnknownTrend { .. } => {
                (Outcome::NotFound, StatusCode::NOT_FOUND, IssueCode::NotFound)
            }
            FlagChanged { .. } => (Outcome::Aborted, StatusCode::CONFLICT, IssueCode::Conflict),
            InvalidFlagUpdate(InvalidUpdate::SnoozeTime | InvalidUpdate::Assignee)
            | FlagToken(_)
            | TrendToken => (Outcome::InvalidArgument, StatusCode::BAD_REQUEST, IssueCode::Value),
            InvalidFlagUpdate(_) => (
                Outcome::FailedPrecondition,
                StatusCode::UNPROCESSABLE_ENTITY,
                IssueCode::Processing,
            ),
            NoFlags | NoTrends => {
                (Outcome::Unimplemented, StatusCode::NOT_IMPLEMENTED, IssueCode::NotSupported)
            }
            NotRecognised(_)
            | NotRecorded(_)
            | CardUnreadable { .. }
            | Flags(_)
            | TrendsUnavailable
            | NothingServed => {
                (Outcome::Unavailable, StatusCode::SERVICE_UNAVAILABLE, IssueCode::Transient)
            }
        };
        Refusal::new(code, error.to_string())
    }
}
