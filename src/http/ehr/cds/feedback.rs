//! What became of cards: accepted, or overridden for a reason.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::card::{CODE_SYSTEM, OverrideReason};
use super::card_id::CardId;
use super::json::{Bounded, Faults, Object};
use crate::flag::Feedback as Finding;
use crate::record::{Time, Violation};

/// The most entries of one call, and accepted suggestions of one card.
const ENTRIES_MAX: usize = 100;
const SUGGESTIONS_MAX: usize = 64;
/// The longest id, code or time, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// The longest comment, in bytes: none is kept, so that none is too long by itself.
const COMMENT_BYTES_MAX: usize = usize::MAX;

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
    match Bounded::read(object.get(name)?.get(), items_max) {
        Ok(Bounded(Some(items))) => Some(items),
        Ok(Bounded(None)) => {
            faults.add(&object.at(name), "has too many items");
            None
        }
        Err(_) => {
            faults.add(&object.at(name), "must be a list");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const CARD: &str = "30313233-3435-3637-3839-616263646566";

    fn entry(outcome: &str) -> Value {
        json!({"card": CARD, "outcome": outcome, "outcomeTimestamp": "2026-11-23T09:30:00+01:00"})
    }

    fn overridden(reason: Value) -> Value {
        let mut entry = entry("overridden");
        entry["overrideReason"] = json!({"reason": reason, "userComment": "secret words"});
        json!({"feedback": [entry]})
    }

    fn paths(body: &Value) -> Vec<String> {
        let violations = FeedbackRequest::read(body.to_string().as_bytes()).unwrap_err();
        violations.into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn feedback_is_read_and_mapped_to_what_flags_know() {
        let mut accepted = entry("accepted");
        accepted["acceptedSuggestions"] = json!([{"id": "x"}]);
        let body = json!({"feedback": [accepted], "extension": {}}).to_string();
        let read = FeedbackRequest::read(body.as_bytes()).unwrap();
        assert_eq!(read[0].card, CardId::parse(CARD).unwrap());
        assert_eq!(read[0].finding(), Finding::Useful);
        assert_eq!(read[0].time, Time::parse("2026-11-23T08:30:00Z").unwrap());
        for reason in OverrideReason::ALL {
            let body = overridden(json!(reason.coding())).to_string();
            let read = FeedbackRequest::read(body.as_bytes()).unwrap();
            assert_eq!(read[0].outcome, Outcome::Overridden(Some(reason)));
            assert_eq!(read[0].finding(), Finding::NotUseful);
            assert_eq!(read[0].user_comment.as_deref(), Some("secret words"));
            assert!(!format!("{read:?}").contains("secret"));
        }
        let of = |reason: Value| {
            let body = overridden(reason).to_string();
            FeedbackRequest::read(body.as_bytes()).unwrap()[0].outcome
        };
        let other = Outcome::Overridden(Some(OverrideReason::Other));
        assert_eq!(of(json!({"code": "data-wrong", "system": "http://elsewhere.example"})), other);
        assert_eq!(of(json!({"code": "whim", "system": CODE_SYSTEM})), other);
        let data_wrong = Outcome::Overridden(Some(OverrideReason::DataWrong));
        assert_eq!(of(json!({"code": "data-wrong"})), data_wrong);
        assert_eq!(of(json!(null)), Outcome::Overridden(None));
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_place() {
        let with = |name: &str, value: Value| {
            let mut entry = entry("accepted");
            entry[name] = value;
            json!({"feedback": [entry]})
        };
        for (body, path) in [
            (json!([]), ""),
            (json!({}), "feedback"),
            (json!({"feedback": {}}), "feedback"),
            (json!({"feedback": []}), "feedback"),
            (json!({"feedback": [1]}), "feedback[0]"),
            (json!({"feedback": vec![entry("accepted"); 101]}), "feedback"),
            (with("card", json!("x")), "feedback[0].card"),
            (with("card", json!(null)), "feedback[0].card"),
            (with("outcome", json!("ignored")), "feedback[0].outcome"),
            (with("outcome", json!(1)), "feedback[0].outcome"),
            (with("outcomeTimestamp", json!(null)), "feedback[0].outcomeTimestamp"),
            (
                with("outcomeTimestamp", json!("2026-11-23T09:30:00")),
                "feedback[0].outcomeTimestamp",
            ),
            (with("acceptedSuggestions", json!("x")), "feedback[0].acceptedSuggestions"),
            (with("acceptedSuggestions", json!([{}])), "feedback[0].acceptedSuggestions[0].id"),
            (with("overrideReason", json!("x")), "feedback[0].overrideReason"),
            (
                with("overrideReason", json!({"reason": {}})),
                "feedback[0].overrideReason.reason.code",
            ),
        ] {
            assert_eq!(paths(&body), [path], "{body}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = FeedbackRequest::read(&bytes);
        }

        #[test]
        fn a_changed_request_never_panics(at in 0_usize..400, byte in any::<u8>()) {
            let mut body = overridden(json!({"code": "other"})).to_string().into_bytes();
            let place = at % body.len();
            body[place] = byte;
            let _ = FeedbackRequest::read(&body);
        }
    }
}
