//! Features of coded events: which conditions and drugs are there, and how drugs were changed.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::params::{DrugChange, Window};
use super::scene::{Scene, Sink};
use crate::record::{Code, ConceptId, Entry, EventKind, Evidence};

/// Which events a presence looks at.
pub(super) struct Presence<'a> {
    pub kinds: &'a [EventKind],
    pub principal: bool,
    pub missing_without_any: bool,
}

impl Presence<'_> {
    fn events<'h>(&self, scene: &Scene<'_, 'h>, window: Window) -> Vec<&'h Entry> {
        scene
            .within(window)
            .filter(|entry| self.kinds.contains(&entry.kind))
            .filter(|entry| !self.principal || entry.rank == Some(1))
            .collect()
    }
}

/// Whether the entry is a diagnosis, and with `principal` one of rank 1.
pub(super) fn is_diagnosis(entry: &Entry, principal: bool) -> bool {
    entry.kind == EventKind::Diagnosis && (!principal || entry.rank == Some(1))
}

/// How many events of the concepts there are in the window.
pub(super) fn count(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    sink: &mut Sink<'_>,
) {
    let facts: Vec<Evidence> =
        scene.of_any(concepts, window).map(|entry| scene.view.evidence(entry)).collect();
    sink.column(facts.len() as f64, facts);
}

/// Days since the latest event of the concepts; missing when there is none.
pub(super) fn days_since(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    sink: &mut Sink<'_>,
) {
    let latest = scene.of_any(concepts, window).last();
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
    let looked_at = of.events(scene, window);
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

/// How many of the concepts are present.
pub(super) fn present_count(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    of: &Presence<'_>,
    sink: &mut Sink<'_>,
) {
    let looked_at = of.events(scene, window);
    if of.missing_without_any && looked_at.is_empty() {
        sink.column(f64::NAN, None);
        return;
    }
    let present = |concept: &&ConceptId| looked_at.iter().any(|e| e.concepts.contains(concept));
    let number = concepts.iter().filter(present).count();
    let facts = looked_at.iter().filter(|entry| entry.is_any_of(concepts));
    sink.column(number as f64, facts.map(|entry| scene.view.evidence(entry)));
}

/// How many different codes events of the kinds have; each code is shown by its first event.
pub(super) fn distinct_codes(
    scene: &Scene<'_, '_>,
    kinds: &[EventKind],
    window: Window,
    sink: &mut Sink<'_>,
) {
    let mut codes: HashSet<&Code, RandomState> = HashSet::default();
    let of_kinds = scene.within(window).filter(|entry| kinds.contains(&entry.kind));
    let first: Vec<&Entry> = of_kinds.filter(|entry| codes.insert(&entry.code)).collect();
    sink.column(first.len() as f64, first.iter().map(|entry| scene.view.evidence(entry)));
}

/// How many of the drugs were started or stopped; `days` are the recent ones and those before them.
///
/// Missing where nothing shows that the source knew the patient before the recent days: every drug
/// would look like a new one.
pub(super) fn drug_changes(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    change: DrugChange,
    days: (u32, u32),
    sink: &mut Sink<'_>,
) {
    let (recent_days, before_days) = days;
    let all_days = recent_days.saturating_add(before_days);
    let is_recent = |entry: &Entry| scene.view.within_days(entry, i64::from(recent_days));
    let is_known = scene.view.is_covered(i64::from(all_days))
        || scene.entries.iter().any(|(entry, _)| entry.is_dated() && !is_recent(entry));
    if !is_known {
        sink.column(f64::NAN, None);
        return;
    }
    let taken: Vec<&Entry> =
        scene.of_any(concepts, Window::Days(all_days)).filter(|e| e.kind.is_drug()).collect();
    let mut changed = 0_usize;
    let mut facts = Vec::new();
    for concept in concepts {
        let (recent, before): (Vec<&Entry>, Vec<&Entry>) = taken
            .iter()
            .filter(|entry| entry.concepts.contains(concept))
            .partition(|e| is_recent(e));
        let (there, gone) = match change {
            DrugChange::Started => (recent, before),
            DrugChange::Stopped => (before, recent),
        };
        if !there.is_empty() && gone.is_empty() {
            changed += 1;
            facts.extend(there.iter().map(|entry| scene.view.evidence(entry)));
        }
    }
    sink.column(changed as f64, facts);
}

/// How many different codes of the concepts have the coded value `coded` in the window.
pub(super) fn coded_count(
    scene: &Scene<'_, '_>,
    concepts: &[ConceptId],
    window: Window,
    coded: &str,
    sink: &mut Sink<'_>,
) {
    let mut codes: HashSet<&Code, RandomState> = HashSet::default();
    let mut facts = Vec::new();
    for entry in scene.of_any(concepts, window) {
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
    let found: Vec<&Entry> = scene.of_any(&[concept], window).collect();
    for level in levels {
        let facts: Vec<Evidence> = found
            .iter()
            .filter(|entry| entry.coded.as_deref() == Some(level.as_str()))
            .map(|entry| scene.view.evidence(entry))
            .collect();
        sink.column(if facts.is_empty() { 0.0 } else { 1.0 }, facts);
    }
}
