//! What of a history is sensitive, and of which classes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ConceptId, ConceptSet, Encounter, Evidence, View};
use crate::access::Classes;

/// The sensitive parts of a history, by their places in the record; mostly there are none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Protected {
    /// Of each concept.
    concepts: Arc<[Classes]>,
    events: BTreeMap<usize, Classes>,
    encounters: BTreeMap<usize, Classes>,
}

impl Protected {
    /// Nothing yet, with what `concepts` say of themselves.
    pub(super) fn of(concepts: &ConceptSet) -> Protected {
        let (events, encounters) = (BTreeMap::new(), BTreeMap::new());
        Protected { concepts: concepts.classes(), events, encounters }
    }

    /// Notes the classes of event number `source`.
    pub(super) fn event(&mut self, source: usize, classes: Classes) {
        if !classes.is_empty() {
            self.events.insert(source, classes);
        }
    }

    /// Notes that event number `again` is `kept` sent once more, maybe with other labels.
    pub(super) fn repeated(&mut self, again: usize, kept: usize) {
        if let Some(classes) = self.events.remove(&again) {
            let all = self.events.entry(kept).or_default();
            *all = all.and(classes);
        }
    }

    /// Notes the classes of encounters, given their places in the record.
    pub(super) fn encounters(&mut self, encounters: &[Encounter], sources: &[usize]) {
        let sensitive = encounters.iter().zip(sources).filter(|(e, _)| !e.sensitive.is_empty());
        self.encounters = sensitive.map(|(e, source)| (*source, e.sensitive)).collect();
    }

    fn of_event(&self, source: usize) -> Classes {
        self.events.get(&source).copied().unwrap_or_default()
    }
}

impl View<'_> {
    /// The classes of sensitive content that a fact is of: by its code, its concepts and its labels.
    pub fn classes_of(&self, fact: &Evidence) -> Classes {
        match fact {
            Evidence::Event { index, .. } => self.history.protected.of_event(*index),
            Evidence::Encounter { index, .. } => {
                self.history.protected.encounters.get(index).copied().unwrap_or_default()
            }
        }
    }

    /// The classes of what the view shows of the concepts; of none where it shows nothing.
    pub fn classes_of_events(&self, concepts: &[ConceptId]) -> Classes {
        if self.history.protected.events.is_empty() {
            return Classes::NONE;
        }
        let found = self.seen().of_any(concepts);
        let classes = found.map(|(entry, _)| self.history.protected.of_event(entry.source));
        classes.fold(Classes::NONE, Classes::and)
    }

    /// The classes that the concepts themselves are of, whatever the record has of them.
    pub fn classes_of_concepts(&self, concepts: &[ConceptId]) -> Classes {
        let each =
            concepts.iter().filter_map(|id| self.history.protected.concepts.get(id.0 as usize));
        each.copied().fold(Classes::NONE, Classes::and)
    }
}
