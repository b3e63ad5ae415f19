//! Reasons: the shares of the columns gathered by feature, with words and dated facts.

use super::answer::Reason;
use super::words;
use crate::bundle::Bundle;
use crate::feature::{Facts, Feature, Source};
use crate::record::Evidence;

/// The most dated facts named for one reason; the latest are kept.
const FACTS_MAX: usize = 20;
/// A smaller share of the log-odds is not worth a reason.
const SHARE_MIN: f64 = 1e-6;

/// What the reasons of one score are made from.
struct Parts<'a> {
    bundle: &'a Bundle,
    facts: &'a Facts,
    row: &'a [f32],
    contributions: &'a [f64],
}

/// The largest reasons, and the sum of the shares that are not listed.
///
/// The columns of one feature make one reason. Learned codes are reasons of their own when they are
/// present; the shares of absent ones go to the rest.
pub(super) fn reasons(
    bundle: &Bundle,
    facts: &Facts,
    row: &[f32],
    contributions: &[f64],
    reasons_max: usize,
) -> (Vec<Reason>, f64) {
    let parts = Parts { bundle, facts, row, contributions };
    let mut reasons: Vec<Reason> = Vec::new();
    let mut learned = 0;
    for (place, feature) in bundle.task().spec().features().iter().enumerate() {
        let columns = bundle.columns().iter().enumerate().filter(|(_, c)| c.feature == place);
        let columns: Vec<usize> = columns.map(|(column, _)| column).collect();
        match feature.source {
            Source::Learned { .. } => {
                parts.learned(feature, learned, &columns, &mut reasons);
                learned += 1;
            }
            _ => reasons.push(parts.fixed(feature, &columns)),
        }
    }
    reasons.retain(|reason| reason.contribution.abs() >= SHARE_MIN);
    // A stable sort: equal shares stay in the order of the task file.
    reasons.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    reasons.truncate(reasons_max);
    let listed: f64 = reasons.iter().map(|reason| reason.contribution).sum();
    let all: f64 = contributions.iter().sum();
    (reasons, all - listed)
}

impl Parts<'_> {
    fn fixed(&self, feature: &Feature, columns: &[usize]) -> Reason {
        let values: Vec<f32> = columns.iter().map(|column| self.row[*column]).collect();
        let of_columns = |(column, _): &&(usize, Evidence)| columns.contains(column);
        let found = self.facts.evidence.iter().filter(of_columns).map(|(_, fact)| *fact);
        let single = match values.as_slice() {
            [value] if !value.is_nan() => Some(f64::from(*value)),
            _ => None,
        };
        Reason {
            feature: feature.name.clone(),
            text: words::fixed(feature, &values),
            value: single,
            unit: single.and_then(|_| feature.unit.clone()),
            contribution: columns.iter().map(|column| self.contributions[*column]).sum(),
            modifiable: feature.modifiable,
            events: latest(found.collect()),
        }
    }

    /// `learned` is the feature's place among the learned ones.
    fn learned(
        &self,
        feature: &Feature,
        learned: usize,
        columns: &[usize],
        reasons: &mut Vec<Reason>,
    ) {
        if columns.iter().all(|column| self.row[*column].is_nan()) {
            reasons.push(Reason {
                feature: feature.name.clone(),
                text: words::not_recorded(feature),
                value: None,
                unit: None,
                contribution: columns.iter().map(|column| self.contributions[*column]).sum(),
                modifiable: false,
                events: Vec::new(),
            });
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
            reasons.push(Reason {
                feature: name.clone(),
                text: words::learned(feature, token, self.bundle.concepts()),
                value: None,
                unit: None,
                contribution: self.contributions[*column],
                modifiable: false,
                events: latest(of_token.flat_map(|token| token.evidence.iter().copied()).collect()),
            });
        }
    }
}

/// The latest facts, each once, by time and then by their place in the record.
fn latest(mut facts: Vec<Evidence>) -> Vec<Evidence> {
    let key = |fact: &Evidence| match *fact {
        Evidence::Event { index, time } => (time, 0, index),
        Evidence::Encounter { index, time } => (time, 1, index),
    };
    facts.sort_unstable_by_key(key);
    facts.dedup();
    facts.split_off(facts.len().saturating_sub(FACTS_MAX))
}
