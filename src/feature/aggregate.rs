//! How the values of a window become one number.
//!
//! The values come in the order of the history (time, then content), so that sums have the same bits
//! whatever the order of the record.

use super::params::Aggregate;
use crate::record::{Evidence, Time};

/// Days of a Julian year.
const DAYS_PER_YEAR: f64 = 365.25;
/// A line through fewer days says more of the noise than of the patient.
const SLOPE_DAYS_MIN: usize = 3;
const SD_VALUES_MIN: usize = 3;
/// How far back from the last value the own baseline ends.
const BASELINE_GAP_DAYS: i64 = 30;

/// One value of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measure {
    pub value: f64,
    /// When it was taken; `None` where not even the day is known.
    pub time: Option<Time>,
    pub evidence: Evidence,
}

/// The aggregate of `measures` (by time) and the facts it rests on; `None` with too few of them.
pub(super) fn summed_up(
    measures: &[Measure],
    aggregate: Aggregate,
    index_time: Time,
) -> Option<(f64, Vec<Evidence>)> {
    let one =
        |found: Option<&Measure>| found.map(|measure| (measure.value, vec![measure.evidence]));
    let by_value = |a: &&Measure, b: &&Measure| a.value.total_cmp(&b.value);
    let all = |value: f64| (value, measures.iter().map(|measure| measure.evidence).collect());
    match aggregate {
        Aggregate::Last => one(measures.last()),
        Aggregate::Min => one(measures.iter().min_by(by_value)),
        Aggregate::Max => one(measures.iter().max_by(by_value)),
        Aggregate::Count => Some(all(measures.len() as f64)),
        Aggregate::Mean => mean(measures.iter().map(|measure| measure.value)).map(all),
        Aggregate::Sd => sd(measures).map(all),
        Aggregate::SlopePerDay => slope_per_day(&dated(measures)),
        Aggregate::SlopePerYear => {
            let (slope, facts) = slope_per_day(&dated(measures))?;
            Some((slope * DAYS_PER_YEAR, facts))
        }
        Aggregate::Change => change(&dated(measures)),
        Aggregate::DaysSince => {
            let (time, last) = dated(measures).last().copied()?;
            // A value of the index day without a time of day counts from noon, which may lie ahead.
            Some((index_time.days_since(time).max(0.0), vec![last.evidence]))
        }
    }
}

/// Those of which at least the day is known.
fn dated(measures: &[Measure]) -> Vec<(Time, &Measure)> {
    measures.iter().filter_map(|measure| Some((measure.time?, measure))).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_usize);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

fn sd(measures: &[Measure]) -> Option<f64> {
    let mean = mean(measures.iter().map(|measure| measure.value))?;
    let squares: f64 = measures.iter().map(|measure| (measure.value - mean).powi(2)).sum();
    (measures.len() >= SD_VALUES_MIN).then(|| (squares / (measures.len() - 1) as f64).sqrt())
}

fn slope_per_day(dated: &[(Time, &Measure)]) -> Option<(f64, Vec<Evidence>)> {
    let (first, _) = *dated.first()?;
    let days = dated.chunk_by(|a, b| a.0.day() == b.0.day()).count();
    if days < SLOPE_DAYS_MIN {
        return None;
    }
    let day = |time: Time| time.days_since(first);
    let mean_day = mean(dated.iter().map(|(time, _)| day(*time)))?;
    let mean_value = mean(dated.iter().map(|(_, measure)| measure.value))?;
    let (mut product, mut square) = (0.0, 0.0);
    for (time, measure) in dated {
        let from_mean = day(*time) - mean_day;
        product += from_mean * (measure.value - mean_value);
        square += from_mean * from_mean;
    }
    Some((product / square, dated.iter().map(|(_, measure)| measure.evidence).collect()))
}

fn change(dated: &[(Time, &Measure)]) -> Option<(f64, Vec<Evidence>)> {
    let [(_, first), .., (last_time, last)] = dated else { return None };
    let until = last_time.plus_days(-BASELINE_GAP_DAYS);
    let before = dated.iter().take_while(|(time, _)| *time <= until);
    let mut facts: Vec<Evidence> = before.clone().map(|(_, measure)| measure.evidence).collect();
    let baseline = mean(before.map(|(_, measure)| measure.value)).unwrap_or(first.value);
    if facts.is_empty() {
        facts.push(first.evidence);
    }
    facts.push(last.evidence);
    Some((last.value - baseline, facts))
}
