//! The reference patient that every explanation compares with: a typical one of the development
//! rows.
//!
//! It has the median of every input, and no value where more than half of the development rows have
//! none; families that take no missing values see it with the gaps filled, as they see every row.

use super::manifest::Manifest;
use crate::model::{Calibrator, Member, logit};

/// Where more than this share of the development rows lacks a value, so does the reference.
const MISSING_SHARE: f64 = 0.5;

/// What one member makes of the reference patient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    /// In the form that the member reads.
    pub inputs: Vec<f32>,
    /// The member's margin, on the member's scale.
    pub margin: f64,
    /// Log-odds of the calibrated probability.
    pub log_odds: f64,
}

impl Reference {
    /// `model` and `calibrator` are checked, and of the bundle of `manifest`.
    pub(super) fn of(manifest: &Manifest, model: &Member, calibrator: &Calibrator) -> Reference {
        let mut inputs = Vec::with_capacity(manifest.input.inputs());
        manifest.input.apply(&row(manifest), model.reads(), &mut inputs);
        let margin = model.margin(&inputs);
        Reference { inputs, margin, log_odds: logit(calibrator.apply(margin)) }
    }
}

/// The feature row of the reference patient; a column that no model reads has no value.
fn row(manifest: &Manifest) -> Vec<f32> {
    let drift = manifest.drift_reference.as_ref();
    let is_missing = |index: usize| {
        drift
            .and_then(|drift| drift.columns.get(index))
            .is_some_and(|bands| bands.missing > MISSING_SHARE)
    };
    let mut row = vec![f32::NAN; manifest.columns.len()];
    for column in manifest.input.kept.iter().filter(|column| !is_missing(column.index)) {
        if let Some(value) = row.get_mut(column.index) {
            *value = column.median;
        }
    }
    row
}
