//! Units of measurements: everyday spellings, and the linear conversions a concept accepts.

use serde::{Deserialize, Serialize};

/// Everyday spellings and the UCUM code they mean. Only spellings with one meaning stand here.
const SPELLINGS: [(&str, &str); 12] = [
    ("mmHg", "mm[Hg]"),
    ("mm Hg", "mm[Hg]"),
    ("percent", "%"),
    ("lbs", "[lb_av]"),
    ("lb", "[lb_av]"),
    ("in", "[in_i]"),
    ("inch", "[in_i]"),
    ("mg/dl", "mg/dL"),
    ("mmol/l", "mmol/L"),
    ("bpm", "/min"),
    ("count", "{count}"),
    ("1", "{count}"),
];

/// One more unit that a concept's values may come in: `value * scale + offset` is in its own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub unit: String,
    pub scale: f64,
    #[serde(default)]
    pub offset: f64,
}

/// What became of a number with a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Converted {
    /// The number in the concept's own unit.
    Value(f64),
    /// No unit was given; the number is taken to be in the concept's own unit.
    Assumed(f64),
    /// The unit is none that the concept knows.
    Unknown,
}

/// The UCUM code of an everyday spelling; any other text as it is.
pub(super) fn normal(unit: &str) -> &str {
    SPELLINGS.iter().find(|(spelling, _)| *spelling == unit).map_or(unit, |(_, ucum)| ucum)
}

/// Puts `number` with `unit` into `own` unit, using the conversions in `accepted`.
pub(super) fn convert(
    number: f64,
    unit: Option<&str>,
    own: &str,
    accepted: &[Accepted],
) -> Converted {
    let Some(unit) = unit.map(str::trim).filter(|unit| !unit.is_empty()) else {
        return Converted::Assumed(number);
    };
    let unit = normal(unit);
    if unit == own {
        return Converted::Value(number);
    }
    match accepted.iter().find(|other| other.unit == unit) {
        Some(other) => Converted::Value(number * other.scale + other.offset),
        None => Converted::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_units_convert_and_others_do_not() {
        let accepted = [Accepted { unit: "kPa".into(), scale: 7.500_62, offset: 0.0 }];
        let mmhg = |unit| convert(16.0, unit, "mm[Hg]", &accepted);
        assert_eq!(mmhg(Some("mmHg")), Converted::Value(16.0));
        assert_eq!(mmhg(Some("kPa")), Converted::Value(16.0 * 7.500_62));
        assert_eq!(mmhg(Some("kg")), Converted::Unknown);
        assert_eq!(mmhg(None), Converted::Assumed(16.0));
        assert_eq!(mmhg(Some(" ")), Converted::Assumed(16.0));
    }
}
