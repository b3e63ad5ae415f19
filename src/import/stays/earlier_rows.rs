//! `EarlierRows`: how many rows of the same person come before a row, in the order of a column.
//!
//! It is the one thing that a row learns of other rows, and it is known when the row's stay begins:
//! rows that come later, and what came of any row, are not in it.

use crate::import::ids;

/// The rows of a table by person and place in their order: 16 bytes a row.
#[derive(Debug, Default)]
pub(super) struct EarlierRows {
    /// Person (as the number made from the group's id) and the row's number in the order.
    rows: Vec<(i64, i64)>,
}

impl EarlierRows {
    /// Takes note of a row of the person `group`.
    pub(super) fn add(&mut self, group: &str, order: i64) {
        self.rows.push((ids::subject_id(group), order));
    }

    /// To be called once, when all rows are known: a row that stands twice counts once.
    pub(super) fn finish(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup();
    }

    /// How many rows of `group` come before `order`.
    pub(super) fn before(&self, group: &str, order: i64) -> usize {
        let person = ids::subject_id(group);
        let begin = self.rows.partition_point(|row| *row < (person, i64::MIN));
        self.rows.partition_point(|row| *row < (person, order)) - begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_for_each_person_whatever_their_order_in_the_file() {
        let mut rows = EarlierRows::default();
        for (group, order) in [("b", 9), ("a", 7), ("a", 3), ("b", 1), ("a", 3), ("a", -5)] {
            rows.add(group, order);
        }
        rows.finish();
        let counts = |group, orders: [i64; 4]| orders.map(|order| rows.before(group, order));
        assert_eq!(counts("a", [-5, 3, 7, 100]), [0, 1, 2, 3]);
        assert_eq!(counts("b", [1, 2, 9, i64::MAX]), [0, 1, 1, 2]);
        assert_eq!(rows.before("c", 5), 0);
    }
}
