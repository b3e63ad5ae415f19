//! The `PopulationTrends` service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::serving::population_trends_server::PopulationTrends;
use super::{call, proto, status, trend_message};
use crate::service::Service;

/// The handlers of `PopulationTrends`.
pub(super) struct Trends {
    service: Arc<Service>,
}

impl Trends {
    pub(super) fn new(service: Arc<Service>) -> Trends {
        Trends { service }
    }
}

#[tonic::async_trait]
impl PopulationTrends for Trends {
    async fn get_trends(
        &self,
        request: Request<proto::GetTrendsRequest>,
    ) -> Result<Response<proto::GetTrendsResponse>, Status> {
        let call = call::of(&request)?.clone();
        call::guarded(|| {
            let query = trend_message::query(request.into_inner())
                .map_err(|violations| status::invalid(&violations))?;
            let answer = self.service.get_trends(&call.visit, &query);
            let answer = answer.map_err(|error| status::of(&error))?;
            Ok(Response::new(trend_message::answer(&answer)))
        })
    }
}
