//! Reasons: the shares of the columns gathered by feature and then by theme, with words and dated
//! facts.

use super::answer::Reason;
use super::parts::{Part, Parts};
use super::words;
use crate::access::Classes;
use crate::bundle::Explanation;
use crate::model::logit;
use crate::record::Evidence;

/// The most dated facts named for one reason; the latest are kept.
const FACTS_MAX: usize = 20;
/// A smaller share of the log-odds is not worth a reason.
pub(super) const SHARE_MIN: f64 = 1e-6;
/// How far baseline and shares may be from the log-odds of the probability that they explain.
const SUM_TOLERANCE: f64 = 1e-6;

/// The parts of one theme, which make one reason.
struct Group<'a> {
    recorded: bool,
    contribution: f64,
    /// The largest shares first.
    parts: Vec<Part<'a>>,
}

/// The largest reasons, and the sum of the shares that are not listed.
///
/// Features of one theme make one reason; what is not recorded makes one of its own, behind all
/// others. Learned codes count when they are present; the shares of absent ones go to the rest. Only
/// what is listed is put into words.
pub(super) fn reasons(
    parts: &Parts<'_>,
    contributions: &[f64],
    reasons_max: usize,
) -> (Vec<Reason>, f64) {
    let mut themes: Vec<Vec<Part<'_>>> = Vec::new();
    for part in parts.all(contributions) {
        if part.contribution.abs() < SHARE_MIN {
            continue;
        }
        let same = |group: &&mut Vec<Part<'_>>| {
            group
                .first()
                .is_some_and(|first| first.recorded == part.recorded && first.theme == part.theme)
        };
        match themes.iter_mut().find(same) {
            Some(group) => group.push(part),
            None => themes.push(vec![part]),
        }
    }
    let mut groups: Vec<Group<'_>> = themes.into_iter().filter_map(grouped).collect();
    groups.retain(|group| group.contribution.abs() >= SHARE_MIN);
    // A stable sort: equal shares stay in the order of the task file.
    groups.sort_by(|a, b| {
        let by_share = || b.contribution.abs().total_cmp(&a.contribution.abs());
        b.recorded.cmp(&a.recorded).then_with(by_share)
    });
    groups.truncate(reasons_max);
    let listed: f64 = groups.iter().map(|group| group.contribution).sum();
    let all: f64 = contributions.iter().sum();
    let said = |group: &Group<'_>| {
        let said = group.parts.iter().map(|part| parts.said(part, contributions)).collect();
        joined(said, group.contribution)
    };
    (groups.iter().filter_map(said).collect(), all - listed)
}

/// Whether the explanation is one of this probability: finite, and by the sum rule.
pub(super) fn explains(explanation: &Explanation, probability: f64) -> bool {
    let sum: f64 = explanation.contributions.iter().sum();
    let gap = explanation.baseline + sum - logit(probability);
    // Written so that a NaN or an infinite share fails.
    gap.abs() <= SUM_TOLERANCE
}

/// The group of the parts of one theme; `None` without any part.
fn grouped(mut parts: Vec<Part<'_>>) -> Option<Group<'_>> {
    parts.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    let recorded = parts.first()?.recorded;
    let contribution = parts.iter().map(|part| part.contribution).reduce(|sum, part| sum + part);
    Some(Group { recorded, contribution: contribution?, parts })
}

/// The reason that what is said of one theme makes; `None` where nothing is said.
pub(super) fn joined(said: Vec<Reason>, contribution: f64) -> Option<Reason> {
    let texts: Vec<String> = said.iter().map(|part| part.text.clone()).collect();
    let mut reason = together(said)?;
    reason.contribution = contribution;
    reason.text = words::sentence(&reason.theme, &texts, contribution);
    Some(reason)
}

/// All of what is said of one theme, but for its text and its share.
pub(super) fn together(said: Vec<Reason>) -> Option<Reason> {
    let first = said.first()?;
    let mut reason =
        Reason { theme: first.theme.clone(), recorded: first.recorded, ..Reason::default() };
    // A number that stands beside others would be read as the value of them all.
    if let [only] = said.as_slice() {
        (reason.value, reason.unit) = (only.value, only.unit.clone());
    }
    for part in &said {
        reason.modifiable |= part.modifiable;
        reason.features.extend(part.features.iter().cloned());
        reason.events.extend(&part.events);
        reason.classes = reason.classes.and(part.classes);
    }
    reason.events = latest(reason.events);
    if reason.classes != Classes::NONE {
        reason.parts = said;
    }
    Some(reason)
}

/// The facts by time and then by their place in the record, each once.
pub(super) fn each_once(mut facts: Vec<Evidence>) -> Vec<Evidence> {
    let key = |fact: &Evidence| match *fact {
        Evidence::Event { index, time, .. } => (time, 0, index),
        Evidence::Encounter { index, time } => (time, 1, index),
    };
    facts.sort_unstable_by_key(key);
    facts.dedup();
    facts
}

fn latest(facts: Vec<Evidence>) -> Vec<Evidence> {
    let mut facts = each_once(facts);
    facts.split_off(facts.len().saturating_sub(FACTS_MAX))
}
