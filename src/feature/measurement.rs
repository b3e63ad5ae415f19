//! Features of measured values: summed up over a window, and counts within the index stay.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::aggregate::{Measure, summed_up};
use super::params::{PerDay, Window};
use super::scene::{Scene, Sink};
use super::spec::{Counted, Measured};
use crate::record::{Code, Comparator, ConceptId, EncounterClass, Entry, Evidence};

/// One column for each aggregate of the concept's values in the window; missing without a value.
pub(super) fn values(scene: &Scene<'_, '_>, of: &Measured, sink: &mut Sink<'_>) {
    let mut measured: Vec<(&Entry, f64)> = scene
        .of_any(&[of.concept], of.window)
        .filter(|entry| is_in_class(scene, entry, of))
        .filter_map(|entry| {
            let number = entry.number?;
            Some((entry, if of.cuts.is_empty() { number } else { band(number, entry, &of.cuts) }))
        })
        .collect();
    if let Some(per_day) = of.per_day {
        measured = one_a_day(&measured, per_day);
    }
    let each = measured.into_iter().map(|(entry, value)| Measure {
        value,
        time: entry.is_dated().then_some(entry.time),
        evidence: scene.view.evidence(entry),
    });
    let measures: Vec<Measure> = each.collect();
    for aggregate in &of.aggregate {
        match summed_up(&measures, *aggregate, scene.view.index_time()) {
            Some((value, evidence)) => sink.column(value, evidence),
            None => sink.column(f64::NAN, None),
        }
    }
}

fn is_in_class(scene: &Scene<'_, '_>, entry: &Entry, of: &Measured) -> bool {
    let class = || scene.view.class_of(entry).unwrap_or(EncounterClass::Ambulatory);
    of.classes.is_empty() || of.classes.contains(&class())
}

/// Of the values of each day (UTC) the one that stands for it, in order.
fn one_a_day<'h>(measured: &[(&'h Entry, f64)], per_day: PerDay) -> Vec<(&'h Entry, f64)> {
    let same_day = |a: &(&Entry, f64), b: &(&Entry, f64)| a.0.time.day() == b.0.time.day();
    let by_value = |a: &&(&Entry, f64), b: &&(&Entry, f64)| a.1.total_cmp(&b.1);
    let one = |day: &[(&'h Entry, f64)]| match per_day {
        PerDay::Lowest => day.iter().min_by(by_value).copied(),
        PerDay::Highest => day.iter().max_by(by_value).copied(),
    };
    measured.chunk_by(same_day).filter_map(one).collect()
}

/// How many of the rising `cuts` lie at or below the value; "< 7" lies below the cut 7.
fn band(number: f64, entry: &Entry, cuts: &[f64]) -> f64 {
    let below = matches!(entry.comparator, Some(Comparator::Less));
    let passed = |cut: &&f64| if below { number > **cut } else { number >= **cut };
    cuts.iter().filter(passed).count() as f64
}

/// The number that the source sends for the concept in the index stay.
pub(super) fn sent_in_stay(scene: &Scene<'_, '_>, concept: ConceptId) -> Option<(f64, Evidence)> {
    scene
        .of_any(&[concept], Window::Stay)
        .filter_map(|entry| Some((entry.number?, scene.view.evidence(entry))))
        .last()
}

/// A count within the index stay: the concept's own measurement where the source sends one, else
/// the events that its rule counts. Missing when the history holds no such event at all, because
/// then the source does not send them.
pub(super) fn stay_count(
    scene: &Scene<'_, '_>,
    concept: ConceptId,
    rule: &Counted,
    sink: &mut Sink<'_>,
) {
    if let Some((number, evidence)) = sent_in_stay(scene, concept) {
        sink.column(number, Some(evidence));
        return;
    }
    if !scene.entries.iter().any(|(entry, _)| rule.counts(entry)) {
        sink.column(f64::NAN, None);
        return;
    }
    let mut codes: HashSet<&Code, RandomState> = HashSet::default();
    let mut facts = Vec::new();
    let in_stay = scene.within(Window::Stay).filter(|entry| rule.counts(entry));
    for entry in in_stay {
        if codes.insert(&entry.code) || !rule.distinct_codes {
            facts.push(scene.view.evidence(entry));
        }
    }
    sink.column(facts.len() as f64, facts);
}
