//! Units of measurements: from whatever unit a number came in to the unit of its concept.
//!
//! Three sources, the first that knows the unit is taken: the concept's own `accept` table, the
//! conversions of its analyte (by its LOINC codes), and UCUM for units of the same quantity. What
//! none of them knows is unknown: a number is never guessed to be in some unit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::Code;
use super::analyte::{Link, of_loinc};
use super::spelling::{normal, spellings};
use super::ucum::{Linear, Term};

/// One more unit that a concept's values may come in: `value * scale + offset` is in its own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// In UCUM.
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

/// Units that need no reading at the time of a request: those with an everyday spelling, and others
/// in common use. In order, each once.
static COMMON: LazyLock<Vec<(&'static str, Term)>> = LazyLock::new(|| {
    let further = ["m", "mg", "K", "Pa", "ukat/L", "mU/L"];
    let spelt = spellings().map(|(_, unit)| unit);
    let mut units: Vec<&'static str> = spelt.chain(further).collect();
    units.sort_unstable();
    units.dedup();
    units.into_iter().filter_map(|unit| Some((unit, Term::parse(unit)?))).collect()
});

/// The unit of a concept and every way into it, worked out once when the concept is read.
#[derive(Debug, Clone)]
pub(super) struct Units {
    own: String,
    /// The unit itself and those that its analyte is reported in, each with its way into the unit;
    /// the analyte's come first.
    ways: Vec<(Term, Linear)>,
    /// Conversions that are ready, by UCUM code and by spelling: `accept`, and common units.
    ready: HashMap<Cow<'static, str>, Linear, RandomState>,
    /// LOINC codes whose own unit is of another kind than the concept's: without a unit their
    /// numbers say nothing.
    not_assumed: &'static [&'static str],
}

impl Units {
    /// The units of a concept with these codes and accepted units; `None` when `own` is no UCUM.
    pub(super) fn new(own: &str, code_patterns: &[String], accept: &[Accepted]) -> Option<Units> {
        let own_term = Term::parse(own)?;
        let codes: Vec<Code> = code_patterns.iter().filter_map(|code| Code::parse(code)).collect();
        let loinc = codes.iter().filter(|code| code.system == "LOINC");
        let analyte = of_loinc(loinc.map(|code| code.code.as_str()));
        let not_assumed = analyte.map_or(&[][..], |analyte| {
            let leads = |unit: &str| linear(unit, &own_term).is_some();
            match analyte.links.first() {
                Some(link) if leads(link.from) => analyte.codes,
                Some(link) if leads(link.to) => analyte.amount_codes,
                _ => &[],
            }
        });
        let links = analyte.map_or(&[][..], |analyte| analyte.links);
        let mut ways: Vec<(Term, Linear)> =
            links.iter().filter_map(|link| way_through(link, &own_term)).collect();
        ways.push((own_term, Linear::SAME));
        let ready = HashMap::default();
        let mut units = Units { own: own.to_owned(), ways, ready, not_assumed };
        units.make_ready(accept);
        Some(units)
    }

    fn make_ready(&mut self, accept: &[Accepted]) {
        for (unit, term) in COMMON.iter() {
            let linear = if *unit == self.own { Some(Linear::SAME) } else { self.derived(term) };
            if let Some(linear) = linear {
                self.ready.insert(Cow::Borrowed(unit), linear);
            }
        }
        for Accepted { unit, scale, offset } in accept.iter().rev() {
            let linear = Linear { scale: *scale, offset: *offset };
            self.ready.insert(Cow::Owned(unit.clone()), linear);
        }
        for (spelling, unit) in spellings() {
            if let Some(linear) = self.ready.get(unit).copied() {
                self.ready.insert(Cow::Borrowed(spelling), linear);
            }
        }
    }

    /// Puts `number` with `unit`, measured under `code`, into the concept's own unit.
    pub(super) fn convert(&self, number: f64, unit: Option<&str>, code: &Code) -> Converted {
        let Some(unit) = unit.map(str::trim).filter(|unit| !unit.is_empty()) else {
            let other_kind =
                code.system == "LOINC" && self.not_assumed.contains(&code.code.as_str());
            return if other_kind { Converted::Unknown } else { Converted::Assumed(number) };
        };
        if unit == self.own {
            return Converted::Value(number);
        }
        let ready = self.ready.get(unit).copied().or_else(|| {
            let unit = normal(unit);
            let ready = self.ready.get(&unit).copied();
            ready.or_else(|| self.derived(&Term::parse(&unit)?))
        });
        match ready {
            Some(Linear { scale, offset }) => Converted::Value(number * scale + offset),
            None => Converted::Unknown,
        }
    }

    /// The way from `unit` to the concept's own, through the analyte or by UCUM alone.
    fn derived(&self, unit: &Term) -> Option<Linear> {
        self.ways.iter().find_map(|(entry, way)| Some(unit.linear_to(entry)?.then(*way)))
    }

    /// Every unit but its own that needs no reading, in order, with its conversion.
    #[cfg(test)]
    pub(super) fn ready(&self) -> Vec<(&str, Linear)> {
        let others = self.ready.iter().filter(|(unit, _)| normal(unit) != self.own);
        let mut ready: Vec<_> = others.map(|(unit, linear)| (unit.as_ref(), *linear)).collect();
        ready.sort_unstable_by_key(|(unit, _)| *unit);
        ready
    }
}

/// The end of `link` that does not lead to `own` by itself, with the way through the link.
fn way_through(link: &Link, own: &Term) -> Option<(Term, Linear)> {
    let along = |from: &str, to: &str, step: Linear| {
        Some((Term::parse(from)?, step.then(linear(to, own)?)))
    };
    along(link.from, link.to, link.linear())
        .or_else(|| along(link.to, link.from, link.linear().inverse()))
}

fn linear(from: &str, to: &Term) -> Option<Linear> {
    Term::parse(from)?.linear_to(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(own: &str, codes: &[&str]) -> Units {
        let codes: Vec<String> = codes.iter().map(|code| format!("LOINC//{code}")).collect();
        Units::new(own, &codes, &[]).unwrap()
    }

    fn value(units: &Units, number: f64, unit: &str) -> Option<f64> {
        match units.convert(number, Some(unit), &Code::new("LOCAL", "x")) {
            Converted::Value(value) => Some((value * 1e4).round() / 1e4),
            _ => None,
        }
    }

    #[test]
    fn known_units_convert_and_others_do_not() {
        let accepted = [Accepted { unit: "kPa".into(), scale: 7.5, offset: 0.0 }];
        let units = Units::new("mm[Hg]", &[], &accepted).unwrap();
        let code = Code::new("LOINC", "8480-6");
        let mmhg = |unit| units.convert(16.0, unit, &code);
        assert_eq!(mmhg(Some("mmHg")), Converted::Value(16.0));
        assert_eq!(mmhg(Some("kPa")), Converted::Value(16.0 * 7.5), "its own table wins");
        assert_eq!(mmhg(Some("kg")), Converted::Unknown);
        assert_eq!(mmhg(None), Converted::Assumed(16.0));
        assert_eq!(mmhg(Some(" ")), Converted::Assumed(16.0));
    }

    #[test]
    fn an_analyte_converts_between_mass_and_amount_under_any_code_of_the_concept() {
        let creatinine = units("mg/dL", &["2160-0"]);
        assert_eq!(value(&creatinine, 88.42, "umol/L"), Some(1.0));
        assert_eq!(value(&creatinine, 0.088_42, "mmol/L"), Some(1.0));
        assert_eq!(value(&creatinine, 10.0, "mg/L"), Some(1.0));
        assert_eq!(value(&creatinine, 1.0, "meq/L"), None);
        let creatinine = units("umol/L", &["2160-0"]);
        assert_eq!(value(&creatinine, 1.0, "mg/dl"), Some(88.42));
        let hba1c = units("%", &["4548-4"]);
        assert_eq!(value(&hba1c, 48.0, "mmol/mol"), Some(6.542));
        assert_eq!(value(&hba1c, 48.0, "umol/mmol"), Some(6.542));
        let hba1c = units("mmol/mol", &["4548-4"]);
        assert_eq!(value(&hba1c, 6.5, "%"), Some(47.541));
        let calcium = units("mg/dL", &["17861-6"]);
        assert_eq!(value(&calcium, 5.0, "mEq/L"), Some(10.02));
        assert_eq!(value(&calcium, 2.5, "mmol/L"), Some(10.02));
        let potassium = units("mmol/L", &["2823-3"]);
        assert_eq!(value(&potassium, 4.1, "mEq/L"), Some(4.1));
        assert_eq!(value(&units("U/L", &["1742-6"]), 30.0, "IU/L"), Some(30.0));
        assert_eq!(value(&units("m[iU]/L", &["3016-3"]), 2.0, "uIU/mL"), Some(2.0));
        assert_eq!(value(&units("m[iU]/L", &["3016-3"]), 2.0, "mU/L"), Some(2.0));
        assert_eq!(value(&units("mg/dL", &["3094-0"]), 3.57, "mmol/L"), Some(10.0));
        assert_eq!(value(&units("g/dL", &["718-7"]), 9.0, "mmol/L"), Some(14.5021));
    }

    #[test]
    fn a_number_without_unit_is_not_assumed_under_a_code_of_the_other_kind() {
        let creatinine = units("mg/dL", &["2160-0", "14682-9"]);
        let without = |code: &str| creatinine.convert(1.0, None, &Code::new("LOINC", code));
        assert_eq!(without("2160-0"), Converted::Assumed(1.0));
        assert_eq!(without("14682-9"), Converted::Unknown);
    }

    #[test]
    fn units_in_common_use_are_ready_and_say_what_a_reading_would() {
        let weight = units("kg", &["29463-7"]);
        let ready = weight.ready();
        assert!(ready.iter().any(|(unit, _)| *unit == "lbs"));
        for (unit, ready) in ready {
            let read = weight.derived(&Term::parse(&normal(unit)).unwrap()).unwrap();
            assert_eq!(ready, read, "{unit}");
        }
        let pressure = units("mm[Hg]", &[]);
        assert_eq!(pressure.ready.get("mmHg"), Some(&Linear::SAME));
    }
}
