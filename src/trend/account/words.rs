//! Figures, groups and measures in plain words.

use crate::SMALL_CELL_PATIENTS;
use crate::trend::statement::{is_percent, plain_unit, subject};
use crate::trend::{
    Figure, FigureKind, KeyName, Measure, PeriodUnit, Point, Release, StandardName,
};

/// What stands where a figure is kept back.
pub fn suppressed_text() -> String {
    format!("not shown (fewer than {SMALL_CELL_PATIENTS})")
}

/// A key in words, in the middle of a sentence.
pub fn key_title(key: KeyName) -> &'static str {
    match key {
        KeyName::AgeBand => "age band",
        KeyName::Sex => "sex",
        KeyName::Region => "region",
        KeyName::Facility => "facility",
        KeyName::Race => "race",
        KeyName::Ethnicity => "ethnicity",
        KeyName::Language => "language",
        KeyName::Insurance => "insurance",
    }
}

/// Keys as a grouping: `by age band, sex and region`; `everybody together` for none.
pub(super) fn keys_title(keys: &[KeyName]) -> String {
    let words: Vec<&str> = keys.iter().map(|key| key_title(*key)).collect();
    match words.split_last() {
        None => "everybody together".to_owned(),
        Some((last, [])) => format!("by {last}"),
        Some((last, rest)) => format!("by {} and {last}", rest.join(", ")),
    }
}

/// What the figures of a measure are: `Share with raised blood pressure`.
pub fn measure_title(measure: &Measure) -> String {
    let unit = match measure.kind {
        FigureKind::Mean => measure.unit.as_deref().map(plain_unit).filter(|unit| !unit.is_empty()),
        FigureKind::Rate => Some("per 1,000 person-years".to_owned()),
        FigureKind::Share | FigureKind::Outcome | FigureKind::Risk => None,
    };
    let title = capital(&subject(measure));
    unit.map_or_else(|| title.clone(), |unit| format!("{title}, {unit}"))
}

/// `text` with a capital letter at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A number of this kind: percent with one decimal; means and rates with as many as tell something.
pub(super) fn number(kind: FigureKind, value: f64) -> String {
    let text = match is_percent(kind) {
        true => format!("{:.1}", 100.0 * value),
        false if value.abs() >= 1_000.0 => format!("{value:.0}"),
        false if value.abs() >= 10.0 => format!("{value:.1}"),
        false => format!("{value:.2}"),
    };
    signed(&text)
}

/// With a minus sign where it has one: minus nothing is nothing.
fn signed(text: &str) -> String {
    let is_zero = text.chars().all(|character| !('1'..='9').contains(&character));
    let text = if is_zero { text.trim_start_matches('-') } else { text };
    text.replace('-', "\u{2212}")
}

/// A figure alone: `31.2%`.
pub fn value_text(kind: FigureKind, value: f64) -> String {
    let sign = if is_percent(kind) { "%" } else { "" };
    format!("{}{sign}", number(kind, value))
}

/// A figure with its 95% interval: `31.2% (30.1 to 32.3)`.
pub fn figure_text(kind: FigureKind, figure: &Figure) -> String {
    let Figure { estimate, low, high, .. } = figure;
    let [low, high] = [low, high].map(|end| number(kind, *end));
    format!("{} ({low} to {high})", value_text(kind, *estimate))
}

/// A point in words: its figure, or why there is none.
pub fn point_text(kind: FigureKind, point: &Point) -> String {
    match &point.figure {
        Some(figure) => figure_text(kind, figure),
        None if point.is_suppressed(kind) => suppressed_text(),
        None => "nobody measured".to_owned(),
    }
}

/// A change in the unit of its kind: `+7.0 points`.
pub fn change_text(kind: FigureKind, change: f64) -> String {
    let text = number(kind, change);
    let plus = if text.starts_with('\u{2212}') || change <= 0.0 { "" } else { "+" };
    let unit = if is_percent(kind) { " points" } else { "" };
    format!("{plus}{text}{unit}")
}

/// A count with its thousands kept apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A published standard population by its full name.
pub fn standard_title(standard: StandardName) -> &'static str {
    match standard {
        StandardName::Who2000 => "WHO World Standard 2000-2025",
        StandardName::Europe2013 => "European Standard Population 2013",
        StandardName::Us2000 => "United States standard population 2000",
    }
}

/// What one period is: `a year`, `2 years`.
pub(super) fn period_text(release: &Release) -> String {
    let unit = match release.period_unit {
        PeriodUnit::Month => "month",
        PeriodUnit::Quarter => "quarter",
        PeriodUnit::Year => "year",
    };
    match release.period_count {
        1 => format!("a {unit}"),
        several => format!("{several} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groupings_are_told_as_people_say_them() {
        assert_eq!(keys_title(&[KeyName::AgeBand, KeyName::Sex]), "by age band and sex");
        assert_eq!(keys_title(&[]), "everybody together");
    }

    #[test]
    fn figures_are_told_in_the_unit_of_their_kind() {
        let figure = Figure {
            estimate: 0.3124,
            low: 0.301,
            high: 0.3226,
            standard_error: 0.005,
            freedom: None,
        };
        assert_eq!(figure_text(FigureKind::Share, &figure), "31.2% (30.1 to 32.3)");
        assert_eq!(change_text(FigureKind::Share, 0.07), "+7.0 points");
        assert_eq!(change_text(FigureKind::Mean, -3.25), "\u{2212}3.25");
        assert_eq!(change_text(FigureKind::Share, -0.0001), "0.0 points");
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
    }
}
