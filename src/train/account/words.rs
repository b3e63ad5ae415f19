//! Figures in words.

use crate::model::Family;
use crate::train::metrics::Estimate;
use crate::train::select::{Candidate, Contender};

/// What stands where a figure is not told.
pub(super) const NOT_SHOWN: &str = "not shown";

/// A share as percent, to one decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// A share with its interval; `NOT_SHOWN` for none.
pub(super) fn percent_of(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || NOT_SHOWN.to_owned(),
        |Estimate { value, interval: [low, high] }| {
            format!("{} ({:.1} to {:.1})", percent(value), 100.0 * low, 100.0 * high)
        },
    )
}

/// A figure with its interval; `NOT_SHOWN` for none.
pub(super) fn number_of(estimate: Option<Estimate>, digits: usize) -> String {
    let told = |of: Estimate| with_interval(of.value, of.interval, digits);
    estimate.map_or_else(|| NOT_SHOWN.to_owned(), told)
}

/// A number with so many digits; minus nothing is nothing.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let is_zero = text.chars().all(|character| !('1'..='9').contains(&character));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// A figure with its interval.
pub(super) fn with_interval(value: f64, interval: [f64; 2], digits: usize) -> String {
    format!("{} ({})", fixed(value, digits), interval_of(interval, digits))
}

/// The ends of an interval.
pub(super) fn interval_of([low, high]: [f64; 2], digits: usize) -> String {
    format!("{} to {}", fixed(low, digits), fixed(high, digits))
}

/// A figure that may not be there.
pub(super) fn or_not_shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOT_SHOWN.to_owned())
}

/// A name of a program for people: `age_years` is told as `age years`.
pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ").replace('=', ": ")
}

/// A family in the words of its field.
pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::Logistic => "logistic regression",
        Family::Forest => "random forest",
        Family::Boosted => "gradient-boosted trees",
        Family::Published => "recalibrated published score",
    }
}

/// Who was chosen, in the words of the field.
pub(super) fn contender(contender: Contender) -> &'static str {
    match contender {
        Contender::Family(of) => family(of),
        Contender::Blend => "blend",
    }
}

/// The settings of a candidate.
pub(super) fn settings(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Logistic { alpha } => format!("ridge penalty {}", short(*alpha)),
        Candidate::Forest(of) => format!(
            "{} trees, depth up to {}, leaves of {} rows or more, {} inputs a split",
            of.trees, of.depth, of.leaf_rows_min, of.features_per_split
        ),
        Candidate::Boosted(of) => format!(
            "{} trees of up to {} leaves of {} rows or more, step {}, penalty {}, {:.0}% of the \
             inputs a tree, {:.0}% of those a split, {:.0}% of the rows a tree",
            of.rounds,
            of.leaves,
            of.leaf_rows_min,
            short(of.learning_rate),
            short(of.l2),
            100.0 * of.features_per_tree,
            100.0 * of.features_per_split,
            100.0 * of.rows_share
        ),
        Candidate::Published { .. } => "recalibrated on the task's own outcome".to_owned(),
    }
}

/// To three significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_long_as_they_tell_something() {
        assert_eq!(short(29.471), "29.5");
        assert_eq!(short(0.05), "0.05");
        assert_eq!(short(1234.5), "1234");
        let share = Estimate { value: 0.1131, interval: [0.1, 0.125] };
        assert_eq!(percent_of(Some(share)), "11.3% (10.0 to 12.5)");
        assert_eq!(number_of(None, 2), NOT_SHOWN);
        assert_eq!([fixed(-0.001, 2), fixed(-0.01, 2)], ["0.00", "-0.01"]);
    }
}
