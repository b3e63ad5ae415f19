//! What the door can do, in FHIR's own words: `CapabilityStatement` and `OperationDefinition`. They show
//! nothing of any patient and ask nobody who they are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Ehr;
use super::answer::fhir;

/// When what they say last changed.
const DATE: &str = "2026-11-23";

/// Answers with the `CapabilityStatement`.
pub(super) async fn statement(State(ehr): State<Arc<Ehr>>) -> Response {
    fhir(StatusCode::OK, &capability(&ehr.base_url))
}

/// Answers with the `OperationDefinition` of `$score`.
pub(super) async fn definition(State(ehr): State<Arc<Ehr>>) -> Response {
    fhir(StatusCode::OK, &score_definition(&ehr.base_url))
}

fn capability(base_url: &str) -> Value {
    let parameter = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": { "name": "Prodrome", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "Predictive risk scores", "url": format!("{base_url}/fhir") },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{
            "mode": "server",
            "security": { "description": "As gRPC: a bearer token (JWT), an API key in x-api-key, or a client certificate" },
            "resource": [
                {
                    "type": "RiskAssessment",
                    "documentation": "Made on demand and not kept",
                    "operation": [{
                        "name": "score",
                        "definition": format!("{base_url}/fhir/OperationDefinition/RiskAssessment-score"),
                    }],
                },
                {
                    "type": "Flag",
                    "interaction": [{ "code": "read" }, { "code": "search-type" }],
                    "searchParam": [
                        parameter("status", "token"),
                        parameter("patient", "reference"),
                        parameter("code", "token"),
                        parameter("_lastUpdated", "date"),
                    ],
                },
            ],
        }],
    })
}

fn score_definition(base_url: &str) -> Value {
    let given = |name: &str, max: &str, kind: &str, documentation: &str| {
        let min = u32::from(name == "record");
        json!({ "name": name, "use": "in", "min": min, "max": max, "type": kind,
            "documentation": documentation })
    };
    json!({
        "resourceType": "OperationDefinition",
        "id": "RiskAssessment-score",
        "url": format!("{base_url}/fhir/OperationDefinition/RiskAssessment-score"),
        "name": "ScoreRisk",
        "title": "Score one patient",
        "status": "active",
        "date": DATE,
        "kind": "operation",
        "affectsState": true,
        "description": "Scores the patient of a record for the tasks in service. The record is not kept.",
        "code": "score",
        "resource": ["RiskAssessment"],
        "system": false,
        "type": true,
        "instance": false,
        "parameter": [
            given("record", "*", "Resource",
                "A Bundle of any type about one patient, such as that of $everything, or single resources"),
            given("task", "64", "string",
                "Name of a task, or name|version; all in service where none is named"),
            given("predictionTime", "1", "dateTime", "Nothing after it is used; now where it is absent"),
            given("maxReasons", "1", "integer", "How many reasons at most: 0 to 50, else 5"),
            given("peers", "1", "boolean", "Compare with people of the same age and sex (relativeRisk)"),
            given("noFlag", "1", "boolean", "Neither raise nor change a flag"),
            given("team", "1", "string", "The team that follows the patient up"),
            json!({ "name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle",
                "documentation": "A collection of RiskAssessment and Flag, and an OperationOutcome with what was wrong with the record and why a patient is not eligible" }),
        ],
    })
}
