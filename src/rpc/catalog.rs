//! The `ModelCatalog` service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::serving::model_catalog_server::ModelCatalog;
use super::{call, proto, to_wire};
use crate::service::Service;

pub(super) struct Catalog {
    pub(super) service: Arc<Service>,
}

#[tonic::async_trait]
impl ModelCatalog for Catalog {
    async fn list_models(
        &self,
        request: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        let proto::ListModelsRequest {} = request.into_inner();
        call::guarded(|| {
            let models = self.service.list_models().into_iter().map(to_wire::model).collect();
            Ok(Response::new(proto::ListModelsResponse { models }))
        })
    }
}
