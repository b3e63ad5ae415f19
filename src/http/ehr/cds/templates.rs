//! What a service asks the EHR to send along: what its tasks look at, and no more.

use std::collections::BTreeSet;

use super::hook::Hook;
use super::request::HookRequest;
use crate::bundle::Bundle;
use crate::feature::{LearnedFrom, ObservedBy, Source};
use crate::record::{Code, Concept, ConceptSet, EventKind};
use crate::task::{Hit, PartRule, Rule, Task};

/// The longest template, in bytes: EHRs put it into an address.
const TEMPLATE_BYTES_MAX: usize = 1_500;
const PATIENT: &str = "{{context.patientId}}";
const ENCOUNTER: &str = "{{context.encounterId}}";
/// Panels whose parts carry the values, each with the codes of its parts: blood pressure.
const PANELS: [(&[&str], &[&str]); 1] =
    [(&["8480-6", "8462-4"], &["85354-9", "55284-4", "35094-2"])];

/// One part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Patient,
    Encounter,
    Encounters,
    Coverage,
    Conditions,
    Procedures,
    Observations,
    MedicationRequests,
    MedicationDispenses,
    MedicationAdministrations,
    Allergies,
    Immunizations,
}

impl Key {
    /// Its prefetch key.
    pub(super) fn name(self) -> &'static str {
        match self {
            Key::Patient => "patient",
            Key::Encounter => "encounter",
            Key::Encounters => "encounters",
            Key::Coverage => "coverage",
            Key::Conditions => "conditions",
            Key::Procedures => "procedures",
            Key::Observations => "observations",
            Key::MedicationRequests => "medicationRequests",
            Key::MedicationDispenses => "medicationDispenses",
            Key::MedicationAdministrations => "medicationAdministrations",
            Key::Allergies => "allergies",
            Key::Immunizations => "immunizations",
        }
    }

    /// The type of the resources that it holds.
    pub(super) fn resource_type(self) -> &'static str {
        match self {
            Key::Patient => "Patient",
            Key::Encounter | Key::Encounters => "Encounter",
            Key::Coverage => "Coverage",
            Key::Conditions => "Condition",
            Key::Procedures => "Procedure",
            Key::Observations => "Observation",
            Key::MedicationRequests => "MedicationRequest",
            Key::MedicationDispenses => "MedicationDispense",
            Key::MedicationAdministrations => "MedicationAdministration",
            Key::Allergies => "AllergyIntolerance",
            Key::Immunizations => "Immunization",
        }
    }

    /// Whether a score without it would be one of another patient than the EHR's record shows. What many
    /// EHRs do not keep at all may be missing: the score then says how far the data suffice.
    pub(super) fn is_required(self) -> bool {
        match self {
            Key::Patient
            | Key::Encounter
            | Key::Encounters
            | Key::Conditions
            | Key::Procedures
            | Key::Observations
            | Key::MedicationRequests => true,
            Key::Coverage
            | Key::MedicationDispenses
            | Key::MedicationAdministrations
            | Key::Allergies
            | Key::Immunizations => false,
        }
    }

    fn of_kind(kind: EventKind) -> Option<Key> {
        match kind {
            EventKind::Diagnosis | EventKind::Problem => Some(Key::Conditions),
            EventKind::Procedure => Some(Key::Procedures),
            EventKind::Measurement => Some(Key::Observations),
            EventKind::DrugOrder => Some(Key::MedicationRequests),
            EventKind::DrugDispensed => Some(Key::MedicationDispenses),
            EventKind::DrugGiven => Some(Key::MedicationAdministrations),
            EventKind::Allergy => Some(Key::Allergies),
            EventKind::Immunization => Some(Key::Immunizations),
            EventKind::Other => None,
        }
    }
}

/// A question that an EHR answers in advance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) key: Key,
    /// With `{{context...}}` where the ids of a call go.
    pub(super) query: String,
}

impl Template {
    /// The question of one call, its characters escaped as an address needs it.
    pub(super) fn fill(&self, request: &HookRequest<'_>) -> String {
        let encounter = request.encounter_id.as_deref().unwrap_or_default();
        // FHIR ids hold nothing that an address would read otherwise.
        let query = self.query.replace(PATIENT, &request.patient_id).replace(ENCOUNTER, encounter);
        escaped(&query)
    }
}

/// A query whose characters mean in an address what they mean here.
fn escaped(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'?' | b'&' | b'=' | b',' | b':' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// What the service of `hook` asks for, given the models in service of the tasks that it scores.
pub(super) fn templates(hook: Hook, bundles: &[&Bundle]) -> Vec<Template> {
    let mut needs = Needs::default();
    for bundle in bundles {
        needs.add(bundle.task(), bundle.concepts());
    }
    let of = |key, query: String| Template { key, query };
    let mut found = vec![of(Key::Patient, format!("Patient/{PATIENT}"))];
    if hook == Hook::EncounterDischarge {
        found.push(of(Key::Encounter, format!("Encounter/{ENCOUNTER}")));
    }
    let search = |kind, rest| format!("{kind}?patient={PATIENT}{rest}");
    found.push(of(Key::Encounters, search("Encounter", "&_sort=-date&_count=250")));
    found.push(of(Key::Coverage, search("Coverage", "&_count=50")));
    for key in needs.keys.iter().copied() {
        let query = match key {
            Key::Patient | Key::Encounter | Key::Encounters | Key::Coverage => continue,
            Key::Conditions => search("Condition", "&_count=500"),
            Key::Procedures => search("Procedure", "&_sort=-date&_count=500"),
            Key::Observations => needs.observations(),
            Key::MedicationRequests => search("MedicationRequest", "&_count=500"),
            Key::MedicationDispenses => search("MedicationDispense", "&_count=500"),
            Key::MedicationAdministrations => search("MedicationAdministration", "&_count=500"),
            Key::Allergies => search("AllergyIntolerance", "&_count=100"),
            Key::Immunizations => search("Immunization", "&_count=250"),
        };
        found.push(of(key, query));
    }
    found
}

/// What tasks look at.
#[derive(Debug, Default)]
struct Needs {
    keys: BTreeSet<Key>,
    /// The codes of measurements, as URI of the system and code.
    codes: BTreeSet<(String, String)>,
    /// Whether all measurements count, or some whose codes cannot be listed.
    all_observations: bool,
}

impl Needs {
    fn add(&mut self, task: &Task, concepts: &ConceptSet) {
        for concept in task.concepts().into_iter().filter_map(|id| concepts.get(id)) {
            self.add_concept(concept);
        }
        for feature in task.spec().features() {
            if let Some(ObservedBy { kinds, .. }) = &feature.observed_by {
                self.add_kinds(kinds);
            }
            self.add_source(&feature.source);
        }
        for criterion in task.include().iter().chain(task.exclude()) {
            if let Rule::Event { kinds, .. } = &criterion.rule {
                self.add_listed(kinds);
            }
        }
        for part in task.outcome() {
            let PartRule::Events(events) = &part.rule else { continue };
            for hit in &events.any {
                if let Hit::Event { kinds, .. } = hit {
                    self.add_listed(kinds);
                }
            }
        }
    }

    fn add_source(&mut self, source: &Source) {
        use EventKind::{Diagnosis, DrugDispensed, DrugGiven, DrugOrder, Problem, Procedure};
        match source {
            Source::StayCount { counted, .. } => self.add_kinds(&counted.kinds),
            Source::DistinctCodes { kinds, .. } => self.add_kinds(kinds),
            Source::Concepts { kinds, missing_without_any, .. }
            | Source::ConceptCount { kinds, missing_without_any, .. } => {
                match missing_without_any {
                    true => self.add_kinds(kinds),
                    false => self.add_listed(kinds),
                }
            }
            Source::DrugChanges { .. } => self.add_kinds(&[DrugOrder, DrugDispensed, DrugGiven]),
            Source::Learned { of, .. } => match of {
                LearnedFrom::DiagnosisCategory | LearnedFrom::PrincipalCategory => {
                    self.add_kinds(&[Diagnosis, Problem]);
                }
                LearnedFrom::Procedure => self.add_kinds(&[Procedure]),
                LearnedFrom::Drug => self.add_kinds(&[DrugOrder, DrugDispensed, DrugGiven]),
                LearnedFrom::Service => {}
            },
            Source::Age
            | Source::Sex
            | Source::StayDays
            | Source::StayCode { .. }
            | Source::Encounters { .. }
            | Source::DaysSinceEncounter { .. }
            | Source::Events { .. }
            | Source::DaysSinceEvent { .. }
            | Source::Measurement(_)
            | Source::Published { .. }
            | Source::CodedCount { .. }
            | Source::CodedLevels { .. } => {}
        }
    }

    /// All events of the kinds count, whatever their codes.
    fn add_kinds(&mut self, kinds: &[EventKind]) {
        self.add_listed(kinds);
        self.all_observations |= kinds.contains(&EventKind::Measurement);
    }

    /// Events of the kinds count by codes that are known from their concepts.
    fn add_listed(&mut self, kinds: &[EventKind]) {
        self.keys.extend(kinds.iter().copied().filter_map(Key::of_kind));
    }

    /// What resources a concept's codes stand in, by their systems.
    fn add_concept(&mut self, concept: &Concept) {
        if let Some(rule) = &concept.count {
            self.add_kinds(&rule.kinds);
        }
        let systems = concept.systems();
        for system in &systems {
            match system.as_str() {
                "ICD9CM" | "ICD10CM" | "ICD10" => self.add_listed(&[EventKind::Diagnosis]),
                "CPT" | "HCPCS" | "ICD10PCS" | "ICD9PCS" => {
                    self.add_listed(&[EventKind::Procedure])
                }
                "RXNORM" | "ATC" => {
                    use EventKind::{DrugDispensed, DrugGiven, DrugOrder};
                    self.add_listed(&[DrugOrder, DrugDispensed, DrugGiven]);
                }
                // By itself it does not say of what resource its codes are.
                "SNOMED" if systems.len() == 1 => self.add_listed(&[EventKind::Diagnosis]),
                _ => {}
            }
        }
        if concept.unit.is_some() || systems.contains("LOINC") {
            self.add_codes(concept);
        }
    }

    fn add_codes(&mut self, concept: &Concept) {
        for pattern in &concept.codes {
            let Some(code) = Code::parse(pattern.trim_end_matches('*')) else { continue };
            let is_own = code.system.contains(':');
            let uri = Code::uri_of(&code.system).or(is_own.then_some(code.system.as_str()));
            let Some(uri) = uri else { continue };
            // The beginning of codes cannot be asked for.
            self.all_observations |= pattern.ends_with('*');
            self.keys.insert(Key::Observations);
            self.codes.insert((uri.to_owned(), code.code));
        }
    }

    /// The question for measurements: by code where the codes fit, with or without their systems, else by
    /// category.
    fn observations(&self) -> String {
        let ask =
            |filter: &str| format!("Observation?patient={PATIENT}{filter}&_sort=-date&_count=500");
        if self.all_observations || self.codes.is_empty() {
            return ask("");
        }
        let mut codes: Vec<(&str, &str)> =
            self.codes.iter().map(|(uri, code)| (uri.as_str(), code.as_str())).collect();
        let has = |code: &&&str| self.codes.iter().any(|(_, known)| known == **code);
        for (parts, panels) in PANELS {
            if parts.iter().any(|part| has(&part)) {
                codes.extend(panels.iter().map(|panel| ("http://loinc.org", *panel)));
            }
        }
        codes.sort_unstable();
        codes.dedup();
        let with_systems: Vec<String> =
            codes.iter().map(|(uri, code)| format!("{uri}|{code}")).collect();
        let plain: Vec<&str> = codes.iter().map(|(_, code)| *code).collect();
        let by_code = [with_systems.join(","), plain.join(",")];
        let mut by_code = by_code.iter().map(|list| ask(&format!("&code={list}")));
        let fitting = by_code.find(|query| query.len() <= TEMPLATE_BYTES_MAX);
        fitting.unwrap_or_else(|| ask("&category=vital-signs,laboratory,social-history,survey"))
    }
}
