//! Who calls and what for, by the metadata of the call and the certificate of its connection.

use tonic::Status;
use tonic::codegen::http::HeaderMap;

use super::call::Peer;
use super::{clock, status};
use crate::access::Purpose;
use crate::identity::Credentials;
use crate::record::Violation;
use crate::service::{Recorded, Service, Visit};

const AUTHORIZATION: &str = "authorization";
const BEARER: &str = "bearer ";
const API_KEY: &str = "x-api-key";
const PURPOSE: &str = "prodrome-purpose";
const BREAK_GLASS: &str = "prodrome-break-glass";

/// The visitor whose call this is.
///
/// # Errors
/// Metadata that cannot be read, nobody who is known, or one who calls too often.
pub(super) fn of(
    service: &Service,
    headers: &HeaderMap,
    peer: &Peer,
    recorded: Option<&Recorded>,
) -> Result<Visit, Status> {
    let credentials = Credentials {
        peer: peer.name.as_deref(),
        bearer: bearer(headers)?,
        api_key: text(headers, API_KEY)?,
    };
    let caller = service
        .recognise(&credentials, clock::now_seconds())
        .map_err(|error| status::of(&error))?;
    let mut visit = Visit { caller, purpose: None, break_glass: None };
    // From here on the record has a name, also of a call that is refused.
    note(recorded, &visit);
    service.take_share(&visit.caller).map_err(|error| status::of(&error))?;
    let purpose = text(headers, PURPOSE)?.map(|name| {
        let reason = "must be TREATMENT, EMERGENCY_TREATMENT, OPERATIONS or RESEARCH";
        Purpose::parse(name).ok_or_else(|| fault(PURPOSE, reason))
    });
    visit.purpose = purpose.transpose()?;
    visit.break_glass = text(headers, BREAK_GLASS)?.map(str::to_owned);
    note(recorded, &visit);
    Ok(visit)
}

fn note(recorded: Option<&Recorded>, visit: &Visit) {
    if let Some(recorded) = recorded {
        recorded.caller(visit);
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Status> {
    let Some(given) = text(headers, AUTHORIZATION)? else { return Ok(None) };
    let is_bearer =
        given.get(..BEARER.len()).is_some_and(|start| start.eq_ignore_ascii_case(BEARER));
    let token = given.get(BEARER.len()..).filter(|_| is_bearer).map(str::trim);
    token.map(Some).ok_or_else(|| fault(AUTHORIZATION, "must be `Bearer` and a token"))
}

/// The one value of a header; two would leave open which of them holds.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Status> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(fault(name, "stands in the metadata twice"));
    }
    value.to_str().map(Some).map_err(|_| fault(name, "must be printable ASCII"))
}

fn fault(name: &str, reason: &'static str) -> Status {
    status::invalid(&[Violation { path: format!("metadata.{name}"), reason }])
}
