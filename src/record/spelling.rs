//! Everyday spellings of units, as records and laboratories write them, and the UCUM code of each.
//!
//! Only spellings with one meaning stand here. UCUM tells `mg` from `Mg` (megagram), so a spelling
//! is matched in any case only where no change of case makes another unit of it; the others stand
//! as they are written. Some everyday spellings are UCUM codes of something that no record of a
//! patient holds, and keep their everyday meaning:
//!
//! - `K/uL` (kelvins), `m/uL` (metres) and `k/uL`: thousands and millions of cells, as haematology
//!   analysers print them. A lower-case m is "million" there, because no cell count is in metres or
//!   in thousandths.
//! - `C` (coulombs) and `F` (farads): degrees Celsius and Fahrenheit.
//! - `u/L` (atomic masses): enzyme units; `PG` and `PG/ML` (petagauss): picograms in capitals.
//!
//! Left out because they have two meanings: `G/L` (grams in capitals, or giga), `mil/uL` (thousand
//! or million), `ppm`, `ratio`, `units` alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The longest spelling, in bytes.
const SPELLING_BYTES_MAX: usize = 40;

/// UCUM code and its spellings, matched in any case and without blanks: here in lower case, and
/// without blanks.
const ANY_CASE: &[(&str, &[&str])] = &[
    ("mm[Hg]", &["mmhg", "mm(hg)", "mmofhg", "mmhg."]),
    ("cm[H2O]", &["cmh2o", "cmh20"]),
    (
        "/min",
        &[
            "bpm",
            "beats/min",
            "beat/min",
            "beats/minute",
            "beatsperminute",
            "{beats}/min",
            "breaths/min",
            "breath/min",
            "breaths/minute",
            "breathsperminute",
            "{breaths}/min",
            "insp/min",
            "resp/min",
            "br/min",
            "perminute",
            "/minute",
            "{beats}/minute",
        ],
    ),
    ("%", &["percent", "pct", "percentage"]),
    (
        "Cel",
        &[
            "degc",
            "degreec",
            "degreesc",
            "degreecelsius",
            "degreescelsius",
            "celsius",
            "degcelsius",
        ],
    ),
    (
        "[degF]",
        &["degf", "degreef", "degreesf", "degreesfahrenheit", "fahrenheit", "degfahrenheit"],
    ),
    ("[lb_av]", &["lb", "lbs", "lb.", "lbs.", "pound", "pounds"]),
    ("[oz_av]", &["oz", "ounce", "ounces"]),
    ("kg", &["kgs", "kilogram", "kilograms"]),
    ("g", &["gms", "gram", "grams"]),
    ("[in_i]", &["in", "in.", "inch", "inches"]),
    ("[ft_i]", &["feet", "foot"]),
    ("cm", &["cm", "cms", "centimeter", "centimeters"]),
    ("kg/m2", &["kg/m^2", "kg/(m^2)", "kg/m**2", "kg/sqm", "kg/squarem"]),
    ("m2", &["m^2", "sqm"]),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("ms", &["msec", "msecs"]),
    ("min", &["mins", "minute", "minutes"]),
    ("h", &["hrs", "hour", "hours"]),
    ("d", &["day", "days"]),
    ("wk", &["week", "weeks"]),
    ("mo", &["month", "months"]),
    ("a", &["year", "years", "yrs"]),
    ("mm/h", &["mm/hour"]),
    ("U/L", &["unit/l", "units/l"]),
    ("[iU]/L", &["iu/l", "[iu]/l"]),
    ("umol/L", &["umol/l", "mcmol/l", "micromol/l"]),
    (
        "10*3/uL",
        &[
            "x10*3/ul",
            "x10^3/ul",
            "x10e3/ul",
            "10e3/ul",
            "10^3/ul",
            "x10(3)/ul",
            "10(3)/ul",
            "10x3/ul",
            "10*3/ul",
            "x10^3/mm3",
            "x10e3/mm3",
            "10*3/mcl",
            "x10(3)/mcl",
            "10e3/mcl",
            "x10e3/mcl",
            "x10^3/mcl",
            "10^3/mcl",
            "thou/ul",
            "thou/mcl",
            "thou/cumm",
            "thou/mm3",
            "thousand/ul",
            "thousand/mcl",
            "thous/ul",
            "thous/mcl",
            "10^3/cumm",
        ],
    ),
    (
        "10*6/uL",
        &[
            "x10*6/ul",
            "x10^6/ul",
            "x10e6/ul",
            "10e6/ul",
            "10^6/ul",
            "x10(6)/ul",
            "10(6)/ul",
            "10x6/ul",
            "10*6/ul",
            "x10^6/mm3",
            "x10e6/mm3",
            "10*6/mcl",
            "x10(6)/mcl",
            "10e6/mcl",
            "x10e6/mcl",
            "x10^6/mcl",
            "10^6/mcl",
            "mill/ul",
            "mill/mcl",
            "mill/cumm",
            "mill/mm3",
            "million/ul",
            "million/mcl",
            "10^6/cumm",
        ],
    ),
    (
        "10*9/L",
        &[
            "x10*9/l", "x10^9/l", "x10e9/l", "10e9/l", "10^9/l", "x10(9)/l", "10(9)/l", "10*9/l",
            "bil/l",
        ],
    ),
    ("10*12/L", &["x10*12/l", "x10^12/l", "x10e12/l", "10e12/l", "10^12/l", "10*12/l"]),
    ("/uL", &["cells/ul", "cells/mcl", "#/ul", "/cumm", "cells/mm3", "cells/cumm", "/mcl"]),
    ("/[HPF]", &["/hpf", "#/hpf"]),
    (
        "mL/min/{1.73_m2}",
        &[
            "ml/min/1.73m2",
            "ml/min/1.73m^2",
            "ml/min/1.73_m2",
            "ml/min/{1.73m2}",
            "ml/min/{1.73_m2}",
            "ml/min/1.73sqm",
            "ml/min/bsa",
        ],
    ),
    ("mosm/kg", &["mosmol/kg", "mosm/kgh2o"]),
];

/// UCUM code and its spellings, matched as they stand.
const AS_WRITTEN: &[(&str, &[&str])] = &[
    ("h", &["hr", "Hr", "HR"]),
    ("a", &["yr", "Yr", "YR"]),
    ("/uL", &["/mm3"]),
    ("/min", &["1/min", "1/MIN"]),
    ("mL/min/{1.73_m2}", &["mL/min/1.73.m2", "ml/min/1.73.m2"]),
    ("mosm/kg", &["mOsm/kg"]),
    ("mm[Hg]", &["mmHg", "mm Hg", "MMHG"]),
    ("{count}", &["count", "1"]),
    ("Cel", &["deg.C", "Deg.C", "deg. C", "Deg. C", "C", "deg C"]),
    ("[degF]", &["deg.F", "Deg.F", "deg. F", "Deg. F", "F", "deg F"]),
    ("kg", &["KG", "Kg"]),
    ("g", &["gm", "GM", "Gm"]),
    ("[ft_i]", &["ft", "FT", "ft."]),
    ("ug", &["mcg", "MCG"]),
    ("mg/dL", &["mg/dl", "MG/DL", "mg/Dl", "mg/100mL", "mg/100 mL", "mg%"]),
    ("g/dL", &["g/dl", "gm/dL", "gm/dl", "GM/DL", "Gm/dL", "Gm/dl", "G/DL", "g/100mL", "gms/dL"]),
    ("ug/dL", &["ug/dl", "UG/DL", "mcg/dL", "mcg/dl", "MCG/DL"]),
    ("ng/dL", &["ng/dl", "NG/DL"]),
    ("ng/mL", &["ng/ml", "NG/ML"]),
    ("pg/mL", &["pg/ml", "PG/ML"]),
    ("ug/mL", &["ug/ml", "UG/ML", "mcg/mL", "mcg/ml", "MCG/ML"]),
    ("ug/L", &["ug/l", "UG/L", "mcg/L", "mcg/l", "MCG/L"]),
    ("ng/L", &["ng/l", "NG/L"]),
    ("mg/L", &["mg/l", "MG/L"]),
    ("g/L", &["g/l", "gm/L", "gm/l"]),
    ("mg/g", &["MG/G", "mg/gm", "mg/g creat", "mg/g Cr"]),
    ("mmol/L", &["mmol/l", "MMOL/L"]),
    ("nmol/L", &["nmol/l", "NMOL/L"]),
    ("pmol/L", &["pmol/l", "PMOL/L"]),
    ("meq/L", &["mEq/L", "mEq/l", "meq/l", "MEQ/L", "mEQ/L"]),
    ("U/L", &["U/l", "u/L", "u/l"]),
    ("m[iU]/L", &["mIU/L", "mIU/l", "MIU/L"]),
    ("u[iU]/mL", &["uIU/mL", "uIU/ml", "UIU/ML", "mcIU/mL"]),
    (
        "10*3/uL",
        &[
            "10*3/mm3", "10^3/mm3", "K/uL", "k/uL", "K/ul", "k/ul", "K/UL", "K/mcL", "k/mcL",
            "K/mm3", "k/mm3", "K/cumm", "k/cumm", "K/CUMM",
        ],
    ),
    (
        "10*6/uL",
        &[
            "10*6/mm3", "10^6/mm3", "m/uL", "M/uL", "m/ul", "M/ul", "M/UL", "m/mcL", "M/mcL",
            "M/mm3", "M/cumm",
        ],
    ),
    ("fL", &["fl", "FL", "fl."]),
    ("pg", &["PG"]),
    ("L/min", &["l/min", "LPM", "lpm"]),
    ("mL/min", &["ml/min", "ML/MIN"]),
    ("mm/h", &["mm/hr", "mm/Hr", "MM/HR"]),
    ("mL", &["ml", "ML", "cc"]),
    ("kPa", &["kpa", "KPA"]),
    ("mmol/mol", &["mmol/mol Hb", "MMOL/MOL"]),
    ("%", &["% of total Hgb", "%Hb"]),
];

type Index = HashMap<&'static str, &'static str>;

fn index(table: &'static [(&'static str, &'static [&'static str])]) -> Index {
    let each = table
        .iter()
        .flat_map(|(ucum, spellings)| spellings.iter().map(move |spelling| (*spelling, *ucum)));
    each.collect()
}

static IN_ANY_CASE: LazyLock<Index> = LazyLock::new(|| index(ANY_CASE));
static WRITTEN_SO: LazyLock<Index> = LazyLock::new(|| index(AS_WRITTEN));

/// Every spelling of the tables with its UCUM code, in their order.
pub(super) fn spellings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let tables = ANY_CASE.iter().chain(AS_WRITTEN);
    tables.flat_map(|(ucum, all)| all.iter().map(move |spelling| (*spelling, *ucum)))
}

/// The UCUM code of an everyday spelling; any other text as it is.
pub(super) fn normal(unit: &str) -> Cow<'_, str> {
    if let Some(ucum) = WRITTEN_SO.get(unit) {
        return Cow::Borrowed(ucum);
    }
    if let Some(ucum) = in_any_case(unit) {
        return Cow::Borrowed(ucum);
    }
    if unit.is_ascii() || unit.len() > SPELLING_BYTES_MAX {
        return Cow::Borrowed(unit);
    }
    // A micro sign, a degree sign or a raised digit: the same unit in the letters of UCUM.
    let mut plain = String::with_capacity(unit.len());
    unit.chars().for_each(|sign| push_plain(sign, &mut plain));
    let ucum = WRITTEN_SO.get(plain.as_str()).copied().or_else(|| in_any_case(&plain));
    ucum.map_or(Cow::Owned(plain), Cow::Borrowed)
}

fn in_any_case(unit: &str) -> Option<&'static str> {
    let mut letters = [0_u8; SPELLING_BYTES_MAX];
    let mut length = 0;
    for byte in unit.bytes().filter(|byte| *byte != b' ') {
        *letters.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let key = std::str::from_utf8(letters.get(..length)?).ok()?;
    IN_ANY_CASE.get(key).copied()
}

/// Adds the letters of UCUM for a sign that is often written in their place.
fn push_plain(sign: char, plain: &mut String) {
    match sign {
        'µ' | 'μ' => plain.push('u'),
        '²' => plain.push('2'),
        '³' => plain.push('3'),
        '×' => plain.push('x'),
        '°' | 'º' | '˚' => plain.push_str("deg"),
        '℃' => plain.push_str("degC"),
        '℉' => plain.push_str("degF"),
        other => plain.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ucum::Term;
    use super::*;

    #[test]
    fn every_spelling_means_a_ucum_code_that_stays_as_it_is() {
        for (_, ucum) in spellings() {
            assert!(Term::parse(ucum).is_some(), "{ucum} is no UCUM");
            assert_eq!(normal(ucum), ucum);
        }
        let all: Vec<&str> = spellings().map(|(spelling, _)| spelling).collect();
        assert!(all.len() > 250);
        let once: std::collections::HashSet<&str> = all.iter().copied().collect();
        assert_eq!(once.len(), all.len(), "a spelling stands twice");
        spellings().for_each(|(spelling, ucum)| assert_eq!(normal(spelling), ucum, "{spelling}"));
    }

    /// No way of writing a spelling in capitals is a UCUM code of another meaning.
    #[test]
    fn spellings_in_any_case_have_one_meaning_in_every_case() {
        let mut faults = Vec::new();
        for (ucum, all) in ANY_CASE {
            let meant = Term::parse(ucum).unwrap();
            for spelling in *all {
                let letters: Vec<usize> =
                    spelling.match_indices(char::is_alphabetic).map(|(at, _)| at).collect();
                // No UCUM code is as long as the words are.
                let letters = &letters[..letters.len().min(9)];
                for capitals in 0_u32..1 << letters.len() {
                    let mut text = spelling.as_bytes().to_vec();
                    for (bit, at) in letters.iter().enumerate() {
                        if capitals >> bit & 1 == 1 {
                            text[*at] = text[*at].to_ascii_uppercase();
                        }
                    }
                    let text = String::from_utf8(text).unwrap();
                    let Some(other) = Term::parse(&text) else { continue };
                    let same = text.contains('{')
                        || other
                            .linear_to(&meant)
                            .is_some_and(|l| l.scale == 1.0 && l.offset == 0.0);
                    if !same {
                        faults.push(format!("{text} is not {ucum}"));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn everyday_spellings_are_known_and_others_stay() {
        let pairs = [
            ("mmHg", "mm[Hg]"),
            ("mm Hg", "mm[Hg]"),
            ("MMHG", "mm[Hg]"),
            ("lbs", "[lb_av]"),
            ("K/uL", "10*3/uL"),
            ("K/µL", "10*3/uL"),
            ("x10E3/uL", "10*3/uL"),
            ("thou/uL", "10*3/uL"),
            ("m/uL", "10*6/uL"),
            ("MG/DL", "mg/dL"),
            ("gm/dL", "g/dL"),
            ("mEq/L", "meq/L"),
            ("IU/L", "[iU]/L"),
            ("units/L", "U/L"),
            ("Deg. F", "[degF]"),
            ("°F", "[degF]"),
            ("° C", "Cel"),
            ("kg/m²", "kg/m2"),
            ("μg/L", "ug/L"),
            ("insp/min", "/min"),
            ("Mg/dL", "Mg/dL"),
            ("10 9/L", "10 9/L"),
            ("ratio", "ratio"),
            ("", ""),
        ];
        for (spelling, ucum) in pairs {
            assert_eq!(normal(spelling), ucum, "{spelling}");
        }
        let long = "µ".repeat(5_000);
        assert_eq!(normal(&long), long);
    }
}
