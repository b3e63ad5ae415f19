//! Growing one tree: always the split that gains most next, up to a number of leaves.

use rayon::prelude::*;

use super::bins::Binned;
use super::split::{Outline, Rules, Split};
use super::sums::{Boards, Sum, total};
use super::tree::Tree;
use crate::model::input::enough_at;

/// Rows that one thread deals out by itself.
const ROWS_ALONE: usize = 4096;
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
    let (node, depth, seed, split) = (0, 0, soil.seed, None);
    let mut root = Leaf { node, depth, seed, rows, outline, cells, split };
    root.split = best(soil, &root);
    let mut leaves = vec![root];
    while leaves.len() < params.leaves {
        let Some((next, split)) = most_gain(&leaves) else { break };
        let leaf = &mut leaves[next];
        let (low, high) = deal(soil, &split, &leaf.rows);
        let short = [&low, &high].into_iter().find(|side| !holds_enough(soil, side));
        if let Some(side) = short {
            // A coarser cut may have the patients: twice the rows is the next to try.
            leaf.outline.rows_min = 2 * side.len().max(1);
            leaf.split = best(soil, leaf);
            continue;
        }
        let leaf = leaves.swap_remove(next);
        let goes_on = leaves.len() + 2 < params.leaves;
        let node = leaf.node;
        let mut sides = sides(soil, leaf, &split, [low, high], goes_on);
        let value = |side: &Leaf| soil.rules.value(side.outline.total, &side.outline);
        let values = [&sides[0], &sides[1]].map(|side| (value(side), side.rows.len()));
        let first = tree.divide(node, &split, values);
        (sides[0].node, sides[1].node) = (first, first + 1);
        leaves.extend(sides);
    }
    leaves.iter_mut().for_each(|leaf| soil.boards.give(std::mem::take(&mut leaf.cells)));
    Grown { tree, leaves: leaves.into_iter().map(|leaf| (leaf.node, leaf.rows)).collect() }
}

/// The leaf with the highest gain, and its split; of equals, the one that was made first.
fn most_gain(leaves: &[Leaf]) -> Option<(usize, Split)> {
    let open = leaves.iter().enumerate();
    let open = open.filter_map(|(place, leaf)| Some((place, leaf.node, leaf.split?)));
    let most = open.max_by(|a, b| a.2.gain.total_cmp(&b.2.gain).then(b.1.cmp(&a.1)));
    most.map(|(place, _, split)| (place, split))
}

/// The sides of a split as leaves of their own, with their best splits.
fn sides(
    soil: &Soil<'_>,
    leaf: Leaf,
    split: &Split,
    rows: [Vec<u32>; 2],
    goes_on: bool,
) -> [Leaf; 2] {
    let outlines = soil.rules.sides(&leaf.outline, split);
    let depth = leaf.depth + 1;
    let may_split = outlines.map(|outline| {
        goes_on && depth < usize::from(soil.rules.params.depth) && soil.rules.may_split(&outline)
    });
    let mut cells = leaf.cells;
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
        let (node, outline, seed, split) = (0, outlines[place], seeds[place], None);
        let mut side = Leaf { node, depth, seed, rows, outline, cells, split };
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

/// The rows of the left side and those of the right one, both in rising order.
type Dealt = (Vec<u32>, Vec<u32>);

/// The rows that go left and those that go right, both in their order.
fn deal(soil: &Soil<'_>, split: &Split, rows: &[u32]) -> Dealt {
    let binned = soil.binned;
    let codes = binned.codes(split.input);
    let missing = binned.bins()[split.input].missing();
    let mut goes_left = [false; 256];
    goes_left[..=usize::from(split.bin)].fill(true);
    goes_left[usize::from(missing)] = split.missing_left;
    let part = |rows: &[u32]| {
        let [mut lefts, mut rights] = [(); 2].map(|()| soil.boards.rows(rows.len()));
        let (mut left, mut right) = (0, 0);
        for row in rows {
            let is_left = goes_left[usize::from(codes[*row as usize])];
            // Both are written and one of them counts: no branch to guess wrong.
            lefts[left] = *row;
            rights[right] = *row;
            left += usize::from(is_left);
            right += usize::from(!is_left);
        }
        let dealt = (lefts[..left].to_vec(), rights[..right].to_vec());
        soil.boards.give_rows([lefts, rights]);
        dealt
    };
    if rows.len() < 2 * ROWS_ALONE {
        return part(rows);
    }
    let share = rows.len().div_ceil(rayon::current_num_threads()).max(ROWS_ALONE);
    let parts: Vec<Dealt> = rows.par_chunks(share).map(part).collect();
    let joined = |side: fn(&Dealt) -> &Vec<u32>| {
        let parts: Vec<&[u32]> = parts.iter().map(|part| side(part).as_slice()).collect();
        parts.concat()
    };
    (joined(|part| &part.0), joined(|part| &part.1))
}
