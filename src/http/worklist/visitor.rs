//! Who asks for a page: recognised anew at each request, by what somebody logged in with.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::call::told;
use super::guard::is_called_as_this_machine;
use super::render::{self, Frame, MessagePage, VisitorView};
use super::session::{Ended, Session, Ticket};
use super::words::Moment;
use super::{Worklist, login};
use crate::access::Purpose;
use crate::http::listener::Peer;
use crate::identity::{AuthError, AuthKind, Credentials};
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

impl Worklist {
    /// Who asks.
    ///
    /// # Errors
    /// The answer for nobody who is known.
    pub(super) fn enter(&self, headers: &HeaderMap, peer: &Peer) -> Result<Visitor, Box<Response>> {
        let moment = self.moment();
        if self.service.identity().is_anonymous() {
            return self.enter_freely(headers, moment);
        }
        let now_seconds = moment.now.micros().div_euclid(1_000_000);
        let ticket = self.cookies.session(headers).ok_or_else(|| Box::new(login::asked_for()))?;
        let session = match self.sessions.find(&ticket, Instant::now()) {
            Ok(session) => session,
            Err(Ended::Unknown) => return Err(Box::new(login::asked_for())),
            Err(Ended::Idle) => return Err(Box::new(login::ended("idle"))),
            Err(Ended::Old) => return Err(Box::new(login::ended("old"))),
        };
        let credentials = session.credential.shown(peer.name.as_deref());
        let caller = match self.service.recognise(&credentials, now_seconds) {
            Ok(caller) => caller,
            // Of a token for one use all else was looked at before that it was used: here, by this login.
            Err(ServiceError::NotRecognised(AuthError::TokenReplayed)) => {
                Arc::clone(&session.caller)
            }
            Err(ServiceError::NotRecognised(error)) if error.kind() == AuthKind::Unavailable => {
                let error = ServiceError::NotRecognised(error);
                return Err(Box::new(self.refusal(&error, None)));
            }
            Err(_) => {
                self.sessions.end(&ticket);
                tracing::info!(caller = session.caller.name, "logged off: no longer recognised");
                return Err(Box::new(login::ended("unknown")));
            }
        };
        let Session { purpose, .. } = *session;
        let visit = Visit { caller, purpose: Some(purpose), break_glass: None };
        Ok(Visitor { visit, ticket, is_new: false, is_open: false, moment })
    }

    /// Where nobody has to log in.
    fn enter_freely(&self, headers: &HeaderMap, moment: Moment) -> Result<Visitor, Box<Response>> {
        if !is_called_as_this_machine(headers) {
            let text = "This server is open to everybody on its machine, and so it answers there alone: \
                        call it by its address, such as 127.0.0.1.";
            return Err(Box::new(self.message(
                axum::http::StatusCode::MISDIRECTED_REQUEST,
                "Wrong name",
                text,
            )));
        }
        let caller = self.service.recognise(&Credentials::default(), 0);
        let caller = caller.map_err(|error| Box::new(self.refusal(&error, None)))?;
        let found = self.cookies.visit(headers);
        let is_new = found.is_none();
        let ticket = found.map_or_else(Ticket::draw, Ok).map_err(|_| Box::new(self.no_random()))?;
        let visit = Visit { caller, purpose: Some(Purpose::Treatment), break_glass: None };
        Ok(Visitor { visit, ticket, is_new, is_open: true, moment })
    }

    /// What stands around a page for `visitor`.
    pub(super) fn frame(&self, visitor: &Visitor) -> Frame {
        let name = visitor.visit.caller.name.clone();
        let purpose = purpose(visitor.visit.purpose);
        Frame {
            is_open: visitor.is_open,
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
            let seconds = self.plan.idle.as_secs().saturating_add(1);
            if let Ok(refresh) = HeaderValue::try_from(format!("{seconds};url=/login?ended=idle")) {
                response.headers_mut().insert(header::REFRESH, refresh);
            }
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
    pub(super) fn message(
        &self,
        status: axum::http::StatusCode,
        title: &str,
        text: &str,
    ) -> Response {
        let frame = self.bare_frame(&self.moment());
        render::page(status, &MessagePage { frame, title, text, href: "/", link: "To the list" })
    }

    pub(super) fn no_random(&self) -> Response {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        self.message(status, "Not possible now", "The machine gives no random bytes.")
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
