//! Index times, and who is eligible at one.

use super::definition::{Criterion, Rule, Task};
use crate::record::{EncounterCode, History, Time, View};

/// Why a patient is not scored. An answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEligible {
    /// Stable name for programs: the criterion's name in the task file, or `no_index_stay`.
    pub criterion: String,
    pub text: String,
}

/// The time a score stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    pub time: Time,
    /// The stay is open and is taken to end at `time`.
    pub as_if_discharged: bool,
}

/// Every index time of a whole record, in order: what a replay walks through.
pub fn index_times(history: &History) -> Vec<Time> {
    let mut times = history.episode_ends();
    times.sort_unstable();
    times.dedup();
    times
}

/// The index time to use at `prediction_time`: an open stay as if it ended now where the task
/// allows it, else the latest episode end that is not too old.
///
/// # Errors
/// `NotEligible` when there is no such stay or the patient has died since.
pub fn latest_index(
    history: &History,
    task: &Task,
    prediction_time: Time,
) -> Result<Index, NotEligible> {
    let view = history.view(prediction_time);
    let params = &task.params().index;
    if view.is_dead() {
        return Err(NotEligible { criterion: "died".into(), text: "the patient has died".into() });
    }
    if view.has_open_episode() {
        return match params.open_stay_as_if_discharged {
            true => Ok(Index { time: prediction_time, as_if_discharged: true }),
            false => Err(no_index_stay("the inpatient stay is still open")),
        };
    }
    let oldest = prediction_time.plus_hours(-i64::from(params.max_age_hours));
    match view.latest_episode_end() {
        Some(end) if end >= oldest => Ok(Index { time: end, as_if_discharged: false }),
        Some(_) => Err(no_index_stay(&format!(
            "the last inpatient stay ended more than {} hours before the prediction time",
            params.max_age_hours
        ))),
        None => Err(no_index_stay("no inpatient stay in the record up to the prediction time")),
    }
}

fn no_index_stay(text: &str) -> NotEligible {
    NotEligible { criterion: "no_index_stay".into(), text: text.into() }
}

/// Whether the patient seen in `view` may be scored.
///
/// # Errors
/// `NotEligible` with the first criterion, in the order of the task file, that leaves them out.
pub fn eligibility(view: &View<'_>, task: &Task) -> Result<(), NotEligible> {
    let left_out = |criterion: &Criterion| NotEligible {
        criterion: criterion.name.clone(),
        text: criterion.text.clone(),
    };
    if let Some(failed) = task.include().iter().find(|criterion| !holds(view, &criterion.rule)) {
        return Err(left_out(failed));
    }
    match task.exclude().iter().find(|criterion| holds(view, &criterion.rule)) {
        Some(met) => Err(left_out(met)),
        None => Ok(()),
    }
}

fn holds(view: &View<'_>, rule: &Rule) -> bool {
    match rule {
        Rule::AgeYearsMin(years) => view.age_years().is_some_and(|age| age >= *years),
        Rule::Concept(concept) => view.entries().any(|entry| entry.concepts.contains(concept)),
        Rule::Discharge(concepts) => view.stay().is_some_and(|stay| {
            let found = stay.concepts(EncounterCode::DischargeDisposition);
            concepts.iter().any(|concept| found.contains(concept))
        }),
        Rule::Died => view.is_dead(),
    }
}
