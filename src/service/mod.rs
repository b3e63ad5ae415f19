//! The use cases of the server, free of gRPC and HTTP.

use crate::record::{DataIssue, Record, Time, Violation};
use crate::score::Score;

/// Which task to score, and with which version of its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRef {
    pub task: String,
    /// `None` stands for the version in service.
    pub version: Option<String>,
}

/// What the caller wants to see of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreOptions {
    /// How many reasons at most; 0 for none.
    pub reasons_max: usize,
}

/// A call of `Service::score`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    pub record: Record,
    /// Empty for all tasks in service.
    pub tasks: Vec<TaskRef>,
    /// Nothing after this is used; `None` for now.
    pub prediction_time: Option<Time>,
    pub options: ScoreOptions,
}

/// Why a patient is not scored for a task. An answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEligible {
    /// Stable name for programs: the criterion's name in the task file, or `no_index_stay`.
    pub criterion: String,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Score(Box<Score>),
    NotEligible(NotEligible),
}

/// The answer for one task, with what produced it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    pub task: String,
    pub task_digest: String,
    pub model_version: String,
    pub bundle_digest: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ScoreResponse {
    pub assessments: Vec<Assessment>,
    pub data_issues: Vec<DataIssue>,
}

/// A model as `ListModels` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    pub task: String,
    pub title: String,
    pub version: String,
    pub bundle_digest: String,
    pub task_digest: String,
    pub families: Vec<String>,
    pub horizon_days: u32,
    pub auroc: Option<f64>,
    /// Why it is not in service; `None` when it is.
    pub refused: Option<String>,
}

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
