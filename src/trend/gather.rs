//! Gathering people into cells, from many threads, in bounded memory. All sums are of whole numbers:
//! the order of people does not matter.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use super::calendar::Span;
use super::params::KeyName;
use super::person::{Presence, Reader, Scorer};
use super::release::{Key, KeyValue, UNKNOWN};
use super::spec::{Rule, Spec};
use super::tally::{Amount, Cell, Coordinates, Table, Tally};
use crate::record::{Record, RecordError, Time};

/// The most values of one key: more regions than this are no coarse regions.
pub const VALUES_MAX: usize = 5_000;
/// The most counts that are held: cells by measures. One takes some 250 bytes.
pub const TALLIES_MAX: usize = 3_000_000;
/// A part hands over what it holds when it has so many cells: parts are many.
const PART_CELLS_MAX: usize = 2_000;

/// Gathers the people of an export.
pub struct Gatherer<'g, 'a> {
    spec: &'g Spec<'a>,
    spans: Vec<Span>,
    until: Time,
    scorer: Scorer<'g>,
    shared: Mutex<Shared>,
}

/// What all parts have handed over.
#[derive(Debug, Default)]
struct Shared {
    /// For each key its values in the order in which they were met.
    names: Vec<Names>,
    table: Vec<HashMap<Coordinates, Cell, RandomState>>,
    /// For each measure and period by code system the people found by it.
    systems: BTreeMap<(usize, usize), BTreeMap<String, u64>>,
    /// For each scale of peers and place of a person how often each value, in millionths, was met.
    scales: BTreeMap<(usize, Coordinates), BTreeMap<Amount, u64>>,
    /// How many cells there are in all periods.
    cells: usize,
    ageless: u64,
    /// Why no more can be held.
    overflown: Option<TooMuch>,
}

#[derive(Debug, Default)]
struct Names {
    names: Vec<String>,
    places: HashMap<String, u16, RandomState>,
}

/// All that was gathered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Gathered {
    pub keys: Vec<Key>,
    pub table: Table,
    pub systems: BTreeMap<(usize, usize), BTreeMap<String, u64>>,
    /// By scale: first the measurements of the specification's peers, then its risk measures.
    pub scales: BTreeMap<(usize, Coordinates), BTreeMap<Amount, u64>>,
}

/// More than may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    #[error(
        "the key `{}` has more than {VALUES_MAX} values: groups as small as that show nothing; for regions \
         choose a coarser --region-from", .0.name()
    )]
    Values(KeyName),
    #[error(
        "all keys crossed with all periods and measures make more than {TALLIES_MAX} counts: name fewer keys \
         in `groups`, or longer periods"
    )]
    Tallies,
}

/// Some of the people, before they are handed over.
pub struct Part<'g, 'a> {
    gatherer: &'g Gatherer<'g, 'a>,
    reader: Reader<'g, 'a>,
    /// For each key what is known of the shared names.
    places: Vec<HashMap<String, u16, RandomState>>,
    held: Held,
}

#[derive(Default)]
struct Held {
    cells: HashMap<(usize, Coordinates), Cell, RandomState>,
    systems: BTreeMap<(usize, usize), BTreeMap<String, u64>>,
    scales: BTreeMap<(usize, Coordinates), BTreeMap<Amount, u64>>,
}

impl<'g, 'a> Gatherer<'g, 'a> {
    /// Gathers by `spec` into the periods that are over by `until`.
    pub fn new(spec: &'g Spec<'a>, until: Time, scorer: Scorer<'g>) -> Gatherer<'g, 'a> {
        let spans = spec.spans(until);
        let names = spec.keys.iter().map(|_| Names::default()).collect();
        let table = spans.iter().map(|_| HashMap::default()).collect();
        let shared = Mutex::new(Shared { names, table, ..Shared::default() });
        Gatherer { spec, spans, until, scorer, shared }
    }

    /// How many periods there are.
    pub fn periods(&self) -> usize {
        self.spans.len()
    }

    /// How many people have no date of birth, where one is needed.
    pub fn ageless(&self) -> u64 {
        self.shared().ageless
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// A part that nobody is in yet.
    pub fn part(&'g self) -> Part<'g, 'a> {
        Part {
            gatherer: self,
            reader: Reader::new(self.spec, &self.spans, self.until, self.scorer),
            places: self.spec.keys.iter().map(|_| HashMap::default()).collect(),
            held: Held::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that the parts handed over, with the values of keys in order.
    ///
    /// # Errors
    /// A key with too many values.
    pub(super) fn finish(&self) -> Result<Gathered, TooMuch> {
        let mut guard = self.shared();
        let shared = Shared { ageless: guard.ageless, ..Shared::default() };
        let shared = std::mem::replace(&mut *guard, shared);
        drop(guard);
        if let Some(fault) = shared.overflown {
            return Err(fault);
        }
        let ordered = |(key, names): (&KeyName, &Names)| ordered(self.spec, *key, &names.names);
        let (keys, moves): (Vec<Key>, Vec<Vec<u16>>) =
            self.spec.keys.iter().zip(&shared.names).map(ordered).unzip();
        let moved = |coordinates: &Coordinates| -> Coordinates {
            let each = coordinates.iter().zip(&moves);
            each.map(|(place, moves)| moves.get(usize::from(*place)).copied().unwrap_or(0))
                .collect()
        };
        let periods = shared.table.into_iter().map(|cells| {
            cells.into_iter().map(|(coordinates, cell)| (moved(&coordinates), cell)).collect()
        });
        let table = Table { periods: periods.collect() };
        let scales = shared.scales.into_iter();
        let scales = scales.map(|((scale, at), values)| ((scale, moved(&at)), values)).collect();
        Ok(Gathered { keys, table, systems: shared.systems, scales })
    }
}

/// The values of a key in their order, and where each that was met has gone.
fn ordered(spec: &Spec<'_>, key: KeyName, met: &[String]) -> (Key, Vec<u16>) {
    let mut values: Vec<KeyValue> = match key {
        // Every band is there, so that it does not matter who came.
        KeyName::AgeBand => spec.age_bands.clone(),
        _ => {
            let plain = |name: &String| KeyValue {
                name: name.clone(),
                age_years_min: None,
                age_years_max: None,
            };
            met.iter().map(plain).collect()
        }
    };
    if key != KeyName::AgeBand {
        // What is not known stands last.
        values.sort_by(|a, b| (a.name == UNKNOWN, &a.name).cmp(&(b.name == UNKNOWN, &b.name)));
    }
    let place = |name: &String| values.iter().position(|value| value.name == *name).unwrap_or(0);
    let moves = met.iter().map(|name| u16::try_from(place(name)).unwrap_or(0)).collect();
    (Key { name: key, values }, moves)
}

impl<'g, 'a: 'g> Part<'g, 'a> {
    /// Adds a person.
    ///
    /// # Errors
    /// When the record cannot become a history; nothing is added then.
    pub fn add(&mut self, record: &Record) -> Result<(), RecordError> {
        for presence in self.reader.read(record)? {
            self.add_presence(presence);
        }
        if self.held.cells.len() > PART_CELLS_MAX {
            self.hand_over();
        }
        Ok(())
    }

    fn add_presence(&mut self, presence: Presence) {
        let Presence { period, values, amounts, treated: _, weight, systems, latest } = presence;
        let Some(at) = self.coordinates(values) else { return };
        let spec = self.gatherer.spec;
        let is_last = period + 1 == self.gatherer.spans.len();
        if is_last && spec.params.peers.is_some() {
            let is_risk = |place: &usize| {
                let counted = spec.measures.get(*place);
                counted.is_some_and(|counted| matches!(counted.rule, Rule::Risk(_)))
            };
            let risks = (0..amounts.len()).filter(is_risk);
            let risks = risks.map(|place| Some(amounts.get(place).copied()??.0));
            for (scale, value) in latest.iter().copied().chain(risks).enumerate() {
                if let Some(value) = value {
                    let values = self.held.scales.entry((scale, at.clone())).or_default();
                    *values.entry(peer_value(value, scale < latest.len())).or_default() += 1;
                }
            }
        }
        for (measure, system) in systems {
            let people = self.held.systems.entry((measure, period)).or_default();
            *people.entry(system).or_default() += 1;
        }
        let cell = self.held.cells.entry((period, at)).or_default();
        cell.people += 1;
        cell.tallies.resize(spec.measures.len(), Tally::default());
        for (tally, amount) in cell.tallies.iter_mut().zip(amounts) {
            let Some((y, x)) = amount else { continue };
            match (spec.survey, weight) {
                (None, _) => tally.person(y, x),
                (Some(_), Some((weight, unit))) => {
                    tally.person(y, x);
                    tally.weighted(y, x, weight, unit);
                }
                // Without a weight nobody knows for how many a person stands.
                (Some(_), None) => {}
            }
        }
    }

    /// Where a person stands, by the places that all parts share.
    fn coordinates(&mut self, values: Vec<String>) -> Option<Coordinates> {
        let mut at = Coordinates::with_capacity(values.len());
        for (key, value) in values.into_iter().enumerate() {
            let known = self.places.get_mut(key)?;
            if let Some(place) = known.get(&value) {
                at.push(*place);
                continue;
            }
            let mut shared = self.gatherer.shared();
            let names = shared.names.get_mut(key)?;
            let place = match names.places.get(&value) {
                Some(place) => *place,
                None if names.names.len() >= VALUES_MAX => {
                    let name = self.gatherer.spec.keys.get(key).copied();
                    shared.overflown = shared.overflown.or(name.map(TooMuch::Values));
                    return None;
                }
                None => {
                    let place = u16::try_from(names.names.len()).ok()?;
                    names.names.push(value.clone());
                    names.places.insert(value.clone(), place);
                    place
                }
            };
            drop(shared);
            known.insert(value, place);
            at.push(place);
        }
        Some(at)
    }

    /// Hands over what is held; to be called once more after the last person.
    pub fn hand_over(&mut self) {
        let held = std::mem::take(&mut self.held);
        let most = TALLIES_MAX / self.gatherer.spec.measures.len().max(1);
        let mut guard = self.gatherer.shared();
        let shared = &mut *guard;
        shared.ageless += std::mem::take(&mut self.reader.ageless);
        for ((period, at), cell) in held.cells {
            let Some(cells) = shared.table.get_mut(period) else { continue };
            if shared.cells >= most && !cells.contains_key(&at) {
                shared.overflown = shared.overflown.or(Some(TooMuch::Tallies));
                continue;
            }
            let before = cells.len();
            let all = cells.entry(at).or_default();
            all.people += cell.people;
            all.tallies.resize(cell.tallies.len(), Tally::default());
            all.tallies.iter_mut().zip(&cell.tallies).for_each(|(all, more)| all.join(more));
            shared.cells += cells.len() - before;
        }
        for (key, people) in held.systems {
            let all = shared.systems.entry(key).or_default();
            people.into_iter().for_each(|(system, more)| *all.entry(system).or_default() += more);
        }
        for (key, values) in held.scales {
            let all = shared.scales.entry(key).or_default();
            values.into_iter().for_each(|(value, more)| *all.entry(value).or_default() += more);
        }
    }
}

/// A value as it is counted for peers: measurements come rounded by their concept, and the odds of a
/// risk are kept to about one part in a hundred.
fn peer_value(value: f64, is_measurement: bool) -> Amount {
    if is_measurement {
        return Amount::of(value);
    }
    let odds = (value / (1.0 - value)).ln().clamp(-14.0, 14.0);
    let odds = (odds * 100.0).round() / 100.0;
    Amount::of(1.0 / (1.0 + (-odds).exp()))
}
