//! What a cohort notes for the leak check while the records go by: they are not kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::replay::Replay;
use crate::feature::Facts;
use crate::record::{Code, ConceptSet, Entry, EventKind, Time, TimePrecision, View};
use crate::task::Task;
use crate::train::{Case, Tally};

/// The most different codes that are told apart.
const CODES_MAX: usize = 200_000;
/// The most different codes that are noted of one index time.
const CODES_PER_INDEX_TIME_MAX: usize = 4_096;
/// How far back events are looked at for when they became known, in days.
const STAMPED_DAYS: i64 = 30;

/// Notes of every index time of a cohort: 4 bytes for each code that came into view since the
/// patient's index time before, and of a share of them what a replay without the future gives.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Watch {
    pub(super) codes: Codes,
    /// For each sample, in the order in which they came, the codes that were new there.
    pub(super) fresh: Vec<Box<[u32]>>,
    pub(super) replay: Replay,
    pub(super) stamps: BTreeMap<EventKind, Stamps>,
}

/// The different codes that were met.
#[derive(Debug, Clone, Default)]
pub(super) struct Codes {
    numbers: HashMap<Arc<Code>, u32, RandomState>,
    /// Whether there were more than can be told apart.
    pub overflowed: bool,
}

impl Codes {
    fn number(&mut self, code: &Arc<Code>) -> Option<u32> {
        if let Some(number) = self.numbers.get(code) {
            return Some(*number);
        }
        let number = self.numbers.len();
        if number >= CODES_MAX {
            self.overflowed = true;
            return None;
        }
        self.numbers.insert(Arc::clone(code), number as u32);
        Some(number as u32)
    }

    /// All codes by their numbers.
    pub(super) fn by_number(&self) -> Vec<&Arc<Code>> {
        let mut all: Vec<(&u32, &Arc<Code>)> =
            self.numbers.iter().map(|(code, number)| (number, code)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, code)| code).collect()
    }
}

/// When the events of a kind became known, of those shortly before an index time.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamps {
    pub all: Tally,
    /// Those known within the hour before the index time.
    pub last_hour: Tally,
}

/// One index time as it goes by.
pub(in super::super) struct Seen<'s, 'h> {
    pub case: &'s Case,
    pub view: &'s View<'h>,
    pub facts: &'s Facts,
    /// The index time before, of the same subject.
    pub previous: Option<Time>,
}

impl Watch {
    /// The watch of one of so many parts of a cohort.
    pub(in super::super) fn of_part(parts: usize) -> Watch {
        Watch { replay: Replay::of_part(parts), ..Watch::default() }
    }

    /// Adds the notes of index times that come after.
    pub(in super::super) fn join(&mut self, later: Watch) {
        let Watch { codes, fresh, replay, stamps } = later;
        self.codes.overflowed |= codes.overflowed;
        let numbers: Vec<Option<u32>> =
            codes.by_number().into_iter().map(|code| self.codes.number(code)).collect();
        let number = |before: &u32| numbers.get(*before as usize).copied().flatten();
        self.fresh.extend(fresh.iter().map(|codes| codes.iter().filter_map(number).collect()));
        self.replay.join(replay);
        for (kind, Stamps { all, last_hour }) in stamps {
            let known = self.stamps.entry(kind).or_default();
            known.all.join(all);
            known.last_hour.join(last_hour);
        }
    }

    /// Notes one index time that belongs to the cohort.
    pub(in super::super) fn see(
        &mut self,
        task: &Task,
        concepts: &ConceptSet,
        seen: &Seen<'_, '_>,
    ) {
        let Seen { case, view, facts, previous } = seen;
        let index_time = view.index_time();
        let previous = previous.filter(|previous| *previous < index_time);
        let mut fresh: Vec<u32> = Vec::new();
        for entry in view.entries().filter(|entry| is_fresh(entry, previous)) {
            fresh.extend(self.codes.number(&entry.code));
        }
        fresh.sort_unstable();
        fresh.dedup();
        self.codes.overflowed |= fresh.len() > CODES_PER_INDEX_TIME_MAX;
        fresh.truncate(CODES_PER_INDEX_TIME_MAX);
        self.fresh.push(fresh.into_boxed_slice());
        if self.replay.is_due(&case.group, index_time) {
            self.replay.compare(&case.record, concepts, task, index_time, facts);
            self.stamp(&case.group, view);
        }
    }

    fn stamp(&mut self, group: &str, view: &View<'_>) {
        let hour_before = view.index_time().plus_hours(-1);
        for entry in view.entries().filter(|entry| view.within_days(entry, STAMPED_DAYS)) {
            let stamps = self.stamps.entry(entry.kind).or_default();
            stamps.all.add(group);
            if entry.known > hour_before {
                stamps.last_hour.add(group);
            }
        }
    }

    /// Puts the notes into the order of the samples: `order` holds for each place the one it comes
    /// from.
    pub(in super::super) fn reorder(&mut self, order: &[usize]) {
        let mut from = std::mem::take(&mut self.fresh);
        let taken = order.iter().map(|place| from.get_mut(*place).map(std::mem::take));
        self.fresh = taken.map(Option::unwrap_or_default).collect();
    }
}

/// Whether `entry` came into view after the index time before. What is known to the day, month or
/// year alone comes into view some time after it happened, and may be new at two index times.
fn is_fresh(entry: &Entry, previous: Option<Time>) -> bool {
    let Some(previous) = previous else { return true };
    let seen_after_days = match entry.precision {
        TimePrecision::Instant => 0,
        TimePrecision::Day => 2,
        TimePrecision::Month => 33,
        TimePrecision::Year => 368,
    };
    entry.known > previous || entry.time.plus_days(seen_after_days) > previous
}
