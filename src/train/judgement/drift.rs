//! Whether the rows that are judged are like those the model was fitted on, column by column.

use serde::Serialize;

use super::Rows;
use crate::bundle::{Bands, Bundle, DriftReference};
use crate::feature::Matrix;
use crate::train::metrics::enough;

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
    /// Population stability index over the missing and the bands of the reference.
    pub psi: f64,
}

/// The reference of a fit: its rows by column, and what it said of them out of fold.
pub(in crate::train) fn drift_reference(
    matrix: &Matrix,
    patients: &[u32],
    probabilities: &[f64],
) -> DriftReference {
    use rayon::prelude::*;
    let columns = (0..matrix.columns()).into_par_iter().map(|column| {
        let values: Vec<f32> = (0..matrix.rows()).map(|row| matrix.get(row, column)).collect();
        Bands::of(&values, patients)
    });
    let score: Vec<f32> = probabilities.iter().map(|p| *p as f32).collect();
    DriftReference { columns: columns.collect(), score: Bands::of(&score, patients) }
}

/// How far the rows (one of `matrix` each) are from the bundle's reference; `None` where it has none,
/// and for fewer than eleven patients.
pub(in crate::train) fn drift(bundle: &Bundle, rows: &Rows<'_>, matrix: &Matrix) -> Option<Drift> {
    let reference = bundle.manifest().drift_reference.as_ref()?;
    if !enough(rows.patients.iter().copied()) {
        return None;
    }
    let score = reference.score.counts(rows.p.iter().map(|p| *p as f32));
    let each = reference.columns.iter().zip(bundle.columns()).enumerate();
    let mut columns: Vec<ColumnDrift> = each
        .filter_map(|(place, (bands, column))| {
            let values = (0..matrix.rows()).map(|row| matrix.get(row, place));
            let psi = bands.psi(&bands.counts(values))?;
            Some(ColumnDrift { column: column.name.clone(), psi })
        })
        .collect();
    columns.sort_by(|a, b| b.psi.total_cmp(&a.psi).then_with(|| a.column.cmp(&b.column)));
    Some(Drift { score: reference.score.psi(&score)?, columns })
}
