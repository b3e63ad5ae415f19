//! The rules of one tree, and its one order: level by level, siblings adjacent.

use super::{Combine, DEEPEST, Node, bad};
use crate::model::ModelError;

/// Log-odds of a leaf or a base beyond this are no model's: the bound keeps every sum finite.
const LOG_ODDS_MAX: f64 = 1e6;

/// Checks where a sum starts.
pub(super) fn check_combine(combine: Combine) -> Result<(), ModelError> {
    match combine {
        Combine::Sum { base } if !is_log_odds(base) => Err(bad("a base that is no log-odds")),
        _ => Ok(()),
    }
}

/// Checks one tree in full; returns it level by level, with its depth in splits.
pub(super) fn ordered(
    tree: &[Node],
    inputs: usize,
    combine: Combine,
) -> Result<(Vec<Node>, u32), ModelError> {
    let depth = checked_depth(tree, inputs, combine)?;
    let mut order = vec![0];
    let mut nodes = Vec::with_capacity(tree.len());
    while let Some(index) = order.as_slice().get(nodes.len()).copied() {
        let mut node = tree[index as usize];
        if let Node::Branch { left, .. } = &mut node {
            order.extend([*left, *left + 1]);
            *left = order.len() as u32 - 2;
        }
        nodes.push(node);
    }
    Ok((nodes, depth))
}

fn checked_depth(tree: &[Node], inputs: usize, combine: Combine) -> Result<u32, ModelError> {
    if tree.is_empty() {
        return Err(bad("a tree without nodes"));
    }
    // 0 = not reached yet; the root is at level 1. Children lie behind their parent, so one pass
    // in order of index sees every parent first.
    let mut level = vec![0u32; tree.len()];
    level[0] = 1;
    for (index, node) in tree.iter().enumerate() {
        if level[index] == 0 {
            return Err(bad("a node that cannot be reached"));
        }
        if level[index] as usize > DEEPEST + 1 {
            return Err(bad("a tree that is too deep"));
        }
        if node.cover() == 0 {
            return Err(bad("a node without training rows"));
        }
        match *node {
            Node::Leaf { value, .. } => check_value(value, combine)?,
            Node::Branch { left, input, threshold, cover, .. } => {
                let left = left as usize;
                if left <= index || left >= tree.len() - 1 {
                    return Err(bad("a child that does not lie behind its parent"));
                }
                if level[left] != 0 || level[left + 1] != 0 {
                    return Err(bad("a node with two parents"));
                }
                if input as usize >= inputs || !threshold.is_finite() {
                    return Err(bad("a split on no input or at no number"));
                }
                let below = u64::from(tree[left].cover()) + u64::from(tree[left + 1].cover());
                if below != u64::from(cover) {
                    return Err(bad("a cover that is not the sum of its children's"));
                }
                level[left] = level[index] + 1;
                level[left + 1] = level[index] + 1;
            }
        }
    }
    Ok(level.iter().copied().max().unwrap_or(1) - 1)
}

fn check_value(value: f64, combine: Combine) -> Result<(), ModelError> {
    match combine {
        Combine::Mean if !(0.0..=1.0).contains(&value) => Err(bad("a leaf value outside 0 to 1")),
        Combine::Sum { .. } if !is_log_odds(value) => Err(bad("a leaf value that is no log-odds")),
        _ => Ok(()),
    }
}

fn is_log_odds(value: f64) -> bool {
    (-LOG_ODDS_MAX..=LOG_ODDS_MAX).contains(&value)
}
