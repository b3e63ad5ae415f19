//! The `RiskFlags` service.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use super::answers::{self, Answers, Bounds, Taken};
use super::call::Call;
use super::serving::risk_flags_server::RiskFlags;
use super::{call, clock, flag_message, proto, status};
use crate::access::Outcome;
use crate::flag::{Changes, Flag};
use crate::meters;
use crate::service::{Limits, Service, Shed};

/// Changes that are read from the store at a time.
const CHANGES_AT_ONCE: u32 = 100;
/// Between two looks for what other servers changed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Silence after which a watcher gets a sign of life.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// After which a watcher must call anew, so that nobody watches on with credentials of yesterday.
const WATCH_MAX: Duration = Duration::from_secs(900);
/// What a watcher that finds no place is told to wait.
const RETRY: Duration = Duration::from_secs(1);

type Watched = Taken<proto::WatchFlagsResponse>;

/// The handlers of `RiskFlags`.
pub(super) struct Flags {
    service: Arc<Service>,
    limits: Limits,
    watches: Arc<Semaphore>,
    draining: watch::Receiver<bool>,
}

impl Flags {
    pub(super) fn new(
        service: Arc<Service>,
        limits: Limits,
        draining: watch::Receiver<bool>,
    ) -> Flags {
        let watches = Arc::new(Semaphore::new(limits.flag_watches_max));
        Flags { service, limits, watches, draining }
    }
}

/// Notes whose flag was shown or changed, and answers with it.
fn shown(call: &Call, flag: Flag) -> Option<proto::Flag> {
    if let Some(recorded) = &call.recorded {
        recorded.patient(&flag.patient_id);
    }
    Some(flag_message::flag(flag))
}

#[tonic::async_trait]
impl RiskFlags for Flags {
    async fn list_flags(
        &self,
        request: Request<proto::ListFlagsRequest>,
    ) -> Result<Response<proto::ListFlagsResponse>, Status> {
        let call = call::of(&request)?.clone();
        let query = flag_message::query(request.into_inner());
        let query = query.map_err(|violations| status::invalid(&violations))?;
        if let (Some(recorded), Some(id)) = (&call.recorded, &query.patient_id) {
            recorded.patient(id);
        }
        let listed = self.service.list_flags(&call.visit, &query, clock::now()).await;
        let page = listed.map_err(|error| status::of(&error))?;
        if let Some(recorded) = &call.recorded {
            recorded.listed(page.flags.iter().map(|flag| flag.patient_id.as_str()));
        }
        Ok(Response::new(flag_message::page(page)))
    }

    async fn update_flag(
        &self,
        request: Request<proto::UpdateFlagRequest>,
    ) -> Result<Response<proto::UpdateFlagResponse>, Status> {
        let call = call::of(&request)?.clone();
        let (id, version, update) = flag_message::update(request.into_inner())
            .map_err(|violations| status::invalid(&violations))?;
        let now = clock::now();
        let updated = self.service.update_flag(&call.visit, id, version, &update, now).await;
        if let (Err(_), Some(recorded)) = (&updated, &call.recorded)
            && let Some(patient_id) = self.service.patient_of_flag(&call.visit, id).await
        {
            recorded.patient(&patient_id);
        }
        let flag = updated.map_err(|error| status::of(&error))?;
        Ok(Response::new(proto::UpdateFlagResponse { flag: shown(&call, flag) }))
    }

    type WatchFlagsStream = Watched;

    async fn watch_flags(
        &self,
        request: Request<proto::WatchFlagsRequest>,
    ) -> Result<Response<Watched>, Status> {
        let shed = Shed { what: meters::Shed::Streams, retry_after: RETRY };
        let place = Arc::clone(&self.watches).try_acquire_owned();
        let place = place.map_err(|_full| status::shed(shed))?;
        let call = call::of(&request)?.clone();
        let wanted = flag_message::watched(request.into_inner());
        let wanted = wanted.map_err(|violations| status::invalid(&violations))?;
        // Who may not watch hears so at once, as of any call.
        let known_to = match wanted.after {
            Some(after) => after,
            None => {
                let last = self.service.flag_store().map_err(|error| status::of(&error))?;
                last.last_change().await.map_err(|error| status::of(&error.into()))?
            }
        };
        let watcher = Watcher {
            service: Arc::clone(&self.service),
            changed: self.service.flag_store().map_err(|error| status::of(&error))?.changed(),
            call,
            tasks: wanted.tasks,
            teams: wanted.teams,
            idle_max: self.limits.idle_max,
            draining: self.draining.clone(),
        };
        self.service.may_watch_flags(&watcher.call.visit).map_err(|error| status::of(&error))?;
        watcher.changes(known_to, 1).await?;
        if let Some(recorded) = &watcher.call.recorded {
            recorded.end(Outcome::Ok).await.map_err(|error| status::of(&error))?;
        }
        Ok(Response::new(watcher.watch(known_to, place)))
    }

    async fn record_feedback(
        &self,
        request: Request<proto::RecordFeedbackRequest>,
    ) -> Result<Response<proto::RecordFeedbackResponse>, Status> {
        let call = call::of(&request)?.clone();
        let (id, feedback) = flag_message::feedback(request.into_inner())
            .map_err(|violations| status::invalid(&violations))?;
        let noted = self.service.record_feedback(&call.visit, id, feedback, clock::now()).await;
        let flag = noted.map_err(|error| status::of(&error))?;
        Ok(Response::new(proto::RecordFeedbackResponse { flag: shown(&call, flag) }))
    }
}

/// One who watches.
struct Watcher {
    service: Arc<Service>,
    /// Bumped by every change of this server.
    changed: watch::Receiver<u64>,
    call: Call,
    tasks: Vec<String>,
    teams: Vec<String>,
    idle_max: Duration,
    draining: watch::Receiver<bool>,
}

impl Watcher {
    /// Answers from the change after `known_to` on; `place` is held until the last one.
    fn watch(self, known_to: u64, place: OwnedSemaphorePermit) -> Watched {
        let (end_by, idle_max) = (self.call.end_by, self.idle_max);
        let mut draining = self.draining.clone();
        answers::begin(Bounds { end_by, idle_max, place }, |answers| async move {
            tokio::select! {
                ended = self.answer(known_to, answers) => ended,
                _ = draining.wait_for(|is_draining| *is_draining) => Err(status::draining()),
            }
        })
    }

    async fn answer(
        mut self,
        mut known_to: u64,
        answers: Answers<proto::WatchFlagsResponse>,
    ) -> Result<(), Status> {
        let end = Instant::now() + WATCH_MAX;
        let mut heartbeat = Instant::now() + HEARTBEAT_EVERY;
        while Instant::now() < end {
            self.changed.mark_unchanged();
            let found = self.changes(known_to, CHANGES_AT_ONCE).await?;
            let is_more = found.until > known_to;
            known_to = found.until;
            let wanted = found.changes.into_iter().filter(|change| self.wants(&change.flag));
            let mut messages: Vec<_> = wanted.map(flag_message::change).collect();
            if messages.is_empty() && Instant::now() >= heartbeat {
                messages.push(flag_message::heartbeat(known_to));
            }
            for message in messages {
                heartbeat = Instant::now() + HEARTBEAT_EVERY;
                if !answers.give(message).await? {
                    return Ok(());
                }
            }
            if !is_more {
                // A change of this server wakes at once; those of others are looked for.
                let _ = timeout(LOOK_EVERY, self.changed.changed()).await;
            }
        }
        Err(status::watched_long())
    }

    /// By the policy as it is now; whose credentials were taken back is told so at the next watch.
    async fn changes(&self, after: u64, limit: u32) -> Result<Changes, Status> {
        let found = self.service.flag_changes(&self.call.visit, after, limit).await;
        found.map_err(|error| status::of(&error))
    }

    fn wants(&self, flag: &Flag) -> bool {
        let is_in = |wanted: &[String], own: Option<&str>| {
            wanted.is_empty() || own.is_some_and(|own| wanted.iter().any(|name| name == own))
        };
        is_in(&self.tasks, Some(&flag.task)) && is_in(&self.teams, flag.place.team.as_deref())
    }
}
