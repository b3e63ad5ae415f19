//! From where a browser calls: pages of listed origins may, and where everybody may call, this machine alone
//! is called.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Ehr;
use super::refusal::Refusal;
use crate::access::Outcome;
use crate::fhir::IssueCode;
use crate::http::surroundings::{is_called_as_this_machine, is_of_this_host};

/// Lets a request through that no other page can have made.
pub(super) async fn own_alone(
    State(ehr): State<Arc<Ehr>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_open = ehr.service.identity().is_anonymous();
    if is_open && !is_called_as_this_machine(headers) {
        let details = "this server is open to everybody on its machine, and so it answers there alone: call \
                       it by its address, such as 127.0.0.1";
        let code =
            (Outcome::PermissionDenied, StatusCode::MISDIRECTED_REQUEST, IssueCode::Forbidden);
        return Refusal::new(code, details).into_response();
    }
    // A page can send a call without being let see its answer.
    let origin = headers.get(header::ORIGIN).filter(|_| *request.method() == Method::POST);
    let is_listed = origin.is_none_or(|origin| {
        let is_own = origin.to_str().is_ok_and(|text| is_of_this_host(text, headers));
        is_own || ehr.plan.allowed_origins.contains(origin)
    });
    if !is_listed {
        let details = "pages of this origin may not call: list it in `ehr.allowed_origins`";
        let code = (Outcome::PermissionDenied, StatusCode::FORBIDDEN, IssueCode::Forbidden);
        return Refusal::new(code, details).into_response();
    }
    next.run(request).await
}
