//! What may be shown: `suppress` decides it for every count of every group, so that no count from 1 to
//! 10, and none whose complement is, can be found, neither as it stands nor by subtraction.
//!
//! # Layers
//!
//! Each period is decided for itself, in layers: the people of a group (n), and for each measure those
//! who could be judged (m) and those to whom it happened (k; means and risks have none). A count is
//! *small* when it is 1..=10 or its complement in the layer above (n - m, m - k) is. What is suppressed
//! in a layer is suppressed in those below it: without n no m, without m no k. Figures follow: a mean
//! or a risk is shown where m is, a share, an outcome or a rate where k is. The count 0 may be shown,
//! and groups without anybody always are.
//!
//! # Why nothing can be found by subtraction
//!
//! All counts that are shown are sums over cells of the full cross of the keys. Take the tables (one
//! number for each cell of the cross) as a vector space; a shown count is a known linear form on it.
//! Whoever knows the shown counts knows exactly the linear combinations of their forms. So a
//! suppressed count cannot be found if there is a *move*, a change of the table, that changes it, but
//! none that is shown: every combination of shown counts is the same before and after the move, the
//! suppressed count is not, so it is no such combination.
//!
//! `cubes` makes a move for every suppressed count. Take some keys A, for each of them two values, and
//! one value for each other key: the corners are cells of the cross, and the move adds 1 to the
//! corners with an even number of second values, and takes 1 from the others. A sum over all values of
//! any one key of A does not change, because it holds the corners in pairs of opposite sign. A grouping
//! without some key of A is such a sum, so none of its counts changes. A grouping that holds all of A
//! tells the corners apart, so exactly the groups into which corners fall change, each by 1, and all
//! these are suppressed. That holds for every one of them: one cube gives a move to all that it
//! suppresses. Where a key has no second value to be had, A is without it, down to the empty A: then
//! the move adds one to one cell, and all groups that hold this cell are suppressed, everybody too.
//! More is suppressed later, never less, so moves stay moves.
//!
//! Layers do not mix: the forms of n, of m and of k are about different unknowns (people unmeasured;
//! measured without event; with event: a move of n changes the unmeasured, one of m exchanges measured
//! without event for unmeasured, one of k exchanges event and none). A move in one layer thus leaves
//! all that is shown in the others, and because a cube is suppressed in all layers below its own, it is
//! a move there as well. Differences (n - m, m - k) are shown where both sides are; if one is not, the
//! move of that side changes the difference. Where everybody is measured, m = n, the layer of m finds
//! nothing small that the layer of n did not find, so both show the same, and the tie tells nothing.
//! The sums behind figures (y, x, xy ...) are shown, or not, with k (with m for means and risks), as
//! other numbers on the same cells: the same cubes are moves of theirs.
//!
//! # What goes beyond single counts
//!
//! A shown group less its shown parts is the sum of its suppressed parts. `lines` sees that this sum is
//! 0 or at least 11, and its complement too, for each two groupings of which one holds the other; else
//! more is suppressed.
//!
//! That people come in whole numbers, never fewer than none, may still bound a count from both sides.
//! Corners are chosen where there is somebody, partners with counts of 11 and more before counts of
//! none, so that true people can make the move in both directions; that it is so is tested (of small
//! groups of people always, of small parts of larger groups nearly always), but not proven, nor how
//! wide the bounds are. Measures are decided each for itself: that one counts some of the people of
//! another (a higher limit of the same pressure) is not known here. Periods hold different unknowns;
//! that a period is never shown a second time, decided from other counts, is the matter of `carry`.

mod cells;
mod cubes;
mod lines;

use std::collections::BTreeMap;

use rayon::prelude::*;

use cells::{Cells, Layer};

use super::groups::{GroupPlace, Rolled, RolledPeriod};
use super::release::{FigureKind, Privacy};
use super::tally::{Cell, Coordinates};

/// Whether `count` is one that nobody may know.
fn is_small(count: u64) -> bool {
    count > 0 && count < crate::SMALL_CELL_PATIENTS as u64
}

/// What may be shown of one group in one period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    pub people: bool,
    /// For each measure, in the order of the specification.
    pub measures: Vec<ShownMeasure>,
}

/// What may be shown of one measure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShownMeasure {
    pub measured: bool,
    /// Never of means and risks.
    pub hits: bool,
    /// Where there is anything to make it of.
    pub figure: bool,
    /// Whether people, measured or hits, or a complement of theirs, is small; else what is not shown
    /// is suppressed beside.
    pub is_small: bool,
}

/// What may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masks {
    kinds: Vec<FigureKind>,
    periods: Vec<BTreeMap<GroupPlace, Shown>>,
}

impl Masks {
    /// What may be shown of the group with these `coordinates` in the grouping at this place: all of
    /// a group that has nobody, nothing beyond the last period.
    pub fn shown(&self, period: usize, grouping: usize, coordinates: &Coordinates) -> Shown {
        let Some(groups) = self.periods.get(period) else {
            let measures = vec![ShownMeasure::default(); self.kinds.len()];
            return Shown { people: false, measures };
        };
        let nobody = |kind: &FigureKind| ShownMeasure {
            measured: true,
            hits: kind.counts_hits(),
            figure: true,
            is_small: false,
        };
        groups.get(&(grouping, coordinates.clone())).cloned().unwrap_or_else(|| Shown {
            people: true,
            measures: self.kinds.iter().map(nobody).collect(),
        })
    }

    /// How many points of the periods from `first_period` on (those that no earlier release holds)
    /// there are, and are suppressed. Only groups with anybody count.
    pub fn privacy(&self, first_period: usize) -> Privacy {
        let mut privacy = Privacy { kept_periods: first_period as u64, ..Privacy::default() };
        for shown in self.periods.iter().skip(first_period).flat_map(BTreeMap::values) {
            for (measure, kind) in shown.measures.iter().zip(&self.kinds) {
                let is_whole = shown.people && measure.measured && measure.figure;
                let is_shown = is_whole && (measure.hits || !kind.counts_hits());
                privacy.points += 1;
                privacy.suppressed_small += u64::from(measure.is_small);
                privacy.suppressed_beside += u64::from(!measure.is_small && !is_shown);
            }
        }
        privacy
    }
}

/// Decides what may be shown of `rolled`, whose measures are of these `kinds`, in their order.
pub fn suppress(rolled: &Rolled, kinds: &[FigureKind]) -> Masks {
    let decide =
        |period: &RolledPeriod| decide_period(&Cells::new(&rolled.frame, period), period, kinds);
    Masks { periods: rolled.periods.par_iter().map(decide).collect(), kinds: kinds.to_vec() }
}

fn decide_period(
    cells: &Cells,
    period: &RolledPeriod,
    kinds: &[FigureKind],
) -> BTreeMap<GroupPlace, Shown> {
    let nothing = vec![false; cells.len()];
    let count =
        |value: &dyn Fn(&Cell) -> u64| period.cells.values().map(value).collect::<Vec<u64>>();
    let people = count(&|cell| cell.people);
    // The uppermost layer: there is no complement of all people.
    let people = settle(cells, Layer::new(&people, people.clone(), None, &nothing));
    let mut shown: Vec<Shown> = people
        .suppressed
        .iter()
        .map(|hidden| Shown { people: !hidden, measures: Vec::with_capacity(kinds.len()) })
        .collect();
    for (place, kind) in kinds.iter().enumerate() {
        let of =
            |cell: &Cell, pick: fn(&super::Tally) -> u64| cell.tallies.get(place).map_or(0, pick);
        let measured = count(&|cell| of(cell, |tally| tally.measured));
        let hits = count(&|cell| of(cell, |tally| tally.hits));
        let below = |above: &Layer, values: Vec<u64>| {
            let layer = Layer::new(&people.values, values, Some(&above.values), &above.suppressed);
            settle(cells, layer)
        };
        let measured = below(&people, measured);
        let hits = kind.counts_hits().then(|| below(&measured, hits));
        for (at, group) in shown.iter_mut().enumerate() {
            let is_measured_shown = !measured.suppressed[at];
            let is_hits_shown = hits.as_ref().map(|hits| !hits.suppressed[at]);
            group.measures.push(ShownMeasure {
                measured: is_measured_shown,
                hits: is_hits_shown.unwrap_or(false),
                figure: is_hits_shown.unwrap_or(is_measured_shown),
                is_small: people.small[at]
                    || measured.small[at]
                    || hits.as_ref().is_some_and(|hits| hits.small[at]),
            });
        }
    }
    period.cells.keys().cloned().zip(shown).collect()
}

/// Gives every small count of the layer its cube, the coarse groups first: what they take with them in
/// finer groups serves these as well. Then sees to the sums along the lines.
fn settle(cells: &Cells, mut layer: Layer) -> Layer {
    for cell in cells.coarse_first() {
        if layer.suppressed[cell] && !layer.is_proven[cell] {
            layer.protect(cells, cell);
        }
    }
    while lines::mend(cells, &mut layer) {}
    layer
}
