//! `Footprint`: how often something occurs, and in how many subjects. Told only when enough patients
//! stand behind it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::SMALL_CELL_PATIENTS;
use crate::train::small_cell::{Shown, nearest_ten};

/// The subject that is being looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// Its number in the export, from 1. Subjects come one after the other.
    pub subject: u64,
    /// A hash of the person's group: one person may be several subjects.
    pub patient: u64,
}

/// How often something occurs, and in how many subjects.
#[derive(Debug, Clone, Default)]
pub(super) struct Footprint {
    count: u64,
    subjects: u64,
    last_subject: u64,
    /// The first patients met, until they are enough to be told.
    patients: Vec<u64>,
    is_enough: bool,
}

/// Something's count and its subjects as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    pub count: Shown,
    pub subjects: Shown,
}

impl Footprint {
    pub(super) fn add(&mut self, mark: Mark) {
        self.count += 1;
        if self.last_subject == mark.subject {
            return;
        }
        self.last_subject = mark.subject;
        self.subjects += 1;
        if self.is_enough || self.patients.contains(&mark.patient) {
            return;
        }
        self.patients.push(mark.patient);
        if self.patients.len() >= SMALL_CELL_PATIENTS {
            self.is_enough = true;
            self.patients = Vec::new();
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn subjects(&self) -> u64 {
        self.subjects
    }

    /// Whether enough patients stand behind it to be told.
    pub(super) fn is_enough(&self) -> bool {
        self.is_enough
    }

    fn is_small(&self) -> bool {
        self.count > 0 && !self.is_enough
    }

    /// The counts as they may be shown; to the nearest ten when `rounded`.
    pub(super) fn shown(&self, rounded: bool) -> Occurrence {
        let shown = |count| match (self.is_small(), rounded) {
            (true, _) => Shown::Few,
            (false, true) if count > 0 => Shown::About(nearest_ten(count)),
            (false, _) => Shown::Exactly(count),
        };
        Occurrence { count: shown(self.count), subjects: shown(self.subjects) }
    }
}

/// The parts of a whole as they may be shown: where one is too small to be told, all others are told
/// to the nearest ten, so that no subtraction gives it back.
pub(super) fn parts<K: Ord, N: Ord>(
    footprints: &BTreeMap<K, Footprint>,
    name: impl Fn(&K) -> N,
) -> BTreeMap<N, Occurrence> {
    let rounded = footprints.values().any(Footprint::is_small);
    footprints.iter().map(|(key, footprint)| (name(key), footprint.shown(rounded))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_patients_are_not_told_however_often_they_come() {
        let mut footprint = Footprint::default();
        for subject in 1..=40 {
            footprint.add(Mark { subject, patient: subject % 10 });
        }
        assert_eq!(footprint.shown(false).count, Shown::Few);
        let mut parts_of = BTreeMap::from([("few", footprint), ("many", Footprint::default())]);
        for subject in 41..=57 {
            parts_of.entry("many").or_default().add(Mark { subject, patient: subject });
        }
        let shown = parts(&parts_of, |name| *name);
        assert_eq!(shown["many"].count, Shown::About(20));
        assert_eq!(shown["few"].subjects, Shown::Few);
    }
}
