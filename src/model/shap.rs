//! Why the trees said what they said: exact path-dependent Shapley values.
//!
//! For one leaf, input i of its path adds `value * (o_i - z_i) * integral over t in 0..1 of the
//! product over the path's other inputs j of (o_j t + z_j (1 - t))`, where z is the share of
//! training rows that follow the path at the splits on the input, and o is 1 when the row follows
//! it too, else 0 (Lundberg and others 2020, doi:10.1038/s42256-019-0138-9, written as an
//! integral). The integral over t is what weighs all coalitions as Shapley asks. The product is a
//! polynomial of lower degree than the path has inputs, so Gauss-Legendre points integrate it
//! exactly, and no coalition is ever listed.
//!
//! The sum over all leaves takes two passes over the branches of a tree, for all points at once.
//! Say the row goes left at a branch (o = 1) or right (o = 0), a share s of the training rows went
//! left, and the path so far has the product P. Then the left child's product is `P a`, with
//! `a = o t + s (1 - t)`, and the right child's is `P (1 - a)`. Upwards, let R be the sum over the
//! leaves below of value times the product from there on: `R = a R_left + (1 - a) R_right`. The
//! input of the branch gets `(o - s) P (R_left - R_right)`.
//!
//! An input that the path asks for again has one factor in the product, which the new split
//! replaces: with `f = t + z (1 - t)` the old one, `a = (o t + s z (1 - t)) / f`, and the input
//! gets `(o - s) z / f^2 P (R_left - R_right)` on top of what the branch above gave it. Where the row
//! left the path at an earlier split on the input, `a = s`, and it gets nothing more.

use super::FlatTrees;
use super::flat::{Paths, Split};

impl FlatTrees {
    /// Writes what each input adds to the margin of the row `x`; the sum is
    /// `margin(x) - expected()`.
    ///
    /// `out` holds one value per input; a slot beyond the last input is set to 0, and what an input
    /// beyond the last slot would add is dropped.
    pub fn contributions(&self, x: &[f32], out: &mut [f64]) {
        let mut sums = vec![0.0; self.inputs()];
        explain(self, &self.keys(x), &mut sums);
        let share = self.share();
        out.fill(0.0);
        for (slot, sum) in out.iter_mut().zip(&sums) {
            *slot = sum * share;
        }
    }
}

/// Every tree with as few points as its longest path allows: Q points are exact up to the degree
/// 2Q - 1, and the degree is below the number of the path's inputs.
fn explain(trees: &FlatTrees, keys: &[u32], sums: &mut [f64]) {
    explain_with::<2>(trees, keys, 0..=4, sums);
    explain_with::<4>(trees, keys, 5..=8, sums);
    explain_with::<6>(trees, keys, 9..=12, sums);
    explain_with::<8>(trees, keys, 13..=16, sums);
    explain_with::<16>(trees, keys, 17..=32, sums);
    explain_with::<32>(trees, keys, 33..=64, sums);
}

/// Adds the trees whose longest path has so many inputs.
fn explain_with<const Q: usize>(
    trees: &FlatTrees,
    keys: &[u32],
    inputs: std::ops::RangeInclusive<usize>,
    sums: &mut [f64],
) {
    let mut walk: Option<Walk<Q>> = None;
    for paths in trees.paths().iter().filter(|paths| inputs.contains(&paths.inputs_most)) {
        let walk = walk.get_or_insert_with(Walk::new);
        walk.down(paths, keys);
        walk.turn(paths, keys, sums);
        walk.up(paths, keys, sums);
    }
}

/// Both passes over one tree; the lists have one place for each number.
struct Walk<const Q: usize> {
    points: [f64; Q],
    weights: [f64; Q],
    /// For each inner split whether the row goes left there.
    left: Vec<bool>,
    /// Whether the row followed the path at all splits above on the split's input.
    followed: Vec<bool>,
    /// P.
    products: Vec<[f64; Q]>,
    /// R of every split, and of the leaves of inner ones.
    rests: Vec<[f64; Q]>,
}

/// What a split does to a row.
struct Effect<const Q: usize> {
    /// `a`.
    ratio: [f64; Q],
    /// What the split gives its input for each unit of `R_left - R_right`.
    gain: [f64; Q],
    followed: bool,
}

impl<const Q: usize> Walk<Q> {
    fn new() -> Walk<Q> {
        let (points, weights) = gauss_legendre::<Q>();
        let (left, followed) = (Vec::new(), Vec::new());
        Walk { points, weights, left, followed, products: Vec::new(), rests: Vec::new() }
    }

    /// The effect of a split at which the row goes left or not, and P is `product`. The passes ask
    /// for it anew: it takes less time than to write it down and to read it.
    #[inline(always)]
    fn effect(&self, paths: &Paths, split: &Split, left: bool, product: &[f64; Q]) -> Effect<Q> {
        let mut effect = Effect { ratio: [split.share; Q], gain: [0.0; Q], followed: true };
        let surprise = f64::from(u8::from(left)) - split.share;
        if split.repeat == Split::FIRST {
            for q in 0..Q {
                effect.ratio[q] += surprise * self.points[q];
                effect.gain[q] = surprise * product[q];
            }
            return effect;
        }
        let repeat = paths.repeats[split.repeat as usize];
        let above = repeat.above as usize;
        effect.followed = self.followed[above] && self.left[above] == repeat.through_left;
        if effect.followed {
            let (z, went) = (repeat.share_above, f64::from(u8::from(left)));
            for q in 0..Q {
                let t = self.points[q];
                let old = 1.0 / (t + z * (1.0 - t));
                effect.ratio[q] = (went * t + split.share * z * (1.0 - t)) * old;
                effect.gain[q] = surprise * z * old * old * product[q];
            }
        }
        effect
    }

    /// P of all splits.
    fn down(&mut self, paths: &Paths, keys: &[u32]) {
        let numbers = paths.inner.len() + paths.bottoms.len() + paths.leaves.len();
        self.left.resize(paths.inner.len(), false);
        self.followed.resize(paths.inner.len(), false);
        self.products.resize(numbers.max(1), [0.0; Q]);
        self.products[0] = self.weights;
        for (number, inner) in paths.inner.iter().enumerate() {
            let left = goes_left(&inner.split, keys);
            let product = self.products[number];
            let Effect { ratio, followed, .. } = self.effect(paths, &inner.split, left, &product);
            let mut children = [[0.0; Q]; 2];
            for q in 0..Q {
                children[0][q] = product[q] * ratio[q];
                children[1][q] = product[q] - children[0][q];
            }
            self.products[inner.children[0] as usize] = children[0];
            self.products[inner.children[1] as usize] = children[1];
            self.left[number] = left;
            self.followed[number] = followed;
        }
    }

    /// The splits with two leaves: their R, and what they give.
    fn turn(&mut self, paths: &Paths, keys: &[u32], sums: &mut [f64]) {
        let (first, last) = (paths.inner.len(), paths.inner.len() + paths.bottoms.len());
        self.rests.resize(last + paths.leaves.len(), [0.0; Q]);
        for (number, bottom) in (first..).zip(&paths.bottoms) {
            let left = goes_left(&bottom.split, keys);
            let effect = self.effect(paths, &bottom.split, left, &self.products[number]);
            let gap = bottom.low - bottom.high;
            let (mut rest, mut added) = ([bottom.high; Q], 0.0);
            for q in 0..Q {
                rest[q] += effect.ratio[q] * gap;
                added += effect.gain[q] * gap;
            }
            self.rests[number] = rest;
            sums[bottom.split.input()] += added;
        }
        for (rest, value) in self.rests[last..].iter_mut().zip(&paths.leaves) {
            *rest = [*value; Q];
        }
    }

    /// R of the other splits, from below, and what they give.
    fn up(&mut self, paths: &Paths, keys: &[u32], sums: &mut [f64]) {
        for (number, inner) in paths.inner.iter().enumerate().rev() {
            let left = goes_left(&inner.split, keys);
            let effect = self.effect(paths, &inner.split, left, &self.products[number]);
            let low = &self.rests[inner.children[0] as usize];
            let high = &self.rests[inner.children[1] as usize];
            let (mut rest, mut added) = (*high, 0.0);
            for q in 0..Q {
                let gap = low[q] - high[q];
                rest[q] += effect.ratio[q] * gap;
                added += effect.gain[q] * gap;
            }
            self.rests[number] = rest;
            sums[inner.split.input()] += added;
        }
    }
}

fn goes_left(split: &Split, keys: &[u32]) -> bool {
    keys[split.slot as usize] <= split.key
}

/// Points and weights of Gauss-Legendre quadrature on 0..1, by Newton on the Legendre polynomial.
fn gauss_legendre<const Q: usize>() -> ([f64; Q], [f64; Q]) {
    let (mut points, mut weights) = ([0.0; Q], [0.0; Q]);
    for index in 0..Q {
        let mut x = (std::f64::consts::PI * (index as f64 + 0.75) / (Q as f64 + 0.5)).cos();
        let mut slope = 1.0;
        // Newton doubles the digits each time; from this start 6 rounds reach the last bit.
        for _ in 0..8 {
            let (mut last, mut value) = (1.0, x);
            for degree in 2..=Q {
                let n = degree as f64;
                (last, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * last) / n);
            }
            slope = Q as f64 * (x * value - last) / (x * x - 1.0);
            x -= value / slope;
        }
        points[index] = 0.5 * (1.0 + x);
        weights[index] = 1.0 / ((1.0 - x * x) * slope * slope);
    }
    (points, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::flat::DEEPEST;
    use crate::model::{Combine, Node};

    /// A pseudo-random full tree; inputs may come up twice on one path.
    fn tree(seed: &mut u64, depth: u32, inputs: u32) -> Vec<Node> {
        let mut draw = |below: u32| {
            *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((*seed >> 33) as u32) % below
        };
        let branches = (1usize << depth) - 1;
        let mut nodes = vec![Node::Leaf { value: 0.0, cover: 0 }; 2 * branches + 1];
        let mut covers = vec![0u32; nodes.len()];
        for index in (0..nodes.len()).rev() {
            if index >= branches {
                covers[index] = 1 + draw(50);
                let value = f64::from(draw(1000)) / 1000.0;
                nodes[index] = Node::Leaf { value, cover: covers[index] };
            } else {
                let left = 2 * index + 1;
                covers[index] = covers[left] + covers[left + 1];
                nodes[index] = Node::Branch {
                    left: left as u32,
                    input: draw(inputs),
                    threshold: draw(10) as f32 - 5.0,
                    missing_left: draw(2) == 0,
                    cover: covers[index],
                };
            }
        }
        nodes
    }

    /// The expected value of a tree when only the inputs in `known` are known.
    fn expect(tree: &[Node], node: usize, x: &[f32], known: u32) -> f64 {
        let Node::Branch { left, input, threshold, missing_left, .. } = tree[node] else {
            let Node::Leaf { value, .. } = tree[node] else { unreachable!() };
            return value;
        };
        let (left, value) = (left as usize, x[input as usize]);
        if known >> input & 1 == 1 {
            let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
            return expect(tree, left + usize::from(!goes_left), x, known);
        }
        let below = [left, left + 1].map(|child| match tree[child] {
            Node::Branch { cover, .. } | Node::Leaf { cover, .. } => {
                (f64::from(cover), expect(tree, child, x, known))
            }
        });
        let [(a, low), (b, high)] = below;
        (a * low + b * high) / (a + b)
    }

    fn brute(grown: &[Vec<Node>], inputs: u32, x: &[f32], input: u32) -> f64 {
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
        let mut sum = 0.0;
        for known in (0..1u32 << inputs).filter(|known| known >> input & 1 == 0) {
            let size = known.count_ones();
            let weight = factorial(size) * factorial(inputs - size - 1) / factorial(inputs);
            for tree in grown {
                let with = expect(tree, 0, x, known | 1 << input);
                sum += weight * (with - expect(tree, 0, x, known));
            }
        }
        sum
    }

    #[test]
    fn equals_all_subsets_on_small_trees() {
        let mut seed = 7;
        for (depth, inputs) in [(0, 1), (1, 2), (3, 3), (4, 6), (5, 4), (6, 2)] {
            let grown: Vec<_> = (0..3).map(|_| tree(&mut seed, depth, inputs)).collect();
            let mean = FlatTrees::new(inputs as usize, Combine::Mean, &grown).unwrap();
            let sum = Combine::Sum { base: -1.0 };
            let sum = FlatTrees::new(inputs as usize, sum, &grown).unwrap();
            for case in 0..5 {
                let value = |i| match (case + i) % 4 {
                    0 => f32::NAN,
                    _ => ((case * 7 + i * 3) % 11) as f32 - 5.5,
                };
                let x: Vec<f32> = (0..inputs).map(value).collect();
                let mut out = [vec![0.0; inputs as usize], vec![0.0; inputs as usize]];
                mean.contributions(&x, &mut out[0]);
                sum.contributions(&x, &mut out[1]);
                for input in 0..inputs {
                    let right = brute(&grown, inputs, &x, input);
                    assert!((out[0][input as usize] - right / 3.0).abs() < 1e-12);
                    assert!((out[1][input as usize] - right).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn sums_to_the_margin_for_every_depth() {
        let mut seed = 11;
        for depth in [2, 8, 9, 12, 13] {
            let trees = FlatTrees::new(20, Combine::Mean, &[tree(&mut seed, depth, 20)]).unwrap();
            let x: Vec<f32> = (0..20).map(|i| (i % 9) as f32 - 4.5).collect();
            let mut out = vec![9.0; 21];
            trees.contributions(&x, &mut out);
            let sum: f64 = out.iter().sum();
            assert!((sum - (trees.margin(&x) - trees.expected())).abs() < 1e-11);
            assert_eq!(out[20], 0.0);
        }
    }

    #[test]
    fn survives_the_deepest_chain() {
        let mut nodes = Vec::new();
        for level in 0..DEEPEST as u32 {
            let (left, cover) = (2 * level + 1, 1000 - level);
            nodes.push(Node::Branch {
                left,
                input: level,
                threshold: 0.0,
                missing_left: true,
                cover,
            });
            nodes.push(Node::Leaf { value: 0.0, cover: 1 });
        }
        // Siblings must be adjacent: the leaf comes first, the next branch second.
        nodes.push(Node::Leaf { value: 1.0, cover: 1000 - DEEPEST as u32 });
        let trees = FlatTrees::new(DEEPEST, Combine::Mean, &[nodes]).unwrap();
        let x = vec![1.0; DEEPEST];
        let mut out = vec![0.0; DEEPEST];
        trees.contributions(&x, &mut out);
        let gap = out.iter().sum::<f64>() - (trees.margin(&x) - trees.expected());
        assert!(gap.abs() < 1e-10);
    }
}
