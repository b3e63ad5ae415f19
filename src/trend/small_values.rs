//! How finely the values of a key are told: those of few people are shown together, as `other`. Age
//! bands and sexes are few by themselves; regions, facilities, races, ethnicities, languages and
//! insurances are as records write them, and one of them may be one person's.
//!
//! Without an earlier release a value stays its own that has `people_min` people in at least one
//! period. Where `other` would stay below `people_min` itself, the smallest of the others joins it.
//! What is no name (too long, or with control characters) and areas of few inhabitants are in `other`
//! always.
//!
//! With an earlier release of the same specification the division stays as it was: what it shows by
//! name stays its own, whatever it has come to, and every other name is in `other`. So a name means
//! the same people's places in all periods of all releases: no two releases differ by a region that
//! was moved between two of their groups, and no change of `other` is a change of what it is made of.
//! That a region has few people now is no matter of names, but of its counts, which `suppress` sees
//! to. Only an `other` that appears for the first time, because of names that no earlier release saw,
//! is held to `people_min` as at the start. To tell values more finely, make another specification.

use std::collections::{BTreeMap, BTreeSet};

use super::params::{KeyName, RegionParams};
use super::release::{Key, KeyValue, OTHER, Release};
use super::tally::{Cell, Coordinates, Table};

/// The longest value that is told by name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The areas of three-digit ZIP codes with 20,000 people or fewer by the census of 2000, which must
/// not be told: 45 CFR 164.514(b)(2)(i)(B), with the list in the guidance of the US Department of
/// Health and Human Services on de-identification of 26 November 2012.
const SMALL_ZIP_AREAS: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878",
    "879", "884", "890", "893",
];

/// Shows the values of `key` with few people, which is at `key_place` of the coordinates of `table`,
/// together; `previous` is the release of the same specification that went before.
///
/// Gives the key with the values that are left, in their order, `OTHER` last, and the table by these.
/// Age bands and sexes come back as they were.
pub fn merge_small_values(
    key: &Key,
    key_place: usize,
    table: &Table,
    params: &RegionParams,
    previous: Option<&Release>,
) -> (Key, Table) {
    if matches!(key.name, KeyName::AgeBand | KeyName::Sex) {
        return (key.clone(), table.clone());
    }
    let people = people_by_value(key, key_place, table);
    let shown = previous.and_then(|release| release.keys.iter().find(|old| old.name == key.name));
    let mut own = match shown {
        Some(shown) => shown_before(key, shown),
        None => (0..key.values.len())
            .filter(|place| people.of(&[*place]) >= params.people_min)
            .collect(),
    };
    own.retain(|place| key.values.get(*place).is_some_and(|value| may_name(key.name, &value.name)));
    let is_other_new = shown.is_none_or(|key| key.values.iter().all(|value| value.name != OTHER));
    if is_other_new {
        fill_other(&mut own, &people, key.values.len(), params.people_min);
    }
    rename(key, key_place, table, &own)
}

/// Whether a value of a key may be told by name, if it has enough people.
fn may_name(key: KeyName, name: &str) -> bool {
    let is_fit = name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    is_fit && name != OTHER && !(key == KeyName::Region && is_in_small_zip_area(name))
}

/// Whether a region is a ZIP code, whole or the beginning of one, of an area of few inhabitants.
fn is_in_small_zip_area(region: &str) -> bool {
    let code: String = region.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let is_zip = (3..=9).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    is_zip && code.get(..3).is_some_and(|area| SMALL_ZIP_AREAS.contains(&area))
}

/// Takes the smallest values from `own`, of so many values in all, until the others together have
/// `people_min` people, or nobody.
fn fill_other(own: &mut BTreeSet<usize>, people: &People, values: usize, people_min: u64) {
    loop {
        let other: Vec<usize> = (0..values).filter(|place| !own.contains(place)).collect();
        let smallest = own.iter().copied().min_by_key(|place| (people.of(&[*place]), *place));
        match smallest {
            Some(smallest) if (1..people_min).contains(&people.of(&other)) => {
                own.remove(&smallest);
            }
            _ => return,
        }
    }
}

/// People by period and place of value.
struct People(Vec<BTreeMap<usize, u64>>);

impl People {
    /// Of these values together, in the period with the most.
    fn of(&self, places: &[usize]) -> u64 {
        let sum =
            |period: &BTreeMap<usize, u64>| places.iter().filter_map(|at| period.get(at)).sum();
        self.0.iter().map(sum).max().unwrap_or(0)
    }
}

fn people_by_value(key: &Key, key_place: usize, table: &Table) -> People {
    let count = |cells: &BTreeMap<Coordinates, Cell>| {
        let mut people = BTreeMap::new();
        for (place, cell) in cells {
            let value = place.get(key_place).map_or(key.values.len(), |value| usize::from(*value));
            *people.entry(value).or_default() += cell.people;
        }
        people
    };
    People(table.periods.iter().map(count).collect())
}

fn shown_before(key: &Key, shown: &Key) -> BTreeSet<usize> {
    let names: BTreeSet<&str> = shown.values.iter().map(|value| value.name.as_str()).collect();
    let is_shown = |place: &usize| key.values.get(*place).is_some_and(|v| names.contains(&*v.name));
    (0..key.values.len()).filter(is_shown).collect()
}

/// The key and the table with the values at `own` as they are, all others as `OTHER`.
fn rename(key: &Key, key_place: usize, table: &Table, own: &BTreeSet<usize>) -> (Key, Table) {
    let mut values: Vec<KeyValue> =
        own.iter().filter_map(|place| key.values.get(*place).cloned()).collect();
    if own.len() < key.values.len() {
        let other = KeyValue { name: OTHER.to_owned(), age_years_min: None, age_years_max: None };
        values.push(other);
    }
    let moved = |value: u16| {
        let place = own.iter().position(|place| *place == usize::from(value));
        u16::try_from(place.unwrap_or(own.len())).unwrap_or(u16::MAX)
    };
    let new_places: Vec<u16> = (0..key.values.len())
        .map(|value| moved(u16::try_from(value).unwrap_or(u16::MAX)))
        .collect();
    let mut renamed = Table::default();
    for cells in &table.periods {
        let mut period: BTreeMap<Coordinates, Cell> = BTreeMap::new();
        for (place, cell) in cells {
            let mut place = place.clone();
            if let Some(value) = place.get_mut(key_place) {
                *value = new_places.get(usize::from(*value)).copied().unwrap_or(u16::MAX);
            }
            period.entry(place).or_default().join(cell);
        }
        renamed.periods.push(period);
    }
    (Key { name: key.name, values }, renamed)
}
