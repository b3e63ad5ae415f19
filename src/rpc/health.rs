//! What `grpc.health.v1` says of the server, its services and its tasks.

use std::collections::BTreeMap;

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::catalog::Catalog;
use super::scoring::Scoring;
use super::serving::model_catalog_server::ModelCatalogServer;
use super::serving::population_trends_server::PopulationTrendsServer;
use super::serving::risk_scoring_server::RiskScoringServer;
use super::trends::Trends;
use crate::service::Service;

/// The name under which `grpc.health.v1` knows a task.
pub fn health_name(task: &str) -> String {
    format!("prodrome.task.{task}")
}

/// The states that were told last.
pub(super) struct Health {
    reporter: HealthReporter,
    states: BTreeMap<String, bool>,
}

impl Health {
    pub(super) async fn new(service: &Service) -> Health {
        let mut health = Health { reporter: HealthReporter::new(), states: BTreeMap::new() };
        health.tell(service).await;
        health
    }

    /// The gRPC service.
    pub(super) fn server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Tells what is in service now; a task that is gone is NOT_SERVING.
    pub(super) async fn tell(&mut self, service: &Service) {
        let models = service.list_models();
        let mut states: BTreeMap<String, bool> =
            self.states.keys().map(|name| (name.clone(), false)).collect();
        let any = models.iter().any(|model| model.refused.is_none());
        states.insert(String::new(), any);
        states.insert(RiskScoringServer::<Scoring>::NAME.to_owned(), any);
        states.insert(ModelCatalogServer::<Catalog>::NAME.to_owned(), true);
        if service.has_trends() {
            let any = !service.trends().releases().is_empty();
            states.insert(PopulationTrendsServer::<Trends>::NAME.to_owned(), any);
        }
        for model in &models {
            let state = states.entry(health_name(&model.task)).or_default();
            *state |= model.refused.is_none();
        }
        for (name, serving) in &states {
            if self.states.get(name) != Some(serving) {
                self.set(name, *serving).await;
            }
        }
        self.states = states;
    }

    async fn set(&self, name: &str, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(name, status).await;
    }

    pub(super) async fn not_serving(&self) {
        for name in self.states.keys() {
            self.set(name, false).await;
        }
    }

    /// Ends the streams of `Watch`, which by themselves never end and would hold up every drain.
    pub(super) async fn end_watches(&mut self) {
        for name in self.states.keys() {
            self.reporter.clear_service_status(name).await;
        }
    }
}
