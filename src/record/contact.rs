//! Contacts as a view shows them, and what was taken in them.

use std::collections::HashMap;

use super::{Encounter, Time};

/// A contact as far as it is known at the index time.
#[derive(Debug, Clone, Copy)]
pub struct Contact<'a> {
    pub encounter: &'a Encounter,
    /// The end, if it was over by the index time.
    pub end: Option<Time>,
    pub(super) place: usize,
}

/// Where numbers of a concept were taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// For the encounters that events name, when the first was known.
    pub(super) places: HashMap<usize, Time>,
    /// The times of those that name none, in order, and when each was known.
    pub(super) loose: Vec<(Time, Time)>,
}

impl Taken {
    /// Whether one was taken in the contact, by its encounter, or where an event names none by its time,
    /// and was known at its end: a score that stands there sees no other.
    pub fn is_in(&self, contact: &Contact<'_>) -> bool {
        let (start, end) = (contact.encounter.start, contact.end.unwrap_or(Time::LATEST));
        let from = self.loose.partition_point(|(time, _)| *time < start);
        let mut within = self.loose.iter().skip(from).take_while(|(time, _)| *time <= end);
        self.places.get(&contact.place).is_some_and(|known| *known <= end)
            || within.any(|(_, known)| *known <= end)
    }
}
