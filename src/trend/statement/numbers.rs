//! Numbers of figures in sentences, with as many digits as say something.

use crate::trend::release::{FigureKind, Statement};

/// Changes of shares of so many points or more leave no room for tenths in the shares themselves.
const WHOLE_POINTS: f64 = 5.0;

/// How the numbers of a statement are written.
pub(super) struct Numbers {
    kind: FigureKind,
    /// Digits after the point of a figure, and of a change.
    of_value: usize,
    of_change: usize,
}

impl Numbers {
    pub(super) fn of(kind: FigureKind, statement: &Statement) -> Numbers {
        let change = statement.change.abs();
        if is_percent(kind) {
            let middling = |share: f64| (0.1..=0.9).contains(&share);
            let is_round = 100.0 * change >= WHOLE_POINTS
                && middling(statement.before)
                && middling(statement.after);
            let is_fine = 100.0 * change < 0.2;
            let of_value = if is_round { 0 } else { 1 + usize::from(is_fine) };
            return Numbers { kind, of_value, of_change: 1 + usize::from(is_fine) };
        }
        // Two digits of the change that are not 0.
        let magnitude = if change > 0.0 { change.log10().floor() } else { 0.0 };
        let digits = (1.0 - magnitude).clamp(0.0, 6.0) as usize;
        Numbers { kind, of_value: digits, of_change: digits }
    }

    /// A share in whole percent.
    pub(super) fn percent(share: f64) -> String {
        format!("{:.0}%", 100.0 * share)
    }

    /// A figure: "31%", "128.4".
    pub(super) fn value(&self, value: f64) -> String {
        match is_percent(self.kind) {
            true => format!("{:.*}%", self.of_value, 100.0 * value),
            false => format!("{value:.*}", self.of_value),
        }
    }

    /// A change: "7.0 points", "2.6".
    pub(super) fn change(&self, change: f64) -> String {
        let unit = if is_percent(self.kind) { " points" } else { "" };
        format!("{}{unit}", self.bare(change))
    }

    /// A change without its unit.
    pub(super) fn bare(&self, change: f64) -> String {
        let change = if is_percent(self.kind) { 100.0 * change } else { change };
        let text = format!("{change:.*}", self.of_change);
        // No "-0.0".
        let is_nothing =
            text.starts_with('-') && !text.contains(|digit: char| ('1'..='9').contains(&digit));
        if is_nothing { text.trim_start_matches('-').to_owned() } else { text }
    }
}

/// Whether figures of this kind are told in percent.
pub(in crate::trend) fn is_percent(kind: FigureKind) -> bool {
    matches!(kind, FigureKind::Share | FigureKind::Outcome | FigureKind::Risk)
}

/// A UCUM unit as people write it: `mm[Hg]` is "mmHg". Brackets and annotations are UCUM's alone.
pub(in crate::trend) fn plain_unit(unit: &str) -> String {
    match unit {
        "Cel" => return "degrees Celsius".to_owned(),
        "/min" => return "per minute".to_owned(),
        "kg/m2" => return "kg/m²".to_owned(),
        "1" => return String::new(),
        _ => {}
    }
    let mut depth = 0u32;
    let mut plain = String::new();
    for letter in unit.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '[' | ']' => {}
            '*' => plain.push('^'),
            letter if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain
}
