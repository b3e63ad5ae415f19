//! Who calls and what for, before anything is done: recognised, not too often, and allowed.

use std::sync::Arc;

use super::{Assessment, ScoreRequest, ScoreResponse, Service, ServiceError, Sightings, TaskRef};
use crate::access::{Caller, Method, Purpose};
use crate::identity::{Ask, Credentials, Denied, Permit};
use crate::meters;
use crate::record::{Record, Time};
use crate::registry::Registry;

/// One who was recognised, with what the call is for.
#[derive(Debug, Clone)]
pub struct Visit {
    pub caller: Arc<Caller>,
    pub purpose: Option<Purpose>,
    /// The reason for acting outside the caller's scope, in the caller's words.
    pub break_glass: Option<String>,
}

impl Service {
    /// Who brings `credentials`.
    ///
    /// # Errors
    /// Nobody who is known.
    pub fn recognise(
        &self,
        credentials: &Credentials<'_>,
        now_seconds: i64,
    ) -> Result<Arc<Caller>, ServiceError> {
        self.identity.authenticate(credentials, now_seconds).map_err(ServiceError::NotRecognised)
    }

    /// The same of a call of CDS Hooks at the address `audience`.
    ///
    /// # Errors
    /// Nobody who is known.
    pub fn recognise_ehr(
        &self,
        credentials: &Credentials<'_>,
        audience: &str,
        now_seconds: i64,
    ) -> Result<Arc<Caller>, ServiceError> {
        let caller = self.identity.authenticate_cds(credentials, audience, now_seconds);
        caller.map_err(ServiceError::NotRecognised)
    }

    /// Takes one call, or one request of a stream, out of the caller's share.
    ///
    /// # Errors
    /// The share is used up.
    pub fn take_share(&self, caller: &Caller) -> Result<(), ServiceError> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.take(caller).map_err(|often| ServiceError::TooOften { wait: often.wait })
    }

    /// Whether the visitor may call `method`, one that is about no patient, for `tasks`; none for
    /// those that the permit allows.
    ///
    /// # Errors
    /// What the visitor's rights lack.
    pub fn permit(
        &self,
        visit: &Visit,
        method: Method,
        tasks: &[&str],
    ) -> Result<Permit, ServiceError> {
        let ask = Ask { tasks, purpose: visit.purpose, ..Ask::new(method) };
        self.identity.decide(&visit.caller, &ask).map_err(ServiceError::Denied)
    }

    /// Scores one patient by the models of `registry`, as far as the visitor may see: the
    /// tasks asked for must all be allowed, a request that names none gets those that are, and what is
    /// sensitive of a class that the visitor may not see is merged (`Score::seen_by`).
    ///
    /// # Errors
    /// What the visitor's rights lack; then as `score`.
    pub fn score_for(
        &self,
        registry: &Registry,
        visit: &Visit,
        method: Method,
        request: &ScoreRequest,
        now: Time,
    ) -> Result<(ScoreResponse, Sightings), ServiceError> {
        let tasks = &request.tasks;
        if self.identity.is_anonymous() {
            let response = self.score_on(registry, request, tasks, now)?;
            let sightings = self.sightings(registry, visit, request, &response, now)?;
            return Ok((response, sightings));
        }
        let permit = self.permit_patient(visit, method, request, now)?;
        let allowed = self.allowed_tasks(registry, &permit, request)?;
        let mut response = self.score_on(registry, request, &allowed, now)?;
        let sightings = self.sightings(registry, visit, request, &response, now)?;
        let seen = |assessment: Assessment| {
            let classes = permit.classes(&assessment.task);
            let peer = assessment.peer.map(|peer| Box::new(peer.seen_by(classes)));
            Assessment { outcome: assessment.outcome.seen_by(classes), peer, ..assessment }
        };
        response.assessments = response.assessments.into_iter().map(seen).collect();
        Ok((response, sightings))
    }

    /// The tasks asked for; of a request that names none, or wants no others, those that the permit
    /// allows.
    fn allowed_tasks(
        &self,
        registry: &Registry,
        permit: &Permit,
        request: &ScoreRequest,
    ) -> Result<Vec<TaskRef>, ServiceError> {
        if !request.tasks.is_empty() && !request.only_allowed {
            return Ok(request.tasks.clone());
        }
        let mut named = request.tasks.clone();
        named.retain(|asked| permit.allows(&asked.task));
        if !request.tasks.is_empty() {
            return if named.is_empty() { Err(ServiceError::NoTaskAllowed) } else { Ok(named) };
        }
        let served = registry.served().iter().map(|bundle| &bundle.manifest().task);
        let allowed = served.filter(|task| permit.allows(task));
        let tasks: Vec<TaskRef> =
            allowed.map(|task| TaskRef { task: task.clone(), version: None }).collect();
        if tasks.is_empty() && !registry.served().is_empty() {
            return Err(ServiceError::NoTaskAllowed);
        }
        Ok(tasks)
    }

    /// Whether the visitor may call `method` for some patient and some task; for which, the record says.
    ///
    /// # Errors
    /// What the visitor's rights lack, wherever the patient is in care.
    pub fn may_at_all(&self, visit: &Visit, method: Method) -> Result<(), ServiceError> {
        let ask = Ask {
            purpose: visit.purpose,
            break_glass: visit.break_glass.as_deref(),
            ..Ask::new(method)
        };
        match self.identity.decide(&visit.caller, &ask) {
            Ok(_) | Err(Denied::Scope { .. }) => Ok(()),
            Err(denied) => Err(ServiceError::Denied(denied)),
        }
    }

    fn permit_patient(
        &self,
        visit: &Visit,
        method: Method,
        request: &ScoreRequest,
        now: Time,
    ) -> Result<Permit, ServiceError> {
        let must_allow = request.tasks.iter().filter(|_| !request.only_allowed);
        let tasks: Vec<&str> = must_allow.map(|asked| asked.task.as_str()).collect();
        let (facility, unit) = place(&request.record, request.prediction_time.unwrap_or(now));
        let ask = Ask {
            tasks: &tasks,
            purpose: visit.purpose,
            break_glass: visit.break_glass.as_deref(),
            facility,
            unit,
            team: request.team.as_deref(),
            ..Ask::new(method)
        };
        self.permit_of_patients(visit, &ask)
    }

    /// Whether the visitor may call what is about patients.
    ///
    /// # Errors
    /// What the visitor's rights lack.
    pub(super) fn permit_of_patients(
        &self,
        visit: &Visit,
        ask: &Ask<'_>,
    ) -> Result<Permit, ServiceError> {
        let permit = self.identity.decide(&visit.caller, ask).map_err(ServiceError::Denied)?;
        if permit.break_glass {
            tracing::warn!(caller = visit.caller.name, "a caller broke the glass");
            meters::process().broke_glass();
        }
        Ok(permit)
    }
}

/// Facility and unit of the latest encounter that has begun: where the patient is in care, as the
/// record says. Where somebody is booked for later they are not in care yet.
pub(super) fn place(record: &Record, at: Time) -> (Option<&str>, Option<&str>) {
    let begun = record.encounters.iter().filter(|encounter| encounter.start <= at);
    let latest = begun.max_by_key(|encounter| encounter.start);
    let Some(latest) = latest else { return (None, None) };
    (latest.facility.as_deref(), latest.service.as_deref())
}
