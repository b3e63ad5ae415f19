//! Flags as messages, and what is asked of them as domain types.

use super::from_wire::Faults;
use super::proto;
use super::to_wire::timestamp;
use crate::flag::{
    Action, Change, ChangeKind, CoursePoint, Dismissal, Feedback, Flag, FlagId, FlagPage,
    FlagQuery, FlagReason, FlagState, FlagUpdate, Held, PAGE_FLAGS_MAX, PageToken, Place,
};
use crate::record::Violation;
use crate::service::AssessmentFlag;

/// The most names of one list of a query.
const NAMES_MAX: usize = 64;
const PAGE_FLAGS_DEFAULT: u32 = 50;
/// Room for the page tokens of ours, and for none else.
const TOKEN_BYTES_MAX: usize = 512;

/// What a watcher wants to see.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The change after which; `None` for from now on.
    pub(super) after: Option<u64>,
    pub(super) tasks: Vec<String>,
    pub(super) teams: Vec<String>,
}

/// The query that a message stands for.
///
/// # Errors
/// The fields that cannot be used.
pub(super) fn query(request: proto::ListFlagsRequest) -> Result<FlagQuery, Vec<Violation>> {
    let mut faults = Faults::default();
    let default = FlagQuery::default();
    let mut states = Vec::new();
    for (place, number) in request.states.iter().enumerate().take(FlagState::ALL.len() + 1) {
        match proto::FlagState::try_from(*number).ok().and_then(state_of) {
            Some(state) => states.push(state),
            None => faults.at(|| format!("states[{place}]"), "not a value of its enum"),
        }
    }
    if request.states.len() > FlagState::ALL.len() {
        faults.at(|| "states".into(), "more than 8");
    }
    for (field, names) in [
        ("tasks", &request.tasks),
        ("tiers", &request.tiers),
        ("teams", &request.teams),
        ("units", &request.units),
    ] {
        names_of(field, names, &mut faults);
    }
    faults.name(&request.patient_id, || "patient_id".into());
    faults.name(&request.assignee, || "assignee".into());
    if request.page_size > PAGE_FLAGS_MAX {
        faults.at(|| "page_size".into(), "more than 500");
    }
    if request.page_token.len() > TOKEN_BYTES_MAX {
        faults.at(|| "page_token".into(), "not one that this server gave");
    }
    let changed_since = faults.time(request.changed_since, || "changed_since".into());
    faults.end()?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(FlagQuery {
        states: if states.is_empty() { default.states } else { states },
        tasks: request.tasks,
        tiers: request.tiers,
        teams: request.teams,
        units: request.units,
        patient_id: given(request.patient_id),
        assignee: given(request.assignee),
        changed_since,
        page_flags: match request.page_size {
            0 => PAGE_FLAGS_DEFAULT,
            some => some,
        },
        page: given(request.page_token).map(PageToken),
    })
}

fn names_of(field: &str, names: &[String], faults: &mut Faults) {
    if names.len() > NAMES_MAX {
        faults.at(|| field.to_owned(), "more than 64");
    }
    for (place, name) in names.iter().enumerate().take(NAMES_MAX) {
        faults.name(name, || format!("{field}[{place}]"));
    }
}

/// Which flag to change, from which version, and how.
///
/// # Errors
/// The fields that cannot be used.
pub(super) fn update(
    request: proto::UpdateFlagRequest,
) -> Result<(FlagId, u64, FlagUpdate), Vec<Violation>> {
    use proto::update_flag_request::Update;
    let mut faults = Faults::default();
    let id = id_of(&request.flag_id, &mut faults);
    if request.version == 0 {
        faults.at(|| "version".into(), "missing");
    }
    let not_a_value = "missing, or not a value of its enum";
    let update = match request.update {
        None => {
            faults.at(|| "update".into(), "missing");
            None
        }
        Some(Update::Assign(proto::AssignFlag { assignee })) => {
            Some(FlagUpdate::Assign(Some(assignee).filter(|name| !name.is_empty())))
        }
        Some(Update::Acknowledge(proto::AcknowledgeFlag {})) => Some(FlagUpdate::Acknowledge),
        Some(Update::Snooze(proto::SnoozeFlag { until })) => {
            if until.is_none() {
                faults.at(|| "snooze.until".into(), "missing");
            }
            let until = faults.time(until, || "snooze.until".into());
            until.map(|until| FlagUpdate::Snooze { until })
        }
        Some(Update::Dismiss(proto::DismissFlag { reason })) => {
            let reason = proto::FlagDismissal::try_from(reason).ok().and_then(dismissal_of);
            if reason.is_none() {
                faults.at(|| "dismiss.reason".into(), not_a_value);
            }
            reason.map(FlagUpdate::Dismiss)
        }
        Some(Update::Answer(proto::AnswerFlag { action })) => {
            let action = proto::FlagAction::try_from(action).ok().and_then(action_of);
            if action.is_none() {
                faults.at(|| "answer.action".into(), not_a_value);
            }
            action.map(FlagUpdate::Act)
        }
        Some(Update::Reopen(proto::ReopenFlag {})) => Some(FlagUpdate::Reopen),
    };
    faults.end()?;
    // What is missing is a fault that was found.
    id.zip(update).map(|(id, update)| (id, request.version, update)).ok_or_else(Vec::new)
}

/// Which flag the feedback is about, and what it says.
///
/// # Errors
/// The fields that cannot be used.
pub(super) fn feedback(
    request: proto::RecordFeedbackRequest,
) -> Result<(FlagId, Feedback), Vec<Violation>> {
    let mut faults = Faults::default();
    let id = id_of(&request.flag_id, &mut faults);
    let feedback = proto::FlagFeedback::try_from(request.feedback).ok().and_then(feedback_of);
    if feedback.is_none() {
        faults.at(|| "feedback".into(), "missing, or not a value of its enum");
    }
    faults.end()?;
    id.zip(feedback).ok_or_else(Vec::new)
}

/// From where on a watcher wants to see what.
///
/// # Errors
/// The fields that cannot be used.
pub(super) fn watched(request: proto::WatchFlagsRequest) -> Result<Watched, Vec<Violation>> {
    let mut faults = Faults::default();
    names_of("tasks", &request.tasks, &mut faults);
    names_of("teams", &request.teams, &mut faults);
    let token = request.resume_token.as_str();
    let after = (!token.is_empty()).then(|| u64::from_str_radix(token, 16));
    if matches!(after, Some(Err(_))) {
        faults.at(|| "resume_token".into(), "not one that this server gave");
    }
    faults.end()?;
    let after = after.and_then(Result::ok);
    Ok(Watched { after, tasks: request.tasks, teams: request.teams })
}

fn id_of(text: &str, faults: &mut Faults) -> Option<FlagId> {
    let id = FlagId::parse(text).ok();
    if id.is_none() {
        faults.at(|| "flag_id".into(), "expected the 32 hexadecimal digits of a flag's id");
    }
    id
}

/// A page as a message.
pub(super) fn page(page: FlagPage) -> proto::ListFlagsResponse {
    proto::ListFlagsResponse {
        flags: page.flags.into_iter().map(flag).collect(),
        next_page_token: page.next.map(|PageToken(token)| token).unwrap_or_default(),
        total_size: page.count,
        resume_token: token(page.change_number),
    }
}

/// A change as a message.
pub(super) fn change(change: Change) -> proto::WatchFlagsResponse {
    let Change { number, kind, time, actor, flag: changed } = change;
    let change = proto::FlagChange {
        kind: kind_message(kind).into(),
        time: Some(timestamp(time)),
        actor: actor.unwrap_or_default(),
        flag: Some(flag(changed)),
    };
    proto::WatchFlagsResponse { resume_token: token(number), change: Some(change) }
}

/// A sign of life: nothing up to the change of this number is left to tell.
pub(super) fn heartbeat(number: u64) -> proto::WatchFlagsResponse {
    proto::WatchFlagsResponse { resume_token: token(number), change: None }
}

fn token(number: u64) -> String {
    format!("{number:x}")
}

/// What a score did to the patient's flag, as a message.
pub(super) fn of_assessment(of: AssessmentFlag) -> proto::AssessmentFlag {
    let AssessmentFlag::Seen(sighted) = of else {
        return proto::AssessmentFlag { not_recorded: true, ..Default::default() };
    };
    let state = sighted.state.map_or(proto::FlagState::Unspecified, state_message);
    let kind = sighted.change.map_or(proto::FlagChangeKind::Unspecified, kind_message);
    proto::AssessmentFlag {
        flag_id: sighted.flag.map(|id| id.to_string()),
        state: state.into(),
        change: kind.into(),
        held: sighted.held.map_or(proto::FlagHeld::Unspecified, held_message).into(),
        not_recorded: false,
    }
}

/// A flag as a message.
pub(super) fn flag(flag: Flag) -> proto::Flag {
    let time = |time| Some(timestamp(time));
    let Place { facility, unit, team } = flag.place;
    let reason = |FlagReason { theme, text, contribution, modifiable }| proto::FlagReason {
        theme,
        text,
        contribution,
        modifiable,
    };
    let point = |CoursePoint { time, probability }| proto::FlagCoursePoint {
        time: Some(timestamp(time)),
        probability,
    };
    let dismissal = flag.dismissal.map_or(proto::FlagDismissal::Unspecified, dismissal_message);
    let action = flag.action.map_or(proto::FlagAction::Unspecified, action_message);
    let held = flag.held.map_or(proto::FlagHeld::Unspecified, held_message);
    proto::Flag {
        flag_id: flag.id.to_string(),
        patient_id: flag.patient_id,
        task: flag.task,
        facility: facility.unwrap_or_default(),
        unit: unit.unwrap_or_default(),
        team: team.unwrap_or_default(),
        state: state_message(flag.state).into(),
        tier: flag.tier,
        tier_rank: flag.tier_rank.into(),
        provisional: flag.is_provisional,
        synthetic_training_data: flag.is_synthetic,
        probability: flag.probability,
        raised_probability: flag.raised_probability,
        horizon_days: flag.horizon_days,
        index_time: time(flag.index_time),
        raise_time: time(flag.raised_time),
        expire_time: time(flag.expires_time),
        score_time: time(flag.scored_time),
        history_used_until: flag.history_used_until.map(timestamp),
        sufficiency: flag.sufficiency.letter().to_owned(),
        model_version: flag.model_version,
        bundle_digest: flag.bundle_digest,
        reasons: flag.reasons.into_iter().map(reason).collect(),
        course: flag.course.into_iter().map(point).collect(),
        assignee: flag.assignee.unwrap_or_default(),
        snoozed_until: flag.snoozed_until.map(timestamp),
        dismissal: dismissal.into(),
        action: action.into(),
        held: held.into(),
        change_time: time(flag.changed_time),
        version: flag.version,
    }
}

/// A closed set of ours as its enum on the wire, which has UNSPECIFIED as well; and back, where callers
/// say it.
macro_rules! messages {
    ($to:ident, $kind:ident, $message:ident: $($name:ident),+) => {
        fn $to(own: $kind) -> proto::$message {
            match own { $($kind::$name => proto::$message::$name),+ }
        }
    };
    ($to:ident, $of:ident, $kind:ident, $message:ident: $($name:ident),+) => {
        messages!($to, $kind, $message: $($name),+);

        fn $of(given: proto::$message) -> Option<$kind> {
            match given {
                proto::$message::Unspecified => None,
                $(proto::$message::$name => Some($kind::$name)),+
            }
        }
    };
}

messages!(state_message, state_of, FlagState, FlagState:
    Waiting, Raised, Acknowledged, Snoozed, Answered, Dismissed, Cleared, Expired);
messages!(dismissal_message, dismissal_of, Dismissal, FlagDismissal:
    AlreadyKnown, RecordWrong, NotApplicable, PatientDeclined, FollowedElsewhere);
messages!(action_message, action_of, Action, FlagAction:
    Call, VisitBooked, MedicationReview, Referral, NonePossible);
messages!(held_message, Held, FlagHeld:
    Capacity, CoolDown, Snoozed, Dismissed, Answered, NotEnoughData, Synthetic, NotOfNow,
    OutOfOrder);
messages!(kind_message, ChangeKind, FlagChangeKind:
    Raised, TierRose, TierFell, Scored, Held, Cleared, Expired, Woke, Assigned, Acknowledged,
    Snoozed, Dismissed, Answered, Reopened, Feedback);

fn feedback_of(given: proto::FlagFeedback) -> Option<Feedback> {
    match given {
        proto::FlagFeedback::Unspecified => None,
        proto::FlagFeedback::Useful => Some(Feedback::Useful),
        proto::FlagFeedback::NotUseful => Some(Feedback::NotUseful),
        proto::FlagFeedback::OutcomeSeen => Some(Feedback::OutcomeSeen),
    }
}
