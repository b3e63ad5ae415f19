//! Growing one tree: always the split that gains most next, up to a number of leaves.
//!
//! With several threads, the leaves that gain most are divided at the same time, ahead of their
//! turn. What is done ahead changes no result: a division depends on nothing but its own leaf.

use rayon::prelude::*;

use super::bins::Binned;
use super::split::{Outline, Rules, Split};
use super::sums::{Boards, Sum, total};
use super::tree::Tree;
use crate::model::input::enough_at;

/// Rows that one thread deals out by itself.
const ROWS_ALONE: usize = 8192;
/// A leaf is divided ahead of its turn when it is among this part of the divisions to come: the
/// leaves that are made meanwhile may gain more, and what is done in vain costs time.
const NEAR: usize = 4;
/// The odd number nearest to 2^64 over the golden ratio: it spreads small numbers over all bits.
pub(super) const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a tree is grown from.
#[derive(Clone, Copy)]
pub(super) struct Soil<'a> {
    pub(super) binned: &'a Binned,
    pub(super) rules: Rules<'a>,
    pub(super) boards: &'a Boards,
    /// Of every place.
    pub(super) gradients: &'a [Sum],
    pub(super) patients: &'a [u32],
    /// The inputs of the tree, and how many of them each split chooses from.
    pub(super) inputs: &'a [usize],
    pub(super) inputs_per_split: usize,
    pub(super) seed: u64,
}

/// An end of the tree so far, with the best split that is known for it.
struct Leaf {
    node: usize,
    depth: usize,
    /// Draws its inputs; its path in the tree makes it.
    seed: u64,
    /// Places, in rising order.
    rows: Vec<u32>,
    outline: Outline,
    /// Empty where it may not be split any more.
    cells: Vec<Sum>,
    split: Option<Split>,
    /// What the split makes of it, once that is worked out.
    sides: Option<Box<[Leaf; 2]>>,
}

impl Leaf {
    fn gain(&self) -> f64 {
        self.split.map_or(0.0, |split| split.gain)
    }
}

/// A tree, and its leaves with the places of their rows, in rising order.
pub(super) struct Grown {
    pub(super) tree: Tree,
    pub(super) leaves: Vec<(usize, Vec<u32>)>,
}

/// Grows a tree on the places in `rows`.
pub(super) fn grow(soil: &Soil<'_>, rows: Vec<u32>) -> Grown {
    let params = soil.rules.params;
    let outline = Outline::root(total(soil.gradients, &rows), params);
    let mut tree = Tree::stump(soil.rules.value(outline.total, &outline), rows.len());
    let mut cells = soil.boards.cells(soil.binned);
    soil.boards.sum(soil.binned, soil.gradients, &rows, outline.total, &mut cells);
    let (node, depth, seed, split, sides) = (0, 0, soil.seed, None, None);
    let mut root = Leaf { node, depth, seed, rows, outline, cells, split, sides };
    root.split = best(soil, &root);
    let (mut leaves, mut closed) = (vec![root], Vec::new());
    while leaves.len() + closed.len() < params.leaves {
        // Leaves without a split stand aside: the others are searched at every turn.
        closed.extend(leaves.extract_if(.., |leaf| leaf.split.is_none()));
        let left = params.leaves - leaves.len() - closed.len();
        leaves.sort_by(|a, b| b.gain().total_cmp(&a.gain()).then(a.node.cmp(&b.node)));
        let Some(first) = leaves.first_mut() else { break };
        let Some(sides) = first.sides.take() else {
            let near = leaves.len().min((left / NEAR).max(1));
            work_ahead(soil, &mut leaves[..near], left > 1);
            continue;
        };
        let leaf = leaves.swap_remove(0);
        let Some(split) = leaf.split else { continue };
        let values = [&sides[0], &sides[1]]
            .map(|side| (soil.rules.value(side.outline.total, &side.outline), side.rows.len()));
        let first = tree.divide(leaf.node, &split, values);
        for (place, mut side) in sides.into_iter().enumerate() {
            side.node = first + place;
            leaves.push(side);
        }
    }
    for leaf in leaves.iter_mut().chain(&mut closed) {
        soil.boards.give(std::mem::take(&mut leaf.cells));
    }
    let leaves = leaves.into_iter().chain(closed).map(|leaf| (leaf.node, leaf.rows)).collect();
    Grown { tree, leaves }
}

/// Divides the first of the leaves and others that wait, one for each thread.
fn work_ahead(soil: &Soil<'_>, leaves: &mut [Leaf], goes_on: bool) {
    let waiting = leaves.iter_mut().filter(|leaf| leaf.sides.is_none());
    let mut next: Vec<&mut Leaf> = waiting.take(rayon::current_num_threads()).collect();
    match next.as_mut_slice() {
        [only] => divide(soil, only, goes_on),
        several => several.par_iter_mut().with_max_len(1).for_each(|leaf| {
            divide(soil, leaf, goes_on);
        }),
    }
}

/// Works out the sides of a leaf's split. When a side has too few patients, the leaf gets its next
/// best split, or none.
fn divide(soil: &Soil<'_>, leaf: &mut Leaf, goes_on: bool) {
    while let Some(split) = leaf.split {
        let (low, high) = deal(soil.binned, &split, &leaf.rows);
        let short = [&low, &high].into_iter().find(|side| !holds_enough(soil, side));
        if let Some(side) = short {
            // A coarser cut may have the patients: twice the rows is the next to try.
            leaf.outline.rows_min = 2 * side.len().max(1);
            leaf.split = best(soil, leaf);
            continue;
        }
        leaf.sides = Some(Box::new(sides(soil, leaf, &split, [low, high], goes_on)));
        return;
    }
}

/// The sides of a split as leaves of their own, with their best splits.
fn sides(
    soil: &Soil<'_>,
    leaf: &mut Leaf,
    split: &Split,
    rows: [Vec<u32>; 2],
    goes_on: bool,
) -> [Leaf; 2] {
    let outlines = soil.rules.sides(&leaf.outline, split);
    let depth = leaf.depth + 1;
    let may_split = outlines.map(|outline| {
        goes_on && depth < usize::from(soil.rules.params.depth) && soil.rules.may_split(&outline)
    });
    let mut cells = std::mem::take(&mut leaf.cells);
    let smaller = usize::from(rows[1].len() < rows[0].len());
    let mut fewer = Vec::new();
    if may_split.contains(&true) {
        fewer = soil.boards.cells(soil.binned);
        let total = outlines[smaller].total;
        soil.boards.sum(soil.binned, soil.gradients, &rows[smaller], total, &mut fewer);
        cells.iter_mut().zip(&fewer).for_each(|(cell, other)| *cell = cell.minus(*other));
    }
    let [low, high] = rows;
    let seeds = [1, 2].map(|side| (leaf.seed ^ side).wrapping_mul(ODD).rotate_left(29));
    let side = |place: usize, rows: Vec<u32>, cells: Vec<Sum>| {
        let (node, outline, seed, split, sides) = (0, outlines[place], seeds[place], None, None);
        let mut side = Leaf { node, depth, seed, rows, outline, cells, split, sides };
        if may_split[place] {
            side.split = best(soil, &side);
        }
        if side.split.is_none() {
            soil.boards.give(std::mem::take(&mut side.cells));
        }
        side
    };
    let [first, second] = if smaller == 0 { [fewer, cells] } else { [cells, fewer] };
    [side(0, low, first), side(1, high, second)]
}

/// The best split of a leaf that has its sums.
fn best(soil: &Soil<'_>, leaf: &Leaf) -> Option<Split> {
    let drawn = (soil.inputs_per_split < soil.inputs.len()).then(|| {
        let mut rng = fastrand::Rng::with_seed(leaf.seed);
        chosen(&mut rng, soil.inputs, soil.inputs_per_split)
    });
    let inputs = drawn.as_deref().unwrap_or(soil.inputs);
    soil.rules.best(soil.binned, &leaf.cells, &leaf.outline, inputs)
}

/// `count` of `inputs`, drawn without putting back, in their order.
pub(super) fn chosen(rng: &mut fastrand::Rng, inputs: &[usize], count: usize) -> Vec<usize> {
    let mut chosen = rng.choose_multiple(inputs.iter().copied(), count);
    chosen.sort_unstable();
    chosen
}

fn holds_enough(soil: &Soil<'_>, rows: &[u32]) -> bool {
    let patients = rows.iter().map(|row| soil.patients[*row as usize]);
    enough_at(patients, soil.rules.params.leaf_patients_min).is_some()
}

/// The rows that go left and those that go right, both in their order.
fn deal(binned: &Binned, split: &Split, rows: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let codes = binned.codes(split.input);
    let missing = binned.bins()[split.input].missing();
    let mut goes_left = [false; 256];
    goes_left[..=usize::from(split.bin)].fill(true);
    goes_left[usize::from(missing)] = split.missing_left;
    let part = |rows: &[u32]| {
        let (mut lefts, mut rights) = (vec![0; rows.len()], vec![0; rows.len()]);
        let (mut left, mut right) = (0, 0);
        for row in rows {
            let is_left = goes_left[usize::from(codes[*row as usize])];
            // Both are written and one of them counts: no branch to guess wrong.
            lefts[left] = *row;
            rights[right] = *row;
            left += usize::from(is_left);
            right += usize::from(!is_left);
        }
        lefts.truncate(left);
        rights.truncate(right);
        (lefts, rights)
    };
    if rows.len() < 2 * ROWS_ALONE {
        return part(rows);
    }
    let parts: Vec<(Vec<u32>, Vec<u32>)> = rows.par_chunks(ROWS_ALONE).map(part).collect();
    let joined = |side: fn(&(Vec<u32>, Vec<u32>)) -> &Vec<u32>| {
        let parts: Vec<&[u32]> = parts.iter().map(|part| side(part).as_slice()).collect();
        parts.concat()
    };
    (joined(|part| &part.0), joined(|part| &part.1))
}
