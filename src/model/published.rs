//! A published score, recalibrated: its points, or its probability as log-odds, through a line that
//! is fitted on the task's own outcome.

use serde::{Deserialize, Serialize};

use super::calibrator::log_odds;
use super::logistic::fit_weighted;
use super::{ModelError, Scale, Weights, check_fit, check_weights};
use crate::feature::Matrix;

/// No stored number is larger.
const LARGEST: f64 = 1e100;

/// log-odds = intercept + slope times the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recalibrated {
    /// Which input is the score.
    pub input: usize,
    /// `Rate` for a probability, which is read as its log-odds; points are read as they are.
    pub scale: Scale,
    /// Log-odds where the score, as it is read, is 0.
    pub intercept: f64,
    /// Log-odds per unit of the score as it is read.
    pub slope: f64,
    /// Mean of the score as it is read, over the training rows.
    pub mean: f64,
}

impl Recalibrated {
    /// Checks a model that was read from a file; `inputs` is how many values a row has.
    ///
    /// # Errors
    /// `BadPart` with what is wrong.
    pub fn check(&self, inputs: usize) -> Result<(), ModelError> {
        if self.input >= inputs {
            return Err(ModelError::BadPart("published: an input that is not there".into()));
        }
        if ![self.intercept, self.slope, self.mean].iter().all(|number| number.abs() <= LARGEST) {
            return Err(ModelError::BadPart("published: a number that is not finite".into()));
        }
        Ok(())
    }

    fn read(&self, inputs: &[f32]) -> f64 {
        let score = inputs.get(self.input).copied().map_or(self.mean, f64::from);
        log_odds(score, self.scale)
    }

    /// The log-odds of one row of inputs.
    pub(super) fn margin(&self, inputs: &[f32]) -> f64 {
        self.intercept + self.slope * self.read(inputs)
    }

    /// All of the margin's distance from that of the reference is the score's; returns the margin.
    pub(super) fn contributions(&self, inputs: &[f32], reference: &[f32], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        let margin = self.margin(inputs);
        if let Some(slot) = out.get_mut(self.input) {
            *slot = margin - self.margin(reference);
        }
        margin
    }
}

/// Fits the line without a penalty; `labels[i]` and `counts` (a row of weight 0 is left out) belong
/// to matrix row i, and `rows` says which rows to use.
///
/// # Errors
/// Arguments that do not fit, one outcome only, values that are not finite, `Separation` when the
/// score tells the outcome by itself.
pub fn fit(
    inputs: &Matrix,
    rows: &[usize],
    labels: &[bool],
    counts: Weights<'_>,
    input: usize,
    scale: Scale,
) -> Result<Recalibrated, ModelError> {
    let rows = &check_weights(inputs, rows, counts)?;
    check_fit(inputs, rows, labels)?;
    if input >= inputs.columns() {
        return Err(ModelError::Mismatch(format!("no input {input}")));
    }
    let mut score = Matrix::with_capacity(1, inputs.rows());
    (0..inputs.rows())
        .for_each(|row| score.push(&[log_odds(f64::from(inputs.get(row, input)), scale) as f32]));
    let linear = fit_weighted(&score, rows, labels, counts, 0.0)?;
    let first = |values: &[f64]| values.first().copied().unwrap_or(0.0);
    let (intercept, slope) = (linear.intercept, first(&linear.weights));
    let fitted = Recalibrated { input, scale, intercept, slope, mean: first(&linear.means) };
    fitted.check(inputs.columns())?;
    Ok(fitted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::draws;

    /// Rows with an idle input, points 0 to 19, and a probability that is twice too sure.
    fn table(rows: usize) -> (Matrix, Vec<bool>) {
        let mut uniform = draws(9);
        let (mut matrix, mut labels) = (Matrix::with_capacity(3, rows), Vec::new());
        for _ in 0..rows {
            let points = (20.0 * uniform()).floor();
            let truth = 0.2 * points - 3.0;
            let said = 1.0 / (1.0 + (-2.0 * truth).exp());
            matrix.push(&[uniform() as f32, points as f32, said as f32]);
            labels.push(uniform() < 1.0 / (1.0 + (-truth).exp()));
        }
        (matrix, labels)
    }

    #[test]
    fn points_and_probabilities_find_their_line() {
        let (matrix, labels) = table(20_000);
        let rows: Vec<usize> = (0..20_000).collect();
        let of = |input, scale| fit(&matrix, &rows, &labels, Weights::Even, input, scale).unwrap();
        let points = of(1, Scale::LogOdds);
        assert!((points.slope - 0.2).abs() < 0.01 && (points.intercept + 3.0).abs() < 0.1);
        let probability = of(2, Scale::Rate);
        assert!((probability.slope - 0.5).abs() < 0.03 && probability.intercept.abs() < 0.1);
        for model in [points, probability] {
            model.check(3).unwrap();
            let mut out = [9.0; 4];
            let margin = model.contributions(matrix.row(7), matrix.row(8), &mut out);
            assert_eq!(margin, model.margin(matrix.row(7)));
            let gap = margin - model.margin(matrix.row(8));
            assert_eq!((out[model.input], out[0], out[3]), (gap, 0.0, 0.0));
            let text = serde_json::to_string(&model).unwrap();
            assert_eq!(serde_json::from_str::<Recalibrated>(&text).unwrap(), model);
        }
    }

    #[test]
    fn weights_count_and_faults_are_named() {
        let (matrix, labels) = table(2_000);
        let rows: Vec<usize> = (0..2_000).collect();
        let triple: Vec<f64> = labels.iter().map(|label| if *label { 3.0 } else { 1.0 }).collect();
        let of = |weights| fit(&matrix, &rows, &labels, weights, 1, Scale::LogOdds).unwrap();
        let (even, weighted) = (of(Weights::Even), of(Weights::Each(&triple)));
        assert!((weighted.intercept - even.intercept - 3.0f64.ln()).abs() < 0.1);
        assert!((weighted.slope - even.slope).abs() < 0.03);
        let run = |labels: &[bool], input| {
            fit(&matrix, &rows, labels, Weights::Even, input, Scale::LogOdds)
        };
        assert_eq!(run(&[true; 2_000], 1), Err(ModelError::OneClass));
        assert!(matches!(run(&labels, 3), Err(ModelError::Mismatch(_))));
        let told: Vec<bool> = rows.iter().map(|row| matrix.get(*row, 1) > 9.0).collect();
        assert!(matches!(run(&told, 1), Err(ModelError::Separation { .. })));
        assert!(Recalibrated { input: 3, ..even.clone() }.check(3).is_err());
        assert!(Recalibrated { slope: f64::NAN, ..even }.check(3).is_err());
    }
}
