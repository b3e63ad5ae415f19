//! Growing one tree: always the split that gains most next, up to a number of leaves.

use std::ops::Range;

use rayon::prelude::*;

use super::bins::Binned;
use super::split::{Outline, Rules, Split};
use super::sums::{Boards, Sum};
use super::tree::Tree;
use crate::model::input::enough_at;

/// Rows that one thread deals out by itself.
const ROWS_ALONE: usize = 16384;

/// What a tree is grown from.
#[derive(Clone, Copy)]
pub(super) struct Soil<'a> {
    pub(super) binned: &'a Binned,
    pub(super) rules: Rules<'a>,
    /// Of every place.
    pub(super) gradients: &'a [Sum],
    pub(super) patients: &'a [u32],
    /// The inputs of the tree, and how many of them each split chooses from.
    pub(super) inputs: &'a [usize],
    pub(super) inputs_per_split: usize,
    pub(super) seed: u64,
}

/// A node that may still be split.
struct Leaf {
    node: usize,
    depth: usize,
    span: Range<usize>,
    outline: Outline,
    cells: Vec<Sum>,
    split: Split,
}

/// Memory that trees share.
pub(super) struct Grower {
    boards: Boards,
    spare: Vec<u32>,
    cells: Vec<Vec<Sum>>,
    /// Where the rows of every node of the last tree are.
    spans: Vec<Range<usize>>,
}

impl Grower {
    pub(super) fn new() -> Grower {
        let (spare, cells, spans) = (Vec::new(), Vec::new(), Vec::new());
        Grower { boards: Boards::new(), spare, cells, spans }
    }

    /// Where in the rows of the last tree those of each of its nodes are.
    pub(super) fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }

    /// Grows a tree on the places in `rows` and puts the rows of each leaf together.
    pub(super) fn grow(&mut self, soil: &Soil<'_>, rows: &mut [u32]) -> Tree {
        let params = soil.rules.params;
        let gradients = soil.gradients;
        let total = rows.iter().fold(Sum::ZERO, |sum, row| sum.plus(gradients[*row as usize]));
        let outline = Outline::root(total, params);
        let mut tree = Tree::stump(soil.rules.value(total, &outline), rows.len());
        self.spare.resize(rows.len(), 0);
        self.spans.clear();
        self.spans.push(0..rows.len());
        let mut open = Vec::with_capacity(params.leaves);
        let mut cells = self.empty(soil);
        self.boards.sum(soil.binned, gradients, rows, total, &mut cells);
        let root = Place { node: 0, depth: 0, span: 0..rows.len(), outline };
        self.opened(soil, root, cells, &mut open);
        let mut leaves = 1;
        while leaves < params.leaves {
            let Some(next) = most_gain(&open) else { break };
            let leaf = open.swap_remove(next);
            let own = &mut rows[leaf.span.clone()];
            let left = deal(soil.binned, &leaf.split, own, &mut self.spare);
            let (below, above) = own.split_at(left);
            let short = [below, above].into_iter().find(|side| !holds_enough(soil, side));
            if let Some(side) = short.map(<[u32]>::len) {
                // A coarser cut may have the patients: twice the rows is the next to try.
                let outline = Outline { rows_min: 2 * side.max(1), ..leaf.outline };
                let Leaf { node, depth, span, cells, .. } = leaf;
                self.opened(soil, Place { node, depth, span, outline }, cells, &mut open);
                continue;
            }
            leaves += 1;
            self.divide(soil, leaf, left, rows, &mut tree, leaves < params.leaves, &mut open);
        }
        for leaf in open {
            self.cells.push(leaf.cells);
        }
        tree
    }

    /// Makes a node a branch, and its sides leaves.
    fn divide(
        &mut self,
        soil: &Soil<'_>,
        leaf: Leaf,
        left: usize,
        rows: &[u32],
        tree: &mut Tree,
        goes_on: bool,
        open: &mut Vec<Leaf>,
    ) {
        let Leaf { node, depth, span, outline, mut cells, split } = leaf;
        let (middle, depth) = (span.start + left, depth + 1);
        let sides = soil.rules.sides(&outline, &split);
        let spans = [span.start..middle, middle..span.end];
        let values = sides.map(|side| soil.rules.value(side.total, &side));
        let first = tree.divide(node, &split, [0, 1].map(|side| (values[side], spans[side].len())));
        self.spans.extend(spans.iter().cloned());
        let params = soil.rules.params;
        let may_split = |side: &Outline| {
            goes_on && depth < usize::from(params.depth) && soil.rules.may_split(side)
        };
        if !sides.iter().any(may_split) {
            self.cells.push(cells);
            return;
        }
        let smaller = usize::from(spans[1].len() < spans[0].len());
        let larger = 1 - smaller;
        let mut fewer = self.empty(soil);
        let own = &rows[spans[smaller].clone()];
        self.boards.sum(soil.binned, soil.gradients, own, sides[smaller].total, &mut fewer);
        cells.iter_mut().zip(&fewer).for_each(|(cell, other)| *cell = cell.minus(*other));
        for (side, cells) in [(smaller, fewer), (larger, cells)] {
            let (node, span, outline) = (first + side, spans[side].clone(), sides[side]);
            if may_split(&outline) {
                self.opened(soil, Place { node, depth, span, outline }, cells, open);
            } else {
                self.cells.push(cells);
            }
        }
    }

    /// Looks for the best split of a node; without one the node stays a leaf.
    fn opened(&mut self, soil: &Soil<'_>, place: Place, cells: Vec<Sum>, open: &mut Vec<Leaf>) {
        let Place { node, depth, span, outline } = place;
        let inputs = drawn(soil, node);
        let inputs = inputs.as_deref().unwrap_or(soil.inputs);
        match soil.rules.best(soil.binned, &cells, &outline, inputs) {
            Some(split) => open.push(Leaf { node, depth, span, outline, cells, split }),
            None => self.cells.push(cells),
        }
    }

    fn empty(&mut self, soil: &Soil<'_>) -> Vec<Sum> {
        self.cells.pop().unwrap_or_else(|| vec![Sum::ZERO; soil.binned.cells()])
    }
}

/// Where a node is, and what holds for it.
struct Place {
    node: usize,
    depth: usize,
    span: Range<usize>,
    outline: Outline,
}

/// The inputs that a node chooses from, in order; `None` for all of the tree's.
fn drawn(soil: &Soil<'_>, node: usize) -> Option<Vec<usize>> {
    if soil.inputs_per_split >= soil.inputs.len() {
        return None;
    }
    let mut rng = fastrand::Rng::with_seed(soil.seed ^ (node as u64).wrapping_mul(ODD));
    Some(chosen(&mut rng, soil.inputs, soil.inputs_per_split))
}

/// The odd number nearest to 2^64 over the golden ratio: it spreads small numbers over all bits.
pub(super) const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// `count` of `inputs`, drawn without putting back, in their order.
pub(super) fn chosen(rng: &mut fastrand::Rng, inputs: &[usize], count: usize) -> Vec<usize> {
    let mut chosen = rng.choose_multiple(inputs.iter().copied(), count);
    chosen.sort_unstable();
    chosen
}

/// The open leaf with the highest gain; of equals, the one that was made first.
fn most_gain(open: &[Leaf]) -> Option<usize> {
    let places = open.iter().enumerate();
    let most = places
        .max_by(|(_, a), (_, b)| a.split.gain.total_cmp(&b.split.gain).then(b.node.cmp(&a.node)));
    most.map(|(place, _)| place)
}

fn holds_enough(soil: &Soil<'_>, rows: &[u32]) -> bool {
    let patients = rows.iter().map(|row| soil.patients[*row as usize]);
    enough_at(patients, soil.rules.params.leaf_patients_min).is_some()
}

/// Moves the rows that go left to the front, all in their order, and returns how many there are.
fn deal(binned: &Binned, split: &Split, rows: &mut [u32], spare: &mut [u32]) -> usize {
    let codes = binned.codes(split.input);
    let missing = binned.bins()[split.input].missing();
    let mut goes_left = [false; 256];
    goes_left[..=usize::from(split.bin)].fill(true);
    goes_left[usize::from(missing)] = split.missing_left;
    let spare = &mut spare[..rows.len()];
    let part = |rows: &mut [u32], spare: &mut [u32]| {
        let (mut left, mut right) = (0, 0);
        for place in 0..rows.len() {
            let row = rows[place];
            let is_left = goes_left[usize::from(codes[row as usize])];
            // Both are written and one of them counts: no branch to guess wrong.
            rows[left] = row;
            spare[right] = row;
            left += usize::from(is_left);
            right += usize::from(!is_left);
        }
        left
    };
    if rows.len() < 2 * ROWS_ALONE {
        let left = part(rows, spare);
        let right = rows.len() - left;
        rows[left..].copy_from_slice(&spare[..right]);
        return left;
    }
    let parts = rows.par_chunks_mut(ROWS_ALONE).zip(spare.par_chunks_mut(ROWS_ALONE));
    let lefts: Vec<usize> = parts.map(|(rows, spare)| part(rows, spare)).collect();
    let mut end = 0;
    for (part, left) in lefts.iter().enumerate() {
        let from = part * ROWS_ALONE;
        rows.copy_within(from..from + left, end);
        end += left;
    }
    let mut next = end;
    for (spare, left) in spare.chunks(ROWS_ALONE).zip(&lefts) {
        let right = spare.len() - left;
        rows[next..next + right].copy_from_slice(&spare[..right]);
        next += right;
    }
    end
}
