//! The groups of one period by number, so that neighbours are found fast, and one layer of counts on
//! them. A number is the place of the group in the order of `RolledPeriod::cells`; numbers come from
//! here alone, so they are always inside of what is made here for them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::is_small;
use crate::trend::groups::RolledPeriod;
use crate::trend::tally::Frame;

/// The coordinates of a place, 16 bits for each key: `roll` admits no more keys than fit.
pub(super) type Code = u128;

const BITS: usize = 16;

/// All bits of one key.
pub(super) fn key_mask(key: usize) -> Code {
    Code::from(u16::MAX) << (BITS * key)
}

/// `code` with the value of `key` from `other`.
pub(super) fn with_key(code: Code, key: usize, other: Code) -> Code {
    (code & !key_mask(key)) | (other & key_mask(key))
}

fn code(coordinates: impl Iterator<Item = (usize, u16)>) -> Code {
    coordinates.fold(0, |code, (key, value)| code | Code::from(value) << (BITS * key))
}

/// The keys of a grouping.
pub(super) struct Grouping {
    pub(super) keys: Vec<usize>,
    pub(super) mask: Code,
    numbers: HashMap<Code, usize, RandomState>,
    /// For each of its keys: the groups that differ by this key alone, by the code without it.
    lines: Vec<HashMap<Code, Vec<usize>, RandomState>>,
}

/// A group and its parts in a finer grouping.
pub(super) struct Line {
    pub(super) whole: usize,
    pub(super) parts: Vec<usize>,
}

/// The groups of one period that have anybody.
pub(super) struct Cells {
    pub(super) groupings: Vec<Grouping>,
    /// By number: grouping and code.
    pub(super) places: Vec<(usize, Code)>,
    /// By number: the occupied places of the full cross in the group.
    pub(super) under: Vec<Vec<Code>>,
    pub(super) lines: Vec<Line>,
}

impl Cells {
    pub(super) fn new(frame: &Frame, period: &RolledPeriod) -> Cells {
        let mut groupings: Vec<Grouping> =
            frame.groupings.iter().map(|keys| of_keys(keys)).collect();
        let mut places = Vec::with_capacity(period.cells.len());
        for (number, (grouping, coordinates)) in period.cells.keys().enumerate() {
            let place = &mut groupings[*grouping];
            let code = code(place.keys.iter().copied().zip(coordinates.iter().copied()));
            place.numbers.insert(code, number);
            for (key, lines) in place.keys.iter().zip(&mut place.lines) {
                lines.entry(code & !key_mask(*key)).or_default().push(number);
            }
            places.push((*grouping, code));
        }
        let mut under = vec![Vec::new(); places.len()];
        for coordinates in &period.occupied {
            let code = code(coordinates.iter().copied().enumerate());
            for number in groupings.iter().filter_map(|grouping| grouping.at(code)) {
                under[number].push(code);
            }
        }
        let lines = lines(&groupings, &places);
        Cells { groupings, places, under, lines }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// All numbers, those of groupings with few keys first.
    pub(super) fn coarse_first(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..self.len()).collect();
        numbers.sort_by_key(|number| self.groupings[self.places[*number].0].keys.len());
        numbers
    }
}

fn of_keys(keys: &[usize]) -> Grouping {
    Grouping {
        keys: keys.to_vec(),
        mask: keys.iter().fold(0, |mask, key| mask | key_mask(*key)),
        numbers: HashMap::default(),
        lines: keys.iter().map(|_| HashMap::default()).collect(),
    }
}

/// The groups of each grouping with their parts in each finer one.
fn lines(groupings: &[Grouping], places: &[(usize, Code)]) -> Vec<Line> {
    let mut parts: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (number, (grouping, code)) in places.iter().enumerate() {
        let mask = groupings[*grouping].mask;
        let coarser =
            groupings.iter().filter(|other| other.mask != mask && other.mask & !mask == 0);
        for whole in coarser.filter_map(|coarser| coarser.at(*code)) {
            parts.entry((whole, *grouping)).or_default().push(number);
        }
    }
    parts.into_iter().map(|((whole, _), parts)| Line { whole, parts }).collect()
}

impl Grouping {
    /// The group into which a place falls.
    pub(super) fn at(&self, code: Code) -> Option<usize> {
        self.numbers.get(&(code & self.mask)).copied()
    }

    /// The groups that differ from the one with this code by `key` alone, that one included.
    pub(super) fn along(&self, code: Code, key: usize) -> &[usize] {
        let of_key = self.keys.iter().position(|own| *own == key);
        let line = of_key.and_then(|place| self.lines[place].get(&(code & !key_mask(key))));
        line.map_or(&[], Vec::as_slice)
    }
}

/// One layer: counts by number of the group, and what is suppressed of them.
pub(super) struct Layer {
    pub(super) values: Vec<u64>,
    /// What is left of the layer above; nothing in the uppermost.
    pub(super) rests: Vec<u64>,
    pub(super) small: Vec<bool>,
    pub(super) suppressed: Vec<bool>,
    /// Suppressed, and corner of a cube, here or in a layer above.
    pub(super) is_proven: Vec<bool>,
    /// What it costs to suppress a count.
    pub(super) costs: Vec<u64>,
}

/// A count of nothing, or of all, is a bad partner: it can move in one direction only.
const COST_OF_NO_ROOM: u64 = 8;

impl Layer {
    /// A layer with these `values` of groups of these `sizes` (people), where `whole` are the values
    /// of the layer above, and `above` what is suppressed there.
    pub(super) fn new(
        sizes: &[u64],
        values: Vec<u64>,
        whole: Option<&[u64]>,
        above: &[bool],
    ) -> Layer {
        let rests: Vec<u64> = match whole {
            Some(whole) => whole
                .iter()
                .zip(&values)
                .map(|(whole, value)| whole.saturating_sub(*value))
                .collect(),
            None => vec![0; values.len()],
        };
        let both = || values.iter().zip(&rests);
        let small: Vec<bool> =
            both().map(|(value, rest)| is_small(*value) || is_small(*rest)).collect();
        let suppressed = small.iter().zip(above).map(|(small, above)| *small || *above).collect();
        let has_no_room = |value: u64, rest: u64| value == 0 || (whole.is_some() && rest == 0);
        let costs = both()
            .zip(sizes)
            .map(|((value, rest), size)| {
                let cost = 1 + size.isqrt();
                if has_no_room(*value, *rest) { COST_OF_NO_ROOM * cost } else { cost }
            })
            .collect();
        Layer { rests, small, suppressed, is_proven: above.to_vec(), costs, values }
    }

    /// What it would cost to suppress a count now.
    pub(super) fn cost(&self, number: usize) -> u64 {
        if self.suppressed[number] { 0 } else { self.costs[number] }
    }
}
