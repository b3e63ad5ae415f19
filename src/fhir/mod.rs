//! FHIR R4 out: what the service says of a patient, as resources that an EHR stores and shows.
//!
//! Pure builders from what the other rooms know to resources that hold only what is set. Nothing is
//! looked up here and nothing is hidden here: a score comes as its reader may see it (`Score::seen_by`),
//! and nothing is said of the record beyond what the reasons of that score rest on.

mod audit_event;
mod bundle;
mod element;
mod flag;
mod id;
mod notes;
mod operation_outcome;
mod reference;
mod risk_assessment;

pub use audit_event::{
    AuditEvent, AuditEventAgent, AuditEventEntity, AuditEventSource, audit_event,
};
pub use bundle::{Bundle, BundleEntry, BundleLink, BundleSearch, Resource};
pub use element::{
    Annotation, CodeableConcept, Coding, Extension, Identifier, Meta, Period, Reference,
};
pub use flag::{Flag, flag};
pub use operation_outcome::{
    ISSUES_MAX, Issue, IssueCode, IssueSeverity, OperationOutcome, OperationOutcomeIssue,
    operation_outcome,
};
pub use reference::References;
pub use risk_assessment::{
    Assessed, BASIS_MAX, RelativeRisk, RiskAssessment, RiskAssessmentPrediction, risk_assessment,
};

/// What the names of our own begin with: of extensions, code systems and systems of identifiers. It
/// never changes, since what is stored elsewhere is read by it.
pub const OURS: &str = "urn:prodrome:fhir:";

/// The extension of a prediction with the probability from 0 to 1: the very number that was computed.
pub const PROBABILITY: &str = "urn:prodrome:fhir:probability";

/// The extension of a prediction with the 95% interval, from 0 to 1, in the extensions `low` and `high`.
pub const PROBABILITY_INTERVAL: &str = "urn:prodrome:fhir:probability-interval";

/// A name of our own.
fn ours(name: &str) -> String {
    format!("{OURS}{name}")
}

/// The name of this program as the author of a resource.
fn author(task: &str, model_version: &str) -> Reference {
    Reference {
        kind: Some("Device".into()),
        display: Some(format!("Prodrome {task} version {model_version}")),
        ..Reference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_our_own_have_one_beginning() {
        assert_eq!(ours("probability"), PROBABILITY);
        assert_eq!(ours("probability-interval"), PROBABILITY_INTERVAL);
    }
}
