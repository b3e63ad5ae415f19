//! The data of one call: what came along, and what is asked of the FHIR server that the call names.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::pieces::{Piece, pieces};
use super::request::HookRequest;
use super::templates::{Key, Template};
use crate::fhir::{Issue, IssueCode, IssueSeverity};
use crate::fhir_client::{AllowedServer, Budget, FetchError};
use crate::http::ehr::Ehr;
use crate::http::ehr::desk::Call;
use crate::http::ehr::refusal::Refusal;
use crate::http::ehr::scoring::Sent;
use crate::meters;
use crate::service::Shed;

/// What a caller is told to wait where too many calls wait for FHIR servers.
const FETCH_RETRY: Duration = Duration::from_secs(1);

/// What is to be fetched.
struct Question {
    key: Key,
    query: String,
}

impl Ehr {
    /// What `templates` ask for, prefetched or fetched.
    ///
    /// # Errors
    /// Data without which there is no score, and that cannot be had.
    pub(super) async fn gathered(
        &self,
        call: &Call,
        request: &HookRequest<'_>,
        body: &Bytes,
        templates: &[Template],
    ) -> Result<Vec<Sent>, Refusal> {
        let (mut sent, mut missing) = (Vec::new(), Vec::new());
        for (key, piece) in pieces(templates, request) {
            match piece {
                Piece::Present(json) => sent.push(Sent {
                    path: format!("prefetch.{}", key.name()),
                    json: body.slice_ref(json.get().as_bytes()),
                    must_be_bundle: false,
                    is_page_of_all: false,
                }),
                Piece::Nothing => {}
                Piece::Missing { query } => missing.push(Question { key, query }),
            }
        }
        if missing.is_empty() {
            return Ok(sent);
        }
        let is_needed = missing.iter().any(|question| question.key.is_required());
        let Some(server) = &request.fhir_server else {
            return if is_needed { Err(no_server(&missing)) } else { Ok(sent) };
        };
        let server = match self.plan.servers.find(server) {
            Ok(server) => server,
            Err(refused) if is_needed => {
                let details = format!("the FHIR server {refused}");
                return Err(Refusal::no_data(vec![at(
                    "fhirServer",
                    IssueCode::Forbidden,
                    details,
                )]));
            }
            Err(_) => return Ok(sent),
        };
        let token = request.authorization.as_ref().map(|given| given.access_token.to_string());
        let Ok(place) = Arc::clone(&self.fetches).try_acquire_owned() else {
            let shed = Shed { what: meters::Shed::Fetches, retry_after: FETCH_RETRY };
            return if is_needed { Err(shed.into()) } else { Ok(sent) };
        };
        let fetched = self.fetch(call, (server, place), missing, token).await?;
        sent.extend(fetched);
        Ok(sent)
    }

    /// Asks the server, beside the threads that serve connections.
    async fn fetch(
        &self,
        call: &Call,
        (server, place): (AllowedServer, OwnedSemaphorePermit),
        questions: Vec<Question>,
        token: Option<String>,
    ) -> Result<Vec<Sent>, Refusal> {
        let budget = Budget::new(self.plan.servers.limits(), call.end_by);
        // Who waits for another server keeps no processor busy.
        let _awaited = self.gate.admission().awaits();
        let asked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let queries: Vec<&str> = questions.iter().map(|each| each.query.as_str()).collect();
            let answers = server.get_all(&queries, token.as_deref(), &budget);
            questions.into_iter().zip(answers).collect::<Vec<_>>()
        });
        let Ok(answers) = asked.await else {
            let details = "the server ends";
            return Err(Refusal::no_data(vec![at("fhirServer", IssueCode::Transient, details)]));
        };
        let (mut sent, mut faults) = (Vec::new(), Vec::new());
        for (Question { key, .. }, answer) in answers {
            match answer {
                Ok(pages) => sent.extend(pages.into_iter().enumerate().map(|(page, json)| Sent {
                    path: format!("fetched.{}[{page}]", key.name()),
                    json: json.into(),
                    is_page_of_all: true,
                    must_be_bundle: false,
                })),
                // What many EHRs do not keep at all is no reason to say nothing.
                Err(_) if !key.is_required() => {}
                Err(error) => faults.push(fault(key, error)),
            }
        }
        if faults.is_empty() { Ok(sent) } else { Err(Refusal::no_data(faults)) }
    }
}

/// Data that neither came along nor can be fetched.
fn no_server(missing: &[Question]) -> Refusal {
    let needed = missing.iter().filter(|question| question.key.is_required());
    let issue = |question: &Question| {
        let details = "missing: prefetch it, or name a fhirServer to fetch it from";
        at(&format!("prefetch.{}", question.key.name()), IssueCode::Required, details)
    };
    Refusal::no_data(needed.map(issue).collect())
}

fn fault(key: Key, error: FetchError) -> Issue {
    let code = match error {
        FetchError::TooSlow => IssueCode::Timeout,
        FetchError::TooLarge | FetchError::TooManyPages => IssueCode::TooLong,
        FetchError::AddressRefused | FetchError::Redirect(_) | FetchError::NextPage => {
            IssueCode::Forbidden
        }
        _ => IssueCode::Transient,
    };
    at(&format!("prefetch.{}", key.name()), code, error.to_string())
}

fn at(path: &str, code: IssueCode, details: impl Into<String>) -> Issue {
    Issue::new(IssueSeverity::Error, code, details).at(path)
}
