//! The parts of an outcome that are events: where they first happened in a span of time.

use std::collections::HashSet;

use super::definition::{Bound, Events, Hit, Measure, PartRule};
use super::reading::{is_in_class, mean_lowest};
use crate::record::{Dated, Time, View};

/// What is looked at beside the events of the span.
pub(super) struct Around<'x> {
    /// All events known up to the end of the span, by time: for `unless`.
    pub all: &'x [Dated<'x>],
    /// The mean of the day-lowest values over the last days before the index time.
    pub mean_before: &'x dyn Fn(&Measure) -> Option<f64>,
    /// Whether a time lies within so many days of a hospital stay.
    pub is_near_stay: &'x dyn Fn(Time, i64) -> bool,
}

/// One event that counts.
#[derive(Debug, Clone, Copy)]
struct Found {
    time: Time,
    /// Which of the kinds that count.
    hit: usize,
    encounter: Option<usize>,
}

/// When `events` first happened among the dated ones that lie in the span.
pub(super) fn first(
    events: &Events,
    in_span: &dyn Fn(Time) -> bool,
    around: &Around<'_>,
) -> Option<Time> {
    let mut found = Vec::new();
    for (place, hit) in events.any.iter().enumerate() {
        gather(place, hit, events, in_span, around, &mut found);
    }
    let days = events.days_from_stay_min;
    found.retain(|one| days == 0 || !(around.is_near_stay)(one.time, days));
    found.sort_by_key(|one| one.time);
    // Of equal ones on a day the first says all there is to say: fewer pairs are looked at.
    let mut met = HashSet::new();
    found.retain(|one| met.insert((one.time.day(), one.hit, one.encounter)));
    if !events.twice {
        return found.first().map(|one| one.time);
    }
    let second = found.iter().enumerate().find(|(place, later)| {
        found.iter().take(*place).any(|earlier| are_two(earlier, later, events))
    });
    second.map(|(_, later)| later.time)
}

/// Whether the two count as two.
fn are_two(earlier: &Found, later: &Found, events: &Events) -> bool {
    let days = later.time.day() - earlier.time.day();
    let apart = (events.apart_days_min..=events.apart_days_max).contains(&days);
    let distinct = match events.in_different_contacts {
        true => match (earlier.encounter, later.encounter) {
            (Some(one), Some(other)) => one != other,
            // Without a contact named, two days are two contacts.
            _ => days > 0,
        },
        // The same thing again on one day is one; two different things on one day are two.
        false => days > 0 || earlier.hit != later.hit,
    };
    apart && distinct
}

fn gather(
    place: usize,
    hit: &Hit,
    events: &Events,
    in_span: &dyn Fn(Time) -> bool,
    around: &Around<'_>,
    found: &mut Vec<Found>,
) {
    let spanned = around.all.iter().filter(|dated| in_span(dated.time));
    match hit {
        Hit::Event { concepts, kinds, unless } => {
            let another_reason = around.all.iter().find(|other| other.entry.is_any_of(unless));
            let excused_from = another_reason.map(|other| other.time);
            for dated in spanned {
                let entry = dated.entry;
                let counts = entry.is_any_of(concepts)
                    && (kinds.is_empty() || kinds.contains(&entry.kind))
                    && is_in_class(dated, &events.classes);
                if counts && excused_from.is_none_or(|from| from > dated.time) {
                    found.push(Found {
                        time: dated.time,
                        hit: place,
                        encounter: entry.encounter(),
                    });
                }
            }
        }
        Hit::Measured { readings, bound } => {
            let baseline = match bound {
                Bound::AtMostShare { baseline_days, .. } => {
                    let (readings, within_days) = (readings.clone(), *baseline_days);
                    (around.mean_before)(&Measure { readings, within_days })
                }
                Bound::AtLeast(_) | Bound::Below(_) => None,
            };
            for day in readings.by_day(spanned).into_values() {
                let counts = match bound {
                    Bound::AtLeast(value) => day.lowest >= *value,
                    Bound::Below(value) => day.highest < *value,
                    Bound::AtMostShare { share, .. } => {
                        baseline.is_some_and(|mean| day.highest <= share * mean)
                    }
                };
                if counts {
                    found.push(Found { time: day.time, hit: place, encounter: None });
                }
            }
        }
    }
}

/// What had happened by the index time.
pub(super) struct Past<'x> {
    pub view: &'x View<'x>,
    pub dated: &'x [Dated<'x>],
    /// How far back is looked; all that is known when absent.
    pub look_back_days: Option<u32>,
}

impl Past<'_> {
    /// Whether the part has happened before. Stays and contacts are looked for among those over
    /// before the index time; a rise has no before.
    pub(super) fn has(&self, rule: &PartRule) -> bool {
        let index_time = self.view.index_time();
        let from = self.look_back_days.map(|days| index_time.plus_days(-i64::from(days)));
        let in_span = |time: Time| from.is_none_or(|from| time > from);
        match rule {
            PartRule::Events(events) => {
                let around = Around {
                    all: self.dated,
                    mean_before: &|measure| mean_lowest(&measure.by_day(self.view, self.dated), 1),
                    is_near_stay: &|time, days| self.view.is_near_stay(time, days),
                };
                first(events, &in_span, &around).is_some()
            }
            PartRule::Stay { classes, .. } => {
                let mut earlier = self.view.earlier_encounters();
                earlier.any(|(encounter, _)| {
                    let wanted = classes.is_empty() || classes.contains(&encounter.class);
                    encounter.class.is_stay() && wanted && in_span(encounter.start)
                })
            }
            PartRule::Contact { classes, .. } => {
                let mut earlier = self.view.earlier_encounters();
                earlier.any(|(e, _)| classes.contains(&e.class) && in_span(e.start))
            }
            PartRule::Rise(_) => false,
        }
    }
}
