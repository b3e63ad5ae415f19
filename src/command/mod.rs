//! The trainer's use cases: each reads files, calls the pure rooms, and writes files.

mod api_key;
mod audit_export;
mod audit_verify;
mod check;
mod cohort;
mod compare;
mod convert;
mod evaluate;
mod fit;
mod flags_rekey;
mod leaks;
mod ndjson;
mod predictions;
mod promote;
mod published;
mod recalibrate;
mod records;
mod score;
mod sign;
mod simulate;
mod task_source;
mod thresholds;
mod trend_table;
mod trends;
mod trends_list;

use std::path::PathBuf;

pub use api_key::{ApiKeyMade, ApiKeyRequest, api_key};
pub use audit_export::{AuditExportRequest, AuditExported, audit_export};
pub use audit_verify::{AuditVerified, AuditVerifyRequest, audit_verify};
pub use check::{CheckRequest, Checked, Issue, QuarantineGroup, check};
pub use cohort::{CohortRequest, Enrolled, cohort};
pub use compare::{CompareRequest, Compared, ComparedBundle, compare};
pub use convert::{ConvertRequest, Converted, convert};
pub use evaluate::{EvaluateRequest, Evaluated, evaluate};
pub use fit::{FitOutcome, FitRequest, fit};
pub use flags_rekey::{FlagsRekeyRequest, FlagsRekeyed, flags_rekey};
pub use leaks::{LeaksOutcome, LeaksRequest, leaks};
pub use promote::{PromoteRequest, Promoted, promote};
pub use published::{PublishedRequest, PublishedVersion, published};
pub use recalibrate::{RecalibrateRequest, RecalibratedOutcome, recalibrate};
pub use records::Source;
pub use score::{ScoreFormat, ScoreRequest, Scored, score};
pub use sign::{SignRequest, Signed, Verified, VerifyRequest, sign, verify};
pub use simulate::{ExportFormat, SimulateRequest, SimulatedExport, TaskTruth, simulate};
pub use task_source::TaskSource;
pub use thresholds::{ThresholdsOutcome, ThresholdsRequest, WrittenVersion, thresholds};
pub use trend_table::write as write_trend_table;
pub use trends::{TrendsReleased, TrendsRequest, trends};
pub use trends_list::{TrendsListRequest, TrendsListed, trends_list};

use crate::audit::AuditError;
use crate::flag_store::StoreError;
use crate::import::{ImportError, MappingError, WriteError};
use crate::published::FormulaError;
use crate::record::ConceptError;
use crate::registry::RegistryError;
use crate::simulate::SettingsError;
use crate::task::TaskError;
use crate::train::TrainError;

/// Why a command ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: {error}")]
    Task { path: PathBuf, error: Box<TaskError> },
    #[error("{path}: {error}")]
    Concepts { path: PathBuf, error: ConceptError },
    #[error("{path}: {error}")]
    Published { path: PathBuf, error: FormulaError },
    #[error("{path}: {error}")]
    Mapping { path: PathBuf, error: Box<MappingError> },
    /// A specification of trends, or a release, that cannot be meant.
    #[error("{path}: {fault}")]
    Trends { path: PathBuf, fault: String },
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    FlagStore(#[from] StoreError),
    #[error("{0}")]
    Data(String),
    #[error("threads: {0}")]
    Threads(String),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The call itself is wrong.
    #[error("{0}")]
    Usage(String),
    #[error("the gate says no:{}\n--force --reason \"...\" promotes it all the same; the reason is kept and shown", lines(.0))]
    Gate(Vec<String>),
    #[error("cannot be written as JSON: {0}")]
    Json(String),
}

impl CommandError {
    /// The program's exit code: 1 a check said no, 2 the call is wrong, 3 the data are, 4 the environment is.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Train(TrainError::Leaks(_) | TrainError::PromiseNotKept)
            | CommandError::Gate(_) => 1,
            CommandError::Import(ImportError::NoMapping { .. })
            | CommandError::Task { .. }
            | CommandError::Concepts { .. }
            | CommandError::Published { .. }
            | CommandError::Mapping { .. }
            | CommandError::Trends { .. }
            | CommandError::Registry(RegistryError::Key { .. })
            | CommandError::FlagStore(
                StoreError::Setting { .. }
                | StoreError::NoKey { .. }
                | StoreError::WrongKey { .. }
                | StoreError::Demonstration,
            )
            | CommandError::Usage(_)
            | CommandError::Settings(_) => 2,
            CommandError::Import(ImportError::Unreadable { .. })
            | CommandError::Io { .. }
            | CommandError::Write(_)
            | CommandError::Threads(_)
            | CommandError::Json(_)
            | CommandError::Audit(AuditError::Io { .. })
            | CommandError::FlagStore(
                StoreError::Io { .. } | StoreError::Full | StoreError::Unavailable(_),
            )
            | CommandError::Registry(RegistryError::Io { .. }) => 4,
            // A gate said no.
            CommandError::Registry(RegistryError::Synthetic { .. }) => 1,
            CommandError::Import(_)
            | CommandError::Train(_)
            | CommandError::Registry(_)
            | CommandError::Audit(_)
            | CommandError::FlagStore(_)
            | CommandError::Data(_) => 3,
        }
    }
}

/// Runs `work` with so many threads at most; with all of the machine's when there is no number.
///
/// # Errors
/// When the threads cannot be started.
pub fn with_threads<T: Send>(
    threads: Option<usize>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, CommandError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|error| CommandError::Threads(error.to_string()))?;
    Ok(pool.install(work))
}

fn lines(each: &[String]) -> String {
    each.iter().map(|line| format!("\n- {line}")).collect()
}

/// Writes a value as readable JSON.
fn write_json(path: &std::path::Path, value: &impl serde::Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CommandError::Json(error.to_string()))?;
    std::fs::write(path, text + "\n").map_err(io_error(path))
}

fn io_error(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> CommandError {
    let path = path.to_owned();
    move |source| CommandError::Io { path, source }
}
