//! Tests of the forest: the same numbers as smartcore, leaf sizes, and repeatability.

use super::*;
use crate::model::draws;

fn table(rows: usize) -> (Matrix, Vec<bool>, Vec<u32>) {
    let mut uniform = draws(3);
    let (mut matrix, mut labels) = (Matrix::with_capacity(4, rows), Vec::new());
    for _ in 0..rows {
        let row = [(uniform() * 9.0) as f32, uniform().round() as f32, uniform() as f32, 0.1];
        labels.push(uniform() < 0.05 + 0.05 * f64::from(row[0]) + 0.2 * f64::from(row[1]));
        matrix.push(&row);
    }
    (matrix, labels, (0..rows as u32).map(|row| row / 3).collect())
}

fn params(rows: usize, patients: usize) -> ForestParams {
    let (leaf_rows_min, leaf_patients_min) = (rows, patients);
    ForestParams { trees: 60, depth: 6, leaf_rows_min, leaf_patients_min, features_per_split: 2 }
}

#[test]
fn flattened_equals_predict_on_every_row() {
    let (matrix, labels, patients) = table(400);
    let rows: Vec<usize> = (0..400).filter(|row| row % 5 != 0).collect();
    let params = params(1, 1);
    let flat = fit(&matrix, &rows, &labels, &patients, Weights::Even, &params, 9).unwrap();
    let x = columns_of(&matrix, &rows).unwrap();
    let (patients, distinct) = renumbered(rows.iter().map(|row| patients[*row]));
    let data = Data { x, y: rates_of(&rows, &labels), weights: None, patients, distinct };
    let mut sums = vec![0.0; rows.len()];
    for (block, trees) in [25, 25, 10].into_iter().enumerate() {
        let seed = 9 + block as u64 * SEED_STEP;
        let said = fit_block(&data, &params, trees, seed).unwrap().predict(&data.x).unwrap();
        for (sum, said) in sums.iter_mut().zip(said.iterator(0)) {
            *sum += said * trees as f64;
        }
    }
    for (row, sum) in rows.iter().zip(sums) {
        assert!((flat.margin(matrix.row(*row)) - sum / 60.0).abs() < 1e-12);
    }
}

#[test]
fn leaves_hold_enough_rows_and_patients() {
    let (matrix, labels, patients) = table(600);
    let rows: Vec<usize> = (0..600).collect();
    let (patients, distinct) = renumbered(patients.iter().copied());
    let x = columns_of(&matrix, &rows).unwrap();
    let data = Data { x, y: rates_of(&rows, &labels), weights: None, patients, distinct };
    let params = params(20, 11);
    let block = read_block(&fit_block(&data, &params, 5, 1).unwrap()).unwrap();
    let mut leaves = 0;
    for (tree, in_bag) in block.grown() {
        let nodes = flatten(tree, in_bag, &data, &params).unwrap();
        let bag: Vec<usize> = (0..600).filter(|row| in_bag[*row]).collect();
        for (index, node) in nodes.iter().enumerate() {
            let Node::Leaf { cover, .. } = node else { continue };
            let here: Vec<usize> = bag
                .iter()
                .copied()
                .filter(|row| end_of(&nodes, matrix.row(*row)) == index)
                .collect();
            let mut own: Vec<u32> = here.iter().map(|row| data.patients[*row]).collect();
            own.dedup();
            assert_eq!(here.len(), *cover as usize);
            assert!(here.len() >= 20 && own.len() >= 11);
            leaves += 1;
        }
    }
    assert!(leaves > 10, "pruning leaves a forest: {leaves}");
}

#[test]
fn a_small_cut_near_the_root_keeps_what_is_below() {
    // Row 0 alone is cut off at the root; below, the rate depends on the input.
    let mut matrix = Matrix::with_capacity(1, 40);
    (0..40).for_each(|row| matrix.push(&[row as f32]));
    let (labels, rows): (Vec<bool>, Vec<usize>) = (0..40).map(|row| (row > 20, row)).unzip();
    let (patients, distinct) = renumbered(0..40);
    let x = columns_of(&matrix, &rows).unwrap();
    let data = Data { x, y: rates_of(&rows, &labels), weights: None, patients, distinct };
    let node = |output, split_value: Option<f64>, child: Option<usize>| MirrorNode {
        output,
        split_feature: 0,
        split_value,
        true_child: child,
        false_child: child.map(|child| child + 1),
    };
    let nodes = vec![
        node(0.5, Some(0.5), Some(1)),
        node(0.0, None, None),
        node(0.6, Some(20.5), Some(3)),
        node(0.1, None, None),
        node(0.9, None, None),
    ];
    let flat = flatten(&MirrorTree { nodes }, &[true; 40], &data, &params(5, 5)).unwrap();
    let root = Node::Branch { left: 1, input: 0, threshold: 20.5, missing_left: true, cover: 40 };
    let leaf = |value, cover| Node::Leaf { value, cover };
    assert_eq!(flat, [root, leaf(0.1, 21), leaf(0.9, 19)]);
}

fn end_of(nodes: &[Node], row: &[f32]) -> usize {
    let mut at = 0;
    while let Node::Branch { left, input, threshold, .. } = nodes[at] {
        at = left as usize + usize::from(row[input as usize] > threshold);
    }
    at
}

#[test]
fn same_seed_same_bytes_for_any_number_of_threads() {
    let (matrix, labels, patients) = table(300);
    let rows: Vec<usize> = (0..300).collect();
    let bytes = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let grow = || {
            fit(&matrix, &rows, &labels, &patients, Weights::Even, &params(10, 5), seed).unwrap()
        };
        pool.install(grow).to_bytes()
    };
    assert_eq!(bytes(1, 5), bytes(2, 5));
    assert_ne!(bytes(1, 5), bytes(1, 6));
    assert_eq!(FlatTrees::from_bytes(&bytes(2, 5), 4).unwrap().trees(), 60);
}

#[test]
fn leaves_hold_weighted_rates_and_rows_of_weight_0_are_left_out() {
    let (mut matrix, mut labels, mut patients) = table(6000);
    // Rows with the outcome count three times: each rate r becomes 3r / (3r + 1 - r).
    let mut weights: Vec<f64> = labels.iter().map(|label| if *label { 3.0 } else { 1.0 }).collect();
    let rows: Vec<usize> = (0..6000).collect();
    let grow =
        |matrix: &Matrix, rows: &[usize], labels: &[bool], patients: &[u32], weights: &[f64]| {
            let params = params(20, 11);
            fit(matrix, rows, labels, patients, Weights::Each(weights), &params, 3).unwrap()
        };
    let even = grow(&matrix, &rows, &labels, &patients, &[1.0; 6000]);
    assert_eq!(
        even,
        fit(&matrix, &rows, &labels, &patients, Weights::Even, &params(20, 11), 3).unwrap()
    );
    let weighted = grow(&matrix, &rows, &labels, &patients, &weights);
    let mut gap = 0.0;
    for row in &rows {
        let plain = even.margin(matrix.row(*row));
        gap +=
            (weighted.margin(matrix.row(*row)) - 3.0 * plain / (1.0 + 2.0 * plain)).abs() / 6000.0;
    }
    assert!(gap < 0.02, "{gap}");
    for row in 0..500 {
        matrix.push(&[f32::NAN, 1.0, 0.0, 9.0]);
        labels.push(row % 2 == 0);
        patients.push(0);
        weights.push(0.0);
    }
    let more: Vec<usize> = (0..6500).collect();
    assert_eq!(grow(&matrix, &more, &labels, &patients, &weights), weighted);
}

#[test]
fn faults_are_named() {
    let (matrix, labels, patients) = table(30);
    let rows: Vec<usize> = (0..30).collect();
    let run = |labels: &[bool], params: &ForestParams| {
        fit(&matrix, &rows, labels, &patients, Weights::Even, params, 1).unwrap_err()
    };
    assert_eq!(run(&[false; 30], &params(2, 2)), ModelError::OneClass);
    let few = ModelError::TooFewPatients { have: 10, need: 11 };
    assert_eq!(run(&labels, &params(20, 11)), few);
    assert!(matches!(run(&labels, &params(0, 1)), ModelError::BadSetting(_)));
}
