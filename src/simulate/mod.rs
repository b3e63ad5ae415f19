//! Simulate: a seeded population of which the risks are known, one patient at a time.
//!
//! `Population::patient` draws a whole life, writes down what a hospital would have of it, and says
//! beside it what the probability of each outcome was. It is pure: patient `i` depends on the
//! settings and on `i` alone, so that any part of a population can be drawn by any thread, and a
//! million patients need the memory of one.
//!
//! # Which index times have a truth
//!
//! - `readmit30`: the end of every hospital episode (stays joined by transfers are one) of an adult
//!   with a year of coverage before it, who was discharged alive, not against advice and not to
//!   hospice, and whose principal diagnosis was no cancer treatment, psychiatric disease,
//!   rehabilitation or delivery. The probability is that of an unplanned admission in
//!   (t0, t0 + 30 d] before a planned one and before a death.
//! - `bp_rise`: persons with known hypertension, who are seen about every 220 days. Index times are
//!   the contacts with a blood pressure that lie 90 days apart, from the second such on, while there
//!   is a later one.
//! - `htn_incident`: persons without hypertension, who are seen about every 470 days; the same
//!   contacts from the second on, at 18 to 84 years of age, until the onset. (No one is in both: a
//!   probability of the one would change with the draw of the other.)
//!
//! Nobody is seen for a blood pressure in the last 370 days of life, so that no death competes with
//! those two. A row is there only where the records reach its index time.
//!
//! # Why the probability is the truth
//!
//! It is computed from what is *written* up to the index time (a missing or unreadable value counts
//! as missing), then the outcome is drawn with it, and only then the records after it are written,
//! so that the definition of the task finds exactly what was drawn. Patients leave the source early
//! by what is written, never by what is to come.

mod chart;
mod life;
mod onset;
mod person;
mod random;
mod rise;
mod risk;
mod settings;
mod stays;
mod truth;
mod visits;
mod ward;

pub use person::TREND_REGION;
pub use settings::{PATIENTS_MAX, SHARE_MAX, START_YEAR, Settings, SettingsError, YEARS};
pub use truth::{KnownTask, TruthRow};

use crate::record::{Record, Time};
use life::Life;
use person::{Course, instant};

/// A population: nothing but its settings, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Population(Settings);

/// One patient, as written and as in truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    pub record: Record,
    /// By prediction time.
    pub truth: Vec<TruthRow>,
}

impl Population {
    /// A population with these settings.
    ///
    /// # Errors
    /// A setting out of its range, by name.
    pub fn new(settings: Settings) -> Result<Population, SettingsError> {
        settings.check()?;
        Ok(Population(settings))
    }

    pub fn settings(&self) -> &Settings {
        &self.0
    }

    /// Patient `number`, counted from 0.
    pub fn patient(&self, number: u64) -> Simulated {
        let mut life = Life::begin(&self.0, number);
        life.stays();
        match life.person.course {
            Course::Treated => life.treated_course(),
            Course::Free => life.free_course(),
            Course::Unmeasured => {}
        }
        life.other_visits();
        life.index_times.sort_by_key(|index| (index.time, index.task));
        let until = life.seen_until();
        life.chart.record.death_time = life.death;
        life.chart.cut(until);
        life.chart.cover(life.person.covered_from_day, until);
        let seen = life.index_times.iter().filter(|index| index.time <= until);
        let truth = seen.map(|index| index.row(until)).collect();
        Simulated { record: life.chart.record, truth }
    }
}

impl Life<'_> {
    /// The end of what the source sees: the end of the records, or when the patient leaves. At each
    /// index time somebody may leave inside its window. It is a midnight outside all stays, so that
    /// no stay is seen in part.
    fn seen_until(&mut self) -> Time {
        let mut until_day = self.settings.end_day();
        let share = self.settings.censoring;
        for place in 0..self.index_times.len() {
            let Some(index) = self.index_times.get(place).copied() else { break };
            if share == 0.0 || index.time.day() >= until_day {
                break;
            }
            let leaves = self.random.chance((index.leaves(share) * index.leaving).min(0.97));
            let horizon_days = index.task.horizon_days();
            let after = self.random.whole(1, horizon_days - 1);
            if leaves {
                until_day = until_day.min(index.time.day() + after);
            }
        }
        for episode in &self.episodes {
            let within = |day: i64| episode.start.day() < day && day <= episode.end.day();
            if within(until_day) {
                until_day = episode.end.day() + 1;
            }
        }
        instant(until_day, 0)
    }
}
