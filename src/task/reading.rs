//! Readings: the valid values of a concept, gathered by day.

use std::collections::BTreeMap;

use super::definition::{Measure, Readings};
use crate::record::{Dated, EncounterClass, Time, View};

/// What was read on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DayReading {
    /// Of the first reading of the day.
    pub time: Time,
    pub lowest: f64,
    pub highest: f64,
}

/// Whether an event's contact is of one of the classes (any when there are none). What names no
/// contact counts as ambulatory.
pub(super) fn is_in_class(dated: &Dated<'_>, classes: &[EncounterClass]) -> bool {
    classes.is_empty() || classes.contains(&dated.class.unwrap_or(EncounterClass::Ambulatory))
}

impl Readings {
    /// The value of an event, where it is a valid reading.
    pub(super) fn value(&self, dated: &Dated<'_>) -> Option<f64> {
        let number = dated.entry.number.filter(|_| dated.entry.comparator.is_none())?;
        let (low, high) = self.valid;
        let counts = (low..=high).contains(&number)
            && dated.entry.concepts.contains(&self.concept)
            && is_in_class(dated, &self.classes);
        counts.then_some(number)
    }

    /// The readings by day (UTC), of the events that are `wanted`.
    pub(super) fn by_day<'d>(
        &self,
        dated: impl Iterator<Item = &'d Dated<'d>>,
    ) -> BTreeMap<i64, DayReading> {
        let mut days: BTreeMap<i64, DayReading> = BTreeMap::new();
        for one in dated {
            let Some(value) = self.value(one) else { continue };
            let first = DayReading { time: one.time, lowest: value, highest: value };
            let day = days.entry(one.time.day()).or_insert(first);
            day.time = day.time.min(one.time);
            day.lowest = day.lowest.min(value);
            day.highest = day.highest.max(value);
        }
        days
    }
}

impl Measure {
    /// The readings by day over the last days of `view`, of which `dated` are the events.
    pub(super) fn by_day(&self, view: &View<'_>, dated: &[Dated<'_>]) -> BTreeMap<i64, DayReading> {
        let from = view.index_time().plus_days(-i64::from(self.within_days));
        self.readings.by_day(dated.iter().filter(|dated| dated.time > from))
    }
}

/// The mean of the day-lowest values; `None` with fewer days than `days_min` (at least one).
pub(super) fn mean_lowest(days: &BTreeMap<i64, DayReading>, days_min: usize) -> Option<f64> {
    let sum: f64 = days.values().map(|day| day.lowest).sum();
    (days.len() >= days_min.max(1)).then(|| sum / days.len() as f64)
}
