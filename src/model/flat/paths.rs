//! What explanations need to know of a tree, whatever the row: worked out once, when it is checked.

use super::Node;
use super::walk::test_of;

/// The splits of one tree, each with numbers: first the splits that have a split below them, then those
/// that have only leaves, then the leaves of the former.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::model) struct Paths {
    /// Splits with a split below, parents first.
    pub(in crate::model) inner: Vec<Inner>,
    /// Splits with two leaves: about half of all.
    pub(in crate::model) bottoms: Vec<Bottom>,
    /// The values of the leaves that inner splits have.
    pub(in crate::model) leaves: Vec<f64>,
    pub(in crate::model) repeats: Vec<Repeat>,
    /// The most different inputs that one path asks for.
    pub(in crate::model) inputs_most: usize,
}

/// A split, seen by an explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Split {
    /// Share of the training rows at the split that went left.
    pub(in crate::model) share: f64,
    /// The slot of the row that is compared, and with what: up to it the row goes left.
    pub(in crate::model) slot: u32,
    pub(in crate::model) key: u32,
    /// Its place among the repeats; `Split::FIRST` when no split above asks for the same input.
    pub(in crate::model) repeat: u32,
}

impl Split {
    pub(in crate::model) const FIRST: u32 = u32::MAX;

    pub(in crate::model) fn input(&self) -> usize {
        (self.slot >> 1) as usize
    }
}

/// A split with another one below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Inner {
    pub(in crate::model) split: Split,
    /// The numbers of its children, left and right.
    pub(in crate::model) children: [u32; 2],
}

/// A split with two leaves, of these values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Bottom {
    pub(in crate::model) split: Split,
    pub(in crate::model) low: f64,
    pub(in crate::model) high: f64,
}

/// What a split on an input that was asked for above has to know of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Repeat {
    /// The number of the nearest split above on the same input.
    pub(in crate::model) above: u32,
    /// Whether the path goes left there.
    pub(in crate::model) through_left: bool,
    /// The product of the shares of all splits above on the input, each on the path's side.
    pub(in crate::model) share_above: f64,
}

/// How a node is reached, and what was found at it.
#[derive(Clone, Copy)]
struct Reached {
    /// The node of the split above; the root has none.
    from: Option<usize>,
    left: bool,
    /// How many different inputs the path asked for.
    inputs: usize,
    /// Of a split, once it was met.
    share: f64,
    repeat: u32,
}

impl Paths {
    /// `tree` is checked, and in the one order that trees have.
    pub(super) fn of(tree: &[Node]) -> Paths {
        let numbers = numbers(tree);
        let root = Reached { from: None, left: false, inputs: 0, share: 0.0, repeat: Split::FIRST };
        let mut reached = vec![root; tree.len()];
        let mut paths = Paths::default();
        for (index, node) in tree.iter().enumerate() {
            let here = reached[index];
            paths.inputs_most = paths.inputs_most.max(here.inputs);
            let Node::Branch { left, input, threshold, missing_left, cover } = *node else {
                continue;
            };
            let left = left as usize;
            let repeat = paths.repeat(tree, &reached, &numbers, input, here);
            let share = f64::from(tree[left].cover()) / f64::from(cover);
            let place = repeat.map_or(Split::FIRST, |_| paths.repeats.len() as u32);
            (reached[index].share, reached[index].repeat) = (share, place);
            let inputs = here.inputs + usize::from(repeat.is_none());
            reached[left] = Reached { from: Some(index), left: true, inputs, ..root };
            reached[left + 1] = Reached { from: Some(index), left: false, inputs, ..root };
            paths.repeats.extend(repeat);
            let (slot, key) = test_of(input, threshold, missing_left);
            let split = Split { share, slot, key, repeat: place };
            if let [Node::Leaf { value: low, .. }, Node::Leaf { value: high, .. }] =
                tree[left..=left + 1]
            {
                paths.bottoms.push(Bottom { split, low, high });
                continue;
            }
            paths.inner.push(Inner { split, children: [numbers[left], numbers[left + 1]] });
            paths.leaves.extend(tree[left..=left + 1].iter().filter_map(|child| match *child {
                Node::Leaf { value, .. } => Some(value),
                Node::Branch { .. } => None,
            }));
        }
        paths
    }

    /// Looks up the path for a split on `input`, beginning above `here`.
    fn repeat(
        &self,
        tree: &[Node],
        reached: &[Reached],
        numbers: &[u32],
        input: u32,
        here: Reached,
    ) -> Option<Repeat> {
        let mut at = here;
        while let Some(above) = at.from {
            let split = reached[above];
            if matches!(tree[above], Node::Branch { input: other, .. } if other == input) {
                let before = self.repeats.get(split.repeat as usize);
                let share = if at.left { split.share } else { 1.0 - split.share };
                let share_above = share * before.map_or(1.0, |repeat| repeat.share_above);
                return Some(Repeat { above: numbers[above], through_left: at.left, share_above });
            }
            at = split;
        }
        None
    }
}

/// The number of every split, and of every leaf below an inner one; leaves of others have none.
fn numbers(tree: &[Node]) -> Vec<u32> {
    let is_leaf = |node: &Node| matches!(node, Node::Leaf { .. });
    let children = |node: &Node| match *node {
        Node::Branch { left, .. } => Some(left as usize..left as usize + 2),
        Node::Leaf { .. } => None,
    };
    let is_inner =
        |node: &Node| children(node).is_some_and(|children| !tree[children].iter().all(is_leaf));
    let splits = tree.iter().filter(|node| !is_leaf(node)).count() as u32;
    let inner = tree.iter().filter(|node| is_inner(node)).count() as u32;
    let (mut next_inner, mut next_bottom, mut next_leaf) = (0, inner, splits);
    let mut numbers = vec![u32::MAX; tree.len()];
    let mut take = |next: &mut u32, node: usize| {
        numbers[node] = *next;
        *next += 1;
    };
    for (index, node) in tree.iter().enumerate() {
        match children(node) {
            Some(children) if is_inner(node) => {
                take(&mut next_inner, index);
                let leaves = children.filter(|child| is_leaf(&tree[*child]));
                leaves.for_each(|leaf| take(&mut next_leaf, leaf));
            }
            Some(_) => take(&mut next_bottom, index),
            None => {}
        }
    }
    numbers
}
