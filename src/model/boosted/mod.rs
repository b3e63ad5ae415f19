//! The boosted family: our own gradient boosting of logistic loss over binned values.
//!
//! Each round fits a tree to the gradient and the hessian of the log loss (Friedman 2001; Newton
//! steps as in Friedman, Hastie and Tibshirani 2000), leaf by leaf where the gain is highest, on
//! sums over bins (Ke et al., LightGBM, 2017).
//!
//! - `bins`: values as bytes, column by column and row by row.
//! - `sums`: gradients as whole numbers, so that sums are exact in any order.
//! - `split`: the best split of a node. `grow`: a tree. `tree`: its nodes over codes.
//! - `rounds`: from one tree to the next, and when to stop.
//!
//! The same arguments give the same bits for any number of threads.

use serde::{Deserialize, Serialize};

use super::flat::DEEPEST;
use super::{Combine, FlatTrees, ModelError, Node, Weights};
use crate::feature::{Matrix, RiskWith};

mod bins;
mod grow;
mod rounds;
mod split;
mod sums;
mod tree;

pub use bins::Binned;

use grow::ODD;
use rounds::{Data, Judge, State};
use split::Rules;
use sums::Units;

/// Most rounds of a fit.
const ROUNDS_MAX: usize = 10_000;
/// Most leaves of a tree: each open leaf holds its sums in memory.
const LEAVES_MAX: usize = 512;

/// How trees are boosted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoostedParams {
    /// Most trees, 1 to 10,000; early stopping may end sooner.
    pub rounds: usize,
    /// Most leaves of a tree, 2 to 512.
    pub leaves: usize,
    /// Most splits on a path from the root, 1 to 64.
    pub depth: u16,
    /// What each tree's values are multiplied with, above 0 and up to 1.
    pub learning_rate: f64,
    /// Fewest rows in a leaf.
    pub leaf_rows_min: usize,
    /// Fewest distinct patients behind these rows.
    pub leaf_patients_min: usize,
    /// Fewest hessian (p (1 - p) summed over the weighted rows) in a leaf, above 0.
    pub hessian_min: f64,
    /// Added to the hessian of every leaf, 0 or more: holds back the values of small leaves.
    pub l2: f64,
    /// The share of inputs that each tree draws, above 0 and up to 1.
    pub features_per_tree: f64,
    /// The share of the tree's inputs that each split draws anew, above 0 and up to 1.
    pub features_per_split: f64,
    /// The share of rows that each tree draws, above 0 and up to 1.
    pub rows_share: f64,
}

impl Default for BoostedParams {
    /// The defaults of LightGBM 4, with a smaller step, and leaves that no few patients fill.
    fn default() -> BoostedParams {
        BoostedParams {
            rounds: 200,
            leaves: 31,
            depth: 64,
            learning_rate: 0.05,
            leaf_rows_min: 20,
            leaf_patients_min: crate::SMALL_CELL_PATIENTS,
            hessian_min: 1e-3,
            l2: 0.0,
            features_per_tree: 1.0,
            features_per_split: 1.0,
            rows_share: 1.0,
        }
    }
}

impl BoostedParams {
    fn check(&self) -> Result<(), ModelError> {
        let bad = |reason: &str| Err(ModelError::BadSetting(format!("boosted: {reason}")));
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        if !(1..=ROUNDS_MAX).contains(&self.rounds) {
            return bad("rounds must be 1 to 10000");
        }
        if !(2..=LEAVES_MAX).contains(&self.leaves) {
            return bad("leaves must be 2 to 512");
        }
        if self.depth == 0 || usize::from(self.depth) > DEEPEST {
            return bad("depth must be 1 to 64");
        }
        if self.leaf_rows_min == 0 || self.leaf_patients_min == 0 {
            return bad("leaf_rows_min and leaf_patients_min must be 1 or more");
        }
        if !is_share(self.learning_rate) {
            return bad("learning_rate must be above 0 and up to 1");
        }
        if !(self.hessian_min > 0.0 && self.hessian_min.is_finite()) {
            return bad("hessian_min must be above 0");
        }
        if !(self.l2 >= 0.0 && self.l2.is_finite()) {
            return bad("l2 must be 0 or more");
        }
        let shares = [self.features_per_tree, self.features_per_split, self.rows_share];
        if !shares.into_iter().all(is_share) {
            return bad("shares of features and rows must be above 0 and up to 1");
        }
        Ok(())
    }

    /// Whether every tree sees all rows and inputs.
    fn draws_nothing(&self) -> bool {
        [self.features_per_tree, self.features_per_split, self.rows_share] == [1.0; 3]
    }
}

/// Rows that say when to stop: the loss is measured on them after each round.
#[derive(Debug, Clone, Copy)]
pub struct Stopping<'a> {
    /// Rows of `matrix`, none of which was fitted on.
    pub rows: &'a [usize],
    /// The matrix that was binned, or one with the same rows and columns.
    pub matrix: &'a Matrix,
    /// How many rounds in a row may bring no gain, 1 or more.
    pub patience: usize,
}

/// Boosted trees, round by round.
#[derive(Debug, Clone, PartialEq)]
pub struct Boosted {
    base: f64,
    inputs: usize,
    trees: Vec<Vec<Node>>,
    /// Weighted mean log loss on the rows of `Stopping` after 1, 2, ... rounds; empty without.
    pub losses: Vec<f64>,
}

impl Boosted {
    /// How many rounds were fitted.
    pub fn rounds(&self) -> usize {
        self.trees.len()
    }

    /// The number of rounds after which the loss was lowest; all of them without `Stopping`.
    pub fn best_rounds(&self) -> usize {
        let losses = self.losses.iter().enumerate();
        let best = losses.min_by(|(_, a), (_, b)| a.total_cmp(b));
        best.map_or(self.rounds(), |(round, _)| round + 1)
    }

    /// The first `rounds` trees (all where there are fewer), ready to evaluate.
    ///
    /// # Errors
    /// `BadSetting` for 0 rounds.
    pub fn trees(&self, rounds: usize) -> Result<FlatTrees, ModelError> {
        if rounds == 0 {
            return Err(ModelError::BadSetting("boosted: trees of 0 rounds".to_owned()));
        }
        let trees = &self.trees[..rounds.min(self.trees.len())];
        FlatTrees::new(self.inputs, Combine::Sum { base: self.base }, trees)
    }
}

/// Boosts trees on the rows of `binned`; `labels[i]`, `patients[i]` and `weights` (a row of weight 0
/// is left out) belong to matrix row i, and `constraints` to the inputs. The same arguments give the
/// same trees, whatever the number of threads.
///
/// The fit begins at the weighted log-odds of the outcome. A missing value takes the side that was
/// learnt for it; where no value was missing in training, that with more rows.
///
/// # Errors
/// Arguments that do not fit, one outcome only, settings outside their limits, weights of which the
/// sum is out of range, fewer rows or patients than one leaf needs.
#[expect(
    clippy::too_many_arguments,
    reason = "each is of another kind, and most are shared by fits"
)]
pub fn fit(
    binned: &Binned,
    labels: &[bool],
    patients: &[u32],
    weights: Weights<'_>,
    constraints: &[Option<RiskWith>],
    params: &BoostedParams,
    seed: u64,
    stop: Option<Stopping<'_>>,
) -> Result<Boosted, ModelError> {
    params.check()?;
    if constraints.len() != binned.inputs() {
        let (have, need) = (constraints.len(), binned.inputs());
        return Err(ModelError::Mismatch(format!("constraints: {have} for {need} inputs")));
    }
    let data = Data::new(binned, labels, patients, weights, params)?;
    let mut judge =
        stop.map(|stop| Judge::new(binned, &data, labels, weights, stop)).transpose()?;
    let rules = Rules { params, constraints, units: Units::new(data.rows.len(), data.total) };
    let mut state = State::new(&data);
    let mut fitted =
        Boosted { base: data.base, inputs: binned.inputs(), trees: Vec::new(), losses: Vec::new() };
    for round in 0..params.rounds {
        let tree = state.round(binned, &data, rules, seed ^ (round as u64 + 1).wrapping_mul(ODD));
        let is_stuck = tree.nodes.len() == 1 && params.draws_nothing();
        fitted.trees.push(tree.stored(binned));
        if let Some(judge) = &mut judge {
            fitted.losses.push(judge.add(binned, &tree));
            if fitted.losses.len() - fitted.best_rounds() >= judge.patience {
                break;
            }
        }
        // Without a draw, all rounds to come would be the same.
        if is_stuck {
            break;
        }
    }
    Ok(fitted)
}

#[cfg(test)]
mod tests;
