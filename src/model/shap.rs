//! Why the trees said what they said: exact path-dependent Shapley values.
//!
//! For one leaf, input i of its path adds `value * (o_i - z_i) * integral over t in 0..1 of the
//! product over the path's other inputs j of (o_j t + z_j (1 - t))`, where z is the share of
//! training rows that follow the path at the splits on the input, and o is 1 when the row follows
//! it too, else 0. The integral over t is what weighs all coalitions as Shapley asks. The product
//! is a polynomial of degree below the depth, so Gauss-Legendre points integrate it exactly, and
//! one walk per tree carries the product at every point: no coalition is ever listed.

use super::flat::{DEEPEST, FlatTrees, Visit};

/// Writes what each input adds to the margin; the sum is `margin(x) - expected()`.
///
/// `out` holds one value per input; a slot beyond the last input is set to 0, and what an input
/// beyond the last slot would add is dropped.
pub(super) fn contributions(trees: &FlatTrees, x: &[f32], out: &mut [f64]) {
    // Q points are exact up to degree 2Q - 1, and the degree is at most depth - 1.
    match trees.depth() {
        0..=8 => explain::<4>(trees, x, out),
        9..=16 => explain::<8>(trees, x, out),
        17..=32 => explain::<16>(trees, x, out),
        _ => explain::<{ DEEPEST / 2 }>(trees, x, out),
    }
}

fn explain<const Q: usize>(trees: &FlatTrees, x: &[f32], out: &mut [f64]) {
    let (points, weights) = gauss_legendre::<Q>();
    let held = vec![Held { zero: 1.0, one: 1.0 }; trees.inputs()];
    let mut walk = Walk { trees, x, points, weights, held, sums: vec![0.0; trees.inputs()] };
    for root in trees.roots() {
        walk.descend(*root as usize, [1.0; Q]);
    }
    let share = trees.share();
    out.fill(0.0);
    for (slot, sum) in out.iter_mut().zip(&walk.sums) {
        *slot = sum * share;
    }
}

/// What the path so far says about one input; 1 and 1 while no split asked for it.
#[derive(Clone, Copy)]
struct Held {
    zero: f64,
    one: f64,
}

impl Held {
    /// The input's factor in the product at point `t`; above 0, as covers are and 0 < t < 1.
    fn factor(self, t: f64) -> f64 {
        self.one * t + self.zero * (1.0 - t)
    }
}

struct Walk<'a, const Q: usize> {
    trees: &'a FlatTrees,
    x: &'a [f32],
    points: [f64; Q],
    weights: [f64; Q],
    held: Vec<Held>,
    sums: Vec<f64>,
}

impl<const Q: usize> Walk<'_, Q> {
    /// Walks below `node`, where the path's product is `product`, and returns the sum over its
    /// leaves of value times product. Recursion is at most `DEEPEST` deep.
    fn descend(&mut self, node: usize, product: [f64; Q]) -> [f64; Q] {
        let (left, input, right) = match self.trees.visit(node, self.x) {
            Visit::Leaf(value) => return product.map(|factor| factor * value),
            Visit::Branch { left, input, right } => (left, input, right),
        };
        let before = self.held[input];
        let mut total = [0.0; Q];
        for (child, taken) in [(left, !right), (left + 1, right)] {
            let share = self.trees.cover(child) / self.trees.cover(node);
            let one = if taken { before.one } else { 0.0 };
            let now = Held { zero: before.zero * share, one };
            // An input asked for twice has one factor: the new one takes the old one's place.
            let mut below = product;
            for (factor, t) in below.iter_mut().zip(self.points) {
                *factor *= now.factor(t) / before.factor(t);
            }
            self.held[input] = now;
            let leaves = self.descend(child, below);
            let mut added = 0.0;
            for q in 0..Q {
                let t = self.points[q];
                // The split above on the same input counts these leaves with its own factor;
                // the second term takes that back.
                let new = (now.one - now.zero) / now.factor(t);
                let old = (before.one - before.zero) / before.factor(t);
                added += self.weights[q] * leaves[q] * (new - old);
                total[q] += leaves[q];
            }
            self.sums[input] += added;
        }
        self.held[input] = before;
        total
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

    /// The expected value when only the inputs in `known` are known.
    fn expect(trees: &FlatTrees, node: usize, x: &[f32], known: u32) -> f64 {
        match trees.visit(node, x) {
            Visit::Leaf(value) => value,
            Visit::Branch { left, input, right } if known >> input & 1 == 1 => {
                expect(trees, left + usize::from(right), x, known)
            }
            Visit::Branch { left, .. } => {
                let (a, b) = (trees.cover(left), trees.cover(left + 1));
                let below = a * expect(trees, left, x, known);
                (below + b * expect(trees, left + 1, x, known)) / (a + b)
            }
        }
    }

    fn brute(trees: &FlatTrees, x: &[f32], input: usize) -> f64 {
        let d = trees.inputs() as u32;
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
        let mut sum = 0.0;
        for known in (0..1u32 << d).filter(|known| known >> input & 1 == 0) {
            let size = known.count_ones();
            let weight = factorial(size) * factorial(d - size - 1) / factorial(d);
            for root in trees.roots() {
                let with = expect(trees, *root as usize, x, known | 1 << input);
                sum += weight * (with - expect(trees, *root as usize, x, known));
            }
        }
        sum * trees.share()
    }

    #[test]
    fn equals_all_subsets_on_small_trees() {
        let mut seed = 7;
        for (depth, inputs) in [(1, 2), (3, 3), (4, 6), (5, 4)] {
            let grown: Vec<_> = (0..3).map(|_| tree(&mut seed, depth, inputs)).collect();
            let trees = FlatTrees::new(inputs as usize, Combine::Mean, &grown).unwrap();
            for case in 0..5 {
                let x: Vec<f32> =
                    (0..inputs).map(|i| ((case * 7 + i * 3) % 11) as f32 - 5.5).collect();
                let mut out = vec![0.0; inputs as usize];
                contributions(&trees, &x, &mut out);
                for (input, got) in out.iter().enumerate() {
                    assert!((got - brute(&trees, &x, input)).abs() < 1e-12);
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
            contributions(&trees, &x, &mut out);
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
        contributions(&trees, &x, &mut out);
        let gap = out.iter().sum::<f64>() - (trees.margin(&x) - trees.expected());
        assert!(gap.abs() < 1e-10);
    }
}
