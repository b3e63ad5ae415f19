//! `RiskAssessment/$score`: a record in, a collection of `RiskAssessment`s out, with the flags that
//! stand and what was wrong with the record.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

use super::Ehr;
use super::answer::fhir;
use super::desk::{Call, Endpoint};
use super::parameters;
use super::scoring::Scored;
use crate::fhir::{
    Assessed, Bundle, Issue, IssueCode, IssueSeverity, RelativeRisk, Resource, flag,
    operation_outcome, risk_assessment,
};
use crate::http::listener::Peer;
use crate::registry::{Registry, Version};
use crate::service::{Answer, Assessment, AssessmentFlag};

/// Answers a call of the operation.
pub(super) async fn score(
    State(ehr): State<Arc<Ehr>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    ehr.answer(Endpoint::Score, &peer, request, async |call, body| {
        let wanted = parameters::read(&query, &body)?;
        let registry = ehr.service.models().current();
        let answer = match ehr.score(&call, &registry, wanted).await? {
            Some(scored) => ehr.collection(&call, &registry, scored).await,
            None => Bundle::collection(Vec::new()),
        };
        Ok(fhir(StatusCode::OK, &answer))
    })
    .await
}

impl Ehr {
    /// What is said of a patient.
    async fn collection(&self, call: &Call, registry: &Registry, scored: Scored) -> Bundle {
        let Scored { response, origin, record } = scored;
        let (mut resources, mut issues) = (Vec::<Resource>::new(), Vec::new());
        for assessment in &response.assessments {
            let found = registry.find(&assessment.task, &assessment.model_version);
            let Some(bundle) = found.map(Version::bundle) else { continue };
            match &assessment.outcome {
                Answer::Score(score) => {
                    let of_score = Assessed::by(bundle, &record, score);
                    let compared = compared_with(assessment);
                    let relative_risk = compared
                        .as_ref()
                        .map(|(value, with)| RelativeRisk { value: *value, compared_with: with });
                    let assessed = Assessed { relative_risk, ..of_score };
                    resources.push(risk_assessment(&assessed).into());
                }
                Answer::NotEligible(not) => issues.push(Issue::new(
                    IssueSeverity::Information,
                    IssueCode::Informational,
                    format!("{}: not eligible: {}", assessment.task, not.text),
                )),
            }
            if let Some(AssessmentFlag::NotRecorded) = assessment.flag {
                let details = format!("{}: its flag could not be recorded", assessment.task);
                issues.push(Issue::new(IssueSeverity::Warning, IssueCode::Transient, details));
            }
            if let Some(AssessmentFlag::Seen(sighted)) = &assessment.flag
                && let Some(id) = sighted.flag
                && let Ok((stands, _)) = self.service.flag(&call.visit, id).await
            {
                resources.push(flag(&stands, &bundle.task().params().title).into());
            }
        }
        issues.extend(response.data_issues.iter().map(|issue| {
            let details = format!("{} ({} times)", issue.kind.text(), issue.count);
            let said = Issue::new(IssueSeverity::Warning, IssueCode::Incomplete, details);
            let said = Issue { diagnostics: Some(issue.kind.name().to_owned()), ..said };
            said.at(origin.issue_path(issue))
        }));
        if !issues.is_empty() {
            resources.push(operation_outcome(issues).into());
        }
        Bundle::collection(resources)
    }
}

/// How many times as high the risk is as in the middle of the patient's peers, and who they are.
fn compared_with(assessment: &Assessment) -> Option<(f64, String)> {
    let standing = assessment.peer.as_ref()?.risk.as_ref()?;
    let median = standing.median.filter(|median| *median > 0.0)?;
    Some((standing.value / median, format!("the median of {}", standing.group_text)))
}
