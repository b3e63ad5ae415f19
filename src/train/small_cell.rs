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

#[cfg(test)]
mod tests {
    #[test]
    fn small_counts_are_one_word() {
        let shown: Vec<String> = [0, 1, 10, 11].map(|n| super::Count(n).to_string()).into();
        assert_eq!(shown, ["0", "1-10", "1-10", "11"]);
    }
}
