//! Index times: when a patient is scored, in a replay and on the server.

use super::criterion::NotEligible;
use super::definition::Task;
use super::params::IndexRule;
use crate::record::{
    ConceptId, Contact, EncounterClass, History, OPEN_STAY_DAYS_MAX, Record, Taken, Time, View,
};

/// The most index times that months make for one person: a hundred years.
const MONTHS_MAX: usize = 1_200;
/// The most index times that one stay makes.
const IN_STAY_MAX: usize = 366;

/// How an index time stands to the stay or contact it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// At its end, or at a time that has nothing to do with any.
    Over,
    /// The stay is open and is taken to end at the index time.
    AsIfDischarged,
    /// The contact is open and is taken to end at the index time.
    AsIfContactOver,
    /// Within a stay that goes on: the time at risk begins with a discharge to come.
    InStay,
}

/// The time a score stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    pub time: Time,
    pub standing: Standing,
}

/// Every index time of a whole record, in order: what a replay walks through.
pub fn index_times(history: &History, task: &Task) -> Vec<Time> {
    let mut times = match &task.params().index.rule {
        IndexRule::EpisodeEnd => history.episode_ends(),
        IndexRule::InStay { first_hours } => in_stays(history, *first_hours),
        IndexRule::Contact { classes, apart_days, merge_hours, .. } => {
            let view = history.view(Time::LATEST);
            let ends = contact_ends(&view, classes, task.index_with(), *merge_hours);
            thinned(ends, i64::from(*apart_days))
        }
        IndexRule::MonthStart => months(history),
    };
    times.sort_unstable();
    times.dedup();
    times
}

/// Whether a history of `record` can have an index time at all, found without building it.
pub fn may_have_index_times(record: &Record, task: &Task) -> bool {
    let mut encounters = record.encounters.iter().filter(|encounter| !encounter.synthetic);
    !needs_encounters(task) || encounters.any(|encounter| makes_index_times(encounter.class, task))
}

/// Whether only encounters make index times of `task`.
pub fn needs_encounters(task: &Task) -> bool {
    !matches!(task.params().index.rule, IndexRule::MonthStart)
}

/// Whether an encounter of `class` can make index times of `task`.
pub fn makes_index_times(class: EncounterClass, task: &Task) -> bool {
    match &task.params().index.rule {
        IndexRule::EpisodeEnd | IndexRule::InStay { .. } => class.is_stay(),
        IndexRule::Contact { classes, .. } => classes.contains(&class),
        IndexRule::MonthStart => false,
    }
}

fn in_stays(history: &History, first_hours: u32) -> Vec<Time> {
    let mut times = Vec::new();
    let latest = history.latest_time();
    for (start, end) in history.episode_spans() {
        // A stay that the record never closes gives its index times, too: what came of them is not known.
        let open = || start.plus_days(OPEN_STAY_DAYS_MAX).min(latest.unwrap_or(start));
        let end = end.unwrap_or_else(open);
        let first = start.plus_hours(i64::from(first_hours));
        let midnights = (1..).map(|days| first.start_of_day().plus_days(days));
        let each = std::iter::once(first).chain(midnights).take(IN_STAY_MAX);
        times.extend(each.take_while(|time| *time < end));
    }
    times
}

/// The ends of contacts that are over and hold what must be measured in them.
fn contact_ends(
    view: &View<'_>,
    classes: &[EncounterClass],
    with: &[ConceptId],
    merge_hours: u32,
) -> Vec<Time> {
    let mut ends: Vec<Time> = Vec::new();
    let taken = taken(view, with);
    for contact in view.contacts(classes) {
        let Some(end) = contact.end.filter(|_| is_complete(&taken, &contact)) else { continue };
        let merges = |last: &Time| {
            merge_hours > 0 && contact.encounter.start <= last.plus_hours(i64::from(merge_hours))
        };
        match ends.last_mut().filter(|last| merges(last)) {
            Some(last) => *last = end.max(*last),
            None => ends.push(end),
        }
    }
    ends
}

fn taken(view: &View<'_>, with: &[ConceptId]) -> Vec<Taken> {
    with.iter().map(|concept| view.taken(*concept)).collect()
}

/// Whether the contact holds all that must be measured in it.
fn is_complete(taken: &[Taken], contact: &Contact<'_>) -> bool {
    taken.iter().all(|taken| taken.is_in(contact))
}

/// Times at least so many days after the last one that was kept, from the first on.
fn thinned(mut times: Vec<Time>, apart_days: i64) -> Vec<Time> {
    times.sort_unstable();
    let mut last: Option<Time> = None;
    times.retain(|time| {
        let keep = last.is_none_or(|last| *time >= last.plus_days(apart_days));
        if keep {
            last = Some(*time);
        }
        keep
    });
    times
}

/// The first of each month in the covered periods, up to the last thing that is recorded.
fn months(history: &History) -> Vec<Time> {
    let Some(latest) = history.latest_time() else { return Vec::new() };
    let mut times = Vec::new();
    for period in history.coverage() {
        let end = period.end.unwrap_or(latest);
        let Some(start) = period.start else { continue };
        let mut month = start.month_start();
        while month <= end && times.len() < MONTHS_MAX {
            if month >= start {
                times.push(month);
            }
            month = month.next_month_start();
        }
    }
    times
}

/// The index time to use at the time of `view`: the latest one that is not too old, or now for a stay
/// or contact that is open where the task allows it.
///
/// # Errors
/// `NotEligible` when there is none or the patient has died since.
pub fn latest_index(view: &View<'_>, task: &Task) -> Result<Index, NotEligible> {
    let prediction_time = view.index_time();
    if view.is_dead() {
        return Err(NotEligible::new("died", "the patient has died"));
    }
    let params = &task.params().index;
    let index = match &params.rule {
        IndexRule::EpisodeEnd => episode_index(view, params.open_stay_as_if_discharged),
        IndexRule::InStay { first_hours } => in_stay_index(view, *first_hours),
        IndexRule::Contact { classes, merge_hours, .. } => {
            contact_index(view, task, classes, *merge_hours)
        }
        IndexRule::MonthStart => {
            Ok(Index { time: prediction_time.month_start(), standing: Standing::Over })
        }
    }?;
    let oldest = prediction_time.plus_hours(-i64::from(params.max_age_hours));
    if index.time >= oldest {
        return Ok(index);
    }
    let (criterion, what) = match params.rule {
        IndexRule::EpisodeEnd | IndexRule::InStay { .. } => {
            (NO_STAY, "the last inpatient stay ended")
        }
        IndexRule::Contact { .. } => (NO_CONTACT, "the last contact of the task ended"),
        IndexRule::MonthStart => ("no_index_month", "the month began"),
    };
    let hours = params.max_age_hours;
    Err(NotEligible::new(
        criterion,
        format!("{what} more than {hours} hours before the prediction time"),
    ))
}

const NO_STAY: &str = "no_index_stay";
const NO_CONTACT: &str = "no_index_contact";

fn episode_index(view: &View<'_>, open_as_if_discharged: bool) -> Result<Index, NotEligible> {
    if view.has_open_episode() {
        return match open_as_if_discharged {
            true => Ok(Index { time: view.index_time(), standing: Standing::AsIfDischarged }),
            false => Err(NotEligible::new(NO_STAY, "the inpatient stay is still open")),
        };
    }
    match view.latest_episode_end() {
        Some(time) => Ok(Index { time, standing: Standing::Over }),
        None => Err(NotEligible::new(
            NO_STAY,
            "no inpatient stay in the record up to the prediction time",
        )),
    }
}

fn in_stay_index(view: &View<'_>, first_hours: u32) -> Result<Index, NotEligible> {
    let Some(start) = view.open_episode_start() else {
        return Err(NotEligible::new(NO_STAY, "no inpatient stay is open at the prediction time"));
    };
    let now = view.index_time();
    let first = start.plus_hours(i64::from(first_hours));
    if now < first {
        let text = format!("the inpatient stay has lasted less than {first_hours} hours");
        return Err(NotEligible::new(NO_STAY, &text));
    }
    let midnight = now.start_of_day();
    let time = if midnight > first { midnight } else { first };
    Ok(Index { time, standing: Standing::InStay })
}

fn contact_index(
    view: &View<'_>,
    task: &Task,
    classes: &[EncounterClass],
    merge_hours: u32,
) -> Result<Index, NotEligible> {
    let with = task.index_with();
    if task.params().index.open_stay_as_if_discharged {
        let mut contacts = view.contacts(classes);
        let taken = taken(view, with);
        let is_open = |contact: &Contact<'_>| {
            // One that was never closed in the record is not open for ever.
            let recent = contact.encounter.start.plus_days(1) > view.index_time();
            contact.end.is_none() && recent && is_complete(&taken, contact)
        };
        if contacts.any(|contact| is_open(&contact)) {
            return Ok(Index { time: view.index_time(), standing: Standing::AsIfContactOver });
        }
    }
    match contact_ends(view, classes, with, merge_hours).into_iter().max() {
        Some(time) => Ok(Index { time, standing: Standing::Over }),
        None => Err(NotEligible::new(
            NO_CONTACT,
            "no contact of the task in the record up to the prediction time",
        )),
    }
}
