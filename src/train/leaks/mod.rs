//! The leak check: features that know what no live system knows at the index time.
//!
//! A fit that finds one makes no bundle, unless the task file lists it by name with a reason. What is
//! tried, on all samples of the cohort that count (the held-out ones too: nothing is chosen by it):
//!
//! - every fixed column alone, missing values as a level of their own: `area`, `columns`
//! - every group that a column, a learned code (those too rare for a column of their own too) or any
//!   code of the records makes by being there or not, of 30 patients and more: `groups`, `chance`,
//!   `codes`. A code of the records counts at the index time at which it was new, because one that
//!   was written for an outcome stays in the record for all index times after it.
//! - a share of the index times made again from the record without its future: `replay`
//! - the persons behind the groups and splits: `people`
//!
//! `watch` notes what is needed of the records while they go by.

mod area;
mod chance;
mod codes;
mod columns;
mod finding;
mod groups;
mod people;
mod replay;
mod watch;

pub use finding::{LeakFinding, LeakKind, LeakReport, LeakVerdict};
pub(super) use watch::{Seen, Watch};

use std::collections::BTreeSet;

use super::censoring::FollowUp;
use super::cohort::Cohort;
use super::small_cell::Count;
use super::split::HeldOut;
use crate::model::Weights;
use crate::record::ConceptId;
use crate::task::Task;
use area::Rows;
use columns::Found;

/// Events of which a larger share became known in the hour before the index time are warned of.
const LAST_HOUR_SHARE: f64 = 0.5;

/// Looks for leaks in a cohort. Nobody is taken to be held out but by the source itself.
pub fn leaks(cohort: &Cohort<'_>) -> LeakReport {
    let samples = cohort.samples();
    let follow_up = FollowUp::of(cohort, &vec![true; samples.len()]);
    let held_out = if cohort.is_split_by_source() { HeldOut::Source } else { HeldOut::Nobody };
    check(cohort, follow_up.weights(), held_out)
}

/// As `leaks`, with the weights and the split of a fit.
pub(super) fn check(cohort: &Cohort<'_>, weights: Weights<'_>, held_out: HeldOut) -> LeakReport {
    let rows = Rows::of(cohort, weights);
    let watch = cohort.watch();
    let (columns_tried, columns) = columns::tried(cohort, &rows);
    let (tokens_tried, tokens) = codes::tokens(cohort, &rows);
    let (codes_tried, codes) = codes::codes(cohort, &rows, watch);
    let mut all = Found::default();
    for Found { findings, groups } in [columns, tokens, codes] {
        all.findings.extend(findings);
        all.groups.add(groups);
    }
    let groups_tried = all.groups.tried;
    let mut findings = all.findings;
    findings.extend(all.groups.findings());
    findings.extend(changed(watch));
    findings.extend(people::on_both_sides(cohort, held_out));
    findings.extend(outcome_as_feature(cohort.task()));
    findings.extend(known_at_index(watch));
    let report = LeakReport {
        columns_tried,
        tokens_tried,
        codes_tried,
        codes_left_out: watch.codes.overflowed,
        groups_tried,
        index_times_replayed: Count(watch.replay.replayed),
        findings,
    };
    report.judged(&cohort.task().params().leak_allowed)
}

fn changed(watch: &Watch) -> impl Iterator<Item = LeakFinding> {
    watch.replay.changed.iter().map(|(name, feature)| {
        let found = "its value changes when the record is cut at the index time".to_owned();
        LeakFinding::new(LeakKind::ChangesWithTheFuture, name, found).of_feature(Some(feature))
    })
}

/// Features that read the concepts by which the outcome is found.
fn outcome_as_feature(task: &Task) -> Vec<LeakFinding> {
    let parts = task.outcome().iter();
    let outcome: BTreeSet<ConceptId> =
        parts.flat_map(|part| part.rule.outcome_concepts()).collect();
    let features = task.spec().features().iter();
    let same = features.filter(|f| f.concepts().iter().any(|concept| outcome.contains(concept)));
    let finding = |name: &str| {
        let found = "it reads a concept by which the outcome is found".to_owned();
        LeakFinding::new(LeakKind::OutcomeAsFeature, name, found).of_feature(Some(name))
    };
    same.map(|feature| finding(&feature.name)).collect()
}

/// Kinds of events that are mostly known from the last hour before the index time on.
fn known_at_index(watch: &Watch) -> Vec<LeakFinding> {
    let found = watch.stamps.iter().filter_map(|(kind, stamps)| {
        let share = stamps.last_hour.count() as f64 / stamps.all.count().max(1) as f64;
        if stamps.last_hour.is_small() || share <= LAST_HOUR_SHARE {
            return None;
        }
        let found = format!(
            "{:.0}% of the events of this kind in the month before became known in the hour before \
             the index time",
            share * 100.0
        );
        // Under the name that `known_after` has for it.
        let name = serde_json::to_value(kind).ok();
        let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
        Some(LeakFinding::new(LeakKind::KnownAtIndex, name, found))
    });
    found.collect()
}

#[cfg(test)]
mod tests;
