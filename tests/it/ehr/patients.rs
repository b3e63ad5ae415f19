//! Patients of our own making, as an EHR has them: one who comes back often and lies in hospital now,
//! and one whom nothing ails.

use prodrome::record::Time;
use prodrome::rpc::now;
use serde_json::{Value as Json, json};

pub(crate) const PATIENT: &str = "pat-1";
pub(crate) const STAY: &str = "stay-0";

fn at(days_ago: i64) -> String {
    let time: Time = now().plus_days(-days_ago);
    time.to_string()
}

fn about(mut resource: Json) -> Json {
    let field =
        if resource["resourceType"] == "AllergyIntolerance" { "patient" } else { "subject" };
    resource[field] = json!({ "reference": format!("Patient/{PATIENT}") });
    resource
}

fn encounter(id: &str, class: &str, from: i64, until: Option<i64>) -> Json {
    let mut period = json!({ "start": at(from) });
    if let Some(until) = until {
        period["end"] = json!(at(until));
    }
    about(json!({ "resourceType": "Encounter", "id": id,
        "status": if until.is_some() { "finished" } else { "in-progress" },
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class },
        "period": period,
        "hospitalization": { "admitSource": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/admit-source", "code": "emd" }] } } }))
}

fn condition(id: &str, code: &str, days_ago: i64, encounter: &str) -> Json {
    about(json!({ "resourceType": "Condition", "id": id, "recordedDate": at(days_ago),
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-category",
            "code": "encounter-diagnosis" }] }],
        "encounter": { "reference": format!("Encounter/{encounter}") },
        "code": { "coding": [{ "system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code }] } }))
}

fn observation(id: &str, code: &str, value: f64, unit: &str, days_ago: i64) -> Json {
    about(json!({ "resourceType": "Observation", "id": id, "status": "final",
        "effectiveDateTime": at(days_ago),
        "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
        "valueQuantity": { "value": value, "unit": unit, "code": unit,
            "system": "http://unitsofmeasure.org" } }))
}

fn person(birth_date: &str) -> Json {
    json!({ "resourceType": "Patient", "id": PATIENT, "gender": "male", "birthDate": birth_date,
        "name": [{ "family": "Zzyzx-Marker", "given": ["Quillon"] }] })
}

/// Somebody of 84 with a weak heart, in hospital for nine days, for the sixth time this year.
pub(crate) fn often_here() -> Vec<Json> {
    let mut all = vec![person("1942-01-05"), encounter(STAY, "IMP", 9, None)];
    for (stay, days_ago) in [15, 60, 110, 160, 220, 290].into_iter().enumerate() {
        let id = format!("stay-{}", stay + 1);
        all.push(encounter(&id, "IMP", days_ago + 8, Some(days_ago)));
        all.push(condition(&format!("hf-{stay}"), "I50.9", days_ago, &id));
        all.push(encounter(&format!("er-{stay}"), "EMER", days_ago + 9, Some(days_ago + 8)));
    }
    for (number, code) in
        ["I50.23", "J44.1", "N18.4", "E11.22", "C34.90", "F32.9", "I10", "E43"].iter().enumerate()
    {
        all.push(condition(&format!("dx-{number}"), code, 8, STAY));
    }
    for (number, (code, value, unit)) in [
        ("718-7", 8.1, "g/dL"),
        ("2951-2", 128.0, "mmol/L"),
        ("2160-0", 2.9, "mg/dL"),
        ("8480-6", 152.0, "mm[Hg]"),
        ("8462-4", 91.0, "mm[Hg]"),
        ("4548-4", 9.4, "%"),
    ]
    .into_iter()
    .enumerate()
    {
        all.push(observation(&format!("lab-{number}"), code, value, unit, 1));
    }
    for (number, code) in ["5856", "4603", "20352", "6809"].iter().enumerate() {
        all.push(about(json!({ "resourceType": "MedicationRequest", "id": format!("rx-{number}"),
            "status": "active", "intent": "order", "authoredOn": at(5),
            "medicationCodeableConcept": { "coding": [{
                "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code }] } })));
    }
    all
}

/// Somebody of 25 with a broken ankle, in hospital for the first time, since yesterday.
pub(crate) fn hardly_ill() -> Vec<Json> {
    vec![
        person("2001-06-30"),
        encounter(STAY, "IMP", 1, None),
        condition("dx-0", "S82.64XA", 1, STAY),
        observation("lab-0", "718-7", 14.9, "g/dL", 1),
        observation("lab-1", "2951-2", 140.0, "mmol/L", 1),
        observation("lab-2", "2160-0", 0.8, "mg/dL", 1),
        observation("lab-3", "8480-6", 118.0, "mm[Hg]", 1),
        observation("lab-4", "8462-4", 74.0, "mm[Hg]", 1),
    ]
}

pub(crate) fn bundle(kind: &str, resources: &[Json]) -> Json {
    let entry: Vec<Json> = resources.iter().map(|each| json!({ "resource": each })).collect();
    json!({ "resourceType": "Bundle", "type": kind, "entry": entry })
}

/// The answer to a search for one type.
pub(crate) fn found(resources: &[Json], kind: &str) -> Json {
    let of_kind: Vec<Json> =
        resources.iter().filter(|each| each["resourceType"] == kind).cloned().collect();
    bundle("searchset", &of_kind)
}

/// What the templates of a service name each type.
pub(crate) const SEARCHES: [(&str, &str); 10] = [
    ("encounters", "Encounter"),
    ("coverage", "Coverage"),
    ("conditions", "Condition"),
    ("procedures", "Procedure"),
    ("observations", "Observation"),
    ("medicationRequests", "MedicationRequest"),
    ("medicationDispenses", "MedicationDispense"),
    ("medicationAdministrations", "MedicationAdministration"),
    ("allergies", "AllergyIntolerance"),
    ("immunizations", "Immunization"),
];

/// All that a service asks for.
pub(crate) fn prefetch(resources: &[Json]) -> Json {
    let mut all = json!({ "patient": resources[0], "encounter": resources[1] });
    for (key, kind) in SEARCHES {
        all[key] = found(resources, kind);
    }
    all
}

/// A call of the discharge service with everything prefetched.
pub(crate) fn discharge(resources: &[Json]) -> Json {
    json!({ "hook": "encounter-discharge", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": { "userId": "Practitioner/7", "patientId": PATIENT, "encounterId": STAY },
        "prefetch": prefetch(resources) })
}

/// A call of the service for a patient's record, with everything prefetched.
pub(crate) fn view(resources: &[Json]) -> Json {
    let mut call = discharge(resources);
    call["hook"] = json!("patient-view");
    call["context"] = json!({ "userId": "Practitioner/7", "patientId": PATIENT });
    call["prefetch"].as_object_mut().unwrap().remove("encounter");
    call
}
