//! The resources that are written, each with the fields that a record has something for.

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::import::fhir::codes;
use crate::record::{Code, Comparator, Encounter, Event, EventKind, Time, TimePrecision, Value};

const UCUM: &str = "http://unitsofmeasure.org";
/// LOINC's code of a panel of systolic and diastolic pressure.
const PRESSURE_PANEL: &str = "85354-9";

/// One resource, without what it has in common with all others.
pub(super) struct Resource<'a> {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) body: Body<'a>,
}

/// The types, in the order of the writer's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Patient,
    Coverage,
    Encounter,
    Condition,
    Observation,
    Procedure,
    MedicationRequest,
}

/// What most resources have: one body serves all, because the fields that differ in name are few.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<Coding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<CodeableConcept<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<[CodeableConcept<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<CodeableConcept<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medication_codeable_concept: Option<CodeableConcept<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encounter: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performed_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authored_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    onset_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) period: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<Words<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hospitalization: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnosis: Vec<Diagnosis<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    component: Vec<Measured<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    measured: Option<Measurement<'a>>,
    /// The fields of the types of which there are few.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<Json>,
}

impl Body<'_> {
    /// A body of fields that no other type has.
    pub(super) fn of(more: Json) -> Self {
        Body { more: Some(more), ..Body::default() }
    }
}

#[derive(Serialize)]
struct Coding<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct CodeableConcept<'a> {
    coding: [Coding<'a>; 1],
}

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

#[derive(Serialize)]
pub(super) struct Span {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<String>,
}

/// A reference, written as `Type/id`.
struct Reference<'a>(&'static str, &'a str);

impl Serialize for Reference<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Plain {
            reference: String,
        }
        Plain { reference: format!("{}/{}", self.0, self.1) }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Diagnosis<'a> {
    condition: Reference<'a>,
    rank: Option<u32>,
}

/// The value of an observation or of a component.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measurement<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value_quantity: Option<Quantity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_codeable_concept: Option<CodeableConcept<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_string: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_absent_reason: Option<CodeableConcept<'a>>,
}

#[derive(Serialize)]
struct Measured<'a> {
    code: CodeableConcept<'a>,
    #[serde(flatten)]
    measurement: Measurement<'a>,
}

#[derive(Serialize)]
struct Quantity<'a> {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparator: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    system: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

impl Kind {
    fn name(self) -> &'static str {
        super::TYPES[self as usize]
    }
}

impl Serialize for Resource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'r, 'a> {
            #[serde(rename = "resourceType")]
            kind: &'static str,
            id: &'r str,
            meta: Meta,
            #[serde(flatten)]
            body: &'r Body<'a>,
        }
        #[derive(Serialize)]
        struct Meta {
            tag: [Coding<'static>; 1],
        }
        let system = Some("http://terminology.hl7.org/CodeSystem/v3-ActReason");
        let meta = Meta { tag: [Coding { system, code: "HTEST" }] };
        let Resource { kind, id, body } = self;
        Whole { kind: kind.name(), id, meta, body }.serialize(serializer)
    }
}

fn concept<'a>(system: Option<&'a str>, code: &'a str) -> CodeableConcept<'a> {
    CodeableConcept { coding: [Coding { system, code }] }
}

fn coded(code: &Code) -> CodeableConcept<'_> {
    concept(Some(codes::uri(&code.system)), &code.code)
}

/// As exactly as it is known.
fn written(time: Option<Time>, precision: TimePrecision) -> Option<String> {
    let text = time?.to_string();
    let length = match precision {
        TimePrecision::Instant => text.len(),
        TimePrecision::Day => "2000-01-01".len(),
        TimePrecision::Month => "2000-01".len(),
        TimePrecision::Year => "2000".len(),
    };
    text.get(..length).map(str::to_owned)
}

pub(super) fn instant(time: Option<Time>) -> Option<String> {
    written(time, TimePrecision::Instant)
}

impl<'a> Resource<'a> {
    /// Its place among the writer's files.
    pub(super) fn place(&self) -> usize {
        self.kind as usize
    }

    pub(super) fn encounter<'e>(
        patient: &'e str,
        encounter: &'e Encounter,
        ranked: impl Iterator<Item = &'e Event>,
    ) -> Resource<'e> {
        let admit = encounter.admission_source.as_deref();
        let discharge = encounter.discharge_disposition.as_deref();
        let field = |code: &str| json!({ "coding": [{ "code": code }] });
        let mut hospitalization = json!({});
        for (name, code) in [("admitSource", admit), ("dischargeDisposition", discharge)] {
            if let Some(code) = code {
                hospitalization[name] = field(code);
            }
        }
        let has_fields = admit.is_some() || discharge.is_some();
        let condition = |event: &'e Event| Some(Reference("Condition", event.id.as_deref()?));
        let diagnosis = ranked
            .filter_map(|event| Some(Diagnosis { condition: condition(event)?, rank: event.rank }));
        let system = Some("http://terminology.hl7.org/CodeSystem/v3-ActCode");
        let priority = encounter.admission_type.as_deref().map(codes::priority);
        let body = Body {
            status: Some(if encounter.end.is_some() { "finished" } else { "in-progress" }),
            class: Some(Coding { system, code: encounter.class.code() }),
            priority: priority.map(|code| concept(None, code)),
            subject: Some(Reference("Patient", patient)),
            period: Some(Span {
                start: instant(Some(encounter.start)),
                end: instant(encounter.end),
            }),
            service_type: encounter.service.as_deref().map(|text| Words { text }),
            hospitalization: has_fields.then_some(hospitalization),
            service_provider: encounter.facility.as_deref().map(|id| Reference("Organization", id)),
            diagnosis: diagnosis.collect(),
            ..Body::default()
        };
        Resource { kind: Kind::Encounter, id: encounter.id.clone(), body }
    }

    /// The resource of an event, and of `other`, which is the second value of the same reading; `None`
    /// for kinds of events that are not written. `number` names an event that has no id.
    pub(super) fn event(
        patient: &'a str,
        event: &'a Event,
        other: Option<&'a Event>,
        number: u64,
    ) -> Option<Resource<'a>> {
        let time = written(event.time, event.time_precision);
        let mut body = Body {
            subject: Some(Reference("Patient", patient)),
            encounter: event.encounter_id.as_deref().map(|id| Reference("Encounter", id)),
            ..Body::default()
        };
        let kind = match event.kind {
            EventKind::Diagnosis | EventKind::Problem => {
                let category = match event.kind {
                    EventKind::Problem => "problem-list-item",
                    _ => "encounter-diagnosis",
                };
                body.category = Some([concept(None, category)]);
                body.code = Some(coded(&event.code));
                body.onset_date_time = time;
                body.recorded_date = instant(event.recorded_time);
                Kind::Condition
            }
            EventKind::Measurement => {
                body.status = Some("final");
                body.effective_date_time = time;
                body.issued = instant(event.recorded_time);
                match other {
                    Some(other) => {
                        body.code = Some(concept(Some(codes::uri("LOINC")), PRESSURE_PANEL));
                        body.component = vec![component(event), component(other)];
                    }
                    None => {
                        body.code = Some(coded(&event.code));
                        body.measured = Some(measurement(event));
                    }
                }
                Kind::Observation
            }
            EventKind::Procedure => {
                body.status = Some("completed");
                body.code = Some(coded(&event.code));
                body.performed_date_time = time;
                Kind::Procedure
            }
            EventKind::DrugOrder => {
                body.status = Some("active");
                body.intent = Some("order");
                body.medication_codeable_concept = Some(coded(&event.code));
                body.authored_on = time;
                Kind::MedicationRequest
            }
            _ => return None,
        };
        let id = event.id.clone().unwrap_or_else(|| format!("unnamed-{number}"));
        Some(Resource { kind, id, body })
    }
}

fn component(event: &Event) -> Measured<'_> {
    Measured { code: coded(&event.code), measurement: measurement(event) }
}

fn measurement(event: &Event) -> Measurement<'_> {
    let comparator = event.comparator.map(Comparator::sign);
    match &event.value {
        Some(Value::Number(value)) => {
            let unit = event.unit.as_deref();
            let quantity = Quantity { value: *value, comparator, unit, system: UCUM, code: unit };
            Measurement { value_quantity: Some(quantity), ..Measurement::default() }
        }
        Some(Value::Coded(code)) => Measurement {
            value_codeable_concept: Some(concept(None, code)),
            ..Measurement::default()
        },
        Some(Value::Text(text)) => {
            Measurement { value_string: Some(text), ..Measurement::default() }
        }
        None => Measurement {
            data_absent_reason: Some(concept(None, "unknown")),
            ..Measurement::default()
        },
    }
}
