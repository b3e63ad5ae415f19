//! The tree blob: how a forest is stored, checked and evaluated.
//!
//! Layout, all little-endian: magic (8 bytes), version, number of inputs, number of trees, number
//! of nodes (u32 each); the node count of every tree (u32 each); then 16 bytes per node, tree by
//! tree. Node 0 of a tree is its root and siblings are adjacent. A branch is
//! `left u32, input u32, threshold f32, cover u32`: `x <= threshold` goes to `left`, else to
//! `left + 1`. A leaf is `0 u32, cover u32, value f64`. Cover is the number of distinct training
//! rows that reached the node.
//!
//! Every blob is checked in full before it is used, so evaluation cannot leave the arrays or loop.

use super::ModelError;

const MAGIC: &[u8; 8] = b"PRODTREE";
const VERSION: u32 = 1;
const HEADER: usize = 24;
const NODE: usize = 16;
/// No tree is deeper than this many splits.
pub(super) const DEEPEST: usize = 64;
/// How many trees are walked side by side, so that their memory reads overlap.
const LANES: usize = 8;

/// A node of one tree, as it is built and stored; child indices count from the tree's root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// `x[input] <= threshold` goes to node `left`, everything else to `left + 1`.
    Branch {
        /// Index of the left child; its sibling follows it.
        left: u32,
        /// Which input is compared.
        input: u32,
        /// The threshold, finite.
        threshold: f32,
        /// Distinct training rows that came here.
        cover: u32,
    },
    /// An end of the tree.
    Leaf {
        /// Event rate, 0 to 1.
        value: f64,
        /// Distinct training rows that came here.
        cover: u32,
    },
}

impl Node {
    fn cover(&self) -> u32 {
        match self {
            Node::Branch { cover, .. } | Node::Leaf { cover, .. } => *cover,
        }
    }
}

/// One step of a walk. A leaf points at itself with an infinite threshold, so that a walk may take
/// more steps than needed without asking whether it has arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    left: u32,
    input: u32,
    threshold: f32,
}

/// Trees in one flat array, checked, ready to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct FlatTrees {
    inputs: usize,
    steps: Vec<Step>,
    values: Vec<f64>,
    covers: Vec<u32>,
    roots: Vec<u32>,
    depths: Vec<u32>,
    expected: f64,
}

impl FlatTrees {
    /// Puts trees together; `inputs` is how many values a row has.
    ///
    /// # Errors
    /// `BadPart` when a tree breaks any rule of the layout.
    pub fn new(inputs: usize, trees: &[Vec<Node>]) -> Result<FlatTrees, ModelError> {
        let total: usize = trees.iter().map(Vec::len).sum();
        if trees.is_empty() || inputs == 0 {
            return Err(bad("no trees or no inputs"));
        }
        if u32::try_from(total).is_err() || u32::try_from(inputs).is_err() {
            return Err(bad("too many nodes or inputs"));
        }
        let mut flat = FlatTrees {
            inputs,
            steps: Vec::with_capacity(total),
            values: Vec::with_capacity(total),
            covers: Vec::with_capacity(total),
            roots: Vec::with_capacity(trees.len()),
            depths: Vec::with_capacity(trees.len()),
            expected: 0.0,
        };
        let mut sum = 0.0;
        for tree in trees {
            flat.depths.push(checked_depth(tree, inputs)?);
            sum += flat.append(tree);
        }
        flat.expected = sum / trees.len() as f64;
        Ok(flat)
    }

    /// Adds a checked tree and returns the cover-weighted mean of its leaves.
    fn append(&mut self, tree: &[Node]) -> f64 {
        let offset = self.steps.len() as u32;
        self.roots.push(offset);
        let mut sum = 0.0;
        for (index, node) in tree.iter().enumerate() {
            let (step, value) = match *node {
                Node::Branch { left, input, threshold, .. } => {
                    (Step { left: offset + left, input, threshold }, 0.0)
                }
                Node::Leaf { value, cover } => {
                    sum += value * f64::from(cover);
                    let here = offset + index as u32;
                    (Step { left: here, input: 0, threshold: f32::INFINITY }, value)
                }
            };
            self.steps.push(step);
            self.values.push(value);
            self.covers.push(node.cover());
        }
        sum / f64::from(tree[0].cover())
    }

    /// How many values a row has.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// How many nodes all trees have together.
    pub fn nodes(&self) -> usize {
        self.steps.len()
    }

    /// Splits on the longest path of the deepest tree.
    pub fn depth(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or(0) as usize
    }

    /// The cover-weighted mean of the leaves, averaged over the trees.
    pub fn expected(&self) -> f64 {
        self.expected
    }

    /// Node indices of the roots, in the order of the trees.
    pub(super) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// Distinct training rows that reached the node.
    pub(super) fn cover(&self, node: usize) -> f64 {
        f64::from(self.covers[node])
    }

    /// What a walk of the row `x` meets at the node.
    pub(super) fn visit(&self, node: usize, x: &[f32]) -> Visit {
        let step = self.steps[node];
        let left = step.left as usize;
        if left == node {
            return Visit::Leaf(self.values[node]);
        }
        Visit::Branch { left, input: step.input as usize, right: goes_right(x, step) }
    }

    /// The mean of the trees for one row of `inputs()` values; a value that is not there or NaN
    /// goes left.
    pub fn mean(&self, x: &[f32]) -> f64 {
        let mut sum = 0.0;
        for (roots, depths) in self.roots.chunks(LANES).zip(self.depths.chunks(LANES)) {
            let mut at = [0u32; LANES];
            let at = &mut at[..roots.len()];
            at.copy_from_slice(roots);
            for _ in 0..depths.iter().copied().max().unwrap_or(0) {
                for node in at.iter_mut() {
                    let step = self.steps[*node as usize];
                    *node = step.left + u32::from(goes_right(x, step));
                }
            }
            for node in at.iter() {
                sum += self.values[*node as usize];
            }
        }
        sum / self.roots.len() as f64
    }

    /// The trees in the stored form; the same trees always give the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 4 * self.trees() + NODE * self.nodes());
        bytes.extend_from_slice(MAGIC);
        let header = [VERSION, self.inputs as u32, self.trees() as u32, self.nodes() as u32];
        for word in header {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let ends = self.roots.iter().skip(1).copied().chain([self.nodes() as u32]);
        for (root, end) in self.roots.iter().zip(ends.clone()) {
            bytes.extend_from_slice(&(end - root).to_le_bytes());
        }
        for (root, end) in self.roots.iter().zip(ends) {
            for node in *root..end {
                self.write_node(node, *root, &mut bytes);
            }
        }
        bytes
    }

    fn write_node(&self, node: u32, root: u32, bytes: &mut Vec<u8>) {
        let (step, cover) = (self.steps[node as usize], self.covers[node as usize]);
        if step.left == node {
            bytes.extend_from_slice(&0u32.to_le_bytes());
            bytes.extend_from_slice(&cover.to_le_bytes());
            bytes.extend_from_slice(&self.values[node as usize].to_le_bytes());
        } else {
            bytes.extend_from_slice(&(step.left - root).to_le_bytes());
            bytes.extend_from_slice(&step.input.to_le_bytes());
            bytes.extend_from_slice(&step.threshold.to_le_bytes());
            bytes.extend_from_slice(&cover.to_le_bytes());
        }
    }

    /// Reads and checks the stored form; `inputs` is what the rest of the model says a row has.
    ///
    /// # Errors
    /// `BadPart` with the reason, for any byte that is not as the layout says.
    pub fn from_bytes(bytes: &[u8], inputs: usize) -> Result<FlatTrees, ModelError> {
        let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(|| bad("cut short"))?;
        if &header[..8] != MAGIC {
            return Err(bad("not a tree blob"));
        }
        if word(header, 8) != VERSION {
            return Err(bad("a version of the tree blob that is not known here"));
        }
        if word(header, 12) as usize != inputs {
            return Err(bad("another number of inputs than the model has"));
        }
        let (trees, nodes) = (word(header, 16) as usize, word(header, 20) as usize);
        // Lengths are compared in u64 before anything is allocated, so a lie costs no memory.
        let need = 4 * trees as u64 + NODE as u64 * nodes as u64;
        if body.len() as u64 != need {
            return Err(bad("its length is not what its header says"));
        }
        let (counts, mut records) = body.split_at(4 * trees);
        let mut parsed = Vec::with_capacity(trees);
        for tree in 0..trees {
            let length = NODE as u64 * u64::from(word(counts, 4 * tree));
            let split = usize::try_from(length).ok().and_then(|at| records.split_at_checked(at));
            let (own, rest) = split.ok_or_else(|| bad("a tree longer than the blob"))?;
            parsed.push(own.chunks_exact(NODE).map(read_node).collect());
            records = rest;
        }
        if !records.is_empty() {
            return Err(bad("nodes that belong to no tree"));
        }
        FlatTrees::new(inputs, &parsed)
    }
}

/// What a walk meets.
pub(super) enum Visit {
    /// The end, with its value.
    Leaf(f64),
    /// A split on `input`; the row goes to `left`, or to `left + 1` when `right` is true.
    Branch { left: usize, input: usize, right: bool },
}

fn goes_right(x: &[f32], step: Step) -> bool {
    x.get(step.input as usize).copied().unwrap_or(f32::NAN) > step.threshold
}

fn bad(reason: &str) -> ModelError {
    ModelError::BadPart(format!("trees: {reason}"))
}

/// The four bytes at `at`; the caller has checked the length.
fn bytes4(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes4(bytes, at))
}

fn read_node(record: &[u8]) -> Node {
    let second = word(record, 4);
    match word(record, 0) {
        0 => {
            let bits = u64::from(word(record, 8)) | u64::from(word(record, 12)) << 32;
            Node::Leaf { value: f64::from_bits(bits), cover: second }
        }
        left => {
            let threshold = f32::from_le_bytes(bytes4(record, 8));
            Node::Branch { left, input: second, threshold, cover: word(record, 12) }
        }
    }
}

/// Checks one tree in full and returns its depth in splits.
fn checked_depth(tree: &[Node], inputs: usize) -> Result<u32, ModelError> {
    if tree.is_empty() {
        return Err(bad("a tree without nodes"));
    }
    // 0 = not reached yet; the root is at level 1. Children lie behind their parent, so one pass
    // in order of index sees every parent first.
    let mut level = vec![0u32; tree.len()];
    level[0] = 1;
    for (index, node) in tree.iter().enumerate() {
        if level[index] == 0 {
            return Err(bad("a node that cannot be reached"));
        }
        if level[index] as usize > DEEPEST + 1 {
            return Err(bad("a tree that is too deep"));
        }
        if node.cover() == 0 {
            return Err(bad("a node without training rows"));
        }
        match *node {
            Node::Leaf { value, .. } if !(0.0..=1.0).contains(&value) => {
                return Err(bad("a leaf value outside 0 to 1"));
            }
            Node::Leaf { .. } => {}
            Node::Branch { left, input, threshold, cover } => {
                let left = left as usize;
                if left <= index || left >= tree.len() - 1 {
                    return Err(bad("a child that does not lie behind its parent"));
                }
                if level[left] != 0 || level[left + 1] != 0 {
                    return Err(bad("a node with two parents"));
                }
                if input as usize >= inputs || !threshold.is_finite() {
                    return Err(bad("a split on no input or at no number"));
                }
                let below = u64::from(tree[left].cover()) + u64::from(tree[left + 1].cover());
                if below != u64::from(cover) {
                    return Err(bad("a cover that is not the sum of its children's"));
                }
                level[left] = level[index] + 1;
                level[left + 1] = level[index] + 1;
            }
        }
    }
    Ok(level.iter().copied().max().unwrap_or(1) - 1)
}

#[cfg(test)]
mod tests;
