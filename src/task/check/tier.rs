//! Checking tiers: one rule each, none for the last, and what can be told of their order without
//! records.

use super::invalid;
use crate::task::TaskError;
use crate::task::params::{Tier, TierRule};

/// The rules of all tiers but the last, from the highest tier down.
pub(super) fn check_tiers(tiers: &[Tier]) -> Result<Vec<TierRule>, TaskError> {
    let Some((rest, upper)) = tiers.split_last() else {
        return Err(invalid("tier", "needs at least one tier"));
    };
    if let Some(rule) = rest.rules().first() {
        let reason = format!("the last tier takes the rest and has no {}", rule.key());
        return Err(invalid(&place(rest), &reason));
    }
    let mut found: Vec<TierRule> = Vec::with_capacity(upper.len());
    for tier in upper {
        let rule = one_rule(tier)?;
        if let Some(fault) = rule.fault() {
            return Err(invalid(&place(tier), &fault));
        }
        let crosses = |before: &&TierRule| match (share(**before), share(rule)) {
            (Some(above), Some(here)) => here <= above,
            _ if before.key() != rule.key() => false,
            _ if rule.widens() => rule.value() <= before.value(),
            _ => rule.value() >= before.value(),
        };
        if let Some(before) = found.iter().find(crosses) {
            let more = if rule.widens() { "rise above" } else { "lie below" };
            let reason = format!(
                "{} must {more} what an earlier tier asks for ({before}): tiers go from the highest \
                 to the lowest",
                rule.key()
            );
            return Err(invalid(&place(tier), &reason));
        }
        found.push(rule);
    }
    Ok(found)
}

fn place(tier: &Tier) -> String {
    format!("tier `{}`", tier.name)
}

fn one_rule(tier: &Tier) -> Result<TierRule, TaskError> {
    match tier.rules().as_slice() {
        [rule] => Ok(*rule),
        [] => Err(invalid(
            &place(tier),
            "says not where it begins: give it one of top_share, flags_per_100, flags_per_day, \
             ppv_min and cost_ratio",
        )),
        [one, other, ..] => {
            let reason = format!("has both {} and {}: keep one of them", one.key(), other.key());
            Err(invalid(&place(tier), &reason))
        }
    }
}

/// The share of index times that a rule names outright.
fn share(rule: TierRule) -> Option<f64> {
    match rule {
        TierRule::TopShare(share) => Some(share),
        TierRule::FlagsPer100(flags) => Some(flags / 100.0),
        TierRule::FlagsPerDay(_) | TierRule::PpvMin(_) | TierRule::CostRatio(_) => None,
    }
}
