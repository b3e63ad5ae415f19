//! The model room: everything that is fitted, stored, evaluated and explained.
//!
//! - `input`: a feature row with gaps becomes the finite inputs of a member.
//! - `weights`: how much each row counts.
//! - `logistic`: the linear family; the only file that names linfa.
//! - `newton`: our own fit of weighted logistic regression, over one interval or several.
//! - `hazard`: the chance of being lost to follow-up, which row weights are made of.
//! - `published`: a published score, recalibrated on the task's own outcome.
//! - `forest`: the forest family; the only file that names smartcore.
//! - `boosted`: the boosted family, ours alone: histogram gradient boosting.
//! - `flat`: our own trees: checked, stored as bytes, and evaluated.
//! - `shap`: why the trees say something else of a row than of a reference row, exactly.
//! - `calibrator`: from a member's margin to a probability.
//! - `odds`: between probabilities and log-odds.
//!
//! The libraries are used for fitting alone. What is stored and served is plain numbers of ours,
//! so a new release of either library cannot change an old model's scores.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

mod boosted;
mod calibrator;
mod flat;
mod forest;
mod hazard;
mod input;
mod logistic;
mod newton;
mod odds;
mod published;
mod shap;
mod weights;

pub use boosted::fit as fit_boosted;
pub use boosted::{Binned, Boosted, BoostedParams, Stopping};
pub(crate) use calibrator::log_odds;
pub use calibrator::{Calibrator, Scale};
pub use flat::{Combine, FlatTrees, Node};
pub use forest::ForestParams;
pub use forest::fit as fit_forest;
pub use hazard::{Followed, Hazard};
pub(crate) use input::enough_at;
pub use input::{Column, Gaps, InputSpec};
pub use logistic::Linear;
pub use logistic::fit as fit_logistic;
pub use odds::{log_loss_at, logit, sigmoid, softplus};
pub use published::Recalibrated;
pub use published::fit as fit_published;
pub use weights::Weights;

/// Why a model could not be fitted or loaded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// Every training row has the same outcome.
    #[error("all rows have the same outcome: there is nothing to learn")]
    OneClass,
    /// There are fewer training rows than a fit needs.
    #[error("too few rows: {have}, at least {need} are needed")]
    TooFewRows {
        /// How many there are.
        have: usize,
        /// How many a fit needs.
        need: usize,
    },
    /// There are fewer patients than a fit needs.
    #[error("too few patients: {have}, at least {need} are needed")]
    TooFewPatients {
        /// How many there are.
        have: usize,
        /// How many a fit needs.
        need: usize,
    },
    /// No feature varies enough to be an input.
    #[error("no feature varies among enough patients to be an input")]
    NoInputs,
    /// A missing or infinite value came to a place that needs numbers.
    #[error("a value that is not finite came to a fit, in column {column}")]
    NotFinite {
        /// The column of the matrix; 0 for a list of margins.
        column: usize,
    },
    /// Two arguments that describe the same rows do not fit together, or a row does not exist.
    #[error("arguments do not fit together: {0}")]
    Mismatch(String),
    /// A setting is outside its range.
    #[error("bad setting: {0}")]
    BadSetting(String),
    /// A linear weight ran away: this input (nearly) tells the outcome by itself.
    #[error("input {input} separates the outcomes: its scaled weight reached {weight:.1}")]
    Separation {
        /// Which input.
        input: usize,
        /// Its weight on the scaled input, log-odds per standard deviation.
        weight: f64,
    },
    /// A library returned an error or panicked.
    #[error("{library} failed: {reason}")]
    Library {
        /// Which library.
        library: &'static str,
        /// What it said.
        reason: String,
    },
    /// A stored part of a model is damaged or not ours.
    #[error("bad model part: {0}")]
    BadPart(String),
}

/// The families of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Logistic regression.
    Logistic,
    /// A random forest of event rates.
    Forest,
    /// Gradient boosting of trees.
    Boosted,
    /// A published score, recalibrated.
    Published,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Logistic => "logistic",
            Family::Forest => "forest",
            Family::Boosted => "boosted",
            Family::Published => "published",
        })
    }
}

/// One fitted member: what turns inputs into a margin.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// Logistic regression; its margin is in log-odds.
    Logistic(Linear),
    /// A forest; its margin is the mean event rate of its leaves, 0 to 1.
    Forest(FlatTrees),
    /// Boosted trees; their margin is in log-odds.
    Boosted(FlatTrees),
    /// A published score; its margin is in log-odds.
    Published(Recalibrated),
}

impl Member {
    /// The family it belongs to.
    pub fn family(&self) -> Family {
        match self {
            Member::Logistic(_) => Family::Logistic,
            Member::Forest(_) => Family::Forest,
            Member::Boosted(_) => Family::Boosted,
            Member::Published(_) => Family::Published,
        }
    }

    /// The scale its margin is on.
    pub fn scale(&self) -> Scale {
        match self {
            Member::Logistic(_) | Member::Boosted(_) | Member::Published(_) => Scale::LogOdds,
            Member::Forest(_) => Scale::Rate,
        }
    }

    /// The form of the inputs it reads.
    pub fn reads(&self) -> Gaps {
        match self {
            Member::Logistic(_) | Member::Forest(_) | Member::Published(_) => Gaps::Filled,
            Member::Boosted(_) => Gaps::Kept,
        }
    }

    /// The margin of one row of inputs in the form that `reads` says: log-odds, or the mean rate of
    /// a forest.
    pub fn margin(&self, inputs: &[f32]) -> f64 {
        match self {
            Member::Logistic(linear) => linear.margin(inputs),
            Member::Forest(trees) | Member::Boosted(trees) => trees.margin(inputs),
            Member::Published(score) => score.margin(inputs),
        }
    }

    /// What each input adds to the margin, compared with the row `reference`: exact Shapley values,
    /// written to `out` (one value per input). Returns the margin, the same bits as `margin` gives.
    ///
    /// Both rows are in the form that `reads` says. The values sum to the margin less that of
    /// `reference`. A slot beyond the last input is set to 0.
    pub fn contributions(&self, inputs: &[f32], reference: &[f32], out: &mut [f64]) -> f64 {
        match self {
            Member::Logistic(linear) => linear.contributions(inputs, reference, out),
            Member::Forest(trees) | Member::Boosted(trees) => {
                trees.contributions(inputs, reference, out)
            }
            Member::Published(score) => score.contributions(inputs, reference, out),
        }
    }
}

/// Runs a library's fit so that neither its error nor its panic goes further than a `ModelError`.
fn guarded<T, E: fmt::Display>(
    library: &'static str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, ModelError> {
    let failed = |reason: String| ModelError::Library { library, reason };
    // Nothing the closure borrows is used after a panic, so no broken state can be seen.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed("it panicked".to_owned())),
    }
}

/// Checks what every fit needs: matching lengths, rows that exist, finite values.
fn check_rows(
    matrix: &crate::feature::Matrix,
    rows: &[usize],
    per_row: &[(&str, usize)],
) -> Result<(), ModelError> {
    for (name, length) in per_row {
        if *length != matrix.rows() {
            let (have, need) = (*length, matrix.rows());
            return Err(ModelError::Mismatch(format!("{name}: {have} for {need} rows")));
        }
    }
    if let Some(row) = rows.iter().find(|row| **row >= matrix.rows()) {
        return Err(ModelError::Mismatch(format!("no row {row}")));
    }
    if rows.len() < 2 {
        return Err(ModelError::TooFewRows { have: rows.len(), need: 2 });
    }
    Ok(())
}

/// Checks that the weights fit the rows, and says which of `rows` count.
fn check_weights(
    inputs: &crate::feature::Matrix,
    rows: &[usize],
    weights: Weights<'_>,
) -> Result<Vec<usize>, ModelError> {
    if !weights.fits(inputs.rows()) {
        let rows = inputs.rows();
        let reason = format!("{rows} finite weights, 0 or more, are needed, one for each row");
        return Err(ModelError::Mismatch(reason));
    }
    Ok(weights.counted(rows.iter().copied()))
}

/// Checks that the inputs of a fit are there, finite, and come with both outcomes.
fn check_fit(
    inputs: &crate::feature::Matrix,
    rows: &[usize],
    labels: &[bool],
) -> Result<(), ModelError> {
    check_rows(inputs, rows, &[("labels", labels.len())])?;
    check_finite(inputs, rows)?;
    let events = rows.iter().filter(|row| labels[**row]).count();
    if events == 0 || events == rows.len() {
        return Err(ModelError::OneClass);
    }
    Ok(())
}

/// Checks that there are inputs, and that those of `rows` are finite.
fn check_finite(inputs: &crate::feature::Matrix, rows: &[usize]) -> Result<(), ModelError> {
    if inputs.columns() == 0 {
        return Err(ModelError::NoInputs);
    }
    for row in rows {
        if let Some(column) = inputs.row(*row).iter().position(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite { column });
        }
    }
    Ok(())
}

/// Renumbers patients 0, 1, 2, ... in the order of their numbers; also says how many there are.
fn renumbered(patients: impl Iterator<Item = u32> + Clone) -> (Vec<u32>, usize) {
    let mut distinct: Vec<u32> = patients.clone().collect();
    distinct.sort_unstable();
    distinct.dedup();
    // Every patient is in `distinct`, so the search always finds its place.
    let place = |patient: u32| distinct.partition_point(|other| *other < patient) as u32;
    (patients.map(place).collect(), distinct.len())
}

/// Numbers from 0 to 1 for made-up tables, the same ones for the same seed.
#[cfg(test)]
pub(crate) fn draws(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}
