//! The hospital: admissions, what follows a discharge, emergency visits and deaths.
//!
//! After each discharge one thing is drawn for the next 30 days: an unplanned admission with the
//! known probability, else a planned one, a death, or nothing. No other part of the simulation may
//! admit anybody within these days, so that the probability stays the truth.

use super::life::{Episode, Life};
use super::person::{Condition, Course, instant};
use super::risk;
use super::truth::{IndexTime, KnownTask};
use super::ward::{Disposition, Left, Reason};
use crate::record::{EncounterClass, Sex, Time};

/// The days after a discharge in which only what was drawn at it can happen.
const AFTER_DISCHARGE_DAYS: i64 = 30;
const MINUTES_OF_DAY: i64 = 1_440;
/// A process of which the rate changes with age is drawn anew after so many days.
const RATE_HOLDS_DAYS: f64 = 365.0;

impl Life<'_> {
    /// All hospital care of the life, to its end or the last day that is simulated.
    pub(super) fn stays(&mut self) {
        self.draw_emergency_visits();
        let mut free_from = instant(self.person.covered_from_day + 1, 0);
        while let Some(start) = self.next_admission(free_from) {
            let reason = self.reason();
            let Some(end) = self.chain(start, reason) else { break };
            free_from = end.plus_days(AFTER_DISCHARGE_DAYS + 1);
        }
        self.write_emergency_visits();
    }

    /// When the next admission out of nothing is; `None` when the life, or what is simulated of it,
    /// ends before.
    fn next_admission(&mut self, free_from: Time) -> Option<Time> {
        let mut at_days = free_from.micros() as f64 / 86.4e9;
        let last_day = self.last_day() as f64;
        while at_days < last_day {
            let now = instant(at_days as i64, 0);
            let age = self.person.age_years(now);
            let conditions = self.person.known(now).count() as f64;
            let yearly = (-2.75 + 0.020 * (age - 50.0) + 0.38 * conditions).exp();
            // Gompertz's law, with about the mortality of a rich country.
            let deadly = (-10.2 + 0.090 * age).exp();
            let wait = self.random.wait(365.25 / (yearly + deadly));
            let dies = self.random.chance(deadly / (yearly + deadly));
            if wait > RATE_HOLDS_DAYS {
                at_days += RATE_HOLDS_DAYS;
                continue;
            }
            at_days += wait;
            let minute = (at_days * MINUTES_OF_DAY as f64) as i64;
            let start = instant(0, minute.max(free_from.micros() / 60_000_000 + 1));
            if at_days >= last_day {
                return None;
            }
            if dies {
                self.death = Some(start);
                return None;
            }
            return Some(start);
        }
        None
    }

    fn reason(&mut self) -> Reason {
        let may_deliver =
            self.person.course == Course::Unmeasured && self.person.sex == Sex::Female;
        let now = self.episodes.last().map_or(instant(self.settings.start_day(), 0), |e| e.end);
        let age = self.person.age_years(now);
        if may_deliver && (18.0..42.0).contains(&age) && self.random.chance(0.5) {
            return Reason::Delivery;
        }
        match self.random.share() {
            share if share < 0.76 => Reason::Unplanned,
            share if share < 0.82 && self.person.is_known(Condition::Depression, now) => {
                Reason::Psychiatric
            }
            _ => self.planned(now),
        }
    }

    fn planned(&mut self, now: Time) -> Reason {
        if self.person.is_known(Condition::Cancer, now) && self.random.chance(0.7) {
            return Reason::Chemotherapy;
        }
        if self.random.chance(0.08) { Reason::Rehabilitation } else { Reason::Operation }
    }

    /// An admission and all that follow it within 30 days of a discharge; the last end, or `None`
    /// after a death.
    fn chain(&mut self, start: Time, reason: Reason) -> Option<Time> {
        let (mut start, mut reason) = (start, reason);
        loop {
            self.clear_emergency_visits(start);
            let left = self.admit(start, reason);
            self.clear_emergency_visits_until(start, left.end);
            let earlier = self.earlier(start, left.end);
            self.episodes.push(Episode { start, end: left.end });
            if left.disposition == Disposition::Died {
                self.death = Some(left.end);
                return None;
            }
            match self.after(start, &left, earlier) {
                Next::Admission(next_start, next_reason) => {
                    (start, reason) = (next_start, next_reason);
                }
                Next::Nothing => return Some(left.end),
                Next::Death(time) => {
                    self.death = Some(time);
                    return None;
                }
            }
            if start.day() >= self.last_day() {
                return Some(start);
            }
        }
    }

    /// Earlier episodes and emergency visits within 365 days of the discharge at `end`.
    fn earlier(&self, start: Time, end: Time) -> (f64, f64) {
        let from = end.plus_days(-365);
        let stays = self.episodes.iter().filter(|e| e.start > from).count();
        let visits = self.emergency_visits.iter();
        let visits = visits.filter(|visit| **visit > from && **visit < start).count();
        (stays as f64, visits as f64)
    }

    /// Draws what comes in the 30 days after a discharge, and notes the index time if it is one.
    fn after(&mut self, start: Time, left: &Left, (stays, visits): (f64, f64)) -> Next {
        let at = left.end;
        let person = &self.person;
        let known = |condition| person.is_known(condition, at);
        let facts = risk::Discharge {
            age_years: person.age_years(at),
            stays_365d: stays,
            emergency_365d: visits,
            stay_days: (at.day() - start.day()) as f64,
            heart_failure: known(Condition::HeartFailure),
            lung_disease: known(Condition::LungDisease),
            diabetes: known(Condition::Diabetes),
            kidney_disease: known(Condition::KidneyDisease),
            cancer: known(Condition::Cancer),
            by_emergency: left.by_emergency,
            to_nursing: left.disposition == Disposition::Nursing,
            to_home_health: left.disposition == Disposition::HomeHealth,
            haemoglobin: left.haemoglobin,
            sodium: left.sodium,
            creatinine: left.creatinine,
        };
        let probability = risk::readmission(&facts, self.settings.has_drifted(at));
        let next = self.draw_next(at, left, probability);
        let has_left_against_advice = left.disposition == Disposition::AgainstAdvice;
        let is_held = left.is_index_reason
            && !has_left_against_advice
            && left.disposition != Disposition::Hospice;
        if is_held && facts.age_years >= 18.0 && self.is_covered_for_a_year(at) {
            let (outcome, closed) = match next {
                Next::Admission(time, Reason::Unplanned | Reason::SameDay) => (Some(time), None),
                Next::Admission(time, _) | Next::Death(time) => (None, Some(time)),
                Next::Nothing => (None, None),
            };
            let (task, leaving) = (KnownTask::Readmit30, self.leaving(at, stays));
            let index = IndexTime { task, time: at, probability, outcome, closed, leaving };
            self.index_times.push(index);
        }
        next
    }

    fn draw_next(&mut self, at: Time, left: &Left, probability: f64) -> Next {
        let last_minute = AFTER_DISCHARGE_DAYS * MINUTES_OF_DAY - 60;
        let minute = at.micros() / 60_000_000;
        if self.random.chance(probability) {
            let to_midnight = MINUTES_OF_DAY - minute.rem_euclid(MINUTES_OF_DAY);
            if to_midnight > 180 && self.random.chance(0.03) {
                let gap = self.random.whole(120, to_midnight - 30);
                return Next::Admission(instant(0, minute + gap), Reason::SameDay);
            }
            // Returns are more common in the first days.
            let gap = self.random.share().powf(1.4) * (last_minute - 1_500) as f64;
            return Next::Admission(instant(0, minute + 1_500 + gap as i64), Reason::Unplanned);
        }
        let dying = if left.disposition == Disposition::Hospice { 0.85 } else { 0.012 };
        if self.random.chance(dying) {
            let gap = self.random.whole(1_500, last_minute);
            return Next::Death(instant(0, minute + gap));
        }
        if left.disposition != Disposition::Hospice && self.random.chance(0.05) {
            let day = at.day() + self.random.whole(4, AFTER_DISCHARGE_DAYS - 1);
            return Next::Admission(instant(day, 480), self.planned(at));
        }
        Next::Nothing
    }

    fn draw_emergency_visits(&mut self) {
        let yearly = 0.14 + 0.10 * self.person.conditions.len() as f64;
        let mut day = self.person.covered_from_day as f64 + 1.0;
        loop {
            day += self.random.wait(365.25 / yearly).max(1.0);
            if day >= self.last_day() as f64 {
                return;
            }
            self.emergency_visits.push(instant(day as i64, self.random.whole(60, 1_080)));
        }
    }

    /// Strikes the visits on the day before an admission and on its day.
    fn clear_emergency_visits(&mut self, start: Time) {
        self.clear_emergency_visits_until(start, start);
    }

    fn clear_emergency_visits_until(&mut self, start: Time, end: Time) {
        let days = start.day() - 1..=end.day() + 1;
        // What an earlier discharge has counted stays.
        let counted = self.episodes.last().map_or(Time::EARLIEST, |episode| episode.end);
        self.emergency_visits.retain(|visit| *visit <= counted || !days.contains(&visit.day()));
    }

    fn write_emergency_visits(&mut self) {
        let visits = self.emergency_visits.clone();
        let death = self.death;
        for start in visits.into_iter().filter(|visit| death.is_none_or(|d| visit.day() < d.day()))
        {
            let minutes = self.random.whole(90, 350);
            let end = instant(0, start.micros() / 60_000_000 + minutes);
            let class = EncounterClass::Emergency;
            let (id, _) = self.chart.encounter(class, start, end, self.person.facility);
            let code = self.random.pick(["R079", "S93401A", "R1084", "J069", "M545"]);
            self.chart.diagnosis(code, end, &id, 1);
        }
    }
}

/// What comes in the 30 days after a discharge.
#[derive(Debug, Clone, Copy)]
enum Next {
    Admission(Time, Reason),
    Death(Time),
    Nothing,
}
