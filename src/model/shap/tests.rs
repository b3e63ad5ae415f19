//! Tests of explanations: all subsets on small trees, the sum rule, and the deepest chain.

use super::*;
use crate::model::{Combine, Node, draws};

/// A random tree of up to `depth` splits on a path; inputs may come up several times on one.
fn tree(uniform: &mut impl FnMut() -> f64, depth: u32, inputs: u32) -> Vec<Node> {
    let mut nodes = vec![Node::Leaf { value: 0.0, cover: 1 }];
    let mut open = vec![(0, 0)];
    while let Some((index, level)) = open.pop() {
        if level == depth || (level > 0 && uniform() < 0.1) {
            nodes[index] = Node::Leaf { value: uniform(), cover: 1 };
            continue;
        }
        let left = nodes.len();
        nodes[index] = Node::Branch {
            left: left as u32,
            input: (uniform() * f64::from(inputs)) as u32,
            threshold: (uniform() * 9.0).floor() as f32 - 4.0,
            missing_left: uniform() < 0.5,
            cover: 0,
        };
        nodes.extend([Node::Leaf { value: 0.0, cover: 1 }; 2]);
        open.extend([(left, level + 1), (left + 1, level + 1)]);
    }
    for index in (0..nodes.len()).rev() {
        if let Node::Branch { left, .. } = nodes[index] {
            let of = |at: usize| match nodes[at] {
                Node::Branch { cover, .. } | Node::Leaf { cover, .. } => cover,
            };
            let sum = of(left as usize) + of(left as usize + 1);
            if let Node::Branch { cover, .. } = &mut nodes[index] {
                *cover = sum;
            }
        }
    }
    nodes
}

/// Values that lie on thresholds and between them, infinities, and missing ones.
fn row(uniform: &mut impl FnMut() -> f64, inputs: u32) -> Vec<f32> {
    let value = |_| match (uniform() * 12.0) as usize {
        0..=2 => f32::NAN,
        3 => f32::INFINITY,
        4 => f32::NEG_INFINITY,
        _ => ((uniform() * 20.0).floor() / 2.0 - 5.0) as f32,
    };
    (0..inputs).map(value).collect()
}

/// The Shapley value of `input` by its definition, over all coalitions of the other inputs.
fn by_definition(trees: &FlatTrees, x: &[f32], reference: &[f32], input: usize) -> f64 {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let inputs = x.len() as u32;
    let margin = |taken: u32| {
        let mix = x.iter().zip(reference).enumerate();
        let mix = mix.map(|(at, (x, from))| if taken >> at & 1 == 1 { *x } else { *from });
        trees.margin(&mix.collect::<Vec<f32>>())
    };
    let others = (0..1u32 << inputs).filter(|taken| taken >> input & 1 == 0);
    let each = others.map(|taken| {
        let size = taken.count_ones();
        let orders = factorial(size) * factorial(inputs - size - 1) / factorial(inputs);
        orders * (margin(taken | 1 << input) - margin(taken))
    });
    each.sum()
}

#[test]
fn equals_all_subsets_on_small_trees() {
    let mut uniform = draws(7);
    let (mut moved, mut missing_moved) = (0, 0);
    for (depth, inputs) in [(0, 1), (1, 2), (3, 3), (4, 6), (5, 4), (6, 2), (7, 8)] {
        let grown: Vec<_> = (0..3).map(|_| tree(&mut uniform, depth, inputs)).collect();
        for combine in [Combine::Mean, Combine::Sum { base: -1.0 }] {
            let trees = FlatTrees::new(inputs as usize, combine, &grown).unwrap();
            for _ in 0..12 {
                let (x, reference) = (row(&mut uniform, inputs), row(&mut uniform, inputs));
                let mut out = vec![9.0; inputs as usize + 1];
                let margin = trees.contributions(&x, &reference, &mut out);
                assert_eq!(margin.to_bits(), trees.margin(&x).to_bits());
                assert_eq!(out.pop(), Some(0.0), "a slot beyond the last input");
                for (input, ours) in out.iter().enumerate() {
                    let right = by_definition(&trees, &x, &reference, input);
                    assert!((ours - right).abs() < 1e-12, "{ours} for {right}");
                    moved += usize::from(right != 0.0);
                    let one_missing = x[input].is_nan() != reference[input].is_nan();
                    missing_moved += usize::from(one_missing && right != 0.0);
                }
            }
        }
    }
    assert!(moved > 200 && missing_moved > 50, "{moved} {missing_moved}");
}

#[test]
fn sums_to_the_distance_from_the_reference_for_every_depth_and_width() {
    let mut uniform = draws(11);
    // The last has more inputs than a narrow node can name.
    for (depth, inputs) in [(2, 20), (8, 20), (9, 60), (12, 200), (13, 20), (9, 1500)] {
        let grown: Vec<_> = (0..20).map(|_| tree(&mut uniform, depth, inputs)).collect();
        for combine in [Combine::Mean, Combine::Sum { base: 0.25 }] {
            let trees = FlatTrees::new(inputs as usize, combine, &grown).unwrap();
            let (x, reference) = (row(&mut uniform, inputs), row(&mut uniform, inputs));
            let mut out = vec![0.0; inputs as usize];
            let margin = trees.contributions(&x, &reference, &mut out);
            assert_eq!(margin.to_bits(), trees.margin(&x).to_bits());
            let gap = margin - trees.margin(&reference);
            assert!((out.iter().sum::<f64>() - gap).abs() < 1e-11);
            // The other way round, every share changes its sign and nothing else.
            let mut back = vec![0.0; inputs as usize];
            trees.contributions(&reference, &x, &mut back);
            assert!(out.iter().zip(&back).all(|(there, back)| (there + back).abs() < 1e-12));
            // A row that is cut short is one with missing values; the reference itself has nothing.
            trees.contributions(&x[..2], &reference, &mut out);
            let gap = trees.margin(&x[..2]) - trees.margin(&reference);
            assert!((out.iter().sum::<f64>() - gap).abs() < 1e-11);
            trees.contributions(&reference, &reference, &mut out);
            assert!(out.iter().all(|share| *share == 0.0));
        }
    }
}

#[test]
fn survives_the_deepest_chain() {
    let mut nodes = Vec::new();
    for level in 0..DEEPEST as u32 {
        let (left, cover) = (2 * level + 1, 1000 - level);
        nodes.push(Node::Branch { left, input: level, threshold: 0.0, missing_left: true, cover });
        nodes.push(Node::Leaf { value: 0.0, cover: 1 });
    }
    // Siblings must be adjacent: the leaf comes first, the next branch second.
    nodes.push(Node::Leaf { value: 1.0, cover: 1000 - DEEPEST as u32 });
    let trees = FlatTrees::new(DEEPEST, Combine::Mean, &[nodes]).unwrap();
    let (x, reference) = (vec![1.0; DEEPEST], vec![-1.0; DEEPEST]);
    let mut out = vec![0.0; DEEPEST];
    trees.contributions(&x, &reference, &mut out);
    // All are needed for the last leaf, so all have the same share in it.
    assert!(out.iter().all(|share| (share - 1.0 / DEEPEST as f64).abs() < 1e-15));
    // Turned round, the leaf is lost as soon as one is missing.
    trees.contributions(&reference, &x, &mut out);
    assert!(out.iter().all(|share| (share + 1.0 / DEEPEST as f64).abs() < 1e-15));
}
