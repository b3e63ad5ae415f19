//! What became of cards: accepted, or overridden for a reason.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::card::{CODE_SYSTEM, OverrideReason};
use super::card_id::CardId;
use super::json::{Faults, Object};
use crate::flag::Feedback as Finding;
use crate::record::{Time, Violation};

/// The most entries of one call, and accepted suggestions of one card.
const ENTRIES_MAX: usize = 100;
const SUGGESTIONS_MAX: usize = 64;
/// The longest id, code or time, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// The longest comment, in bytes.
const COMMENT_BYTES_MAX: usize = 4_096;

/// What somebody did with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    /// `None` where no reason was given.
    Overridden(Option<OverrideReason>),
}

/// What became of one card.
#[derive(Clone, PartialEq)]
pub(super) struct Feedback<'a> {
    pub(super) card: CardId,
    pub(super) outcome: Outcome,
    /// What the user wrote; for no log.
    pub(super) user_comment: Option<Cow<'a, str>>,
    /// When the user did it, by the EHR's clock.
    pub(super) time: Time,
}

impl Feedback<'_> {
    /// What it says of the flag behind the card.
    pub(super) fn finding(&self) -> Finding {
        match self.outcome {
            Outcome::Accepted => Finding::Useful,
            Outcome::Overridden(_) => Finding::NotUseful,
        }
    }
}

/// Without what the user wrote.
impl fmt::Debug for Feedback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Feedback");
        shown.field("card", &self.card).field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// A call of the feedback endpoint.
#[derive(Debug)]
pub(super) struct FeedbackRequest;

impl FeedbackRequest {
    /// What became of cards.
    ///
    /// # Errors
    /// The places that cannot be used, such as `feedback[0].card`; never a value.
    pub(super) fn read(json: &[u8]) -> Result<Vec<Feedback<'_>>, Vec<Violation>> {
        let mut faults = Faults::default();
        let Some(body) = Object::whole(json, &mut faults) else { return faults.or(None) };
        let Some(entries) = list(&body, "feedback", ENTRIES_MAX, &mut faults) else {
            if body.get("feedback").is_none() {
                faults.add("feedback", "is missing");
            }
            return faults.or(None);
        };
        if entries.is_empty() {
            faults.add("feedback", "is empty");
        }
        let mut found = Vec::with_capacity(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            let path = format!("feedback[{place}]");
            let entry = Object::read(entry.get(), path, &mut faults);
            found.extend(entry.and_then(|entry| read_entry(&entry, &mut faults)));
        }
        faults.or(Some(found))
    }
}

fn read_entry<'a>(entry: &Object<'a>, faults: &mut Faults) -> Option<Feedback<'a>> {
    let card = entry.required("card", TEXT_BYTES_MAX, faults);
    let card = card.and_then(|text| {
        let card = CardId::parse(&text);
        if card.is_none() {
            faults.add(&entry.at("card"), "must be the UUID of a card");
        }
        card
    });
    let outcome = entry.required("outcome", TEXT_BYTES_MAX, faults);
    let time = entry.required("outcomeTimestamp", TEXT_BYTES_MAX, faults);
    let time = time.and_then(|text| {
        let time = Time::parse(&text).filter(|time| time.is_believable());
        if time.is_none() {
            let reason = "must be a time with its zone, such as 2026-11-23T09:30:00Z";
            faults.add(&entry.at("outcomeTimestamp"), reason);
        }
        time
    });
    check_suggestions(entry, faults);
    let given = entry.object("overrideReason", faults);
    let reason = given.as_ref().and_then(|given| reason(given, faults));
    let comment = given.and_then(|given| given.text("userComment", COMMENT_BYTES_MAX, faults));
    let outcome = match outcome?.as_ref() {
        "accepted" => Outcome::Accepted,
        "overridden" => Outcome::Overridden(reason),
        _ => {
            faults.add(&entry.at("outcome"), "must be accepted or overridden");
            return None;
        }
    };
    Some(Feedback { card: card?, outcome, user_comment: comment, time: time? })
}

/// The reason, by its code; one of another list is another reason.
fn reason(given: &Object<'_>, faults: &mut Faults) -> Option<OverrideReason> {
    let coding = given.object("reason", faults)?;
    let code = coding.required("code", TEXT_BYTES_MAX, faults)?;
    let system = coding.text("system", TEXT_BYTES_MAX, faults);
    let is_ours = system.is_none_or(|system| system == CODE_SYSTEM);
    let known = OverrideReason::parse(&code).filter(|_| is_ours);
    Some(known.unwrap_or(OverrideReason::Other))
}

/// No card of this server suggests anything; what a client says of suggestions has its form all the same.
fn check_suggestions(entry: &Object<'_>, faults: &mut Faults) {
    let suggestions = list(entry, "acceptedSuggestions", SUGGESTIONS_MAX, faults);
    for (place, suggestion) in suggestions.unwrap_or_default().into_iter().enumerate() {
        let path = format!("{}[{place}]", entry.at("acceptedSuggestions"));
        if let Some(suggestion) = Object::read(suggestion.get(), path, faults) {
            suggestion.required("id", TEXT_BYTES_MAX, faults);
        }
    }
}

/// The items of a list of at most `items_max`, where it is there.
fn list<'a>(
    object: &Object<'a>,
    name: &str,
    items_max: usize,
    faults: &mut Faults,
) -> Option<Vec<&'a RawValue>> {
    let items = serde_json::from_str::<Vec<&'a RawValue>>(object.get(name)?.get());
    match items {
        Ok(items) if items.len() <= items_max => Some(items),
        Ok(_) => {
            faults.add(&object.at(name), "has too many items");
            None
        }
        Err(_) => {
            faults.add(&object.at(name), "must be a list");
            None
        }
    }
}
