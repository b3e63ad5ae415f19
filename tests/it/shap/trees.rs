//! Trees in the form that `tests/shap/trees.py` writes.

use prodrome::model::{Combine, FlatTrees, Node};
use serde::Deserialize;

#[derive(Deserialize)]
struct Model {
    combine: String,
    base: f64,
    inputs: usize,
    trees: Vec<Vec<Written>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Branch { left: u32, input: u32, threshold: f64, missing_left: bool, cover: u32 },
    Leaf { value: f64, cover: u32 },
}

/// The trees of a JSON file that may hold more than them.
pub(crate) fn read(text: &[u8]) -> FlatTrees {
    let model: Model = serde_json::from_slice(text).unwrap();
    let combine = match model.combine.as_str() {
        "mean" => Combine::Mean,
        _ => Combine::Sum { base: model.base },
    };
    let node = |written: &Written| match *written {
        Written::Leaf { value, cover } => Node::Leaf { value, cover },
        Written::Branch { left, input, threshold, missing_left, cover } => {
            // Written from an f32: nothing is lost.
            Node::Branch { left, input, threshold: threshold as f32, missing_left, cover }
        }
    };
    let trees: Vec<Vec<Node>> =
        model.trees.iter().map(|tree| tree.iter().map(node).collect()).collect();
    FlatTrees::new(model.inputs, combine, &trees).unwrap()
}
