//! Reasons: the shares of the columns gathered by feature and then by theme, with words and dated
//! facts.

use super::answer::Reason;
use super::words;
use crate::bundle::{Bundle, Explanation};
use crate::feature::{Facts, Feature, Source};
use crate::model::logit;
use crate::record::Evidence;

/// The most dated facts named for one reason; the latest are kept.
const FACTS_MAX: usize = 20;
/// A smaller share of the log-odds is not worth a reason.
const SHARE_MIN: f64 = 1e-6;
/// How far baseline and shares may be from the log-odds of the probability that they explain.
const SUM_TOLERANCE: f64 = 1e-6;

/// What the reasons of one score are made from.
struct Parts<'a> {
    bundle: &'a Bundle,
    facts: &'a Facts,
    row: &'a [f32],
    contributions: &'a [f64],
}

/// What one feature says, or one learned code of it.
struct Part<'a> {
    theme: &'a str,
    /// Whether the record says anything of it.
    recorded: bool,
    /// The reason it would be alone, its facts all that were found.
    reason: Reason,
}

/// The largest reasons, and the sum of the shares that are not listed.
///
/// Features of one theme make one reason; what is not recorded makes one of its own, behind all
/// others. Learned codes count when they are present; the shares of absent ones go to the rest.
pub(super) fn reasons(
    bundle: &Bundle,
    facts: &Facts,
    row: &[f32],
    contributions: &[f64],
    reasons_max: usize,
) -> (Vec<Reason>, f64) {
    let parts = Parts { bundle, facts, row, contributions };
    let mut themes: Vec<Vec<Part<'_>>> = Vec::new();
    for part in parts.all() {
        if part.reason.contribution.abs() < SHARE_MIN {
            continue;
        }
        let same = |group: &&mut Vec<Part<'_>>| {
            group
                .first()
                .is_some_and(|first| first.theme == part.theme && first.recorded == part.recorded)
        };
        match themes.iter_mut().find(same) {
            Some(group) => group.push(part),
            None => themes.push(vec![part]),
        }
    }
    let mut reasons: Vec<(bool, Reason)> = themes.into_iter().filter_map(joined).collect();
    reasons.retain(|(_, reason)| reason.contribution.abs() >= SHARE_MIN);
    // A stable sort: equal shares stay in the order of the task file.
    reasons.sort_by(|(a_recorded, a), (b_recorded, b)| {
        let by_share = || b.contribution.abs().total_cmp(&a.contribution.abs());
        b_recorded.cmp(a_recorded).then_with(by_share)
    });
    reasons.truncate(reasons_max);
    let listed: f64 = reasons.iter().map(|(_, reason)| reason.contribution).sum();
    let all: f64 = contributions.iter().sum();
    (reasons.into_iter().map(|(_, reason)| reason).collect(), all - listed)
}

/// Whether the explanation is one of this probability: finite, and by the sum rule.
pub(super) fn explains(explanation: &Explanation, probability: f64) -> bool {
    let sum: f64 = explanation.contributions.iter().sum();
    let gap = explanation.baseline + sum - logit(probability);
    // Written so that a NaN or an infinite share fails.
    gap.abs() <= SUM_TOLERANCE
}

/// One reason of the parts of one theme, and whether it is recorded; `None` without any part.
fn joined(mut parts: Vec<Part<'_>>) -> Option<(bool, Reason)> {
    let by_share = |a: &Part<'_>, b: &Part<'_>| {
        b.reason.contribution.abs().total_cmp(&a.reason.contribution.abs())
    };
    parts.sort_by(by_share);
    let mut parts = parts.into_iter();
    let Part { theme, recorded, mut reason } = parts.next()?;
    let mut texts = vec![std::mem::take(&mut reason.text)];
    for part in parts {
        // A number that stands beside others would be read as the value of them all.
        (reason.value, reason.unit) = (None, None);
        texts.push(part.reason.text);
        reason.contribution += part.reason.contribution;
        reason.modifiable |= part.reason.modifiable;
        reason.features.extend(part.reason.features);
        reason.events.extend(part.reason.events);
    }
    reason.theme = theme.to_owned();
    reason.events = latest(reason.events);
    reason.text = words::sentence(theme, &texts, reason.contribution);
    Some((recorded, reason))
}

impl<'a> Parts<'a> {
    fn all(&self) -> Vec<Part<'a>> {
        let (mut parts, mut learned) = (Vec::new(), 0);
        for (place, feature) in self.bundle.task().spec().features().iter().enumerate() {
            let columns = self.bundle.columns().iter().enumerate();
            let columns = columns.filter(|(_, column)| column.feature == place);
            let columns: Vec<usize> = columns.map(|(column, _)| column).collect();
            match feature.source {
                Source::Learned { .. } => {
                    self.learned(feature, learned, &columns, &mut parts);
                    learned += 1;
                }
                _ => parts.push(self.fixed(feature, &columns)),
            }
        }
        parts
    }

    fn fixed(&self, feature: &'a Feature, columns: &[usize]) -> Part<'a> {
        let values: Vec<f32> = columns.iter().map(|column| self.row[*column]).collect();
        let of_columns = |(column, _): &&(usize, Evidence)| columns.contains(column);
        let found = self.facts.evidence.iter().filter(of_columns).map(|(_, fact)| *fact);
        let events = each_once(found.collect());
        let single = match values.as_slice() {
            [value] if !value.is_nan() => Some(f64::from(*value)),
            _ => None,
        };
        Part {
            theme: &feature.theme,
            recorded: values.iter().any(|value| !value.is_nan()),
            reason: Reason {
                text: words::fixed(feature, &values) + &words::made_from(feature, &events),
                value: single,
                unit: single.and_then(|_| feature.unit.clone()),
                contribution: columns.iter().map(|column| self.contributions[*column]).sum(),
                modifiable: feature.modifiable,
                events,
                ..Reason::of(&feature.name)
            },
        }
    }

    /// `learned` is the feature's place among the learned ones.
    fn learned(
        &self,
        feature: &'a Feature,
        learned: usize,
        columns: &[usize],
        parts: &mut Vec<Part<'a>>,
    ) {
        let theme = feature.theme.as_str();
        if columns.iter().all(|column| self.row[*column].is_nan()) {
            let contribution = columns.iter().map(|column| self.contributions[*column]).sum();
            let text = words::not_recorded(feature);
            let reason = Reason { text, contribution, ..Reason::of(&feature.name) };
            parts.push(Part { theme, recorded: false, reason });
            return;
        }
        for column in columns.iter().filter(|column| self.row[**column] > 0.0) {
            let name = &self.bundle.columns()[*column].name;
            let token = name.split_once('=').map_or(name.as_str(), |(_, token)| token);
            let of_token = self
                .facts
                .tokens
                .iter()
                .filter(|found| found.learned == learned && found.text == token);
            let events = of_token.flat_map(|token| token.evidence.iter().copied()).collect();
            let (contribution, events) = (self.contributions[*column], each_once(events));
            let text = words::learned(feature, token, self.bundle.concepts())
                + &words::made_from(feature, &events);
            let reason = Reason { text, contribution, events, ..Reason::of(name) };
            parts.push(Part { theme, recorded: true, reason });
        }
    }
}

/// The facts by time and then by their place in the record, each once.
fn each_once(mut facts: Vec<Evidence>) -> Vec<Evidence> {
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
