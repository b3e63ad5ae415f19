//! One person on both sides of a split: by the group, and by ids that two groups share.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::finding::{LeakFinding, LeakKind};
use crate::train::small_cell::Count;
use crate::train::{Cohort, HeldOut, Sample};

/// Persons whose rows a split parts, or can part because they stand in two groups.
pub(super) fn on_both_sides(cohort: &Cohort<'_>, held_out: HeldOut) -> Vec<LeakFinding> {
    let samples = cohort.samples();
    let by_id = in_two_groups(samples, |sample| sample.patient_id.as_str());
    let by_subject = in_two_groups(samples, |sample| sample.subject_id);
    let is_parted = |rows: &&[Sample]| {
        let sides = rows.iter().map(|row| held_out.holds(&row.group, row.split));
        sides.clone().any(|held| held) && sides.clone().any(|held| !held)
    };
    let parted = samples.chunk_by(|a, b| a.group == b.group).filter(is_parted).count();
    let each = [
        (by_id, "the same patient id stands in more than one group"),
        (by_subject, "the same subject id stands in more than one group"),
        (parted, "the source's own split parts the rows of one group"),
    ];
    let found = each.into_iter().filter(|(count, _)| *count > 0);
    let finding = |(count, what): (usize, &str)| {
        let found = format!("{what}, for {} persons", Count(count as u64));
        LeakFinding::new(LeakKind::OnePersonOnBothSides, "", found)
    };
    found.map(finding).collect()
}

/// How many ids stand in more than one group.
fn in_two_groups<'s, K: Hash + Eq>(samples: &'s [Sample], id: impl Fn(&'s Sample) -> K) -> usize {
    let mut groups: HashMap<K, &str> = HashMap::new();
    let mut found: HashSet<K> = HashSet::new();
    for sample in samples {
        let known = *groups.entry(id(sample)).or_insert(sample.group.as_str());
        if known != sample.group {
            found.insert(id(sample));
        }
    }
    found.len()
}
