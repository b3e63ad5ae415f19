//! The trends page: statements ranked, and the figures of one group that is chosen by its address.
//!
//! - `asked`: what the address asks for; `shown`: the same in the page's words.

mod asked;
mod shown;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::Worklist;
use super::call::outcome;
use super::form::Fields;
use super::render::{self, MessagePage};
use super::visitor::Visitor;
use crate::access::{Method, Outcome};
use crate::http::listener::Peer;
use crate::registry::{LoadedRelease, LoadedReleases};
use crate::service::{ServiceError, TrendAnswer, TrendQuery, Visit};
use crate::trend::Measure;
use asked::Asked;
use shown::TrendsPage;

/// The address of the page.
pub(super) const PATH: &str = "/trends";
/// Statements of one page.
const PAGE_STATEMENTS: usize = 15;

/// Which parts of the site a visitor may see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) list: bool,
    pub(super) trends: bool,
}

/// What the service found of what the address asks for.
struct Found {
    loaded: Arc<LoadedReleases>,
    statements: TrendAnswer,
    /// Where there is one.
    chosen: Option<Chosen>,
}

/// The release and the measure whose figures are shown, with the group's own and those of groups that
/// are made by more keys.
struct Chosen {
    release: Arc<LoadedRelease>,
    measure: String,
    series: TrendAnswer,
}

/// The page that the address asks for.
pub(super) async fn show(
    State(list): State<Arc<Worklist>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let visitor = match list.enter(&headers, &peer) {
        Ok(visitor) => visitor,
        Err(turned) => return turned.answer,
    };
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    let response = match Asked::read(&fields) {
        Err(fault) => {
            list.trend_message(&visitor, StatusCode::BAD_REQUEST, "No such trends", &fault.text)
        }
        Ok(asked) => list.trends(&visitor, asked).await,
    };
    list.leave(&visitor, response)
}

impl Worklist {
    /// Which parts of the site `visit` may see.
    pub(super) fn parts(&self, visit: &Visit) -> Parts {
        let may = |method| self.service.permit(visit, method, &[]).is_ok();
        Parts {
            list: self.service.has_flags() && may(Method::ListFlags),
            trends: self.service.has_trends() && may(Method::GetTrends),
        }
    }

    async fn trends(&self, visitor: &Visitor, asked: Asked) -> Response {
        let visit = &visitor.visit;
        let call = self.call(visit, Method::GetTrends);
        let found = call.answer(&self.service, visit, async |_| self.find(visit, &asked)).await;
        let frame = self.trend_frame(visitor);
        match found {
            Ok(found) => {
                let is_allowed = |measure: &Measure| self.may_see(visit, measure);
                let page = TrendsPage::of(frame, &asked, &found, &is_allowed);
                render::page(StatusCode::OK, &page)
            }
            Err(ServiceError::NoTrends) => {
                let text = "This server shows no trends yet: whoever runs it has named no release of \
                            trends in its settings.";
                render::page(StatusCode::OK, &TrendsPage::without(frame, text.to_owned()))
            }
            Err(error) if outcome(&error) == Outcome::NotFound => {
                let text = format!("{}.", super::words::capital(&error.to_string()));
                self.trend_message(visitor, StatusCode::NOT_FOUND, "No such trends", &text)
            }
            Err(error) => self.refusal(&error, Some(visitor)),
        }
    }

    /// What the releases hold of what is asked for.
    fn find(&self, visit: &Visit, asked: &Asked) -> Result<Found, ServiceError> {
        let query = TrendQuery {
            statements_only: true,
            page_size: PAGE_STATEMENTS,
            page_token: asked.page.as_ref().map(|(token, _)| token.clone()),
            ..asked.query()
        };
        let statements = self.service.get_trends(visit, &query)?;
        let loaded = self.service.trends();
        let may_show = |measure: &&Measure| {
            asked.measure.as_ref().is_none_or(|name| *name == measure.name)
                && self.may_see(visit, measure)
        };
        let chosen = loaded
            .releases()
            .iter()
            .filter(|of| asked.release.as_ref().is_none_or(|name| *name == of.release().name))
            .find_map(|of| {
                let measure = of.release().measures.iter().find(may_show)?;
                Some((Arc::clone(of), measure.name.clone()))
            });
        let Some((release, measure)) = chosen else {
            return Ok(Found { loaded, statements, chosen: None });
        };
        let query = TrendQuery {
            release: Some(release.release().name.clone()),
            measure: Some(measure.clone()),
            page_size: usize::MAX,
            ..asked.query()
        };
        // The chosen release may lack a key that another one has: then it shows no group.
        let series = match self.service.get_trends(visit, &query) {
            Err(ServiceError::UnknownTrend { .. }) => {
                return Ok(Found { loaded, statements, chosen: None });
            }
            found => found?,
        };
        let chosen = Chosen { release, measure, series };
        Ok(Found { loaded, statements, chosen: Some(chosen) })
    }

    /// Whether the visitor may see what is about the task of `measure`.
    fn may_see(&self, visit: &Visit, measure: &Measure) -> bool {
        let tasks: Vec<&str> = measure.task.as_deref().into_iter().collect();
        self.service.permit(visit, Method::GetTrends, &tasks).is_ok()
    }

    fn trend_frame(&self, visitor: &Visitor) -> render::Frame {
        render::Frame { is_trends: true, ..self.frame(visitor) }
    }

    fn trend_message(
        &self,
        visitor: &Visitor,
        status: StatusCode,
        title: &str,
        text: &str,
    ) -> Response {
        let frame = self.trend_frame(visitor);
        render::page(status, &MessagePage { frame, title, text, href: PATH, link: "To all trends" })
    }
}
