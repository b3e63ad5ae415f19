//! The notes of a risk assessment: the number in words, how far it can be trusted, what was assumed.

use super::risk_assessment::Assessed;
use crate::published::PublishedScore;
use crate::score::{Score, Sufficiency};

/// All notes, the number first.
pub(super) fn of(assessed: &Assessed<'_>) -> Vec<String> {
    let score = assessed.score;
    let mut notes = vec![number(assessed)];
    if let (Some(relative), Some(_)) = (assessed.relative_risk, score.probability) {
        let (value, compared_with) = (relative.value, relative.compared_with);
        notes.push(format!("the risk is {value:.2} times that of {compared_with}"));
    }
    notes.push(sufficiency(score));
    notes.extend(score.assumptions.iter().cloned());
    notes.extend(score.published.iter().map(published));
    if assessed.is_synthetic {
        let note = "the model was fitted on a simulated population: for showing and trying alone, not for care";
        notes.push(note.to_owned());
    }
    notes
}

/// The probability from 0 to 1 and in percent, so that nobody takes the one for the other.
fn number(assessed: &Assessed<'_>) -> String {
    let score = assessed.score;
    let (outcome, days) = (assessed.outcome_text, score.horizon_days);
    let Some(probability) = score.probability else {
        return match score.sufficiency {
            Sufficiency::D => "no probability: there is not enough data for one".to_owned(),
            _ => "no probability: published scores alone are shown".to_owned(),
        };
    };
    let mut text = format!(
        "probability {} ({} %) within {days} days of: {outcome}",
        digits(probability),
        digits(100.0 * probability)
    );
    if let Some([low, high]) = score.interval {
        text += &format!(
            "; of all patients with this probability {} to {} % (95% interval)",
            digits(100.0 * low),
            digits(100.0 * high)
        );
    }
    if let Some(percentile) = score.reference_percentile {
        text +=
            &format!("; higher than that of {percentile:.0} % of the patients it was developed on");
    }
    text
}

fn sufficiency(score: &Score) -> String {
    let grade = score.sufficiency.letter();
    match score.sufficiency_notes.as_slice() {
        [] => format!("sufficiency of the record (A to D): {grade}"),
        notes => format!("sufficiency of the record (A to D): {grade}: {}", notes.join("; ")),
    }
}

fn published(score: &PublishedScore) -> String {
    let PublishedScore { title, points, probability, probability_low, probability_high, .. } =
        score;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(points.map(|points| format!("{points} points")));
    parts.extend(probability.map(|value| format!("{} %", digits(100.0 * value))));
    if let (None, Some(low), Some(high)) = (probability, probability_low, probability_high) {
        parts.push(format!("{} to {} %", digits(100.0 * low), digits(100.0 * high)));
    }
    parts.extend(score.band.clone());
    if parts.is_empty() {
        let missing = || format!("missing {}", score.missing_inputs.join(", "));
        let why = score.reason.clone().unwrap_or_else(missing);
        return format!("{title}: not given: {why}");
    }
    format!("{title} (as published): {}; it is about: {}", parts.join(", "), score.outcome)
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let size = if value > 0.0 { value.log10().floor() as i32 } else { 0 };
    let places = usize::try_from(2 - size).unwrap_or_default().min(8);
    let text = format!("{value:.places$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown() {
        let shown = [0.123_456, 12.3456, 100.0, 0.001_234_5, 0.5, 0.0, 99.96, 1e-9].map(digits);
        assert_eq!(shown, ["0.123", "12.3", "100", "0.00123", "0.5", "0", "100", "0"]);
    }

    #[test]
    fn a_published_score_says_what_it_is_about_or_why_it_is_not_given() {
        let score = PublishedScore {
            id: "lace".into(),
            title: "LACE".into(),
            points: Some(10.0),
            probability: None,
            probability_low: Some(0.1),
            probability_high: Some(0.2),
            band: Some("high".into()),
            outcome: "death or readmission".into(),
            horizon_days: Some(30),
            applicable: true,
            reason: None,
            missing_inputs: Vec::new(),
            classes: crate::access::Classes::NONE,
        };
        let text =
            "LACE (as published): 10 points, 10 to 20 %, high; it is about: death or readmission";
        assert_eq!(published(&score), text);
        let none = PublishedScore {
            points: None,
            probability_low: None,
            band: None,
            missing_inputs: vec!["sodium".into()],
            ..score
        };
        assert_eq!(published(&none), "LACE: not given: missing sodium");
    }
}
