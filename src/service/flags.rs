//! Flags: scores raise them, people answer them, and each sees those within reach.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Answer, Assessment, ScoreOptions, ScoreRequest, ScoreResponse};
use super::{Service, ServiceError, TaskRef, Visit, catalog};
use crate::access::{Classes, Method, Purpose};
use crate::bundle::TierCut;
use crate::flag::{
    Changes, Feedback, Flag, FlagId, FlagPage, FlagQuery, FlagReason, FlagUpdate, PastChange,
    Place, Reach, Sighted, Sighting,
};
use crate::flag_store::{FlagStore, OnFailure, StoreError};
use crate::identity::Ask;
use crate::meters;
use crate::record::Time;
use crate::registry::Registry;
use crate::score::{Reason, Score};

/// How many reasons a flag keeps.
const REASONS: usize = 5;
/// How long a store that could not be reached is left alone.
const REST_MICROS: i64 = 1_000_000;

/// What one score did to the patient's flag.
#[derive(Debug, Clone, PartialEq)]
pub enum AssessmentFlag {
    Seen(Sighted),
    /// The store could not be written; the score stands.
    NotRecorded,
}

/// The scores of one call that flags may follow from.
#[derive(Debug, Default)]
pub struct Sightings(Vec<Sighting>);

impl Service {
    /// The same with flags, kept in `store`; `on_failure` says what becomes of scores when it cannot
    /// be written.
    #[must_use]
    pub fn with_flags(self, store: Arc<FlagStore>, on_failure: OnFailure) -> Service {
        Service { flags: Some((store, on_failure)), ..self }
    }

    /// Whether the server keeps flags.
    pub fn has_flags(&self) -> bool {
        self.flags.is_some()
    }

    /// The store of the flags, to be tended and watched.
    ///
    /// # Errors
    /// The server keeps none.
    pub fn flag_store(&self) -> Result<&Arc<FlagStore>, ServiceError> {
        self.flags.as_ref().map(|(store, _)| store).ok_or(ServiceError::NoFlags)
    }

    /// What flags may follow from `response`: the scores by the models in service, unless the caller
    /// wants none, or asks for research.
    ///
    /// # Errors
    /// As of `score`, where reasons for a flag have to be found that the caller did not ask for.
    pub fn sightings(
        &self,
        registry: &Registry,
        visit: &Visit,
        request: &ScoreRequest,
        response: &ScoreResponse,
        now: Time,
    ) -> Result<Sightings, ServiceError> {
        let Some((store, _)) = &self.flags else { return Ok(Sightings::default()) };
        if request.options.no_flag || visit.purpose == Some(Purpose::Research) {
            return Ok(Sightings::default());
        }
        let mut found = Vec::new();
        for assessment in &response.assessments {
            let Answer::Score(score) = &assessment.outcome else { continue };
            let bundle = catalog::find(registry, &assessment.task, None)?.bundle();
            // Of the other versions none speaks for the service; published scores have no tiers.
            if bundle.digest() != assessment.bundle_digest || bundle.is_published_only() {
                continue;
            }
            let cuts = bundle.manifest().tiers.clone();
            let time = request.prediction_time.unwrap_or(now);
            let mut sighting = sighting(request, assessment, score, cuts, time);
            let is_short = request.options.reasons_max < REASONS;
            if is_short && store.rules().may_raise(&sighting) {
                let version = Some(assessment.model_version.clone());
                let task = TaskRef { task: assessment.task.clone(), version };
                let options = ScoreOptions { reasons_max: REASONS, ..ScoreOptions::default() };
                let explained = self.score_with(registry, request, &[task], &options, now)?;
                if let Some(Answer::Score(score)) =
                    explained.assessments.first().map(|assessment| &assessment.outcome)
                {
                    sighting.reasons = reasons(score);
                }
            }
            found.push(sighting);
        }
        Ok(Sightings(found))
    }

    /// Raises, keeps and clears what follows from `sightings`, and says so in `response`, of flags that
    /// the visitor may see. It takes at most `wait`.
    ///
    /// # Errors
    /// The store cannot be written, where the settings say that nothing is then answered.
    pub async fn sight(
        &self,
        visit: &Visit,
        Sightings(sightings): Sightings,
        response: &mut ScoreResponse,
        (now, wait): (Time, Duration),
    ) -> Result<(), ServiceError> {
        let flags = self.flags.as_ref().filter(|_| !sightings.is_empty());
        let Some((store, on_failure)) = flags else { return Ok(()) };
        let reach = self.reach_of(visit, Method::ListFlags).unwrap_or_default();
        let seen: Vec<Option<AssessmentFlag>> = match self.taken(store, &sightings, now, wait).await
        {
            Ok(sighted) => {
                let seen = sightings.iter().zip(sighted).map(|(sighting, sighted)| {
                    count(&sighted);
                    let is_shown = sighted.place.as_ref();
                    let is_shown = is_shown.is_none_or(|at| reach.covers(&sighting.task, at));
                    is_shown.then_some(AssessmentFlag::Seen(sighted))
                });
                seen.collect()
            }
            Err(error) => {
                meters::process().flags_failed();
                tracing::error!(%error, "flags cannot be recorded");
                if *on_failure == OnFailure::Refuse {
                    return Err(ServiceError::Flags(Arc::new(error)));
                }
                sightings.iter().map(|_| Some(AssessmentFlag::NotRecorded)).collect()
            }
        };
        for (sighting, seen) in sightings.iter().zip(seen) {
            let of_task = |assessment: &&mut Assessment| {
                assessment.task == sighting.task
                    && assessment.bundle_digest == sighting.bundle_digest
            };
            if let Some(assessment) = response.assessments.iter_mut().find(of_task) {
                assessment.flag = seen;
            }
        }
        Ok(())
    }

    /// What the store makes of `sightings`. For a moment after it could not be reached nobody waits for
    /// it again: scores are not to queue up behind it.
    async fn taken(
        &self,
        store: &FlagStore,
        sightings: &[Sighting],
        now: Time,
        wait: Duration,
    ) -> Result<Vec<Sighted>, StoreError> {
        if now.micros() < self.flags_rest_until.load(Relaxed) {
            return Err(StoreError::Unavailable("it could not be reached a moment ago"));
        }
        let taken = tokio::time::timeout(wait, store.sight(sightings, now)).await;
        let taken = taken.unwrap_or(Err(StoreError::Unavailable("it took too long")));
        if let Err(StoreError::Unavailable(_)) = &taken {
            self.flags_rest_until.store(now.micros().saturating_add(REST_MICROS), Relaxed);
        }
        taken
    }

    /// The flags of `query` within the visitor's reach.
    ///
    /// # Errors
    /// What the visitor's rights lack; a page token that does not belong to the query; the store.
    pub async fn list_flags(
        &self,
        visit: &Visit,
        query: &FlagQuery,
        now: Time,
    ) -> Result<FlagPage, ServiceError> {
        let reach = self.flag_reach(visit, Method::ListFlags)?;
        Ok(self.flag_store()?.list(query, &reach, now).await?)
    }

    /// One flag and what happened to it, the latest last.
    ///
    /// # Errors
    /// What the visitor's rights lack; no such flag within reach; the store.
    pub async fn flag(
        &self,
        visit: &Visit,
        id: FlagId,
    ) -> Result<(Flag, Vec<PastChange>), ServiceError> {
        let reach = self.flag_reach(visit, Method::ListFlags)?;
        let store = self.flag_store()?;
        let flag = store.get(id, &reach).await?.ok_or(ServiceError::UnknownFlag)?;
        Ok((flag, store.history(id, &reach).await?))
    }

    /// Changes a flag that is still as the visitor saw it.
    ///
    /// # Errors
    /// What the visitor's rights lack; no such flag within reach; one that changed meanwhile, or that
    /// cannot be changed so; the store.
    pub async fn update_flag(
        &self,
        visit: &Visit,
        id: FlagId,
        version: u64,
        update: &FlagUpdate,
        now: Time,
    ) -> Result<Flag, ServiceError> {
        let reach = self.flag_reach(visit, Method::UpdateFlag)?;
        let actor = &visit.caller.name;
        Ok(self.flag_store()?.update(id, version, update, actor, &reach, now).await?)
    }

    /// Notes what the visitor found of a flag.
    ///
    /// # Errors
    /// What the visitor's rights lack; no such flag within reach; the store.
    pub async fn record_feedback(
        &self,
        visit: &Visit,
        id: FlagId,
        feedback: Feedback,
        now: Time,
    ) -> Result<Flag, ServiceError> {
        let reach = self.flag_reach(visit, Method::RecordFeedback)?;
        let actor = &visit.caller.name;
        Ok(self.flag_store()?.feedback(id, feedback, actor, &reach, now).await?)
    }

    /// Whether the visitor may watch.
    ///
    /// # Errors
    /// What the visitor's rights lack.
    pub fn may_watch_flags(&self, visit: &Visit) -> Result<(), ServiceError> {
        self.flag_reach(visit, Method::WatchFlags).map(|_| ())
    }

    /// At most `limit` changes after the one of number `after`, within the visitor's reach by the
    /// policy as it is now.
    ///
    /// # Errors
    /// What the visitor's rights lack; the store.
    pub async fn flag_changes(
        &self,
        visit: &Visit,
        after: u64,
        limit: u32,
    ) -> Result<Changes, ServiceError> {
        let reach = self.reach_of(visit, Method::WatchFlags)?;
        Ok(self.flag_store()?.changes_after(after, limit, &reach).await?)
    }

    /// Expires, wakes and promotes flags as time passes, and removes those of long ago, every so often
    /// and for ever. Several servers with one store may do so at once.
    pub async fn tend_flags(self: Arc<Self>, every: Duration, clock: fn() -> Time) {
        let Some((store, _)) = &self.flags else { return };
        let mut looks = tokio::time::interval(every);
        loop {
            looks.tick().await;
            if let Err(error) = store.tend(clock()).await {
                meters::process().flags_failed();
                tracing::error!(%error, "the flags cannot be tended");
            }
        }
    }

    /// Whose flag it is that the visitor calls `method` for.
    ///
    /// # Errors
    /// What the visitor's rights lack; no such flag within reach; the store.
    pub async fn owner_of_flag(
        &self,
        visit: &Visit,
        method: Method,
        id: FlagId,
    ) -> Result<String, ServiceError> {
        let reach = self.reach_of(visit, method)?;
        let flag = self.flag_store()?.get(id, &reach).await?;
        flag.map(|flag| flag.patient_id).ok_or(ServiceError::UnknownFlag)
    }

    /// Whose flag it is, where the visitor may see it: for the record of a call that is refused.
    pub async fn patient_of_flag(&self, visit: &Visit, id: FlagId) -> Option<String> {
        self.owner_of_flag(visit, Method::ListFlags, id).await.ok()
    }

    /// The flags that the visitor may see by `method`; a broken glass is noted.
    fn flag_reach(&self, visit: &Visit, method: Method) -> Result<Reach, ServiceError> {
        let permit = self.permit_of_patients(visit, &ask(visit, method))?;
        Ok(permit.flag_reach(&visit.caller.scope))
    }

    /// The same for what is part of a call that was noted.
    fn reach_of(&self, visit: &Visit, method: Method) -> Result<Reach, ServiceError> {
        let permit = self.identity().decide(&visit.caller, &ask(visit, method));
        let permit = permit.map_err(ServiceError::Denied)?;
        Ok(permit.flag_reach(&visit.caller.scope))
    }
}

fn ask(visit: &Visit, method: Method) -> Ask<'_> {
    Ask { purpose: visit.purpose, break_glass: visit.break_glass.as_deref(), ..Ask::new(method) }
}

fn count(sighted: &Sighted) {
    sighted.change.inspect(|change| meters::process().flag_changed(change.name()));
    sighted.held.inspect(|held| meters::process().flag_held(held.name()));
}

fn sighting(
    request: &ScoreRequest,
    assessment: &Assessment,
    score: &Score,
    cuts: Vec<TierCut>,
    time: Time,
) -> Sighting {
    let (facility, unit) = super::visit::place(&request.record, time);
    let owned = |name: Option<&str>| name.map(str::to_owned);
    Sighting {
        patient_id: request.record.patient_id.clone(),
        task: assessment.task.clone(),
        place: Place { facility: owned(facility), unit: owned(unit), team: request.team.clone() },
        time,
        index_time: score.index_time,
        horizon_days: score.horizon_days,
        probability: score.probability,
        cuts,
        is_provisional: score.is_provisional,
        is_synthetic: assessment.synthetic_training_data,
        history_used_until: score.history_used_until,
        sufficiency: score.sufficiency,
        model_version: assessment.model_version.clone(),
        bundle_digest: assessment.bundle_digest.clone(),
        reasons: reasons(score),
    }
}

/// The reasons that a flag keeps, as somebody sees them who may see no sensitive class.
fn reasons(score: &Score) -> Vec<FlagReason> {
    let reasons = score.clone().seen_by(Classes::NONE).reasons.into_iter().take(REASONS);
    let reason = |Reason { theme, text, contribution, modifiable, .. }: Reason| FlagReason {
        theme,
        text,
        contribution,
        modifiable,
    };
    reasons.map(reason).collect()
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> ServiceError {
        match error {
            StoreError::NotFound => ServiceError::UnknownFlag,
            StoreError::Conflict { version } => ServiceError::FlagChanged { version },
            StoreError::Invalid(update) => ServiceError::InvalidFlagUpdate(update),
            StoreError::PageToken | StoreError::TooOld => {
                ServiceError::FlagToken(error.to_string())
            }
            error => ServiceError::Flags(Arc::new(error)),
        }
    }
}
