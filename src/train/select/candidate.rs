//! A setting of a family that could be fitted, and how it is fitted on chosen rows.

use serde::Serialize;

use super::table::{Layout, Table};
use crate::model::{
    BoostedParams, Family, ForestParams, Member, ModelError, Scale, fit_boosted, fit_forest,
    fit_logistic, fit_published,
};

/// A setting that could be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "family", rename_all = "lowercase")]
pub enum Candidate {
    Logistic {
        /// Penalty on the squared weights of the scaled inputs.
        alpha: f64,
    },
    Forest(ForestParams),
    /// Before cross-validation `rounds` is the most that are tried, after it how many were best.
    Boosted(BoostedParams),
    /// A published score, recalibrated on the task's own outcome.
    Published {
        /// Its feature column.
        column: usize,
        /// `Rate` for a probability, `LogOdds` for points.
        scale: Scale,
    },
}

impl Candidate {
    pub fn family(&self) -> Family {
        match self {
            Candidate::Logistic { .. } => Family::Logistic,
            Candidate::Forest(_) => Family::Forest,
            Candidate::Boosted(_) => Family::Boosted,
            Candidate::Published { .. } => Family::Published,
        }
    }

    pub(super) fn scale(&self) -> Scale {
        match self {
            Candidate::Logistic { .. } | Candidate::Boosted(_) | Candidate::Published { .. } => {
                Scale::LogOdds
            }
            Candidate::Forest(_) => Scale::Rate,
        }
    }

    /// Whether the inputs it asks for are there: a column that hardly varies is no input.
    pub(in crate::train) fn has_inputs(&self, layout: &Layout) -> bool {
        match self {
            Candidate::Published { column, .. } => layout.input.input_of(*column).is_some(),
            _ => true,
        }
    }

    /// Fits the candidate on `rows` of `layout`.
    pub(in crate::train) fn fit(
        &self,
        layout: &Layout,
        rows: &[usize],
        table: &Table<'_>,
        seed: u64,
    ) -> Result<Member, ModelError> {
        let Table { labels, patients, .. } = table;
        let (inputs, weights) = (&layout.inputs, table.weights());
        match self {
            Candidate::Logistic { alpha } => {
                fit_logistic(inputs, rows, labels, weights, *alpha).map(Member::Logistic)
            }
            Candidate::Forest(params) => {
                fit_forest(inputs, rows, labels, patients, weights, params, seed)
                    .map(Member::Forest)
            }
            Candidate::Boosted(params) => {
                let binned = layout.binned(rows, table)?;
                let fitted = fit_boosted(
                    &binned,
                    labels,
                    patients,
                    weights,
                    &layout.constraints,
                    params,
                    seed,
                    None,
                )?;
                fitted.trees(params.rounds).map(Member::Boosted)
            }
            Candidate::Published { column, scale } => {
                let input = layout.input.input_of(*column).ok_or(ModelError::NoInputs)?;
                fit_published(inputs, rows, labels, weights, input, *scale).map(Member::Published)
            }
        }
    }
}
