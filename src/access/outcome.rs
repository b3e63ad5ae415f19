//! How a call ended: the seventeen codes of gRPC, as a closed list.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a call ended, by the names of `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl Outcome {
    /// All outcomes, each at the place of its number.
    pub const ALL: [Outcome; 17] = [
        Outcome::Ok,
        Outcome::Cancelled,
        Outcome::Unknown,
        Outcome::InvalidArgument,
        Outcome::DeadlineExceeded,
        Outcome::NotFound,
        Outcome::AlreadyExists,
        Outcome::PermissionDenied,
        Outcome::ResourceExhausted,
        Outcome::FailedPrecondition,
        Outcome::Aborted,
        Outcome::OutOfRange,
        Outcome::Unimplemented,
        Outcome::Internal,
        Outcome::Unavailable,
        Outcome::DataLoss,
        Outcome::Unauthenticated,
    ];

    /// The outcome with this number of `google.rpc.Code`; a number that nobody gave is `Unknown`, as
    /// gRPC has it.
    pub fn of_code(code: i32) -> Outcome {
        let place = usize::try_from(code).ok();
        place.and_then(|place| Outcome::ALL.get(place)).copied().unwrap_or(Outcome::Unknown)
    }

    /// Its number in `google.rpc.Code`.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// Its name, such as `DEADLINE_EXCEEDED`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "OK",
            Outcome::Cancelled => "CANCELLED",
            Outcome::Unknown => "UNKNOWN",
            Outcome::InvalidArgument => "INVALID_ARGUMENT",
            Outcome::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Outcome::NotFound => "NOT_FOUND",
            Outcome::AlreadyExists => "ALREADY_EXISTS",
            Outcome::PermissionDenied => "PERMISSION_DENIED",
            Outcome::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Outcome::FailedPrecondition => "FAILED_PRECONDITION",
            Outcome::Aborted => "ABORTED",
            Outcome::OutOfRange => "OUT_OF_RANGE",
            Outcome::Unimplemented => "UNIMPLEMENTED",
            Outcome::Internal => "INTERNAL",
            Outcome::Unavailable => "UNAVAILABLE",
            Outcome::DataLoss => "DATA_LOSS",
            Outcome::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_stands_at_its_number_and_is_written_by_its_name() {
        for (number, outcome) in (0..).zip(Outcome::ALL) {
            assert_eq!((outcome.code(), Outcome::of_code(number)), (number, outcome));
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{outcome}\""));
        }
        assert_eq!(Outcome::of_code(17), Outcome::Unknown);
        assert_eq!(Outcome::of_code(-1), Outcome::Unknown);
    }
}
