//! One flag: its page, and what people do with it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::call::{Refused, told};
use super::form::{self, Done, Fault, Fields, Filter, WISH_FIELDS, Wish};
use super::render::{self, ConflictPage, EventView, FlagPageView, Frame, Given};
use super::show::{Depth, FlagView, actions, dismissals, feedbacks};
use super::visitor::Visitor;
use super::words::{self, Moment};
use super::{Body, Worklist};
use crate::access::{Method, Outcome};
use crate::flag::{Feedback, Flag, FlagId, FlagUpdate, InvalidUpdate, PastChange};
use crate::http::listener::Peer;
use crate::service::ServiceError;

/// The page of one flag.
pub(super) async fn show(
    State(list): State<Arc<Worklist>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let visitor = match list.enter(&headers, &peer) {
        Ok(visitor) => visitor,
        Err(turned) => {
            let refused = Refused::of(Method::ListFlags, turned.outcome);
            return list.refuse(refused, turned.answer).await;
        }
    };
    let fields = Fields::read(query.unwrap_or_default().as_bytes());
    let said = Said {
        told: form::done(&fields).map(Done::text),
        back: Filter::read(&fields).unwrap_or_default().query(None),
        ..Said::default()
    };
    let response = match FlagId::parse(&id) {
        Err(_) => list.no_flag(&visitor, Method::ListFlags).await,
        Ok(id) => list.flag_page(&visitor, id, StatusCode::OK, said).await,
    };
    list.leave(&visitor, response)
}

/// What the page of a flag says besides the flag.
#[derive(Default)]
struct Said {
    told: Option<&'static str>,
    faults: Vec<Fault>,
    given: Given,
    back: String,
}

impl Worklist {
    async fn flag(
        &self,
        visitor: &Visitor,
        id: FlagId,
    ) -> Result<(Flag, Vec<PastChange>), ServiceError> {
        let visit = &visitor.visit;
        let call = self.call(visit, Method::ListFlags);
        call.answer(&self.service, visit, async |call| {
            let found = self.service.flag(visit, id).await?;
            call.patient(&found.0.patient_id);
            Ok(found)
        })
        .await
    }

    async fn flag_page(
        &self,
        visitor: &Visitor,
        id: FlagId,
        status: StatusCode,
        said: Said,
    ) -> Response {
        let (flag, events) = match self.flag(visitor, id).await {
            Ok(found) => found,
            Err(error) => return self.refusal(&error, Some(visitor)),
        };
        let moment = &visitor.moment;
        let registry = self.service.models().current();
        let page = FlagPageView {
            frame: Frame { told: said.told, ..self.frame(visitor) },
            view: FlagView::of(&flag, &registry, moment, Depth::Whole),
            events: happened(&events, moment),
            faults: said.faults,
            given: said.given,
            back: said.back,
            actions: actions(),
            dismissals: dismissals(),
            feedbacks: feedbacks(),
            tomorrow: moment.date(moment.now.plus_days(1)),
            last_day: moment.date(flag.expires_time),
        };
        render::page(status, &page)
    }

    async fn conflict_page(
        &self,
        visitor: &Visitor,
        id: FlagId,
        fields: &Fields,
        (wish, back): (&Wish, String),
    ) -> Response {
        let (flag, events) = match self.flag(visitor, id).await {
            Ok(found) => found,
            Err(error) => return self.refusal(&error, Some(visitor)),
        };
        let seen = fields.get("version").and_then(|version| version.parse::<u64>().ok());
        // A flag's version grows by one with each of its changes.
        let since = flag.version.saturating_sub(seen.unwrap_or_default());
        let before = (events.len() as u64).saturating_sub(since);
        let since = events.get(before as usize..).unwrap_or_default();
        let registry = self.service.models().current();
        let again = WISH_FIELDS.into_iter();
        let again = again.filter_map(|name| Some((name, fields.get(name)?.to_owned())));
        let page = ConflictPage {
            frame: self.frame(visitor),
            view: FlagView::of(&flag, &registry, &visitor.moment, Depth::Listed),
            wanted: wanted(wish, &visitor.moment),
            events: happened(since, &visitor.moment),
            again: again.collect(),
            back,
        };
        render::page(StatusCode::CONFLICT, &page)
    }

    /// Does what the form asks for.
    async fn fulfil(
        &self,
        visitor: &Visitor,
        id: FlagId,
        version: u64,
        wish: &Wish,
    ) -> Result<(), ServiceError> {
        let (visit, now) = (&visitor.visit, visitor.moment.now);
        let method = match wish {
            Wish::Update(_) => Method::UpdateFlag,
            Wish::Feedback(_) => Method::RecordFeedback,
        };
        let call = self.call(visit, method);
        call.answer(&self.service, visit, async |call| {
            let done = match wish {
                Wish::Update(update) => {
                    self.service.update_flag(visit, id, version, update, now).await
                }
                Wish::Feedback(found) => self.service.record_feedback(visit, id, *found, now).await,
            };
            match &done {
                Ok(flag) => call.patient(&flag.patient_id),
                Err(_) => call.patient_of(&self.service, visit, id).await,
            }
            done.map(|_| ())
        })
        .await
    }
}

/// Does what a form of a flag asks for.
pub(super) async fn change(
    State(list): State<Arc<Worklist>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Body, Response>,
) -> Response {
    let method = body.as_ref().map_or(Method::UpdateFlag, |Body(fields)| method_of(fields));
    let visitor = match list.enter(&headers, &peer) {
        Ok(visitor) => visitor,
        Err(turned) => {
            return list.refuse(Refused::of(method, turned.outcome), turned.answer).await;
        }
    };
    let id = FlagId::parse(&id);
    let refused = |outcome| Refused {
        visit: Some(&visitor.visit),
        flag: id.as_ref().ok().copied(),
        ..Refused::of(method, outcome)
    };
    let fields = match body {
        Ok(Body(fields)) => fields,
        Err(answer) => return list.refuse(refused(Outcome::InvalidArgument), answer).await,
    };
    if !list.sessions.is_form_token(&visitor.ticket, fields.get("form").unwrap_or_default()) {
        return list.refuse(refused(Outcome::PermissionDenied), list.forged()).await;
    }
    let response = match id {
        Err(_) => list.no_flag(&visitor, method).await,
        Ok(id) => list.changed(&visitor, id, &fields).await,
    };
    list.leave(&visitor, response)
}

/// What a form asks the service for, also where it cannot be done.
fn method_of(fields: &Fields) -> Method {
    let feedback = fields.get("do").and_then(Feedback::parse);
    if feedback.is_some() { Method::RecordFeedback } else { Method::UpdateFlag }
}

impl Worklist {
    /// The answer to an id that is none.
    async fn no_flag(&self, visitor: &Visitor, method: Method) -> Response {
        let refused =
            Refused { visit: Some(&visitor.visit), ..Refused::of(method, Outcome::NotFound) };
        self.refuse(refused, self.refusal(&ServiceError::UnknownFlag, Some(visitor))).await
    }

    async fn changed(&self, visitor: &Visitor, id: FlagId, fields: &Fields) -> Response {
        let filter = fields.get("back").unwrap_or_default().trim_start_matches('?').as_bytes();
        let filter = Filter::read(&Fields::read(filter)).unwrap_or_default();
        let text = |name| fields.get(name).unwrap_or_default().to_owned();
        let refused = |fault: Fault| Said {
            faults: vec![fault],
            given: Given {
                assignee: text("assignee"),
                until: text("until"),
                reason: text("reason"),
                action: text("action"),
            },
            back: filter.query(None),
            told: None,
        };
        let unfit = StatusCode::UNPROCESSABLE_ENTITY;
        let me = &visitor.visit.caller.name;
        let unclear = Refused {
            visit: Some(&visitor.visit),
            flag: Some(id),
            ..Refused::of(method_of(fields), Outcome::InvalidArgument)
        };
        let wish = match Wish::read(fields, me, &visitor.moment) {
            Ok(wish) => wish,
            Err(fault) => {
                return match self.record_refused(unclear).await {
                    Ok(()) => self.flag_page(visitor, id, unfit, refused(fault)).await,
                    Err(error) => self.refusal(&error, Some(visitor)),
                };
            }
        };
        let Some(version) = fields.get("version").and_then(|version| version.parse().ok()) else {
            return self.refuse(unclear, self.forged()).await;
        };
        match self.fulfil(visitor, id, version, &wish).await {
            Ok(()) => render::see_other(&after(id, fields, &filter, Done::of(&wish))),
            Err(ServiceError::FlagChanged { .. }) => {
                self.conflict_page(visitor, id, fields, (&wish, filter.query(None))).await
            }
            Err(ServiceError::InvalidFlagUpdate(update)) => {
                let fault = unfit_update(&update);
                self.flag_page(visitor, id, unfit, refused(fault)).await
            }
            Err(error) => self.refusal(&error, Some(visitor)),
        }
    }
}

/// Where to go after it was done: to where the form stood.
fn after(id: FlagId, fields: &Fields, filter: &Filter, done: Done) -> String {
    let query = filter.query(Some(done));
    match fields.get("at").map(str::parse::<u32>) {
        Some(Ok(place)) => format!("/{query}#f{place}"),
        _ => format!("/flags/{id}{query}"),
    }
}

/// The fault of an update that the flag's state or its own values do not allow.
fn unfit_update(update: &InvalidUpdate) -> Fault {
    let field = match update {
        InvalidUpdate::State { .. } | InvalidUpdate::Superseded => "answer",
        InvalidUpdate::SnoozeTime => "until",
        InvalidUpdate::Assignee => "assignee",
    };
    let (_, _, text) = told(&ServiceError::InvalidFlagUpdate(update.clone()));
    Fault::new(field, text)
}

fn wanted(wish: &Wish, moment: &Moment) -> String {
    match wish {
        Wish::Feedback(found) => format!("feedback: {}", words::feedback(*found)),
        Wish::Update(FlagUpdate::Acknowledge) => "acknowledge it".to_owned(),
        Wish::Update(FlagUpdate::Assign(Some(name))) => format!("assign it to {name}"),
        Wish::Update(FlagUpdate::Assign(None)) => "give it back to all".to_owned(),
        Wish::Update(FlagUpdate::Snooze { until }) => {
            format!("snooze it until {}", moment.at(*until))
        }
        Wish::Update(FlagUpdate::Dismiss(reason)) => {
            format!("dismiss it: {}", words::dismissal(*reason))
        }
        Wish::Update(FlagUpdate::Act(action)) => {
            format!("record an action: {}", words::action(*action))
        }
        Wish::Update(FlagUpdate::Reopen) => "reopen it".to_owned(),
    }
}

/// What happened to a flag, the latest first.
fn happened(events: &[PastChange], moment: &Moment) -> Vec<EventView> {
    let view = |event: &PastChange| EventView {
        when: moment.at(event.time),
        what: match event.held {
            Some(held) => format!("Held back: {}", words::held(held)),
            None => words::capital(words::change(event.kind)),
        },
        who: event.actor.clone(),
    };
    events.iter().rev().map(view).collect()
}
