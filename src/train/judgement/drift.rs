//! Whether the rows that are judged are like those the model was fitted on, column by column.

use serde::Serialize;

/// How far the judged rows are from the development rows of the bundle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// Population stability index of the score: below 0.1 alike, from 0.25 on unlike (Siddiqi 2006).
    pub score: f64,
    /// The index of each column, the largest first.
    pub columns: Vec<ColumnDrift>,
}

/// How far one column is from what it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDrift {
    pub column: String,
    /// Population stability index over the missing and the bins of the reference.
    pub psi: f64,
}
