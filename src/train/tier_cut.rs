//! Where a tier begins: its rule applied to patients whom the model has not learnt from.
//!
//! In a fit these are the development patients with their out-of-fold probabilities, later those
//! whose outcomes nothing else rests on. "At most" and "at least" are promises: rows that tie never
//! break them, a PPV is believed by its lower bound, and a cut that would rest on a handful of
//! patients is an error instead.

use super::metrics::{PpvCut, Quantiles, enough, lowest_cut_with_ppv, lowest_cut_within};
use super::report::TrainError;
use crate::SMALL_CELL_PATIENTS;
use crate::bundle::{Manifest, TierBasis, TierCut};
use crate::model::Weights;
use crate::task::{Task, TierRule};

/// Why a rule gives no cut.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CutFault {
    #[error(
        "the records do not tell how many index times a day there are: they must span 28 days or \
         more; ask for flags_per_100, or name the rate with `thresholds --index-times-per-day`"
    )]
    NoRate,
    #[error(
        "there are only {index_times_per_day:.1} index times a day: all of them could be followed \
         up, and there is nothing to cut; ask for fewer"
    )]
    TakesAll { index_times_per_day: f64 },
    #[error(
        "those with the highest probability tie, and are more than may be flagged: ask for more \
         flags, or fit a model that tells them apart"
    )]
    AllTie,
    #[error(
        "fewer than {SMALL_CELL_PATIENTS} patients would be flagged, and the cut would follow \
         chance: ask for more flags, or give more records"
    )]
    TooFewFlagged,
    #[error(
        "fewer than {SMALL_CELL_PATIENTS} patients would not be flagged: ask for fewer flags, or \
         give more records"
    )]
    TooFewOthers,
    #[error(
        "no cut's PPV is that high beyond chance; the highest 95% lower bound is {:.1}%: ask for \
         less, or give more records", 100.0 * highest
    )]
    PpvNotReached { highest: f64 },
    #[error(
        "it would begin above the tier `{above}`, which is higher: on these records the rules of the \
         two cross; change one of them"
    )]
    Crosses { above: String },
    #[error(
        "it would begin below the tier `{below}`, which is lower: move that one first, or ask for fewer \
         flags"
    )]
    CrossesLower { below: String },
}

/// The rows a cut is found on: probabilities, outcomes, and the number of the patient of each.
pub(super) struct CutRows<'a> {
    pub p: &'a [f64],
    pub y: &'a [bool],
    pub patients: &'a [u32],
    pub weights: Weights<'a>,
    /// `None` where nothing tells.
    pub index_times_per_day: Option<f64>,
}

/// A tier's name and rule; the last tier has none.
pub(super) type NamedRule = (String, Option<TierRule>);

/// The tiers of a task, from the highest down.
pub(super) fn task_rules(task: &Task) -> Vec<NamedRule> {
    let rules = task.tier_rules().iter().copied().map(Some).chain([None]);
    task.params().tier.iter().zip(rules).map(|(tier, rule)| (tier.name.clone(), rule)).collect()
}

/// The tiers of a bundle of the task, each by the rule that its cut was found by.
pub(super) fn named_rules(task: &Task, manifest: &Manifest) -> Vec<NamedRule> {
    let each = task_rules(task).into_iter().zip(&manifest.tiers);
    each.map(|((name, rule), cut)| (name, cut.basis.as_ref().map(|basis| basis.rule).or(rule)))
        .collect()
}

/// The cuts of all tiers.
///
/// # Errors
/// A rule that gives no cut on these rows, with the tier it is of.
pub(super) fn tier_cuts(
    tiers: &[NamedRule],
    rows: &CutRows<'_>,
) -> Result<Vec<TierCut>, TrainError> {
    let mut found: Vec<TierCut> = Vec::with_capacity(tiers.len());
    for (name, rule) in tiers {
        let Some(rule) = *rule else {
            found.push(TierCut { name: name.clone(), from: 0.0, basis: None });
            continue;
        };
        let fault = |fault| TrainError::Tier { tier: name.clone(), rule, fault };
        let from = rows.cut(rule).map_err(fault)?;
        if let Some(above) = found.last().filter(|above| from > above.from) {
            return Err(fault(CutFault::Crosses { above: above.name.clone() }));
        }
        found.push(TierCut { name: name.clone(), from, basis: rows.basis(rule) });
    }
    Ok(found)
}

/// Whether it is known how many index times a day there are, where a tier of the task needs it: before
/// a long fit rather than after it.
///
/// # Errors
/// A rule that can give no cut, whatever the model.
pub(super) fn check_rates(task: &Task, index_times_per_day: Option<f64>) -> Result<(), TrainError> {
    for (tier, rule) in task_rules(task) {
        if let Some(rule @ TierRule::FlagsPerDay(flags)) = rule {
            let fault = |fault| TrainError::Tier { tier, rule, fault };
            checked_rate(flags, index_times_per_day).map_err(fault)?;
        }
    }
    Ok(())
}

/// The index times a day, where there are more than `flags_per_day`.
fn checked_rate(flags_per_day: f64, index_times_per_day: Option<f64>) -> Result<f64, CutFault> {
    let index_times_per_day = index_times_per_day.ok_or(CutFault::NoRate)?;
    match flags_per_day < index_times_per_day {
        true => Ok(index_times_per_day),
        false => Err(CutFault::TakesAll { index_times_per_day }),
    }
}

impl CutRows<'_> {
    /// What the bundle says of a cut by `rule`; nothing where the task says it already.
    fn basis(&self, rule: TierRule) -> Option<TierBasis> {
        let index_times_per_day = self.index_times_per_day.filter(|_| rule.needs_rate());
        let is_new = !matches!(rule, TierRule::TopShare(_));
        is_new.then_some(TierBasis { rule, index_times_per_day, recut: None })
    }

    /// The lowest probability that `rule` flags.
    pub(super) fn cut(&self, rule: TierRule) -> Result<f64, CutFault> {
        let total = self.weights.sum(&(0..self.p.len()).collect::<Vec<usize>>());
        let within = |limit: f64| {
            let found = lowest_cut_within(self.p, self.weights, limit);
            // Less than a row may be flagged, or those at the top are too many.
            found.ok_or(if limit < 1.0 { CutFault::TooFewFlagged } else { CutFault::AllTie })
        };
        let cut = match rule {
            TierRule::TopShare(share) => {
                return Ok(Quantiles::of(self.p, self.weights).at(1.0 - share));
            }
            TierRule::FlagsPer100(flags) => within(flags * total / 100.0)?,
            TierRule::FlagsPerDay(flags) => {
                within(flags * total / checked_rate(flags, self.index_times_per_day)?)?
            }
            TierRule::PpvMin(ppv_min) => {
                let judged = (self.p, self.y, self.weights);
                match lowest_cut_with_ppv(judged, self.patients, ppv_min) {
                    PpvCut::At(cut) => cut,
                    PpvCut::Nowhere { highest: Some(highest) } => {
                        return Err(CutFault::PpvNotReached { highest });
                    }
                    PpvCut::Nowhere { highest: None } => return Err(CutFault::TooFewFlagged),
                }
            }
            // The probabilities are calibrated: the one at which both ways cost the same is the cut.
            TierRule::CostRatio(ratio) => 1.0 / (1.0 + ratio),
        };
        self.stands(cut)
    }

    /// The cut, where enough patients are on both sides of it.
    fn stands(&self, cut: f64) -> Result<f64, CutFault> {
        let side = |flagged: bool| {
            let rows = self.weights.counted(0..self.p.len()).into_iter();
            let inside = rows.filter(|row| (self.p[*row] >= cut) == flagged);
            enough(inside.map(|row| self.patients[row]))
        };
        match (side(true), side(false)) {
            (false, _) => Err(CutFault::TooFewFlagged),
            (true, false) => Err(CutFault::TooFewOthers),
            (true, true) => Ok(cut),
        }
    }
}

#[cfg(test)]
mod tests;
