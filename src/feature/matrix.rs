//! A table of feature values: what a fit reads and what `--dump-matrix` writes.

/// Rows of `f32` feature values, row-major; `NaN` means missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// An empty table of `columns` columns, with room for `rows` rows.
    pub fn with_capacity(columns: usize, rows: usize) -> Matrix {
        Matrix { columns, values: Vec::with_capacity(columns.saturating_mul(rows)) }
    }

    /// Adds one row at the end; a row of another width is cut or filled up with missing values.
    pub fn push(&mut self, row: &[f32]) {
        debug_assert_eq!(row.len(), self.columns);
        self.values
            .extend(row.iter().copied().chain(std::iter::repeat(f32::NAN)).take(self.columns));
    }

    /// How many columns each row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Row `index`, of `columns()` values. Panics when there is no such row, as a slice does.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// The value at `row`, `column`.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.row(row)[column]
    }
}
