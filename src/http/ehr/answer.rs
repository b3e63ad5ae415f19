//! Answers in JSON that nobody keeps.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A resource of FHIR.
pub(super) fn fhir(status: StatusCode, resource: &impl Serialize) -> Response {
    json(status, "application/fhir+json; charset=utf-8", resource)
}

/// What CDS Hooks says.
pub(super) fn plain(status: StatusCode, body: &impl Serialize) -> Response {
    json(status, "application/json; charset=utf-8", body)
}

fn json(status: StatusCode, kind: &'static str, body: &impl Serialize) -> Response {
    // Our own types hold nothing that JSON does not.
    let Ok(bytes) = serde_json::to_vec(body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, Body::from(bytes)).into_response()
}
