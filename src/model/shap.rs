//! Why the trees said something else of a row than of a reference row: exact Shapley values.
//!
//! A coalition of inputs has the row's values and leaves all others the reference's; the value of an
//! input is what it adds to the trees when it joins, averaged over all orders of joining ("independent"
//! TreeSHAP with one background row, Lundberg and others 2020, doi:10.1038/s42256-019-0138-9).
//!
//! A coalition's mix of the two rows reaches a leaf where it has the row's values of the u inputs at
//! which only the row's way leads there, and the reference's of the v inputs at which only the
//! reference's does. So the leaf gives each of the u inputs `value (u - 1)! v! / (u + v)!`, and takes
//! `value u! (v - 1)! / (u + v)!` from each of the v. One descent finds all leaves that any mix
//! reaches: where both rows go the same way there is nothing to choose, and an input that took a side
//! keeps it further down. What the leaves below a split give to an input taken at or above it depends
//! on its side alone, so the two sums are handed upwards, and each split adds to its own input.

use super::FlatTrees;
use super::flat::{DEEPEST, Packed, Steps, keys};

/// `TAKEN[u][v]` is `(u - 1)! v! / (u + v)!`; with u and v exchanged it is what the v inputs lose.
static TAKEN: [[f64; DEEPEST + 1]; DEEPEST + 1] = taken();

const fn taken() -> [[f64; DEEPEST + 1]; DEEPEST + 1] {
    let mut taken = [[0.0; DEEPEST + 1]; DEEPEST + 1];
    let mut u = 1;
    while u <= DEEPEST {
        taken[u][0] = 1.0 / u as f64;
        let mut v = 1;
        while v <= DEEPEST {
            taken[u][v] = taken[u][v - 1] * v as f64 / (u + v) as f64;
            v += 1;
        }
        u += 1;
    }
    taken
}

impl FlatTrees {
    /// Writes what each input adds to the margin of the row `x`, compared with the row `reference`;
    /// the sum is `margin(x) - margin(reference)`. Returns `margin(x)`, to the bit.
    ///
    /// `out` holds one value per input; a slot beyond the last input is set to 0, and what an input
    /// beyond the last slot would add is dropped.
    pub fn contributions(&self, x: &[f32], reference: &[f32], out: &mut [f64]) -> f64 {
        let mut sums = vec![0.0; self.inputs()];
        let mut slots: Vec<[u32; 2]> = keys(x, self.inputs())
            .into_iter()
            .zip(keys(reference, self.inputs()))
            .map(|(row, reference)| [row, reference])
            .collect();
        let sum = match self.steps() {
            Steps::Narrow(steps) => explain(self, steps, &mut slots, &mut sums),
            Steps::Wide(steps) => explain(self, steps, &mut slots, &mut sums),
        };
        let share = self.share();
        out.fill(0.0);
        for (slot, sum) in out.iter_mut().zip(&sums) {
            *slot = sum * share;
        }
        self.combined(sum)
    }
}

/// Adds all trees to the sums of the inputs; returns the sum of the leaves that the row ends in.
fn explain<S: Packed>(
    trees: &FlatTrees,
    steps: &[S],
    slots: &mut [[u32; 2]],
    sums: &mut [f64],
) -> f64 {
    let mut descent = Descent { steps, values: trees.values(), slots, sums, row_sum: 0.0 };
    for root in trees.roots() {
        descent.below(*root, 0, 0);
    }
    descent.row_sum
}

struct Descent<'a, S> {
    steps: &'a [S],
    values: &'a [f64],
    /// What the row and the reference have in each slot; both the same while an input is taken.
    slots: &'a mut [[u32; 2]],
    sums: &'a mut [f64],
    /// Of the leaves that the row itself ends in, in the order of the trees.
    row_sum: f64,
}

/// What the leaves below a node give to an input that is the row's on the way there, and take from
/// one that is the reference's.
struct Below {
    given: f64,
    taken: f64,
}

impl<S: Packed> Descent<'_, S> {
    /// Everything below `node`, on the way to which `u` inputs are the row's alone and `v` the
    /// reference's.
    fn below(&mut self, mut node: u32, u: usize, v: usize) -> Below {
        loop {
            let step = self.steps[node as usize];
            let ways = self.slots[step.slot() as usize].map(|key| u32::from(key > step.key()));
            if ways[0] != ways[1] {
                return self.both(step.left(), step.slot() as usize / 2, ways, u, v);
            }
            let next = step.left() + ways[0];
            if next == node {
                return self.leaf(step.key(), u, v);
            }
            node = next;
        }
    }

    fn leaf(&mut self, leaf: u32, u: usize, v: usize) -> Below {
        let value = self.values[leaf as usize];
        if v == 0 {
            self.row_sum += value;
        }
        Below { given: value * TAKEN[u][v], taken: value * TAKEN[v][u] }
    }

    /// Both sides of a split on `input` with these ways below `left`, where the rows part.
    fn both(&mut self, left: u32, input: usize, ways: [u32; 2], u: usize, v: usize) -> Below {
        let (first, second) = (2 * input, 2 * input + 1);
        let before = [self.slots[first], self.slots[second]];
        self.take(input, before.map(|[row, _]| row));
        let of_row = self.below(left + ways[0], u + 1, v);
        self.take(input, before.map(|[_, reference]| reference));
        let of_reference = self.below(left + ways[1], u, v + 1);
        (self.slots[first], self.slots[second]) = (before[0], before[1]);
        self.sums[input] += of_row.given - of_reference.taken;
        Below { given: of_row.given + of_reference.given, taken: of_row.taken + of_reference.taken }
    }

    /// Further splits on `input` find these keys for both rows, so that it keeps its side.
    fn take(&mut self, input: usize, keys: [u32; 2]) {
        self.slots[2 * input] = [keys[0]; 2];
        self.slots[2 * input + 1] = [keys[1]; 2];
    }
}

#[cfg(test)]
mod tests;
