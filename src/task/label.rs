//! Labels: what came of an index time. The only place that looks into the future of a record.

use super::definition::{Outcome, Task};
use crate::record::{Future, History, Time};

/// What came of an index time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Positive,
    Negative,
    /// Died in the time at risk without the outcome: counts as negative, and is reported.
    CompetingDeath,
    /// Not followed to the end of the time at risk, and no outcome seen: neither yes nor no.
    Censored,
}

/// The label of `history` at `index_time`, from what came after it.
pub fn label(history: &History, task: &Task, index_time: Time) -> Label {
    let future: Future<'_> = history.future(index_time);
    let at_risk = task.params().time_at_risk;
    let end = index_time.plus_days(i64::from(at_risk.horizon_days));
    let in_time = |time: &Time| if at_risk.end_closed { *time <= end } else { *time < end };
    let outcome = match task.params().outcome {
        Outcome::AnyReadmission => future.next_stay_start(),
    };
    let outcome = outcome.filter(in_time);
    let death = future.death_time().filter(in_time);
    match (outcome, death) {
        (Some(outcome), Some(death)) if death < outcome => Label::CompetingDeath,
        (Some(_), _) => Label::Positive,
        (None, Some(_)) => Label::CompetingDeath,
        (None, None) if future.followed_until().is_some_and(|until| until >= end) => {
            Label::Negative
        }
        (None, None) => Label::Censored,
    }
}
