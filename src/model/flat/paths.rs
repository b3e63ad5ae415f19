//! What explanations need to know of a tree, whatever the row: worked out once, when it is checked.

use super::Node;

/// The splits of one tree. Its branches are numbered in the order of its nodes, and its leaves
/// after them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) struct Paths {
    pub(in crate::model) splits: Vec<Split>,
    pub(in crate::model) repeats: Vec<Repeat>,
    /// The most different inputs that one path asks for.
    pub(in crate::model) inputs_most: usize,
}

/// A branch, seen by an explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Split {
    /// Share of the branch's training rows that went left.
    pub(in crate::model) share: f64,
    /// Its node, counted from the root.
    pub(in crate::model) node: u32,
    /// The numbers of its children, left and right.
    pub(in crate::model) children: [u32; 2],
    /// Its place among the repeats; `Split::FIRST` when no split above asks for the same input.
    pub(in crate::model) repeat: u32,
}

impl Split {
    pub(in crate::model) const FIRST: u32 = u32::MAX;
}

/// What a split on an input that was asked for above has to know of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Repeat {
    /// The number of the nearest branch above on the same input.
    pub(in crate::model) above: u32,
    /// Whether the path goes left there.
    pub(in crate::model) through_left: bool,
    /// The product of the shares of all splits above on the input, each on the path's side.
    pub(in crate::model) share_above: f64,
}

/// How a node is reached.
#[derive(Clone, Copy, Default)]
struct Reached {
    /// The number of the branch above; the root has none.
    from: Option<u32>,
    left: bool,
    /// How many different inputs the path asked for.
    inputs: usize,
}

impl Paths {
    /// `tree` is checked, and in the one order that trees have.
    pub(super) fn of(tree: &[Node]) -> Paths {
        let numbers = numbers(tree);
        let mut reached = vec![Reached::default(); tree.len()];
        let mut paths = Paths { splits: Vec::new(), repeats: Vec::new(), inputs_most: 0 };
        for (index, node) in tree.iter().enumerate() {
            let here = reached[index];
            paths.inputs_most = paths.inputs_most.max(here.inputs);
            let Node::Branch { left, input, cover, .. } = *node else { continue };
            let left = left as usize;
            let repeat = paths.repeat(tree, &reached, input, here);
            let inputs = here.inputs + usize::from(repeat.is_none());
            let from = Some(paths.splits.len() as u32);
            reached[left] = Reached { from, left: true, inputs };
            reached[left + 1] = Reached { from, left: false, inputs };
            paths.splits.push(Split {
                share: f64::from(tree[left].cover()) / f64::from(cover),
                node: index as u32,
                children: [numbers[left], numbers[left + 1]],
                repeat: repeat.map_or(Split::FIRST, |_| paths.repeats.len() as u32),
            });
            paths.repeats.extend(repeat);
        }
        paths
    }

    /// Looks up the path for a split on `input`, beginning above `here`.
    fn repeat(
        &self,
        tree: &[Node],
        reached: &[Reached],
        input: u32,
        here: Reached,
    ) -> Option<Repeat> {
        let mut at = here;
        while let Some(above) = at.from {
            let split = self.splits[above as usize];
            let node = split.node as usize;
            if matches!(tree[node], Node::Branch { input: other, .. } if other == input) {
                let before = self.repeats.get(split.repeat as usize);
                let share = if at.left { split.share } else { 1.0 - split.share };
                let share_above = share * before.map_or(1.0, |repeat| repeat.share_above);
                return Some(Repeat { above, through_left: at.left, share_above });
            }
            at = reached[node];
        }
        None
    }
}

/// The number of every node.
fn numbers(tree: &[Node]) -> Vec<u32> {
    let is_branch = |node: &Node| matches!(node, Node::Branch { .. });
    let branches = tree.iter().filter(|node| is_branch(node)).count() as u32;
    let mut next = [0, branches];
    let number = |node: &Node| {
        let next = if is_branch(node) { &mut next[0] } else { &mut next[1] };
        *next += 1;
        *next - 1
    };
    tree.iter().map(number).collect()
}
