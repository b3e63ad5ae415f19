//! `AuditEvent`: a call of the access log, in the shape of IHE's Basic Audit Log Patterns (BALP).
//!
//! Callers use gRPC or pages, which BALP does not speak of: a call is an event of type `rest` with the
//! RESTful interaction that comes nearest to it, and a second subtype names the method itself. A list
//! of flags shows patients, so that its action is R, though a FHIR search would have E. Patients are
//! known by the keyed hash of the log alone.

use std::borrow::Cow;

use serde::Serialize;

use super::element::{CodeableConcept, Coding, Identifier, Reference};
use super::id;
use crate::access::{Method, Outcome, Purpose};
use crate::audit::{AuditedCall, ModelUsed};

const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
/// The system of how somebody takes part in what happens.
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP_ENTITY_TYPE: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// A record of who saw or changed what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "resourceType", rename_all = "camelCase")]
pub struct AuditEvent {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: Coding,
    pub subtype: Vec<Coding>,
    pub action: &'static str,
    pub recorded: String,
    /// 0 done, 4 refused or given up, 8 failed, 12 the service could not be had.
    pub outcome: &'static str,
    pub outcome_desc: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purpose_of_event: Vec<CodeableConcept>,
    pub agent: Vec<AuditEventAgent>,
    pub source: AuditEventSource,
    pub entity: Vec<AuditEventEntity>,
}

/// Who took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventAgent {
    #[serde(rename = "type")]
    pub kind: CodeableConcept,
    pub who: Reference,
    pub requestor: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purpose_of_use: Vec<CodeableConcept>,
}

/// Who recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEventSource {
    pub observer: Reference,
    #[serde(rename = "type")]
    pub kind: Vec<Coding>,
}

/// What it was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEventEntity {
    pub what: Reference,
    #[serde(rename = "type")]
    pub kind: Coding,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Coding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The call as a resource. Its id is made of the log's id and the record's number, so that exporting a
/// log twice gives the same resources.
pub fn audit_event(call: &AuditedCall) -> AuditEvent {
    let (interaction, action) = interaction(call.method);
    let purposes = purposes(call);
    let [client, server] = match action {
        // Of what is read the server is the source.
        "R" => [destination(), source()],
        _ => [source(), destination()],
    };
    let user = call.user.as_ref().map(|user| AuditEventAgent {
        kind: CodeableConcept::of(Coding::known(PARTICIPATION, "IRCP", "information recipient")),
        who: Reference { reference: Some(user.clone()), ..Reference::default() },
        requestor: false,
        purpose_of_use: Vec::new(),
    });
    let mut agent = vec![
        AuditEventAgent {
            kind: CodeableConcept::of(client),
            who: known_as("caller", &call.caller),
            requestor: true,
            purpose_of_use: purposes.clone(),
        },
        AuditEventAgent {
            kind: CodeableConcept::of(server),
            who: observer(call),
            requestor: false,
            purpose_of_use: Vec::new(),
        },
    ];
    agent.extend(user);
    AuditEvent {
        id: id::uuid(&["prodrome/audit-event/1", &call.log, &call.seq.to_string()]),
        kind: Coding::known(EVENT_TYPE, "rest", "RESTful Operation"),
        subtype: vec![
            Coding::known(INTERACTION, interaction, interaction),
            Coding::ours("method", call.method.name()),
        ],
        action,
        recorded: call.time.to_string(),
        outcome: outcome(call.outcome),
        outcome_desc: described(call),
        purpose_of_event: purposes,
        agent,
        source: AuditEventSource {
            observer: observer(call),
            kind: vec![Coding::known(SOURCE_TYPE, "4", "Application Server")],
        },
        entity: entities(call),
    }
}

/// The RESTful interaction that comes nearest to a method, and the action.
fn interaction(method: Method) -> (&'static str, &'static str) {
    match method {
        Method::Score | Method::ScoreStream | Method::ReloadModels => ("operation", "E"),
        Method::ListFlags | Method::WatchFlags | Method::ListModels => ("search-type", "R"),
        Method::GetModelCard | Method::GetTrends => ("read", "R"),
        Method::UpdateFlag => ("update", "U"),
        Method::RecordFeedback => ("create", "C"),
    }
}

fn source() -> Coding {
    Coding::known(DICOM, "110153", "Source Role ID")
}

fn destination() -> Coding {
    Coding::known(DICOM, "110152", "Destination Role ID")
}

/// How bad the end of a call was.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "0",
        Outcome::Cancelled
        | Outcome::InvalidArgument
        | Outcome::NotFound
        | Outcome::AlreadyExists
        | Outcome::PermissionDenied
        | Outcome::ResourceExhausted
        | Outcome::FailedPrecondition
        | Outcome::Aborted
        | Outcome::OutOfRange
        | Outcome::Unimplemented
        | Outcome::Unauthenticated => "4",
        Outcome::Unknown | Outcome::DeadlineExceeded | Outcome::Internal => "8",
        Outcome::Unavailable | Outcome::DataLoss => "12",
    }
}

fn described(call: &AuditedCall) -> String {
    match call.withheld {
        None => call.outcome.name().to_owned(),
        Some(ended) => format!(
            "{}: the call had ended {}, and its answer was withheld, because it could not be \
             recorded in time",
            call.outcome.name(),
            ended.name()
        ),
    }
}

/// What the call was for; of a broken glass also that it was broken, and why.
fn purposes(call: &AuditedCall) -> Vec<CodeableConcept> {
    let purpose = call.purpose.map(|purpose| {
        let display = match purpose {
            Purpose::Treatment => "treatment",
            Purpose::EmergencyTreatment => "Emergency Treatment",
            Purpose::Operations => "healthcare operations",
            Purpose::Research => "healthcare research",
        };
        Coding::known(ACT_REASON, purpose.code(), display)
    });
    let Some(reason) = &call.break_glass else {
        return purpose.map(CodeableConcept::of).into_iter().collect();
    };
    let broken = Coding::known(ACT_REASON, "BTG", "break the glass");
    let coding = std::iter::once(broken).chain(purpose).collect();
    vec![CodeableConcept { coding, text: Some(reason.clone()).filter(|text| !is_blank(text)) }]
}

/// The server, by its log.
fn observer(call: &AuditedCall) -> Reference {
    let display = call.server.as_deref().filter(|server| !is_blank(server)).unwrap_or("prodrome");
    Reference {
        kind: Some("Device".into()),
        display: Some(display.to_owned()),
        ..known_as("access-log", &call.log)
    }
}

fn entities(call: &AuditedCall) -> Vec<AuditEventEntity> {
    let patients = call.patient.iter().chain(&call.listed).map(|key| patient(key));
    let models = call.models.iter().map(model);
    let id = AuditEventEntity {
        what: Reference {
            identifier: Some(Identifier { system: None, value: call.call_id.clone() }),
            ..Reference::default()
        },
        kind: Coding {
            system: BALP_ENTITY_TYPE.into(),
            version: None,
            code: "XrequestId".into(),
            display: None,
        },
        role: None,
        name: None,
    };
    let trace = call.trace_id.as_deref().filter(|trace| !is_blank(trace));
    let trace = trace.map(|trace| AuditEventEntity {
        what: known_as("trace-id", trace),
        kind: Coding::ours("entity-type", "traceparent"),
        role: None,
        name: None,
    });
    patients.chain(models).chain([id]).chain(trace).collect()
}

fn patient(key: &str) -> AuditEventEntity {
    AuditEventEntity {
        what: Reference { kind: Some("Patient".into()), ..known_as("patient-key", key) },
        kind: Coding::known(ENTITY_TYPE, "1", "Person"),
        role: Some(Coding::known(OBJECT_ROLE, "1", "Patient")),
        name: None,
    }
}

fn model(model: &ModelUsed) -> AuditEventEntity {
    let ModelUsed { task, version, digest } = model;
    AuditEventEntity {
        what: known_as("bundle-digest", digest),
        kind: Coding::known(ENTITY_TYPE, "2", "System Object"),
        role: None,
        name: Some(format!("{task} version {version}")),
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// What is known by a name in a system of ours; a blank name is none in FHIR.
fn known_as(system: &str, name: &str) -> Reference {
    let name = if is_blank(name) { Cow::Borrowed("-") } else { Cow::Borrowed(name) };
    Reference { identifier: Some(Identifier::ours(system, name)), ..Reference::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Time;

    fn call() -> AuditedCall {
        AuditedCall {
            log: "log".into(),
            server: Some("prodrome 0.1.0".into()),
            seq: 4,
            time: Time::parse("2026-03-01T08:00:00Z").unwrap(),
            call_id: "000000000000002a".into(),
            method: Method::Score,
            caller: "ehr".into(),
            user: Some("Practitioner/7".into()),
            purpose: Some(Purpose::Treatment),
            break_glass: None,
            patient: Some("aa".into()),
            listed: Vec::new(),
            models: vec![ModelUsed {
                task: "readmit30".into(),
                version: "1".into(),
                digest: "0123456789ab".into(),
            }],
            outcome: Outcome::Ok,
            withheld: None,
            trace_id: None,
        }
    }

    #[test]
    fn a_call_names_caller_server_patient_model_and_itself() {
        let event = audit_event(&call());
        assert_eq!((event.action, event.outcome), ("E", "0"));
        assert_eq!(event.subtype[0].code, "operation");
        assert_eq!(event.subtype[1].code, "Score");
        let requestors: Vec<bool> = event.agent.iter().map(|agent| agent.requestor).collect();
        assert_eq!(requestors, [true, false, false]);
        let user = event.agent[2].who.reference.as_deref();
        assert_eq!(user, Some("Practitioner/7"), "who was at the caller's screen");
        assert_eq!(event.agent[0].purpose_of_use[0].coding[0].code, "TREAT");
        let names = |event: &AuditEvent| {
            let named = event.entity.iter().map(|entity| {
                let what = entity.what.identifier.clone().unwrap();
                (entity.kind.code.to_string(), what.value)
            });
            named.collect::<Vec<_>>()
        };
        let pair = |code: &str, value: &str| (code.to_owned(), value.to_owned());
        let usual =
            [pair("1", "aa"), pair("2", "0123456789ab"), pair("XrequestId", "000000000000002a")];
        assert_eq!(names(&event), usual);
        let listed = vec!["bb".to_owned(), "cc".to_owned()];
        let list = AuditedCall { method: Method::ListFlags, patient: None, listed, ..call() };
        let event = audit_event(&list);
        assert_eq!(
            (event.action, &names(&event)[..2]),
            ("R", &[pair("1", "bb"), pair("1", "cc")][..])
        );
        assert_eq!(event.agent[0].kind.coding[0].code, "110152", "what is read goes to the caller");
        assert_ne!(event.id, audit_event(&AuditedCall { seq: 5, ..list }).id);
    }

    #[test]
    fn a_broken_glass_and_a_withheld_answer_are_said() {
        let purpose = Some(Purpose::EmergencyTreatment);
        let broken =
            AuditedCall { purpose, break_glass: Some("found unconscious".into()), ..call() };
        let event = audit_event(&broken);
        let [said] = event.purpose_of_event.as_slice() else { panic!("one purpose") };
        let codes: Vec<&str> = said.coding.iter().map(|coding| coding.code.as_ref()).collect();
        assert_eq!(
            (codes, said.text.as_deref()),
            (vec!["BTG", "ETREAT"], Some("found unconscious"))
        );
        assert_eq!(event.agent[0].purpose_of_use, event.purpose_of_event);

        let outcome = Outcome::Unavailable;
        let withheld = AuditedCall { outcome, withheld: Some(Outcome::Ok), ..call() };
        let event = audit_event(&withheld);
        assert_eq!(event.outcome, "12", "what the caller got");
        assert!(event.outcome_desc.starts_with("UNAVAILABLE: the call had ended OK"));
    }

    #[test]
    fn every_outcome_has_a_grade_and_only_ok_is_a_success() {
        for each in Outcome::ALL {
            let grade = outcome(each);
            assert!(["0", "4", "8", "12"].contains(&grade));
            assert_eq!(grade == "0", each == Outcome::Ok, "{each}");
        }
    }
}
