//! The last round: the best of each family, and which of them goes into the bundle, alone or blended.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{Blend, Candidate, Table, Tried, blend, is_better, simplest_of_the_best};
use crate::model::{Calibrator, Family, Member};
use crate::train::metrics::Metrics;

/// Who may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    Family(Family),
    /// Several families together.
    Blend,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contender::Family(family) => family.fmt(f),
            Contender::Blend => f.write_str("blend"),
        }
    }
}

impl Serialize for Contender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One family's best candidate, fitted on all development rows.
pub(in crate::train) struct Finalist {
    pub tried: Tried,
    pub member: Member,
    pub calibrator: Calibrator,
    pub held_out: Option<Metrics>,
}

/// What goes into the bundle.
pub(in crate::train) struct Chosen {
    pub contender: Contender,
    /// Share of each finalist's calibrated log-odds, summing to 1.
    pub shares: Vec<f64>,
    /// Out-of-fold probabilities, one a row.
    pub probabilities: Vec<f64>,
}

impl Chosen {
    /// The shares above 0.
    pub(in crate::train) fn shares_by_family(
        &self,
        finalists: &[Finalist],
    ) -> BTreeMap<Family, f64> {
        let each = finalists.iter().zip(&self.shares).filter(|(_, share)| **share > 0.0);
        each.map(|(finalist, share)| (finalist.member.family(), *share)).collect()
    }
}

/// Orders by cross-validated log loss, the simplest of the best in front; the held-out patients have no
/// say in it.
pub(in crate::train) fn simplest_first(table: &Table<'_>, finalists: &mut [Finalist]) {
    finalists.sort_by(|a, b| a.tried.log_loss().total_cmp(&b.tried.log_loss()));
    let place = simplest_of_the_best(table, finalists.iter().map(|finalist| &finalist.tried));
    if let Some(front) = finalists.get_mut(..=place) {
        front.rotate_right(1);
    }
}

/// The first of the finalists, or a blend of them where it beats the first by more than one standard
/// error. Published scores stay out of a blend: they are there to be compared with.
pub(in crate::train) fn choose(table: &Table<'_>, finalists: &[Finalist]) -> Chosen {
    let alone = |place: usize| if place == 0 { 1.0 } else { 0.0 };
    let first = finalists.first();
    let probabilities = first.map_or_else(Vec::new, |first| first.tried.probabilities.clone());
    let is_member =
        |of: &Finalist| !matches!(of.tried.report.candidate, Candidate::Published { .. });
    let members = finalists.iter().filter(|finalist| is_member(finalist));
    let members: Vec<&[f64]> = members.map(|of| of.tried.probabilities.as_slice()).collect();
    match blend(table, &members) {
        Some(Blend { shares, probabilities: blended })
            if is_better(table, &blended, &probabilities) =>
        {
            let mut shares = shares.into_iter();
            let share = |of: &Finalist| match is_member(of) {
                true => shares.next().unwrap_or(0.0),
                false => 0.0,
            };
            let shares: Vec<f64> = finalists.iter().map(share).collect();
            Chosen { contender: Contender::Blend, shares, probabilities: blended }
        }
        _ => Chosen {
            contender: first
                .map_or(Contender::Blend, |first| Contender::Family(first.member.family())),
            shares: (0..finalists.len()).map(alone).collect(),
            probabilities,
        },
    }
}
