//! Errors on the wire: google.rpc.Status with details. They name places and fixed reasons, never a
//! value of a patient's record.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::proto;
use crate::flag::InvalidUpdate;
use crate::identity::AuthKind;
use crate::meters;
use crate::record::Violation;
use crate::service::{Incident, ServiceError, Shed, TrendName};

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "prodrome";
const SNOOZE: &str = "must be after now and before the flag expires";
const ASSIGNEE: &str = "must be 1 to 128 characters without control characters";

/// A status with an `ErrorInfo` of `reason`, as every error of ours has one.
pub(super) fn named(code: Code, message: &str, reason: &str) -> Status {
    Status::with_error_details(code, message, info(reason))
}

fn info(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// INVALID_ARGUMENT for fields of the request that cannot be used.
pub(super) fn invalid(violations: &[Violation]) -> Status {
    let mut details = info("INVALID_REQUEST");
    let each =
        violations.iter().map(|Violation { path, reason }| FieldViolation::new(path, *reason));
    details.set_bad_request(each.collect::<Vec<_>>());
    let message = match violations {
        [] => "the request cannot be used".to_owned(),
        [Violation { path, reason }] if path.is_empty() => (*reason).to_owned(),
        [Violation { path, reason }] => format!("{path}: {reason}"),
        [Violation { path, reason }, rest @ ..] => {
            format!("{path}: {reason} (+{} more)", rest.len())
        }
    };
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// INTERNAL for a fault of the server itself.
pub(super) fn fault(incident: &Incident) -> Status {
    internal(&incident.to_string())
}

/// INTERNAL for a panic: the caller can quote the incident, and the log has it too.
pub(super) fn internal(incident: &str) -> Status {
    let mut details = ErrorDetails::new();
    let metadata = HashMap::from([("incident".to_owned(), incident.to_owned())]);
    details.set_error_info("INTERNAL", DOMAIN, metadata);
    let message = format!("a fault of the server; please quote incident {incident}");
    Status::with_error_details(Code::Internal, message, details)
}

/// RESOURCE_EXHAUSTED for what the server has no place for now, with when to come again.
pub(super) fn shed(Shed { what, retry_after }: Shed) -> Status {
    meters::process().shed(what);
    let reason = match what {
        meters::Shed::CallsAtOnce => "TOO_MANY_CALLS",
        meters::Shed::Queue => "OVERLOADED",
        meters::Shed::LargeRecords => "TOO_MANY_LARGE_RECORDS",
        meters::Shed::Streams => "TOO_MANY_STREAMS",
        meters::Shed::CallerRate => "TOO_OFTEN",
        meters::Shed::Connections
        | meters::Shed::Fetches
        | meters::Shed::Traffic
        | meters::Shed::StreamStall => "SHED",
    };
    let mut details = info(reason);
    details.set_retry_info(Some(retry_after));
    let message = match what {
        meters::Shed::CallerRate => {
            "the caller's share of calls is used up for now; please try again a little later"
        }
        _ => "the server has more calls than it can take; please try again a little later",
    };
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// DEADLINE_EXCEEDED for a call whose time is over.
pub(super) fn deadline_exceeded() -> Status {
    let message = "the caller's deadline, or the time that the server allows, has passed";
    named(Code::DeadlineExceeded, message, "CALL_TOO_LONG")
}

/// DEADLINE_EXCEEDED for a request that does not come in.
pub(super) fn too_slow() -> Status {
    let message = "the request did not come in within the time that the server allows";
    named(Code::DeadlineExceeded, message, "REQUEST_TOO_SLOW")
}

/// UNAVAILABLE for the rest of a stream once the server drains.
pub(super) fn draining() -> Status {
    let message = "the server shuts down; send what was not answered again";
    named(Code::Unavailable, message, "DRAINING")
}

/// UNAVAILABLE for one who has watched long: the next call shows who it is.
pub(super) fn watched_long() -> Status {
    let message = "watch on with the last resume_token: a watch ends after a quarter of an hour";
    named(Code::Unavailable, message, "WATCH_AGAIN")
}

fn at(path: &str, reason: &'static str) -> Violation {
    Violation { path: path.to_owned(), reason }
}

/// What `status` says, as the error of one request of a stream.
pub(super) fn of_item(status: &Status) -> proto::ScoreError {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    let field_violations = violations.unwrap_or_default().iter().map(|violation| {
        let FieldViolation { field, description, .. } = violation.clone();
        proto::FieldViolation { field, description }
    });
    proto::ScoreError {
        code: status.code().into(),
        reason: details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
        message: status.message().to_owned(),
        field_violations: field_violations.collect(),
    }
}

/// The status for an error of a use case.
pub(super) fn of(error: &ServiceError) -> Status {
    let message = error.to_string();
    match error {
        ServiceError::Invalid(violations) => invalid(violations),
        ServiceError::UnknownTask { task, nearest: _ } => {
            let mut details = info("UNKNOWN_TASK");
            details.set_resource_info("prodrome.v1/task", task, "", &message);
            Status::with_error_details(Code::NotFound, message, details)
        }
        ServiceError::UnknownVersion { task, version } => {
            let mut details = info("UNKNOWN_VERSION");
            let name = format!("{task}/{version}");
            details.set_resource_info("prodrome.v1/model", name, "", &message);
            Status::with_error_details(Code::NotFound, message, details)
        }
        ServiceError::CardUnreadable { .. } => {
            named(Code::Unavailable, &message, "CARD_UNREADABLE")
        }
        ServiceError::NotRecognised(error) => match error.kind() {
            AuthKind::Unauthenticated => named(Code::Unauthenticated, &message, "NOT_RECOGNISED"),
            AuthKind::Unavailable => named(Code::Unavailable, &message, "CREDENTIALS_UNAVAILABLE"),
        },
        ServiceError::Denied(_) => named(Code::PermissionDenied, &message, "DENIED"),
        ServiceError::NoTaskAllowed => named(Code::PermissionDenied, &message, "NO_TASK_ALLOWED"),
        ServiceError::TooOften { wait } => {
            shed(Shed { what: meters::Shed::CallerRate, retry_after: *wait })
        }
        ServiceError::NotRecorded(_) => named(Code::Unavailable, &message, "AUDIT_UNAVAILABLE"),
        ServiceError::NoFlags => named(Code::Unimplemented, &message, "NO_FLAGS"),
        ServiceError::UnknownFlag => named(Code::NotFound, &message, "UNKNOWN_FLAG"),
        ServiceError::FlagChanged { .. } => named(Code::Aborted, &message, "FLAG_CHANGED"),
        ServiceError::InvalidFlagUpdate(update) => match update {
            InvalidUpdate::State { .. } | InvalidUpdate::Superseded => {
                named(Code::FailedPrecondition, &message, "FLAG_STATE")
            }
            InvalidUpdate::SnoozeTime => invalid(&[at("snooze.until", SNOOZE)]),
            InvalidUpdate::Assignee => invalid(&[at("assign.assignee", ASSIGNEE)]),
        },
        ServiceError::FlagToken(_) => named(Code::InvalidArgument, &message, "FLAG_TOKEN"),
        ServiceError::Flags(_) => named(Code::Unavailable, &message, "FLAGS_UNAVAILABLE"),
        ServiceError::NoTrends => named(Code::Unimplemented, &message, "NO_TRENDS"),
        ServiceError::TrendsUnavailable => named(Code::Unavailable, &message, "TRENDS_UNAVAILABLE"),
        ServiceError::TrendToken => named(Code::InvalidArgument, &message, "TREND_TOKEN"),
        ServiceError::UnknownTrend { what, name, nearest: _ } => {
            let mut details = info("UNKNOWN_TREND");
            details.set_resource_info(trend_resource(*what), name, "", &message);
            Status::with_error_details(Code::NotFound, message, details)
        }
        ServiceError::NothingServed => named(Code::Unavailable, &message, "NO_MODEL_IN_SERVICE"),
    }
}

/// The type of a thing that trends are asked for by.
fn trend_resource(what: TrendName) -> &'static str {
    match what {
        TrendName::Release => "prodrome.v1/trends_release",
        TrendName::Measure => "prodrome.v1/measure",
        TrendName::Task => "prodrome.v1/task",
        TrendName::Concept => "prodrome.v1/concept",
        TrendName::Value(_) => "prodrome.v1/group",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_code_and_details() {
        let nearest = Some("readmission".to_owned());
        let status = of(&ServiceError::UnknownTask { task: "readmision".into(), nearest });
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("did you mean `readmission`?"));
        let details = status.get_error_details();
        assert_eq!(details.resource_info().unwrap().resource_name, "readmision");
        assert_eq!(details.error_info().unwrap().reason, "UNKNOWN_TASK");

        let status = of(&ServiceError::NothingServed);
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_error_details().error_info().unwrap().domain, "prodrome");

        let violation = |path: &str| Violation { path: path.into(), reason: "missing" };
        let status = invalid(&[violation("history.encounters[0].start"), violation("b")]);
        assert_eq!(status.message(), "history.encounters[0].start: missing (+1 more)");
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations.len(), 2);
    }
}
