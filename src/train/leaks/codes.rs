//! Each code by itself: those that a learned feature could have a column for, however rare, and all
//! that stand in the records.

use std::collections::{BTreeSet, HashMap};

use super::area::{Rows, area};
use super::columns::{Found, STRONG, TELLS, ranked};
use super::finding::LeakKind;
use super::groups::{Named, PATIENTS_MIN};
use super::watch::Watch;
use crate::feature::{LearnedFrom, Source};
use crate::record::{Code, ConceptId};
use crate::train::Cohort;

/// Tries every code that a learned feature met, those without a column of their own too.
pub(super) fn tokens(cohort: &Cohort<'_>, rows: &Rows) -> (usize, Found) {
    let spec = cohort.task().spec();
    let mut members: HashMap<(usize, &str), Vec<u32>> = HashMap::new();
    for (row, sample) in samples(cohort, rows) {
        for token in &sample.facts.tokens {
            members.entry((token.learned, token.text.as_str())).or_default().push(row);
        }
    }
    let learned: Vec<&str> = spec.learned().map(|(_, feature)| feature.name.as_str()).collect();
    let mut each: Vec<_> = members.into_iter().collect();
    each.sort_unstable_by_key(|(key, _)| *key);
    let mut found = Found::default();
    let mut tried = 0;
    for ((place, text), members) in each {
        let feature = learned.get(place).copied().unwrap_or_default();
        let feature_name = Some(feature.to_owned());
        let named =
            Named { name: format!("{feature}={text}"), feature: feature_name, is_read: true };
        tried += usize::from(try_code(rows, &members, &named, STRONG, &mut found));
    }
    (tried, found)
}

/// Tries every code that the records held, at the index times at which it was new.
pub(super) fn codes(cohort: &Cohort<'_>, rows: &Rows, watch: &Watch) -> (usize, Found) {
    let codes = watch.codes.by_number();
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); codes.len()];
    for (row, sample) in rows.samples.iter().enumerate() {
        for code in watch.fresh.get(*sample).into_iter().flatten() {
            if let Some(members) = members.get_mut(*code as usize) {
                members.push(row as u32);
            }
        }
    }
    let reading = Reading::of(cohort);
    let codes = codes.into_iter().map(|code| &**code);
    let mut each: Vec<(&Code, Vec<u32>)> = codes.zip(members).collect();
    each.sort_unstable_by_key(|(code, _)| *code);
    let mut found = Found::default();
    let mut tried = 0;
    for (code, members) in each {
        let name = format!("{}//{}", code.system, code.code);
        let named = Named { name, feature: None, is_read: reading.reads(cohort, code) };
        tried += usize::from(try_code(rows, &members, &named, TELLS, &mut found));
    }
    (tried, found)
}

fn samples<'c>(
    cohort: &'c Cohort<'_>,
    rows: &Rows,
) -> impl Iterator<Item = (u32, &'c crate::train::Sample)> {
    let each = rows.samples.iter().enumerate();
    each.filter_map(|(row, sample)| Some((row as u32, cohort.samples().get(*sample)?)))
}

/// Tries one code that the rows `members` (rising) have; false where too few patients have it.
/// Warnings begin at an area of `warned_from`.
fn try_code(
    rows: &Rows,
    members: &[u32],
    named: &Named,
    warned_from: f64,
    found: &mut Found,
) -> bool {
    if rows.patients_in(members.iter().copied()) < PATIENTS_MIN {
        return false;
    }
    found.groups.try_both(rows, members, named);
    // The area of a yes or no is known from two shares: few are worth a bound.
    if 0.5 + (share(rows, members, true) - share(rows, members, false)).abs() / 2.0 <= warned_from {
        return true;
    }
    let area = area(&[&rows.others(members), members], rows);
    if let Some(area) = area.filter(|area| area.low > warned_from) {
        let kind = match area.low > TELLS {
            true => LeakKind::TellsTheOutcome,
            false => LeakKind::StrongColumn,
        };
        let what = "alone it tells who has the outcome";
        found.findings.push(ranked(kind, area, &named.name, named.feature.as_deref(), what));
    }
    true
}

/// The weighted share that `members` are of all rows of one outcome.
fn share(rows: &Rows, members: &[u32], label: bool) -> f64 {
    let all = if label { rows.with.weight } else { rows.without.weight };
    let inside = rows.class(members.iter().copied(), label).weight;
    if all > 0.0 { inside / all } else { 0.0 }
}

/// What the task's features read.
struct Reading {
    concepts: BTreeSet<ConceptId>,
    diagnoses: bool,
    /// Procedures or drugs, whose codes have no categories.
    others: bool,
}

impl Reading {
    fn of(cohort: &Cohort<'_>) -> Reading {
        let features = cohort.task().spec().features();
        let learned = |from: &[LearnedFrom]| {
            features.iter().any(|feature| {
                matches!(feature.source, Source::Learned { of, .. } if from.contains(&of))
            })
        };
        Reading {
            concepts: features.iter().flat_map(|feature| feature.concepts()).collect(),
            diagnoses: learned(&[LearnedFrom::DiagnosisCategory, LearnedFrom::PrincipalCategory]),
            others: learned(&[LearnedFrom::Procedure, LearnedFrom::Drug]),
        }
    }

    fn reads(&self, cohort: &Cohort<'_>, code: &Code) -> bool {
        let mut concepts = cohort.concepts().concepts_of(code).into_iter();
        let of_learned = if code.icd_category().is_some() { self.diagnoses } else { self.others };
        of_learned || concepts.any(|concept| self.concepts.contains(&concept))
    }
}
