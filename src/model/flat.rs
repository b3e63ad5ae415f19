//! Trees in one flat array: how forests and boosted trees are checked, kept and evaluated.
//!
//! Every tree is checked in full before it is used, and laid out anew level by level, siblings
//! adjacent; so no walk can leave the arrays or loop, and the same trees have one form only.
//!
//! - `check`: the rules of one tree, and its order.
//! - `walk`: the evaluator.
//! - `blob`: the stored form.

use std::ops::Range;

use super::ModelError;
use check::ordered;
use walk::Step;

pub(super) use walk::{Packed, Steps, keys};

mod blob;
mod check;
mod walk;

/// No tree is deeper than this many splits.
pub(super) const DEEPEST: usize = 64;

/// A node of one tree, as it is built; child indices count from the tree's root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// `x[input] <= threshold` goes to node `left`, a greater value to `left + 1`.
    Branch {
        /// Index of the left child; its sibling follows it.
        left: u32,
        /// Which input is compared.
        input: u32,
        /// The threshold, finite.
        threshold: f32,
        /// Whether a missing value (NaN) goes left, too.
        missing_left: bool,
        /// Distinct training rows that came here.
        cover: u32,
    },
    /// An end of the tree.
    Leaf {
        /// An event rate, 0 to 1, where trees are averaged; log-odds where they are summed.
        value: f64,
        /// Distinct training rows that came here.
        cover: u32,
    },
}

impl Node {
    fn cover(&self) -> u32 {
        match self {
            Node::Branch { cover, .. } | Node::Leaf { cover, .. } => *cover,
        }
    }
}

/// How the trees of a model make one margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Combine {
    /// The mean of the trees: a forest. Leaf values are event rates, 0 to 1.
    Mean,
    /// `base` plus the sum of the trees: boosted trees. Leaf values are log-odds.
    Sum {
        /// Where the sum starts, log-odds.
        base: f64,
    },
}

/// Trees in one flat array, checked, ready to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct FlatTrees {
    inputs: usize,
    combine: Combine,
    steps: Steps,
    /// The values of the leaves, in the order of the nodes.
    values: Vec<f64>,
    /// Of every node.
    covers: Vec<u32>,
    roots: Vec<u32>,
    depths: Vec<u32>,
}

impl FlatTrees {
    /// Puts trees together; `inputs` is how many values a row has.
    ///
    /// # Errors
    /// `BadPart` when a tree breaks any rule: children behind their parents, siblings adjacent,
    /// every node reached once, covers that add up, finite numbers, at most 64 splits deep.
    pub fn new(
        inputs: usize,
        combine: Combine,
        trees: &[Vec<Node>],
    ) -> Result<FlatTrees, ModelError> {
        let total: usize = trees.iter().map(Vec::len).sum();
        if trees.is_empty() || inputs == 0 {
            return Err(bad("no trees or no inputs"));
        }
        if u32::try_from(total).is_err() || inputs > walk::INPUTS_MAX {
            return Err(bad("too many nodes or inputs"));
        }
        check::check_combine(combine)?;
        let mut flat = FlatTrees {
            inputs,
            combine,
            steps: Steps::with_capacity(inputs, total),
            values: Vec::with_capacity(total / 2 + trees.len()),
            covers: Vec::with_capacity(total),
            roots: Vec::with_capacity(trees.len()),
            depths: Vec::with_capacity(trees.len()),
        };
        for tree in trees {
            let (tree, depth) = ordered(tree, inputs, combine)?;
            flat.depths.push(depth);
            flat.append(&tree);
        }
        Ok(flat)
    }

    /// Adds a checked tree that is in order.
    fn append(&mut self, tree: &[Node]) {
        let offset = self.covers.len() as u32;
        self.roots.push(offset);
        for (index, node) in tree.iter().enumerate() {
            match *node {
                Node::Branch { left, input, threshold, missing_left, .. } => {
                    self.steps.push_branch(offset + left, input, threshold, missing_left);
                }
                Node::Leaf { value, .. } => {
                    let leaf = self.values.len() as u32;
                    self.steps.push_leaf(offset + index as u32, leaf, self.inputs);
                    self.values.push(value);
                }
            }
            self.covers.push(node.cover());
        }
    }

    /// How many values a row has.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How the trees make one margin.
    pub fn combine(&self) -> Combine {
        self.combine
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// How many nodes all trees have together.
    pub fn nodes(&self) -> usize {
        self.covers.len()
    }

    /// Splits on the longest path of the deepest tree.
    pub fn depth(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or(0) as usize
    }

    /// The margin of one row of `inputs()` values: a mean event rate, or log-odds. A value that is
    /// NaN or not there is missing, and goes where each split sends missing values.
    pub fn margin(&self, x: &[f32]) -> f64 {
        self.combined(self.steps.sum(&self.roots, &self.depths, &self.values, self.inputs, x))
    }

    /// The margins of many rows, `rows` holding `inputs()` values for each place of `out`, one row
    /// after the other; the same bits as `margin` gives, and several times faster.
    pub fn margins(&self, rows: &[f32], out: &mut [f64]) {
        self.steps.sums(&self.roots, &self.depths, &self.values, self.inputs, rows, out);
        for sum in out {
            *sum = self.combined(*sum);
        }
    }

    /// The same model with its first `trees` trees only, at least one and at most all.
    pub fn first(&self, trees: usize) -> FlatTrees {
        let trees = trees.clamp(1, self.trees());
        let (nodes, leaves) = self.span(trees - 1);
        let mut first = self.clone();
        first.steps.truncate(nodes.end);
        first.values.truncate(leaves.end);
        first.covers.truncate(nodes.end);
        first.roots.truncate(trees);
        first.depths.truncate(trees);
        first
    }

    /// How much of a tree's value the margin takes.
    pub(super) fn share(&self) -> f64 {
        match self.combine {
            Combine::Mean => 1.0 / self.roots.len() as f64,
            Combine::Sum { .. } => 1.0,
        }
    }

    /// The margin that a sum over the trees stands for.
    pub(super) fn combined(&self, sum: f64) -> f64 {
        match self.combine {
            Combine::Mean => sum / self.roots.len() as f64,
            Combine::Sum { base } => base + sum,
        }
    }

    /// The nodes of one tree, in order.
    pub(super) fn nodes_of(&self, tree: usize) -> impl Iterator<Item = Node> {
        let root = self.roots[tree];
        self.span(tree).0.map(move |index| {
            let (step, cover) = (self.steps.at(index), self.covers[index]);
            match step {
                Step::Leaf { leaf } => Node::Leaf { value: self.values[leaf as usize], cover },
                Step::Branch { left, input, threshold, missing_left } => {
                    Node::Branch { left: left - root, input, threshold, missing_left, cover }
                }
            }
        })
    }

    /// The nodes of all trees as walks read them.
    pub(super) fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Where each tree begins among the nodes.
    pub(super) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// The values of the leaves; a leaf's key is its place here.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The nodes and the leaves of one tree.
    pub(super) fn span(&self, tree: usize) -> (Range<usize>, Range<usize>) {
        let root = |tree: usize| self.roots.get(tree).map_or(self.nodes(), |root| *root as usize);
        // A tree has one leaf more than branches.
        let leaves = |tree: usize| (root(tree) + tree) / 2;
        (root(tree)..root(tree + 1), leaves(tree)..leaves(tree + 1))
    }
}

fn bad(reason: &str) -> ModelError {
    ModelError::BadPart(format!("trees: {reason}"))
}

#[cfg(test)]
mod tests;
