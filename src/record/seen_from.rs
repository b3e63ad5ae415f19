//! `View::seen_from`: the facts of an earlier time, seen from a later one. What then differs comes of
//! time alone: age, windows that moved on, values that have aged.

use super::{Time, View};

impl<'a> View<'a> {
    /// What this view shows and nothing more, seen from `index_time`, which is not earlier. An encounter
    /// that had begun is there; that it ended since, that the patient died, or anything recorded since is not known.
    #[must_use]
    pub fn seen_from(&self, index_time: Time) -> View<'a> {
        let mut view = self.history.cut(index_time, self.known_at());
        view.earlier = Some(Box::new(self.clone()));
        view
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{
        Code, ConceptSet, Encounter, EncounterClass, Event, EventKind, History, KnownAfter, Record,
    };

    fn hour(hour: i64) -> Time {
        Time::from_micros(0).plus_hours(hour)
    }

    /// A record of events and stays at drawn hours; what becomes known late among them.
    fn record(events: &[(i64, i64)], stays: &[(i64, i64)]) -> Record {
        let event = |(at, late): &(i64, i64)| {
            let code = Code::new("X", &at.to_string());
            let mut event = Event::new(EventKind::Other, code, hour(*at));
            event.recorded_time = Some(hour(at + late));
            event
        };
        let stay = |(place, (start, length)): (usize, &(i64, i64))| {
            let (id, end) = (place.to_string(), Some(hour(start + length)));
            Encounter::new(&id, EncounterClass::Emergency, hour(*start), end)
        };
        Record {
            patient_id: "p".into(),
            events: events.iter().map(event).collect(),
            encounters: stays.iter().enumerate().map(stay).collect(),
            ..Record::default()
        }
    }

    fn built(record: &Record) -> History {
        let none = ConceptSet::default();
        History::build(record, &none, &KnownAfter::default()).unwrap().history
    }

    proptest! {
        /// What came or was known later does not matter, and of what was known nothing is lost.
        #[test]
        fn it_shows_what_the_earlier_view_shows(
            events in prop::collection::vec((0_i64..200, 0_i64..100), 0..12),
            stays in prop::collection::vec((0_i64..200, 0_i64..50), 0..6),
            then in 0_i64..150,
            later in 0_i64..150,
        ) {
            let whole = built(&record(&events, &stays));
            let known: Vec<_> = events.iter().filter(|(at, late)| at + late <= then).copied().collect();
            let begun: Vec<_> = stays.iter().filter(|(start, _)| *start <= then).copied().collect();
            let alone = built(&record(&known, &begun));
            let seen = whole.view(hour(then)).seen_from(hour(then + later));
            let codes = |view: &View<'_>| {
                view.entries().map(|entry| entry.code.to_string()).collect::<Vec<_>>()
            };
            prop_assert_eq!(codes(&seen), codes(&whole.view(hour(then))));
            prop_assert_eq!(codes(&seen), codes(&alone.view(hour(then + later))));
            let starts = |view: &View<'_>| {
                view.earlier_encounters().map(|(encounter, _)| encounter.start).collect::<Vec<_>>()
            };
            prop_assert_eq!(starts(&seen), starts(&whole.view(hour(then))));
            for (encounter, _) in seen.earlier_encounters() {
                let end = seen.end_of(encounter);
                prop_assert!(end.is_none_or(|end| end <= hour(then)));
            }
            prop_assert_eq!(seen.index_time(), hour(then + later));
        }
    }
}
