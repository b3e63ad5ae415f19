//! Who asks for a page: recognised anew at each request, by what somebody logged in with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::call::{outcome, told};
use super::render::{self, Frame, MessagePage, VisitorView};
use super::session::{Ended, Session, Ticket};
use super::words::Moment;
use super::{Worklist, login};
use crate::access::{Caller, Outcome, Purpose};
use crate::http::listener::Peer;
use crate::http::surroundings::is_called_as_this_machine;
use crate::identity::{AuthError, Credentials};
use crate::service::{ServiceError, Visit};

/// Who asks, and what ties the forms of the answer to them.
pub(super) struct Visitor {
    pub(super) visit: Visit,
    pub(super) ticket: Ticket,
    /// Whether the browser does not have the ticket yet.
    is_new: bool,
    is_open: bool,
    pub(super) moment: Moment,
}

impl Visitor {
    /// Whether nobody has to log in.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }
}

/// Somebody who is not let in.
pub(super) struct Turned {
    pub(super) answer: Response,
    /// As the access log has it.
    pub(super) outcome: Outcome,
    /// Whether nothing but the way to the login was asked for: there is no session, and was none that
    /// the server knows of.
    pub(super) is_stranger: bool,
}

impl Turned {
    fn away(answer: Response, outcome: Outcome) -> Box<Turned> {
        Box::new(Turned { answer, outcome, is_stranger: false })
    }

    /// To the login; `ended` says why somebody has to log in anew.
    fn to_login(ended: Ended) -> Box<Turned> {
        let answer = match ended {
            Ended::Unknown => login::asked_for(),
            Ended::Idle => login::ended("idle"),
            Ended::Old => login::ended("old"),
        };
        let is_stranger = ended == Ended::Unknown;
        Box::new(Turned { answer, outcome: Outcome::Unauthenticated, is_stranger })
    }
}

impl Worklist {
    /// Who asks.
    ///
    /// # Errors
    /// The answer for nobody who is known.
    pub(super) fn enter(&self, headers: &HeaderMap, peer: &Peer) -> Result<Visitor, Box<Turned>> {
        let moment = self.moment();
        if self.service.identity().is_anonymous() {
            return self.enter_freely(headers, moment);
        }
        let ticket = self.cookies.session(headers);
        let ticket = ticket.ok_or_else(|| Turned::to_login(Ended::Unknown))?;
        let session = self.sessions.find(&ticket, Instant::now()).map_err(Turned::to_login)?;
        let caller = match self.still_recognised(&session, peer, &moment) {
            Ok(caller) => caller,
            Err(error) if outcome(&error) == Outcome::Unavailable => {
                let answer = self.refusal(&error, None);
                return Err(Turned::away(answer, Outcome::Unavailable));
            }
            Err(_) => {
                self.sessions.end(&ticket);
                tracing::info!(caller = session.caller.name, "logged off: no longer recognised");
                return Err(Turned::away(login::ended("unknown"), Outcome::Unauthenticated));
            }
        };
        let Session { purpose, .. } = *session;
        let visit = Visit { caller, purpose: Some(purpose), break_glass: None };
        Ok(Visitor { visit, ticket, is_new: false, is_open: false, moment })
    }

    /// For how long without further use somebody is logged in still; to ask is no use.
    pub(super) fn is_logged_in_for(&self, headers: &HeaderMap, peer: &Peer) -> Option<Duration> {
        let ticket = self.cookies.session(headers)?;
        let (session, left) = self.sessions.look(&ticket, Instant::now()).ok()?;
        self.still_recognised(&session, peer, &self.moment()).ok().map(|_| left)
    }

    /// Who somebody who is logged in is by now.
    fn still_recognised(
        &self,
        session: &Session,
        peer: &Peer,
        moment: &Moment,
    ) -> Result<Arc<Caller>, ServiceError> {
        let credentials = session.credential.shown(peer.name.as_deref());
        let now_seconds = moment.now.micros().div_euclid(1_000_000);
        match self.service.recognise(&credentials, now_seconds) {
            // Of a token for one use all else was looked at before that it was used: here, by this login.
            Err(ServiceError::NotRecognised(AuthError::TokenReplayed)) => {
                Ok(Arc::clone(&session.caller))
            }
            recognised => recognised,
        }
    }

    /// Where nobody has to log in.
    fn enter_freely(&self, headers: &HeaderMap, moment: Moment) -> Result<Visitor, Box<Turned>> {
        if !is_called_as_this_machine(headers) {
            let text = "This server is open to everybody on its machine, and so it answers there alone: \
                        call it by its address, such as 127.0.0.1.";
            let answer = self.message(StatusCode::MISDIRECTED_REQUEST, "Wrong name", text);
            return Err(Turned::away(answer, Outcome::PermissionDenied));
        }
        let caller = self.service.recognise(&Credentials::default(), 0);
        let caller =
            caller.map_err(|error| Turned::away(self.refusal(&error, None), outcome(&error)))?;
        let found = self.cookies.visit(headers);
        let is_new = found.is_none();
        let ticket = found.map_or_else(Ticket::draw, Ok);
        let ticket = ticket.map_err(|_| Turned::away(self.no_random(), Outcome::Unavailable))?;
        let visit = Visit { caller, purpose: Some(Purpose::Treatment), break_glass: None };
        Ok(Visitor { visit, ticket, is_new, is_open: true, moment })
    }

    /// What stands around a page for `visitor`.
    pub(super) fn frame(&self, visitor: &Visitor) -> Frame {
        let name = visitor.visit.caller.name.clone();
        let purpose = purpose(visitor.visit.purpose);
        Frame {
            is_open: visitor.is_open,
            parts: self.parts(&visitor.visit),
            visitor: (!visitor.is_open).then_some(VisitorView { name, purpose }),
            form: self.sessions.form_token(&visitor.ticket),
            idle_seconds: (!visitor.is_open).then_some(self.plan.idle.as_secs()),
            ..self.bare_frame(&visitor.moment)
        }
    }

    /// What stands around a page for nobody in particular.
    pub(super) fn bare_frame(&self, moment: &Moment) -> Frame {
        Frame {
            is_demonstration: self.is_demonstration,
            zone: moment.zone_name().to_owned(),
            now: moment.at(moment.now),
            ..Frame::default()
        }
    }

    /// `response` for `visitor`: with the ticket where it is new, and with the end of the session, so
    /// that patients do not stay on a screen that somebody left.
    pub(super) fn leave(&self, visitor: &Visitor, mut response: Response) -> Response {
        if visitor.is_new {
            self.cookies.set_visit(&mut response, &visitor.ticket);
        }
        if !visitor.is_open {
            look_again(&mut response, self.plan.idle);
        }
        response
    }

    /// The page of an error.
    pub(super) fn refusal(&self, error: &ServiceError, visitor: Option<&Visitor>) -> Response {
        let (status, title, text) = told(error);
        let moment = self.moment();
        let frame = visitor.map_or_else(|| self.bare_frame(&moment), |visitor| self.frame(visitor));
        let page = MessagePage { frame, title, text: &text, href: "/", link: "To the list" };
        render::page(status, &page)
    }

    /// A page that says one thing.
    pub(super) fn message(&self, status: StatusCode, title: &str, text: &str) -> Response {
        let frame = self.bare_frame(&self.moment());
        render::page(status, &MessagePage { frame, title, text, href: "/", link: "To the list" })
    }

    pub(super) fn no_random(&self) -> Response {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        self.message(status, "Not possible now", "The machine gives no random bytes.")
    }
}

/// Lets the browser look, once `left` is over, whether the session is; to look is no use of it.
pub(super) fn look_again(response: &mut Response, left: Duration) {
    let seconds = left.as_secs().saturating_add(1);
    if let Ok(refresh) = HeaderValue::try_from(format!("{seconds};url=/login?ended=idle")) {
        response.headers_mut().insert(header::REFRESH, refresh);
    }
}

/// A purpose as people say it.
fn purpose(purpose: Option<Purpose>) -> &'static str {
    match purpose {
        Some(Purpose::Operations) => "running the organisation",
        Some(Purpose::Research) => "research",
        Some(Purpose::EmergencyTreatment) => "emergency care",
        Some(Purpose::Treatment) | None => "care of these patients",
    }
}
