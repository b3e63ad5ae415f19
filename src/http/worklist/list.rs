//! The list: which flags, how many, and each of them in short.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::call::Refused;
use super::form::{self, Fields, Filter};
use super::render::{self, ListPage};
use super::show::{Choice, Depth, FlagView};
use super::visitor::Visitor;
use super::{Worklist, trends, words};
use crate::access::{Method, Outcome};
use crate::flag::{Flag, FlagPage, FlagQuery, FlagState};
use crate::http::listener::Peer;
use crate::registry::Registry;
use crate::service::ServiceError;

/// The list that the address asks for.
pub(super) async fn show(
    State(list): State<Arc<Worklist>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let visitor = match list.enter(&headers, &peer) {
        Ok(visitor) => visitor,
        Err(turned) if turned.is_stranger => return turned.answer,
        Err(turned) => {
            let refused = Refused::of(Method::ListFlags, turned.outcome);
            return list.refuse(refused, turned.answer).await;
        }
    };
    let parts = list.parts(&visitor.visit);
    if parts.trends && !parts.list {
        // Who may see the trends alone looks for nothing else; every way in leads to this list.
        return list.leave(&visitor, render::see_other(trends::PATH));
    }
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    let response = match Filter::read(&fields) {
        Err(fault) => {
            let refused = Refused {
                visit: Some(&visitor.visit),
                ..Refused::of(Method::ListFlags, Outcome::InvalidArgument)
            };
            let answer = list.message(StatusCode::BAD_REQUEST, "No such list", &fault.text);
            list.refuse(refused, answer).await
        }
        Ok(filter) => match list.found(&visitor, &filter).await {
            Err(error) => list.refusal(&error, Some(&visitor)),
            Ok((found, waiting)) => {
                let done = form::done(&fields);
                let page = list.page(&visitor, filter, &found, waiting, done);
                render::page(StatusCode::OK, &page)
            }
        },
    };
    list.leave(&visitor, response)
}

impl Worklist {
    /// The flags of the list, and how many more of its kind wait.
    async fn found(
        &self,
        visitor: &Visitor,
        filter: &Filter,
    ) -> Result<(FlagPage, u64), ServiceError> {
        let (visit, now) = (&visitor.visit, visitor.moment.now);
        let asked = filter.flag_query();
        let waiting = filter.states.is_empty().then(|| FlagQuery {
            states: vec![FlagState::Waiting],
            page: None,
            page_flags: 1,
            ..asked.clone()
        });
        let call = self.call(visit, Method::ListFlags);
        call.answer(&self.service, visit, async |call| {
            let found = self.service.list_flags(visit, &asked, now).await?;
            call.listed(&found.flags);
            let waiting = match waiting {
                None => 0,
                Some(waiting) => self.service.list_flags(visit, &waiting, now).await?.count,
            };
            Ok((found, waiting))
        })
        .await
    }

    fn page(
        &self,
        visitor: &Visitor,
        filter: Filter,
        found: &FlagPage,
        waiting: u64,
        done: Option<form::Done>,
    ) -> ListPage {
        let registry = self.service.models().current();
        let view = |flag: &Flag| FlagView::of(flag, &registry, &visitor.moment, Depth::Listed);
        let before = filter.page.as_ref().map_or(0, |(_, before)| *before);
        let shown = before.saturating_add(found.flags.len() as u64);
        let next = found
            .next
            .clone()
            .map(|token| Filter { page: Some((token.0, shown)), ..filter.clone() }.query(None));
        let me = (!visitor.is_open()).then(|| visitor.visit.caller.name.clone());
        let mine = me.map(|name| Filter { assignee: Some(name), ..Filter::default() }.query(None));
        let choices = FlagState::ALL.into_iter().map(|state| {
            let choice = Choice { value: state.name(), text: words::state(state) };
            (choice, filter.flag_query().states.contains(&state))
        });
        ListPage {
            frame: render::Frame { told: done.map(form::Done::text), ..self.frame(visitor) },
            is_filtered: filter.is_set(),
            states: choices.collect(),
            tasks: tasks(&registry),
            tiers: tiers(&registry),
            teams: names(found, |flag| flag.place.team.clone()),
            units: names(found, |flag| flag.place.unit.clone()),
            mine: mine.map(|query| format!("/{query}")),
            count: count(&filter, found.count, before, shown),
            waiting: (waiting > 0).then(|| still_waiting(waiting)),
            views: (1..).zip(found.flags.iter().map(view)).collect(),
            back: filter.query(None),
            previous: filter
                .page
                .is_some()
                .then(|| format!("/{}", filter.first_page().query(None))),
            next: next.map(|query| format!("/{query}")),
            filter,
        }
    }
}

/// How many flags there are, in words.
fn count(filter: &Filter, count: u64, before: u64, shown: u64) -> String {
    let all = if filter.is_set() {
        format!("{} that {}", words::count(count, "flag"), if count == 1 { "fits" } else { "fit" })
    } else {
        words::count(count, "open flag")
    };
    if before == 0 && shown >= count {
        return all;
    }
    format!("{} to {shown} of {all}", before.saturating_add(1))
}

fn still_waiting(count: u64) -> String {
    let verb = if count == 1 { "waits" } else { "wait" };
    format!("{count} more {verb} for tomorrow's places: the teams' places of today are taken.")
}

/// The tasks in service, by name and title.
fn tasks(registry: &Registry) -> Vec<(String, String)> {
    let params = registry.served().iter().map(|bundle| bundle.task().params());
    params.map(|params| (params.name.clone(), params.title.clone())).collect()
}

/// The names of tiers of the tasks in service, the highest first.
fn tiers(registry: &Registry) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for tier in registry.served().iter().flat_map(|bundle| &bundle.task().params().tier) {
        if !names.contains(&tier.name) {
            names.push(tier.name.clone());
        }
    }
    names
}

fn names(found: &FlagPage, of: impl Fn(&Flag) -> Option<String>) -> Vec<String> {
    let names: BTreeSet<String> = found.flags.iter().filter_map(of).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_words() {
        let plain = Filter::default();
        let chosen = Filter { tier: Some("high".into()), ..Filter::default() };
        assert_eq!(count(&plain, 0, 0, 0), "0 open flags");
        assert_eq!(count(&plain, 1, 0, 1), "1 open flag");
        assert_eq!(count(&plain, 60, 25, 50), "26 to 50 of 60 open flags");
        assert_eq!(count(&chosen, 1, 0, 1), "1 flag that fits");
        assert_eq!(count(&chosen, 30, 0, 25), "1 to 25 of 30 flags that fit");
        assert!(still_waiting(1).starts_with("1 more waits "));
        assert!(still_waiting(4).starts_with("4 more wait "));
    }
}
