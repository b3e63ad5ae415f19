//! Why a call got no answer.

use std::sync::Arc;
use std::time::Duration;

use super::TrendName;
use crate::audit::AuditError;
use crate::flag::InvalidUpdate;
use crate::flag_store::StoreError;
use crate::identity::{AuthError, Denied};
use crate::record::Violation;

/// Why a call got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// Paths are relative to the request, such as `history.events[3].value`.
    #[error("the request cannot be used")]
    Invalid(Vec<Violation>),
    #[error("no task `{task}` in service{}", hint(.nearest))]
    UnknownTask { task: String, nearest: Option<String> },
    #[error("task `{task}` has no version `{version}` in service")]
    UnknownVersion { task: String, version: String },
    #[error("no model is in service")]
    NothingServed,
    /// Nobody who is known, by what the call brings.
    #[error("{0}")]
    NotRecognised(AuthError),
    /// What the caller's rights lack.
    #[error("{0}")]
    Denied(Denied),
    #[error("the caller's roles allow none of the tasks in service")]
    NoTaskAllowed,
    #[error("the caller's share of calls is used up for now; please try again a little later")]
    TooOften { wait: Duration },
    /// An answer that is not recorded must not leave.
    #[error("the access log cannot be written, so nothing about patients is answered")]
    NotRecorded(Arc<AuditError>),
    /// The version is in service, and its card cannot be read from disk any more.
    #[error("the card of task `{task}` version `{version}` cannot be read now")]
    CardUnreadable { task: String, version: String },
    #[error("this server keeps no flags: set `flags.store`")]
    NoFlags,
    /// Also of one that the caller may not see.
    #[error("no such flag")]
    UnknownFlag,
    #[error("the flag has changed since: it is at version {version} now; look again")]
    FlagChanged { version: u64 },
    #[error("{0}")]
    InvalidFlagUpdate(InvalidUpdate),
    /// A page or a watch that cannot go on from its token.
    #[error("{0}")]
    FlagToken(String),
    #[error("the flags cannot be read or written now")]
    Flags(Arc<StoreError>),
    #[error("this server shows no trends: set `trends.files`")]
    NoTrends,
    #[error("none of the releases of trends can be used now")]
    TrendsUnavailable,
    /// What the releases do not have, or not for this caller.
    #[error("there is no {what} `{name}` in the releases that are loaded{}", hint(.nearest))]
    UnknownTrend { what: TrendName, name: String, nearest: Option<String> },
    #[error(
        "the page token is not one of this query, or the releases have changed since: begin again \
         without one"
    )]
    TrendToken,
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
