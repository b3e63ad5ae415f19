//! Tests of boosting: small trees by hand, other implementations, exact repeatability, odd tables.

use super::*;
use crate::model::draws;

/// Rows with three inputs: a count, a flag with gaps, and noise with many values; two rows for
/// every patient. The outcome hangs on the first two and on the gap.
fn table(rows: usize, seed: u64) -> (Matrix, Vec<bool>, Vec<u32>) {
    let mut draw = draws(seed);
    let (mut matrix, mut labels) = (Matrix::with_capacity(3, rows), Vec::new());
    for _ in 0..rows {
        let count = (draw() * 8.0).floor() as f32;
        let flag = if draw() < 0.2 { f32::NAN } else { draw().round() as f32 };
        let noise = draw() as f32;
        let risk = 0.05 + 0.04 * f64::from(count) + if flag.is_nan() { 0.3 } else { 0.0 };
        labels.push(draw() < risk + 0.1 * f64::from(flag.max(0.0)));
        matrix.push(&[count, flag, noise]);
    }
    (matrix, labels, (0..rows as u32).map(|row| row / 2).collect())
}

fn small() -> BoostedParams {
    BoostedParams {
        rounds: 20,
        leaves: 8,
        leaf_rows_min: 5,
        leaf_patients_min: 2,
        ..Default::default()
    }
}

const FREE: [Monotone; 3] = [Monotone::None; 3];

#[test]
fn stored_trees_say_what_the_trainer_said_on_every_row() {
    let (matrix, labels, patients) = table(3000, 1);
    let rows: Vec<usize> = (0..3000).collect();
    let binned = Binned::new(&matrix, &[0, 1, 2], &rows, &patients).unwrap();
    let params = small();
    let data = Data::new(&binned, &labels, &patients, Weights::Even, &params).unwrap();
    let rules = Rules { params: &params, constraints: &FREE, units: Units::new(3000, data.total) };
    let mut state = State::new(&data);
    let trees: Vec<_> =
        (0..20).map(|round| state.round(&binned, &data, rules, round).stored(&binned)).collect();
    let flat = FlatTrees::new(3, Combine::Sum { base: data.base }, &trees).unwrap();
    for (row, margin) in state.margins().enumerate() {
        assert!((flat.margin(matrix.row(row)) - margin).abs() < 1e-6);
    }
}
