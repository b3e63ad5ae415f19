//! `Life`: one patient while being simulated, and the calendar that all processes share.

use super::chart::Chart;
use super::person::{Person, instant};
use super::random::Random;
use super::settings::Settings;
use super::truth::IndexTime;
use crate::record::Time;

/// How long after the end of the records a life goes on, so that what comes of the last index times
/// is known: the longest time at risk, and some days.
const BEYOND_DAYS: i64 = 400;

/// A hospital episode: one stay, or several joined by transfers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Episode {
    pub start: Time,
    pub end: Time,
}

pub(super) struct Life<'s> {
    pub settings: &'s Settings,
    pub random: Random,
    pub person: Person,
    pub chart: Chart,
    /// In order.
    pub episodes: Vec<Episode>,
    /// Starts of emergency visits that do not end in an admission, in order; none lies near a stay.
    pub emergency_visits: Vec<Time>,
    pub death: Option<Time>,
    pub index_times: Vec<IndexTime>,
}

impl<'s> Life<'s> {
    pub(super) fn begin(settings: &'s Settings, number: u64) -> Life<'s> {
        let mut random = Random::of(settings.seed, number);
        let person = Person::draw(&mut random, settings);
        let mut chart = Chart::new(number, &person, settings);
        chart.problems(&person, &mut random);
        Life {
            settings,
            random,
            person,
            chart,
            episodes: Vec::new(),
            emergency_visits: Vec::new(),
            death: None,
            index_times: Vec::new(),
        }
    }

    /// The last day that is simulated.
    pub(super) fn last_day(&self) -> i64 {
        self.settings.end_day() + BEYOND_DAYS
    }

    /// Whether an ambulatory contact can be on `day`: not in a stay, nor on the days beside it.
    pub(super) fn is_free(&self, day: i64) -> bool {
        let near =
            |episode: &Episode| (episode.start.day() - 1..=episode.end.day() + 1).contains(&day);
        !self.episodes.iter().any(near)
            && !self.emergency_visits.iter().any(|visit| (day - visit.day()).abs() <= 1)
            && self.death.is_none_or(|death| day < death.day())
    }

    /// Whether the source has seen the care for a year before `time`.
    pub(super) fn is_covered_for_a_year(&self, time: Time) -> bool {
        instant(self.person.covered_from_day, 0) <= time.plus_days(-365)
    }

    /// How much more often than others the patient leaves the source after `time`: by what the record
    /// holds then. About 1 in the mean of all index times.
    pub(super) fn leaving(&self, time: Time, stays_365d: f64) -> f64 {
        let factor = |is: bool, with: f64, without: f64| if is { with } else { without };
        factor(stays_365d > 0.0, 1.5, 0.9)
            * factor(self.person.age_years(time) >= 70.0, 1.25, 0.85)
            * factor(self.person.is_in_left_region(), 1.4, 0.87)
    }

    /// Episodes that began within 365 days before `time`.
    pub(super) fn episodes_365d(&self, time: Time) -> f64 {
        let from = time.plus_days(-365);
        let counted = self.episodes.iter().filter(|e| e.start > from && e.start <= time);
        counted.count() as f64
    }
}
