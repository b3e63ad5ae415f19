//! Which codes and code systems occur, and which frequent codes belong to no concept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::content::code_of;
use super::footprint::{Footprint, Mark, Occurrence, parts};
use crate::record::{Code, ConceptId, ConceptSet, Encounter, EncounterCode, EventKind};

/// The most distinct codes that are told apart; events of further ones are counted together.
const CODES_MAX: usize = 500_000;
/// The most code systems that are told apart.
const SYSTEMS_MAX: usize = 1_000;
/// The most codes without a concept that are listed.
const UNMATCHED_MAX: usize = 50;
/// What systems are called that are not told by name.
const OTHER_SYSTEMS: &str = "(others)";

#[derive(Debug)]
struct CodeRow {
    footprint: Footprint,
    is_matched: bool,
}

/// The codes met so far.
#[derive(Debug, Default)]
pub(super) struct Codes {
    events: BTreeMap<EventKind, HashMap<Code, CodeRow>>,
    fields: HashMap<Code, CodeRow>,
    distinct: usize,
    /// Events and fields whose code came when the table was full.
    untold: u64,
    systems: BTreeMap<String, Footprint>,
    dispositions: u64,
    dispositions_matched: u64,
}

/// A code that many patients have and no concept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// The kind of its events, or `encounter` for a coded field of encounters.
    pub kind: String,
    pub system: String,
    pub code: String,
    pub count: u64,
    pub subjects: u64,
}

/// The codes of an export as they may be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownCodes {
    pub distinct: usize,
    /// Events and fields whose code is not told apart, because there are too many.
    pub untold: u64,
    /// The systems of the events' codes; those of few patients that no concept names are together.
    pub systems: BTreeMap<String, Occurrence>,
    /// The most frequent codes without a concept, of eleven patients or more.
    pub unmatched: Vec<Unmatched>,
}

impl Codes {
    pub(super) fn add_event(
        &mut self,
        mark: Mark,
        kind: EventKind,
        code: &Code,
        concepts: &[ConceptId],
        known_systems: &BTreeSet<String>,
    ) {
        let has_room = self.systems.len() < SYSTEMS_MAX || known_systems.contains(&code.system);
        match self.systems.get_mut(&code.system) {
            Some(system) => system.add(mark),
            None => {
                let name = if has_room { &code.system } else { OTHER_SYSTEMS };
                self.systems.entry(name.to_owned()).or_default().add(mark);
            }
        }
        let table = self.events.entry(kind).or_default();
        let room = CODES_MAX - self.distinct;
        match add_code(table, mark, code, !concepts.is_empty(), room) {
            Added::Known => {}
            Added::New => self.distinct += 1,
            Added::Untold => self.untold += 1,
        }
    }

    /// Adds a coded field of an encounter and returns the concepts of its code.
    pub(super) fn add_field(
        &mut self,
        mark: Mark,
        encounter: &Encounter,
        field: EncounterCode,
        concepts: &ConceptSet,
    ) -> Vec<ConceptId> {
        let Some(code) = encounter.code(field) else { return Vec::new() };
        let found = concepts.concepts_of(&code);
        if field == EncounterCode::DischargeDisposition {
            self.dispositions += 1;
            self.dispositions_matched += u64::from(!found.is_empty());
        }
        let room = CODES_MAX - self.distinct;
        match add_code(&mut self.fields, mark, &code, !found.is_empty(), room) {
            Added::Known => {}
            Added::New => self.distinct += 1,
            Added::Untold => self.untold += 1,
        }
        found
    }

    /// Whether events have codes of `system`.
    pub(super) fn has_system(&self, system: &str) -> bool {
        self.systems.contains_key(system)
    }

    /// Whether a coded field of encounters occurs, under the system concepts list it by.
    pub(super) fn has_field(&self, system: &str) -> bool {
        self.fields.keys().any(|code| code.system == system)
    }

    /// Encounters with a discharge disposition, and those whose disposition is in some concept.
    pub(super) fn dispositions(&self) -> (u64, u64) {
        (self.dispositions, self.dispositions_matched)
    }

    pub(super) fn shown(&self, known_systems: &BTreeSet<String>) -> ShownCodes {
        let mut systems: BTreeMap<String, Footprint> = BTreeMap::new();
        let mut others = 0;
        for (name, footprint) in &self.systems {
            if footprint.is_enough() || known_systems.contains(name) {
                systems.insert(name.clone(), footprint.clone());
            } else {
                others += 1;
            }
        }
        let mut systems = parts(&systems, Clone::clone);
        if others > 0 {
            // Which they are is not told, and how often they occur not either.
            let few = Occurrence { count: super::FEW, subjects: super::FEW };
            systems.insert(OTHER_SYSTEMS.to_owned(), few);
        }
        let (distinct, untold) = (self.distinct, self.untold);
        ShownCodes { distinct, untold, systems, unmatched: self.unmatched() }
    }

    fn unmatched(&self) -> Vec<Unmatched> {
        let of_events = self.events.iter().flat_map(|(kind, table)| {
            let kind = code_of(kind);
            table.iter().map(move |(code, row)| (kind.clone(), code, row))
        });
        let of_fields = self.fields.iter().map(|(code, row)| ("encounter".to_owned(), code, row));
        let told = of_events
            .chain(of_fields)
            .filter(|(_, _, row)| !row.is_matched && row.footprint.is_enough());
        let mut codes: Vec<Unmatched> = told
            .map(|(kind, code, row)| Unmatched {
                kind,
                system: code.system.clone(),
                code: code.code.clone(),
                count: row.footprint.count(),
                subjects: row.footprint.subjects(),
            })
            .collect();
        codes.sort_by(|a, b| {
            let key = |c: &Unmatched| (c.subjects, c.count);
            let name = |c: &Unmatched| (c.system.clone(), c.code.clone(), c.kind.clone());
            key(b).cmp(&key(a)).then_with(|| name(a).cmp(&name(b)))
        });
        codes.truncate(UNMATCHED_MAX);
        codes
    }
}

enum Added {
    Known,
    New,
    /// The table is full.
    Untold,
}

fn add_code(
    table: &mut HashMap<Code, CodeRow>,
    mark: Mark,
    code: &Code,
    is_matched: bool,
    room: usize,
) -> Added {
    if let Some(row) = table.get_mut(code) {
        row.footprint.add(mark);
        return Added::Known;
    }
    if room == 0 {
        return Added::Untold;
    }
    let mut footprint = Footprint::default();
    footprint.add(mark);
    table.insert(code.clone(), CodeRow { footprint, is_matched });
    Added::New
}
