//! Rules of events and of values by themselves, outside of any task: what happens in a population.

use super::definition::{Events, Hit, Readings};
use super::part::{Around, first};
use super::reading::{is_in_class, mean_lowest};
use crate::record::{ConceptId, Dated, Time, View};

/// Something that may happen to a person, in the words of a task's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    pub(super) events: Events,
}

impl Happening {
    /// When it first happened among the events of `span`, which lie in the order of `View::dated` among
    /// all those of `view`.
    pub fn first(&self, view: &View<'_>, all: &[Dated<'_>], span: &[Dated<'_>]) -> Option<Time> {
        let (from, to) = (span.first()?.time, span.last()?.time);
        // What excuses an event may lie before the span.
        let excused = |hit: &Hit| matches!(hit, Hit::Event { unless, .. } if !unless.is_empty());
        let all = if self.events.any.iter().any(excused) { all } else { span };
        let around = Around {
            all,
            mean_before: &|_| None,
            is_near_stay: &|time, days| view.is_near_stay(time, days),
        };
        first(&self.events, &|time| (from..=to).contains(&time), &around)
    }

    /// Whether values of `concepts` in `span` are such that the rule could have held: on a day, or on two
    /// that lie as far apart as it asks, of its classes, and not beside a stay where it asks for that.
    pub fn could_judge(&self, view: &View<'_>, span: &[Dated<'_>], concepts: &[ConceptId]) -> bool {
        let Events { classes, twice, apart_days_min, apart_days_max, .. } = &self.events;
        let from_stay = self.events.days_from_stay_min;
        let counts = |dated: &&Dated<'_>| {
            dated.entry.number.is_some()
                && dated.entry.comparator.is_none()
                && dated.entry.is_any_of(concepts)
                && is_in_class(dated, classes)
                && (from_stay == 0 || !view.is_near_stay(dated.time, from_stay))
        };
        let mut days: Vec<i64> = span.iter().filter(counts).map(|dated| dated.time.day()).collect();
        // They are in order already.
        days.dedup();
        if !twice {
            return !days.is_empty();
        }
        let least = (*apart_days_min).max(1);
        days.iter().enumerate().any(|(place, first)| {
            let later = days.iter().skip(place + 1).map(|day| day - first);
            later.into_iter().any(|apart| (least..=*apart_days_max).contains(&apart))
        })
    }

    /// The concepts of events (not of values) by which it is found, each once.
    pub fn event_concepts(&self) -> Vec<ConceptId> {
        let mut found = Vec::new();
        for hit in &self.events.any {
            if let Hit::Event { concepts, .. } = hit {
                found.extend(concepts);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All concepts it reads, each once.
    pub fn concepts(&self) -> Vec<ConceptId> {
        let mut found = Vec::new();
        for hit in &self.events.any {
            match hit {
                Hit::Event { concepts, unless, .. } => found.extend(concepts.iter().chain(unless)),
                Hit::Measured { readings, .. } => found.push(readings.concept),
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The values of a concept.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    pub(super) readings: Readings,
}

impl Values {
    pub fn concept(&self) -> ConceptId {
        self.readings.concept
    }

    /// The mean of the day-lowest values in `span`.
    pub fn mean(&self, span: &[Dated<'_>]) -> Option<f64> {
        mean_lowest(&self.readings.by_day(span.iter()), 1)
    }

    /// The latest value in `span`.
    pub fn latest(&self, span: &[Dated<'_>]) -> Option<f64> {
        self.latest_reading(span).map(|(_, value)| value)
    }

    /// The latest value in `span`, with its event.
    pub fn latest_reading<'s, 'h>(&self, span: &'s [Dated<'h>]) -> Option<(&'s Dated<'h>, f64)> {
        span.iter().rev().find_map(|dated| Some((dated, self.readings.value(dated)?)))
    }
}
