//! Labels: what came of an index time. The only place that looks into the future of a record.

use super::criterion::{NotEligible, PRIOR_OUTCOME};
use super::definition::{Events, Measure, Part, PartRule, PlannedRule, Rise, Task};
use super::params::{CoverageBy, RiskFrom};
use super::part::{Around, first};
use super::reading::mean_lowest;
use crate::record::{
    ConceptId, Dated, EncounterClass, Entry, Future, History, LaterStay, OPEN_STAY_DAYS_MAX, Time,
};

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

/// What came of an index time, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    pub label: Label,
    /// Days from the start of the count to the outcome, the death, the end of follow-up, or the end
    /// of the time at risk, whichever came first.
    pub followed_days: f64,
    /// Which part of the task's outcome happened.
    pub part: Option<usize>,
}

/// What became of one part of the outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    At(Time),
    /// Something else came first and ended the matter: it did not happen.
    Closed(Time),
    Never,
    /// Nobody could have seen it.
    Unseen,
}

/// The time at risk of one index time.
struct Window {
    /// What the days are counted from.
    from: Time,
    start: Time,
    start_closed: bool,
    end: Time,
    end_closed: bool,
}

impl Window {
    fn new(from: Time, task: &Task) -> Window {
        let risk = task.params().time_at_risk;
        Window {
            from,
            start: from.plus_days(i64::from(risk.start_days)),
            start_closed: risk.start_closed,
            end: from.plus_days(i64::from(risk.horizon_days)),
            end_closed: risk.end_closed,
        }
    }

    fn is_before_end(&self, time: Time) -> bool {
        if self.end_closed { time <= self.end } else { time < self.end }
    }

    fn has_begun(&self, time: Time) -> bool {
        if self.start_closed { time >= self.start } else { time > self.start }
    }

    fn holds(&self, time: Time) -> bool {
        self.has_begun(time) && self.is_before_end(time)
    }

    fn days(&self, time: Time) -> f64 {
        time.clamp(self.from, self.end).days_since(self.from)
    }
}

/// What one index time's label is found from.
struct Case<'x> {
    history: &'x History,
    task: &'x Task,
    index_time: Time,
    future: Future<'x>,
    window: Window,
}

/// What came of `index_time`, an index time of the task in `history` at which the patient is
/// eligible.
///
/// # Errors
/// `NotEligible` where what came after shows that it was no index time: followed for less than the
/// task's minimum, continued on the same day for the same cause, or the outcome of a task that leaves
/// out earlier ones came before the time at risk began.
pub fn label(history: &History, task: &Task, index_time: Time) -> Result<Outcome, NotEligible> {
    let from = match task.params().time_at_risk.from {
        RiskFrom::Index => index_time,
        RiskFrom::Discharge => match discharge(history, index_time) {
            Ok(discharge) => discharge,
            Err(label) => return Ok(Outcome { label, followed_days: 0.0, part: None }),
        },
    };
    let future = history.future(from);
    let window = Window::new(from, task);
    let case = Case { history, task, index_time, future, window };
    case.continued()?;
    case.outcome()
}

/// The end of the stay that is open at the index time, or what is to be said without one.
fn discharge(history: &History, index_time: Time) -> Result<Time, Label> {
    let future = history.future(index_time);
    let stay = future.index_stay();
    let end = stay.and_then(|stay| stay.end());
    let by = end.unwrap_or(index_time.plus_days(OPEN_STAY_DAYS_MAX));
    let died = future.death_time().filter(|death| *death <= by);
    if died.is_some() || stay.is_some_and(|stay| stay.ended_in_death()) {
        return Err(Label::CompetingDeath);
    }
    end.ok_or(Label::Censored)
}

impl Case<'_> {
    /// Leaves out a discharge of which the stay went on the same day.
    fn continued(&self) -> Result<(), NotEligible> {
        let asks = |part: &Part| {
            matches!(part.rule, PartRule::Stay { same_day_same_cause_continues: true, .. })
        };
        if !self.task.outcome().iter().any(asks) {
            return Ok(());
        }
        let (stay, next) = (self.future.index_stay(), self.future.stays().next());
        let Some((stay, next)) = stay.zip(next) else { return Ok(()) };
        let same_day = next.start().day() == self.window.from.day();
        // A source of one hospital often names none.
        let same_place = stay.last_facility() == next.facility();
        let category = |entry: &Entry| entry.code.icd_category().map(str::to_owned);
        let causes: Vec<_> = stay.principal().filter_map(category).collect();
        let same_cause = next.principal().filter_map(category).any(|cause| causes.contains(&cause));
        if same_day && same_place && same_cause {
            let text = "the stay went on the same day in the same place for the same cause";
            return Err(NotEligible::new("same_day_return", text));
        }
        Ok(())
    }

    fn outcome(&self) -> Result<Outcome, NotEligible> {
        let ever = self.future.dated_ever();
        self.came_before(&ever)?;
        let future_dated: Vec<Dated<'_>> =
            ever.iter().filter(|dated| dated.time > self.window.from).copied().collect();
        let fates: Vec<Fate> = self
            .task
            .outcome()
            .iter()
            .map(|part| self.fate(&part.rule, &ever, &future_dated))
            .collect();
        let (covered, stopped) = self.followed_until(&future_dated);
        let mut earliest: Option<(Time, usize)> = None;
        for (part, fate) in fates.iter().enumerate() {
            if let Fate::At(time) = fate
                && earliest.is_none_or(|(best, _)| *time < best)
            {
                earliest = Some((*time, part));
            }
        }
        // What came after the follow-up ended was not looked for: whoever is still seen then by chance
        // must not stand for those who are not.
        let until = match (covered, stopped) {
            (Some(until), Some(stop)) => Some(until.min(stop)),
            (until, _) => until,
        };
        let is_followed = |time: &Time| until.is_some_and(|until| *time <= until);
        let earliest = earliest.filter(|(time, _)| is_followed(time));
        let in_time = |death: &Time| self.window.is_before_end(*death);
        let death = self.future.death_time().filter(in_time);
        // Coverage often ends with the day of the death itself.
        let death = death.filter(|death| is_followed(&death.plus_days(-1)));
        let said =
            |label, time, part| Ok(Outcome { label, followed_days: self.window.days(time), part });
        // A death after the window was closed changes nothing any more.
        let closed = closed(&fates).filter(is_followed);
        match (earliest, closed, death) {
            // On one day the outcome comes first: a day of death has no hour, and nothing follows it.
            (Some((time, _)), _, Some(death)) if death.day() < time.day() => {
                return said(Label::CompetingDeath, death, None);
            }
            (Some((time, part)), ..) => return said(Label::Positive, time, Some(part)),
            (None, closed, Some(death)) if closed.is_none_or(|closed| death < closed) => {
                return said(Label::CompetingDeath, death, None);
            }
            (None, Some(closed), _) => return said(Label::Negative, closed, None),
            (None, None, _) => {}
        }
        let least = i64::from(self.task.params().follow_up.min_days);
        let followed_to = until.unwrap_or(self.window.from);
        if followed_to < self.window.from.plus_days(least) {
            let text = format!("followed for less than {least} days");
            return Err(NotEligible::new("minimum_time_at_risk", text));
        }
        if followed_to < self.window.end {
            return said(Label::Censored, followed_to, None);
        }
        let unseen = fates.contains(&Fate::Unseen) || !self.is_observed(&future_dated);
        said(if unseen { Label::Censored } else { Label::Negative }, self.window.end, None)
    }

    /// Leaves out those whose outcome came between the index time and the start of the time at risk:
    /// it is none in that time, and what follows it there is not the first.
    fn came_before(&self, ever: &[Dated<'_>]) -> Result<(), NotEligible> {
        let Some(prior) = &self.task.params().prior_outcome else { return Ok(()) };
        let from = prior.look_back_days.map(|days| self.index_time.plus_days(-i64::from(days)));
        let before =
            |time: Time| from.is_none_or(|from| time > from) && !self.window.has_begun(time);
        // Of all that ever happened: what was not yet known at the index time is neither in what was
        // seen there nor in what came after.
        let came = self.task.outcome().iter().any(|part| match &part.rule {
            PartRule::Events(events) => self.events(events, &before, ever).is_some(),
            PartRule::Stay { .. } | PartRule::Contact { .. } | PartRule::Rise(_) => false,
        });
        match came {
            true => Err(NotEligible::new(PRIOR_OUTCOME, prior.text.clone())),
            false => Ok(()),
        }
    }

    /// When the events first happened in a span of time, of all that are looked at.
    fn events(
        &self,
        events: &Events,
        in_span: &dyn Fn(Time) -> bool,
        all: &[Dated<'_>],
    ) -> Option<Time> {
        let around = Around {
            all,
            mean_before: &|measure| self.mean_before(measure, 1),
            is_near_stay: &|time, days| self.future.is_near_stay(time, days),
        };
        first(events, in_span, &around)
    }

    /// The mean of the day-lowest values before the index time, as they were known there.
    fn mean_before(&self, measure: &Measure, days_min: usize) -> Option<f64> {
        let view = self.history.view(self.index_time);
        mean_lowest(&measure.by_day(&view, &view.dated()), days_min)
    }

    /// Until when care would have been seen, and when follow-up was stopped on purpose.
    fn followed_until(&self, future_dated: &[Dated<'_>]) -> (Option<Time>, Option<Time>) {
        let covered = match self.task.params().follow_up.coverage {
            CoverageBy::Recorded => self.future.followed_until(),
            CoverageBy::Assumed => Some(Time::LATEST),
        };
        let ends_at = &self.task.follow_up().ends_at;
        let stop = future_dated.iter().find(|dated| dated.entry.is_any_of(ends_at));
        (covered, stop.map(|dated| dated.time))
    }

    /// Whether the outcome could have been seen.
    fn is_observed(&self, future_dated: &[Dated<'_>]) -> bool {
        let Some((readings, days_min)) = &self.task.follow_up().observed_by else { return true };
        let inside = future_dated.iter().filter(|dated| self.window.holds(dated.time));
        readings.by_day(inside).len() >= *days_min
    }

    fn fate(&self, rule: &PartRule, ever: &[Dated<'_>], future_dated: &[Dated<'_>]) -> Fate {
        match rule {
            PartRule::Stay { unplanned, past_planned, classes, .. } => {
                self.stay(*unplanned, *past_planned, classes)
            }
            PartRule::Contact { classes, except, merge_hours } => {
                self.contact(classes, except, *merge_hours)
            }
            PartRule::Events(events) => {
                let found = self.events(events, &|time| self.window.holds(time), ever);
                found.map_or(Fate::Never, Fate::At)
            }
            PartRule::Rise(rise) => self.rise(rise, future_dated),
        }
    }

    fn stay(&self, unplanned: bool, past_planned: bool, classes: &[EncounterClass]) -> Fate {
        let wanted = |stay: &LaterStay<'_>| {
            classes.is_empty() || stay.class().is_some_and(|class| classes.contains(&class))
        };
        let stays = self.future.stays().filter(wanted);
        for stay in stays.filter(|stay| self.window.holds(stay.start())) {
            match unplanned && is_planned(&stay, self.task.planned()) {
                false => return Fate::At(stay.start()),
                true if past_planned => {}
                // The first stay decides: what follows a planned one is not searched further.
                true => return Fate::Closed(stay.start()),
            }
        }
        Fate::Never
    }

    fn contact(&self, classes: &[EncounterClass], except: &[ConceptId], merge_hours: i64) -> Fate {
        let mut merged_until = self.window.from.plus_hours(merge_hours);
        for (place, contact) in self.future.contacts(classes) {
            if merge_hours > 0 && contact.start <= merged_until {
                merged_until = contact.end.unwrap_or(contact.start).plus_hours(merge_hours);
                continue;
            }
            let counts = self.window.holds(contact.start)
                && (except.is_empty() || !self.future.encounter_has(place, except));
            if counts {
                return Fate::At(contact.start);
            }
        }
        Fate::Never
    }

    fn rise(&self, rise: &Rise, future_dated: &[Dated<'_>]) -> Fate {
        let before = self.mean_before(&rise.baseline, rise.days_min);
        let from = self.window.from.plus_days(rise.from_days);
        let inside =
            future_dated.iter().filter(|d| d.time >= from && self.window.is_before_end(d.time));
        let after = mean_lowest(&rise.baseline.readings.by_day(inside), rise.days_min);
        match before.zip(after) {
            None => Fate::Unseen,
            // Known only when the window is over.
            Some((before, after)) if after - before >= rise.by && after >= rise.to_at_least => {
                Fate::At(self.window.end)
            }
            Some(_) => Fate::Never,
        }
    }
}

/// When all of the matter was ended by something else, where that is so.
fn closed(fates: &[Fate]) -> Option<Time> {
    let times = fates.iter().map(|fate| match fate {
        Fate::Closed(time) => Some(*time),
        Fate::At(_) | Fate::Never | Fate::Unseen => None,
    });
    times.collect::<Option<Vec<Time>>>()?.into_iter().max()
}

/// Whether a stay was planned, by any of the rules.
fn is_planned(stay: &LaterStay<'_>, rules: &[PlannedRule]) -> bool {
    let any = |concepts: &[ConceptId], of: &[ConceptId]| concepts.iter().any(|c| of.contains(c));
    rules.iter().any(|rule| {
        let PlannedRule {
            said_planned,
            admission,
            principal,
            principal_not,
            procedure,
            any_procedure,
        } = rule;
        (!said_planned || stay.is_said_planned())
            && (admission.is_empty() || any(admission, stay.admission_type()))
            && (principal.is_empty() || stay.principal().any(|e| e.is_any_of(principal)))
            && !stay.principal().any(|entry| entry.is_any_of(principal_not))
            && (procedure.is_empty() || stay.procedures().any(|e| e.is_any_of(procedure)))
            && (!any_procedure || stay.procedures().next().is_some())
    })
}
