//! The use cases of the server, free of gRPC and HTTP: both come through one `gate`, and say who calls by
//! the same `metadata`.

mod catalog;
mod compare;
mod error;
mod flags;
mod gate;
mod metadata;
mod origin;
mod peers;
mod recorded;
mod reload;
mod trends;
mod visit;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};

pub use catalog::{ModelCard, ModelInfo};
pub use error::ServiceError;
pub use flags::{AssessmentFlag, Sightings};
pub use gate::{
    Admission, Awaited, CallId, Gate, Incident, Limits, Place, Shed, guarded, guarded_future,
};
pub use metadata::Brought;
pub use origin::Origin;
pub use peers::{Peer, PeerStanding};
pub use recorded::Recorded;
pub use trends::{
    FoundRelease, FoundSeries, FoundStatement, PRIVACY_NOTE, TrendAnswer, TrendName, TrendQuery,
};
pub use visit::Visit;

use peers::Compared;

use crate::access::Classes;
use crate::audit::AuditLog;
use crate::bundle::Bundle;
use crate::flag_store::{FlagStore, OnFailure};
use crate::identity::{Identity, Rates};
use crate::meters::{self, Meters};
use crate::record::{DataIssue, History, IssueKind, Record, Time, Violation};
use crate::registry::{Models, Registry, Releases, TrendSettings};
use crate::score::{Model, Score, score};
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

impl TaskRef {
    /// The longest name or id of a request, in bytes: names return in errors, whose room is short.
    pub const NAME_BYTES_MAX: usize = 128;

    /// What is wrong with a name or id of a request, if it is.
    pub fn fault_of_name(name: &str) -> Option<&'static str> {
        if name.len() > TaskRef::NAME_BYTES_MAX {
            return Some("longer than 128 bytes");
        }
        name.chars().any(char::is_control).then_some("holds a control character")
    }
}

/// What the caller wants to see of a score.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreOptions {
    /// How many reasons at most; 0 for none.
    pub reasons_max: usize,
    /// Neither raise nor change a flag.
    pub no_flag: bool,
    /// Tell where the patient stands among people of the same age and sex.
    pub peers: bool,
    /// Tell what changed since then.
    pub compare_to_time: Option<Time>,
    /// Tell what comes of this other version of the model.
    pub compare_to_version: Option<String>,
}

impl ScoreOptions {
    /// How many reasons a caller gets who does not say.
    pub const REASONS_DEFAULT: usize = 5;
    /// How many a caller can get.
    pub const REASONS_MAX: usize = 50;
}

/// A call of `Service::score`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    pub record: Record,
    /// What is known of the record's faults before it is looked at.
    pub issues: Vec<DataIssue>,
    /// Empty for all tasks in service.
    pub tasks: Vec<TaskRef>,
    /// Whether tasks that the caller may not ask for are left out, not refused.
    pub only_allowed: bool,
    /// Nothing after this is used; `None` for now.
    pub prediction_time: Option<Time>,
    pub options: ScoreOptions,
    /// The team that follows the patient up.
    pub team: Option<String>,
}

impl ScoreRequest {
    /// How many tasks one request may name.
    pub const TASKS_MAX: usize = 64;
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Score(Box<Score>),
    NotEligible(NotEligible),
}

impl Answer {
    /// The same as somebody sees it who may see `allowed`.
    #[must_use]
    pub fn seen_by(self, allowed: Classes) -> Answer {
        match self {
            Answer::Score(score) => Answer::Score(Box::new(score.seen_by(allowed))),
            Answer::NotEligible(not) => Answer::NotEligible(not.seen_by(allowed)),
        }
    }
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
    /// What it did to the patient's flag; `None` where it was to do nothing.
    pub flag: Option<AssessmentFlag>,
    /// The patient among peers, where that was asked for.
    pub peer: Option<Box<Peer>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ScoreResponse {
    pub assessments: Vec<Assessment>,
    pub data_issues: Vec<DataIssue>,
}

/// The use cases over the models in service.
pub struct Service {
    models: Arc<Models>,
    identity: Identity,
    rates: Option<Rates>,
    audit: Option<Arc<AuditLog>>,
    flags: Option<(Arc<FlagStore>, OnFailure)>,
    /// Until when the store of the flags is left alone, after it could not be reached.
    flags_rest_until: AtomicI64,
    trends: Arc<Releases>,
    /// Records that are not yet in the access log.
    open_records: Arc<AtomicUsize>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("models", &self.models).finish_non_exhaustive()
    }
}

impl Service {
    /// A service over models that may be swapped under it, for everybody: for one machine, for trying
    /// out. No record is kept of who asked.
    pub fn new(models: Arc<Models>) -> Service {
        Service {
            models,
            identity: Identity::everybody(),
            rates: None,
            audit: None,
            flags: None,
            flags_rest_until: AtomicI64::new(i64::MIN),
            trends: Arc::new(Releases::open(TrendSettings::default())),
            open_records: Arc::default(),
        }
    }

    /// The same for those whom `identity` knows, each within its share of calls.
    #[must_use]
    pub fn for_callers(self, identity: Identity, rates: Option<Rates>) -> Service {
        Service { identity, rates, ..self }
    }

    /// The same with a record of each call that is about a patient.
    #[must_use]
    pub fn recorded_in(self, log: Arc<AuditLog>) -> Service {
        Service { audit: Some(log), ..self }
    }

    /// The models this service stands on.
    pub fn models(&self) -> &Arc<Models> {
        &self.models
    }

    /// Who may call, and what each may do.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Scores one patient for the tasks asked for. `now` is the prediction time where the request
    /// names none.
    ///
    /// # Errors
    /// A record that cannot be used, with the paths of its faults; a task or version not in service.
    pub fn score(&self, request: &ScoreRequest, now: Time) -> Result<ScoreResponse, ServiceError> {
        // One for the whole call: an answer never mixes what a reload swaps.
        self.score_on(&self.models.current(), request, &request.tasks, now)
    }

    /// Scores one patient for `tasks` by the models of `registry`, and counts what was answered.
    fn score_on(
        &self,
        registry: &Registry,
        request: &ScoreRequest,
        tasks: &[TaskRef],
        now: Time,
    ) -> Result<ScoreResponse, ServiceError> {
        let response = self.score_with(registry, request, tasks, &request.options, now)?;
        count(&response, meters::process());
        Ok(response)
    }

    /// Scores one patient for `tasks` as `options` say, whatever those of the request are.
    fn score_with(
        &self,
        registry: &Registry,
        request: &ScoreRequest,
        tasks: &[TaskRef],
        options: &ScoreOptions,
        now: Time,
    ) -> Result<ScoreResponse, ServiceError> {
        let prediction_time = request.prediction_time.unwrap_or(now);
        check_times(request, prediction_time)?;
        compare::check(options, prediction_time)?;
        let mut assessments = Vec::new();
        let mut data_issues = request.issues.clone();
        data_issues.extend(after_prediction_time(&request.record, prediction_time));
        let bundles = asked_for(registry, tasks)?;
        // One for the whole answer, and none where nobody asks.
        let releases = options.peers.then(|| self.trends());
        for bundle in bundles {
            let known_after = &bundle.task().params().known_after;
            let built = History::build(&request.record, bundle.concepts(), known_after)
                .map_err(|error| ServiceError::Invalid(under_history(error.violations)))?;
            let scored = score(bundle, &built.history, prediction_time, options.reasons_max);
            let peer = releases.as_deref().zip(scored.as_ref().ok()).map(|(releases, score)| {
                let model = Model { bundle, history: &built.history };
                let compared = Compared { record: &request.record, model, score };
                Box::new(peers::peer(releases, &compared))
            });
            let outcome = match scored {
                Ok(mut score) => {
                    let model = Model { bundle, history: &built.history };
                    let wanted = (&request.record, options);
                    let change = compare::change(registry, wanted, model, prediction_time, &score)?;
                    score.change = change.map(Box::new);
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
                flag: None,
                peer,
            });
            add_issues(&mut data_issues, built.issues);
        }
        Ok(ScoreResponse { assessments, data_issues })
    }
}

/// The bundles of the tasks asked for, each once; the default of every task for an empty list.
fn asked_for<'a>(
    registry: &'a Registry,
    tasks: &[TaskRef],
) -> Result<Vec<&'a Bundle>, ServiceError> {
    if registry.served().is_empty() {
        return Err(ServiceError::NothingServed);
    }
    if tasks.is_empty() {
        return Ok(registry.served().iter().map(Arc::as_ref).collect());
    }
    let mut bundles: Vec<&Bundle> = Vec::new();
    for TaskRef { task, version } in tasks {
        let bundle = catalog::find(registry, task, version.as_deref())?.bundle().as_ref();
        if !bundles.iter().any(|known| std::ptr::eq(*known, bundle)) {
            bundles.push(bundle);
        }
    }
    Ok(bundles)
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
