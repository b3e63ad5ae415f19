//! The words of a reason: what was found, without any claim that it is a cause.

use std::cmp::Ordering;

use super::change_reasons::{ChangeKind, ChangeReason};
use crate::access::PROTECTED;
use crate::feature::{Aggregate, Feature, Source};
use crate::record::{Code, ConceptSet, Evidence, TimePrecision};

/// The most parts of one theme that its sentence lists.
const LISTED_MAX: usize = 5;

/// The sentence of a theme: what was found, and how it goes with the risk in the cohort that the
/// model was developed on. `texts` has at least one text, those with the largest shares first.
pub(super) fn sentence(theme: &str, texts: &[String], contribution: f64) -> String {
    format!("{} ({})", listed(theme, texts), goes_with(contribution))
}

/// The first parts of a theme, with the theme where they are several.
fn listed(theme: &str, texts: &[String]) -> String {
    let about = if texts.len() > 1 { format!("{theme}: ") } else { String::new() };
    // The words of a feature may begin with its theme themselves.
    let short = |text: &String| text.strip_prefix(&about).unwrap_or(text).to_owned();
    let mut listed: Vec<String> = texts.iter().take(LISTED_MAX).map(short).collect();
    let more = texts.len() - listed.len();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    format!("{about}{}", listed.join("; "))
}

fn goes_with(contribution: f64) -> String {
    let direction = if contribution > 0.0 { "higher" } else { "lower" };
    format!("associated with a {direction} risk")
}

/// The sentence for all that the caller may not see.
pub(super) fn protected(contribution: f64) -> String {
    format!("{PROTECTED}, which the caller's role does not show ({})", goes_with(contribution))
}

/// The sentence of a theme of a change.
pub(super) fn change_sentence(theme: &str, texts: &[String], contribution: f64) -> String {
    format!("{} ({})", listed(theme, texts), goes_with_more(contribution))
}

fn goes_with_more(contribution: f64) -> String {
    let direction = if contribution > 0.0 { "higher" } else { "lower" };
    format!("associated with a {direction} risk than before")
}

/// The sentence for all of a change that the caller may not see.
pub(super) fn protected_change(contribution: f64) -> String {
    format!("{PROTECTED}, which the caller's role does not show ({})", goes_with_more(contribution))
}

/// The sentence for another version of the model.
pub(super) fn other_model(version_then: &str, contribution: f64) -> String {
    let than = goes_with_more(contribution);
    format!("another version of the model than `{version_then}` for the same facts ({than})")
}

/// What is said now, with what was said before where that was something else.
pub(super) fn changed(was: &str, is: &str) -> String {
    match (was, is) {
        (was, is) if was == is || was.is_empty() => is.to_owned(),
        (was, "") => format!("no longer: {was}"),
        (was, is) => format!("{is} (before: {was})"),
    }
}

/// A change in one sentence: how far, and the two largest shares in its direction.
pub(super) fn change(then: f64, now: f64, reasons: &[ChangeReason]) -> String {
    let [was, is] = [then, now].map(percent);
    let (verb, is_rise) = match now.total_cmp(&then) {
        _ if was == is => return format!("the risk is as it was, {is}"),
        Ordering::Greater => ("rose", true),
        _ => ("fell", false),
    };
    let shares = |each: &&ChangeReason| (each.reason.contribution > 0.0) == is_rise;
    let mut largest = reasons.iter().filter(shares).map(came_by).take(2);
    let mut text = format!("the risk {verb} from {was} to {is}");
    if let Some(first) = largest.next() {
        text += &format!(": mostly {first}");
    }
    if let Some(second) = largest.next() {
        text += &format!(", partly {second}");
    }
    text
}

/// How a part of a change came, in few words.
fn came_by(ChangeReason { kind, reason }: &ChangeReason) -> String {
    let theme = &reason.theme;
    match (kind, reason.events.last()) {
        (ChangeKind::Model, _) => "another version of the model".to_owned(),
        (ChangeKind::TimePassing, _) => format!("time passing ({theme})"),
        (ChangeKind::NewEvents, Some(latest)) => {
            format!("what is new of {theme} (the latest on {})", day(latest))
        }
        (ChangeKind::NewEvents, None) => format!("what is new of {theme}"),
    }
}

/// A probability in percent, with a decimal below ten.
fn percent(probability: f64) -> String {
    let percent = probability * 100.0;
    if percent < 9.95 { format!("{percent:.1}%") } else { format!("{percent:.0}%") }
}

/// What the words of a feature rest on: how many readings, and the day of the latest fact (UTC).
/// Empty without dated facts, and where the day says nothing, as for what is so all through a stay.
pub(super) fn made_from(feature: &Feature, facts: &[Evidence]) -> String {
    let readings = facts.len();
    let what = match &feature.source {
        Source::Age
        | Source::Sex
        | Source::StayDays
        | Source::StayCode { .. }
        | Source::StayCount { .. }
        | Source::Published { .. } => return String::new(),
        Source::Measurement(of) if readings > 1 => match of.aggregate.first() {
            Some(Aggregate::Mean) => format!(", mean of {readings} readings"),
            Some(Aggregate::Min) => format!(", lowest of {readings} readings"),
            Some(Aggregate::Max) => format!(", highest of {readings} readings"),
            Some(
                Aggregate::SlopePerYear
                | Aggregate::SlopePerDay
                | Aggregate::Sd
                | Aggregate::Change,
            ) => format!(", from {readings} readings"),
            Some(Aggregate::Last | Aggregate::Count | Aggregate::DaysSince) | None => String::new(),
        },
        _ => String::new(),
    };
    let days: Vec<String> = facts.iter().map(day).collect();
    match (days.first(), days.last()) {
        (Some(first), Some(last)) if first == last => format!("{what}, on {last}"),
        (_, Some(last)) => format!("{what}, the latest on {last}"),
        _ => String::new(),
    }
}

/// The day of a fact, or as much of it as is known.
fn day(fact: &Evidence) -> String {
    let (time, length) = match fact {
        Evidence::Event { time, precision: TimePrecision::Year, .. } => (time, 4),
        Evidence::Event { time, precision: TimePrecision::Month, .. } => (time, 7),
        Evidence::Event { time, .. } | Evidence::Encounter { time, .. } => (time, 10),
    };
    time.to_string().chars().take(length).collect()
}

/// The words of a feature with fixed columns, given their values.
pub(super) fn fixed(feature: &Feature, values: &[f32]) -> String {
    if values.iter().all(|value| value.is_nan()) {
        return not_recorded(feature);
    }
    let first = values.iter().copied().find(|value| !value.is_nan()).unwrap_or(f32::NAN);
    match &feature.source {
        Source::StayCode { .. } | Source::Concepts { .. } | Source::CodedLevels { .. } => {
            let present =
                feature.level_titles.iter().zip(values).filter(|(_, value)| **value > 0.0);
            let titles: Vec<&str> = present.map(|(title, _)| title.as_str()).collect();
            match (titles.is_empty(), &feature.text_none) {
                (true, Some(none)) => none.clone(),
                (true, None) => feature.text.replace("{level}", "none"),
                (false, _) => feature.text.replace("{level}", &titles.join(", ")),
            }
        }
        Source::Measurement(of) if !of.cuts.is_empty() => {
            let band = feature.level_titles.get(first as usize);
            let named = band.map_or_else(|| number(first), Clone::clone);
            feature.text.replace("{level}", &named).replace("{value}", &named)
        }
        Source::Sex => feature.text.replace("{level}", if first > 0.5 { "female" } else { "male" }),
        _ => match (&feature.text_none, &feature.text_one) {
            (Some(none), _) if first == 0.0 => none.clone(),
            (_, Some(one)) if first == 1.0 => one.clone(),
            _ => feature.text.replace("{value}", &number(first)),
        },
    }
}

/// The words of a learned code that is present.
pub(super) fn learned(feature: &Feature, token: &str, concepts: &ConceptSet) -> String {
    let level = match Code::parse(token) {
        Some(code) => {
            let group = concepts.group_of(&code);
            let system = match code.system.as_str() {
                "ICD9CM" => "ICD-9-CM",
                "ICD10CM" => "ICD-10-CM",
                other => other,
            };
            match group {
                Some(concept) => format!("{system} {} ({})", code.code, concept.title),
                None => format!("{system} {}", code.code),
            }
        }
        None => token.to_owned(),
    };
    feature.text.replace("{level}", &level)
}

/// The words of a feature that is missing as a whole.
pub(super) fn not_recorded(feature: &Feature) -> String {
    format!("{}: not recorded", feature.name.replace('_', " "))
}

/// A number with at most two decimals and no trailing zeros.
fn number(value: f32) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_read_plainly() {
        let plain = |value| super::number(value);
        assert_eq!(
            (plain(3.0), plain(0.5), plain(2.345)),
            ("3".into(), "0.5".into(), "2.35".into())
        );
        assert_eq!((plain(-0.001), plain(100.0)), ("0".into(), "100".into()));
    }

    #[test]
    fn a_sentence_lists_the_first_parts_and_names_a_direction() {
        let texts: Vec<String> = (1..=7).map(|part| format!("part {part}")).collect();
        let alone = super::sentence("theme", &texts[..1], -0.2);
        assert_eq!(alone, "part 1 (associated with a lower risk)");
        let all = super::sentence("theme", &texts, 0.2);
        let parts = "part 1; part 2; part 3; part 4; part 5; and 2 more";
        assert_eq!(all, format!("theme: {parts} (associated with a higher risk)"));
        let named = ["theme: one".to_owned(), "two".to_owned()];
        let once = super::sentence("theme", &named, 0.2);
        assert_eq!(once, "theme: one; two (associated with a higher risk)");
    }

    #[test]
    fn a_day_is_named_as_far_as_it_is_known() {
        use crate::record::{Evidence, Time, TimePrecision};
        let time = Time::parse("2024-03-01T10:30:00Z").unwrap();
        let event = |precision| super::day(&Evidence::Event { index: 0, time, precision });
        assert_eq!(event(TimePrecision::Instant), "2024-03-01");
        assert_eq!(event(TimePrecision::Day), "2024-03-01");
        assert_eq!(event(TimePrecision::Month), "2024-03");
        assert_eq!(event(TimePrecision::Year), "2024");
        assert_eq!(super::day(&Evidence::Encounter { index: 3, time }), "2024-03-01");
    }
}
