//! What a feature is about, so that what is said of one thing can be said together.

use std::collections::BTreeSet;

use super::params::LearnedFrom;
use super::spec::{Feature, Source};
use crate::record::{Concept, ConceptSet, EventKind};

const DIAGNOSES: &str = "diagnoses";
const PROCEDURES: &str = "procedures";
const DRUGS: &str = "drugs";
const OTHER: &str = "codes on record";

/// The theme of a feature whose task file names none: by where it comes from, else by what its
/// first concept says of itself, else by the systems of that concept's codes.
pub(super) fn theme_of(feature: &Feature, concepts: &ConceptSet) -> String {
    if let Some(theme) = by_source(&feature.source) {
        return theme.to_owned();
    }
    let first = feature.concepts().first().and_then(|id| concepts.get(*id));
    let own = first.and_then(|concept| concept.theme.as_deref());
    own.or(first.map(by_systems)).unwrap_or(OTHER).to_owned()
}

fn by_source(source: &Source) -> Option<&'static str> {
    match source {
        Source::Age | Source::Sex => Some("age and sex"),
        Source::StayDays | Source::StayCode { .. } | Source::StayCount { .. } => Some("this stay"),
        Source::Encounters { .. } | Source::DaysSinceEncounter { .. } => {
            Some("earlier use of care")
        }
        Source::Published { .. } => Some("published scores"),
        Source::Learned { of, .. } => Some(match of {
            LearnedFrom::DiagnosisCategory | LearnedFrom::PrincipalCategory => DIAGNOSES,
            LearnedFrom::Service => "this stay",
            LearnedFrom::Procedure => PROCEDURES,
            LearnedFrom::Drug => DRUGS,
        }),
        Source::DrugChanges { .. } => Some(DRUGS),
        Source::DistinctCodes { kinds, .. } => Some(match kinds.first() {
            Some(EventKind::Diagnosis | EventKind::Problem) => DIAGNOSES,
            Some(EventKind::Procedure) => PROCEDURES,
            Some(kind) if kind.is_drug() => DRUGS,
            _ => OTHER,
        }),
        Source::Events { .. }
        | Source::DaysSinceEvent { .. }
        | Source::Measurement(_)
        | Source::Concepts { .. }
        | Source::ConceptCount { .. }
        | Source::CodedCount { .. }
        | Source::CodedLevels { .. } => None,
    }
}

fn by_systems(concept: &Concept) -> &str {
    let systems: BTreeSet<String> = concept.systems();
    let any = |names: &[&str]| names.iter().any(|name| systems.contains(*name));
    if any(&["RXNORM", "ATC"]) {
        DRUGS
    } else if any(&["ICD9CM", "ICD10CM"]) {
        DIAGNOSES
    } else if any(&["ICD9PCS", "ICD10PCS", "CPT", "HCPCS"]) {
        PROCEDURES
    } else if any(&["LOINC"]) {
        // What is measured stands for itself: unlike values do not belong together.
        &concept.title
    } else {
        OTHER
    }
}
