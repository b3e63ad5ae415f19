//! The addresses of CDS Hooks: discovery, a call of a service, feedback on its cards.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::card::{Answer, Card};
use super::card_id::CardId;
use super::cards::{ModelWords, Scene, cards};
use super::feedback::{FeedbackRequest, Outcome};
use super::hook::{Hook, discovery};
use super::request::HookRequest;
use super::templates::{Template, templates};
use crate::bundle::Bundle;
use crate::http::ehr::Ehr;
use crate::http::ehr::answer::plain;
use crate::http::ehr::desk::{Call, Endpoint};
use crate::http::ehr::refusal::Refusal;
use crate::http::ehr::scoring::{Asked, Scored};
use crate::http::listener::Peer;
use crate::meters;
use crate::record::{DataIssue, IssueKind};
use crate::registry::{Registry, Version};
use crate::service::{ScoreOptions, TaskRef};

/// Answers with what services there are: those that a model is in service for.
pub(in crate::http::ehr) async fn services(State(ehr): State<Arc<Ehr>>) -> Response {
    let registry = ehr.service.models().current();
    let services: Vec<(Hook, Vec<Template>)> = Hook::ALL
        .into_iter()
        .map(|hook| (hook, scored_by(hook, &registry)))
        .filter(|(_, bundles)| !bundles.is_empty())
        .map(|(hook, bundles)| (hook, templates(hook, &bundles)))
        .collect();
    plain(StatusCode::OK, &discovery(&services))
}

/// Answers a call of a service with its cards.
pub(in crate::http::ehr) async fn call(
    State(ehr): State<Arc<Ehr>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Some(hook) = hook_of(id) else { return Refusal::no_such_page().into_response() };
    ehr.answer(Endpoint::Hook(hook), &peer, request, async |call, body| {
        let cards = ehr.cards(hook, &call, &body).await?;
        Ok(plain(StatusCode::OK, &Answer { cards }))
    })
    .await
}

/// Takes in what became of cards.
pub(in crate::http::ehr) async fn feedback(
    State(ehr): State<Arc<Ehr>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Some(hook) = hook_of(id) else { return Refusal::no_such_page().into_response() };
    ehr.answer(Endpoint::Feedback(hook), &peer, request, async |call, body| {
        ehr.note(&call, &body).await?;
        // CDS Hooks 2.0 asks for a 200 and for nothing else.
        Ok(plain(StatusCode::OK, &serde_json::Map::new()))
    })
    .await
}

/// The hook of the service that an address names.
fn hook_of(id: Result<Path<String>, PathRejection>) -> Option<Hook> {
    id.ok().and_then(|Path(id)| Hook::of_service(&id))
}

/// The models in service of the tasks that a service scores.
fn scored_by(hook: Hook, registry: &Registry) -> Vec<&Bundle> {
    let served = registry.served().iter().map(Arc::as_ref);
    served.filter(|bundle| hook.scores(&bundle.task().params().index.rule)).collect()
}

/// What was left out of the data of a call that people should know of.
fn missing(issues: &[DataIssue]) -> Vec<String> {
    let mut told = Vec::new();
    let mut unusable = 0_u32;
    for issue in issues {
        match issue.kind {
            IssueKind::Unusable(_) => unusable = unusable.saturating_add(issue.count),
            IssueKind::UnknownMedication => told.push(format!(
                "{} drug orders came without their drug and do not count",
                issue.count
            )),
            IssueKind::PartialBundle => told.push(
                "the EHR sent a part of its data alone: older facts may be missing".to_owned(),
            ),
            _ => {}
        }
    }
    if unusable > 0 {
        told.push(format!("{unusable} entries of the record could not be used and do not count"));
    }
    told
}

impl Ehr {
    /// The cards of one call.
    async fn cards(&self, hook: Hook, call: &Call, body: &Bytes) -> Result<Vec<Card>, Refusal> {
        let request = HookRequest::read(body, hook).map_err(Refusal::invalid)?;
        call.patient(&request.patient_id);
        if let (Some(recorded), Some(user)) = (&call.recorded, request.user()) {
            recorded.user(&user);
        }
        let registry = self.service.models().current();
        let bundles = scored_by(hook, &registry);
        if bundles.is_empty() {
            return Ok(Vec::new());
        }
        let sent = self.gathered(call, &request, body, &templates(hook, &bundles)).await?;
        let task = |bundle: &&Bundle| TaskRef {
            task: bundle.manifest().task.clone(),
            version: Some(bundle.manifest().version.clone()),
        };
        let is_discharge = hook == Hook::EncounterDischarge;
        let stay_id = request.encounter_id.clone().filter(|_| is_discharge);
        let asked = Asked {
            tasks: bundles.iter().map(task).collect(),
            options: ScoreOptions {
                reasons_max: ScoreOptions::REASONS_DEFAULT,
                ..ScoreOptions::default()
            },
            team: self.plan.team.clone(),
            only_allowed: true,
            stay_id: stay_id.map(Cow::into_owned),
            patient_id: Some(request.patient_id.clone().into_owned()),
            ..Asked::default()
        };
        // By the models that said what to send: a reload meanwhile changes nothing.
        let scored = self.score(call, &registry, (sent, asked)).await?;
        let Some(Scored { response, .. }) = scored else { return Ok(Vec::new()) };
        let told: Vec<_> = response
            .assessments
            .iter()
            .filter_map(|assessment| {
                let found = registry.find(&assessment.task, &assessment.model_version)?;
                Some((assessment, ModelWords::of(Version::bundle(found))))
            })
            .collect();
        let missing = missing(&response.data_issues);
        let scene = Scene {
            hook_instance: &request.hook_instance,
            worklist_url: self.plan.worklist_url.as_deref(),
            missing: &missing,
        };
        Ok(cards(&told, scene))
    }

    /// Takes in what became of cards: of those with a flag as feedback on it, of others as a count.
    async fn note(&self, call: &Call, body: &Bytes) -> Result<(), Refusal> {
        let given = FeedbackRequest::read(body).map_err(Refusal::invalid)?;
        // All flags are there before one is answered: a call that is sent again should not count twice.
        let mut owners = Vec::new();
        for feedback in &given {
            let CardId::Flag(id) = feedback.card else { continue };
            let owner = self.service.owner_of_flag(&call.visit, call.method, id).await;
            owners.extend(owner.as_ref().ok().cloned());
            call.patients(&owners);
            owner?;
        }
        for feedback in given {
            if let CardId::Flag(id) = feedback.card {
                let finding = feedback.finding();
                let now = (self.clock)();
                self.service.record_feedback(&call.visit, id, finding, now).await?;
            }
            meters::process().card_answered(match feedback.outcome {
                Outcome::Accepted => "accepted",
                Outcome::Overridden(None) => "overridden",
                Outcome::Overridden(Some(reason)) => reason.code(),
            });
        }
        Ok(())
    }
}
