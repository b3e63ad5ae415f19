//! Tests of boosting: small trees by hand, other implementations, exact repeatability, odd tables.

use proptest::prelude::*;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_regressor::{
    DecisionTreeRegressor, DecisionTreeRegressorParameters,
};

use super::*;
use crate::model::draws;
use crate::model::log_loss_at;

/// Rows with three inputs: a count, a flag with gaps, and noise with many values; two rows for
/// every patient. The outcome hangs on the first two and on the gap.
pub(super) fn table(rows: usize, seed: u64) -> (Matrix, Vec<bool>, Vec<u32>) {
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

pub(super) fn small() -> BoostedParams {
    let (leaf_rows_min, leaf_patients_min) = (5, 2);
    let params = BoostedParams::default();
    BoostedParams { rounds: 20, leaves: 8, leaf_rows_min, leaf_patients_min, ..params }
}

/// One row for each patient, and every number of rows and patients will do.
pub(super) fn alone(rounds: usize, leaves: usize, learning_rate: f64) -> BoostedParams {
    let params = BoostedParams { rounds, leaves, learning_rate, ..small() };
    BoostedParams { leaf_rows_min: 1, leaf_patients_min: 1, ..params }
}

/// Fits all columns and rows of `matrix` without constraints.
pub(super) fn fitted(
    matrix: &Matrix,
    labels: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    params: &BoostedParams,
) -> Result<Boosted, ModelError> {
    let rows: Vec<usize> = (0..matrix.rows()).collect();
    let columns: Vec<usize> = (0..matrix.columns()).collect();
    let binned = Binned::new(matrix, &columns, &rows, patients)?;
    let free = vec![None; columns.len()];
    fit(&binned, labels, patients, weights, &free, params, 7, None)
}

#[test]
fn stored_trees_say_what_the_trainer_said_on_every_row() {
    let (mut matrix, mut labels, mut patients) = table(3000, 1);
    for place in 0..40 {
        matrix.push(&[if place % 2 == 0 { f32::MAX } else { f32::MIN }, f32::NAN, -0.0]);
        labels.push(place % 4 < 2);
        patients.push(2000 + place);
    }
    let rows: Vec<usize> = (0..matrix.rows()).filter(|row| row % 7 != 3).collect();
    let binned = Binned::new(&matrix, &[2, 0, 1], &rows, &patients).unwrap();
    for rows_share in [1.0, 0.5] {
        let params = BoostedParams { rows_share, features_per_split: 0.7, ..small() };
        let data = Data::new(&binned, &labels, &patients, Weights::Even, &params).unwrap();
        let units = Units::new(data.rows.len(), data.total);
        let rules = Rules { params: &params, constraints: &[None; 3], units };
        let mut state = State::new(&data);
        let round = |round| state.round(&binned, &data, rules, round).stored(&binned);
        let trees: Vec<_> = (0..20).map(round).collect();
        let flat = FlatTrees::new(3, Combine::Sum { base: data.base }, &trees).unwrap();
        for (row, margin) in rows.iter().zip(state.margins()) {
            let [a, b, c] = [2, 0, 1].map(|column| matrix.get(*row, column));
            assert!((flat.margin(&[a, b, c]) - margin).abs() < 1e-6);
        }
    }
}

#[test]
fn a_small_tree_is_the_one_made_by_hand() {
    // 40 rows at 0 with 4 events, 20 at 1 with 10, 20 missing with 15: p = 29/80 before the tree.
    let value = |row: usize| [0.0, 0.0, 1.0, f32::NAN][row / 20];
    let mut matrix = Matrix::with_capacity(1, 80);
    (0..80).for_each(|row| matrix.push(&[value(row)]));
    let labels: Vec<bool> =
        (0..80).map(|row| row < 4 || (40..50).contains(&row) || row >= 65).collect();
    let patients: Vec<u32> = (0..80).collect();
    let model = fitted(&matrix, &labels, &patients, Weights::Even, &alone(1, 3, 1.0)).unwrap();
    let p: f64 = 29.0 / 80.0;
    let leaf = |events: f64, rows: f64| -(rows * p - events) / (rows * p * (1.0 - p));
    let [low, high, lost] = [leaf(4.0, 40.0), leaf(10.0, 20.0), leaf(15.0, 20.0)];
    let trees = model.trees(9).unwrap();
    for (x, step) in [(0.0, low), (1.0, high), (9.0, high), (-3.0, low), (f32::NAN, lost)] {
        assert!((trees.margin(&[x]) - (p / (1.0 - p)).ln() - step).abs() < 1e-6, "{x}");
    }
    // The first split takes 0 from the rest: missing values go with 1, as their rate is nearer.
    let Node::Branch { threshold, missing_left, cover, .. } = model.trees[0][0] else { panic!() };
    assert_eq!((threshold, missing_left, cover), (0.5, false, 80));
}

#[test]
fn a_value_that_never_lacked_goes_with_the_greater_part() {
    let mut matrix = Matrix::with_capacity(1, 90);
    (0..90).for_each(|row| matrix.push(&[if row < 60 { 1.0 } else { 2.0 }]));
    let labels: Vec<bool> = (0..90).map(|row| row % 3 == 0 || row > 70).collect();
    let patients: Vec<u32> = (0..90).collect();
    let model = fitted(&matrix, &labels, &patients, Weights::Even, &alone(1, 2, 0.1)).unwrap();
    let trees = model.trees(1).unwrap();
    assert_eq!(trees.margin(&[f32::NAN]), trees.margin(&[1.0]));
    assert_ne!(trees.margin(&[1.0]), trees.margin(&[2.0]));
}

/// A Newton step by smartcore: a weighted regression tree on -g / h with weights h has
/// -sum g / sum h in its leaves, and its splits gain the same.
#[test]
fn the_first_tree_is_that_of_smartcores_weighted_newton_step() {
    let (mut matrix, mut labels) = (Matrix::with_capacity(3, 600), Vec::new());
    let mut draw = draws(9);
    for _ in 0..600 {
        let row = [12.0, 9.0, 7.0].map(|levels| (draw() * levels).floor() as f32);
        labels.push(draw() < 0.1 + 0.05 * f64::from(row[0]) * f64::from(row[1] > 4.0));
        matrix.push(&row);
    }
    let weights: Vec<f64> = (0..600).map(|row| 0.5 + f64::from(row % 5)).collect();
    let patients: Vec<u32> = (0..600).collect();
    let params = BoostedParams { depth: 4, ..alone(1, 16, 1.0) };
    let model = fitted(&matrix, &labels, &patients, Weights::Each(&weights), &params).unwrap();
    let events: f64 = weights.iter().zip(&labels).filter(|(_, y)| **y).map(|(w, _)| w).sum();
    let p = events / weights.iter().sum::<f64>();
    let target: Vec<f64> =
        labels.iter().map(|y| (f64::from(u8::from(*y)) - p) / (p * (1.0 - p))).collect();
    let hessians: Vec<f64> = weights.iter().map(|weight| weight * p * (1.0 - p)).collect();
    let rows: Vec<Vec<f32>> = (0..600).map(|row| matrix.row(row).to_vec()).collect();
    let x = DenseMatrix::from_2d_vec(&rows).unwrap();
    // It counts the root as level 1.
    let settings = DecisionTreeRegressorParameters::default().with_max_depth(5);
    let tree = DecisionTreeRegressor::fit_with_weights(&x, &target, &hessians, settings).unwrap();
    let said: Vec<f64> = tree.predict(&x).unwrap();
    let trees = model.trees(1).unwrap();
    for (row, step) in said.iter().enumerate() {
        let own = trees.margin(matrix.row(row)) - (p / (1.0 - p)).ln();
        assert!((own - step).abs() < 1e-5, "row {row}: {own} {step}");
    }
}

/// The table of `tests/boosted/reference.py`, made by the same generator.
fn reference_table() -> (Matrix, Vec<bool>) {
    let mut draw = draws(5);
    let (mut matrix, mut labels) = (Matrix::with_capacity(5, 2000), Vec::new());
    for _ in 0..2000 {
        let mut row = [12.0, 2.0, 40.0, 30.0, 3.0].map(|levels| (draw() * levels).floor());
        let lost = draw() < 0.25;
        let both = row[1] * f64::from(u8::from(row[2] > 20.0));
        labels.push(draw() < 0.1 + 0.03 * row[0] + 0.15 * both + if lost { 0.2 } else { 0.0 });
        row[3] = if lost { f64::NAN } else { row[3] };
        matrix.push(&row.map(|value| value as f32));
    }
    (matrix, labels)
}

#[test]
fn says_what_scikit_learns_hist_gradient_boosting_says() {
    #[derive(Deserialize)]
    struct Reference {
        margins: Vec<f64>,
    }
    let text = include_str!("../../../tests/boosted/hist_gradient_boosting.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let (matrix, labels) = reference_table();
    let rows: Vec<usize> = (0..1000).collect();
    let patients: Vec<u32> = (0..2000).collect();
    let binned = Binned::new(&matrix, &[0, 1, 2, 3, 4], &rows, &patients).unwrap();
    let (rounds, leaves, learning_rate) = (30, 8, 0.1);
    let params = BoostedParams { rounds, leaves, learning_rate, ..Default::default() };
    let free = [None; 5];
    let model = fit(&binned, &labels, &patients, Weights::Even, &free, &params, 1, None).unwrap();
    let trees = model.trees(30).unwrap();
    let own: Vec<f64> = (0..2000).map(|row| trees.margin(matrix.row(row))).collect();
    let loss = |margins: &[f64], rows: std::ops::Range<usize>| {
        let count = rows.len() as f64;
        rows.map(|row| log_loss_at(margins[row], labels[row])).sum::<f64>() / count
    };
    for half in [0..1000, 1000..2000] {
        let (ours, theirs) = (loss(&own, half.clone()), loss(&reference.margins, half));
        assert!((ours - theirs).abs() < 1e-3, "{ours} {theirs}");
    }
    let far = own.iter().zip(&reference.margins).filter(|(a, b)| (*a - *b).abs() > 1e-3).count();
    assert!(far < 40, "{far} of 2000 margins are others");
}

#[test]
fn weights_are_repeated_rows_and_weight_0_is_no_row() {
    let (matrix, labels, _) = table(800, 2);
    let weights: Vec<f64> = (0..800).map(|row| f64::from(row % 3)).collect();
    let mut repeated = Matrix::with_capacity(2, 800);
    let (mut again, mut patients) = (Vec::new(), Vec::new());
    for (row, label) in labels.iter().enumerate() {
        for _ in 0..row % 3 {
            repeated.push(&matrix.row(row)[..2]);
            again.push(*label);
            patients.push(row as u32);
        }
    }
    let params = alone(10, 6, 0.2);
    let counted: Vec<usize> = (0..800).filter(|row| row % 3 > 0).collect();
    let each: Vec<u32> = (0..800).collect();
    let free = [None; 2];
    let weighted = |rows: &[usize]| {
        let binned = Binned::new(&matrix, &[0, 1], rows, &each).unwrap();
        fit(&binned, &labels, &each, Weights::Each(&weights), &free, &params, 1, None).unwrap()
    };
    let all: Vec<usize> = (0..800).collect();
    let own = weighted(&counted).trees(10).unwrap();
    let others = fitted(&repeated, &again, &patients, Weights::Even, &params).unwrap();
    let others = others.trees(10).unwrap();
    for row in 0..800 {
        let x = &matrix.row(row)[..2];
        assert!((own.margin(x) - others.margin(x)).abs() < 1e-6, "row {row}");
    }
    // Rows of weight 0 do not move the fit on the same bins.
    let mut changed = labels.clone();
    (0..800).step_by(3).for_each(|row| changed[row] = !changed[row]);
    let binned = Binned::new(&matrix, &[0, 1], &all, &each).unwrap();
    let of = |labels: &[bool]| {
        fit(&binned, labels, &each, Weights::Each(&weights), &free, &params, 1, None).unwrap()
    };
    assert_eq!(of(&labels), of(&changed));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (matrix, labels, patients) = table(40_000, 4);
    let params = BoostedParams { features_per_split: 0.7, rows_share: 0.9, rounds: 4, ..small() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(&matrix, &labels, &patients, Weights::Even, &params).unwrap())
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(3));
    assert!(one.rounds() == 4 && one.trees.iter().all(|tree| tree.len() > 3));
}

#[test]
fn another_seed_draws_other_rows_and_inputs() {
    let (matrix, labels, patients) = table(1000, 6);
    let rows: Vec<usize> = (0..1000).collect();
    let binned = Binned::new(&matrix, &[0, 1, 2], &rows, &patients).unwrap();
    let free = [None; 3];
    let with = |params: &BoostedParams, seed| {
        fit(&binned, &labels, &patients, Weights::Even, &free, params, seed, None).unwrap()
    };
    for params in [
        BoostedParams { rows_share: 0.5, ..small() },
        BoostedParams { features_per_tree: 0.4, ..small() },
        BoostedParams { features_per_split: 0.4, ..small() },
    ] {
        assert_eq!(with(&params, 1), with(&params, 1));
        assert_ne!(with(&params, 1), with(&params, 2));
    }
    assert_eq!(with(&small(), 1), with(&small(), 2), "nothing is drawn");
}

#[test]
fn leaves_hold_enough_rows_and_patients() {
    let (matrix, labels, _) = table(4000, 8);
    // Forty rows to a patient, who has one value of the noise.
    let patients: Vec<u32> = (0..4000).map(|row| (matrix.get(row, 2) * 100.0) as u32).collect();
    let params = BoostedParams { leaf_rows_min: 30, leaf_patients_min: 11, ..small() };
    let model = fitted(&matrix, &labels, &patients, Weights::Even, &params).unwrap();
    let mut leaves = 0;
    for tree in &model.trees {
        let mut held: Vec<Vec<usize>> = vec![Vec::new(); tree.len()];
        for row in 0..4000 {
            let mut at = 0;
            while let Node::Branch { left, input, threshold, missing_left, .. } = tree[at] {
                let x = matrix.get(row, input as usize);
                let is_left = if x.is_nan() { missing_left } else { x <= threshold };
                at = left as usize + usize::from(!is_left);
            }
            held[at].push(row);
        }
        for (node, rows) in tree.iter().zip(held) {
            let Node::Leaf { cover, .. } = node else { continue };
            let mut of: Vec<u32> = rows.iter().map(|row| patients[*row]).collect();
            of.sort_unstable();
            of.dedup();
            assert_eq!(rows.len(), *cover as usize);
            assert!(
                rows.len() >= 30 && of.len() >= 11,
                "{} rows, {} patients",
                rows.len(),
                of.len()
            );
            leaves += 1;
        }
    }
    assert!(leaves > 60, "{leaves}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn constraints_hold_on_any_table(seed in any::<u64>(), leaves in 2usize..20) {
        let (matrix, labels, patients) = table(600, seed);
        let rows: Vec<usize> = (0..600).collect();
        let binned = Binned::new(&matrix, &[0, 1, 2], &rows, &patients).unwrap();
        let constraints = [Some(RiskWith::Falls), None, Some(RiskWith::Rises)];
        let params = BoostedParams { leaves, l2: 1.0, ..small() };
        let model =
            fit(&binned, &labels, &patients, Weights::Even, &constraints, &params, 1, None);
        let trees = model.unwrap().trees(20).unwrap();
        for flag in [0.0, 1.0, f32::NAN] {
            for still in 0..20 {
                let still = still as f32 / 20.0;
                for step in 0..20 {
                    let (low, high) = (step as f32 / 20.0, (step + 1) as f32 / 20.0);
                    prop_assert!(
                        trees.margin(&[still * 8.0, flag, low])
                            <= trees.margin(&[still * 8.0, flag, high]) + 1e-9
                    );
                    prop_assert!(
                        trees.margin(&[low * 8.0, flag, still])
                            >= trees.margin(&[high * 8.0, flag, still]) - 1e-9
                    );
                }
            }
        }
    }
}
