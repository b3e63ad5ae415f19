//! A flag as the pages show it: everything in words, nothing left to a template but its place.

use super::course::Course;
use super::words::{self, Drift, Moment};
use crate::flag::{Action, Dismissal, Feedback, Flag, FlagReason, FlagState};
use crate::registry::Registry;

/// Reasons of either direction that the list shows; the page of the flag has all.
const LISTED: (usize, usize) = (2, 1);
/// Longest reason of the list that has several statements; the page of the flag has it whole.
const LISTED_CHARS: usize = 150;
/// What stands between the statements of a reason.
const BETWEEN: &str = "; ";

/// How much of a flag is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// One of many.
    Listed,
    /// A page of its own.
    Whole,
}

/// The mark of a tier: a shape and a colour, beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Top,
    Second,
    Lower,
}

impl Mark {
    pub(super) fn of(tier_rank: u8) -> Mark {
        match tier_rank {
            0 => Mark::Top,
            1 => Mark::Second,
            _ => Mark::Lower,
        }
    }

    /// The class of its colours.
    pub(super) fn class(self) -> &'static str {
        match self {
            Mark::Top => "top",
            Mark::Second => "second",
            Mark::Lower => "lower",
        }
    }

    /// The path of its shape in a square of 16: triangle, diamond, ring.
    pub(super) fn path(self) -> &'static str {
        match self {
            Mark::Top => "M8 1 15.5 14.5H.5z",
            Mark::Second => "M8 .5 15.5 8 8 15.5.5 8z",
            Mark::Lower => "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8z",
        }
    }
}

/// A reason in a list of those that point the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReasonLine {
    pub(super) text: String,
    pub(super) modifiable: bool,
}

/// What can be done with a flag in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choices {
    /// To somebody, or back to all.
    pub(super) assign: bool,
    pub(super) acknowledge: bool,
    pub(super) act: bool,
    pub(super) snooze: bool,
    pub(super) dismiss: bool,
    pub(super) reopen: bool,
}

impl Choices {
    /// What the state allows and people have use for; the policy of flags has the last word.
    fn of(state: FlagState) -> Choices {
        use FlagState::{Answered, Dismissed, Raised, Snoozed, Waiting};
        let is_live = state.is_open() || state == Waiting;
        Choices {
            assign: is_live,
            acknowledge: matches!(state, Raised | Snoozed),
            act: is_live || state == Answered,
            snooze: state.is_open(),
            dismiss: is_live || state == Dismissed,
            reopen: matches!(state, Answered | Dismissed | Snoozed),
        }
    }
}

/// A choice of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) text: &'static str,
}

/// The reasons for dismissing, as a form has them.
pub(super) fn dismissals() -> Vec<Choice> {
    let each = Dismissal::ALL.iter();
    each.map(|reason| Choice { value: reason.name(), text: words::dismissal(*reason) }).collect()
}

/// The actions, as a form has them.
pub(super) fn actions() -> Vec<Choice> {
    let each = Action::ALL.iter();
    each.map(|action| Choice { value: action.name(), text: words::action(*action) }).collect()
}

/// What one can find of a flag, as a form has it.
pub(super) fn feedbacks() -> Vec<Choice> {
    let each = Feedback::ALL.iter();
    each.map(|found| Choice { value: found.name(), text: words::feedback(*found) }).collect()
}

/// A flag in words.
#[derive(Debug, Clone)]
pub(super) struct FlagView {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) patient: String,
    pub(super) task: String,
    pub(super) outcome: Option<String>,
    pub(super) tier: String,
    pub(super) mark: Mark,
    pub(super) state: &'static str,
    pub(super) chance: String,
    pub(super) horizon: String,
    pub(super) is_synthetic: bool,
    pub(super) drift: Drift,
    /// Such as `up from 12% when it was raised, 3 days ago`.
    pub(super) since: String,
    pub(super) course: Option<Course>,
    pub(super) higher: Vec<ReasonLine>,
    pub(super) lower: Vec<ReasonLine>,
    /// Reasons that are not listed here.
    pub(super) more: usize,
    /// What one should know before trusting it.
    pub(super) notes: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) choices: Choices,
}

impl FlagView {
    pub(super) fn of(flag: &Flag, registry: &Registry, moment: &Moment, depth: Depth) -> FlagView {
        let params = registry.default_of(&flag.task);
        let params = params.map(|version| version.bundle().task().params());
        let raised = flag.raised_probability;
        let drift = Drift::of(raised, flag.probability);
        let (higher, lower) = reasons(&flag.reasons, depth);
        let more = flag.reasons.len() - higher.len() - lower.len();
        let task =
            params.map_or_else(|| flag.task.replace('_', " "), |params| params.title.clone());
        FlagView {
            id: flag.id.to_string(),
            version: flag.version,
            patient: flag.patient_id.clone(),
            task,
            outcome: params.map(|params| params.outcome_text.clone()),
            tier: words::capital(&flag.tier),
            mark: Mark::of(flag.tier_rank),
            state: words::state(flag.state),
            chance: words::capital(&words::chance(flag.probability)),
            horizon: words::horizon(flag.horizon_days),
            is_synthetic: flag.is_synthetic,
            drift,
            since: format!(
                "{} when it was raised, {}",
                drift.text(raised),
                moment.since(flag.raised_time)
            ),
            course: Course::of(&flag.course, moment),
            higher,
            lower,
            more,
            notes: notes(flag),
            facts: facts(flag, moment, depth),
            choices: Choices::of(flag.state),
        }
    }
}

/// Those that raise the risk and those that lower it, the largest shares first.
fn reasons(all: &[FlagReason], depth: Depth) -> (Vec<ReasonLine>, Vec<ReasonLine>) {
    let line = |reason: &FlagReason| {
        // The heading of the list says it.
        let text = reason.text.trim_end_matches(')');
        let short =
            text.rsplit_once(" (associated with a ").filter(|(_, end)| end.ends_with(" risk"));
        let text = short.map_or(reason.text.as_str(), |(text, _)| text);
        ReasonLine { text: clipped(text, depth), modifiable: reason.modifiable }
    };
    let most = match depth {
        Depth::Listed => LISTED,
        Depth::Whole => (usize::MAX, usize::MAX),
    };
    let higher = all.iter().filter(|reason| reason.contribution > 0.0).take(most.0);
    let lower = all.iter().filter(|reason| reason.contribution <= 0.0).take(most.1);
    (higher.map(line).collect(), lower.map(line).collect())
}

/// As much of a reason as the list has room for: whole statements of it, since one that is cut says
/// something else ("last systolic pressure 17").
fn clipped(text: &str, depth: Depth) -> String {
    if depth == Depth::Whole || text.chars().count() <= LISTED_CHARS {
        return text.to_owned();
    }
    let mut parts = text.split(BETWEEN);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    let mut chars = kept.chars().count();
    for part in parts {
        chars += BETWEEN.len() + part.chars().count();
        if chars > LISTED_CHARS {
            return format!("{kept}{BETWEEN}…");
        }
        kept.push_str(BETWEEN);
        kept.push_str(part);
    }
    kept
}

fn notes(flag: &Flag) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(text) = words::sufficiency(flag.sufficiency) {
        notes.push(text.to_owned());
    }
    if flag.is_provisional {
        notes.push(
            "Provisional: the stay is open, and the score is as if it ended then.".to_owned(),
        );
    }
    if let Some(held) = flag.held {
        notes.push(format!("Held back: {}.", words::held(held)));
    }
    notes
}

fn facts(flag: &Flag, moment: &Moment, depth: Depth) -> Vec<(&'static str, String)> {
    // Where there is room, the time itself beside how long ago it was.
    let told = |time| match depth {
        Depth::Listed => moment.since(time),
        Depth::Whole => format!("{} ({})", moment.since(time), moment.at(time)),
    };
    let mut facts = vec![("Scored", told(flag.scored_time))];
    let record = flag.history_used_until.map(|until| format!("last entry {}", told(until)));
    facts.push(("Record", record.unwrap_or_else(|| "holds nothing dated".to_owned())));
    let place = [&flag.place.unit, &flag.place.facility, &flag.place.team];
    let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
    if !place.is_empty() {
        facts.push(("Where", place.join(", ")));
    }
    let nobody = || "nobody yet".to_owned();
    facts.push(("Assigned to", flag.assignee.clone().unwrap_or_else(nobody)));
    if let Some(until) = flag.snoozed_until.filter(|_| flag.state == FlagState::Snoozed) {
        facts.push(("Snoozed until", moment.at(until)));
    }
    if let Some(reason) = flag.dismissal {
        facts.push(("Dismissed", words::dismissal(reason).to_owned()));
    }
    if let Some(action) = flag.action {
        facts.push(("Action", words::action(action).to_owned()));
    }
    if depth == Depth::Whole {
        facts.push(("Raised", told(flag.raised_time)));
        facts.push(("Over by itself", moment.at(flag.expires_time)));
        facts.push(("Model", format!("{} version {}", flag.task, flag.model_version)));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_its_statements_alone() {
        let pressure = "last systolic pressure 174 mm[Hg], 3 days before discharge";
        let three = format!("blood pressure: {pressure}; {pressure}; {pressure}");
        assert_eq!(clipped(&three, Depth::Whole), three);
        assert_eq!(
            clipped(&three, Depth::Listed),
            format!("blood pressure: {pressure}; {pressure}; …")
        );
        let long = "a statement without an end ".repeat(8);
        assert_eq!(clipped(&long, Depth::Listed), long, "one statement is shown whole");
        assert_eq!(clipped(&format!("{long}; b"), Depth::Listed), format!("{long}; …"));
        for text in ["", "a; b", pressure] {
            assert_eq!(clipped(text, Depth::Listed), text);
        }
    }
}
