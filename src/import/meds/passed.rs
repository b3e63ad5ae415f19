//! `Passed`: the rows of a subject that nobody asks for, and the little that is kept of them.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::convention::Meaning;
use super::layout::{Field, NoText, Row};
use super::meanings::Known;
use crate::import::wanted::{Asked, Wanted};
use crate::record::{ENCOUNTERS_MAX, EVENTS_MAX, Encounter, EncounterClass, Event, Record, Time};

/// Ids of encounters.
pub(super) type Ids<'i> = HashSet<&'i str, RandomState>;

/// What was passed over of one subject.
#[derive(Default)]
pub(super) struct Passed {
    events: usize,
    /// Of encounters what an event that names one must know: id, class and start.
    encounters: Vec<(String, EncounterClass, Time)>,
    /// The latest event, where that is asked for.
    latest: Option<(Time, Event)>,
}

impl Passed {
    /// Whether the row is passed over because nobody asks for it.
    pub(super) fn takes(
        &mut self,
        row: Row<'_>,
        known: &Known,
        wanted: &Wanted<'_>,
        time: Time,
        has_visits: bool,
    ) -> Result<bool, NoText> {
        match &*known.meaning {
            Meaning::Event { code, kind, .. } => {
                let is_asked = match known.asked {
                    Asked::Always => true,
                    Asked::AsPrincipal => {
                        row.float(Field::Rank).is_some_and(|rank| (1.0..2.0).contains(&rank))
                    }
                    Asked::Never => false,
                };
                if is_asked {
                    return Ok(false);
                }
                self.events += 1;
                let is_latest = || self.latest.as_ref().is_none_or(|(latest, _)| *latest < time);
                if wanted.latest_event() && is_latest() {
                    self.latest = Some((time, Event::new(*kind, code.clone(), time)));
                }
                Ok(true)
            }
            Meaning::Start(..) | Meaning::End(..) if has_visits => {
                // Only where the row itself says of which encounter it is, and of what class that is.
                let class = row.text(Field::VisitClass)?.and_then(EncounterClass::parse);
                let Some(class) = class.filter(|class| !wanted.encounter(*class)) else {
                    return Ok(false);
                };
                let Some(visit) = row.visit()? else { return Ok(false) };
                if matches!(&*known.meaning, Meaning::Start(..)) {
                    self.encounters.push((visit, class, time));
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The encounters of these ids that were passed over. An event that names one must not seem to name
    /// none, because it would then belong to a stay by its time.
    pub(super) fn named<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Vec<Encounter> {
        if self.encounters.is_empty() {
            return Vec::new();
        }
        let mut left: Ids<'_> = ids.collect();
        let asked = self.encounters.iter().filter(|(id, ..)| left.remove(id.as_str()));
        asked.map(|(id, class, start)| Encounter::new(id, *class, *start, None)).collect()
    }

    /// The latest event, where that is asked for.
    pub(super) fn latest(&mut self) -> Option<Event> {
        self.latest.take().map(|(_, event)| event)
    }

    /// Whether the record would be too large with it: too much is too much, asked for or not.
    pub(super) fn is_too_much(&self, record: &Record) -> bool {
        let more = |passed: usize, kept: usize, max: usize| passed > 0 && passed + kept > max;
        more(self.events, record.events.len(), EVENTS_MAX)
            || more(self.encounters.len(), record.encounters.len(), ENCOUNTERS_MAX)
    }
}
