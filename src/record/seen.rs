//! `Seen`: the events that a view shows, laid out so that those of a concept are found without a look
//! at all others.

use super::{ConceptId, Entry, History, View};

/// The visible events of a view, by their places in its history.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// In order, each with whether it belongs to the index stay.
    entries: Vec<(u32, bool)>,
    /// For each concept, by its number, where its part of `places` begins; one more at the end.
    starts: Vec<u32>,
    /// Places in `entries`: those of the first concept, rising, then those of the second, and so on.
    places: Vec<u32>,
}

/// The visible events of a view, by time and content.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'v, 'a> {
    pub(super) history: &'a History,
    pub(super) layout: &'v Layout,
}

impl Layout {
    pub(super) fn of(view: &View<'_>, history: &History) -> Layout {
        let all = history.entries.iter().enumerate().filter(|(_, entry)| view.sees(entry));
        let entries: Vec<(u32, bool)> =
            all.map(|(place, entry)| (place as u32, view.in_stay(entry))).collect();
        let concepts = |(place, _): &(u32, bool)| {
            let entry = history.entries.get(*place as usize);
            entry.map(|entry| &*entry.concepts).unwrap_or_default()
        };
        let each = || entries.iter().flat_map(concepts).map(|id| id.0 as usize);
        // Counted, added up, and handed out from the last to the first.
        let mut starts = vec![0_u32; each().max().map_or(1, |last| last + 2)];
        each().for_each(|id| starts[id] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut places = vec![0_u32; sum as usize];
        for (place, entry) in entries.iter().enumerate().rev() {
            for id in concepts(entry) {
                let start = &mut starts[id.0 as usize];
                *start -= 1;
                places[*start as usize] = place as u32;
            }
        }
        Layout { entries, starts, places }
    }

    fn places_of(&self, concept: ConceptId) -> &[u32] {
        let at = concept.0 as usize;
        let bound = |at: usize| self.starts.get(at).map(|start| *start as usize);
        let range = bound(at).zip(bound(at + 1));
        range.and_then(|(from, to)| self.places.get(from..to)).unwrap_or_default()
    }
}

impl<'v, 'a> Seen<'v, 'a> {
    /// All of them, each with whether it belongs to the index stay.
    pub fn entries(self) -> impl Iterator<Item = (&'a Entry, bool)> + use<'v, 'a> {
        let each = self.layout.entries.iter();
        each.filter_map(move |(place, in_stay)| self.entry(*place, *in_stay))
    }

    /// Those of any of the concepts, each once and in order, with whether they belong to the index stay.
    pub fn of_any(
        self,
        concepts: &[ConceptId],
    ) -> impl DoubleEndedIterator<Item = (&'a Entry, bool)> + use<'v, 'a> {
        let mut found: Vec<u32> = Vec::new();
        let mut lists = 0;
        for concept in concepts {
            let places = self.layout.places_of(*concept);
            lists += usize::from(!places.is_empty());
            found.extend_from_slice(places);
        }
        if lists > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found.into_iter().filter_map(move |place| {
            let (place, in_stay) = self.layout.entries.get(place as usize)?;
            self.entry(*place, *in_stay)
        })
    }

    /// Whether there is one of any of the concepts.
    pub fn has_any_of(self, concepts: &[ConceptId]) -> bool {
        concepts.iter().any(|concept| !self.layout.places_of(*concept).is_empty())
    }

    fn entry(self, place: u32, in_stay: bool) -> Option<(&'a Entry, bool)> {
        Some((self.history.entries.get(place as usize)?, in_stay))
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{
        Code, ConceptId, ConceptSet, Event, EventKind, History, KnownAfter, Record, Time,
    };

    /// What is laid out by concept is what a look at every visible event finds, in the same order.
    #[test]
    fn events_of_concepts_are_those_of_a_plain_scan() {
        let mut file = String::new();
        for (name, codes) in [("a", "\"X//1*\""), ("b", "\"X//12\", \"X//2\""), ("c", "\"X//3\"")] {
            file += &format!("[concept.{name}]\ntitle = \"{name}\"\ncodes = [{codes}]\n");
        }
        let concepts = ConceptSet::parse(&file).unwrap();
        let ids: Vec<ConceptId> = concepts.iter().map(|(id, ..)| id).collect();
        let mut rng = fastrand::Rng::with_seed(9);
        for _ in 0..200 {
            let event = |_| {
                let code = ["1", "12", "2", "3", "4"][rng.usize(0..5)];
                let time = Time::from_micros(i64::from(rng.u8(0..20)) * 3_600_000_000);
                Event::new(EventKind::Other, Code::new("X", code), time)
            };
            let events: Vec<Event> = (0..12).map(event).collect();
            let record = Record { patient_id: "p".into(), events, ..Record::default() };
            let built = History::build(&record, &concepts, &KnownAfter::default()).unwrap();
            let view = built.history.view(Time::from_micros(10 * 3_600_000_000));
            let seen = view.seen();
            let plain: Vec<_> = view.entries().collect();
            assert_eq!(seen.entries().map(|(entry, _)| entry).collect::<Vec<_>>(), plain);
            for mask in 0..8 {
                let asked: Vec<ConceptId> =
                    (0..3).filter(|bit| mask >> bit & 1 == 1).map(|bit| ids[bit]).collect();
                let wanted: Vec<_> =
                    plain.iter().filter(|e| e.is_any_of(&asked)).copied().collect();
                let found: Vec<_> = seen.of_any(&asked).map(|(entry, _)| entry).collect();
                assert_eq!(found, wanted);
                assert_eq!(seen.has_any_of(&asked), !wanted.is_empty());
            }
        }
    }
}
