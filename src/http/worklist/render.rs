//! The pages: what each template is given.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::form::{Fault, Filter};
use super::show::{Choice, FlagView};
use super::trends::Parts;
use super::words::{self, Drift};

/// What stands around every page.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub(super) is_demonstration: bool,
    /// Whether nobody has to log in.
    pub(super) is_open: bool,
    /// Who is logged in.
    pub(super) visitor: Option<VisitorView>,
    /// What forms bring back.
    pub(super) form: String,
    /// After how many seconds without use the visitor is logged off.
    pub(super) idle_seconds: Option<u64>,
    /// What was done.
    pub(super) told: Option<&'static str>,
    /// Which parts of the site the visitor may see, and whether this is a page of the trends.
    pub(super) parts: Parts,
    pub(super) is_trends: bool,
    pub(super) zone: String,
    pub(super) now: String,
}

/// Who is logged in, in words.
#[derive(Debug, Clone)]
pub(super) struct VisitorView {
    pub(super) name: String,
    pub(super) purpose: &'static str,
}

#[derive(Template)]
#[template(path = "worklist/login.html")]
pub(super) struct LoginPage {
    pub(super) frame: Frame,
    /// The name in the certificate of the connection.
    pub(super) certificate: Option<String>,
    pub(super) by_token: bool,
    pub(super) for_operations: bool,
    pub(super) error: Option<Fault>,
    pub(super) idle: String,
    pub(super) session: String,
}

impl LoginPage {
    fn fault_of(&self, field: &str) -> Option<&str> {
        self.error.iter().find(|fault| fault.field == field).map(|fault| fault.text.as_str())
    }
}

#[derive(Template)]
#[template(path = "worklist/message.html")]
pub(super) struct MessagePage<'a> {
    pub(super) frame: Frame,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) href: &'a str,
    pub(super) link: &'a str,
}

#[derive(Template)]
#[template(path = "worklist/list.html")]
pub(super) struct ListPage {
    pub(super) frame: Frame,
    pub(super) filter: Filter,
    pub(super) is_filtered: bool,
    /// Each with whether it is asked for.
    pub(super) states: Vec<(Choice, bool)>,
    /// Names and titles.
    pub(super) tasks: Vec<(String, String)>,
    pub(super) tiers: Vec<String>,
    pub(super) teams: Vec<String>,
    pub(super) units: Vec<String>,
    /// The address of the flags that are assigned to the visitor.
    pub(super) mine: Option<String>,
    /// How many flags there are, in words.
    pub(super) count: String,
    /// How many flags wait, in words.
    pub(super) waiting: Option<String>,
    /// Each with its number on the page.
    pub(super) views: Vec<(usize, FlagView)>,
    /// The address of this list.
    pub(super) back: String,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

impl ListPage {
    fn href(&self, view: &FlagView) -> String {
        format!("/flags/{}{}", view.id, self.back)
    }
}

/// Something that happened to a flag, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventView {
    pub(super) when: String,
    pub(super) what: String,
    pub(super) who: Option<String>,
}

/// What somebody gave in a form that could not be used.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub(super) assignee: String,
    pub(super) until: String,
    pub(super) reason: String,
    pub(super) action: String,
}

#[derive(Template)]
#[template(path = "worklist/flag.html")]
pub(super) struct FlagPageView {
    pub(super) frame: Frame,
    pub(super) view: FlagView,
    pub(super) events: Vec<EventView>,
    pub(super) faults: Vec<Fault>,
    pub(super) given: Given,
    pub(super) back: String,
    pub(super) actions: Vec<Choice>,
    pub(super) dismissals: Vec<Choice>,
    pub(super) feedbacks: Vec<Choice>,
    /// The first and the last day of a snooze.
    pub(super) tomorrow: String,
    pub(super) last_day: String,
}

impl FlagPageView {
    fn fault_of(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|fault| fault.field == field).map(|fault| fault.text.as_str())
    }

    fn capital(&self, text: &str) -> String {
        words::capital(text)
    }
}

#[derive(Template)]
#[template(path = "worklist/conflict.html")]
pub(super) struct ConflictPage {
    pub(super) frame: Frame,
    pub(super) view: FlagView,
    pub(super) wanted: String,
    /// What happened since the visitor saw the flag.
    pub(super) events: Vec<EventView>,
    /// The fields of the form, to send again.
    pub(super) again: Vec<(&'static str, String)>,
    pub(super) back: String,
}

/// The page as an answer.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Response {
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], html).into_response()
}

/// To be looked at next.
pub(super) fn see_other(address: &str) -> Response {
    match HeaderValue::try_from(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
