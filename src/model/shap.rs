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
use super::flat::{Packed, Paths, Split, Steps};

impl FlatTrees {
    /// Writes what each input adds to the margin of the row `x`; the sum is
    /// `margin(x) - expected()`.
    ///
    /// `out` holds one value per input; a slot beyond the last input is set to 0, and what an input
    /// beyond the last slot would add is dropped.
    pub fn contributions(&self, x: &[f32], out: &mut [f64]) {
        let mut sums = vec![0.0; self.inputs()];
        match self.steps() {
            Steps::Narrow(steps) => explain(self, steps, &self.keys(x), &mut sums),
            Steps::Wide(steps) => explain(self, steps, &self.keys(x), &mut sums),
        }
        let share = self.share();
        out.fill(0.0);
        for (slot, sum) in out.iter_mut().zip(&sums) {
            *slot = sum * share;
        }
    }
}

/// Every tree with as few points as its longest path allows: Q points are exact up to the degree
/// 2Q - 1, and the degree is below the number of the path's inputs.
fn explain<S: Packed>(trees: &FlatTrees, steps: &[S], keys: &[u32], sums: &mut [f64]) {
    explain_with::<S, 2>(trees, steps, keys, 0..=4, sums);
    explain_with::<S, 4>(trees, steps, keys, 5..=8, sums);
    explain_with::<S, 6>(trees, steps, keys, 9..=12, sums);
    explain_with::<S, 8>(trees, steps, keys, 13..=16, sums);
    explain_with::<S, 16>(trees, steps, keys, 17..=32, sums);
    explain_with::<S, 32>(trees, steps, keys, 33..=64, sums);
}

/// Adds the trees whose longest path has so many inputs.
fn explain_with<S: Packed, const Q: usize>(
    trees: &FlatTrees,
    steps: &[S],
    keys: &[u32],
    inputs: std::ops::RangeInclusive<usize>,
    sums: &mut [f64],
) {
    let mut walk: Option<Walk<Q>> = None;
    for (tree, paths) in trees.paths().iter().enumerate() {
        if inputs.contains(&paths.inputs_most) {
            let (nodes, leaves) = trees.span(tree);
            let walk = walk.get_or_insert_with(Walk::new);
            walk.down(paths, &steps[nodes.clone()], keys);
            walk.up(paths, &steps[nodes], &trees.values()[leaves], sums);
        }
    }
}

/// Both passes over one tree; the lists have one place for each branch or each number.
struct Walk<const Q: usize> {
    points: [f64; Q],
    weights: [f64; Q],
    /// Whether the row goes left at a branch.
    left: Vec<bool>,
    /// Whether the row followed the path at all splits above on the branch's input.
    followed: Vec<bool>,
    /// `a` of every branch.
    ratios: Vec<[f64; Q]>,
    /// P of every branch and leaf, and, once its children have theirs, what it gives its input for
    /// each unit of `R_left - R_right`.
    products: Vec<[f64; Q]>,
    /// R of every branch and leaf.
    rests: Vec<[f64; Q]>,
}

impl<const Q: usize> Walk<Q> {
    fn new() -> Walk<Q> {
        let (points, weights) = gauss_legendre::<Q>();
        let (left, followed) = (Vec::new(), Vec::new());
        let (ratios, products, rests) = (Vec::new(), Vec::new(), Vec::new());
        Walk { points, weights, left, followed, ratios, products, rests }
    }

    fn down<S: Packed>(&mut self, paths: &Paths, nodes: &[S], keys: &[u32]) {
        let branches = paths.splits.len();
        self.left.resize(branches, false);
        self.followed.resize(branches, false);
        self.ratios.resize(branches, [0.0; Q]);
        self.products.resize(2 * branches + 1, [0.0; Q]);
        self.products[0] = self.weights;
        for (branch, split) in paths.splits.iter().enumerate() {
            let step = nodes[split.node as usize];
            let left = keys[step.slot() as usize] <= step.key();
            let product = self.products[branch];
            let mut ratio = [split.share; Q];
            let mut gain = [0.0; Q];
            let went = f64::from(u8::from(left));
            let mut followed = true;
            if split.repeat == Split::FIRST {
                let surprise = went - split.share;
                for q in 0..Q {
                    ratio[q] += surprise * self.points[q];
                    gain[q] = surprise * product[q];
                }
            } else {
                let repeat = paths.repeats[split.repeat as usize];
                let above = repeat.above as usize;
                followed = self.followed[above] && self.left[above] == repeat.through_left;
                if followed {
                    let (z, surprise) = (repeat.share_above, went - split.share);
                    for q in 0..Q {
                        let t = self.points[q];
                        let old = 1.0 / (t + z * (1.0 - t));
                        ratio[q] = (went * t + split.share * z * (1.0 - t)) * old;
                        gain[q] = surprise * z * old * old * product[q];
                    }
                }
            }
            let mut children = [[0.0; Q]; 2];
            for q in 0..Q {
                children[0][q] = product[q] * ratio[q];
                children[1][q] = product[q] - children[0][q];
            }
            self.products[split.children[0] as usize] = children[0];
            self.products[split.children[1] as usize] = children[1];
            self.products[branch] = gain;
            self.ratios[branch] = ratio;
            self.left[branch] = left;
            self.followed[branch] = followed;
        }
    }

    fn up<S: Packed>(&mut self, paths: &Paths, nodes: &[S], values: &[f64], sums: &mut [f64]) {
        let branches = paths.splits.len();
        self.rests.resize(branches + values.len(), [0.0; Q]);
        for (rest, value) in self.rests[branches..].iter_mut().zip(values) {
            *rest = [*value; Q];
        }
        for (branch, split) in paths.splits.iter().enumerate().rev() {
            let low = self.rests[split.children[0] as usize];
            let high = self.rests[split.children[1] as usize];
            let (ratio, gain) = (self.ratios[branch], self.products[branch]);
            let (mut rest, mut added) = (high, 0.0);
            for q in 0..Q {
                let gap = low[q] - high[q];
                rest[q] += ratio[q] * gap;
                added += gain[q] * gap;
            }
            self.rests[branch] = rest;
            let input = nodes[split.node as usize].slot() >> 1;
            sums[input as usize] += added;
        }
    }
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
