//! The `ModelCatalog` service.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

use super::serving::model_catalog_server::ModelCatalog;
use super::{call, from_wire, given, proto, status, to_wire};
use crate::service::Service;

/// The handlers of `ModelCatalog`.
pub(super) struct Catalog {
    pub(super) service: Arc<Service>,
}

impl Catalog {
    /// Whether the caller may call this.
    fn permit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let call = call::of(request)?;
        let permit = self.service.permit(&call.visit, call.method);
        permit.map_err(|error| status::of(&error))
    }

    /// Runs `work`, which waits for the disk, beside the threads that serve connections.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let service = Arc::clone(&self.service);
        let done = spawn_blocking(move || call::guarded(|| work(&service))).await;
        done.unwrap_or_else(|_| Err(status::internal("ended"))).map(Response::new)
    }
}

#[tonic::async_trait]
impl ModelCatalog for Catalog {
    async fn list_models(
        &self,
        request: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        self.permit(&request)?;
        call::guarded(|| {
            let models = self.service.list_models().into_iter().map(to_wire::model).collect();
            Ok(Response::new(proto::ListModelsResponse { models }))
        })
    }

    async fn get_model_card(
        &self,
        request: Request<proto::GetModelCardRequest>,
    ) -> Result<Response<proto::GetModelCardResponse>, Status> {
        self.permit(&request)?;
        let proto::GetModelCardRequest { task, version } = request.into_inner();
        let task_ref = from_wire::task_ref(&given::TaskRef { task: &task, version: &version })
            .map_err(|violations| status::invalid(&violations))?;
        self.beside(move |service| {
            let card = service.model_card(&task_ref.task, task_ref.version.as_deref());
            card.map(to_wire::model_card).map_err(|error| status::of(&error))
        })
        .await
    }

    async fn reload_models(
        &self,
        request: Request<proto::ReloadModelsRequest>,
    ) -> Result<Response<proto::ReloadModelsResponse>, Status> {
        self.permit(&request)?;
        self.beside(|service| Ok(to_wire::reload(service.reload()))).await
    }
}
