//! What a person's update makes of a flag.

use super::decide::{reference, woken};
use super::standing::{Memory, Standing};
use super::{ChangeKind, Flag, FlagState, FlagUpdate, InvalidUpdate};
use crate::record::Time;

/// The longest name of an assignee, in characters.
const ASSIGNEE_CHARS_MAX: usize = 128;

impl FlagUpdate {
    /// What it does to a flag, in words that follow "cannot be".
    fn what(&self) -> &'static str {
        match self {
            FlagUpdate::Assign(_) => "assigned",
            FlagUpdate::Acknowledge => "acknowledged",
            FlagUpdate::Snooze { .. } => "snoozed",
            FlagUpdate::Dismiss(_) => "dismissed",
            FlagUpdate::Act(_) => "answered",
            FlagUpdate::Reopen => "reopened",
        }
    }

    /// Whether a flag in this state takes it.
    fn is_open_to(&self, state: FlagState) -> bool {
        use FlagState::{Acknowledged, Answered, Dismissed, Raised, Snoozed, Waiting};
        match self {
            FlagUpdate::Assign(_) => state.is_live(),
            FlagUpdate::Acknowledge | FlagUpdate::Snooze { .. } => state.is_open(),
            // Whoever erred over the reason or the action may say so.
            FlagUpdate::Dismiss(_) => {
                matches!(state, Waiting | Raised | Acknowledged | Snoozed | Dismissed)
            }
            FlagUpdate::Act(_) => {
                matches!(state, Waiting | Raised | Acknowledged | Snoozed | Answered)
            }
            FlagUpdate::Reopen => matches!(state, Answered | Dismissed | Snoozed),
        }
    }
}

/// The flag of `standing` and what is remembered of it after `update`, and what happened; `None` where
/// it is so already.
///
/// # Errors
/// A flag whose state does not allow it, a snooze that ends too early or too late, a name of an
/// assignee that is none.
pub fn apply(
    standing: &Standing,
    update: &FlagUpdate,
    now: Time,
) -> Result<Option<(Standing, ChangeKind)>, InvalidUpdate> {
    let nothing_there = InvalidUpdate::State { state: "gone", what: update.what() };
    let flag = standing.flag.as_ref().ok_or(nothing_there)?;
    let is_late = *update == FlagUpdate::Reopen && now >= flag.expires_time;
    if !update.is_open_to(flag.state) || is_late {
        let state = if is_late { FlagState::Expired } else { flag.state };
        return Err(InvalidUpdate::State { state: state.name(), what: update.what() });
    }
    let new = flag.changed(now);
    let memory = standing.memory.clone();
    // A rise counts from what the person saw, or from the cut: swings below it are no rise.
    let judged = || Memory {
        reference: Some(reference(flag.probability, memory.cut.unwrap_or(0.0))),
        fall: None,
        held: None,
        ..memory.clone()
    };
    let (flag, memory, kind) = match update {
        FlagUpdate::Assign(assignee) => {
            check_assignee(assignee.as_deref())?;
            (Flag { assignee: assignee.clone(), ..new }, memory, ChangeKind::Assigned)
        }
        FlagUpdate::Acknowledge => {
            let memory = if flag.state == FlagState::Snoozed { memory.woken() } else { memory };
            let new = Flag { state: FlagState::Acknowledged, ..woken(new) };
            (new, memory, ChangeKind::Acknowledged)
        }
        FlagUpdate::Snooze { until } => {
            if *until <= now || *until >= flag.expires_time {
                return Err(InvalidUpdate::SnoozeTime);
            }
            let memory = Memory { fall: memory.fall, ..judged() };
            let new = Flag { state: FlagState::Snoozed, snoozed_until: Some(*until), ..new };
            (new, memory, ChangeKind::Snoozed)
        }
        FlagUpdate::Dismiss(reason) => {
            let new = over(new, FlagState::Dismissed);
            (Flag { dismissal: Some(*reason), ..new }, judged(), ChangeKind::Dismissed)
        }
        FlagUpdate::Act(action) => {
            let new = over(new, FlagState::Answered);
            (Flag { action: Some(*action), ..new }, judged(), ChangeKind::Answered)
        }
        FlagUpdate::Reopen => {
            let new = Flag { dismissal: None, action: None, held: None, ..woken(new) };
            (new, memory.woken(), ChangeKind::Reopened)
        }
    };
    let is_as_it_was = standing.flag.as_ref().is_some_and(|before| says_the_same(before, &flag));
    let after = Standing { flag: Some(flag), memory };
    Ok((!is_as_it_was).then_some((after, kind)))
}

fn over(flag: Flag, state: FlagState) -> Flag {
    Flag { state, snoozed_until: None, held: None, ..flag }
}

/// Whether an update would leave everything that people see as it is.
fn says_the_same(before: &Flag, after: &Flag) -> bool {
    (before.state, &before.assignee, before.snoozed_until, before.dismissal, before.action)
        == (after.state, &after.assignee, after.snoozed_until, after.dismissal, after.action)
}

fn check_assignee(assignee: Option<&str>) -> Result<(), InvalidUpdate> {
    let is_name = |name: &str| {
        !name.trim().is_empty()
            && name.chars().count() <= ASSIGNEE_CHARS_MAX
            && !name.chars().any(char::is_control)
    };
    match assignee.is_none_or(is_name) {
        true => Ok(()),
        false => Err(InvalidUpdate::Assignee),
    }
}
