//! Each column of the task's features by itself: what its values tell, and what it tells that there
//! is one at all.

use std::collections::HashSet;

use rayon::prelude::*;

use super::area::{Area, Rows, area, better};
use super::finding::{LeakFinding, LeakKind, three};
use super::groups::{Common, Groups, Named, PATIENTS_MIN};
use crate::feature::Column;
use crate::train::Cohort;

/// A column whose area surely lies above this tells the outcome.
pub(super) const TELLS: f64 = 0.9;
/// A column whose area surely lies above this is warned of.
pub(super) const STRONG: f64 = 0.75;
/// A missingness whose area surely lies above this is warned of.
const MISSING_TELLS: f64 = 0.6;

/// Findings of columns, and the groups they make.
#[derive(Default)]
pub(super) struct Found {
    pub findings: Vec<LeakFinding>,
    pub groups: Groups,
}

/// Tries every fixed column of the task.
pub(super) fn tried(cohort: &Cohort<'_>, rows: &Rows) -> (usize, Found) {
    let spec = cohort.task().spec();
    let columns = spec.fixed_columns();
    let mut told = HashSet::new();
    let mut each: Vec<(usize, &Column, bool)> = Vec::with_capacity(columns.len());
    for (place, column) in columns.iter().enumerate() {
        let has_missing = rows.samples.iter().any(|row| value(cohort, *row, place).is_nan());
        // Columns of one feature go missing together: said once.
        let tell_missing = has_missing && told.insert(column.feature);
        each.push((place, column, tell_missing));
    }
    let found: Vec<Found> = each
        .into_par_iter()
        .map(|(place, column, tell_missing)| {
            let feature = spec.features().get(column.feature);
            let feature = feature.map_or(column.name.as_str(), |feature| feature.name.as_str());
            let values = Values::of(cohort, rows, place);
            let mut found = Found::default();
            values.try_value(rows, &column.name, feature, &mut found);
            if tell_missing {
                values.try_missing(rows, feature, &mut found);
            }
            found
        })
        .collect();
    let mut all = Found::default();
    for Found { findings, groups } in found {
        all.findings.extend(findings);
        all.groups.add(groups);
    }
    (columns.len(), all)
}

fn value(cohort: &Cohort<'_>, row: usize, place: usize) -> f32 {
    let sample = cohort.samples().get(row);
    sample.and_then(|sample| sample.facts.values.get(place)).copied().unwrap_or(f32::NAN)
}

/// A column's rows by value.
struct Values {
    /// Rows with a value, by rising value and row.
    known: Vec<u32>,
    /// For each place in `known` whether a new value begins there.
    ends: Vec<usize>,
    missing: Vec<u32>,
    /// Rows with a value above 0, and those with one that is not, in rising order.
    positive: Vec<u32>,
    other: Vec<u32>,
}

impl Values {
    fn of(cohort: &Cohort<'_>, rows: &Rows, place: usize) -> Values {
        let mut known: Vec<(f32, u32)> = Vec::new();
        let (mut missing, mut positive, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for (row, sample) in rows.samples.iter().enumerate() {
            let (value, row) = (value(cohort, *sample, place), row as u32);
            match value {
                value if value.is_nan() => missing.push(row),
                value if value > 0.0 => positive.push(row),
                _ => other.push(row),
            }
            if !value.is_nan() {
                known.push((value, row));
            }
        }
        known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut ends: Vec<usize> = Vec::new();
        for level in known.chunk_by(|a, b| a.0 == b.0) {
            ends.push(ends.last().copied().unwrap_or(0) + level.len());
        }
        let known = known.into_iter().map(|(_, row)| row).collect();
        Values { known, ends, missing, positive, other }
    }

    fn levels(&self) -> Vec<&[u32]> {
        let mut from = 0;
        let each = self.ends.iter().filter_map(|end| {
            let level = self.known.get(from..*end);
            from = *end;
            level
        });
        each.collect()
    }

    /// The area of the column alone; missing values stand together, below all others or above them.
    fn area(&self, rows: &Rows) -> Option<Area> {
        let known = self.levels();
        let mut below = vec![self.missing.as_slice()];
        below.extend(&known);
        if self.missing.is_empty() {
            return area(&below, rows);
        }
        let mut above = known;
        above.push(&self.missing);
        better(area(&below, rows), area(&above, rows))
    }

    fn try_value(&self, rows: &Rows, name: &str, feature: &str, found: &mut Found) {
        let of = |kind, area, what: &str| ranked(kind, area, name, Some(feature), what);
        let alone = self.area(rows);
        if let Some(area) = alone.filter(|area| area.low > STRONG) {
            let kind =
                if area.low > TELLS { LeakKind::TellsTheOutcome } else { LeakKind::StrongColumn };
            found.findings.push(of(kind, area, "alone it tells who has the outcome"));
        } else {
            let rest: Vec<u32> = merged(&self.missing, &self.other);
            let presence = area(&[&rest, &self.positive], rows);
            if let Some(area) = presence.filter(|area| area.low > STRONG) {
                let what = "whether it is above 0 tells who has the outcome";
                found.findings.push(of(LeakKind::PresenceTells, area, what));
            }
        }
        if self.positive.is_empty() || self.other.is_empty() {
            return;
        }
        let named =
            Named { name: name.to_owned(), feature: Some(feature.to_owned()), is_read: true };
        let known = merged(&self.positive, &self.other);
        let base = rows.base_of(known.iter().copied());
        found.groups.try_one(rows, &self.positive, base, Common::Has, &named);
        found.groups.try_one(rows, &self.other, base, Common::Lacks, &named);
    }

    fn try_missing(&self, rows: &Rows, feature: &str, found: &mut Found) {
        let known = merged(&self.positive, &self.other);
        let of_enough = |of: &[u32]| rows.patients_in(of.iter().copied()) >= PATIENTS_MIN;
        if of_enough(&self.missing) && of_enough(&known) {
            let area = area(&[&self.missing, &known], rows);
            if let Some(area) = area.filter(|area| area.low > MISSING_TELLS) {
                let what = "whether it is missing tells of the outcome";
                let kind = LeakKind::MissingTells;
                found.findings.push(ranked(kind, area, feature, Some(feature), what));
            }
        }
        if known.is_empty() {
            return;
        }
        let named =
            Named { name: feature.to_owned(), feature: Some(feature.to_owned()), is_read: true };
        found.groups.try_one(rows, &self.missing, rows.base, Common::Missing, &named);
        found.groups.try_one(rows, &known, rows.base, Common::NotMissing, &named);
    }
}

/// A finding by an area.
pub(super) fn ranked(
    kind: LeakKind,
    area: Area,
    name: &str,
    feature: Option<&str>,
    what: &str,
) -> LeakFinding {
    let Area { area, low } = area;
    let found = format!("{what} (AUROC {area:.3}, at least {low:.3})");
    let mut finding = LeakFinding::new(kind, name, found).of_feature(feature);
    (finding.auroc, finding.auroc_low) = (Some(three(area)), Some(three(low)));
    finding
}

/// Both lists of rising rows as one.
fn merged(one: &[u32], other: &[u32]) -> Vec<u32> {
    let mut all = [one, other].concat();
    all.sort_unstable();
    all
}
