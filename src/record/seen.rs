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
