//! What a feature is about, so that what is said of one thing can be said together.

use std::collections::BTreeSet;

use super::params::LearnedFrom;
use super::spec::{Feature, Source};
use crate::record::{Concept, ConceptSet};

/// The theme of a feature whose task file names none: by where it comes from, then by what its
/// first concept says of itself, then by the systems of that concept's codes.
pub(super) fn theme_of(feature: &Feature, concepts: &ConceptSet) -> String {
    let by_source = match &feature.source {
        Source::Age | Source::Sex => Some("age and sex"),
        Source::StayDays | Source::StayCode { .. } | Source::StayCount { .. } => Some("this stay"),
        Source::Encounters { .. } | Source::DaysSinceEncounter { .. } => {
            Some("earlier use of care")
        }
        Source::Published { .. } => Some("published scores"),
        Source::Learned { of: LearnedFrom::Service, .. } => Some("this stay"),
        Source::Learned {
            of: LearnedFrom::DiagnosisCategory | LearnedFrom::PrincipalCategory,
            ..
        } => Some("diagnoses"),
        _ => None,
    };
    let first = || feature.concepts().first().and_then(|id| concepts.get(*id));
    let named = by_source.map(str::to_owned).or_else(|| first()?.theme.clone());
    named.unwrap_or_else(|| first().map_or("codes on record", by_systems).to_owned())
}

fn by_systems(concept: &Concept) -> &str {
    let systems: BTreeSet<String> = concept.systems();
    let any = |names: &[&str]| names.iter().any(|name| systems.contains(*name));
    if any(&["RXNORM", "ATC"]) {
        "drugs"
    } else if any(&["ICD9CM", "ICD10CM"]) {
        "diagnoses"
    } else if any(&["ICD9PCS", "ICD10PCS", "CPT", "HCPCS"]) {
        "procedures"
    } else if any(&["LOINC"]) {
        // What is measured stands for itself: unlike values do not belong together.
        &concept.title
    } else {
        "codes on record"
    }
}
