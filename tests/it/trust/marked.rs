//! Messages in which everything that may tell of a patient is marked.

use prodrome::rpc::proto::{self, score_request::Record};
use prost::bytes::Bytes;
use serde_json::json;

use super::marks::Marks;
use crate::serve::process::framed;

/// When the marked patient came in, in seconds since 1970: 2024-03-01T09:46:57Z.
const ADMITTED: i64 = 1_709_286_417;

/// A patient of whom everything is marked.
pub(super) fn history(marks: &Marks) -> proto::PatientHistory {
    let at = |seconds: i64| Some(prost_types::Timestamp { seconds: ADMITTED + seconds, nanos: 0 });
    let word = |place: &str| marks.word(place);
    for form in ["1709286417", "2024-03-01T09:46:57"] {
        marks.text(form);
    }
    let stay = proto::Encounter {
        id: word("stayid"),
        class: "IMP".into(),
        start: at(0),
        end: at(4 * 86_400),
        admission_type: word("admissiontype"),
        admission_source: word("admissionsource"),
        discharge_disposition: word("disposition"),
        service: word("service"),
        facility: word("facility"),
        ..Default::default()
    };
    let event = |kind: proto::EventKind, name: &str, system: &str, code: String| proto::Event {
        id: word(&format!("id{name}")),
        kind: kind.into(),
        time: at(3_600),
        system: system.into(),
        code,
        encounter_id: word("stayid"),
        ..Default::default()
    };
    use proto::EventKind::{Allergy, Diagnosis, DrugOrder, Measurement, Other, Procedure};
    use proto::event::Value::{Coded, Number, Text};
    let diabetes = event(Diagnosis, "diabetes", "ICD10CM", "E11.9".into());
    let number = proto::Event {
        value: Some(Number(marks.text("7391.468213").parse().unwrap())),
        unit: word("unit"),
        ..event(Measurement, "number", "LOINC", "718-7".into())
    };
    let compared = proto::Event {
        value: Some(Number(12.0)),
        comparator: "<".into(),
        ..event(Measurement, "compared", "LOINC", "2951-2".into())
    };
    let coded = proto::Event {
        value: Some(Coded(word("coded"))),
        ..event(Measurement, "coded", "LOINC", word("loinc"))
    };
    let text = proto::Event {
        value: Some(Text(format!("{} was seen by {}", word("note"), word("doctor")))),
        status: word("status"),
        ..event(Other, "text", &word("system"), word("code"))
    };
    let events = vec![
        diabetes,
        number,
        compared,
        coded,
        text,
        event(DrugOrder, "drug", "RXNORM", word("drug")),
        event(Procedure, "procedure", "CPT", word("procedure")),
        event(Allergy, "allergy", "SNOMED", word("allergy")),
    ];
    proto::PatientHistory {
        patient_id: word("patient"),
        birth_date: marks.text("1931-07-23"),
        sex: proto::Sex::Female.into(),
        region: word("region"),
        coverage: vec![proto::Period { start: at(-86_400 * 900), end: at(86_400 * 9) }],
        encounters: vec![stay],
        events,
        audit_attributes: Some(proto::AuditAttributes {
            race: word("race"),
            ethnicity: word("ethnicity"),
            language: word("language"),
            insurance: word("insurance"),
            gender_identity: word("gender"),
        }),
        ..Default::default()
    }
}

pub(super) fn score_request(marks: &Marks, history: proto::PatientHistory) -> proto::ScoreRequest {
    let seconds = ADMITTED + 4 * 86_400 + 1_800;
    proto::ScoreRequest {
        request_id: marks.word("request"),
        record: Some(Record::History(history)),
        prediction_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    }
}

/// The same patient as a FHIR Bundle; `start` is when the stay began.
pub(super) fn bundle(marks: &Marks, start: &str) -> String {
    let word = |place: &str| marks.word(place);
    let subject = json!({"reference": format!("Patient/{}", word("fhirpatient"))});
    json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": format!("urn:uuid:{}", word("url")), "resource": {
            "resourceType": "Patient", "id": word("fhirpatient"), "gender": "female",
            "birthDate": marks.text("1929-11-19"),
            "name": [{"family": word("family"), "given": [word("given")]}],
            "identifier": [{"system": "urn:mrn", "value": word("mrn")}],
            "telecom": [{"system": "phone", "value": word("phone")}],
            "address": [{"line": [word("street")], "city": word("city"), "postalCode": word("zip")}],
        }},
        {"resource": {
            "resourceType": "Encounter", "id": word("fhirstay"), "status": "finished",
            "class": {"code": "IMP"}, "subject": subject,
            "period": {"start": start, "end": "2024-03-05T09:46:57Z"},
        }},
        {"resource": {
            "resourceType": "Condition", "id": word("condition"), "subject": subject,
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9",
                "display": word("display")}], "text": word("conditiontext")},
            "recordedDate": "2024-03-02T09:46:57Z", "note": [{"text": word("fhirnote")}],
        }},
        {"resource": {
            "resourceType": "Observation", "id": word("observation"), "status": "final",
            "subject": subject, "effectiveDateTime": "2024-03-02T09:46:57Z",
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
            "valueQuantity": {"value": 7391.468213, "unit": word("fhirunit"), "code": word("ucum")},
        }},
    ]})
    .to_string()
}

pub(super) fn of_bundle(marks: &Marks, text: impl Into<Vec<u8>>) -> Bytes {
    let record = Some(Record::FhirBundleJson(text.into()));
    framed(&proto::ScoreRequest { record, ..score_request(marks, Default::default()) })
}

/// A message with its frame, of fields that hold text.
pub(super) fn fields(fields: &[(u8, &[u8])]) -> Bytes {
    let mut message = Vec::new();
    for (number, text) in fields {
        assert!(text.len() < 128);
        message.extend([number << 3 | 2, text.len() as u8]);
        message.extend_from_slice(text);
    }
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed.into()
}
