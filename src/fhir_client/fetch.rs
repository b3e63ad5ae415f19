//! Questions to a FHIR server, page by page, within the budget of one call.

use std::borrow::Cow;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, header};
use serde::Deserialize;

use super::address::AddressRefused;
use super::budget::Budget;
use super::error::FetchError;
use super::server::AllowedServer;

/// Questions of one call at once.
const AT_ONCE: usize = 4;
/// How much of an answer is read at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// The longest access token, in bytes; a call's headers together are no longer.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// What of an answer leads to the next one.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Cow<'a, str>,
    #[serde(borrow, default)]
    link: Vec<Link<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    relation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
}

impl AllowedServer {
    /// Asks for `query`, such as `Patient/1` or `Condition?patient=1`, and for all pages that follow.
    /// Each page is the JSON of a resource.
    ///
    /// # Errors
    /// Why there is no whole answer: a part of one is none.
    pub fn get(
        &self,
        query: &str,
        bearer: Option<&str>,
        budget: &Budget,
    ) -> Result<Vec<Vec<u8>>, FetchError> {
        let authorization = bearer.map(authorization).transpose()?;
        let mut url = self.base.inside(query)?;
        let mut pages = Vec::new();
        loop {
            budget.use_page()?;
            let body = self.page(&url, authorization.as_deref(), budget)?;
            let next = next(&body)?;
            pages.push(body);
            match next {
                None => return Ok(pages),
                Some(next) => {
                    url = self.base.inside(&next).map_err(|_| FetchError::NextPage)?;
                }
            }
        }
    }

    /// The same for several questions, at most four at once; the answers in the order of the questions.
    pub fn get_all(
        &self,
        queries: &[&str],
        bearer: Option<&str>,
        budget: &Budget,
    ) -> Vec<Result<Vec<Vec<u8>>, FetchError>> {
        let answers: Vec<_> = queries.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let place = next.fetch_add(1, Relaxed);
                let (Some(query), Some(answer)) = (queries.get(place), answers.get(place)) else {
                    return;
                };
                let got = self.get(query, bearer, budget);
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(got);
            }
        };
        std::thread::scope(|scope| {
            let others = (1..queries.len().min(AT_ONCE)).filter_map(|_| {
                let named = std::thread::Builder::new().name("fhir-fetch".into());
                // Without further threads this one asks all.
                named.spawn_scoped(scope, work).ok()
            });
            let others: Vec<_> = others.collect();
            work();
            others.into_iter().for_each(|other| drop(other.join()));
        });
        let answer = |answer: Mutex<Option<_>>| {
            let answer = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
            answer.unwrap_or(Err(FetchError::NoThread))
        };
        answers.into_iter().map(answer).collect()
    }

    /// One page.
    fn page(
        &self,
        url: &str,
        authorization: Option<&str>,
        budget: &Budget,
    ) -> Result<Vec<u8>, FetchError> {
        let request = self.agent.get(url).header(header::ACCEPT, "application/fhir+json");
        let request = match authorization {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        };
        let request = request.config().timeout_global(Some(budget.time()?)).build();
        let mut answer = request.call().map_err(failed)?;
        match answer.status().as_u16() {
            200 => {}
            status @ 300..=399 => return Err(FetchError::Redirect(status)),
            status => return Err(FetchError::Status(status)),
        }
        check_head(answer.headers())?;
        let length = answer.body().content_length().unwrap_or_default();
        if length > budget.bytes() {
            return Err(FetchError::TooLarge);
        }
        // What was promised and is within the budget; more is read as it comes.
        let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let mut reader = answer.body_mut().as_reader();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = reader.read(&mut chunk).map_err(|error| failed(error.into()))?;
            // However steadily it trickles.
            budget.time()?;
            match chunk.get(..count) {
                None | Some([]) => return Ok(body),
                Some(bytes) => {
                    budget.use_bytes(count)?;
                    body.extend_from_slice(bytes);
                }
            }
        }
    }
}

fn authorization(token: &str) -> Result<String, FetchError> {
    let is_text = token.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = is_text && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    if fits { Ok(format!("Bearer {token}")) } else { Err(FetchError::Token) }
}

/// Whether it says that FHIR in JSON follows, as it is.
fn check_head(headers: &HeaderMap) -> Result<(), FetchError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    if !matches!(text(header::CONTENT_ENCODING), None | Some("" | "identity")) {
        return Err(FetchError::Compressed);
    }
    let kind = text(header::CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/fhir+json" | "application/json" | "application/json+fhir" => Ok(()),
        _ => Err(FetchError::NotFhir),
    }
}

/// Where the next page is.
fn next(body: &[u8]) -> Result<Option<String>, FetchError> {
    let page: Page<'_> = serde_json::from_slice(body).map_err(|_| FetchError::NotFhir)?;
    match &*page.resource_type {
        // It says what went wrong, and that nothing is here.
        "OperationOutcome" => Err(FetchError::NotFhir),
        "Bundle" => {
            let is_next = |link: &Link<'_>| link.relation.as_deref() == Some("next");
            let mut links = page.link.into_iter().filter(is_next);
            match (links.next(), links.next()) {
                (None, _) => Ok(None),
                (Some(link), None) => {
                    let url = link.url.ok_or(FetchError::NextPage)?;
                    Ok(Some(url.into_owned()))
                }
                (Some(_), Some(_)) => Err(FetchError::NextPage),
            }
        }
        _ => Ok(None),
    }
}

/// Addresses and what servers answer stay out of the words.
fn failed(error: ureq::Error) -> FetchError {
    match error {
        ureq::Error::Other(why) if why.is::<AddressRefused>() => FetchError::AddressRefused,
        ureq::Error::Timeout(_) => FetchError::TooSlow,
        ureq::Error::HostNotFound => FetchError::HostUnknown,
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => FetchError::NotTrusted,
        ureq::Error::Io(why) if why.get_ref().is_some_and(|why| why.is::<rustls::Error>()) => {
            FetchError::NotTrusted
        }
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => FetchError::NoConnection,
        _ => FetchError::NotHttp,
    }
}
