//! Tests of the linear family: the optimum is reached by either way, and faults are named.

use super::*;
use crate::model::draws;

/// Inputs of unequal scales, two of them nearly the same, and a rare or a common outcome.
fn table(rows: usize, columns: usize, bias: f64) -> (Matrix, Vec<bool>) {
    let mut uniform = draws(1);
    let mut matrix = Matrix::with_capacity(columns, rows);
    let mut labels = Vec::new();
    for _ in 0..rows {
        let mut row: Vec<f32> = (0..columns)
            .map(|column| match column % 3 {
                0 => (100.0 * uniform()) as f32,
                1 => f32::from(u8::from(uniform() < 0.05)),
                _ => (uniform() + uniform() - 1.0) as f32,
            })
            .collect();
        row[columns - 1] = row[0] + (20.0 * uniform()) as f32;
        let z = bias + 0.02 * f64::from(row[0]) + 1.5 * f64::from(row[1]) - f64::from(row[2]);
        labels.push(uniform() < 1.0 / (1.0 + (-z).exp()));
        matrix.push(&row);
    }
    (matrix, labels)
}

/// The optimum by Newton's method on scaled inputs, with its own elimination.
#[expect(clippy::needless_range_loop, reason = "the formulas read best with indices")]
fn newton(inputs: &Matrix, labels: &[bool], alpha: f64) -> Vec<f64> {
    let rows: Vec<usize> = (0..inputs.rows()).collect();
    let (means, scales, data) = standardised(inputs, &rows);
    let (n, size) = (rows.len(), inputs.columns() + 1);
    let x = |row: usize, column: usize| {
        if column + 1 == size { 1.0 } else { data[column * n + row] }
    };
    let mut w = vec![0.0; size];
    for _ in 0..20 {
        let mut h = vec![vec![0.0; size + 1]; size];
        for row in 0..n {
            let z: f64 = (0..size).map(|c| w[c] * x(row, c)).sum();
            let p = 1.0 / (1.0 + (-z).exp());
            for i in 0..size {
                h[i][size] += (p - f64::from(u8::from(labels[row]))) * x(row, i);
                for j in 0..size {
                    h[i][j] += p * (1.0 - p) * x(row, i) * x(row, j);
                }
            }
        }
        for i in 0..size - 1 {
            h[i][i] += alpha;
            h[i][size] += alpha * w[i];
        }
        for i in 0..size {
            for k in (0..size).filter(|k| *k != i) {
                let f = h[k][i] / h[i][i];
                for j in i..=size {
                    h[k][j] -= f * h[i][j];
                }
            }
        }
        for i in 0..size {
            w[i] -= h[i][size] / h[i][i];
        }
    }
    let shift: f64 = (0..size - 1).map(|c| w[c] * means[c] / scales[c]).sum();
    w[size - 1] -= shift;
    (0..size - 1).for_each(|c| w[c] /= scales[c]);
    w
}

#[test]
fn reaches_the_optimum_for_rare_and_common_outcomes() {
    for bias in [-3.5, 2.0] {
        let (matrix, labels) = table(3000, 8, bias);
        let rows: Vec<usize> = (0..3000).collect();
        let linear = fit(&matrix, &rows, &labels, Weights::Even, 1.0).unwrap();
        let best = newton(&matrix, &labels, 1.0);
        let (_, scales, _) = standardised(&matrix, &rows);
        for (column, scale) in scales.iter().enumerate() {
            assert!((linear.weights[column] - best[column]).abs() * scale < 1e-4);
        }
        assert!((linear.intercept - best[8]).abs() < 1e-3);
        assert!(linear.weights[1] > 0.5, "a known risk scores high");
        let mut out = vec![0.0; 8];
        let margin = linear.contributions(matrix.row(5), matrix.row(6), &mut out);
        assert_eq!(margin, linear.margin(matrix.row(5)));
        let gap = margin - linear.margin(matrix.row(6));
        assert!((out.iter().sum::<f64>() - gap).abs() < 1e-9);
    }
}

#[test]
fn newton_at_weight_1_is_linfa() {
    for (rows, columns, bias, alpha) in
        [(3000, 8, -3.5, 1.0), (3000, 8, 2.0, 15.0), (800, 20, -1.0, 4.0), (5000, 3, 0.3, 25.0)]
    {
        let (matrix, labels) = table(rows, columns, bias);
        let all: Vec<usize> = (0..rows).collect();
        let linfa = fit(&matrix, &all, &labels, Weights::Each(&vec![1.0; rows]), alpha).unwrap();
        assert_eq!(linfa, fit(&matrix, &all, &labels, Weights::Even, alpha).unwrap());
        let own = fit_weighted(&matrix, &all, &labels, Weights::Even, alpha).unwrap();
        for row in 0..rows {
            let gap = linfa.margin(matrix.row(row)) - own.margin(matrix.row(row));
            // linfa stops at a gradient of 1e-6 a row, which may leave a little more than 1e-4.
            assert!(gap.abs() < 2e-4, "{rows} {columns} {bias}: {gap}");
        }
    }
}

#[test]
fn whole_weights_are_repeated_rows() {
    let (matrix, labels) = table(900, 8, -1.0);
    let weights: Vec<f64> = (0..900).map(|row| f64::from(row % 4)).collect();
    let all: Vec<usize> = (0..900).collect();
    let weighted = fit(&matrix, &all, &labels, Weights::Each(&weights), 3.0).unwrap();
    let repeated: Vec<usize> = (0..900).flat_map(|row| std::iter::repeat_n(row, row % 4)).collect();
    let plain = fit_weighted(&matrix, &repeated, &labels, Weights::Even, 3.0).unwrap();
    for row in 0..900 {
        let gap = weighted.margin(matrix.row(row)) - plain.margin(matrix.row(row));
        assert!(gap.abs() < 1e-9, "{gap}");
    }
    assert!(weighted.means.iter().zip(&plain.means).all(|(a, b)| (a - b).abs() < 1e-9));
    let once = |count: f64| fit(&matrix, &all, &labels, Weights::Each(&[count; 900]), 3.0 * count);
    let (one, five) = (once(1.0).unwrap(), once(5.0).unwrap());
    assert!((one.margin(matrix.row(7)) - five.margin(matrix.row(7))).abs() < 1e-4);
}

#[test]
fn any_number_of_threads_gives_the_same_weighted_bits() {
    let (matrix, labels) = table(9000, 8, -1.0);
    let weights: Vec<f64> = (0..9000).map(|row| 1.0 + f64::from(row % 7) / 3.0).collect();
    let rows: Vec<usize> = (0..9000).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&matrix, &rows, &labels, Weights::Each(&weights), 3.0).unwrap())
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn weighted_faults_are_named() {
    let (matrix, labels) = table(300, 8, 0.0);
    let rows: Vec<usize> = (0..300).collect();
    let weights: Vec<f64> = (0..300).map(|row| 1.0 + f64::from(row % 3)).collect();
    let run = |labels: &[bool], weights: &[f64], alpha| {
        fit(&matrix, &rows, labels, Weights::Each(weights), alpha)
    };
    let separated: Vec<bool> = rows.iter().map(|row| matrix.get(*row, 0) > 50.0).collect();
    let error = run(&separated, &weights, 0.0);
    assert!(matches!(error, Err(ModelError::Separation { .. })), "{error:?}");
    let told_by_a_flag: Vec<bool> = rows.iter().map(|row| matrix.get(*row, 1) > 0.5).collect();
    let error = run(&told_by_a_flag, &weights, 0.0);
    assert!(matches!(error, Err(ModelError::Separation { .. })), "{error:?}");
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        let mut weights = weights.clone();
        weights[3] = wrong;
        assert!(matches!(run(&labels, &weights, 1.0), Err(ModelError::Mismatch(_))));
    }
    assert!(matches!(run(&labels, &weights[..9], 1.0), Err(ModelError::Mismatch(_))));
    let only_events: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
    assert_eq!(run(&labels, &only_events, 1.0), Err(ModelError::OneClass));
    let mut gaps = matrix.clone();
    gaps.push(&[f32::NAN; 8]);
    let labels = [labels.as_slice(), &[true]].concat();
    let all: Vec<usize> = (0..301).collect();
    let counts = [weights.as_slice(), &[2.0]].concat();
    let error = fit(&gaps, &all, &labels, Weights::Each(&counts), 1.0);
    assert_eq!(error, Err(ModelError::NotFinite { column: 0 }));
    let without = [weights.as_slice(), &[0.0]].concat();
    assert!(fit(&gaps, &all, &labels, Weights::Each(&without), 1.0).is_ok());
}

#[test]
fn columns_that_are_copies_share_their_weight() {
    let (matrix, labels) = table(600, 4, 0.0);
    let mut twins = Matrix::with_capacity(6, 600);
    (0..600).for_each(|row| twins.push(&[matrix.row(row), &[matrix.get(row, 0), 7.0]].concat()));
    let rows: Vec<usize> = (0..600).collect();
    let weights: Vec<f64> = (0..600).map(|row| 1.0 + f64::from(row % 3)).collect();
    let linear = fit(&twins, &rows, &labels, Weights::Each(&weights), 0.0).unwrap();
    assert_eq!(linear.weights[5], 0.0, "a constant says nothing");
    let single = fit(&matrix, &rows, &labels, Weights::Each(&weights), 0.0).unwrap();
    assert!((linear.margin(twins.row(3)) - single.margin(matrix.row(3))).abs() < 1e-6);
}

#[test]
fn faults_are_named() {
    let (matrix, labels) = table(300, 8, 0.0);
    let rows: Vec<usize> = (0..300).collect();
    assert_eq!(fit(&matrix, &rows, &[true; 300], Weights::Even, 1.0), Err(ModelError::OneClass));
    let separated: Vec<bool> = rows.iter().map(|row| matrix.get(*row, 0) > 50.0).collect();
    let error = fit(&matrix, &rows, &separated, Weights::Even, 0.0);
    assert!(matches!(error, Err(ModelError::Separation { .. })), "{error:?}");
    let mut gaps = matrix.clone();
    gaps.push(&[f32::NAN; 8]);
    let all: Vec<usize> = (0..301).collect();
    let labels = [labels.as_slice(), &[true]].concat();
    assert_eq!(
        fit(&gaps, &all, &labels, Weights::Even, 1.0),
        Err(ModelError::NotFinite { column: 0 })
    );
    assert!(fit(&gaps, &rows, &labels, Weights::Even, 1.0).is_ok(), "only the given rows are read");
}
