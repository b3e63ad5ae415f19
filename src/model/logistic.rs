//! The linear family: L2 logistic regression, stored as plain weights. Rows that all count once are
//! fitted by linfa-logistic; it knows no weights, so rows of other weights are fitted by our own
//! Newton's method, which a test holds against linfa.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ShapeBuilder};
use serde::{Deserialize, Serialize};

use super::newton::{Problem, Scaled, Spell};
use super::{ModelError, Weights, check_fit, check_weights, guarded};
use crate::feature::Matrix;

/// A weight beyond this many log-odds per standard deviation means separated outcomes.
const BLOW_UP: f64 = 50.0;
/// A mean loss below this means separated outcomes too: every row is all but certain.
const LOSS_MIN: f64 = 1e-6;
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
    /// Mean of each input over the training rows.
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

    /// Weight times distance from the reference, for every input; returns the log-odds.
    pub(super) fn contributions(&self, inputs: &[f32], reference: &[f32], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        for (slot, ((weight, from), input)) in
            out.iter_mut().zip(self.weights.iter().zip(reference).zip(inputs))
        {
            *slot = weight * (f64::from(*input) - f64::from(*from));
        }
        self.margin(inputs)
    }
}

/// Fits L2 logistic regression; `labels[i]` and `counts` (a row of weight 0 is left out) belong to
/// matrix row i, `rows` says which rows to use, and `alpha` is the penalty: the weighted sum of
/// losses plus alpha / 2 times the squared weights of the inputs scaled to a standard deviation of 1
/// (the intercept is free).
///
/// # Errors
/// Arguments that do not fit, one outcome only, values that are not finite, `Separation` when a
/// scaled weight runs away, `Library` when linfa gives up.
pub fn fit(
    inputs: &Matrix,
    rows: &[usize],
    labels: &[bool],
    counts: Weights<'_>,
    alpha: f64,
) -> Result<Linear, ModelError> {
    let rows = &check_weights(inputs, rows, counts)?;
    check_fit(inputs, rows, labels)?;
    if !alpha.is_finite() || alpha < 0.0 {
        return Err(ModelError::BadSetting(format!("alpha {alpha} is not 0 or more")));
    }
    if counts.is_even(rows) {
        fit_even(inputs, rows, labels, alpha)
    } else {
        fit_weighted(inputs, rows, labels, counts, alpha)
    }
}

/// Fits rows of any weights by Newton's method; arguments are checked.
pub(super) fn fit_weighted(
    inputs: &Matrix,
    rows: &[usize],
    labels: &[bool],
    counts: Weights<'_>,
    alpha: f64,
) -> Result<Linear, ModelError> {
    let scaled = Scaled::new(inputs, rows, counts);
    let spell = |row: &usize| Spell {
        weight: counts.of(*row),
        passed: usize::from(!labels[*row]),
        part: 0.0,
        ends: labels[*row],
    };
    let spells: Vec<Spell> = rows.iter().map(spell).collect();
    let problem =
        Problem { scaled: &scaled, spells: &spells, intervals: 1, alpha, intercept_alpha: 0.0 };
    let optimum = problem.solve();
    if optimum.mean_loss < LOSS_MIN {
        let (input, weight) = heaviest(&optimum.slopes).unwrap_or_default();
        return Err(ModelError::Separation { input, weight });
    }
    let bias = optimum.intercepts.first().copied().unwrap_or(f64::NAN);
    unscaled(bias, &optimum.slopes, scaled.means, &scaled.scales)
}

/// Fits rows that all count once, by linfa; arguments are checked.
fn fit_even(
    inputs: &Matrix,
    rows: &[usize],
    labels: &[bool],
    alpha: f64,
) -> Result<Linear, ModelError> {
    let (means, scales, data) = standardised(inputs, rows);
    // Column-major, because linfa's gradient multiplies by the transpose: each column of it is then
    // one straight read.
    let shape = (rows.len(), inputs.columns()).f();
    let records = Array2::from_shape_vec(shape, data)
        .map_err(|error| ModelError::Library { library: "ndarray", reason: error.to_string() })?;
    let targets: Array1<bool> = rows.iter().map(|row| labels[*row]).collect();
    let (bias, scaled) = fit_scaled(Dataset::new(records, targets), alpha)?;
    unscaled(bias, &scaled, means, &scales)
}

/// The input with the largest weight, and that weight.
fn heaviest(scaled: &[f64]) -> Option<(usize, f64)> {
    scaled.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()))
}

/// The model on unscaled inputs, unless a weight on the scaled ones ran away.
fn unscaled(
    bias: f64,
    scaled: &[f64],
    means: Vec<f64>,
    scales: &[f64],
) -> Result<Linear, ModelError> {
    if let Some((input, weight)) = heaviest(scaled)
        && weight.abs() > BLOW_UP
    {
        return Err(ModelError::Separation { input, weight });
    }
    let weights: Vec<f64> =
        scaled.iter().zip(scales).map(|(weight, scale)| weight / scale).collect();
    let shift: f64 = weights.iter().zip(&means).map(|(weight, mean)| weight * mean).sum();
    let linear = Linear { intercept: bias - shift, weights, means };
    // NaN passes every comparison above, so what is returned is checked as if it came from a file.
    linear
        .check(scales.len())
        .map_err(|_| ModelError::BadPart("a fit gave numbers that are not finite".to_owned()))?;
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
mod tests;
