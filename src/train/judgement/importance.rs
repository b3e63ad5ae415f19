//! What the model loses without a feature: its columns are shuffled together among the judged rows
//! (permutation importance: Breiman 2001; Fisher, Rudin and Dominici 2019).

use rayon::prelude::*;
use serde::Serialize;

use super::Rows;
use crate::bundle::Bundle;
use crate::feature::Matrix;
use crate::model::Weights;
use crate::train::metrics::{auroc, enough, log_loss};

/// The rows it is measured on at most, evenly taken from all: the falls then have a standard error of
/// about 0.003, which tells the features that matter from those that do not.
const ROWS_MAX: usize = 4_000;

/// What shuffling one feature costs the model on the judged rows. Features that tell the same stand
/// in for each other, so each of them may look needless; it is no statement about causes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureImportance {
    pub feature: String,
    /// How much the AUROC falls.
    pub auroc_fall: f64,
    /// How much the mean log loss rises (natural logarithm).
    pub log_loss_rise: f64,
}

/// The importance of each feature of which the model has an input, the greatest rise of log loss
/// first; `rows` have one row of `matrix` each. Empty with too few patients with or without the
/// outcome among the rows it is measured on.
pub(in crate::train) fn importance(
    bundle: &Bundle,
    rows: &Rows<'_>,
    matrix: &Matrix,
    seed: u64,
) -> Vec<FeatureImportance> {
    let step = rows.p.len().div_ceil(ROWS_MAX).max(1);
    let sampled: Vec<usize> = (0..rows.p.len()).step_by(step).collect();
    let y: Vec<bool> = sampled.iter().map(|row| rows.y[*row]).collect();
    let weights = rows.weights().of_rows(&sampled);
    let weights = Weights::from(&weights);
    let stands = |with: bool| {
        let of = sampled.iter().filter(|row| rows.y[**row] == with);
        enough(of.map(|row| rows.patients[*row]))
    };
    let figures = |p: &[f64]| Some((auroc(p, &y, weights)?, log_loss(p, &y, weights)?));
    let p: Vec<f64> = sampled.iter().map(|row| rows.p[*row]).collect();
    let Some((area, loss)) = figures(&p).filter(|_| stands(true) && stands(false)) else {
        return Vec::new();
    };
    let features = bundle.task().spec().features();
    let columns = bundle.columns();
    let mut found: Vec<FeatureImportance> = (0..features.len())
        .into_par_iter()
        .filter_map(|feature| {
            let kept = bundle.input().kept.iter().map(|column| column.index);
            let own = |place: &usize| columns.get(*place).is_some_and(|c| c.feature == feature);
            let places: Vec<usize> = kept.filter(own).collect();
            if places.is_empty() {
                return None;
            }
            // Every feature has its own random stream, so threads cannot change the result.
            let mut rng = fastrand::Rng::with_seed(seed ^ ((feature as u64 + 1) << 32));
            let mut givers = sampled.clone();
            rng.shuffle(&mut givers);
            let p: Vec<f64> = sampled
                .iter()
                .zip(&givers)
                .map(|(row, giver)| {
                    let mut shuffled = matrix.row(*row).to_vec();
                    for place in &places {
                        shuffled[*place] = matrix.get(*giver, *place);
                    }
                    bundle.predict(&shuffled).probability
                })
                .collect();
            let (shuffled_area, shuffled_loss) = figures(&p)?;
            Some(FeatureImportance {
                feature: features[feature].name.clone(),
                auroc_fall: area - shuffled_area,
                log_loss_rise: shuffled_loss - loss,
            })
        })
        .collect();
    found.sort_by(|a, b| {
        b.log_loss_rise.total_cmp(&a.log_loss_rise).then_with(|| a.feature.cmp(&b.feature))
    });
    found
}
