//! The course of those without hypertension: does it begin within a year?
//!
//! At each index time the onset is drawn with its known probability. The contacts of the 80 days
//! after it then show it in one of three ways, or do not: two high days at least a week apart, a
//! diagnosis, or a first drug. One single high day in a life may be there without an onset.

use super::chart::Drug;
use super::life::Life;
use super::person::{Condition, Known, Smoking};
use super::risk;
use super::truth::{IndexTime, KnownTask};
use super::visits::{Pressure, means};
use crate::record::Time;

/// From these values on a day is high, in mm Hg.
const HIGH: (i64, i64) = (140, 90);
/// At which ages the task scores, in completed years.
const AGES: std::ops::RangeInclusive<f64> = 18.0..=84.0;
/// After a single high day values stay below this, in mm Hg, so that the mean of two years does.
const QUIET_MAX: i64 = 132;

/// What shows an onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    TwoHighDays,
    Problem,
    TwoDiagnoses,
    Drug,
}

/// What has been so far.
struct SoFar {
    pressures: Vec<Pressure>,
    bmi: Option<f64>,
    /// Since when there is hypertension, by the record.
    since: Option<Time>,
    had_high_day: bool,
}

impl Life<'_> {
    /// All contacts of a person who has no hypertension at the start.
    pub(super) fn free_course(&mut self) {
        let mut so_far =
            SoFar { pressures: Vec::new(), bmi: None, since: None, had_high_day: false };
        for (place, days) in self.clusters().iter().enumerate() {
            let Some((first, rest)) = days.split_first() else { continue };
            let lowest = self.not_high(so_far.had_high_day);
            let (id, end, pressure) = self.contact(*first, lowest);
            so_far.pressures.push(pressure);
            so_far.bmi = self.examine(*first, end, &id).or(so_far.bmi);
            if so_far.since.is_some() {
                self.chart.order(Drug::Losartan, pressure.time, &id);
            }
            // The days of the cluster are index time and window; the first cluster has no year of
            // coverage before it.
            let begins = place > 0 && so_far.since.is_none() && self.onset_drawn(&so_far, end);
            let shown = if begins {
                Some(self.show(rest, &mut so_far))
            } else {
                self.nothing_shown(rest, &mut so_far);
                None
            };
            if place > 0
                && let Some(index) = self.index_times.last_mut()
                && index.time == end
            {
                index.outcome = shown;
            }
            so_far.since = so_far.since.or(shown);
        }
    }

    /// Draws whether hypertension begins after the contact that ends at `time`, and notes the index
    /// time.
    fn onset_drawn(&mut self, so_far: &SoFar, time: Time) -> bool {
        let (systolic, diastolic) = means(&so_far.pressures, time, 730);
        let person = &self.person;
        let last = so_far.pressures.last();
        let facts = risk::Contact {
            age_years: person.age_years(time),
            systolic,
            diastolic,
            last_systolic: last.map_or(systolic, |pressure| pressure.systolic as f64),
            bmi: so_far.bmi,
            smoker: person.smoking == Smoking::Current,
            diabetes: person.is_known(Condition::Diabetes, time),
            in_trend: person.is_in_trend(time),
        };
        let probability = risk::hypertension(&facts, self.settings.has_drifted(time));
        let begins = self.random.chance(probability);
        if self.is_covered_for_a_year(time) && AGES.contains(&facts.age_years) {
            let leaving = self.leaving(time, self.episodes_365d(time));
            let (task, outcome, closed) = (KnownTask::HtnIncident, None, None);
            let index = IndexTime { task, time, probability, outcome, closed, leaving };
            self.index_times.push(index);
        }
        begins
    }

    /// Writes the contacts of a window in which hypertension begins; when the record shows it.
    fn show(&mut self, days: &[i64], so_far: &mut SoFar) -> Time {
        let sign = self.random.weighted([
            (Sign::TwoHighDays, 0.55),
            (Sign::Problem, 0.15),
            (Sign::TwoDiagnoses, 0.15),
            (Sign::Drug, 0.15),
        ]);
        let sign = match sign {
            // One contact alone cannot show what needs two; and a drug must have no other reason.
            Sign::TwoHighDays | Sign::TwoDiagnoses if days.len() < 2 => Sign::Problem,
            Sign::Drug if self.person.has_other_indication() => Sign::Problem,
            sign => sign,
        };
        let mut shown = Time::LATEST;
        for day in days {
            let lowest = match sign {
                Sign::TwoHighDays => self.high(),
                _ => self.not_high(so_far.had_high_day),
            };
            let (id, end, pressure) = self.contact(*day, lowest);
            so_far.pressures.push(pressure);
            let is_last = Some(day) == days.last();
            match sign {
                Sign::TwoDiagnoses => self.chart.diagnosis("I10", end, &id, 1),
                Sign::Problem if is_last => self.problem_of_hypertension(*day, end),
                Sign::Drug if is_last => {
                    let drug = self.random.pick([Drug::Lisinopril, Drug::Hydrochlorothiazide]);
                    self.chart.order(drug, pressure.time, &id);
                }
                _ => {}
            }
            // Of several contacts the second shows what needs two.
            let needs = if matches!(sign, Sign::TwoHighDays | Sign::TwoDiagnoses) { 2 } else { 0 };
            let is_second = days.get(1) == Some(day);
            if (needs == 2 && is_second) || (needs == 0 && is_last) {
                shown = match sign {
                    Sign::TwoHighDays | Sign::Drug => pressure.time,
                    Sign::Problem | Sign::TwoDiagnoses => end,
                };
            }
            if sign == Sign::TwoHighDays && is_last {
                self.chart.order(Drug::Losartan, end, &id);
                self.problem_of_hypertension(*day, end);
            }
        }
        shown
    }

    /// The problem list learns of hypertension at `recorded`, with an onset some days before.
    fn problem_of_hypertension(&mut self, day: i64, recorded: Time) {
        let onset_day = day - self.random.whole(0, 6);
        let known = Known { condition: Condition::Hypertension, onset_day, recorded };
        let in_snomed = self.random.chance(0.35);
        self.chart.problem(known, in_snomed);
    }

    /// Writes the contacts of a window in which nothing begins, or of the time after the onset.
    fn nothing_shown(&mut self, days: &[i64], so_far: &mut SoFar) {
        for day in days {
            let single = so_far.since.is_none() && !so_far.had_high_day && self.random.chance(0.04);
            let lowest = match single {
                true => (self.random.whole(HIGH.0, 144), self.random.whole(72, 84)),
                false => self.not_high(so_far.had_high_day),
            };
            let (id, end, pressure) = self.contact(*day, lowest);
            so_far.pressures.push(pressure);
            if single {
                so_far.had_high_day = true;
                // An elevated reading without a diagnosis of hypertension.
                self.chart.diagnosis("R030", end, &id, 1);
            }
        }
    }

    fn not_high(&mut self, is_quiet: bool) -> (i64, i64) {
        let max = if is_quiet { QUIET_MAX } else { HIGH.0 - 1 };
        let systolic = self.random.normal(self.person.pressure, 6.0).round() as i64;
        let systolic = systolic.clamp(88, max);
        let diastolic = self.random.normal(44.0 + 0.26 * systolic as f64, 4.0).round() as i64;
        (systolic, diastolic.clamp(45, HIGH.1 - 1).min(systolic - 20))
    }

    fn high(&mut self) -> (i64, i64) {
        let systolic = self.random.whole(HIGH.0, 166);
        let diastolic = self.random.whole(74, 98);
        (systolic, diastolic)
    }
}
