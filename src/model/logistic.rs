//! The linear family: L2 logistic regression, fitted by linfa-logistic, stored as plain weights.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ShapeBuilder};
use serde::{Deserialize, Serialize};

use super::{ModelError, check_fit, guarded};
use crate::feature::Matrix;

/// A weight beyond this many log-odds per standard deviation means separated outcomes.
const BLOW_UP: f64 = 50.0;
/// No stored number is larger.
const LARGEST: f64 = 1e100;
/// L-BFGS stops here at the latest.
const MOST_ITERATIONS: u64 = 500;
/// Gradient norm per row at which L-BFGS stops; the second is tried when the library's line search
/// gives up so close to the optimum that rounding hides any descent.
const GRADIENT_PER_ROW: [f64; 2] = [1e-6, 1e-4];

/// A linear model on the unscaled inputs: log-odds = intercept + sum of weight times input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Log-odds where every input is 0.
    pub intercept: f64,
    /// Log-odds per unit of each input.
    pub weights: Vec<f64>,
    /// Mean of each input over the training rows: where its contribution is 0.
    pub means: Vec<f64>,
}

impl Linear {
    /// Checks a model that was read from a file; `inputs` is how many values a row has.
    ///
    /// # Errors
    /// `BadPart` with what is wrong.
    pub fn check(&self, inputs: usize) -> Result<(), ModelError> {
        if self.weights.len() != inputs || self.means.len() != inputs {
            return Err(ModelError::BadPart("linear: not one weight and mean per input".into()));
        }
        let mut numbers = self.weights.iter().chain(&self.means).chain([&self.intercept]);
        // Within this bound no sum over f32 inputs can overflow, so margins are finite too.
        if !numbers.all(|number| number.abs() <= LARGEST) {
            return Err(ModelError::BadPart("linear: a number that is not finite".into()));
        }
        Ok(())
    }

    /// The log-odds of one row of inputs.
    pub(super) fn margin(&self, inputs: &[f32]) -> f64 {
        let terms = self.weights.iter().zip(inputs);
        self.intercept + terms.map(|(weight, input)| weight * f64::from(*input)).sum::<f64>()
    }

    /// The log-odds of a row that holds the mean of every input.
    pub(super) fn mean_margin(&self) -> f64 {
        let terms = self.weights.iter().zip(&self.means);
        self.intercept + terms.map(|(weight, mean)| weight * mean).sum::<f64>()
    }

    /// Weight times distance from the mean, for every input.
    pub(super) fn contributions(&self, inputs: &[f32], out: &mut [f64]) {
        out.fill(0.0);
        for (slot, ((weight, mean), input)) in
            out.iter_mut().zip(self.weights.iter().zip(&self.means).zip(inputs))
        {
            *slot = weight * (f64::from(*input) - mean);
        }
    }
}

/// Fits L2 logistic regression; `labels[i]` is the outcome of matrix row i, `rows` says which rows
/// to use, and `alpha` is the penalty: the sum of losses plus alpha / 2 times the squared weights
/// of the inputs scaled to a standard deviation of 1 (the intercept is free).
///
/// # Errors
/// Arguments that do not fit, one outcome only, values that are not finite, `Separation` when a
/// scaled weight runs away, `Library` when linfa gives up.
pub fn fit(
    inputs: &Matrix,
    rows: &[usize],
    labels: &[bool],
    alpha: f64,
) -> Result<Linear, ModelError> {
    check_fit(inputs, rows, labels)?;
    if !alpha.is_finite() || alpha < 0.0 {
        return Err(ModelError::BadSetting(format!("alpha {alpha} is not 0 or more")));
    }
    let (means, scales, data) = standardised(inputs, rows);
    // Column-major, because linfa's gradient multiplies by the transpose: each column of it is then
    // one straight read.
    let shape = (rows.len(), inputs.columns()).f();
    let records = Array2::from_shape_vec(shape, data)
        .map_err(|error| ModelError::Library { library: "ndarray", reason: error.to_string() })?;
    let targets: Array1<bool> = rows.iter().map(|row| labels[*row]).collect();
    let (bias, scaled) = fit_scaled(Dataset::new(records, targets), alpha)?;
    let heaviest = (0..scaled.len()).max_by(|a, b| scaled[*a].abs().total_cmp(&scaled[*b].abs()));
    match heaviest {
        Some(input) if scaled[input].abs() > BLOW_UP => {
            return Err(ModelError::Separation { input, weight: scaled[input] });
        }
        _ => {}
    }
    let weights: Vec<f64> =
        scaled.iter().zip(&scales).map(|(weight, scale)| weight / scale).collect();
    let shift: f64 = weights.iter().zip(&means).map(|(weight, mean)| weight * mean).sum();
    let linear = Linear { intercept: bias - shift, weights, means };
    // NaN passes every comparison above, so what is returned is checked as if it came from a file.
    linear.check(inputs.columns()).map_err(|_| failed("numbers that are not finite".to_owned()))?;
    Ok(linear)
}

fn failed(reason: String) -> ModelError {
    ModelError::Library { library: "linfa-logistic", reason }
}

/// Mean and scale of every column, and the centred, scaled values column by column.
fn standardised(inputs: &Matrix, rows: &[usize]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let count = rows.len() as f64;
    let mut data = Vec::with_capacity(rows.len() * inputs.columns());
    let (mut means, mut scales) = (Vec::new(), Vec::new());
    for column in 0..inputs.columns() {
        let start = data.len();
        data.extend(rows.iter().map(|row| f64::from(inputs.get(*row, column))));
        let values = &mut data[start..];
        let mean = values.iter().sum::<f64>() / count;
        let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        // A constant column becomes all zeros; its weight then stays 0.
        let scale = if spread > 0.0 { spread.sqrt() } else { 1.0 };
        values.iter_mut().for_each(|value| *value = (*value - mean) / scale);
        means.push(mean);
        scales.push(scale);
    }
    (means, scales, data)
}

/// The intercept and the weights on scaled inputs, turned so that higher means more likely `true`.
fn fit_scaled(
    dataset: Dataset<f64, bool, ndarray::Ix1>,
    alpha: f64,
) -> Result<(f64, Vec<f64>), ModelError> {
    let rows = dataset.targets.len() as f64;
    let events = dataset.targets.iter().filter(|label| **label).count() as f64;
    // linfa takes the more frequent outcome as the positive one. Starting at its log-odds leaves
    // the intercept nearly at its place, which saves the first, badly scaled steps.
    let mut start = Array1::zeros(dataset.records.ncols() + 1);
    start[dataset.records.ncols()] = (events / (rows - events)).ln().abs();
    let mut outcome = Err(failed("no attempt was made".to_owned()));
    for per_row in GRADIENT_PER_ROW {
        let settings = LogisticRegression::default()
            .alpha(alpha)
            .max_iterations(MOST_ITERATIONS)
            .gradient_tolerance(per_row * rows)
            .initial_params(start.clone());
        outcome = guarded("linfa-logistic", || settings.fit(&dataset));
        if outcome.is_ok() {
            break;
        }
    }
    let fitted = outcome?;
    // The margin points at the more frequent outcome, whatever linfa's documentation says, so the
    // sign depends on which outcome that was.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    Ok((sign * fitted.intercept(), fitted.params().iter().map(|weight| sign * weight).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs of unequal scales, two of them nearly the same, and a rare or a common outcome.
    fn table(rows: usize, columns: usize, bias: f64) -> (Matrix, Vec<bool>) {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
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
            let linear = fit(&matrix, &rows, &labels, 1.0).unwrap();
            let best = newton(&matrix, &labels, 1.0);
            let (_, scales, _) = standardised(&matrix, &rows);
            for (column, scale) in scales.iter().enumerate() {
                assert!((linear.weights[column] - best[column]).abs() * scale < 1e-4);
            }
            assert!((linear.intercept - best[8]).abs() < 1e-3);
            assert!(linear.weights[1] > 0.5, "a known risk scores high");
            let mut out = vec![0.0; 8];
            linear.contributions(matrix.row(5), &mut out);
            let gap = linear.margin(matrix.row(5)) - linear.mean_margin();
            assert!((out.iter().sum::<f64>() - gap).abs() < 1e-9);
        }
    }

    #[test]
    fn faults_are_named() {
        let (matrix, labels) = table(300, 8, 0.0);
        let rows: Vec<usize> = (0..300).collect();
        assert_eq!(fit(&matrix, &rows, &[true; 300], 1.0), Err(ModelError::OneClass));
        let separated: Vec<bool> = rows.iter().map(|row| matrix.get(*row, 0) > 50.0).collect();
        let error = fit(&matrix, &rows, &separated, 0.0);
        assert!(matches!(error, Err(ModelError::Separation { .. })), "{error:?}");
        let mut gaps = matrix.clone();
        gaps.push(&[f32::NAN; 8]);
        let all: Vec<usize> = (0..301).collect();
        let labels = [labels.as_slice(), &[true]].concat();
        assert_eq!(fit(&gaps, &all, &labels, 1.0), Err(ModelError::NotFinite { column: 0 }));
        assert!(fit(&gaps, &rows, &labels, 1.0).is_ok(), "only the given rows are read");
    }
}
