//! Small tables of codes: code systems, classes and the admission fields under other names.

use crate::record::{Code, EncounterClass};

/// Code systems that `Code::new` does not know by their URI.
const SYSTEMS: [(&str, &str); 8] = [
    ("http://hl7.org/fhir/sid/cvx", "CVX"),
    ("http://hl7.org/fhir/sid/ndc", "NDC"),
    ("http://www.cms.gov/Medicare/Coding/ICD10", "ICD10PCS"),
    ("http://fhir.mimic.mit.edu/CodeSystem/diagnosis-icd9", "ICD9CM"),
    ("http://fhir.mimic.mit.edu/CodeSystem/diagnosis-icd10", "ICD10CM"),
    ("http://fhir.mimic.mit.edu/CodeSystem/procedure-icd9", "ICD9PCS"),
    ("http://fhir.mimic.mit.edu/CodeSystem/procedure-icd10", "ICD10PCS"),
    ("http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-medication-ndc", "NDC"),
];

/// Classes by other names than those of v3-ActCode: words of older releases, and MIMIC-IV's types
/// of admission.
const CLASSES: [(&str, EncounterClass); 14] = [
    ("inpatient", EncounterClass::Inpatient),
    ("outpatient", EncounterClass::Ambulatory),
    ("ambulatory", EncounterClass::Ambulatory),
    ("emergency", EncounterClass::Emergency),
    ("virtual", EncounterClass::Virtual),
    ("ew emer.", EncounterClass::Inpatient),
    ("direct emer.", EncounterClass::Inpatient),
    ("urgent", EncounterClass::Inpatient),
    ("elective", EncounterClass::Inpatient),
    ("surgical same day admission", EncounterClass::Inpatient),
    ("observation admit", EncounterClass::Inpatient),
    ("eu observation", EncounterClass::Observation),
    ("direct observation", EncounterClass::Observation),
    ("ambulatory observation", EncounterClass::Observation),
];

/// Types of admission: v3-ActPriority and MIMIC-IV's own.
const ADMISSION_TYPES: [(&str, &str); 13] = [
    ("em", "emergency"),
    ("s", "emergency"),
    ("ew emer.", "emergency"),
    ("direct emer.", "emergency"),
    ("emergency", "emergency"),
    ("ur", "urgent"),
    ("urgent", "urgent"),
    ("el", "elective"),
    ("elective", "elective"),
    ("surgical same day admission", "elective"),
    ("newborn", "newborn"),
    ("trauma", "trauma"),
    ("r", "routine"),
];

/// MIMIC-IV's sources of admission as FHIR admit-source codes. Those without a fitting code stay
/// as they are, and no concept matches them.
const ADMISSION_SOURCES: [(&str, &str); 6] = [
    ("emergency room", "emd"),
    ("physician referral", "gp"),
    ("clinic referral", "outp"),
    ("transfer from hospital", "hosp-trans"),
    ("transfer from skilled nursing facility", "nursing"),
    ("internal transfer to or from psych", "psych"),
];

/// MIMIC-IV's discharge locations as FHIR discharge-disposition codes, or as UB-04 codes where FHIR
/// has none.
const DISPOSITIONS: [(&str, &str); 13] = [
    ("home", "home"),
    ("home health care", "06"),
    ("skilled nursing facility", "snf"),
    ("rehab", "rehab"),
    ("died", "exp"),
    ("chronic/long term acute care", "long"),
    ("against advice", "aadvice"),
    ("hospice", "hosp"),
    ("psych facility", "psy"),
    ("acute hospital", "02"),
    ("healthcare facility", "other-hcf"),
    ("other facility", "70"),
    ("assisted living", "04"),
];

fn look_up<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

/// The URI of a code system, or its short name where it has none.
pub(super) fn uri(system: &str) -> &str {
    let other = || SYSTEMS.iter().find(|(_, name)| *name == system).map(|(uri, _)| *uri);
    Code::uri_of(system).or_else(other).unwrap_or(system)
}

/// The v3-ActPriority of a type of admission, or the type as it is.
pub(super) fn priority(admission_type: &str) -> &str {
    match admission_type {
        "emergency" => "EM",
        "urgent" => "UR",
        "elective" => "EL",
        "routine" => "R",
        other => other,
    }
}

/// The short name of a code system, or the URI as it is.
pub(super) fn system(uri: &str) -> &str {
    look_up(&SYSTEMS, uri).unwrap_or(uri)
}

pub(in crate::import) fn class(code: &str) -> Option<EncounterClass> {
    EncounterClass::parse(code).or_else(|| look_up(&CLASSES, code))
}

/// How urgent an admission was; `None` for a code that says nothing of it.
pub(in crate::import) fn admission_type(code: &str) -> Option<&'static str> {
    look_up(&ADMISSION_TYPES, code)
}

/// Whether an admission of this type was planned, where the type says so.
pub(in crate::import) fn is_planned(admission_type: &str) -> Option<bool> {
    match admission_type {
        "elective" => Some(true),
        "emergency" | "urgent" | "trauma" => Some(false),
        _ => None,
    }
}

pub(in crate::import) fn admission_source(code: &str) -> &str {
    look_up(&ADMISSION_SOURCES, code).unwrap_or(code)
}

pub(in crate::import) fn disposition(code: &str) -> &str {
    look_up(&DISPOSITIONS, code).unwrap_or(code)
}

/// MIMIC-IV's word for a FHIR code, or the code as it is.
fn word(table: &[(&str, &str)], code: &str) -> String {
    let found = table.iter().find(|(_, meaning)| *meaning == code);
    found.map_or_else(|| code.to_owned(), |(word, _)| word.to_ascii_uppercase())
}

/// MIMIC-IV's word for a source of admission, or the code as it is.
pub(in crate::import) fn admission_source_word(code: &str) -> String {
    word(&ADMISSION_SOURCES, code)
}

/// MIMIC-IV's word for a discharge disposition, or the code as it is.
pub(in crate::import) fn disposition_word(code: &str) -> String {
    word(&DISPOSITIONS, code)
}

/// The resource types of R4 that hold nothing a record takes. A type that is none of R4 may be any
/// text, so that only these are named in reports.
const OTHER_TYPES: &str = " Account ActivityDefinition AdverseEvent Appointment \
    AppointmentResponse AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle \
    CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim \
    ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest \
    CompartmentDefinition Composition ConceptMap Consent Contract CoverageEligibilityRequest \
    CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest \
    DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference \
    EffectEvidenceSynthesis Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare \
    EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit \
    FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService \
    ImagingStudy ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide \
    InsurancePlan Invoice Library Linkage List Location Measure MeasureReport Media \
    MedicationKnowledge MedicationStatement MedicinalProduct MessageDefinition MessageHeader \
    MolecularSequence NamingSystem NutritionOrder ObservationDefinition OperationDefinition \
    OperationOutcome Organization OrganizationAffiliation Parameters PaymentNotice \
    PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole Provenance \
    Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition \
    ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment \
    RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen \
    SpecimenDefinition StructureDefinition StructureMap Subscription Substance SupplyDelivery \
    SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet VerificationResult \
    VisionPrescription ";

/// The name under which a resource that a record does not take is counted.
pub(super) fn other_type(given: &str) -> &'static str {
    let found = OTHER_TYPES.split_ascii_whitespace().find(|known| *known == given);
    found.unwrap_or("unknown resource type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Code, ConceptSet};

    #[test]
    fn every_disposition_of_mimic_has_one_concept_and_comes_back_as_its_word() {
        let text = include_str!("../../../models/concepts.toml");
        let concepts = ConceptSet::parse(text).unwrap();
        for (word, meaning) in DISPOSITIONS {
            let found = concepts.concepts_of(&Code::new("DISCHARGE_DISPOSITION", meaning));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(disposition(&word.to_ascii_uppercase()), meaning);
            assert_eq!(disposition_word(meaning), word.to_ascii_uppercase());
        }
    }

    #[test]
    fn a_type_that_is_none_is_not_repeated() {
        assert_eq!(other_type("Practitioner"), "Practitioner");
        assert_eq!(other_type("VisionPrescription"), "VisionPrescription");
        assert_eq!(other_type("Jane Doe"), "unknown resource type");
        assert_eq!(other_type(""), "unknown resource type");
    }
}
