//! A grown tree over codes, and the way from it to the stored form.

use super::super::Node;
use super::bins::Binned;
use super::split::Split;

/// A node of a grown tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TreeNode {
    /// Codes up to `bin` go to node `left`, greater ones to `left + 1`, missing values as said.
    Branch { left: u32, input: u32, bin: u8, missing_left: bool, rows: u32 },
    /// The end, with the log-odds it adds.
    Leaf { value: f64, rows: u32 },
}

/// Nodes from the root on; siblings are adjacent and lie behind their parent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<TreeNode>,
}

impl Tree {
    /// A tree of one leaf.
    pub(super) fn stump(value: f64, rows: usize) -> Tree {
        Tree { nodes: vec![TreeNode::Leaf { value, rows: rows as u32 }] }
    }

    /// Makes a leaf a branch; `sides` are the values and rows of the new leaves, left first.
    /// Returns the number of the left one.
    pub(super) fn divide(&mut self, node: usize, split: &Split, sides: [(f64, usize); 2]) -> usize {
        let first = self.nodes.len();
        let rows = sides.iter().map(|(_, rows)| *rows as u32).sum();
        self.nodes[node] = TreeNode::Branch {
            left: first as u32,
            input: split.input as u32,
            bin: split.bin,
            missing_left: split.missing_left,
            rows,
        };
        self.nodes.extend(sides.map(|(value, rows)| TreeNode::Leaf { value, rows: rows as u32 }));
        first
    }

    /// The value of a leaf; 0 for a branch.
    pub(super) fn leaf_value(&self, node: usize) -> f64 {
        match self.nodes.get(node) {
            Some(TreeNode::Leaf { value, .. }) => *value,
            _ => 0.0,
        }
    }

    /// Shrinks the leaves. They become f32 numbers, which a stored tree holds without loss.
    pub(super) fn shrink(&mut self, learning_rate: f64) {
        for node in &mut self.nodes {
            if let TreeNode::Leaf { value, .. } = node {
                *value = f64::from((*value * learning_rate) as f32);
            }
        }
    }

    /// The value for a row with these codes.
    pub(super) fn value(&self, binned: &Binned, code: impl Fn(usize) -> u8) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                TreeNode::Leaf { value, .. } => return value,
                TreeNode::Branch { left, input, bin, missing_left, .. } => {
                    let input = input as usize;
                    let code = code(input);
                    let is_missing = code == binned.bins()[input].missing();
                    let is_left = if is_missing { missing_left } else { code <= bin };
                    at = left as usize + usize::from(!is_left);
                }
            }
        }
    }

    /// The tree over values instead of codes.
    pub(super) fn stored(&self, binned: &Binned) -> Vec<Node> {
        let stored = |node: &TreeNode| match *node {
            TreeNode::Leaf { value, rows } => Node::Leaf { value, cover: rows },
            TreeNode::Branch { left, input, bin, missing_left, rows } => {
                let cuts = &binned.bins()[input as usize].cuts;
                // Behind the last cut are missing values alone.
                let threshold = cuts.get(usize::from(bin)).copied().unwrap_or(f32::MAX);
                Node::Branch { left, input, threshold, missing_left, cover: rows }
            }
        };
        self.nodes.iter().map(stored).collect()
    }
}
