//! The `RiskScoring` service.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::request::ScoreRequest;
use super::serving::risk_scoring_server::RiskScoring;
use super::{call, from_wire, proto, status, to_wire};
use crate::record::Time;
use crate::service::Service;

/// Larger records are scored beside the threads that serve connections, which they would hold up.
const INLINE_ENTRIES_MAX: usize = 2_000;
/// How many large records are scored at once.
const LARGE_AT_ONCE: usize = 2;

pub(super) struct Scoring {
    service: Arc<Service>,
    large: Arc<Semaphore>,
}

impl Scoring {
    pub(super) fn new(service: Arc<Service>) -> Scoring {
        Scoring { service, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) }
    }
}

#[tonic::async_trait]
impl RiskScoring for Scoring {
    async fn score(
        &self,
        request: Request<ScoreRequest>,
    ) -> Result<Response<proto::ScoreResponse>, Status> {
        let request = request.into_inner();
        let now = now();
        if request.entries() <= INLINE_ENTRIES_MAX {
            return score(&self.service, request, now);
        }
        // A place may be waited for, because the work of the others is bounded.
        let place = Arc::clone(&self.large).acquire_owned().await;
        let service = Arc::clone(&self.service);
        let scored = tokio::task::spawn_blocking(move || {
            let _place = place;
            score(&service, request, now)
        });
        scored.await.unwrap_or_else(|_| Err(status::internal("ended")))
    }
}

pub(super) fn score(
    service: &Service,
    request: ScoreRequest,
    now: Time,
) -> Result<Response<proto::ScoreResponse>, Status> {
    call::guarded(|| {
        let (request_id, origin, request) =
            from_wire::score_request(&request).map_err(|violations| status::invalid(&violations))?;
        let response = service.score(&request, now);
        let response = response.map_err(|error| status::of(&origin.error(error)))?;
        Ok(Response::new(to_wire::score_response(request_id, response, &origin)))
    })
}

/// The wall clock; a clock set before 1970 counts as 1970.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
