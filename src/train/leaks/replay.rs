//! Index times replayed with the future taken out of the record: no feature may change.

use std::collections::BTreeSet;

use crate::feature::{Facts, Spec, extract};
use crate::record::{ConceptSet, Encounter, Event, History, KnownAfter, Record, Time};
use crate::task::Task;
use crate::train::part_of;

/// So many index times are replayed before each halving of the share that is.
const ROUND: u64 = 128;
/// The share is halved no more often than this.
const HALVINGS_MAX: u64 = 20;

/// Replays a share of the index times that come by. The first are all replayed, then every second,
/// every fourth and so on, by a hash of patient and time: some 1,200 of 100,000. It holds names of
/// columns and nothing of any patient.
///
/// In each of several parts of a cohort the share is halved so much earlier, that all together replay
/// about as many.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    /// How many are replayed before each halving, and how often the share is halved from the first.
    round: u64,
    halved: u64,
    pub replayed: u64,
    /// What came out different: the column and its feature, or a learned feature twice.
    pub changed: BTreeSet<(String, String)>,
}

impl Default for Replay {
    fn default() -> Replay {
        Replay::of_part(1)
    }
}

impl Replay {
    /// For one of so many parts of a cohort.
    pub(super) fn of_part(parts: usize) -> Replay {
        let parts = parts.max(1) as u64;
        let halved = (parts / ROUND).checked_ilog2().map_or(0, u64::from);
        Replay { round: ROUND.div_ceil(parts), halved, replayed: 0, changed: BTreeSet::new() }
    }

    /// Adds what was replayed in a part that comes after.
    pub(super) fn join(&mut self, later: Replay) {
        self.replayed += later.replayed;
        self.changed.extend(later.changed);
    }

    /// Whether the index time is one to replay.
    pub(super) fn is_due(&self, group: &str, index_time: Time) -> bool {
        let halvings = (self.halved + self.replayed / self.round).min(HALVINGS_MAX);
        let key = format!("{group}/{}", index_time.micros());
        part_of("leaks", &key, 1 << halvings) == 0
    }

    /// Makes the row of `index_time` again from what `record` held at that time, and compares.
    pub(super) fn compare(
        &mut self,
        record: &Record,
        concepts: &ConceptSet,
        task: &Task,
        index_time: Time,
        facts: &Facts,
    ) {
        let known_after = &task.params().known_after;
        let cut = cut(record, known_after, index_time);
        // Leaving things out makes no record impossible; if it did, there would be nothing to compare.
        let Ok(built) = History::build(&cut, concepts, known_after) else { return };
        let again = extract(&built.history.view(index_time), task.spec(), false);
        self.replayed += 1;
        self.changed.extend(differing(task.spec(), facts, &again));
    }
}

/// What a source would have given of `record` at `index_time`: no encounter or event that came or
/// became known later, open what ended later, nobody dead who died later.
///
/// Coverage stays: it says what the source sees and not what happened. The end of an event stays: an
/// order says beforehand how long it lasts. An event of which only the day, month or year is known
/// stays when that had begun; whether it counts yet is the view's to say.
pub(super) fn cut(record: &Record, known_after: &KnownAfter, index_time: Time) -> Record {
    let begun = record.encounters.iter().filter(|encounter| encounter.start <= index_time);
    let known = record.events.iter().filter(|event| is_known(event, known_after, index_time));
    Record {
        patient_id: record.patient_id.clone(),
        birth_date: record.birth_date,
        sex: record.sex,
        death_time: record.death_time.filter(|time| *time <= index_time),
        region: record.region.clone(),
        coverage: record.coverage.clone(),
        encounters: begun.map(|encounter| as_of(encounter, index_time)).collect(),
        events: known.cloned().collect(),
        audit_attributes: record.audit_attributes.clone(),
    }
}

fn as_of(encounter: &Encounter, index_time: Time) -> Encounter {
    if encounter.end.is_none_or(|end| end <= index_time) {
        return encounter.clone();
    }
    Encounter {
        // A synthetic one stands for a count and must have an end.
        end: encounter.synthetic.then_some(index_time),
        discharge_disposition: None,
        ..encounter.clone()
    }
}

/// Whether the record would have held the event, for events that may have happened.
fn is_known(event: &Event, known_after: &KnownAfter, index_time: Time) -> bool {
    let times = event.times(known_after);
    times.is_none_or(|times| times.earliest <= index_time && times.known <= index_time)
}

/// The columns (or learned features) in which two rows of one index time differ by as much as a bit,
/// each with its feature.
fn differing(spec: &Spec, facts: &Facts, again: &Facts) -> BTreeSet<(String, String)> {
    let mut changed = BTreeSet::new();
    let bits = |facts: &Facts, place: usize| facts.values.get(place).map(|value| value.to_bits());
    for (place, column) in spec.fixed_columns().into_iter().enumerate() {
        if bits(facts, place) != bits(again, place) {
            let feature = spec.features().get(column.feature);
            let feature = feature.map_or_else(String::new, |feature| feature.name.clone());
            changed.insert((column.name, feature));
        }
    }
    for (learned, (_, feature)) in spec.learned().enumerate() {
        let texts = |facts: &Facts| -> BTreeSet<String> {
            let of = facts.tokens.iter().filter(|token| token.learned == learned);
            of.map(|token| token.text.clone()).collect()
        };
        let missing = |facts: &Facts| facts.learned_missing.get(learned).copied();
        if missing(facts) != missing(again) || texts(facts) != texts(again) {
            changed.insert((feature.name.clone(), feature.name.clone()));
        }
    }
    changed
}
