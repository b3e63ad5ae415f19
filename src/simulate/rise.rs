//! The course of treated hypertension: does the systolic pressure rise, and stay so, within a year?
//!
//! At each index time the rise is drawn with its known probability; then the next cluster, which is
//! all that the window of the index time holds, is drawn again and again until it is, or is not, a
//! rise by the definition: a mean of the day-lowest values of at least 130 and at least 10 above
//! that of the year before.

use super::chart::Drug;
use super::life::Life;
use super::person::{Condition, Smoking};
use super::random::Random;
use super::risk;
use super::truth::{IndexTime, KnownTask};
use super::visits::{Cluster, Pressure, means};
use crate::record::Time;

/// A rise ends at this at least, in mm Hg ...
const RISEN_TO: f64 = 130.0;
/// ... and is this much at least.
const RISEN_BY: f64 = 10.0;
/// A mean as near to a bound is drawn again: sums in another order might see it on the other side.
const MARGIN: f64 = 0.01;
/// After so many vain draws the plainest cluster there is is taken.
const DRAWS_MAX: usize = 60;

impl Life<'_> {
    /// All contacts of a person with known hypertension.
    pub(super) fn treated_course(&mut self) {
        let clusters = self.clusters();
        let mut pressures: Vec<Pressure> = Vec::new();
        let mut bmi = None;
        // Whether the coming cluster is to be a rise over this mean.
        let mut decided: Option<(bool, f64)> = None;
        for (place, days) in clusters.iter().enumerate() {
            let levels = self.risen_or_not(days.len(), decided);
            let Some((first, rest)) = days.split_first() else { continue };
            let Some((level, other_levels)) = levels.split_first() else { continue };
            let lowest = self.with_diastolic(*level);
            let (id, end, pressure) = self.contact(*first, lowest);
            pressures.push(pressure);
            bmi = self.examine(*first, end, &id).or(bmi);
            let drug = if self.person.bmi > 28.0 { Drug::Amlodipine } else { Drug::Lisinopril };
            self.chart.order(drug, pressure.time, &id);
            decided = self.index_of_rise(place, &clusters, &pressures, end, bmi);
            for (day, level) in rest.iter().zip(other_levels) {
                let lowest = self.with_diastolic(*level);
                let (_, _, pressure) = self.contact(*day, lowest);
                pressures.push(pressure);
            }
        }
    }

    /// Notes the index time, where a cluster before and one after make it one, and draws what comes.
    fn index_of_rise(
        &mut self,
        place: usize,
        clusters: &[Cluster],
        pressures: &[Pressure],
        time: Time,
        bmi: Option<f64>,
    ) -> Option<(bool, f64)> {
        let last = pressures.last()?;
        if place == 0 || place + 1 >= clusters.len() {
            return None;
        }
        let (systolic, diastolic) = means(pressures, time, 365);
        let person = &self.person;
        let facts = risk::Contact {
            age_years: person.age_years(time),
            systolic,
            diastolic,
            last_systolic: last.systolic as f64,
            bmi,
            smoker: person.smoking == Smoking::Current,
            diabetes: person.is_known(Condition::Diabetes, time),
            in_trend: person.is_in_trend(time),
        };
        let probability = risk::rise(&facts, self.settings.has_drifted(time));
        let rises = self.random.chance(probability);
        if self.is_covered_for_a_year(time) && facts.age_years >= 18.0 {
            let task = KnownTask::BpRise;
            // Until its window is over a mean is not known.
            let over = time.plus_days(task.horizon_days());
            let (outcome, closed) = (rises.then_some(over), None);
            let leaving = self.leaving(time, self.episodes_365d(time));
            let index = IndexTime { task, time, probability, outcome, closed, leaving };
            self.index_times.push(index);
        }
        Some((rises, systolic))
    }

    /// Systolic values of the days of a cluster, which are a rise or are none, as it was decided.
    fn risen_or_not(&mut self, count: usize, decided: Option<(bool, f64)>) -> Vec<i64> {
        let own = self.person.pressure;
        let Some((rises, before)) = decided else { return self.levels(count, own) };
        let bound = RISEN_TO.max(before + RISEN_BY);
        for _ in 0..DRAWS_MAX {
            let around = match rises {
                true => bound + 1.0 + self.random.wait(4.0),
                false => 0.5 * own + 0.5 * before + self.random.normal(0.0, 3.0),
            };
            let levels = self.levels(count, around);
            let mean = levels.iter().sum::<i64>() as f64 / count as f64;
            let (above, below) = (mean >= bound + MARGIN, mean <= bound - MARGIN);
            if (rises && above) || (!rises && below) {
                return levels;
            }
        }
        let level = if rises { bound.ceil() + 1.0 } else { bound.floor() - 2.0 };
        vec![level as i64; count]
    }

    fn levels(&mut self, count: usize, around: f64) -> Vec<i64> {
        let level = |random: &mut Random| random.normal(around, 5.0).round() as i64;
        (0..count).map(|_| level(&mut self.random).clamp(92, 232)).collect()
    }

    fn with_diastolic(&mut self, systolic: i64) -> (i64, i64) {
        let drawn = self.random.normal(42.0 + 0.27 * systolic as f64, 4.0).round() as i64;
        (systolic, drawn.clamp(45, systolic - 20))
    }
}
