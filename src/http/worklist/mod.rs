//! The work list: flags for people, and beside it trends of groups, as pages that work without a script.
//!
//! - `settings`: the section `[worklist]`
//! - `session`, `login`, `attempts`, `visitor`: who looks at it, recognised as callers of gRPC are
//! - `guard`: headers that keep a page closed, cookies, requests of other sites
//! - `form`: what forms and addresses bring; `words`, `course`, `show`: flags in plain words
//! - `list`, `flag`, `trends`: the pages; `render` and `templates/worklist` make them; `call` records each use
//!
//! No page keeps or fetches anything elsewhere. Every text is escaped by the templates.
//!
//! Each use of a page about patients has its record in the access log before the answer leaves, as a
//! call of gRPC has, also where it is refused: nobody who is known (UNAUTHENTICATED; a login that
//! failed too, as somebody who wanted the list), a form of another page or site (PERMISSION_DENIED), an
//! id that is none (NOT_FOUND), an address or a form that says nothing sensible (INVALID_ARGUMENT).
//! Without a record stay: who opens the list without any session and is sent to the login, the
//! login's own pages, the trends, which are of groups, and a form that was not sent whole; nothing of a
//! patient was asked.

mod attempts;
mod call;
mod course;
mod flag;
mod form;
mod guard;
mod list;
mod login;
mod render;
mod session;
mod settings;
mod show;
mod trends;
mod visitor;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::time::timeout;

pub use settings::{WorklistPlan, WorklistSettings};

use crate::access::{Method, Outcome};
use crate::http::listener::{self, Allowance};
use crate::identity::Tls;
use crate::record::Time;
use crate::service::Service;
use attempts::Attempts;
use call::Refused;
use form::Fields;
use guard::Cookies;
use session::Sessions;
use words::Moment;

/// What the addresses of flags begin with.
const FLAGS: &str = "/flags/";
const STYLE: &str = include_str!("../../../templates/worklist/style.css");
const SCRIPT: &str = include_str!("../../../templates/worklist/script.js");
/// The longest form: a bearer token is the most of it.
const FORM_BYTES_MAX: usize = 32 * 1024;
/// For a form to come in whole.
const FORM_MAX: Duration = Duration::from_secs(10);

/// People look at a page for minutes and ask for the next one over the same connection, or a new one.
const ALLOWANCE: Allowance = Allowance {
    connections_max: 256,
    head_max: Duration::from_secs(15),
    age_max: Duration::from_secs(120),
    last_max: Duration::from_secs(15),
    keep_alive: true,
    head_bytes_max: listener::HEAD_BYTES_MAX,
    drain_max: Duration::ZERO,
};

/// Why a work list could not begin.
#[derive(Debug, thiserror::Error)]
pub enum WorklistError {
    #[error("the machine gives no random bytes")]
    Random,
}

/// The work list of a service.
pub struct Worklist {
    service: Arc<Service>,
    plan: WorklistPlan,
    sessions: Sessions,
    cookies: Cookies,
    attempts: Attempts,
    clock: fn() -> Time,
    is_demonstration: bool,
}

impl fmt::Debug for Worklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worklist").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Worklist {
    /// The work list of `service`, which keeps flags; `clock` tells the time of each answer, and
    /// `is_demonstration` puts up a banner that the patients are simulated.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn new(
        service: Arc<Service>,
        plan: WorklistPlan,
        clock: fn() -> Time,
        is_demonstration: bool,
    ) -> Result<Worklist, WorklistError> {
        let sessions = Sessions::new(plan.idle, plan.session);
        let sessions = sessions.map_err(|_| WorklistError::Random)?;
        let attempts = Attempts::new().map_err(|_| WorklistError::Random)?;
        let cookies = Cookies::new(plan.address.port(), plan.is_behind_tls);
        Ok(Worklist { service, plan, sessions, cookies, attempts, clock, is_demonstration })
    }

    /// Serves it until `shutdown` is done; encrypted where there is a `tls`. Open connections are then
    /// cut.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        shutdown: impl Future<Output = ()>,
    ) {
        let port = listener.local_addr().map_or(self.plan.address.port(), |bound| bound.port());
        self.cookies = Cookies::new(port, tls.is_some() || self.plan.is_behind_tls);
        let router = Arc::new(self).router();
        let pages = move |peer| router.clone().layer(Extension(peer));
        listener::serve(listener, tls, ALLOWANCE, pages, shutdown).await;
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(list::show))
            .route(trends::PATH, get(trends::show))
            .route("/login", get(login::show).post(login::begin))
            .route("/logout", post(login::end))
            .route("/flags/{id}", get(flag::show).post(flag::change))
            .route("/style.css", get(async || fixed("text/css; charset=utf-8", STYLE)))
            .route("/script.js", get(async || fixed("text/javascript; charset=utf-8", SCRIPT)))
            .fallback(async |State(list): State<Arc<Worklist>>| {
                list.message(
                    StatusCode::NOT_FOUND,
                    "No such page",
                    "There is no page at this address.",
                )
            })
            .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
            .layer(from_fn_with_state(Arc::clone(&self), own_alone))
            .layer(map_response(guard::closed))
            .with_state(self)
    }

    /// The time of an answer.
    fn moment(&self) -> Moment {
        Moment { now: (self.clock)(), zone: self.plan.zone.clone() }
    }

    fn forged(&self) -> Response {
        let text = "The form was not one of this session's, and nothing was changed. Open the list, and \
                    try again from there.";
        self.message(StatusCode::FORBIDDEN, "Nothing was changed", text)
    }
}

/// Lets no request of another site through.
async fn own_alone(State(list): State<Arc<Worklist>>, request: Request, next: Next) -> Response {
    if guard::is_own(&request) {
        return next.run(request).await;
    }
    let answer = list.forged();
    if !request.uri().path().starts_with(FLAGS) {
        return answer;
    }
    // Which of the two forms it was is not read.
    let refused = Refused::of(Method::UpdateFlag, Outcome::PermissionDenied);
    list.refuse(refused, answer).await
}

fn fixed(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// The fields of a form that came in whole and in time.
struct Body(Fields);

impl FromRequest<Arc<Worklist>> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, list: &Arc<Worklist>) -> Result<Body, Response> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if kind != Some("application/x-www-form-urlencoded") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(list.message(status, "Not a form", "Forms come as forms of HTML."));
        }
        let read = axum::body::to_bytes(request.into_body(), FORM_BYTES_MAX);
        match timeout(FORM_MAX, read).await {
            Ok(Ok(bytes)) => Ok(Body(Fields::read(&bytes))),
            Ok(Err(_)) => {
                let text = "The form is longer than the server takes, or was cut short.";
                Err(list.message(StatusCode::PAYLOAD_TOO_LARGE, "Too long", text))
            }
            Err(_) => {
                let text = "The form did not come in in time.";
                Err(list.message(StatusCode::REQUEST_TIMEOUT, "Too slow", text))
            }
        }
    }
}
