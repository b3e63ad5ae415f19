//! Who calls and what for, by the metadata of the call and the certificate of its connection: the same
//! names in gRPC and in HTTP.

use http::HeaderMap;

use super::{Recorded, Service, ServiceError, Visit};
use crate::access::Purpose;
use crate::identity::Credentials;
use crate::record::Violation;

const AUTHORIZATION: &str = "authorization";
const BEARER: &str = "bearer ";
const API_KEY: &str = "x-api-key";
const PURPOSE: &str = "prodrome-purpose";
const BREAK_GLASS: &str = "prodrome-break-glass";

/// What a call brings.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'a> {
    pub headers: &'a HeaderMap,
    /// The name in the certificate of the connection, if the client showed one.
    pub peer: Option<&'a str>,
    /// Of a call of CDS Hooks the address that was called, which its token must name.
    pub audience: Option<&'a str>,
    /// What it is for where it does not say.
    pub purpose: Option<Purpose>,
}

impl Service {
    /// The visitor whose call this is, within its share; `recorded` hears of it as early as it is known.
    ///
    /// # Errors
    /// Metadata that cannot be read, nobody who is known, or one who calls too often.
    pub fn receive(
        &self,
        brought: Brought<'_>,
        recorded: Option<&Recorded>,
        now_seconds: i64,
    ) -> Result<Visit, ServiceError> {
        let headers = brought.headers;
        let credentials = Credentials {
            peer: brought.peer,
            bearer: bearer(headers)?,
            api_key: text(headers, API_KEY)?,
        };
        let caller = match brought.audience {
            Some(audience) => self.recognise_ehr(&credentials, audience, now_seconds)?,
            None => self.recognise(&credentials, now_seconds)?,
        };
        let mut visit = Visit { caller, purpose: None, break_glass: None };
        // From here on the record has a name, also of a call that is refused.
        note(recorded, &visit);
        self.take_share(&visit.caller)?;
        let purpose = text(headers, PURPOSE)?.map(|name| {
            let reason = "must be TREATMENT, EMERGENCY_TREATMENT, OPERATIONS or RESEARCH";
            Purpose::parse(name).ok_or_else(|| fault(PURPOSE, reason))
        });
        visit.purpose = purpose.transpose()?.or(brought.purpose);
        visit.break_glass = text(headers, BREAK_GLASS)?.map(str::to_owned);
        note(recorded, &visit);
        Ok(visit)
    }
}

fn note(recorded: Option<&Recorded>, visit: &Visit) {
    if let Some(recorded) = recorded {
        recorded.caller(visit);
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ServiceError> {
    let Some(given) = text(headers, AUTHORIZATION)? else { return Ok(None) };
    let is_bearer =
        given.get(..BEARER.len()).is_some_and(|start| start.eq_ignore_ascii_case(BEARER));
    let token = given.get(BEARER.len()..).filter(|_| is_bearer).map(str::trim);
    token.map(Some).ok_or_else(|| fault(AUTHORIZATION, "must be `Bearer` and a token"))
}

/// The one value of a header; two would leave open which of them holds.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ServiceError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(fault(name, "stands in the metadata twice"));
    }
    value.to_str().map(Some).map_err(|_| fault(name, "must be printable ASCII"))
}

fn fault(name: &str, reason: &'static str) -> ServiceError {
    ServiceError::Invalid(vec![Violation { path: format!("metadata.{name}"), reason }])
}
