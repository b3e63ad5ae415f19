//! The evaluator: many walks side by side, so that their memory reads overlap.
//!
//! A node is 8 bytes: the threshold, the slot of the row that it is compared with, and the left
//! child. Floats become integers that keep their order, so a step is one comparison of integers
//! without a branch. Each input has two slots, which differ for a missing value only: the smallest
//! integer in the slot of splits that send missing values left, the greatest in the other; so a
//! missing value costs nothing on the way down. A leaf looks at a slot that is always 0, which no
//! threshold is below, and so points at itself: a walk may take more steps than it needs without
//! asking whether it has arrived.

/// Slots of a row; more than twice the inputs of a narrow node.
const SLOT_BITS: u32 = 11;
const LEFT_BITS: u32 = 32 - SLOT_BITS;
/// Rows with fewer inputs fit a buffer of this many slots, which is quicker to clear.
const SLOTS_FEW: usize = 256;
const SLOTS_MANY: usize = 1 << SLOT_BITS;
/// The most inputs of a row.
pub(super) const INPUTS_MAX: usize = 1 << 20;
/// How many walks go side by side.
const LANES: usize = 16;
/// How many blocks of rows pass a tree before the next one is read.
const BLOCKS: usize = 4;

/// A node as it was built, its children counted from the first tree's root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Branch { left: u32, input: u32, threshold: f32, missing_left: bool },
    Leaf { leaf: u32 },
}

/// What the walks read of a node: a branch holds the threshold as key, a leaf its number.
pub(in crate::model) trait Packed: Copy {
    fn packed(left: u32, slot: u32, key: u32) -> Self;
    fn left(self) -> u32;
    fn slot(self) -> u32;
    fn key(self) -> u32;
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Narrow(u64);

impl Packed for Narrow {
    fn packed(left: u32, slot: u32, key: u32) -> Narrow {
        Narrow(u64::from(left) << (32 + SLOT_BITS) | u64::from(slot) << 32 | u64::from(key))
    }

    #[inline(always)]
    fn left(self) -> u32 {
        (self.0 >> (32 + SLOT_BITS)) as u32
    }

    #[inline(always)]
    fn slot(self) -> u32 {
        (self.0 >> 32) as u32 & ((1 << SLOT_BITS) - 1)
    }

    #[inline(always)]
    fn key(self) -> u32 {
        self.0 as u32
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Wide {
    left: u32,
    slot: u32,
    key: u32,
}

impl Packed for Wide {
    fn packed(left: u32, slot: u32, key: u32) -> Wide {
        Wide { left, slot, key }
    }

    fn left(self) -> u32 {
        self.left
    }

    fn slot(self) -> u32 {
        self.slot
    }

    fn key(self) -> u32 {
        self.key
    }
}

/// All nodes; the wide form is for models whose inputs or nodes the narrow one cannot count.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) enum Steps {
    Narrow(Vec<Narrow>),
    Wide(Vec<Wide>),
}

impl Steps {
    pub(super) fn with_capacity(inputs: usize, nodes: usize) -> Steps {
        if 2 * inputs < SLOTS_MANY && nodes <= 1 << LEFT_BITS {
            Steps::Narrow(Vec::with_capacity(nodes))
        } else {
            Steps::Wide(Vec::with_capacity(nodes))
        }
    }

    fn push(&mut self, left: u32, slot: u32, key: u32) {
        match self {
            Steps::Narrow(steps) => steps.push(Packed::packed(left, slot, key)),
            Steps::Wide(steps) => steps.push(Packed::packed(left, slot, key)),
        }
    }

    pub(super) fn push_branch(&mut self, left: u32, input: u32, threshold: f32, missing: bool) {
        let (slot, key) = test_of(input, threshold, missing);
        self.push(left, slot, key);
    }

    /// `leaf` is its place among the leaves; `inputs` is how many values a row has.
    pub(super) fn push_leaf(&mut self, here: u32, leaf: u32, inputs: usize) {
        self.push(here, 2 * inputs as u32, leaf);
    }

    pub(super) fn truncate(&mut self, nodes: usize) {
        match self {
            Steps::Narrow(steps) => steps.truncate(nodes),
            Steps::Wide(steps) => steps.truncate(nodes),
        }
    }

    /// The node as it was built.
    pub(super) fn at(&self, node: usize) -> Step {
        let (left, slot, key) = match self {
            Steps::Narrow(steps) => parts(steps[node]),
            Steps::Wide(steps) => parts(steps[node]),
        };
        if left as usize == node {
            return Step::Leaf { leaf: key };
        }
        let (threshold, missing_left) = (value_of(key), slot & 1 == 0);
        Step::Branch { left, input: slot >> 1, threshold, missing_left }
    }

    /// The sum of the leaves that the row `x` ends in, one of each tree.
    pub(super) fn sum(
        &self,
        roots: &[u32],
        depths: &[u32],
        values: &[f64],
        inputs: usize,
        x: &[f32],
    ) -> f64 {
        match self {
            Steps::Narrow(steps) if 2 * inputs < SLOTS_FEW => {
                let keys = keys_of::<SLOTS_FEW>(x, inputs);
                sum_one(steps, roots, depths, values, |slot| keys[slot as usize % SLOTS_FEW])
            }
            Steps::Narrow(steps) => {
                let keys = keys_of::<SLOTS_MANY>(x, inputs);
                sum_one(steps, roots, depths, values, |slot| keys[slot as usize % SLOTS_MANY])
            }
            Steps::Wide(steps) => {
                let keys = keys(x, inputs);
                sum_one(steps, roots, depths, values, |slot| keys[slot as usize])
            }
        }
    }

    /// `sum` for many rows of `inputs` values, one for each place of `out`.
    pub(super) fn sums(
        &self,
        roots: &[u32],
        depths: &[u32],
        values: &[f64],
        inputs: usize,
        rows: &[f32],
        out: &mut [f64],
    ) {
        match self {
            Steps::Narrow(steps) if 2 * inputs < SLOTS_FEW => {
                sum_many::<SLOTS_FEW>(steps, roots, depths, values, inputs, rows, out);
            }
            Steps::Narrow(steps) => {
                sum_many::<SLOTS_MANY>(steps, roots, depths, values, inputs, rows, out);
            }
            Steps::Wide(_) => {
                for (row, sum) in out.iter_mut().enumerate() {
                    let x = rows.get(row * inputs..).unwrap_or_default();
                    *sum = self.sum(roots, depths, values, inputs, x);
                }
            }
        }
    }
}

fn parts(step: impl Packed) -> (u32, u32, u32) {
    (step.left(), step.slot(), step.key())
}

/// An integer that is ordered as the floats are; 0 and the greatest stand for no float.
#[inline(always)]
fn key_of(value: f32) -> u32 {
    // The addition makes one zero of the two.
    let bits = (value + 0.0).to_bits();
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 0x8000_0000)
}

/// The slot that a branch looks at, and the greatest key there with which a walk goes left.
fn test_of(input: u32, threshold: f32, missing_left: bool) -> (u32, u32) {
    (2 * input + u32::from(!missing_left), key_of(threshold))
}

/// The float that `key_of` made the key of.
fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 0x8000_0000 } else { !key })
}

/// The slots of a row, those beyond its inputs 0.
pub(in crate::model) fn keys(x: &[f32], inputs: usize) -> Vec<u32> {
    let mut keys = vec![0; 2 * inputs + 1];
    write_keys(x, inputs, &mut keys);
    keys
}

/// As `keys`, in a buffer whose size is known beforehand.
#[inline(always)]
fn keys_of<const SLOTS: usize>(x: &[f32], inputs: usize) -> [u32; SLOTS] {
    let mut keys = [0; SLOTS];
    write_keys(x, inputs, &mut keys);
    keys
}

#[inline(always)]
fn write_keys(x: &[f32], inputs: usize, keys: &mut [u32]) {
    let mut pairs = keys.chunks_exact_mut(2);
    let x = x.get(..inputs).unwrap_or(x);
    for (value, pair) in x.iter().zip(&mut pairs) {
        pair.copy_from_slice(&pair_of(*value));
    }
    for pair in pairs.take(inputs - x.len()) {
        pair.copy_from_slice(&pair_of(f32::NAN));
    }
}

/// What the two slots of an input hold.
#[inline(always)]
fn pair_of(value: f32) -> [u32; 2] {
    let key = key_of(value);
    if value.is_nan() { [0, u32::MAX] } else { [key, key] }
}

/// One step of every walk; `key` gives what a lane's row has in a slot.
#[inline(always)]
fn advance<S: Packed>(steps: &[S], at: &mut [u32; LANES], key: impl Fn(usize, u32) -> u32) {
    for (lane, node) in at.iter_mut().enumerate() {
        let step = steps[*node as usize];
        *node = step.left() + u32::from(key(lane, step.slot()) > step.key());
    }
}

/// Sixteen trees side by side.
#[inline(always)]
fn sum_one<S: Packed>(
    steps: &[S],
    roots: &[u32],
    depths: &[u32],
    values: &[f64],
    key: impl Fn(u32) -> u32,
) -> f64 {
    let mut sum = 0.0;
    for (roots, depths) in roots.chunks(LANES).zip(depths.chunks(LANES)) {
        // Lanes beyond the last tree walk it as well; the count of lanes stays fixed.
        let mut at = [roots[roots.len() - 1]; LANES];
        at[..roots.len()].copy_from_slice(roots);
        for _ in 0..depths.iter().copied().max().unwrap_or(0) {
            advance(steps, &mut at, |_, slot| key(slot));
        }
        for node in &at[..roots.len()] {
            sum += values[steps[*node as usize].key() as usize];
        }
    }
    sum
}

/// Sixteen rows side by side; a few such blocks pass a tree while it is in the nearest memory.
fn sum_many<const SLOTS: usize>(
    steps: &[Narrow],
    roots: &[u32],
    depths: &[u32],
    values: &[f64],
    inputs: usize,
    rows: &[f32],
    out: &mut [f64],
) {
    let mut blocks = vec![[[0u32; LANES]; SLOTS]; BLOCKS.min(out.len().div_ceil(LANES))];
    for (tile, sums) in out.chunks_mut(BLOCKS * LANES).enumerate() {
        sums.fill(0.0);
        for row in 0..sums.len() {
            let from = (tile * BLOCKS * LANES + row) * inputs;
            let x = rows.get(from..).unwrap_or_default();
            let x = x.get(..inputs).unwrap_or(x);
            let values = x.iter().copied().chain(std::iter::repeat(f32::NAN));
            let slots = blocks[row / LANES].chunks_exact_mut(2).take(inputs);
            for (pair, value) in slots.zip(values) {
                let [left, right] = pair_of(value);
                pair[0][row % LANES] = left;
                pair[1][row % LANES] = right;
            }
        }
        for (root, depth) in roots.iter().zip(depths) {
            for (keys, sums) in blocks.iter().zip(sums.chunks_mut(LANES)) {
                let mut at = [*root; LANES];
                for _ in 0..*depth {
                    advance(steps, &mut at, |lane, slot| keys[slot as usize % SLOTS][lane]);
                }
                for (sum, node) in sums.iter_mut().zip(at) {
                    *sum += values[steps[node as usize].key() as usize];
                }
            }
        }
    }
}
