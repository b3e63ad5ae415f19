//! Conversions that need the substance: mass and amount of one analyte, found by its LOINC codes.
//!
//! Each constant names where it comes from. Molar masses are sums of IUPAC standard atomic weights
//! (2021); where clinical tables round them in one agreed way, the agreed figure stands. The LOINC
//! codes were written from memory: check them against the release you use.

use super::ucum::Linear;

/// `value * scale + offset`: a value in unit `from`, in unit `to` (both UCUM).
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    pub from: &'static str,
    pub to: &'static str,
    scale: f64,
    offset: f64,
}

impl Link {
    pub(super) fn linear(&self) -> Linear {
        Linear { scale: self.scale, offset: self.offset }
    }
}

/// A substance that is reported in units that differ by more than a power of ten.
#[derive(Debug, PartialEq)]
pub(super) struct Analyte {
    /// LOINC codes whose own unit is of the kind of the first link's `to`.
    pub codes: &'static [&'static str],
    /// LOINC codes whose own unit is of the kind of the first link's `from`.
    pub amount_codes: &'static [&'static str],
    pub links: &'static [Link],
}

const fn link(from: &'static str, to: &'static str, scale: f64) -> Link {
    Link { from, to, scale, offset: 0.0 }
}

/// For a monovalent ion one equivalent is one mole.
const MONOVALENT: &[Link] = &[link("meq/L", "mmol/L", 1.0)];
/// The enzyme unit (micromole per minute) is what laboratories call the international unit of an
/// enzyme (IUB recommendation of 1964).
const ENZYME: &[Link] = &[link("[iU]/L", "U/L", 1.0)];

static ANALYTES: [Analyte; 24] = [
    // HbA1c. NGSP % = 0.0915 x IFCC mmol/mol + 2.15: the NGSP / IFCC master equation (ngsp.org).
    Analyte {
        codes: &["4548-4", "17856-6", "4549-2", "17855-8"],
        amount_codes: &["59261-8"],
        links: &[Link { from: "mmol/mol", to: "%", scale: 0.0915, offset: 2.15 }],
    },
    // Glucose C6H12O6, 180.16 g/mol.
    Analyte {
        codes: &[
            "2345-7", "2339-0", "1558-6", "41653-7", "2340-8", "32016-8", "41652-9", "74774-1",
        ],
        amount_codes: &["14749-6", "15074-8", "14771-0", "76629-5"],
        links: &[link("mmol/L", "mg/dL", 18.016)],
    },
    // Cholesterol C27H46O, 386.65 g/mol; 38.67 is the figure of the ATP III and ESC tables. Total,
    // HDL, LDL (calculated, direct, unspecified), non-HDL.
    Analyte {
        codes: &["2093-3", "2085-9", "13457-7", "18262-6", "2089-1", "43396-1"],
        amount_codes: &["14647-2", "14646-4", "39469-2", "22748-8"],
        links: &[link("mmol/L", "mg/dL", 38.67)],
    },
    // Triglycerides, as triolein C57H104O6, 885.4 g/mol; 88.57 is the figure of the ATP III tables.
    Analyte {
        codes: &["2571-8"],
        amount_codes: &["14927-8"],
        links: &[link("mmol/L", "mg/dL", 88.57)],
    },
    // Creatinine C4H7N3O, 113.1 g/mol: 88.42 umol/L for each mg/dL.
    Analyte {
        codes: &["2160-0", "38483-4", "21232-4"],
        amount_codes: &["14682-9", "59826-8"],
        links: &[link("umol/L", "mg/dL", 1.0 / 88.42)],
    },
    // Urea nitrogen: two atoms of nitrogen, 28.014 g, in each mole of urea: 0.357 mmol/L of urea for
    // each mg/dL of nitrogen. The mass of urea itself (3091-6) is another quantity.
    Analyte {
        codes: &["3094-0", "6299-2"],
        amount_codes: &["14937-7", "22664-7"],
        links: &[link("mmol/L", "mg/dL", 1.0 / 0.357)],
    },
    // Bilirubin C33H36N4O6, 584.66 g/mol: 17.104 umol/L for each mg/dL. Total and direct.
    Analyte {
        codes: &["1975-2", "1968-7"],
        amount_codes: &["14631-6", "14629-0"],
        links: &[link("umol/L", "mg/dL", 1.0 / 17.104)],
    },
    // Calcium, 40.078 g/mol, two equivalents to the mole.
    Analyte {
        codes: &["17861-6", "49765-1"],
        amount_codes: &["2000-8"],
        links: &[
            link("mmol/L", "mg/dL", 4.008),
            link("meq/L", "mmol/L", 0.5),
            link("meq/L", "mg/dL", 2.004),
        ],
    },
    // Magnesium, 24.305 g/mol, two equivalents to the mole.
    Analyte {
        codes: &["19123-9"],
        amount_codes: &["2601-3"],
        links: &[
            link("mmol/L", "mg/dL", 2.4305),
            link("meq/L", "mmol/L", 0.5),
            link("meq/L", "mg/dL", 1.215_25),
        ],
    },
    // Phosphate, given as the mass of phosphorus, 30.974 g/mol.
    Analyte {
        codes: &["2777-1"],
        amount_codes: &["14879-1"],
        links: &[link("mmol/L", "mg/dL", 3.097)],
    },
    // Uric acid C5H4N4O3, 168.11 g/mol: 59.48 umol/L for each mg/dL.
    Analyte {
        codes: &["3084-1"],
        amount_codes: &["14933-6"],
        links: &[link("umol/L", "mg/dL", 1.0 / 59.48)],
    },
    // Iron, 55.845 g/mol.
    Analyte {
        codes: &["2498-4"],
        amount_codes: &["14798-3"],
        links: &[link("umol/L", "ug/dL", 5.585)],
    },
    // 25-hydroxyvitamin D3 C27H44O2, 400.64 g/mol: 2.496 nmol/L for each ng/mL.
    Analyte {
        codes: &["1989-3", "62292-8"],
        amount_codes: &["14635-7"],
        links: &[link("nmol/L", "ng/mL", 1.0 / 2.496)],
    },
    // Haemoglobin as its monomer, 16114 g/mol: 0.6206 mmol/L for each g/dL (ICSH).
    Analyte {
        codes: &["718-7", "20509-6", "30313-1", "30350-3", "30352-9"],
        amount_codes: &["59260-0"],
        links: &[link("mmol/L", "g/dL", 1.0 / 0.6206)],
    },
    // Lactate, as lactic acid C3H6O3, 90.08 g/mol.
    Analyte {
        codes: &["14118-4"],
        amount_codes: &["2524-7", "32693-4"],
        links: &[link("mmol/L", "mg/dL", 9.008)],
    },
    // Vitamin B12, cyanocobalamin C63H88CoN14O14P, 1355.4 g/mol.
    Analyte {
        codes: &["2132-9"],
        amount_codes: &["14685-2"],
        links: &[link("pmol/L", "pg/mL", 1.3554)],
    },
    // Folate, folic acid C19H19N7O6, 441.4 g/mol.
    Analyte {
        codes: &["2284-8"],
        amount_codes: &["14732-2"],
        links: &[link("nmol/L", "ng/mL", 0.4414)],
    },
    // Sodium, potassium, chloride, bicarbonate (and total carbon dioxide), lithium.
    Analyte {
        codes: &["2951-2", "2947-0", "32717-1", "39791-9", "77139-4"],
        amount_codes: &[],
        links: MONOVALENT,
    },
    Analyte { codes: &["2823-3", "6298-4"], amount_codes: &[], links: MONOVALENT },
    Analyte { codes: &["2075-0", "2069-3"], amount_codes: &[], links: MONOVALENT },
    Analyte { codes: &["1963-8", "2028-9", "20565-8"], amount_codes: &[], links: MONOVALENT },
    Analyte { codes: &["14334-7"], amount_codes: &[], links: MONOVALENT },
    // ALT, AST, alkaline phosphatase, GGT, LDH, CK, lipase, amylase.
    Analyte {
        codes: &["1742-6", "1920-8", "6768-6", "2324-2", "2532-0", "2157-6", "3040-3", "1798-8"],
        amount_codes: &[],
        links: ENZYME,
    },
    // Thyrotropin: a milliunit is written for the milli-international unit of the WHO standard.
    Analyte {
        codes: &["3016-3", "11580-8"],
        amount_codes: &[],
        links: &[link("mU/L", "m[iU]/L", 1.0)],
    },
];

/// The analyte of all LOINC codes in `codes` that belong to one; `None` where there is none, or
/// where they name different substances, between which there is no conversion.
pub(super) fn of_loinc<'a>(codes: impl Iterator<Item = &'a str>) -> Option<&'static Analyte> {
    let holds = |analyte: &&Analyte, code: &str| {
        analyte.codes.contains(&code) || analyte.amount_codes.contains(&code)
    };
    let mut found: Option<&'static Analyte> = None;
    for code in codes {
        let Some(analyte) = ANALYTES.iter().find(|analyte| holds(analyte, code)) else { continue };
        if found.is_some_and(|other| !std::ptr::eq(other, analyte)) {
            return None;
        }
        found = Some(analyte);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::ucum::Term;
    use super::*;

    #[test]
    fn every_link_is_between_two_ucum_units_and_every_code_has_one_analyte() {
        let mut codes: Vec<&str> = Vec::new();
        for analyte in &ANALYTES {
            codes.extend(analyte.codes.iter().chain(analyte.amount_codes));
            for link in analyte.links {
                let (from, to) = (Term::parse(link.from).unwrap(), Term::parse(link.to).unwrap());
                assert!(from.linear_to(&to).is_none(), "UCUM itself does {}", link.from);
                assert!(link.scale > 0.0);
            }
        }
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn one_substance_is_found_and_two_are_none() {
        assert!(of_loinc(["8480-6", "2160-0", "14682-9"].into_iter()).is_some());
        assert!(of_loinc(["2160-0", "2345-7"].into_iter()).is_none());
        assert!(of_loinc(["8480-6"].into_iter()).is_none());
    }
}
