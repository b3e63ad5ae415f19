//! The `RiskScoring` service.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Request, Response, Status};

use super::proto::risk_scoring_server::RiskScoring;
use super::{call, from_wire, proto, status, to_wire};
use crate::record::Time;
use crate::service::Service;

pub(super) struct Scoring {
    pub(super) service: Arc<Service>,
}

#[tonic::async_trait]
impl RiskScoring for Scoring {
    async fn score(
        &self,
        request: Request<proto::ScoreRequest>,
    ) -> Result<Response<proto::ScoreResponse>, Status> {
        call::guarded(|| {
            let (request_id, request) = from_wire::score_request(request.into_inner())
                .map_err(|violations| status::invalid(&violations))?;
            let response =
                self.service.score(&request, now()).map_err(|error| status::of(&error))?;
            Ok(Response::new(to_wire::score_response(request_id, response)))
        })
    }
}

/// The wall clock; a clock set before 1970 counts as 1970.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
