//! The words of a reason: what was found, without any claim that it is a cause.

use crate::feature::{Feature, Source};
use crate::record::{Code, ConceptSet};

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
}
