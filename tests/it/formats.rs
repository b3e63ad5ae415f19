//! One made-up patient in five formats: `PatientHistory`, FHIR Bundle, FHIR Bulk Data, MEDS and OMOP
//! tables. All give the same features and, bit for bit, the same probability for every shipped task,
//! but for the fields that a format cannot carry, which are named here.

use std::fs;
use std::path::Path;

use prodrome::bundle::Bundle;
use prodrome::command::{self, ConvertRequest, Source};
use prodrome::feature::extract;
use prodrome::import::{Mapping, Meter, Received, read_bundle};
use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, History, PartialDate, Period, Record, Sex,
    Value,
};
use prodrome::rpc::proto::{self, score_request};
use serde_json::{Value as Json, json};

use crate::parity::{ask, history, timestamp};
use crate::support::{read, read_export, root, shipped, time};

const INDEX: &str = "2024-03-06T15:00:00Z";
const STAY: &str = "2";

/// The patient with everything that any of the formats can say.
fn base() -> Record {
    let stay = |id: &str, class, start: &str, end: &str| {
        Encounter::new(id, class, time(start), Some(time(end)))
    };
    let mut first =
        stay("1", EncounterClass::Inpatient, "2023-11-03T18:20:00Z", "2023-11-10T13:00:00Z");
    let mut last = stay(STAY, EncounterClass::Inpatient, "2024-02-28T23:30:00Z", INDEX);
    for one in [&mut first, &mut last] {
        one.admission_type = Some("emergency".into());
        one.admission_source = Some("emd".into());
    }
    first.discharge_disposition = Some("home".into());
    last.discharge_disposition = Some("snf".into());
    let event = |kind, code: &str, at: &str, value: Option<Value>, unit: Option<&str>| {
        let mut event = Event::new(kind, Code::parse(code).unwrap(), time(at));
        event.value = value;
        event.unit = unit.map(str::to_owned);
        event.encounter_id = (kind != EventKind::Problem).then(|| STAY.to_owned());
        event
    };
    let number = |number| Some(Value::Number(number));
    let mut events = vec![
        event(EventKind::Problem, "ICD10CM//E11.9", "2019-05-02T10:00:00Z", None, None),
        event(
            EventKind::Measurement,
            "LOINC//4548-4",
            "2024-02-29T06:00:00Z",
            number(9.1),
            Some("%"),
        ),
        event(
            EventKind::Measurement,
            "LOINC//2345-7",
            "2024-02-29T06:00:00Z",
            number(13.9),
            Some("mmol/L"),
        ),
        event(
            EventKind::Measurement,
            "LOINC//2160-0",
            "2024-03-01T06:00:00Z",
            number(2.4),
            Some("mg/dL"),
        ),
        event(
            EventKind::DrugOrder,
            "RXNORM//5856",
            "2024-02-29T08:00:00Z",
            Some(Value::Coded("up".into())),
            None,
        ),
        event(EventKind::DrugOrder, "RXNORM//4603", "2024-02-29T08:00:00Z", None, None),
        event(EventKind::Procedure, "CPT//93306", "2024-03-01T10:30:00Z", None, None),
    ];
    for (rank, code) in (1..).zip(["I50.23", "E11.22", "N18.4", "J44.1"]) {
        let code = format!("ICD10CM//{code}");
        let mut diagnosis = event(EventKind::Diagnosis, &code, "2024-03-06T12:00:00Z", None, None);
        diagnosis.rank = Some(rank);
        events.push(diagnosis);
    }
    Record {
        patient_id: "7".into(),
        birth_date: PartialDate::parse("1951-07-08"),
        sex: Sex::Female,
        coverage: vec![Period { start: Some(time("2020-01-01T00:00:00Z")), end: None }],
        encounters: vec![
            stay("11", EncounterClass::Emergency, "2023-09-14T02:10:00Z", "2023-09-14T07:40:00Z"),
            first,
            stay("12", EncounterClass::Ambulatory, "2023-11-24T09:00:00Z", "2023-11-24T09:30:00Z"),
            stay("13", EncounterClass::Emergency, "2024-01-20T21:05:00Z", "2024-01-21T03:15:00Z"),
            last,
        ],
        events,
        ..Record::default()
    }
}

/// FHIR has no place for the change of a dose on an order.
fn without_dose_changes(mut record: Record) -> Record {
    let drugs = record.events.iter_mut().filter(|event| event.kind == EventKind::DrugOrder);
    drugs.for_each(|event| event.value = None);
    record
}

/// OMOP has neither a type of admission, nor ranks but the first, nor the change of a dose.
fn as_far_as_omop_goes(record: Record) -> Record {
    let mut record = without_dose_changes(record);
    for encounter in &mut record.encounters {
        encounter.admission_type = None;
    }
    for event in &mut record.events {
        event.rank = event.rank.filter(|rank| *rank == 1);
    }
    record
}

fn resources(record: &Record) -> Vec<Json> {
    let subject = json!({ "reference": "Patient/7" });
    let mut all = vec![
        json!({ "resourceType": "Patient", "id": "7", "gender": "female", "birthDate": "1951-07-08" }),
        json!({ "resourceType": "Coverage", "id": "c", "status": "active",
            "beneficiary": subject, "period": { "start": "2020-01-01" } }),
    ];
    let ranked = |place: usize| format!("dx-{place}");
    for encounter in &record.encounters {
        let coded = |code: &Option<String>| {
            code.as_ref().map(|code| json!({ "coding": [{ "code": code }] }))
        };
        let class = match encounter.class {
            EncounterClass::Inpatient => "IMP",
            EncounterClass::Emergency => "EMER",
            _ => "AMB",
        };
        let mut resource = json!({ "resourceType": "Encounter", "id": encounter.id, "status": "finished",
            "class": { "code": class }, "subject": subject,
            "period": { "start": encounter.start.to_string(), "end": encounter.end.unwrap().to_string() } });
        if encounter.admission_type.is_some() {
            resource["priority"] = json!({ "coding": [{ "code": "EM" }] });
            resource["hospitalization"] = json!({ "admitSource": coded(&encounter.admission_source),
                "dischargeDisposition": coded(&encounter.discharge_disposition) });
        }
        if encounter.id == STAY {
            let diagnoses =
                record.events.iter().enumerate().filter(|(_, event)| event.rank.is_some());
            let listed = diagnoses.map(|(place, event)| {
                json!({ "condition": { "reference": format!("Condition/{}", ranked(place)) }, "rank": event.rank })
            });
            resource["diagnosis"] = Json::Array(listed.collect());
        }
        all.push(resource);
    }
    for (place, event) in record.events.iter().enumerate() {
        let system = match event.code.system.as_str() {
            "ICD10CM" => "http://hl7.org/fhir/sid/icd-10-cm",
            "LOINC" => "http://loinc.org",
            "RXNORM" => "http://www.nlm.nih.gov/research/umls/rxnorm",
            _ => "http://www.ama-assn.org/go/cpt",
        };
        let (id, at) = (ranked(place), event.time.unwrap().to_string());
        let code = json!({ "coding": [{ "system": system, "code": event.code.code }] });
        let encounter =
            event.encounter_id.as_ref().map(|id| json!({ "reference": format!("Encounter/{id}") }));
        all.push(match event.kind {
            EventKind::Problem | EventKind::Diagnosis => {
                let category = match event.kind {
                    EventKind::Problem => "problem-list-item",
                    _ => "encounter-diagnosis",
                };
                json!({ "resourceType": "Condition", "id": id, "subject": subject, "encounter": encounter,
                    "code": code, "onsetDateTime": at, "category": [{ "coding": [{ "code": category }] }] })
            }
            EventKind::Measurement => {
                let Some(Value::Number(number)) = event.value else { panic!("no number") };
                json!({ "resourceType": "Observation", "id": id, "subject": subject, "encounter": encounter,
                    "status": "final", "code": code, "effectiveDateTime": at,
                    "valueQuantity": { "value": number, "unit": event.unit } })
            }
            EventKind::DrugOrder => json!({ "resourceType": "MedicationRequest", "id": id, "subject": subject,
                "encounter": encounter, "status": "active", "intent": "order",
                "medicationCodeableConcept": code, "authoredOn": at }),
            _ => json!({ "resourceType": "Procedure", "id": id, "subject": subject, "encounter": encounter,
                "status": "completed", "code": code, "performedDateTime": at }),
        });
    }
    all
}

const PERSON: &str =
    "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth\n7,8532,1951,7,8\n";
const OBSERVATION_PERIOD: &str = "observation_period_id,person_id,observation_period_start_date,observation_period_end_date,period_type_concept_id\n1,7,2020-01-01,2030-12-31,32817\n";
const VISITS: &str = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,visit_end_datetime,admitted_from_concept_id,discharged_to_concept_id
11,7,9203,2023-09-14,2023-09-14 02:10:00,2023-09-14,2023-09-14 07:40:00,0,0
1,7,9201,2023-11-03,2023-11-03 18:20:00,2023-11-10,2023-11-10 13:00:00,8870,8536
12,7,9202,2023-11-24,2023-11-24 09:00:00,2023-11-24,2023-11-24 09:30:00,0,0
13,7,9203,2024-01-20,2024-01-20 21:05:00,2024-01-21,2024-01-21 03:15:00,0,0
2,7,9201,2024-02-28,2024-02-28 23:30:00,2024-03-06,2024-03-06 15:00:00,8870,8863
";
const CONDITIONS: &str = "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_start_datetime,condition_type_concept_id,condition_status_concept_id,visit_occurrence_id,condition_source_concept_id
1,7,0,2019-05-02,2019-05-02 10:00:00,32840,0,,101
2,7,0,2024-03-06,2024-03-06 12:00:00,32817,32903,2,102
3,7,0,2024-03-06,2024-03-06 12:00:00,32817,0,2,103
4,7,0,2024-03-06,2024-03-06 12:00:00,32817,0,2,104
5,7,0,2024-03-06,2024-03-06 12:00:00,32817,0,2,105
";
const MEASUREMENTS: &str = "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,operator_concept_id,value_as_number,value_as_concept_id,unit_concept_id,visit_occurrence_id,measurement_source_concept_id
1,7,201,2024-02-29,2024-02-29 06:00:00,4172703,9.1,0,8554,2,0
2,7,202,2024-02-29,2024-02-29 06:00:00,0,13.9,0,8753,2,0
3,7,203,2024-03-01,2024-03-01 06:00:00,0,2.4,0,8840,2,0
";
const DRUGS: &str = "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,drug_exposure_start_datetime,drug_type_concept_id,visit_occurrence_id,drug_source_concept_id
1,7,301,2024-02-29,2024-02-29 08:00:00,32838,2,0
2,7,302,2024-02-29,2024-02-29 08:00:00,32838,2,0
";
const PROCEDURES: &str = "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,procedure_datetime,visit_occurrence_id,procedure_source_concept_id
1,7,401,2024-03-01,2024-03-01 10:30:00,2,0
";
const CONCEPTS: &str = "concept_id\tvocabulary_id\tconcept_code
101\tICD10CM\tE11.9
102\tICD10CM\tI50.23
103\tICD10CM\tE11.22
104\tICD10CM\tN18.4
105\tICD10CM\tJ44.1
201\tLOINC\t4548-4
202\tLOINC\t2345-7
203\tLOINC\t2160-0
301\tRxNorm\t5856
302\tRxNorm\t4603
401\tCPT4\t93306
8554\tUCUM\t%
8753\tUCUM\tmmol/L
8840\tUCUM\tmg/dL
";

/// The features of the patient at the index time, and the bits of the probability.
fn answer(bundle: &Bundle, record: &Record) -> (String, u64) {
    let known_after = &bundle.task().params().known_after;
    let built = History::build(record, bundle.concepts(), known_after).unwrap();
    let facts = extract(&built.history.view(time(INDEX)), bundle.task().spec(), false);
    let score = prodrome::score::score(bundle, &built.history, time(INDEX), 0).unwrap();
    // As text, because a missing value is NaN, which equals nothing.
    (format!("{facts:?}"), score.probability.unwrap().to_bits())
}

fn only(folder: &Path, mapping: Option<&Mapping>) -> Record {
    let mut records = Vec::new();
    let mut each = |subject: prodrome::import::Subject| {
        records.push(subject.record);
        Received::Used
    };
    let counts = match mapping {
        Some(mapping) => read(folder, mapping, &mut each),
        None => read_export(folder, &mut each),
    };
    let counts = counts.unwrap();
    assert_eq!(counts.quarantined(), 0, "{:?}", counts.examples());
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// The bits that the server answers with.
async fn served(record: score_request::Record) -> u64 {
    let request = proto::ScoreRequest {
        record: Some(record),
        prediction_time: Some(timestamp(time(INDEX))),
        ..proto::ScoreRequest::default()
    };
    ask(vec![request]).await.remove(0).unwrap()
}

#[tokio::test]
async fn one_patient_in_five_formats_is_one_patient() {
    let bundle = shipped();
    let (plain, folder) = (base(), tempfile::tempdir().unwrap());
    let all = served(score_request::Record::History(history(&plain))).await;
    assert_eq!(all, answer(bundle, &plain).1, "PatientHistory");
    let expected = answer(bundle, &without_dose_changes(plain.clone()));
    let sent =
        served(score_request::Record::History(history(&without_dose_changes(plain.clone()))));
    assert_eq!(sent.await, expected.1, "PatientHistory");
    let bulk = folder.path().join("bulk");
    fs::create_dir(&bulk).unwrap();
    let resources = resources(&plain);
    let lines: String = resources.iter().map(|resource| format!("{resource}\n")).collect();
    fs::write(bulk.join("all.ndjson"), lines).unwrap();
    assert_eq!(answer(bundle, &only(&bulk, None)), expected, "FHIR Bulk Data");

    let entries: Vec<Json> = resources.iter().map(|one| json!({ "resource": one })).collect();
    let json = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    let json = serde_json::to_vec(&json).unwrap();
    assert_eq!(answer(bundle, &read_bundle(&json).unwrap().record), expected, "FHIR Bundle");
    let sent = served(score_request::Record::FhirBundleJson(json));
    assert_eq!(sent.await, expected.1, "FHIR Bundle");

    let meds = folder.path().join("meds");
    let request = ConvertRequest { source: Source::new(bulk), out: meds.clone(), keep_ids: true };
    command::convert(&request, &Meter::default()).unwrap();
    assert_eq!(answer(bundle, &only(&meds, None)), expected, "MEDS");

    let omop = folder.path().join("omop");
    fs::create_dir(&omop).unwrap();
    for (name, text) in [
        ("person", PERSON),
        ("observation_period", OBSERVATION_PERIOD),
        ("visit_occurrence", VISITS),
        ("condition_occurrence", CONDITIONS),
        ("measurement", MEASUREMENTS),
        ("drug_exposure", DRUGS),
        ("procedure_occurrence", PROCEDURES),
        ("CONCEPT", CONCEPTS),
    ] {
        fs::write(omop.join(format!("{name}.csv")), text).unwrap();
    }
    let mapping = fs::read_to_string(root().join("models/mappings/omop54.toml")).unwrap();
    let record = only(&omop, Some(&Mapping::parse(&mapping).unwrap()));
    assert_eq!(answer(bundle, &record), answer(bundle, &as_far_as_omop_goes(plain)), "OMOP");
}
