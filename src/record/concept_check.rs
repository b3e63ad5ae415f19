//! What a concept must satisfy by itself and beside the others.

use super::spelling::normal;
use super::unit::Units;
use super::{Code, Concept, ConceptSet};

/// The unit of things counted: it has one spelling, no conversion, and needs no step.
const COUNT_UNIT: &str = "{count}";
/// A number printed with six digits is off by up to half a unit in the sixth, 5 in a million of the
/// number. Values up to this many steps stay on their step then.
const STEPS_MAX: f64 = 100_000.0;

/// Checks `concept` by itself; gives the ways into its unit, if it has one.
pub(super) fn check(concept: &Concept) -> Result<Option<Units>, String> {
    if let Some([low, high]) = concept.range
        && !(low.is_finite() && high.is_finite() && low <= high)
    {
        return Err("range needs two finite rising numbers".into());
    }
    if let Some(step) = concept.step
        && !(step.is_finite() && step > 0.0 && is_whole(step.max(1.0 / step)))
    {
        return Err("step needs a whole number, or 1 divided by one".into());
    }
    if let (Some([low, high]), Some(step)) = (concept.range, concept.step)
        && low.abs().max(high.abs()) > step * STEPS_MAX
    {
        let reason = "step is finer than six digits of the largest values in range can tell";
        return Err(reason.into());
    }
    for (system, reason) in &concept.absent {
        let named = Code::new(system, "").system;
        if named != *system || reason.trim().is_empty() {
            return Err(format!("absent.{system} needs the system as `{named}`, and a reason"));
        }
        if concept.systems().contains(system) {
            return Err(format!("absent.{system}: there are codes of {system}"));
        }
    }
    let needs_unit =
        !concept.accept.is_empty() || concept.range.is_some() || concept.step.is_some();
    let Some(unit) = &concept.unit else {
        return match needs_unit {
            true => Err("accept, range and step need a unit".into()),
            false => Ok(None),
        };
    };
    for unit in std::iter::once(unit).chain(concept.accept.iter().map(|accepted| &accepted.unit)) {
        if normal(unit) != *unit {
            return Err(format!("unit `{unit}` is written `{}` in UCUM", normal(unit)));
        }
    }
    if concept.accept.iter().any(|a| !(a.scale.is_finite() && a.offset.is_finite())) {
        return Err("accept needs finite scale and offset".into());
    }
    if unit != COUNT_UNIT && concept.step.is_none() {
        let reason = "a unit other than {count} needs a step, so that a value sent in another unit \
                      gives the same number";
        return Err(reason.into());
    }
    match Units::new(unit, &concept.codes, &concept.accept) {
        Some(units) => Ok(Some(units)),
        None => Err(format!("unit `{unit}` is no unit of UCUM")),
    }
}

/// Checks that a code of `concept` under another concept with a unit gives the same number there:
/// an event has one value, whichever of its concepts asks.
pub(super) fn check_shared_codes(concept: &Concept, all: &ConceptSet) -> Result<(), String> {
    if concept.unit.is_none() {
        return Ok(());
    }
    let same = |other: &Concept| {
        (&other.unit, other.range, other.step) == (&concept.unit, concept.range, concept.step)
    };
    for pattern in concept.codes.iter().filter(|pattern| !pattern.ends_with('*')) {
        let Some(code) = Code::parse(pattern) else { continue };
        let shared = all.concepts_of(&code);
        let mut with_unit = shared.iter().filter_map(|id| all.get(*id));
        if with_unit.any(|other| other.unit.is_some() && !same(other)) {
            return Err(format!("`{pattern}` has another unit, range or step in another concept"));
        }
    }
    Ok(())
}

fn is_whole(number: f64) -> bool {
    (number - number.round()).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(rest: &str) -> String {
        let text = format!("[concept.x]\ntitle = \"x\"\ncodes = [\"LOINC//1\"]\n{rest}");
        ConceptSet::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn units_and_steps_that_cannot_work_are_named() {
        assert!(fault("unit = \"kg\"").contains("needs a step"));
        assert!(fault("unit = \"kg\"\nstep = 0.3").contains("1 divided by one"));
        assert!(fault("unit = \"lbs\"\nstep = 1").contains("written `[lb_av]`"));
        assert!(fault("unit = \"furlongs\"\nstep = 1").contains("no unit of UCUM"));
        assert!(fault("unit = \"kg\"\nrange = [0, 700]\nstep = 0.001").contains("six digits"));
        assert!(fault("step = 1").contains("need a unit"));
        assert!(fault("unit = \"kg\"\nstep = 1\nabove = \"y\"").contains("no concept `y`"));
        assert!(fault("unit = \"kg\"\nstep = 1\nabove = \"x\"").contains("another concept"));
        assert!(fault("absent = { LOINC = \"none\" }").contains("there are codes of LOINC"));
        assert!(fault("absent = { SNOMED = \" \" }").contains("a reason"));
        assert!(fault("absent = { snomed = \"none\" }").contains("`SNOMED`"));
        let other = "unit = \"kg\"\nstep = 1\n[concept.y]\ntitle = \"y\"\ncodes = [\"LOINC//1\"]\n\
                     unit = \"g\"\nstep = 1";
        assert!(fault(other).contains("another unit, range or step"));
    }
}
