//! References to what a record came from: patient, encounters and the events behind reasons.

use super::element::{Identifier, Reference};
use super::id::is_id;
use crate::record::{Event, EventKind, Evidence, Record};

/// Where the resources of a record are, for what came under other names than their ids: what is not
/// named here is referred to by type and id.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Such as `Patient/4711` or `urn:uuid:...`.
    pub patient: Option<String>,
    /// By the places of the events in the record.
    pub events: Vec<Option<String>>,
    /// By the places of the encounters in the record.
    pub encounters: Vec<Option<String>>,
}

impl References {
    fn of_event(&self, place: usize) -> Option<&str> {
        self.events.get(place)?.as_deref()
    }

    fn of_encounter(&self, place: usize) -> Option<&str> {
        self.encounters.get(place)?.as_deref()
    }
}

/// The patient, who always has a name.
pub(super) fn patient(patient_id: &str, given: Option<&References>) -> Reference {
    match given.and_then(|given| given.patient.as_deref()) {
        Some(reference) => literal(reference),
        None => named(Some("Patient"), patient_id),
    }
}

/// The resource of a fact; `None` for what has no name of its own in the source.
pub(super) fn fact(
    fact: &Evidence,
    record: &Record,
    given: Option<&References>,
) -> Option<Reference> {
    match *fact {
        Evidence::Event { index, .. } => event(index, record.events.get(index)?, given),
        Evidence::Encounter { index, .. } => encounter(index, record, given),
    }
}

/// The encounter at that place in the record; `None` for one that stands for a mere count.
pub(super) fn encounter(
    place: usize,
    record: &Record,
    given: Option<&References>,
) -> Option<Reference> {
    let encounter = record.encounters.get(place).filter(|encounter| !encounter.synthetic)?;
    if let Some(reference) = given.and_then(|given| given.of_encounter(place)) {
        return Some(literal(reference));
    }
    has_name(&encounter.id).then(|| named(Some("Encounter"), &encounter.id))
}

fn event(place: usize, event: &Event, given: Option<&References>) -> Option<Reference> {
    if let Some(reference) = given.and_then(|given| given.of_event(place)) {
        return Some(literal(reference));
    }
    let id = event.id.as_deref().filter(|id| has_name(id))?;
    Some(named(kind_of(event.kind), id))
}

/// The type of the resource that an event of this kind is read from.
fn kind_of(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Diagnosis | EventKind::Problem => Some("Condition"),
        EventKind::Procedure => Some("Procedure"),
        // The components of an observation bear its id: they are all one resource.
        EventKind::Measurement => Some("Observation"),
        EventKind::DrugOrder => Some("MedicationRequest"),
        EventKind::DrugDispensed => Some("MedicationDispense"),
        EventKind::DrugGiven => Some("MedicationAdministration"),
        EventKind::Allergy => Some("AllergyIntolerance"),
        EventKind::Immunization => Some("Immunization"),
        EventKind::Other => None,
    }
}

fn has_name(id: &str) -> bool {
    !id.trim().is_empty()
}

fn literal(reference: &str) -> Reference {
    Reference { reference: Some(reference.to_owned()), ..Reference::default() }
}

/// By type and id where both are such as FHIR takes them, else by what the source calls it.
fn named(kind: Option<&'static str>, id: &str) -> Reference {
    match kind {
        Some(kind) if is_id(id) => literal(&format!("{kind}/{id}")),
        _ => Reference {
            kind: kind.map(Into::into),
            identifier: Some(Identifier { system: None, value: id.to_owned() }),
            ..Reference::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Code, Encounter, EncounterClass, Time, TimePrecision};

    const TIME: Time = Time::from_micros(0);

    fn record(kind: EventKind, id: Option<&str>) -> Record {
        let mut event = Event::new(kind, Code::new("LOINC", "718-7"), TIME);
        event.id = id.map(str::to_owned);
        let encounter = |id| Encounter::new(id, EncounterClass::Inpatient, TIME, None);
        let mut counted = encounter("counted");
        counted.synthetic = true;
        let encounters = vec![encounter("stay_1"), encounter("stay-2"), counted, encounter(" ")];
        Record { events: vec![event], encounters, ..Record::default() }
    }

    fn of_event(kind: EventKind, id: Option<&str>, given: Option<&References>) -> Option<String> {
        let evidence = Evidence::Event { index: 0, time: TIME, precision: TimePrecision::Instant };
        let found = fact(&evidence, &record(kind, id), given)?;
        assert!(found.reference.is_some() != found.identifier.is_some(), "one way, not both");
        found.reference.or(found.identifier.map(|identifier| identifier.value))
    }

    #[test]
    fn an_event_is_referred_to_as_far_as_it_has_a_name() {
        for (kind, reference) in [
            (EventKind::Diagnosis, "Condition/a"),
            (EventKind::Problem, "Condition/a"),
            (EventKind::Procedure, "Procedure/a"),
            (EventKind::Measurement, "Observation/a"),
            (EventKind::DrugOrder, "MedicationRequest/a"),
            (EventKind::DrugDispensed, "MedicationDispense/a"),
            (EventKind::DrugGiven, "MedicationAdministration/a"),
            (EventKind::Allergy, "AllergyIntolerance/a"),
            (EventKind::Immunization, "Immunization/a"),
            (EventKind::Other, "a"),
        ] {
            assert_eq!(of_event(kind, Some("a"), None).as_deref(), Some(reference));
        }
        let problem = EventKind::Problem;
        assert_eq!(of_event(problem, Some("no id_"), None).as_deref(), Some("no id_"));
        for nothing in [None, Some(""), Some("  ")] {
            assert_eq!(of_event(problem, nothing, None), None);
        }
        let events = vec![Some("urn:uuid:7".to_owned())];
        let given = References { events, ..References::default() };
        assert_eq!(of_event(problem, None, Some(&given)).as_deref(), Some("urn:uuid:7"));
    }

    #[test]
    fn encounters_and_patients_are_referred_to_in_the_same_way() {
        let record = record(EventKind::Other, None);
        let of = |place| encounter(place, &record, None);
        assert_eq!(of(1).unwrap().reference.as_deref(), Some("Encounter/stay-2"));
        let odd = of(0).unwrap();
        assert_eq!((odd.reference, odd.kind.as_deref()), (None, Some("Encounter")));
        assert_eq!(odd.identifier.unwrap().value, "stay_1");
        assert_eq!((of(2), of(3), of(4)), (None, None, None), "a count, a blank, no such place");
        assert_eq!(patient("p", None).reference.as_deref(), Some("Patient/p"));
        assert_eq!(patient("p 1", None).identifier.unwrap().value, "p 1");
        let given = References { patient: Some("Patient/9".into()), ..References::default() };
        assert_eq!(patient("p", Some(&given)).reference.as_deref(), Some("Patient/9"));
    }
}
