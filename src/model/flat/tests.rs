//! Tests of the tree blob: walks, round trips, and every kind of damage.

use super::*;

fn small() -> FlatTrees {
    let branch = |left, input, threshold, cover| Node::Branch { left, input, threshold, cover };
    let leaf = |value, cover| Node::Leaf { value, cover };
    let first = vec![
        branch(1, 0, 1.0, 100),
        leaf(0.1, 60),
        branch(3, 1, -2.5, 40),
        leaf(0.25, 10),
        leaf(0.75, 30),
    ];
    FlatTrees::new(2, &[first, vec![leaf(0.5, 100)]]).unwrap()
}

#[test]
fn walks_to_the_right_leaf() {
    let trees = small();
    assert_eq!(trees.mean(&[1.0, 0.0]), (0.1 + 0.5) / 2.0);
    assert_eq!(trees.mean(&[1.1, -2.5]), (0.25 + 0.5) / 2.0);
    assert_eq!(trees.mean(&[9.0, 0.0]), (0.75 + 0.5) / 2.0);
    assert_eq!(trees.mean(&[]), (0.1 + 0.5) / 2.0, "a missing value goes left");
    assert!((trees.expected() - (0.06 + 0.025 + 0.225 + 0.5) / 2.0).abs() < 1e-12);
    assert_eq!(trees.depth(), 2);
}

#[test]
fn bytes_come_back_the_same() {
    let bytes = small().to_bytes();
    assert_eq!(FlatTrees::from_bytes(&bytes, 2).unwrap(), small());
    assert!(FlatTrees::from_bytes(&bytes, 3).is_err());
}

#[test]
fn damage_is_refused_or_harmless() {
    let bytes = small().to_bytes();
    for cut in 0..bytes.len() {
        assert!(FlatTrees::from_bytes(&bytes[..cut], 2).is_err());
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            if let Ok(trees) = FlatTrees::from_bytes(&broken, 2) {
                assert!((0.0..=1.0).contains(&trees.mean(&[5.0, -7.0])));
            }
        }
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(FlatTrees::from_bytes(&longer, 2).is_err());
}
