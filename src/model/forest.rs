//! The forest family: smartcore's regression forest on 0/1 outcomes, so that leaves hold event
//! rates; smartcore's classifiers hold labels only and cannot rank a rare outcome.
//!
//! The forest is fitted in blocks of trees (in parallel, but the same blocks for any number of
//! threads), read out through serde, pruned until every leaf stands for enough rows and patients,
//! and put together as `FlatTrees`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::arrays::Array as _;
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::flat::DEEPEST;
use super::{
    Combine, FlatTrees, ModelError, Node, Weights, check_fit, check_rows, check_weights, guarded,
    renumbered,
};
use crate::feature::Matrix;

/// Trees fitted together: each block sorts every column once, so larger blocks are cheaper, and
/// smaller ones keep more threads busy.
const BLOCK: usize = 25;
/// Distance between the seeds of blocks; within a block, trees take the numbers in between.
const SEED_STEP: u64 = 1_000_003;

/// How often a row of a bootstrap sample was drawn, on average.
const DRAWS_PER_ROW: f64 = 1.582;

type Block = RandomForestRegressor<f32, f64, DenseMatrix<f32>, Vec<f64>>;

/// How a forest is grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestParams {
    /// Number of trees, 1 or more.
    pub trees: usize,
    /// Most splits on a path from the root, 1 to 64.
    pub depth: u16,
    /// Fewest distinct training rows of the tree in a leaf.
    pub leaf_rows_min: usize,
    /// Fewest distinct patients behind these rows.
    pub leaf_patients_min: usize,
    /// How many inputs, drawn anew, each split chooses from.
    pub features_per_split: usize,
}

/// Fits a forest; `labels[i]`, `patients[i]` and `counts` (a row of weight 0 is left out) belong to
/// matrix row i, and `rows` says which rows to use. The same arguments give the same trees, whatever
/// the number of threads.
///
/// A row is drawn into each tree's bootstrap sample in proportion to its weight, so splits and the
/// rates of leaves are weighted; leaves still count distinct rows and patients.
///
/// # Errors
/// Arguments that do not fit, one outcome only, values that are not finite, fewer rows or patients
/// than one leaf needs, `Library` when smartcore fails.
pub fn fit(
    inputs: &Matrix,
    rows: &[usize],
    labels: &[bool],
    patients: &[u32],
    counts: Weights<'_>,
    params: &ForestParams,
    seed: u64,
) -> Result<FlatTrees, ModelError> {
    let rows = &check_weights(inputs, rows, counts)?;
    check_fit(inputs, rows, labels)?;
    check_rows(inputs, rows, &[("patients", patients.len())])?;
    check_params(params)?;
    if rows.len() < params.leaf_rows_min {
        return Err(ModelError::TooFewRows { have: rows.len(), need: params.leaf_rows_min });
    }
    let (patients, distinct) = renumbered(rows.iter().map(|row| patients[*row]));
    if distinct < params.leaf_patients_min {
        return Err(ModelError::TooFewPatients { have: distinct, need: params.leaf_patients_min });
    }
    let (x, y) = (columns_of(inputs, rows)?, rates_of(rows, labels));
    let weights = counts.uneven(rows);
    let data = Data { x, y, weights, patients, distinct };
    let blocks: Vec<Vec<Vec<Node>>> = (0..params.trees.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let trees = BLOCK.min(params.trees - block * BLOCK);
            let seed = seed.wrapping_add((block as u64).wrapping_mul(SEED_STEP));
            let fitted = read_block(&fit_block(&data, params, trees, seed)?)?;
            // One tree after the other: only this block's samples are in memory.
            fitted.grown().map(|(tree, in_bag)| flatten(tree, in_bag, &data, params)).collect()
        })
        .collect::<Result<_, ModelError>>()?;
    FlatTrees::new(inputs.columns(), Combine::Mean, &blocks.concat())
}

/// The training rows, in the form the blocks share.
struct Data {
    x: DenseMatrix<f32>,
    y: Vec<f64>,
    /// One for each row; `None` when every row counts once.
    weights: Option<Vec<f64>>,
    /// Patient of every row, numbered from 0.
    patients: Vec<u32>,
    distinct: usize,
}

fn check_params(params: &ForestParams) -> Result<(), ModelError> {
    let bad = |reason: &str| Err(ModelError::BadSetting(format!("forest: {reason}")));
    if params.trees == 0 || params.features_per_split == 0 {
        return bad("trees and features_per_split must be 1 or more");
    }
    if params.depth == 0 || usize::from(params.depth) > DEEPEST {
        return bad("depth must be 1 to 64");
    }
    if params.leaf_rows_min == 0 || params.leaf_patients_min == 0 {
        return bad("leaf_rows_min and leaf_patients_min must be 1 or more");
    }
    Ok(())
}

fn failed(reason: String) -> ModelError {
    ModelError::Library { library: "smartcore", reason }
}

fn columns_of(inputs: &Matrix, rows: &[usize]) -> Result<DenseMatrix<f32>, ModelError> {
    let mut values = Vec::with_capacity(rows.len() * inputs.columns());
    for column in 0..inputs.columns() {
        values.extend(rows.iter().map(|row| inputs.get(*row, column)));
    }
    DenseMatrix::new(rows.len(), inputs.columns(), values, true)
        .map_err(|error| failed(error.to_string()))
}

fn rates_of(rows: &[usize], labels: &[bool]) -> Vec<f64> {
    rows.iter().map(|row| f64::from(u8::from(labels[*row]))).collect()
}

fn fit_block(
    data: &Data,
    params: &ForestParams,
    trees: usize,
    seed: u64,
) -> Result<Block, ModelError> {
    // smartcore counts a row as often as it was drawn: e / (e - 1) times, on average.
    let least = (params.leaf_rows_min as f64 * DRAWS_PER_ROW).ceil() as usize;
    let settings = RandomForestRegressorParameters::default()
        // smartcore counts the root as level 1.
        .with_max_depth(params.depth + 1)
        .with_min_samples_leaf(least)
        .with_min_samples_split(least.saturating_mul(2))
        .with_n_trees(trees)
        .with_m(params.features_per_split)
        .with_keep_samples(true)
        .with_seed(seed);
    // Weights would draw from another random stream, so rows that count once go without.
    guarded("smartcore", || match &data.weights {
        Some(weights) => {
            RandomForestRegressor::fit_with_weights(&data.x, &data.y, weights, settings)
        }
        None => RandomForestRegressor::fit(&data.x, &data.y, settings),
    })
}

/// smartcore keeps its nodes private; these mirrors have the same field names, and serde reads a
/// block through them. Text is the smallest format at hand: a block is a few megabytes for as long
/// as it takes to read it back.
#[derive(Deserialize)]
struct MirrorForest {
    forest_regressor: MirrorBlock,
}

#[derive(Deserialize)]
struct MirrorBlock {
    trees: Vec<MirrorTree>,
    samples: Vec<Vec<bool>>,
}

#[derive(Deserialize)]
struct MirrorTree {
    nodes: Vec<MirrorNode>,
}

#[derive(Deserialize)]
struct MirrorNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

impl MirrorForest {
    /// Each tree with the rows it was grown on.
    fn grown(&self) -> impl Iterator<Item = (&MirrorTree, &[bool])> {
        let block = &self.forest_regressor;
        block.trees.iter().zip(block.samples.iter().map(Vec::as_slice))
    }
}

fn read_block(block: &Block) -> Result<MirrorForest, ModelError> {
    let text = serde_json::to_vec(block).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| failed(format!("its form changed: {error}")))
}

/// A split of the mirror, with both children checked to lie behind it.
struct Split {
    input: usize,
    value: f64,
    children: [usize; 2],
}

fn split_of(tree: &MirrorTree, index: usize, inputs: usize) -> Result<Option<Split>, ModelError> {
    let node = &tree.nodes[index];
    let (Some(low), Some(high)) = (node.true_child, node.false_child) else {
        return Ok(None);
    };
    let inside = |child: usize| child > index && child < tree.nodes.len();
    match node.split_value {
        Some(value) if inside(low) && inside(high) && node.split_feature < inputs => {
            Ok(Some(Split { input: node.split_feature, value, children: [low, high] }))
        }
        _ => Err(failed("a tree that does not go forward".to_owned())),
    }
}

/// Prunes one tree and gives it our layout.
///
/// From the bottom up, a child that stands for too few rows or patients gives up its place. When
/// its sibling ends there too, the parent becomes a leaf with the rate smartcore computed for it.
/// When the sibling goes on, the sibling takes the parent's place, and the few rows join it:
/// otherwise one small cut near the root would throw away all that was learnt below.
fn flatten(
    tree: &MirrorTree,
    in_bag: &[bool],
    data: &Data,
    params: &ForestParams,
) -> Result<Vec<Node>, ModelError> {
    if in_bag.len() != data.y.len() || tree.nodes.is_empty() {
        return Err(failed("a tree without nodes or samples".to_owned()));
    }
    let splits = (0..tree.nodes.len()).map(|index| split_of(tree, index, data.x.shape().1));
    let splits: Vec<Option<Split>> = splits.collect::<Result<_, _>>()?;
    let mut bag: Vec<u32> = (0..in_bag.len() as u32).filter(|row| in_bag[*row as usize]).collect();
    let mut spans = vec![(0, 0); splits.len()];
    spans[0] = (0, bag.len());
    // Parents come before children, so one pass forward deals the rows out ...
    for (index, split) in splits.iter().enumerate() {
        if let Some(split) = split {
            let (start, end) = spans[index];
            let goes_low =
                |row: &u32| f64::from(*data.x.get((*row as usize, split.input))) <= split.value;
            let middle = start + partition(&mut bag[start..end], goes_low);
            spans[split.children[0]] = (start, middle);
            spans[split.children[1]] = (middle, end);
        }
    }
    // ... and one pass backward sees every child before its parent.
    let mut keeps_split = vec![false; splits.len()];
    let mut stands_for: Vec<Option<usize>> = vec![None; splits.len()];
    let mut seen = vec![usize::MAX; data.distinct];
    for (index, split) in splits.iter().enumerate().rev() {
        let below = split.as_ref().map(|split| split.children.map(|child| stands_for[child]));
        stands_for[index] = match below {
            Some([Some(_), Some(_)]) => {
                keeps_split[index] = true;
                Some(index)
            }
            Some([Some(other), None] | [None, Some(other)]) if keeps_split[other] => Some(other),
            _ => {
                let (start, end) = spans[index];
                let stands = end - start >= params.leaf_rows_min
                    && has_patients(&bag[start..end], data, index, &mut seen, params);
                stands.then_some(index)
            }
        };
    }
    match stands_for[0] {
        Some(root) => {
            let mut nodes = laid_out(tree, &splits, &keeps_split, &stands_for, root);
            count_rows(&mut nodes, &bag, data);
            Ok(nodes)
        }
        None => Err(ModelError::TooFewRows { have: bag.len(), need: params.leaf_rows_min }),
    }
}

/// Moves the rows that go low to the front and returns how many there are.
fn partition(rows: &mut [u32], goes_low: impl Fn(&u32) -> bool) -> usize {
    let mut middle = 0;
    for place in 0..rows.len() {
        if goes_low(&rows[place]) {
            rows.swap(place, middle);
            middle += 1;
        }
    }
    middle
}

/// Whether enough distinct patients stand behind the rows; `seen` holds the node that last counted
/// each patient, so it needs no clearing.
fn has_patients(
    rows: &[u32],
    data: &Data,
    node: usize,
    seen: &mut [usize],
    params: &ForestParams,
) -> bool {
    let mut count = 0;
    for row in rows {
        let patient = data.patients[*row as usize] as usize;
        if seen[patient] != node {
            seen[patient] = node;
            count += 1;
        }
        if count >= params.leaf_patients_min {
            return true;
        }
    }
    false
}

/// The kept nodes in our order, level by level, siblings adjacent; nothing is counted yet.
fn laid_out(
    tree: &MirrorTree,
    splits: &[Option<Split>],
    keeps_split: &[bool],
    stands_for: &[Option<usize>],
    root: usize,
) -> Vec<Node> {
    let mut order = vec![root];
    let mut nodes = Vec::new();
    while let Some(index) = order.as_slice().get(nodes.len()).copied() {
        nodes.push(match &splits[index] {
            Some(split) if keeps_split[index] => {
                let (left, threshold) = (order.len() as u32, rounded_down(split.value));
                order.extend(split.children.map(|child| stands_for[child].unwrap_or(child)));
                let input = split.input as u32;
                Node::Branch { left, input, threshold, missing_left: true, cover: 0 }
            }
            _ => Node::Leaf { value: tree.nodes[index].output.clamp(0.0, 1.0), cover: 0 },
        });
    }
    nodes
}

/// Sends every row of the bag down the tree and counts it at each node it meets.
fn count_rows(nodes: &mut [Node], bag: &[u32], data: &Data) {
    for row in bag {
        let mut at = 0;
        loop {
            // No more rows than u32 can count: smartcore itself refuses them.
            match &mut nodes[at] {
                Node::Leaf { cover, .. } => {
                    *cover += 1;
                    break;
                }
                Node::Branch { left, input, threshold, cover, .. } => {
                    *cover += 1;
                    let value = *data.x.get((*row as usize, *input as usize));
                    at = *left as usize + usize::from(value > *threshold);
                }
            }
        }
    }
}

/// The greatest f32 that is not above the threshold: for f32 values `x`, `x <= threshold` keeps
/// its meaning exactly.
fn rounded_down(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

#[cfg(test)]
mod tests;
