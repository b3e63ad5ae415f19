//! `roll`: the people of the full cross of all keys, summed up to every grouping that is shown.

use std::collections::BTreeMap;

use thiserror::Error;

use super::tally::{Cell, Coordinates, Frame, Table};

/// A group: the place of its grouping in the frame, and the coordinates of that grouping's keys, in
/// the grouping's order.
pub type GroupPlace = (usize, Coordinates);

/// So many keys fit into the code of a place.
const KEYS_MAX: usize = 8;

/// Why a table cannot be rolled up. No specification and no export leads to these: they are faults of
/// this program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupsError {
    #[error("a frame has {keys} keys; at most {KEYS_MAX} can be rolled up")]
    Keys { keys: usize },
    #[error("grouping {grouping} does not name keys of the frame in rising order")]
    Grouping { grouping: usize },
    #[error("the groupings of the frame do not hold each other once, with everybody among them")]
    Groupings,
    #[error("period {period} has a cell outside of the frame")]
    Place { period: usize },
    #[error(
        "period {period} has a cell with more hits than measured, or more measured than people"
    )]
    Counts { period: usize },
    #[error("period {period} has cells with different numbers of measures")]
    Measures { period: usize },
}

/// Every group of every grouping in which there is anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    pub(super) frame: Frame,
    pub(super) periods: Vec<RolledPeriod>,
}

/// One period of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RolledPeriod {
    pub(super) cells: BTreeMap<GroupPlace, Cell>,
    /// The places of the full cross in which there is anybody, in order.
    pub(super) occupied: Vec<Coordinates>,
}

impl Rolled {
    /// The groups of a period with anybody in them, by grouping and coordinates; nothing beyond the
    /// last period. Groups that are not there have nobody.
    pub fn period(&self, period: usize) -> impl Iterator<Item = (&GroupPlace, &Cell)> {
        self.periods.get(period).into_iter().flat_map(|period| &period.cells)
    }

    /// How many periods there are.
    pub fn period_count(&self) -> usize {
        self.periods.len()
    }

    /// The people of a group in a period; `None` where there is nobody.
    pub fn cell(&self, period: usize, place: &GroupPlace) -> Option<&Cell> {
        self.periods.get(period)?.cells.get(place)
    }
}

/// Sums the cells of `table` up to every grouping of `frame`.
///
/// # Errors
/// A table or a frame that cannot be; see `GroupsError`.
pub fn roll(table: &Table, frame: &Frame) -> Result<Rolled, GroupsError> {
    check(frame)?;
    let counted = table.periods.iter().flat_map(BTreeMap::values).next();
    let measures = counted.map_or(0, |cell| cell.tallies.len());
    let mut periods = Vec::with_capacity(table.periods.len());
    for (period, cells) in table.periods.iter().enumerate() {
        let mut rolled = RolledPeriod { cells: BTreeMap::new(), occupied: Vec::new() };
        for (place, cell) in cells {
            check_cell(place, cell, period, measures, frame)?;
            if cell.people == 0 {
                continue;
            }
            rolled.occupied.push(place.clone());
            for (grouping, keys) in frame.groupings.iter().enumerate() {
                let of_keys = keys.iter().filter_map(|key| place.get(*key).copied()).collect();
                rolled.cells.entry((grouping, of_keys)).or_default().join(cell);
            }
        }
        periods.push(rolled);
    }
    Ok(Rolled { frame: frame.clone(), periods })
}

fn check(frame: &Frame) -> Result<(), GroupsError> {
    let keys = frame.sizes.len();
    if keys > KEYS_MAX {
        return Err(GroupsError::Keys { keys });
    }
    for (grouping, of_keys) in frame.groupings.iter().enumerate() {
        let is_rising = of_keys.is_sorted_by(|one, next| one < next);
        if !is_rising || of_keys.iter().any(|key| *key >= keys) {
            return Err(GroupsError::Grouping { grouping });
        }
    }
    let groupings = &frame.groupings;
    let repeats =
        |at: usize, grouping: &Vec<usize>| groupings.iter().skip(at + 1).any(|g| g == grouping);
    let is_repeated = groupings.iter().enumerate().any(|(at, grouping)| repeats(at, grouping));
    if is_repeated || !groupings.iter().any(Vec::is_empty) {
        return Err(GroupsError::Groupings);
    }
    Ok(())
}

fn check_cell(
    place: &Coordinates,
    cell: &Cell,
    period: usize,
    measures: usize,
    frame: &Frame,
) -> Result<(), GroupsError> {
    let is_inside = place.len() == frame.sizes.len()
        && place.iter().zip(&frame.sizes).all(|(value, size)| value < size);
    if !is_inside {
        return Err(GroupsError::Place { period });
    }
    if cell.tallies.len() != measures {
        return Err(GroupsError::Measures { period });
    }
    let fits = |tally: &super::Tally| tally.hits <= tally.measured && tally.measured <= cell.people;
    if cell.tallies.iter().all(fits) { Ok(()) } else { Err(GroupsError::Counts { period }) }
}
