//! Features of coded events: which conditions and drugs are there, and how drugs were changed.

use std::collections::HashSet;

use super::params::Window;
use super::scene::{Scene, Sink};
use crate::record::{Code, ConceptId, Entry, EventKind, Evidence};

/// Which events a presence looks at.
pub(super) struct Presence<'a> {
    pub kinds: &'a [EventKind],
    pub principal: bool,
    pub missing_without_any: bool,
}

/// Whether the entry is a diagnosis, and with `principal` one of rank 1.
pub(super) fn is_diagnosis(entry: &Entry, principal: bool) -> bool {
    entry.kind == EventKind::Diagnosis && (!principal || entry.rank == Some(1))
}

fn of_any<'h>(
    scene: &Scene<'_, 'h>,
    concepts: &[ConceptId],
    window: Window,
) -> impl Iterator<Item = &'h Entry> {
    scene.of_any(concepts, window)
}

/// How many events of the concepts there are in the window.
pub(super) fn count(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    sink: &mut Sink<'_>,
) {
    let facts: Vec<Evidence> =
        of_any(scene, concepts, window).map(|entry| scene.view.evidence(entry)).collect();
    sink.column(facts.len() as f64, facts);
}

/// Days since the latest event of the concepts; missing when there is none.
pub(super) fn days_since(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    sink: &mut Sink<'_>,
) {
    let latest = of_any(scene, concepts, window).last();
    // A day-precise event of the index day counts from its noon, which may lie ahead.
    let days = latest.map(|entry| scene.view.index_time().days_since(entry.time).max(0.0));
    sink.column(days.unwrap_or(f64::NAN), latest.map(|entry| scene.view.evidence(entry)));
}

/// One 0/1 column for each concept.
pub(super) fn presence(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    of: &Presence<'_>,
    sink: &mut Sink<'_>,
) {
    let looked_at: Vec<&Entry> = scene
        .within(window)
        .filter(|entry| of.kinds.contains(&entry.kind))
        .filter(|entry| !of.principal || entry.rank == Some(1))
        .collect();
    for concept in concepts {
        let facts: Vec<Evidence> = looked_at
            .iter()
            .filter(|entry| entry.concepts.contains(concept))
            .map(|entry| scene.view.evidence(entry))
            .collect();
        let value = match (facts.is_empty(), of.missing_without_any && looked_at.is_empty()) {
            (_, true) => f64::NAN,
            (true, _) => 0.0,
            (false, _) => 1.0,
        };
        sink.column(value, facts);
    }
}

/// How many different codes of the concepts have the coded value `coded` in the window.
pub(super) fn coded_count(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    coded: &str,
    sink: &mut Sink<'_>,
) {
    let mut codes: HashSet<&Code> = HashSet::new();
    let mut facts = Vec::new();
    for entry in of_any(scene, concepts, window) {
        if entry.coded.as_deref() == Some(coded) && codes.insert(&entry.code) {
            facts.push(scene.view.evidence(entry));
        }
    }
    sink.column(codes.len() as f64, facts);
}

/// One 0/1 column for each coded value of the concept's events in the window.
pub(super) fn coded_levels(
    scene: &Scene<'_, '_>,
    concept: ConceptId,
    window: Window,
    levels: &[String],
    sink: &mut Sink<'_>,
) {
    let found: Vec<&Entry> = of_any(scene, &[concept], window).collect();
    for level in levels {
        let facts: Vec<Evidence> = found
            .iter()
            .filter(|entry| entry.coded.as_deref() == Some(level.as_str()))
            .map(|entry| scene.view.evidence(entry))
            .collect();
        sink.column(if facts.is_empty() { 0.0 } else { 1.0 }, facts);
    }
}
