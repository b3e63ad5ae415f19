//! Patient and Coverage: who somebody is, and when care would have been seen.

use serde_json::{Value as Json, json};

use super::resource::{Body, Kind, Resource, Span, instant};
use crate::record::{Period, Record, Sex};

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition";

impl<'a> Resource<'a> {
    pub(super) fn patient(record: &Record) -> Resource<'_> {
        let audit = &record.audit_attributes;
        let gender = match record.sex {
            Sex::Female => "female",
            Sex::Male => "male",
            Sex::Other => "other",
            Sex::Unknown => "unknown",
        };
        let mut more = json!({ "gender": gender });
        if let Some(date) = record.birth_date {
            more["birthDate"] = json!(date.to_string());
        }
        if let Some(time) = record.death_time {
            more["deceasedDateTime"] = json!(time.to_string());
        }
        if let Some(region) = &record.region {
            more["address"] = json!([{ "postalCode": region }]);
        }
        if let Some(language) = &audit.language {
            let code = json!({ "coding": [{ "code": language }] });
            more["communication"] = json!([{ "language": code, "preferred": true }]);
        }
        let named = [("us-core-race", &audit.race), ("us-core-ethnicity", &audit.ethnicity)];
        let said = named.into_iter().filter_map(|(name, words)| Some((name, words.as_ref()?)));
        let mut extensions: Vec<Json> = said
            .map(|(name, words)| {
                let text = json!([{ "url": "text", "valueString": words }]);
                json!({ "url": format!("{US_CORE}/{name}"), "extension": text })
            })
            .collect();
        if let Some(words) = &audit.gender_identity {
            let url = "http://hl7.org/fhir/StructureDefinition/individual-genderIdentity";
            extensions.push(json!({ "url": url, "valueCodeableConcept": { "text": words } }));
        }
        if !extensions.is_empty() {
            more["extension"] = Json::Array(extensions);
        }
        let body = Body::of(more);
        Resource { kind: Kind::Patient, id: record.patient_id.clone(), body }
    }

    pub(super) fn coverage(
        patient: &'a str,
        place: usize,
        period: &Period,
        insurance: Option<&str>,
    ) -> Resource<'a> {
        let mut more = json!({ "beneficiary": { "reference": format!("Patient/{patient}") } });
        if let Some(words) = insurance {
            more["type"] = json!({ "text": words });
        }
        let mut body = Body::of(more);
        body.status = Some("active");
        body.period = Some(Span { start: instant(period.start), end: instant(period.end) });
        Resource { kind: Kind::Coverage, id: format!("{patient}-c{}", place + 1), body }
    }
}
