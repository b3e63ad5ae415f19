//! Tests of what may be asked of a fit: when it ends, odd tables, arguments that do not fit.

use super::super::tests::{alone, fitted, small, table};
use super::super::{Binned, Stopping, fit};
use super::*;
use crate::feature::Matrix;
use crate::model::draws;

fn column(values: &[f32]) -> Matrix {
    let mut matrix = Matrix::with_capacity(1, values.len());
    values.iter().for_each(|value| matrix.push(&[*value]));
    matrix
}

#[test]
fn stopping_ends_a_fit_that_only_learns_noise() {
    let (matrix, _, patients) = table(1200, 10);
    let mut draw = draws(3);
    let labels: Vec<bool> = (0..1200).map(|_| draw() < 0.3).collect();
    let (rows, others): (Vec<usize>, Vec<usize>) = (0..1200).partition(|row| *row < 800);
    let binned = Binned::new(&matrix, &[0, 1, 2], &rows, &patients).unwrap();
    let free = [None; 3];
    let params = BoostedParams { rounds: 300, learning_rate: 0.3, ..small() };
    let stop = Stopping { rows: &others, matrix: &matrix, patience: 5 };
    let of = |stop| fit(&binned, &labels, &patients, Weights::Even, &free, &params, 1, stop);
    let model = of(Some(stop)).unwrap();
    assert!(model.rounds() < 40 && model.losses.len() == model.rounds());
    assert_eq!(model.best_rounds() + 5, model.rounds());
    let loss = |rounds: usize| {
        let trees = model.trees(rounds).unwrap();
        let of = |row: &usize| log_loss_at(trees.margin(matrix.row(*row)), labels[*row]);
        others.iter().map(of).sum::<f64>() / 400.0
    };
    for rounds in 1..=model.rounds() {
        assert!((loss(rounds) - model.losses[rounds - 1]).abs() < 1e-9);
    }
    assert_eq!(of(None).unwrap().rounds(), 300);
    assert!(of(Some(Stopping { patience: 0, ..stop })).is_err());
    assert!(of(Some(Stopping { rows: &[5000], ..stop })).is_err());
    assert!(of(Some(Stopping { rows: &[], ..stop })).is_err());
}

#[test]
fn odd_tables_are_fitted_or_refused() {
    let weird = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 1.0, -0.0, f32::MAX, 1e-40];
    let mut matrix = Matrix::with_capacity(4, 400);
    for row in 0..400 {
        matrix.push(&[f32::NAN, 3.0, weird[row % 8], (row / 7) as f32]);
    }
    let labels: Vec<bool> = (0..400).map(|row| row % 8 == 1 || row % 5 == 0).collect();
    let patients: Vec<u32> = (0..400).collect();
    let weights: Vec<f64> = (0..400).map(|row| if row == 9 { 1e12 } else { 1.0 }).collect();
    for weights in [Weights::Even, Weights::Each(&weights)] {
        let model = fitted(&matrix, &labels, &patients, weights, &small()).unwrap();
        let trees = model.trees(20).unwrap();
        assert!((0..400).all(|row| trees.margin(matrix.row(row)).is_finite()));
        assert!(trees.margin(&[0.0; 4]).is_finite());
    }
    let two = column(&[0.0, 1.0]);
    let model = fitted(&two, &[true, false], &[0, 1], Weights::Even, &alone(3, 2, 0.1)).unwrap();
    assert_eq!(model.trees(3).unwrap().margin(&[0.0]), 0.0, "two patients are no bins");
    let constant = column(&[2.0; 30]);
    let half: Vec<bool> = (0..30).map(|row| row % 2 == 0).collect();
    let model = fitted(&constant, &half, &patients[..30], Weights::Even, &small()).unwrap();
    assert_eq!(model.rounds(), 1, "nothing varies, and nothing is drawn");
}

#[test]
fn bad_arguments_are_refused() {
    let (matrix, labels, patients) = table(100, 1);
    let with = |labels: &[bool], patients: &[u32], weights: Weights<'_>, params: BoostedParams| {
        fitted(&matrix, labels, patients, weights, &params).err()
    };
    assert_eq!(with(&[true; 100], &patients, Weights::Even, small()), Some(ModelError::OneClass));
    let events: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
    let weighted = with(&labels, &patients, Weights::Each(&events), small());
    assert_eq!(weighted, Some(ModelError::OneClass), "the other class has no weight");
    assert!(with(&labels[1..], &patients, Weights::Even, small()).is_some());
    assert!(with(&labels, &patients[1..], Weights::Even, small()).is_some());
    for weight in [f64::NAN, -1.0, f64::MAX, 0.0, 1e-200] {
        assert!(with(&labels, &patients, Weights::Each(&[weight; 100]), small()).is_some());
    }
    let too_many = BoostedParams { leaf_rows_min: 101, ..small() };
    let found = with(&labels, &patients, Weights::Even, too_many);
    assert_eq!(found, Some(ModelError::TooFewRows { have: 100, need: 101 }));
    let too_many = BoostedParams { leaf_patients_min: 51, ..small() };
    let found = with(&labels, &patients, Weights::Even, too_many);
    assert_eq!(found, Some(ModelError::TooFewPatients { have: 50, need: 51 }));
    for bad in [
        BoostedParams { rounds: 0, ..small() },
        BoostedParams { rounds: 10_001, ..small() },
        BoostedParams { leaves: 1, ..small() },
        BoostedParams { leaves: 513, ..small() },
        BoostedParams { depth: 0, ..small() },
        BoostedParams { depth: 65, ..small() },
        BoostedParams { learning_rate: f64::NAN, ..small() },
        BoostedParams { learning_rate: 1.1, ..small() },
        BoostedParams { leaf_rows_min: 0, ..small() },
        BoostedParams { leaf_patients_min: 0, ..small() },
        BoostedParams { hessian_min: 0.0, ..small() },
        BoostedParams { l2: -1.0, ..small() },
        BoostedParams { features_per_tree: 0.0, ..small() },
        BoostedParams { features_per_split: 1.5, ..small() },
        BoostedParams { rows_share: f64::INFINITY, ..small() },
    ] {
        let found = with(&labels, &patients, Weights::Even, bad);
        assert!(matches!(found, Some(ModelError::BadSetting(_))), "{bad:?}");
    }
    let rows: Vec<usize> = (0..100).collect();
    assert_eq!(Binned::new(&matrix, &[], &rows, &patients), Err(ModelError::NoInputs));
    assert!(Binned::new(&matrix, &[3], &rows, &patients).is_err());
    assert!(Binned::new(&matrix, &[0], &[0, 100], &patients).is_err());
    assert!(Binned::new(&matrix, &[0], &rows, &patients[1..]).is_err());
    let binned = Binned::new(&matrix, &[0, 1], &rows, &patients).unwrap();
    let free = [None; 3];
    assert!(fit(&binned, &labels, &patients, Weights::Even, &free, &small(), 1, None).is_err());
    assert!(
        fitted(&matrix, &labels, &patients, Weights::Even, &small()).unwrap().trees(0).is_err()
    );
}
