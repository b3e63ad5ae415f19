//! Tests of the trees: walks, round trips, and every kind of damage.

use super::*;
use crate::model::draws;

fn branch(left: u32, input: u32, threshold: f32, missing_left: bool, cover: u32) -> Node {
    Node::Branch { left, input, threshold, missing_left, cover }
}

fn leaf(value: f64, cover: u32) -> Node {
    Node::Leaf { value, cover }
}

fn small(combine: Combine) -> FlatTrees {
    let first = vec![
        branch(1, 0, 1.0, true, 100),
        leaf(0.1, 60),
        branch(3, 1, -2.5, false, 40),
        leaf(0.25, 10),
        leaf(0.75, 30),
    ];
    FlatTrees::new(2, combine, &[first, vec![leaf(0.5, 100)]]).unwrap()
}

/// Random trees: children in any order behind their parents, thresholds on values that rows have.
fn random(seed: u64, inputs: usize, trees: usize, splits: usize, combine: Combine) -> FlatTrees {
    let mut uniform = draws(seed);
    let grow = |_| {
        let mut nodes = vec![leaf(0.0, 0)];
        let mut open = vec![0];
        for _ in 0..splits {
            let index = open.swap_remove((uniform() * open.len() as f64) as usize);
            let left = nodes.len();
            let input = (uniform() * inputs as f64) as u32;
            let threshold = (uniform() * 8.0).floor() as f32 - 4.0;
            nodes[index] = branch(left as u32, input, threshold, uniform() < 0.5, 0);
            nodes.extend([leaf(0.0, 0); 2]);
            open.extend([left, left + 1]);
        }
        for index in (0..nodes.len()).rev() {
            nodes[index] = match nodes[index] {
                Node::Branch { left, input, threshold, missing_left, .. } => {
                    let cover = nodes[left as usize].cover() + nodes[left as usize + 1].cover();
                    branch(left, input, threshold, missing_left, cover)
                }
                Node::Leaf { .. } => leaf(uniform(), 1 + (uniform() * 300.0) as u32),
            };
        }
        nodes
    };
    FlatTrees::new(inputs, combine, &(0..trees).map(grow).collect::<Vec<_>>()).unwrap()
}

fn rows(seed: u64, inputs: usize, rows: usize) -> Vec<f32> {
    let special = [f32::NAN, -0.0, 0.0, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN, 1e-40];
    let mut uniform = draws(seed);
    let value = |_| match (uniform() * 14.0) as usize {
        at @ 0..7 => special[at],
        _ => ((uniform() * 18.0).floor() / 2.0 - 4.5) as f32,
    };
    (0..inputs * rows).map(value).collect()
}

/// One node after the other, by the words of `Node`.
fn walked(trees: &FlatTrees, x: &[f32]) -> f64 {
    let mut sum = 0.0;
    for tree in 0..trees.trees() {
        let nodes: Vec<Node> = trees.nodes_of(tree).collect();
        let mut at = 0;
        while let Node::Branch { left, input, threshold, missing_left, .. } = nodes[at] {
            let value = x.get(input as usize).copied().unwrap_or(f32::NAN);
            let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
            at = left as usize + usize::from(!goes_left);
        }
        let Node::Leaf { value, .. } = nodes[at] else { panic!("the walk ends in a leaf") };
        sum += value;
    }
    match trees.combine() {
        Combine::Mean => sum / trees.trees() as f64,
        Combine::Sum { base } => base + sum,
    }
}

#[test]
fn walks_to_the_right_leaf() {
    let trees = small(Combine::Mean);
    assert_eq!(trees.margin(&[1.0, 0.0]), (0.1 + 0.5) / 2.0);
    assert_eq!(trees.margin(&[1.1, -2.5]), (0.25 + 0.5) / 2.0);
    assert_eq!(trees.margin(&[9.0, 0.0]), (0.75 + 0.5) / 2.0);
    assert_eq!(trees.margin(&[f32::NAN, 0.0]), (0.1 + 0.5) / 2.0, "missing goes left here");
    assert_eq!(trees.margin(&[9.0]), (0.75 + 0.5) / 2.0, "and right there");
    assert_eq!(trees.depth(), 2);
    let sum = small(Combine::Sum { base: -2.0 });
    assert_eq!(sum.margin(&[9.0, 0.0]), -2.0 + (0.75 + 0.5));
}

#[test]
fn walks_side_by_side_are_the_plain_walk() {
    // Few inputs, many, and more than a narrow node can name.
    for (inputs, trees, splits) in
        [(3, 1, 0), (5, 16, 9), (60, 37, 80), (700, 18, 60), (1500, 20, 60)]
    {
        let combine = Combine::Sum { base: 0.25 };
        let model = random(5, inputs, trees, splits, combine);
        assert_eq!(matches!(model.steps, Steps::Wide(_)), inputs > 1023);
        let rows = rows(6, inputs, 150);
        let mut batch = vec![0.0; 150];
        model.margins(&rows, &mut batch);
        for (x, together) in rows.chunks(inputs).zip(&batch) {
            let alone = model.margin(x);
            assert!((alone - walked(&model, x)).abs() < 1e-12);
            assert_eq!(alone.to_bits(), together.to_bits());
        }
        // A row that is cut short is one with missing values.
        let mut cut = vec![0.0; 2];
        model.margins(&rows[..inputs + inputs / 2], &mut cut);
        assert_eq!(cut, [batch[0], model.margin(&rows[inputs..inputs + inputs / 2])]);
    }
}

#[test]
fn the_first_trees_are_a_model_of_their_own() {
    let model = random(8, 4, 20, 12, Combine::Mean);
    let all: Vec<Vec<Node>> = (0..20).map(|tree| model.nodes_of(tree).collect()).collect();
    for trees in [1, 7, 16, 20] {
        let fewer = FlatTrees::new(4, Combine::Mean, &all[..trees]).unwrap();
        assert_eq!(model.first(trees), fewer);
    }
    assert_eq!((model.first(0).trees(), model.first(99).trees()), (1, 20));
}

#[test]
fn bytes_come_back_the_same() {
    for combine in [Combine::Mean, Combine::Sum { base: -1.5 }] {
        for model in
            [small(combine), random(9, 300, 11, 40, combine), random(9, 2000, 2, 9, combine)]
        {
            let bytes = model.to_bytes();
            assert_eq!(FlatTrees::from_bytes(&bytes, model.inputs()).unwrap(), model);
            assert!(FlatTrees::from_bytes(&bytes, model.inputs() + 1).is_err());
        }
    }
}

#[test]
fn a_forest_of_200_trees_of_depth_12_takes_less_than_5_megabytes() {
    // As many nodes as such a forest had on 75,000 hospital stays: 322,000.
    let forest = random(12, 62, 200, 805, Combine::Mean);
    assert_eq!(forest.nodes(), 322_200);
    assert!(forest.to_bytes().len() < 5_000_000, "{}", forest.to_bytes().len());
}

#[test]
fn forests_of_version_1_are_read() {
    let mut bytes = b"PRODTREE".to_vec();
    let mut words = |all: &[u32]| all.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    words(&[1, 2, 1, 3, 3]);
    words(&[1, 1, 0.5f32.to_bits(), 100]);
    for (value, cover) in [(0.25f64, 60), (0.75, 40)] {
        let bits = value.to_bits();
        words(&[0, cover, bits as u32, (bits >> 32) as u32]);
    }
    let nodes = vec![branch(1, 1, 0.5, true, 100), leaf(0.25, 60), leaf(0.75, 40)];
    let expected = FlatTrees::new(2, Combine::Mean, &[nodes]).unwrap();
    assert_eq!(FlatTrees::from_bytes(&bytes, 2).unwrap(), expected);
}

#[test]
fn damage_is_refused_or_harmless() {
    for combine in [Combine::Mean, Combine::Sum { base: 3.0 }] {
        let bytes = small(combine).to_bytes();
        for cut in 0..bytes.len() {
            assert!(FlatTrees::from_bytes(&bytes[..cut], 2).is_err());
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                if let Ok(trees) = FlatTrees::from_bytes(&broken, 2) {
                    let margin = trees.margin(&[5.0, -7.0]);
                    match trees.combine() {
                        Combine::Mean => assert!((0.0..=1.0).contains(&margin)),
                        Combine::Sum { .. } => assert!(margin.abs() < 1e7),
                    }
                }
            }
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(FlatTrees::from_bytes(&longer, 2).is_err());
    }
}

#[test]
fn trees_that_break_a_rule_are_refused() {
    let refused = |inputs: usize, combine: Combine, nodes: Vec<Node>| {
        FlatTrees::new(inputs, combine, &[nodes]).unwrap_err().to_string()
    };
    let pair = |root: Node| vec![root, leaf(0.5, 4), leaf(0.25, 6)];
    let sum = Combine::Sum { base: 0.0 };
    assert!(refused(1, sum, pair(branch(1, 1, 0.0, true, 10))).contains("no input"));
    assert!(refused(1, sum, pair(branch(1, 0, f32::NAN, true, 10))).contains("no number"));
    assert!(refused(1, sum, pair(branch(1, 0, 0.0, true, 9))).contains("sum of its children"));
    assert!(refused(1, sum, pair(branch(2, 0, 0.0, true, 10))).contains("behind its parent"));
    assert!(refused(1, sum, vec![leaf(f64::NAN, 3)]).contains("no log-odds"));
    assert!(refused(1, Combine::Mean, vec![leaf(1.1, 3)]).contains("outside 0 to 1"));
    assert!(refused(1, Combine::Sum { base: f64::INFINITY }, vec![leaf(0.5, 3)]).contains("base"));
    assert!(refused(1, sum, vec![leaf(0.5, 3), leaf(0.5, 3)]).contains("cannot be reached"));
    assert!(refused(1, sum, vec![leaf(0.5, 0)]).contains("without training rows"));
}
