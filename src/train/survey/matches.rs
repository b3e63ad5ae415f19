//! Mapping coverage: for each concept what matches it and in which units, and why nothing does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::codes::Codes;
use super::content::Content;
use super::footprint::{Footprint, Mark, Occurrence};
use crate::record::{Concept, ConceptId, ConceptSet, EncounterCode, Entry, Event, Value};

/// The most units of one concept that are told apart.
const UNITS_MAX: usize = 50;
/// What units are called that are not told by name.
const OTHER_UNITS: &str = "other units";
const NO_UNIT: &str = "no unit";

#[derive(Debug, Default)]
struct UnitRow {
    footprint: Footprint,
    /// Numbers that are missing afterwards: of an unknown unit, or implausible.
    lost: Footprint,
}

#[derive(Debug, Default)]
struct Match {
    footprint: Footprint,
    units: BTreeMap<String, UnitRow>,
}

/// What matched each concept so far.
#[derive(Debug, Default)]
pub(super) struct Matches(HashMap<ConceptId, Match>);

/// Numbers of a concept that came in one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownUnit {
    pub unit: String,
    pub numbers: Occurrence,
    /// Numbers that count as missing: the unit is unknown to the concept, or the value implausible.
    pub lost: Occurrence,
}

/// What matches a concept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConceptMatch {
    pub concept: String,
    pub title: String,
    #[serde(flatten)]
    pub matched: Occurrence,
    /// The concept's own unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<ShownUnit>,
    /// Why nothing matches, or what stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// Why no code matches a concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    NoCodes,
    SystemsAbsent(BTreeSet<String>),
    CodesAbsent(BTreeSet<String>),
    /// It is a count that is not sent; the events it counts are.
    Counted,
}

impl Why {
    /// The reason as the end of a sentence.
    pub fn text(&self) -> String {
        let names = |systems: &BTreeSet<String>| {
            systems.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        match self {
            Why::NoCodes => "it lists no code".to_owned(),
            Why::SystemsAbsent(systems) => {
                format!("its systems ({}) do not occur in this export", names(systems))
            }
            Why::CodesAbsent(systems) => {
                format!("codes of {} occur, but none of its own", names(systems))
            }
            Why::Counted => "not sent; counted from events".to_owned(),
        }
    }

    /// Whether something is missing.
    pub fn is_gap(&self) -> bool {
        !matches!(self, Why::Counted)
    }
}

impl Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl Matches {
    pub(super) fn add(&mut self, mark: Mark, concept: ConceptId) {
        self.0.entry(concept).or_default().footprint.add(mark);
    }

    /// Adds an event to all its concepts, and its number to the concept whose unit it was read in.
    pub(super) fn add_event(
        &mut self,
        mark: Mark,
        entry: &Entry,
        event: &Event,
        concepts: &ConceptSet,
    ) {
        entry.concepts.iter().for_each(|concept| self.add(mark, *concept));
        let Some(Value::Number(_)) = event.value else { return };
        let has_unit = |id: &&ConceptId| concepts.get(**id).is_some_and(|c| c.unit.is_some());
        let Some(measured) = entry.concepts.iter().find(has_unit) else { return };
        let units = &mut self.0.entry(*measured).or_default().units;
        let unit = event.unit.as_deref().map(str::trim).filter(|unit| !unit.is_empty());
        let mut unit = unit.unwrap_or(NO_UNIT);
        if units.len() >= UNITS_MAX && !units.contains_key(unit) {
            unit = OTHER_UNITS;
        }
        let row = units.entry(unit.to_owned()).or_default();
        row.footprint.add(mark);
        if entry.number.is_none() {
            row.lost.add(mark);
        }
    }

    /// How many subjects a concept matches in.
    pub(super) fn subjects(&self, concept: ConceptId) -> u64 {
        self.0.get(&concept).map_or(0, |found| found.footprint.subjects())
    }

    /// Why nothing matches the concept; `None` when something does.
    pub(super) fn why(
        &self,
        id: ConceptId,
        concept: &Concept,
        codes: &Codes,
        content: &Content,
    ) -> Option<Why> {
        if self.subjects(id) > 0 {
            return None;
        }
        if concept.count.as_ref().is_some_and(|rule| content.has_events_of(&rule.kinds)) {
            return Some(Why::Counted);
        }
        let systems = concept.systems();
        if systems.is_empty() {
            return Some(Why::NoCodes);
        }
        let occurs = |system: &String| {
            let of_field = EncounterCode::ALL.iter().any(|field| field.system() == system);
            if of_field { codes.has_field(system) } else { codes.has_system(system) }
        };
        let seen: BTreeSet<String> = systems.iter().filter(|s| occurs(s)).cloned().collect();
        Some(if seen.is_empty() { Why::SystemsAbsent(systems) } else { Why::CodesAbsent(seen) })
    }

    pub(super) fn shown(
        &self,
        (id, name, concept): (ConceptId, &str, &Concept),
        codes: &Codes,
        content: &Content,
    ) -> ConceptMatch {
        let found = self.0.get(&id);
        let nothing = Footprint::default();
        ConceptMatch {
            concept: name.to_owned(),
            title: concept.title.clone(),
            matched: found.map_or(&nothing, |found| &found.footprint).shown(false),
            unit: concept.unit.clone(),
            units: found.map(|found| shown_units(found, concept)).unwrap_or_default(),
            why: self.why(id, concept, codes, content),
        }
    }
}

/// Units by name where enough patients have them or the concept itself names them.
fn shown_units(found: &Match, concept: &Concept) -> Vec<ShownUnit> {
    let own = concept.unit.iter().chain(concept.accept.iter().map(|accepted| &accepted.unit));
    let own: BTreeSet<&str> = own.map(String::as_str).chain([NO_UNIT, OTHER_UNITS]).collect();
    let is_told = |unit: &str, row: &UnitRow| row.footprint.is_enough() || own.contains(unit);
    let rounded = found.units.values().any(|row| !row.footprint.is_enough());
    let told = found.units.iter().filter(|(unit, row)| is_told(unit, row));
    let mut shown: Vec<ShownUnit> = told
        .map(|(unit, row)| ShownUnit {
            unit: unit.clone(),
            numbers: row.footprint.shown(rounded),
            lost: row.lost.shown(rounded),
        })
        .collect();
    if found.units.iter().any(|(unit, row)| !is_told(unit, row)) {
        let few = || Occurrence { count: super::FEW, subjects: super::FEW };
        shown.push(ShownUnit { unit: OTHER_UNITS.to_owned(), numbers: few(), lost: few() });
    }
    shown
}
