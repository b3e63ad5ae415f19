//! The stored form of trees.
//!
//! Little-endian: magic (8 bytes); version, number of inputs, of trees, of nodes (u32 each); 0 for
//! a mean or 1 for a sum (u32), and the base of the sum (f64); the node count of every tree (u32
//! each); then the nodes, tree by tree and level by level. A node begins with a varint: 0 for a
//! leaf, else 1 + 2 x input + (1 when missing values go left). A branch goes on with its threshold
//! (f32); its left child is the next one of the level below. A leaf goes on with its value (f64)
//! and its cover (varint), the number of distinct training rows in it.
//!
//! Version 1 held forests only: no kind and no base; then 16 bytes a node, a branch being
//! `left u32, input u32, threshold f32, cover u32`, a leaf `0 u32, cover u32, value f64`; missing
//! values went left.

use super::{Combine, FlatTrees, Node, bad};
use crate::model::ModelError;

const MAGIC: &[u8; 8] = b"PRODTREE";
const VERSION: u32 = 2;

impl FlatTrees {
    /// The trees in the stored form; the same trees always give the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(36 + 4 * self.trees() + 9 * self.nodes());
        let (kind, base) = match self.combine {
            Combine::Mean => (0, 0.0),
            Combine::Sum { base } => (1, base),
        };
        bytes.extend_from_slice(MAGIC);
        let sizes = [self.inputs, self.trees(), self.nodes()].map(|size| size as u32);
        for word in [VERSION, sizes[0], sizes[1], sizes[2], kind] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&f64::to_le_bytes(base));
        for tree in 0..self.trees() {
            bytes.extend_from_slice(&(self.nodes_of(tree).count() as u32).to_le_bytes());
        }
        for tree in 0..self.trees() {
            self.nodes_of(tree).for_each(|node| write_node(node, &mut bytes));
        }
        bytes
    }

    /// Reads and checks the stored form; `inputs` is what the rest of the model says a row has.
    ///
    /// # Errors
    /// `BadPart` with the reason, for any byte that is not as the layout says.
    pub fn from_bytes(bytes: &[u8], inputs: usize) -> Result<FlatTrees, ModelError> {
        let mut blob = Blob(bytes);
        if &blob.take::<8>()? != MAGIC {
            return Err(bad("not a tree blob"));
        }
        let version = blob.word()?;
        if !(1..=VERSION).contains(&version) {
            return Err(bad("a version of the tree blob that is not known here"));
        }
        if blob.word()? as usize != inputs {
            return Err(bad("another number of inputs than the model has"));
        }
        let (trees, nodes) = (blob.word()? as usize, blob.word()? as usize);
        let combine = if version == 1 { Combine::Mean } else { blob.combine()? };
        // Every tree and every node takes more than one byte, so a lie costs no memory.
        if trees > blob.0.len() || nodes > blob.0.len() {
            return Err(bad("its length is not what its header says"));
        }
        let counts = (0..trees).map(|_| blob.word()).collect::<Result<Vec<u32>, _>>()?;
        if counts.iter().map(|count| u64::from(*count)).sum::<u64>() != nodes as u64 {
            return Err(bad("trees of another number of nodes than its header says"));
        }
        let tree = |count: &u32| match version {
            1 => (0..*count).map(|_| blob.node_of_version_1()).collect(),
            _ => blob.tree(*count as usize),
        };
        let parsed = counts.iter().map(tree).collect::<Result<Vec<_>, ModelError>>()?;
        if !blob.0.is_empty() {
            return Err(bad("nodes that belong to no tree"));
        }
        FlatTrees::new(inputs, combine, &parsed)
    }
}

fn write_node(node: Node, bytes: &mut Vec<u8>) {
    match node {
        Node::Branch { input, threshold, missing_left, .. } => {
            write_varint(1 + 2 * input + u32::from(missing_left), bytes);
            bytes.extend_from_slice(&threshold.to_le_bytes());
        }
        Node::Leaf { value, cover } => {
            write_varint(0, bytes);
            bytes.extend_from_slice(&value.to_le_bytes());
            write_varint(cover, bytes);
        }
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn write_varint(mut value: u32, bytes: &mut Vec<u8>) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// What is left to read.
struct Blob<'a>(&'a [u8]);

impl Blob<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or_else(|| bad("cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn word(&mut self) -> Result<u32, ModelError> {
        self.take().map(u32::from_le_bytes)
    }

    fn float(&mut self) -> Result<f64, ModelError> {
        self.take().map(f64::from_le_bytes)
    }

    fn varint(&mut self) -> Result<u32, ModelError> {
        let mut value = 0u64;
        for place in 0..5 {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                // One form only for each number.
                if byte == 0 && place > 0 {
                    break;
                }
                return u32::try_from(value).map_err(|_| bad("a number that is too great"));
            }
        }
        Err(bad("a number in another form than its shortest"))
    }

    fn combine(&mut self) -> Result<Combine, ModelError> {
        match (self.word()?, self.float()?) {
            (0, 0.0) => Ok(Combine::Mean),
            (1, base) => Ok(Combine::Sum { base }),
            _ => Err(bad("neither a mean nor a sum")),
        }
    }

    fn tree(&mut self, count: usize) -> Result<Vec<Node>, ModelError> {
        let mut nodes = Vec::with_capacity(count);
        let mut left = 1;
        for _ in 0..count {
            nodes.push(match self.varint()? {
                0 => Node::Leaf { value: self.float()?, cover: self.varint()? },
                split => {
                    let (input, missing_left) = ((split - 1) >> 1, (split - 1) & 1 == 1);
                    let threshold = self.take().map(f32::from_le_bytes)?;
                    left += 2;
                    Node::Branch { left: left - 2, input, threshold, missing_left, cover: 0 }
                }
            });
        }
        add_covers(&mut nodes)?;
        Ok(nodes)
    }

    fn node_of_version_1(&mut self) -> Result<Node, ModelError> {
        let (left, second) = (self.word()?, self.word()?);
        if left == 0 {
            return Ok(Node::Leaf { value: self.float()?, cover: second });
        }
        let threshold = self.take().map(f32::from_le_bytes)?;
        let cover = self.word()?;
        Ok(Node::Branch { left, input: second, threshold, missing_left: true, cover })
    }
}

/// Gives every branch the sum of its children's covers; children lie behind their parents.
fn add_covers(nodes: &mut [Node]) -> Result<(), ModelError> {
    let fault = || bad("a child that is not there, or more rows than can be counted");
    for index in (0..nodes.len()).rev() {
        let Node::Branch { left, .. } = nodes[index] else { continue };
        let children = nodes.get(left as usize).zip(nodes.get(left as usize + 1));
        let (low, high) = children.ok_or_else(fault)?;
        let sum = low.cover().checked_add(high.cover()).ok_or_else(fault)?;
        if let Node::Branch { cover, .. } = &mut nodes[index] {
            *cover = sum;
        }
    }
    Ok(())
}
