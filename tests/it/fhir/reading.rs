//! Fields that a source leaves open and the reader decides (region, time zone), and fields that may be
//! said in several ways (death, insurance, absent values).

use std::fs;

use prodrome::import::{Export, Meter, Reading, Received, RegionFrom, Timezone};
use prodrome::record::{Record, TimePrecision, Value};
use serde_json::{Value as Json, json};

use crate::support::time;

/// The record of the one patient that `resources` are about.
fn read(resources: &[Json], reading: Reading) -> Record {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = resources.iter().map(|resource| format!("{resource}\n")).collect();
    fs::write(folder.path().join("a.ndjson"), lines).unwrap();
    let export = Export { reading, ..Export::new(folder.path()) };
    let mut records = Vec::new();
    let counts = export.read(&Meter::default(), |subject| {
        records.push(subject.record);
        Received::Used
    });
    assert_eq!(counts.unwrap().read(), resources.len() as u64);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn patient(field: &str, value: Json) -> Json {
    let mut patient = json!({ "resourceType": "Patient", "id": "p" });
    patient[field] = value;
    patient
}

#[test]
fn the_region_is_the_part_of_the_address_that_was_asked_for() {
    let address = json!([{ "use": "old" }, { "postalCode": "02139-4307", "district": "Middlesex",
        "state": "MA", "country": "US" }]);
    for (name, region) in [
        ("postal-prefix", Some("021")),
        ("postal-code", Some("02139-4307")),
        ("district", Some("Middlesex")),
        ("state", Some("MA")),
        ("country", Some("US")),
        ("none", None),
    ] {
        let region_from = RegionFrom::parse(name).unwrap();
        let reading = Reading { region_from, ..Reading::default() };
        let record = read(&[patient("address", address.clone())], reading);
        assert_eq!(record.region.as_deref(), region, "{name}");
    }
    let short = read(&[patient("address", json!([{ "postalCode": "Ä1" }]))], Reading::default());
    assert_eq!(short.region.as_deref(), Some("Ä1"));
}

#[test]
fn times_without_a_zone_get_the_zone_of_the_source_and_dates_stay_days() {
    let stay = json!({ "resourceType": "Encounter", "id": "e", "status": "finished",
        "class": { "code": "IMP" }, "subject": { "reference": "Patient/p" },
        "period": { "start": "2024-01-31T23:30:00", "end": "2024-07-01T12:00:00+02:00" } });
    let condition = json!({ "resourceType": "Condition", "id": "c",
        "subject": { "reference": "Patient/p" }, "onsetDateTime": "2024-02-01",
        "recordedDate": "2024-07-02T08:00:00",
        "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "1" }] } });
    let dead = patient("deceasedDateTime", json!("2024-10-27T02:30:00"));
    let timezone = Timezone::parse("America/New_York").unwrap();
    let reading = Reading { timezone, ..Reading::default() };
    let record = read(&[dead, stay, condition], reading);
    assert_eq!(record.encounters[0].start, time("2024-02-01T04:30:00Z"));
    assert_eq!(record.encounters[0].end, Some(time("2024-07-01T10:00:00Z")));
    assert_eq!(record.events[0].time, Some(time("2024-02-01T00:00:00Z")));
    assert_eq!(record.events[0].time_precision, TimePrecision::Day);
    assert_eq!(record.events[0].recorded_time, Some(time("2024-07-02T12:00:00Z")));
    assert_eq!(record.death_time, Some(time("2024-10-27T06:30:00Z")));
}

#[test]
fn a_death_on_a_day_is_at_its_noon() {
    let died = |when: &str| {
        read(&[patient("deceasedDateTime", json!(when))], Reading::default()).death_time
    };
    assert_eq!(died("2024-03-01"), Some(time("2024-03-01T12:00:00Z")));
    assert_eq!(died("2024-03-01T05:00:00Z"), Some(time("2024-03-01T05:00:00Z")));
    assert_eq!(died("2024-03"), None);
}

#[test]
fn insurance_is_the_type_of_a_coverage_or_its_class_or_its_payor_in_words() {
    let insurance = |fields: Json| {
        let mut coverage = json!({ "resourceType": "Coverage", "id": "c", "status": "active",
            "beneficiary": { "reference": "Patient/p" }, "period": { "start": "2020-01-01" } });
        coverage.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        read(&[coverage], Reading::default()).audit_attributes.insurance
    };
    let kind = json!({ "coding": [{ "code": "PUBLICPOL", "display": "public healthcare" }] });
    let payor = json!([
        { "reference": "Patient/p", "display": "Ann Example" },
        { "display": "Bob Example" },
        { "reference": "urn:uuid:q", "display": "Cy Example" },
        { "reference": "Organization/1" },
        { "reference": "Organization/2", "display": "Medicare" }
    ]);
    let class = json!([{ "type": { "text": "plan" }, "value": "1", "name": "Gold" }]);
    let named = |words: &str| Some(words.to_owned());
    let all = json!({ "type": kind, "payor": payor, "class": class });
    assert_eq!(insurance(all), named("public healthcare"));
    assert_eq!(insurance(json!({ "payor": payor, "class": class })), named("Gold"));
    assert_eq!(insurance(json!({ "payor": payor })), named("Medicare"));
    let people = json!([payor[0], payor[1], payor[2]]);
    assert_eq!(insurance(json!({ "payor": people })), None, "a person's name is no insurance");
    assert_eq!(insurance(json!({ "type": { "text": "HMO" } })), named("HMO"));
    assert_eq!(insurance(json!({ "type": { "text": "x".repeat(101) } })), None);
    assert_eq!(insurance(json!({})), None);
}

#[test]
fn a_component_without_a_value_has_none() {
    let code = |code: &str| json!({ "coding": [{ "system": "http://loinc.org", "code": code }] });
    let panel = json!({ "resourceType": "Observation", "id": "o", "status": "final",
        "subject": { "reference": "urn:uuid:p" }, "effectiveDateTime": "2024-03-01T05:00:00Z",
        "code": code("85354-9"), "component": [
            { "code": code("8480-6"), "valueQuantity": { "value": 120 },
              "dataAbsentReason": { "text": "error" } },
            { "code": code("8462-4"), "valueQuantity": { "value": 80 } },
            { "code": { "text": "no code" }, "valueQuantity": { "value": 1 } },
        ] });
    let record = read(&[panel], Reading::default());
    let found: Vec<(&str, Option<&Value>)> =
        record.events.iter().map(|e| (e.code.code.as_str(), e.value.as_ref())).collect();
    assert_eq!(found, [("8480-6", None), ("8462-4", Some(&Value::Number(80.0)))]);
}

#[test]
fn security_labels_name_the_classes_of_events_and_stays() {
    use prodrome::access::{Classes, SensitiveClass};
    let labelled = |mut resource: Json, labels: &[&str]| {
        let label = |code: &&str| {
            json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": code, "display": "a label" })
        };
        resource["meta"] = json!({ "security": labels.iter().map(label).collect::<Vec<_>>() });
        resource
    };
    let about = json!({ "reference": "Patient/p" });
    let code = json!({ "coding": [{ "system": "http://snomed.info/sct", "code": "1" }] });
    let stay = json!({ "resourceType": "Encounter", "id": "e", "status": "finished",
        "class": { "code": "IMP" }, "subject": about, "period": { "start": "2024-01-31T23:30:00Z" } });
    let condition = json!({ "resourceType": "Condition", "id": "c", "subject": about,
        "onsetDateTime": "2024-02-01", "code": code });
    let drug = json!({ "resourceType": "MedicationRequest", "id": "d", "subject": about,
        "status": "active", "intent": "order", "authoredOn": "2024-02-03",
        "medicationReference": { "reference": "Medication/m" } });
    let medication = json!({ "resourceType": "Medication", "id": "m", "code": code });
    let pressure = json!({ "resourceType": "Observation", "id": "o", "status": "final",
        "subject": about, "effectiveDateTime": "2024-02-02T08:00:00Z", "code": code,
        "valueQuantity": { "value": 1.0 } });
    let resources = [
        json!({ "resourceType": "Patient", "id": "p" }),
        labelled(stay, &["PSY", "R"]),
        labelled(condition, &["N", "HIV"]),
        labelled(drug, &["ETH"]),
        medication,
        labelled(pressure, &["NORDSCLCD", "M"]),
    ];
    let record = read(&resources, Reading::default());
    let bundle = json!({ "resourceType": "Bundle", "type": "collection",
        "entry": resources.iter().map(|r| json!({ "resource": r })).collect::<Vec<_>>() });
    let in_bundle = prodrome::import::read_bundle(bundle.to_string().as_bytes()).unwrap().record;
    for record in [record, in_bundle] {
        let stay = [SensitiveClass::MentalHealth, SensitiveClass::Restricted];
        assert_eq!(record.encounters[0].sensitive, stay.into_iter().collect());
        let mut of_events: Vec<_> = record.events.iter().map(|e| (e.time, e.sensitive)).collect();
        of_events.sort_unstable();
        let classes: Vec<Classes> = of_events.into_iter().map(|(_, classes)| classes).collect();
        let expected = [
            Classes::of(SensitiveClass::Hiv),
            Classes::NONE,
            Classes::of(SensitiveClass::SubstanceUse),
        ];
        assert_eq!(classes, expected);
    }
}
