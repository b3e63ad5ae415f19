//! Counts that leave the trainer: one to ten patients are never told apart.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::SMALL_CELL_PATIENTS;

/// A count that shows itself as `1-10` when it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Count(pub u64);

impl Count {
    fn is_small(self) -> bool {
        (1..SMALL_CELL_PATIENTS as u64).contains(&self.0)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_small() { f.write_str("1-10") } else { write!(f, "{}", self.0) }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_small() {
            serializer.serialize_str("1-10")
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

/// Index times of some patients: told only when enough patients stand behind them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    index_times: u64,
    /// The first patients met, as many as it takes to be enough.
    patients: Vec<String>,
}

impl Tally {
    /// Counts one more index time of the patient of `group`.
    pub fn add(&mut self, group: &str) {
        self.index_times += 1;
        let wanted = self.patients.len() < SMALL_CELL_PATIENTS;
        if wanted && !self.patients.iter().any(|patient| patient == group) {
            self.patients.push(group.to_owned());
        }
    }

    /// Adds the counts of what comes after.
    pub(super) fn join(&mut self, later: Tally) {
        let Tally { index_times, patients } = later;
        self.index_times += index_times;
        for patient in patients {
            if self.patients.len() < SMALL_CELL_PATIENTS && !self.patients.contains(&patient) {
                self.patients.push(patient);
            }
        }
    }

    /// The count as it is, for decisions; see `shown` for what may be told.
    pub(super) fn count(&self) -> u64 {
        self.index_times
    }

    /// Whether it would tell of too few patients.
    pub fn is_small(&self) -> bool {
        self.index_times > 0 && self.patients.len() < SMALL_CELL_PATIENTS
    }

    /// The count as it may be shown; to the nearest ten when `rounded`.
    pub fn shown(&self, rounded: bool) -> Shown {
        match (self.is_small(), rounded) {
            (true, _) => Shown::Few,
            (false, true) if self.index_times > 0 => Shown::About(nearest_ten(self.index_times)),
            (false, _) => Shown::Exactly(self.index_times),
        }
    }
}

/// A count as it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Exactly(u64),
    /// To the nearest ten, because an exact count would give a small one away.
    About(u64),
    /// Too few patients to be told.
    Few,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Exactly(count) => write!(f, "{count}"),
            Shown::About(count) => write!(f, "about {count}"),
            Shown::Few => write!(f, "<{SMALL_CELL_PATIENTS}"),
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Shown::Exactly(count) => serializer.serialize_u64(*count),
            Shown::About(_) | Shown::Few => serializer.collect_str(self),
        }
    }
}

/// `count` to the nearest ten.
pub(super) fn nearest_ten(count: u64) -> u64 {
    (count + 5) / 10 * 10
}

#[cfg(test)]
mod tests {
    #[test]
    fn small_counts_are_one_word() {
        let shown: Vec<String> = [0, 1, 10, 11].map(|n| super::Count(n).to_string()).into();
        assert_eq!(shown, ["0", "1-10", "1-10", "11"]);
    }

    #[test]
    fn many_index_times_of_few_patients_are_few() {
        let mut tally = super::Tally::default();
        (0..40).for_each(|_| tally.add("one patient"));
        assert_eq!(tally.shown(false).to_string(), "<11");
        (0..10).for_each(|patient| tally.add(&patient.to_string()));
        assert_eq!(tally.shown(false).to_string(), "50");
        tally.add("another");
        assert_eq!(tally.shown(true).to_string(), "about 50");
    }
}
