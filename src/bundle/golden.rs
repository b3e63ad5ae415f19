//! Golden inputs: made-up rows with the probability they must get, checked whenever a bundle opens.

use serde::{Deserialize, Serialize};

use crate::model::InputSpec;

/// A made-up row and its expected probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// One value for each column; `null` = missing.
    pub row: Vec<Option<f32>>,
    pub probability: f64,
}

impl Golden {
    /// The row as models read it.
    pub fn values(&self) -> Vec<f32> {
        self.row.iter().map(|value| value.unwrap_or(f32::NAN)).collect()
    }
}

/// Made-up rows for golden inputs: the medians, all missing, and for the rest each column drawn by
/// itself from its median, its two bounds and missing. Never a patient's row.
pub fn golden_rows(input: &InputSpec, columns: usize, count: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut rows = Vec::with_capacity(count);
    for number in 0..count {
        let mut row = vec![f32::NAN; columns];
        for column in &input.kept {
            let Some(value) = row.get_mut(column.index) else { continue };
            *value = match (number, rng.u8(0..8)) {
                (0, _) | (_, 0..=3) if number != 1 => column.median,
                (1, _) => f32::NAN,
                (_, 4) => column.clip_low,
                (_, 5 | 6) => column.clip_high,
                _ => f32::NAN,
            };
        }
        rows.push(row);
    }
    rows
}
