//! One patient's scores from resources of FHIR, by the same use case as over gRPC.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;

use super::Ehr;
use super::desk::Call;
use super::refusal::Refusal;
use crate::fhir::{Issue, IssueCode, IssueSeverity};
use crate::import::Part;
use crate::record::{Encounter, OPEN_STAY_DAYS_MAX, Record, Time};
use crate::registry::Registry;
use crate::service::{Origin, ScoreOptions, ScoreRequest, ScoreResponse, Sightings, TaskRef};

/// About the least that an event of a Bundle takes: a component of an Observation.
const ENTRY_BYTES: usize = 64;

/// One of the things that are sent together.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// What paths to it begin with.
    pub(super) path: String,
    pub(super) json: Bytes,
    /// Whether a resource by itself will not do.
    pub(super) must_be_bundle: bool,
    /// Whether the page that it names as the next one is sent too.
    pub(super) is_page_of_all: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) tasks: Vec<TaskRef>,
    pub(super) prediction_time: Option<Time>,
    pub(super) options: ScoreOptions,
    pub(super) team: Option<String>,
    /// The id of the patient whom all that is sent must be about, where it is known.
    pub(super) patient_id: Option<String>,
    /// The stay that is to end, where it is known.
    pub(super) stay_id: Option<String>,
    /// Whether tasks that the caller may not ask for are left out, not refused.
    pub(super) only_allowed: bool,
}

/// A patient who was scored.
pub(super) struct Scored {
    pub(super) response: ScoreResponse,
    pub(super) origin: Origin,
    pub(super) record: Record,
}

impl Ehr {
    /// Scores the patient of what was sent by the models of `registry`, and raises the flags that follow; `None` where what is to end
    /// is no stay.
    pub(super) async fn score(
        &self,
        call: &Call,
        registry: &Arc<Registry>,
        (sent, asked): (Vec<Sent>, Asked),
    ) -> Result<Option<Scored>, Refusal> {
        let entries = sent.iter().map(|each| each.json.len()).sum::<usize>() / ENTRY_BYTES;
        if self.gate.is_too_many(entries) {
            return Err(Refusal::too_long());
        }
        let (service, call_of, clock) = (Arc::clone(&self.service), call.clone(), self.clock);
        let registry = Arc::clone(registry);
        let work = move || {
            let now = clock();
            let Some((request, origin)) = read(&sent, asked, now)? else { return Ok(None) };
            call_of.patient(&request.record.patient_id);
            let (visit, method) = (&call_of.visit, call_of.method);
            let scored = service.score_for(&registry, visit, method, &request, now);
            let (response, sightings) = scored.map_err(|error| origin.error(error))?;
            if let Some(recorded) = &call_of.recorded {
                recorded.answered(&response);
            }
            let scored = Scored { response, origin, record: request.record };
            Ok::<_, Refusal>(Some((scored, sightings)))
        };
        let Some((mut scored, sightings)) = self.gate.work(entries, work).await??? else {
            return Ok(None);
        };
        self.sight(call, sightings, &mut scored.response).await?;
        Ok(Some(scored))
    }

    /// Raises, keeps and clears the flags that follow from `response`.
    async fn sight(
        &self,
        call: &Call,
        sightings: Sightings,
        response: &mut ScoreResponse,
    ) -> Result<(), Refusal> {
        // Who waits for a disk keeps no processor busy.
        let _awaited = self.gate.admission().awaits();
        let left = call.end_by.saturating_duration_since(Instant::now());
        let wait = ((self.clock)(), self.gate.flag_wait(Some(left)));
        Ok(self.service.sight(&call.visit, sightings, response, wait).await?)
    }
}

/// The request of the use case, and where its record came from; `None` where what is to end is no stay.
fn read(sent: &[Sent], asked: Asked, now: Time) -> Result<Option<(ScoreRequest, Origin)>, Refusal> {
    let mut parts = Vec::with_capacity(sent.len());
    for Sent { path, json, must_be_bundle, is_page_of_all } in sent {
        let json = std::str::from_utf8(json).map_err(|_| Refusal::at(path, "not UTF-8"))?;
        let (must_be_bundle, is_page_of_all) = (*must_be_bundle, *is_page_of_all);
        parts.push(Part { path, json, must_be_bundle, is_page_of_all });
    }
    let Asked { tasks, prediction_time, options, team, patient_id, stay_id, only_allowed } = asked;
    let read = Origin::of_parts(&parts, patient_id.as_deref());
    let (origin, record, issues) = read.map_err(Refusal::invalid)?;
    if let Some(id) = stay_id
        && !is_latest_stay(&record, &id, now)?
    {
        return Ok(None);
    }
    let request =
        ScoreRequest { record, issues, tasks, only_allowed, prediction_time, options, team };
    Ok(Some((request, origin)))
}

/// Whether what is to end is a stay, of which the score of now is then.
///
/// # Errors
/// No such encounter; a stay since which another one began, so that the score would be of that one.
fn is_latest_stay(record: &Record, id: &str, now: Time) -> Result<bool, Refusal> {
    let Some(stay) = record.encounters.iter().find(|encounter| encounter.id == id) else {
        let details = "no Encounter of that id that can be used came along or was found";
        let issue = Issue::new(IssueSeverity::Error, IssueCode::NotFound, details);
        return Err(Refusal::no_data(vec![issue.at("context.encounterId")]));
    };
    if !stay.class.is_stay() {
        return Ok(false);
    }
    // One that is open for so long was never closed, and its end is not now.
    let is_forgotten = stay.start < now.plus_days(-OPEN_STAY_DAYS_MAX);
    let Some(end) = stay.end.or(is_forgotten.then_some(stay.start)) else { return Ok(true) };
    let since = |other: &Encounter| other.class.is_stay() && (end..=now).contains(&other.start);
    if record.encounters.iter().any(|other| other.id != id && since(other)) {
        let reason = "is over, and another stay began since: a score now is of the latest stay";
        return Err(Refusal::at("context.encounterId", reason));
    }
    Ok(true)
}
