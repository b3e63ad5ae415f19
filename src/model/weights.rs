//! How much each row counts in a fit or in a figure.

/// The weights of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weights<'a> {
    /// Every row counts once.
    Even,
    /// One weight for each row, in the order of the rows, 0 or more; 0 leaves a row out.
    Each(&'a [f64]),
}

impl Weights<'_> {
    /// The weight of a row; 0 for a row that has none.
    pub fn of(self, row: usize) -> f64 {
        match self {
            Weights::Even => 1.0,
            Weights::Each(weights) => weights.get(row).copied().unwrap_or(0.0),
        }
    }

    /// Whether there is one finite weight, 0 or more, for each of `rows` rows.
    pub fn fits(self, rows: usize) -> bool {
        match self {
            Weights::Even => true,
            Weights::Each(weights) => {
                weights.len() == rows
                    && weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)
            }
        }
    }

    /// Those of `rows` that count at all, in their order.
    pub fn counted(self, rows: impl IntoIterator<Item = usize>) -> Vec<usize> {
        rows.into_iter().filter(|row| self.of(*row) > 0.0).collect()
    }

    /// The weights of `rows`, in their order; `None` where every row counts once.
    pub fn of_rows(self, rows: &[usize]) -> Option<Vec<f64>> {
        match self {
            Weights::Even => None,
            Weights::Each(_) => Some(rows.iter().map(|row| self.of(*row)).collect()),
        }
    }

    /// The weights of `rows`, in their order; `None` where each of them counts exactly once.
    pub fn uneven(self, rows: &[usize]) -> Option<Vec<f64>> {
        if self.is_even(rows) { None } else { self.of_rows(rows) }
    }

    /// The sum of the weights of `rows`.
    pub fn sum(self, rows: &[usize]) -> f64 {
        match self {
            Weights::Even => rows.len() as f64,
            Weights::Each(_) => rows.iter().map(|row| self.of(*row)).sum(),
        }
    }

    /// The effective number of `rows` (Kish 1965): as many rows of even weight would give means of
    /// the same variance. 0 where nothing counts.
    pub fn effective(self, rows: &[usize]) -> f64 {
        let sum = self.sum(rows);
        let squares: f64 = rows.iter().map(|row| self.of(*row).powi(2)).sum();
        if squares > 0.0 { sum * sum / squares } else { 0.0 }
    }

    /// Whether each of `rows` counts exactly once.
    pub fn is_even(self, rows: &[usize]) -> bool {
        self == Weights::Even || rows.iter().all(|row| self.of(*row) == 1.0)
    }
}

impl<'a> From<&'a Option<Vec<f64>>> for Weights<'a> {
    fn from(each: &'a Option<Vec<f64>>) -> Weights<'a> {
        each.as_deref().map_or(Weights::Even, Weights::Each)
    }
}

#[cfg(test)]
mod tests {
    use super::Weights;

    #[test]
    fn the_effective_number_is_that_of_even_rows() {
        let rows = [0, 1, 2, 3];
        assert_eq!(Weights::Even.effective(&rows), 4.0);
        assert_eq!(Weights::Each(&[2.0; 4]).effective(&rows), 4.0);
        let uneven = Weights::Each(&[3.0, 1.0, 0.0, 0.0]);
        assert_eq!((uneven.sum(&rows), uneven.effective(&rows)), (4.0, 1.6));
        assert_eq!(uneven.counted(rows), [0, 1]);
        assert_eq!(Weights::Each(&[0.0; 4]).effective(&rows), 0.0);
    }

    #[test]
    fn what_is_no_weight_is_seen() {
        assert!(Weights::Each(&[0.5, 0.0]).fits(2));
        for wrong in [[f64::NAN, 1.0], [f64::INFINITY, 1.0], [-1.0, 1.0]] {
            assert!(!Weights::Each(&wrong).fits(2));
        }
        assert!(!Weights::Each(&[1.0]).fits(2));
    }
}
