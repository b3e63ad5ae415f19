//! UCUM: what a unit expression measures, and the linear way between two of the same quantity.
//!
//! The grammar and the tables are octofhir-ucum's. What UCUM calls commensurable is wider than what
//! may be converted without knowing the substance, so this file refuses more than it does:
//!
//! - To UCUM the mole is a bare number, so that mmol/L would be a count per litre, and an HbA1c in
//!   mmol/mol a tenth of the one in per cent; to it an equivalent is a mole, which for calcium is
//!   wrong by a factor of two. Moles, equivalents and osmoles are therefore told apart here.
//! - UCUM ignores annotations, but `mL/min/{1.73_m2}` is not `mL/min`. A unit with an annotation
//!   converts by tables only.
//! - Logarithmic and other scales that are not linear convert to nothing.

use octofhir_ucum::{EvalResult, Number, SpecialKind, UnitExpr, evaluate, parse_expression};

/// The longest text that is read as a unit, in bytes; no unit in use comes near it.
const UNIT_BYTES_MAX: usize = 40;
/// What UCUM counts in moles: amount of substance, equivalents, osmoles.
const PARTICLES: usize = 3;

/// `value * scale + offset`: a value in one unit, in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Linear {
    pub scale: f64,
    pub offset: f64,
}

impl Linear {
    /// The way from a unit to itself.
    pub(super) const SAME: Linear = Linear { scale: 1.0, offset: 0.0 };

    /// First this, then `next`.
    pub(super) fn then(self, next: Linear) -> Linear {
        let offset = self.offset * next.scale + next.offset;
        Linear { scale: self.scale * next.scale, offset }
    }

    /// The way back; the scale is never zero.
    pub(super) fn inverse(self) -> Linear {
        Linear { scale: 1.0 / self.scale, offset: -self.offset / self.scale }
    }
}

/// A unit expression that UCUM can read.
#[derive(Debug, Clone)]
pub(super) struct Term {
    measured: EvalResult,
    /// Powers of moles, equivalents and osmoles, above and below the line.
    particles: [[i32; 2]; PARTICLES],
    annotated: bool,
}

impl Term {
    /// Reads a UCUM expression (case matters); `None` for any text that is none.
    pub(super) fn parse(unit: &str) -> Option<Term> {
        if unit.len() > UNIT_BYTES_MAX {
            return None;
        }
        let expression = parse_expression(unit).ok()?;
        let measured = evaluate(&expression).ok()?;
        let mut particles = [[0; 2]; PARTICLES];
        count_particles(&expression, 1, &mut particles);
        Some(Term { measured, particles, annotated: unit.contains('{') })
    }

    /// The way from this unit to `other`; `None` unless both measure the same quantity on linear
    /// scales.
    pub(super) fn linear_to(&self, other: &Term) -> Option<Linear> {
        let same = self.measured.is_commensurable(&other.measured)
            && self.particles == other.particles
            && !self.annotated
            && !other.annotated;
        if !same {
            return None;
        }
        // A value r is (scale * r + zero) times the unit's magnitude. All in decimals of 28 digits:
        // the two results are rounded once, so that 1000 stays 1000.
        let (scale, zero) = interval_scale(&self.measured)?;
        let (other_scale, other_zero) = interval_scale(&other.measured)?;
        let ratio = self.measured.factor.checked_div(other.measured.factor)?;
        let slope = scale.checked_mul(ratio)?.checked_div(other_scale)?.to_f64();
        let shift = zero.checked_mul(ratio)?.checked_sub(other_zero)?;
        let offset = shift.checked_div(other_scale)?.to_f64();
        let usable = slope.is_normal() && offset.is_finite();
        usable.then_some(Linear { scale: slope, offset })
    }
}

/// The factor on a value and the zero of its scale, in kelvins or Fahrenheit degrees above absolute
/// zero for a temperature; `None` for scales that are not linear.
fn interval_scale(term: &EvalResult) -> Option<(Number, Number)> {
    let Some(special) = term.special else {
        return Some((Number::ONE, Number::ZERO));
    };
    // UCUM, table of special units: f(x) = x - 273.15 for Cel, x - 459.67 for [degF].
    let zero = match special.unit.special {
        SpecialKind::Celsius => Number::parse("273.15")?,
        SpecialKind::Fahrenheit => Number::parse("459.67")?,
        _ => return None,
    };
    Some((special.scale, zero))
}

fn count_particles(expression: &UnitExpr, power: i32, particles: &mut [[i32; 2]; PARTICLES]) {
    match expression {
        UnitExpr::Symbol(symbol) => {
            let Some((_, atom)) = octofhir_ucum::lookup_unit(symbol, Default::default()) else {
                return;
            };
            let kind = match atom.code {
                // A katal is a mole per second, an enzyme unit a micromole per minute.
                "mol" | "kat" | "U" => 0,
                "eq" => 1,
                "osm" => 2,
                _ => return,
            };
            let below = usize::from(power < 0);
            let count = &mut particles[kind][below];
            *count = count.saturating_add(power.saturating_abs());
        }
        UnitExpr::Power(base, exponent) => {
            count_particles(base, power.saturating_mul(*exponent), particles);
        }
        UnitExpr::Annotated(inner, _) => count_particles(inner, power, particles),
        UnitExpr::Product(terms) => {
            terms.iter().for_each(|term| count_particles(term, power, particles));
        }
        UnitExpr::Quotient(above, below) => {
            count_particles(above, power, particles);
            count_particles(below, -power, particles);
        }
        UnitExpr::Reciprocal(below) => count_particles(below, -power, particles),
        UnitExpr::Numeric(_) | UnitExpr::Annotation(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(from: &str, to: &str) -> Option<(f64, f64)> {
        let linear = Term::parse(from)?.linear_to(&Term::parse(to)?)?;
        Some((linear.scale, linear.offset))
    }

    #[test]
    fn units_of_one_quantity_convert_with_the_factors_of_the_books() {
        let close = |from: &str, to: &str, scale: f64| {
            let (found, offset) = way(from, to).unwrap();
            assert!((found / scale - 1.0).abs() < 1e-12, "{from} to {to}: {found}");
            assert_eq!(offset, 0.0, "{from} to {to}");
        };
        close("[lb_av]", "kg", 0.453_592_37);
        close("[in_i]", "cm", 2.54);
        close("kPa", "mm[Hg]", 1.0 / 0.133_322);
        close("10*9/L", "10*3/uL", 1.0);
        close("/uL", "10*3/uL", 0.001);
        close("umol/L", "mmol/L", 0.001);
        close("g/L", "g/dL", 0.1);
        close("ukat/L", "U/L", 60.0);
        close("Hz", "/min", 60.0);
        close("mg/dl", "mg/dL", 1.0);
    }

    #[test]
    fn temperatures_convert_with_their_zeros() {
        let (scale, offset) = way("[degF]", "Cel").unwrap();
        assert_eq!((98.6 * scale + offset).to_bits() >> 4, 37.0_f64.to_bits() >> 4);
        let (scale, offset) = way("K", "Cel").unwrap();
        assert_eq!((scale, offset), (1.0, -273.15));
    }

    #[test]
    fn what_needs_the_substance_or_another_scale_converts_to_nothing() {
        let refused = [
            ("mmol/L", "mg/dL"),
            ("mmol/L", "/L"),
            ("mmol/L", "10*3/uL"),
            ("meq/L", "mmol/L"),
            ("mmol/mol", "%"),
            ("mosm/kg", "mmol/kg"),
            ("mL/min", "mL/min/{1.73_m2}"),
            ("{beats}/min", "/min"),
            ("[pH]", "mol/L"),
            ("dB", "%"),
            ("kg", "cm"),
            ("[iU]/L", "U/L"),
            ("Cel", "kg"),
        ];
        for (from, to) in refused {
            assert_eq!(way(from, to), None, "{from} to {to}");
            assert_eq!(way(to, from), None, "{to} to {from}");
        }
        assert!(Term::parse(&"m.".repeat(30)).is_none(), "too long");
        assert!(Term::parse("no unit").is_none());
    }
}
