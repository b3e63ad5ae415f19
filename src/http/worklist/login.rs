//! Logging in and off: by the same keys, tokens and certificates as callers of gRPC.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::call::{Refused, outcome};
use super::form::{Fault, Fields};
use super::render::{self, Frame, LoginPage, MessagePage};
use super::session::{Credential, Session, Ticket};
use super::visitor::look_again;
use super::{Body, Worklist, words};
use crate::access::{Method, Outcome, Purpose};
use crate::http::listener::Peer;
use crate::service::ServiceError;

/// What a login that failed waits, so that guessing is slow.
const FAILED_REST: Duration = Duration::from_millis(500);

/// What somebody wanted whose login failed: it is recorded as a use of that.
const WANTED: Method = Method::ListFlags;

/// To the page where one logs in.
pub(super) fn asked_for() -> Response {
    render::see_other("/login")
}

/// The same, with why somebody has to log in anew.
pub(super) fn ended(why: &str) -> Response {
    render::see_other(&format!("/login?ended={why}"))
}

/// Why somebody has to log in anew.
fn why_ended(fields: &Fields) -> Option<&'static str> {
    match fields.get("ended")? {
        "idle" => Some("You were logged off, because nothing was done for a while."),
        "old" => Some("You were logged off, because the time of a session is over."),
        "unknown" => Some("You were logged off: what you logged in with is no longer good."),
        "left" => Some("You are logged off."),
        _ => None,
    }
}

/// The form.
pub(super) async fn show(
    State(list): State<Arc<Worklist>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if list.service.identity().is_anonymous() {
        return render::see_other("/");
    }
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    if let Some(left) = list.is_logged_in_for(&headers, &peer) {
        // A tab that was left comes here by itself, and must not keep the session of another one going.
        let is_by_itself = fields.get("ended") == Some("idle");
        return if is_by_itself { list.still_there(left) } else { render::see_other("/") };
    }
    let told = why_ended(&fields);
    list.form(&headers, &peer, StatusCode::OK, LoginForm { told, ..LoginForm::default() })
}

/// What the form says besides its fields.
#[derive(Default)]
struct LoginForm {
    told: Option<&'static str>,
    error: Option<Fault>,
    by_token: bool,
    for_operations: bool,
}

impl Worklist {
    /// For a tab in which nothing was done, of somebody who works in another one.
    fn still_there(&self, left: Duration) -> Response {
        let text = "Nothing was done in this window for a while, so it shows no patients any more.";
        let frame = self.bare_frame(&self.moment());
        let title = "You are still logged in";
        let page = MessagePage { frame, title, text, href: "/", link: "Go on" };
        let mut response = render::page(StatusCode::OK, &page);
        look_again(&mut response, left);
        response
    }

    fn form(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        status: StatusCode,
        said: LoginForm,
    ) -> Response {
        let found = self.cookies.visit(headers);
        let is_new = found.is_none();
        let Ok(ticket) = found.map_or_else(Ticket::draw, Ok) else { return self.no_random() };
        let frame = Frame {
            form: self.sessions.form_token(&ticket),
            told: said.told,
            ..self.bare_frame(&self.moment())
        };
        let minutes = self.plan.idle.as_secs().div_ceil(60);
        let page = LoginPage {
            frame,
            certificate: peer.name.as_deref().map(str::to_owned),
            by_token: said.by_token,
            for_operations: said.for_operations,
            error: said.error,
            idle: words::count(minutes, "minute"),
            session: words::count(self.plan.session.as_secs() / 3_600, "hour"),
        };
        let mut response = render::page(status, &page);
        if is_new {
            self.cookies.set_visit(&mut response, &ticket);
        }
        response
    }
}

/// Logs somebody in.
pub(super) async fn begin(
    State(list): State<Arc<Worklist>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(fields): Body,
) -> Response {
    let said = |error: Fault| LoginForm {
        error: Some(error),
        by_token: fields.get("by") == Some("token"),
        for_operations: fields.get("purpose") == Some("OPERATIONS"),
        told: None,
    };
    let is_ours = list.cookies.visit(&headers).is_some_and(|ticket| {
        list.sessions.is_form_token(&ticket, fields.get("form").unwrap_or_default())
    });
    if !is_ours {
        let text = "The form was out of date, or this browser takes no cookies: please try again.";
        return list.form(&headers, &peer, StatusCode::FORBIDDEN, said(Fault::new("secret", text)));
    }
    let (credential, purpose) = match (credential(&fields), purpose(&fields)) {
        (Ok(credential), Ok(purpose)) => (credential, purpose),
        (Err(fault), _) | (_, Err(fault)) => {
            return list.form(&headers, &peer, StatusCode::UNPROCESSABLE_ENTITY, said(fault));
        }
    };
    let peer_name = peer.name.as_deref();
    let tried = credential.tried(peer_name);
    let Ok(attempt) = list.attempts.begin(&bucket(&peer), tried, Instant::now()) else {
        tracing::warn!("logins to the work list fail too often from one address");
        let text = "Too many logins failed here: please wait a minute.";
        let form = said(Fault::new("secret", text));
        let answer = list.form(&headers, &peer, StatusCode::TOO_MANY_REQUESTS, form);
        return list.refuse(Refused::of(WANTED, Outcome::ResourceExhausted), answer).await;
    };
    let now_seconds = list.moment().now.micros().div_euclid(1_000_000);
    let caller = match list.service.recognise(&credential.shown(peer_name), now_seconds) {
        Ok(caller) => caller,
        Err(error) => {
            // The reason names no secret.
            tracing::info!(%error, "a login to the work list was refused");
            match outcome(&error) {
                Outcome::Unavailable => list.attempts.forgive(&attempt),
                _ => list.attempts.failed(&attempt),
            }
            let form = said(Fault::new("secret", not_recognised(&error)));
            let answer = list.form(&headers, &peer, StatusCode::UNAUTHORIZED, form);
            // Before the rest, which who guesses need not wait for.
            let answer = list.refuse(Refused::of(WANTED, outcome(&error)), answer).await;
            tokio::time::sleep(FAILED_REST).await;
            return answer;
        }
    };
    list.attempts.succeeded(&attempt);
    tracing::info!(caller = caller.name, "logged in to the work list");
    if let Some(former) = list.cookies.session(&headers) {
        list.sessions.end(&former);
    }
    let session = Session { credential, caller, purpose };
    let Ok((ticket, _)) = list.sessions.begin(session, Instant::now()) else {
        return list.no_random();
    };
    let mut response = render::see_other("/");
    list.cookies.set_session(&mut response, &ticket);
    response
}

fn not_recognised(error: &ServiceError) -> String {
    words::capital(&format!("{error}."))
}

fn credential(fields: &Fields) -> Result<Credential, Fault> {
    let secret = || {
        let missing = || Fault::new("secret", "Give the key or the token.");
        fields.get("secret").map(|secret| secret.to_owned().into()).ok_or_else(missing)
    };
    match fields.get("by") {
        Some("certificate") => Ok(Credential::Certificate),
        Some("token") => secret().map(Credential::Bearer),
        _ => secret().map(Credential::ApiKey),
    }
}

fn purpose(fields: &Fields) -> Result<Purpose, Fault> {
    let purpose = fields.get("purpose").and_then(Purpose::parse);
    // Emergencies and research have no work list.
    let purpose = purpose.filter(|p| matches!(p, Purpose::Treatment | Purpose::Operations));
    purpose.ok_or_else(|| Fault::new("purpose", "Say what you look at the list for."))
}

/// What of an address counts as one: of IPv6 the half that names a network, of which one machine has
/// all the rest.
fn bucket(peer: &Peer) -> String {
    match peer.address.to_canonical() {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("{:x}", address.to_bits() >> 64),
    }
}

/// Logs somebody off.
pub(super) async fn end(
    State(list): State<Arc<Worklist>>,
    headers: HeaderMap,
    Body(fields): Body,
) -> Response {
    let mut response = ended("left");
    if let Some(ticket) = list.cookies.session(&headers) {
        if !list.sessions.is_form_token(&ticket, fields.get("form").unwrap_or_default()) {
            return list.forged();
        }
        list.sessions.end(&ticket);
        list.cookies.drop_session(&mut response);
    }
    response
}
