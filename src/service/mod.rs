//! The use cases of the server, free of gRPC and HTTP.

use crate::bundle::Bundle;
use crate::meters::{self, Meters};
use crate::record::{DataIssue, History, IssueKind, Record, Time, Violation};
use crate::registry::{Forced, Registry};
use crate::score::{Score, score};
pub use crate::task::NotEligible;

/// Nobody is believed to be older.
const AGE_YEARS_MAX: i32 = 125;

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

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
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
    /// Fitted on a simulated population: for showing and trying alone.
    pub synthetic_training_data: bool,
    pub outcome: Answer,
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
    /// Fitted on a simulated population: for showing and trying alone.
    pub synthetic_training_data: bool,
    /// The task is a definition that nobody has checked against records.
    pub not_validated: bool,
    /// Why it is in service although the gate said no, with what the gate said; `None` for one that
    /// passed.
    pub forced: Option<String>,
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

/// The use cases over a registry of models.
#[derive(Debug)]
pub struct Service {
    registry: Registry,
}

impl Service {
    /// A service over the models of `registry`.
    pub fn new(registry: Registry) -> Service {
        Service { registry }
    }

    /// The models this service stands on.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Scores one patient for the tasks asked for. `now` is the prediction time where the request
    /// names none.
    ///
    /// # Errors
    /// A record that cannot be used, with the paths of its faults; a task or version not in service.
    pub fn score(&self, request: &ScoreRequest, now: Time) -> Result<ScoreResponse, ServiceError> {
        let prediction_time = request.prediction_time.unwrap_or(now);
        check_times(request, prediction_time)?;
        let mut assessments = Vec::new();
        let mut data_issues: Vec<DataIssue> =
            after_prediction_time(&request.record, prediction_time).into_iter().collect();
        let bundles = self.asked_for(&request.tasks)?;
        for bundle in bundles {
            let known_after = &bundle.task().params().known_after;
            let built = History::build(&request.record, bundle.concepts(), known_after)
                .map_err(|error| ServiceError::Invalid(under_history(error.violations)))?;
            let scored =
                score(bundle, &built.history, prediction_time, request.options.reasons_max);
            let outcome = match scored {
                Ok(score) => {
                    if score.explanation_failed {
                        let (task, bundle_digest) = (&bundle.manifest().task, bundle.digest());
                        tracing::error!(task, bundle_digest, "an explanation failed its check");
                    }
                    Answer::Score(Box::new(score))
                }
                Err(not) => Answer::NotEligible(not),
            };
            assessments.push(Assessment {
                task: bundle.manifest().task.clone(),
                task_digest: bundle.task().digest().to_owned(),
                model_version: bundle.manifest().version.clone(),
                bundle_digest: bundle.digest().to_owned(),
                synthetic_training_data: bundle.manifest().is_synthetic(),
                outcome,
            });
            add_issues(&mut data_issues, built.issues);
        }
        let response = ScoreResponse { assessments, data_issues };
        count(&response, meters::process());
        Ok(response)
    }

    /// The bundles of the tasks asked for, each once; all of them for an empty list.
    fn asked_for(&self, tasks: &[TaskRef]) -> Result<Vec<&Bundle>, ServiceError> {
        let served = self.registry.served();
        if served.is_empty() {
            return Err(ServiceError::NothingServed);
        }
        if tasks.is_empty() {
            return Ok(served.iter().collect());
        }
        let mut bundles: Vec<&Bundle> = Vec::new();
        for wanted in tasks {
            let bundle = served.iter().find(|bundle| bundle.manifest().task == wanted.task);
            let bundle = bundle.ok_or_else(|| self.unknown_task(&wanted.task))?;
            let version = wanted.version.as_ref();
            if let Some(version) = version.filter(|version| **version != bundle.manifest().version)
            {
                let (task, version) = (wanted.task.clone(), version.clone());
                return Err(ServiceError::UnknownVersion { task, version });
            }
            if !bundles.iter().any(|known| std::ptr::eq(*known, bundle)) {
                bundles.push(bundle);
            }
        }
        Ok(bundles)
    }

    fn unknown_task(&self, task: &str) -> ServiceError {
        let names = self.registry.served().iter().map(|bundle| &bundle.manifest().task);
        let nearest = names.min_by_key(|name| strsim::damerau_levenshtein(name, task)).cloned();
        ServiceError::UnknownTask { task: task.to_owned(), nearest }
    }

    /// All models, those refused included.
    pub fn list_models(&self) -> Vec<ModelInfo> {
        let served = self.registry.served().iter().map(|bundle| {
            let manifest = bundle.manifest();
            let families = manifest.members.iter().map(|member| member.family.to_string());
            ModelInfo {
                task: manifest.task.clone(),
                title: bundle.task().params().title.clone(),
                version: manifest.version.clone(),
                bundle_digest: bundle.digest().to_owned(),
                task_digest: bundle.task().digest().to_owned(),
                families: families.collect(),
                horizon_days: bundle.task().params().time_at_risk.horizon_days,
                auroc: manifest.held_out.map(|figures| figures.auroc),
                synthetic_training_data: manifest.is_synthetic(),
                not_validated: bundle.task().params().not_validated,
                forced: self.registry.forced(&manifest.task).map(Forced::sentence),
                refused: None,
            }
        });
        let refused = self.registry.refused().iter().map(|refused| ModelInfo {
            task: refused.task.clone(),
            title: String::new(),
            version: String::new(),
            bundle_digest: String::new(),
            task_digest: String::new(),
            families: Vec::new(),
            horizon_days: 0,
            auroc: None,
            synthetic_training_data: false,
            not_validated: false,
            forced: None,
            refused: Some(refused.error.to_string()),
        });
        served.chain(refused).collect()
    }
}

/// Counts what was answered.
fn count(response: &ScoreResponse, meters: &Meters) {
    for Assessment { task, model_version, outcome, .. } in &response.assessments {
        match outcome {
            Answer::Score(score) => meters.scored(task, model_version, score.tier.as_deref()),
            Answer::NotEligible(_) => meters.not_eligible(task),
        }
    }
    for issue in &response.data_issues {
        meters.data_issue(issue.kind.name(), issue.count);
    }
}

/// Times that make no sense against the prediction time.
fn check_times(request: &ScoreRequest, prediction_time: Time) -> Result<(), ServiceError> {
    let violation = |path: &str, reason| Violation { path: path.to_owned(), reason };
    if !prediction_time.is_believable() {
        let reason = "outside the years 1800 to 2299";
        return Err(ServiceError::Invalid(vec![violation("prediction_time", reason)]));
    }
    let Some(birth) = request.record.birth_date else { return Ok(()) };
    let age = birth.age_years_at(prediction_time);
    let reason = match age {
        _ if birth.earliest().is_some_and(|birth| birth > prediction_time) => {
            "after the prediction time"
        }
        age if age > AGE_YEARS_MAX => "more than 125 years before the prediction time",
        _ => return Ok(()),
    };
    Err(ServiceError::Invalid(vec![violation("history.birth_date", reason)]))
}

/// How many events and encounters lie after the prediction time, and the first of them.
fn after_prediction_time(record: &Record, prediction_time: Time) -> Option<DataIssue> {
    let later = |time: Option<Time>| time.is_some_and(|time| time > prediction_time);
    let events = record.events.iter().enumerate().filter(|(_, event)| later(event.time));
    let encounters = record.encounters.iter().enumerate().filter(|(_, e)| later(Some(e.start)));
    let events = events.map(|(place, _)| format!("events[{place}].time"));
    let mut found = events.chain(encounters.map(|(place, _)| format!("encounters[{place}].start")));
    let first_path = found.next()?;
    let count = 1 + found.count() as u32;
    Some(DataIssue { kind: IssueKind::AfterPredictionTime, count, first_path })
}

fn under_history(violations: Vec<Violation>) -> Vec<Violation> {
    let under = |violation: Violation| Violation {
        path: format!("history.{}", violation.path),
        reason: violation.reason,
    };
    violations.into_iter().map(under).collect()
}

/// Adds the issues of one more build of the same record: each kind once, with its largest count.
fn add_issues(all: &mut Vec<DataIssue>, more: Vec<DataIssue>) {
    for issue in more {
        match all.iter_mut().find(|known| known.kind == issue.kind) {
            Some(known) => known.count = known.count.max(issue.count),
            None => all.push(issue),
        }
    }
}
