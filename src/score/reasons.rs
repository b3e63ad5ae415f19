//! Reasons: the shares of the columns gathered by feature and then by theme, with words and dated
//! facts.

use super::answer::Reason;
use super::words;
use crate::bundle::{Bundle, Explanation};
use crate::feature::{Facts, Feature, Source, Token};
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

/// What one feature says, or one learned code of it, before it is put into words.
struct Part<'a> {
    theme: &'a str,
    /// Whether the record says anything of it.
    recorded: bool,
    contribution: f64,
    feature: &'a Feature,
    said_by: SaidBy<'a>,
}

/// Which columns a part stands for.
enum SaidBy<'a> {
    /// Those of a feature.
    Columns(&'a [usize]),
    /// None, because a learned feature is missing as a whole.
    Nothing,
    /// The one of a learned code; `learned` is the feature's place among the learned ones.
    Code { learned: usize, column: usize },
}

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
    bundle: &Bundle,
    facts: &Facts,
    row: &[f32],
    contributions: &[f64],
    reasons_max: usize,
) -> (Vec<Reason>, f64) {
    let parts = Parts { bundle, facts, row, contributions };
    let mut themes: Vec<Vec<Part<'_>>> = Vec::new();
    for part in parts.all() {
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
    (groups.iter().filter_map(|group| parts.reason(group)).collect(), all - listed)
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

impl<'a> Parts<'a> {
    /// The reason that a group makes, in words.
    fn reason(&self, group: &Group<'a>) -> Option<Reason> {
        let mut parts = group.parts.iter();
        let first = parts.next()?;
        let mut reason = self.said(first);
        let mut texts = vec![std::mem::take(&mut reason.text)];
        for part in parts.map(|part| self.said(part)) {
            // A number that stands beside others would be read as the value of them all.
            (reason.value, reason.unit) = (None, None);
            texts.push(part.text);
            reason.modifiable |= part.modifiable;
            reason.features.extend(part.features);
            reason.events.extend(part.events);
        }
        reason.theme = first.theme.to_owned();
        reason.contribution = group.contribution;
        reason.events = latest(reason.events);
        reason.text = words::sentence(first.theme, &texts, group.contribution);
        Some(reason)
    }

    fn all(&self) -> Vec<Part<'a>> {
        let (mut parts, mut learned) = (Vec::new(), 0);
        for (place, feature) in self.bundle.task().spec().features().iter().enumerate() {
            let columns = self.bundle.columns_of(place);
            match feature.source {
                Source::Learned { .. } => {
                    self.learned(feature, learned, columns, &mut parts);
                    learned += 1;
                }
                _ => parts.push(Part {
                    theme: &feature.theme,
                    recorded: columns.iter().any(|column| !self.row[*column].is_nan()),
                    contribution: self.sum(columns),
                    feature,
                    said_by: SaidBy::Columns(columns),
                }),
            }
        }
        parts
    }

    /// `learned` is the feature's place among the learned ones.
    fn learned(
        &self,
        feature: &'a Feature,
        learned: usize,
        columns: &'a [usize],
        parts: &mut Vec<Part<'a>>,
    ) {
        let theme = feature.theme.as_str();
        if columns.iter().all(|column| self.row[*column].is_nan()) {
            let (contribution, said_by) = (self.sum(columns), SaidBy::Nothing);
            parts.push(Part { theme, recorded: false, contribution, feature, said_by });
            return;
        }
        for column in columns.iter().copied().filter(|column| self.row[*column] > 0.0) {
            let (contribution, said_by) =
                (self.contributions[column], SaidBy::Code { learned, column });
            parts.push(Part { theme, recorded: true, contribution, feature, said_by });
        }
    }

    fn sum(&self, columns: &[usize]) -> f64 {
        columns.iter().map(|column| self.contributions[*column]).sum()
    }

    /// The reason that a part would be alone, its facts all that were found.
    fn said(&self, part: &Part<'a>) -> Reason {
        let Part { theme: _, recorded: _, contribution, feature, ref said_by } = *part;
        match *said_by {
            SaidBy::Columns(columns) => self.fixed(feature, columns, contribution),
            SaidBy::Nothing => {
                let text = words::not_recorded(feature);
                Reason { text, contribution, ..Reason::of(&feature.name) }
            }
            SaidBy::Code { learned, column } => self.code(feature, learned, column, contribution),
        }
    }

    fn fixed(&self, feature: &'a Feature, columns: &[usize], contribution: f64) -> Reason {
        let values: Vec<f32> = columns.iter().map(|column| self.row[*column]).collect();
        let of_columns = |(column, _): &&(usize, Evidence)| columns.contains(column);
        let found = self.facts.evidence.iter().filter(of_columns).map(|(_, fact)| *fact);
        let events = each_once(found.collect());
        let single = match values.as_slice() {
            [value] if !value.is_nan() => Some(f64::from(*value)),
            _ => None,
        };
        Reason {
            text: words::fixed(feature, &values) + &words::made_from(feature, &events),
            value: single,
            unit: single.and_then(|_| feature.unit.clone()),
            contribution,
            modifiable: feature.modifiable,
            events,
            ..Reason::of(&feature.name)
        }
    }

    fn code(&self, feature: &Feature, learned: usize, column: usize, contribution: f64) -> Reason {
        let name = &self.bundle.columns()[column].name;
        let token = name.split_once('=').map_or(name.as_str(), |(_, token)| token);
        let of_token = |found: &&Token| found.learned == learned && found.text == token;
        let found = self.facts.tokens.iter().filter(of_token);
        let events = each_once(found.flat_map(|token| token.evidence.iter().copied()).collect());
        let text = words::learned(feature, token, self.bundle.concepts())
            + &words::made_from(feature, &events);
        Reason { text, contribution, events, ..Reason::of(name) }
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
