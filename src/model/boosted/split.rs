//! The best split of a node, read off its sums.
//!
//! Gain is the drop of the loss's second-order approximation (Friedman, Greedy function
//! approximation, 2001; with l2 as in Chen and Guestrin, XGBoost, 2016). Missing values go to
//! whichever side gains more. Monotone constraints are the basic method of LightGBM: a split whose
//! sides' values are the wrong way round is refused, and half way between them bounds all below.

use rayon::prelude::*;

use super::BoostedParams;
use super::bins::Binned;
use super::sums::{Sum, Units};
use crate::feature::RiskWith;

/// A leaf may not change the log-odds by more than this before shrinking: a guard against a hessian
/// near 0, far outside of what data say.
const VALUE_MAX: f64 = 30.0;
/// A split has to gain this per unit of hessian: less moves no log-odds by more than 1e-5.
const GAIN_MIN: f64 = 1e-10;
/// Cells that one thread searches by itself.
const CELLS_ALONE: usize = 8192;

/// What holds for every split of a fit.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) params: &'a BoostedParams,
    pub(super) constraints: &'a [Option<RiskWith>],
    pub(super) units: Units,
}

/// What is known of a node besides the sums of its cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    pub(super) total: Sum,
    /// The values its leaves may take, before shrinking.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Fewest rows on either side.
    pub(super) rows_min: usize,
}

impl Outline {
    /// The same, for a node with these rows.
    pub(super) fn root(total: Sum, params: &BoostedParams) -> Outline {
        Outline { total, low: -VALUE_MAX, high: VALUE_MAX, rows_min: params.leaf_rows_min }
    }

    fn is_bounded(&self) -> bool {
        self.low > -VALUE_MAX || self.high < VALUE_MAX
    }
}

/// A split, good enough to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) input: usize,
    /// Codes up to this one go left.
    pub(super) bin: u8,
    pub(super) missing_left: bool,
    /// The sums of the left side.
    pub(super) left: Sum,
}

impl Rules<'_> {
    /// The value of a leaf with these sums, before shrinking.
    pub(super) fn value(&self, sum: Sum, outline: &Outline) -> f64 {
        let hessian = self.units.hessian(sum) + self.params.l2;
        let value = if hessian > 0.0 { -self.units.gradient(sum) / hessian } else { 0.0 };
        value.max(outline.low).min(outline.high)
    }

    /// Whether a node with these sums could be split at all.
    pub(super) fn may_split(&self, outline: &Outline) -> bool {
        self.units.rows(outline.total) >= 2 * outline.rows_min
            && self.units.hessian(outline.total) >= 2.0 * self.params.hessian_min
    }

    /// What the sides of `split` are bound to.
    pub(super) fn sides(&self, outline: &Outline, split: &Split) -> [Outline; 2] {
        let right = outline.total.minus(split.left);
        let rows_min = self.params.leaf_rows_min;
        let side = |total| Outline { total, rows_min, ..*outline };
        let [mut left, mut right] = [side(split.left), side(right)];
        let middle = (self.value(left.total, outline) + self.value(right.total, outline)) / 2.0;
        match self.constraints[split.input] {
            None => {}
            Some(RiskWith::Rises) => (left.high, right.low) = (middle, middle),
            Some(RiskWith::Falls) => (left.low, right.high) = (middle, middle),
        }
        [left, right]
    }

    /// The best split on one of `inputs`; of equals, that of the lowest input and bin.
    pub(super) fn best(
        &self,
        binned: &Binned,
        cells: &[Sum],
        outline: &Outline,
        inputs: &[usize],
    ) -> Option<Split> {
        let search = |inputs: &[usize]| {
            let each =
                inputs.iter().filter_map(|input| self.best_on(binned, cells, outline, *input));
            each.reduce(better)
        };
        if cells.len() <= CELLS_ALONE {
            return search(inputs);
        }
        let per_part = (inputs.len() * CELLS_ALONE / cells.len()).max(1);
        let found: Vec<Option<Split>> = inputs.par_chunks(per_part).map(search).collect();
        found.into_iter().flatten().reduce(better)
    }

    fn best_on(
        &self,
        binned: &Binned,
        cells: &[Sum],
        outline: &Outline,
        input: usize,
    ) -> Option<Split> {
        let bins = &binned.bins()[input];
        let own = &cells[bins.first_cell..bins.first_cell + bins.cells()];
        let direction = self.constraints[input];
        if direction.is_none() && !outline.is_bounded() {
            self.scan(own, outline, input, |left, right| {
                Some(left.0 * left.0 / left.1 + right.0 * right.0 / right.1)
            })
        } else {
            self.scan(own, outline, input, |left, right| bounded(outline, direction, left, right))
        }
    }

    /// Tries every cut between cells; `score` gives the gain of two sides, each with its gradient
    /// and its hessian, or `None` for sides that may not be.
    fn scan(
        &self,
        cells: &[Sum],
        outline: &Outline,
        input: usize,
        score: impl Fn((f64, f64), (f64, f64)) -> Option<f64>,
    ) -> Option<Split> {
        let (missing, bins) = cells.split_last()?;
        let (units, params) = (self.units, self.params);
        let sums = |sum| (units.gradient(sum), units.hessian(sum));
        let (rows, whole) = (units.rows(outline.total), sums(outline.total));
        // The node's own part of the gain, with what a split must gain at the least.
        let value = self.value(outline.total, outline);
        let floor = -value * (2.0 * whole.0 + (whole.1 + params.l2) * value) + GAIN_MIN * whole.1;
        let mut best: Option<Split> = None;
        let mut highest = floor;
        let sides = if *missing == Sum::ZERO { &[false][..] } else { &[false, true] };
        for missing_left in sides {
            let mut left = if *missing_left { *missing } else { Sum::ZERO };
            // The last bin ends a side only where missing values make the other.
            let last = bins.len() - usize::from(sides.len() == 1 || *missing_left);
            for (bin, cell) in bins[..last].iter().enumerate() {
                if *cell == Sum::ZERO {
                    continue;
                }
                left = left.plus(*cell);
                let (rows_left, (gradient, hessian)) = (units.rows(left), sums(left));
                let beyond = whole.1 - hessian;
                if rows_left < outline.rows_min || hessian < params.hessian_min {
                    continue;
                }
                if rows - rows_left < outline.rows_min || beyond < params.hessian_min {
                    break;
                }
                let below = (gradient, hessian + params.l2);
                let above = (whole.0 - gradient, beyond + params.l2);
                let Some(gain) = score(below, above) else { continue };
                if gain > highest {
                    highest = gain;
                    let (gain, bin, missing_left) = (gain - floor, bin as u8, *missing_left);
                    best = Some(Split { gain, input, bin, missing_left, left });
                }
            }
        }
        // Rows that lack the input later on go with the greater part, where none did here.
        best.map(|split| match sides.len() {
            1 => Split { missing_left: 2 * units.rows(split.left) >= rows, ..split },
            _ => split,
        })
    }
}

/// The gain of two sides whose values are bound; `None` when they are the wrong way round.
fn bounded(
    outline: &Outline,
    direction: Option<RiskWith>,
    left: (f64, f64),
    right: (f64, f64),
) -> Option<f64> {
    let value = |side: (f64, f64)| (-side.0 / side.1).max(outline.low).min(outline.high);
    let (a, b) = (value(left), value(right));
    let in_order = match direction {
        None => true,
        Some(RiskWith::Rises) => a <= b,
        Some(RiskWith::Falls) => a >= b,
    };
    let gain = |side: (f64, f64), value: f64| -value * (2.0 * side.0 + side.1 * value);
    in_order.then(|| gain(left, a) + gain(right, b))
}

fn better(one: Split, other: Split) -> Split {
    if other.gain > one.gain { other } else { one }
}
