//! What time does to a flag without any score: it expires, wakes, or finds room.

use super::decide::{raised, woken};
use super::rules::{DayUse, FlagRules};
use super::standing::{Memory, Standing};
use super::{ChangeKind, Flag, FlagState};
use crate::record::Time;

/// What the time `now` and the team's day make of a standing; `None` where it stays as it is.
pub fn pass_time(
    standing: &Standing,
    rules: &FlagRules,
    now: Time,
    day: DayUse,
) -> Option<(Standing, ChangeKind)> {
    let flag = standing.flag.as_ref().filter(|flag| flag.state.is_live())?;
    let memory = standing.memory.clone();
    let is_awake = flag.snoozed_until.is_none_or(|until| until <= now);
    let has_room =
        || !memory.holds_back(flag) && day.has_room(rules, flag.tier_rank, flag.probability);
    let new = flag.changed(now);
    let (flag, memory, kind) = match flag.state {
        _ if flag.expires_time <= now => {
            let new = Flag { state: FlagState::Expired, snoozed_until: None, held: None, ..new };
            let cut = memory.cut.unwrap_or(0.0);
            let memory = memory.over(flag, cut, now);
            (new, memory, ChangeKind::Expired)
        }
        FlagState::Snoozed if is_awake => (woken(new), memory.woken(), ChangeKind::Woke),
        FlagState::Waiting if has_room() => {
            (raised(new, now), Memory { held: None, ..memory }, ChangeKind::Raised)
        }
        _ => return None,
    };
    Some((Standing { flag: Some(flag), memory }, kind))
}
