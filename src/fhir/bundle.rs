//! `Bundle`: several resources of ours in one, as a mere collection or as what a search found.

use serde::Serialize;

use super::audit_event::AuditEvent;
use super::flag::Flag;
use super::id;
use super::operation_outcome::OperationOutcome;
use super::risk_assessment::RiskAssessment;

/// Any resource that stands in a bundle.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Resource {
    RiskAssessment(Box<RiskAssessment>),
    Flag(Box<Flag>),
    AuditEvent(Box<AuditEvent>),
    OperationOutcome(OperationOutcome),
}

impl Resource {
    /// What it is known by wherever it is stored; an outcome is stored nowhere.
    pub fn full_url(&self) -> Option<String> {
        let uuid = match self {
            Resource::RiskAssessment(assessment) => assessment.id.clone(),
            Resource::AuditEvent(event) => event.id.clone(),
            Resource::Flag(flag) => id::hyphenated(&flag.id),
            Resource::OperationOutcome(_) => return None,
        };
        Some(format!("urn:uuid:{uuid}"))
    }

    /// What it is to a search: what was looked for, or what is to be said of it.
    fn mode(&self) -> &'static str {
        match self {
            Resource::OperationOutcome(_) => "outcome",
            _ => "match",
        }
    }
}

impl From<RiskAssessment> for Resource {
    fn from(assessment: RiskAssessment) -> Resource {
        Resource::RiskAssessment(Box::new(assessment))
    }
}

impl From<Flag> for Resource {
    fn from(flag: Flag) -> Resource {
        Resource::Flag(Box::new(flag))
    }
}

impl From<AuditEvent> for Resource {
    fn from(event: AuditEvent) -> Resource {
        Resource::AuditEvent(Box::new(event))
    }
}

impl From<OperationOutcome> for Resource {
    fn from(outcome: OperationOutcome) -> Resource {
        Resource::OperationOutcome(outcome)
    }
}

/// Several resources.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
pub struct Bundle {
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How many resources the whole search found, on all its pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<BundleLink>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<BundleEntry>,
}

/// Where this page of a search is, or the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleLink {
    pub relation: &'static str,
    pub url: String,
}

/// One resource of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_url: Option<String>,
    pub resource: Resource,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<BundleSearch>,
}

/// What a resource is to the search that found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleSearch {
    pub mode: &'static str,
}

impl Bundle {
    /// Resources that belong together.
    pub fn collection(resources: Vec<Resource>) -> Bundle {
        let entry = resources
            .into_iter()
            .map(|resource| BundleEntry { full_url: resource.full_url(), resource, search: None })
            .collect();
        Bundle { kind: "collection", total: None, link: Vec::new(), entry }
    }

    /// One page of what a search found: `total` resources in all; `own` and `next` are the addresses of
    /// this page and of the one after it.
    pub fn searchset(
        resources: Vec<Resource>,
        total: u64,
        own: String,
        next: Option<String>,
    ) -> Bundle {
        let entry = resources
            .into_iter()
            .map(|resource| BundleEntry {
                full_url: resource.full_url(),
                search: Some(BundleSearch { mode: resource.mode() }),
                resource,
            })
            .collect();
        let own = BundleLink { relation: "self", url: own };
        let next = next.map(|url| BundleLink { relation: "next", url });
        let link = std::iter::once(own).chain(next).collect();
        Bundle { kind: "searchset", total: Some(total), link, entry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Issue, IssueCode, IssueSeverity, operation_outcome};

    #[test]
    fn only_a_search_has_a_total_links_and_modes() {
        let issue = Issue::new(IssueSeverity::Warning, IssueCode::Incomplete, "not all");
        let outcome = || vec![Resource::from(operation_outcome([issue.clone()]))];
        let plain = serde_json::to_value(Bundle::collection(outcome())).unwrap();
        assert_eq!((&plain["type"], &plain["total"]), (&"collection".into(), &None::<u64>.into()));
        assert!(plain["entry"][0].get("search").is_none() && plain.get("link").is_none());
        assert_eq!(plain["entry"][0]["resource"]["resourceType"], "OperationOutcome");
        let found = Bundle::searchset(outcome(), 0, "https://a/b?c".into(), None);
        let found = serde_json::to_value(found).unwrap();
        assert_eq!((&found["total"], &found["link"][0]["relation"]), (&0.into(), &"self".into()));
        assert_eq!(found["entry"][0]["search"]["mode"], "outcome");
    }
}
