//! Codes that are sensitive by themselves, whatever concepts a bundle has: a learned code or a code of no
//! concept is caught by its place in the classification.
//!
//! The table is on the safe side: where a chapter holds sensitive and other codes it is taken whole. It
//! leaves out tobacco (F17, 305.1): 42 CFR 2.11 says that its substance use disorders do not include the
//! use of tobacco or caffeine. Of systems without a hierarchy in their codes (SNOMED CT, LOINC, RxNorm)
//! it has everyday codes alone; a site marks others by a concept with `sensitive`, or by labels.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::concept::ConceptId;
use super::concept_index::{self, Pattern, SystemIndex};
use super::{Code, Concept};
use crate::access::{Classes, SensitiveClass};

/// Patterns as in a concept file. Sources: the chapters and blocks of ICD-9-CM (NCHS), ICD-10 (WHO) and
/// ICD-10-CM (NCHS) named in the comments; ATC (WHO Collaborating Centre for Drug Statistics
/// Methodology); CPT sections; HCPCS section H; 42 CFR Part 2 for what counts as substance use
/// (conditions caused by it included).
const TABLE: [(SensitiveClass, &[&str]); 4] = [
    (
        SensitiveClass::SubstanceUse,
        &[
            // Mental and behavioural disorders due to psychoactive substances, but tobacco.
            "ICD10CM//F10..F16*",
            "ICD10CM//F18..F19*",
            // Alcoholic organ disease; alcohol in blood; poisoning; counselling.
            "ICD10CM//K70*",
            "ICD10CM//I42.6*",
            "ICD10CM//G62.1*",
            "ICD10CM//G31.2*",
            "ICD10CM//K29.2*",
            "ICD10CM//K85.2*",
            "ICD10CM//K86.0*",
            "ICD10CM//R78.0..R78.5*",
            "ICD10CM//T40*",
            "ICD10CM//T51*",
            "ICD10CM//Z71.4..Z71.5*",
            "ICD10CM//Z72.1*",
            "ICD9CM//291..292*",
            "ICD9CM//303..304*",
            "ICD9CM//305",
            "ICD9CM//305.0*",
            "ICD9CM//305.2..305.9*",
            "ICD9CM//357.5*",
            "ICD9CM//425.5*",
            "ICD9CM//535.3*",
            "ICD9CM//571.0..571.3*",
            "ICD9CM//790.3*",
            "ICD9CM//965.0*",
            "ICD9CM//980*",
            "ICD9CM//V11.3*",
            "ICD9CM//V65.42*",
            // Drugs for dependence on alcohol and opioids.
            "ATC//N07BB*",
            "ATC//N07BC*",
            // Acamprosate, buprenorphine, disulfiram, methadone, naltrexone.
            "RXNORM//82819",
            "RXNORM//1819",
            "RXNORM//3554",
            "RXNORM//6813",
            "RXNORM//7243",
            // Screening and brief intervention; alcohol and drug treatment.
            "CPT//99408..99409*",
            "HCPCS//H*",
            // Ethanol, cocaine in urine, AUDIT-C.
            "LOINC//5640-8",
            "LOINC//5643-2",
            "LOINC//3397-7",
            "LOINC//75626-2",
            // Alcoholism, drug dependence, substance abuse.
            "SNOMED//7200002",
            "SNOMED//191816009",
            "SNOMED//66214007",
        ],
    ),
    (
        SensitiveClass::Hiv,
        &[
            "ICD10CM//B20..B24*",
            "ICD10CM//Z21*",
            "ICD10CM//R75*",
            "ICD10CM//O98.7*",
            "ICD10CM//Z20.6*",
            "ICD10CM//Z11.4*",
            "ICD10CM//Z71.7*",
            "ICD9CM//042..044*",
            "ICD9CM//079.53*",
            "ICD9CM//795.71*",
            "ICD9CM//V08*",
            // Antivirals of which most are for HIV.
            "ATC//J05AE*",
            "ATC//J05AF*",
            "ATC//J05AG*",
            "ATC//J05AJ*",
            "ATC//J05AR*",
            "ATC//J05AX07",
            "ATC//J05AX09",
            // Abacavir, darunavir, dolutegravir, efavirenz, emtricitabine, raltegravir, zidovudine.
            "RXNORM//190521",
            "RXNORM//460132",
            "RXNORM//1433868",
            "RXNORM//195085",
            "RXNORM//276237",
            "RXNORM//719872",
            "RXNORM//11413",
            "CPT//86689",
            "CPT//86701..86703*",
            "CPT//87389..87391*",
            "CPT//87534..87539*",
            // Viral load, antibody with antigen, CD4 cells.
            "LOINC//20447-9",
            "LOINC//25836-8",
            "LOINC//56888-1",
            "LOINC//75622-1",
            "LOINC//24467-3",
            "SNOMED//86406008",
            "SNOMED//62479008",
        ],
    ),
    (
        SensitiveClass::MentalHealth,
        &[
            // The chapter of mental disorders, but the block of substances.
            "ICD10CM//F",
            "ICD10CM//F00..F09*",
            "ICD10CM//F20..F99*",
            "ICD10CM//R45.851",
            "ICD10CM//T14.91*",
            "ICD10CM//X60..X84*",
            "ICD10CM//Z91.5*",
            "ICD9CM//290*",
            "ICD9CM//293..302*",
            "ICD9CM//306..319*",
            "ICD9CM//V11*",
            "ICD9CM//V62.84",
            "ICD9CM//E950..E959*",
            // Antipsychotics with lithium, antidepressants.
            "ATC//N05A*",
            "ATC//N06A*",
            "RXNORM//6448",
            "CPT//90785..90899*",
            "HCPCS//H*",
            // PHQ-9, PHQ-2, GAD-7.
            "LOINC//44261-6",
            "LOINC//55758-7",
            "LOINC//70274-6",
            "SNOMED//74732009",
            "SNOMED//35489007",
            "SNOMED//13746004",
            "SNOMED//58214004",
            "SNOMED//197480006",
            // A psychiatric hospital or unit: UB-04 65 and 93, FHIR psy and psych.
            "DISCHARGE_DISPOSITION//65",
            "DISCHARGE_DISPOSITION//93",
            "DISCHARGE_DISPOSITION//psy",
            "ADMISSION_SOURCE//psych",
        ],
    ),
    (
        SensitiveClass::Reproductive,
        &[
            // Pregnancy and childbirth; care about reproduction; infertility.
            "ICD10CM//O*",
            "ICD10CM//Z30..Z39*",
            "ICD10CM//Z3A*",
            "ICD10CM//Z64.0*",
            "ICD10CM//N46*",
            "ICD10CM//N96..N97*",
            "ICD9CM//630..679*",
            "ICD9CM//V22..V28*",
            "ICD9CM//V61.7*",
            "ICD9CM//606*",
            "ICD9CM//628*",
            // Uterotonics, contraceptives, stimulants of ovulation, modulators of progesterone.
            "ATC//G02A*",
            "ATC//G02B*",
            "ATC//G03A*",
            "ATC//G03G*",
            "ATC//G03XB*",
            "RXNORM//6373",
            "RXNORM//6916",
            "CPT//59000..59899*",
            // Choriogonadotropin, pregnancy status, last menstrual period, date of delivery.
            "LOINC//2106-3",
            "LOINC//2118-8",
            "LOINC//21198-7",
            "LOINC//82810-3",
            "LOINC//8665-2",
            "LOINC//11778-8",
            "SNOMED//77386006",
            "SNOMED//72892002",
        ],
    ),
];

/// Parts of the names of medical services that tell the class of their care.
const SERVICES: [(SensitiveClass, &[&str]); 4] = [
    (SensitiveClass::SubstanceUse, &["addict", "substance", "detox", "alcohol", "methadone"]),
    (SensitiveClass::Hiv, &["hiv"]),
    (SensitiveClass::MentalHealth, &["psych", "mental", "behavio"]),
    (
        SensitiveClass::Reproductive,
        &["obstet", "gyn", "matern", "midwi", "reproduct", "fertility", "family planning"],
    ),
];

/// The table made ready, by code system. Classes stand for concepts in it, each by its place.
static SYSTEMS: LazyLock<HashMap<String, SystemIndex>> = LazyLock::new(|| {
    let mut systems: HashMap<String, SystemIndex> = HashMap::new();
    for (class, patterns) in TABLE {
        for pattern in patterns {
            // That every pattern can be read is tested.
            let Ok((system, pattern)) = concept_index::read(pattern) else { continue };
            systems.entry(system).or_default().add(pattern, ConceptId(class as u32));
        }
    }
    systems.values_mut().for_each(SystemIndex::finish);
    systems
});

/// Where the codes of a system stand in the table: ICD-10 of other countries reads as ICD-10-CM.
fn index_of(system: &str) -> Option<&'static SystemIndex> {
    SYSTEMS.get(if system.starts_with("ICD10") && system != "ICD10PCS" {
        "ICD10CM"
    } else {
        system
    })
}

fn classes_in(index: &SystemIndex, code: &str) -> Classes {
    let found = index.concepts_of(code);
    let class = |id: &ConceptId| SensitiveClass::ALL.get(id.0 as usize).copied();
    found.iter().filter_map(class).collect()
}

/// The classes of `code` by itself.
pub(super) fn of_code(code: &Code) -> Classes {
    index_of(&code.system).map_or(Classes::NONE, |index| classes_in(index, &code.code))
}

/// The classes of what a vocabulary has learned: a code, the beginning of codes, or the name of a
/// medical service.
pub(super) fn of_learned(token: &str) -> Classes {
    if let Some(code) = Code::parse(token) {
        return of_code(&code);
    }
    let name = token.to_lowercase();
    let tells = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    SERVICES.iter().filter(|(_, parts)| tells(parts)).map(|(class, _)| *class).collect()
}

/// The classes of a concept: those that its file names; else, where all of its codes in the systems of
/// the table with a hierarchy (ICD, ATC, and the coded fields of encounters) are sensitive, theirs.
pub(super) fn of_concept(concept: &Concept) -> Classes {
    if let Some(class) = concept.sensitive {
        return Classes::of(class);
    }
    let mut all = Classes::NONE;
    for pattern in &concept.codes {
        let Ok((system, pattern)) = concept_index::read(pattern) else { continue };
        let has_hierarchy = system.starts_with("ICD") && !system.ends_with("PCS");
        if !has_hierarchy
            && !matches!(system.as_str(), "ATC" | "DISCHARGE_DISPOSITION" | "ADMISSION_SOURCE")
        {
            continue;
        }
        let of =
            |code: &str| index_of(&system).map_or(Classes::NONE, |index| classes_in(index, code));
        let found = match &pattern {
            Pattern::Exact(code) | Pattern::Prefix(code) => of(code),
            Pattern::Range(first, last) if !of(first).is_empty() && !of(last).is_empty() => {
                of(first).and(of(last))
            }
            Pattern::Range(..) => Classes::NONE,
        };
        if found.is_empty() {
            return Classes::NONE;
        }
        all = all.and(found);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ConceptSet;

    #[test]
    fn every_pattern_of_the_table_can_be_read_and_catches_its_own_class() {
        for (class, patterns) in TABLE {
            for pattern in patterns {
                let (system, read) = concept_index::read(pattern).unwrap();
                let ends = match read {
                    Pattern::Exact(code) | Pattern::Prefix(code) => vec![code],
                    Pattern::Range(first, last) => vec![first, last],
                };
                for code in ends {
                    assert!(of_code(&Code::new(&system, &code)).holds(class), "{pattern}");
                }
            }
        }
    }

    #[test]
    fn chapters_are_caught_and_their_neighbours_are_not() {
        use SensitiveClass::{Hiv, MentalHealth, Reproductive, SubstanceUse};
        let of = |code: &str| Vec::from(of_learned(code));
        for code in
            ["ICD10CM//F10.20", "ICD9CM//303.90", "ICD9CM//305", "ICD10//F19", "ATC//N07BC02"]
        {
            assert_eq!(of(code), [SubstanceUse], "{code}");
        }
        for code in ["ICD10CM//F33.1", "ICD9CM//296", "ICD9CM//311", "ICD10CM//F99", "psychiatry"] {
            assert_eq!(of(code), [MentalHealth], "{code}");
        }
        for code in ["ICD10CM//B20", "ICD9CM//042", "ICD9CM//42", "ICD9CM//V08", "ATC//J05AR13"] {
            assert_eq!(of(code), [Hiv], "{code}");
        }
        for code in ["ICD10CM//O80", "ICD10CM//Z34.01", "ICD9CM//650", "ObstetricsandGynecology"] {
            assert_eq!(of(code), [Reproductive], "{code}");
        }
        assert_eq!(of("ICD10CM//O98.72"), [Hiv, Reproductive]);
        let plain = [
            "ICD10CM//E11.9",
            "ICD10CM//F17.210",
            "ICD9CM//305.1",
            "ICD10CM//B19",
            "ICD10CM//B25",
            "ICD10CM//Z29",
            "ICD10CM//Z40",
            "ICD9CM//320",
            "ICD9CM//289",
            "ICD9CM//041",
            "ICD9CM//680",
            "LOINC//8480-6",
            "CPT//93306",
            "Cardiology",
            "OTHER//F10",
        ];
        for code in plain {
            assert_eq!(of(code), [], "{code}");
        }
    }

    #[test]
    fn concepts_are_of_the_classes_of_their_codes_or_of_the_one_they_name() {
        let concepts = ConceptSet::parse(include_str!("../../models/concepts.toml")).unwrap();
        let of = |name| Vec::from(concepts.classes_of(concepts.find(name).unwrap()));
        use SensitiveClass::{Hiv, MentalHealth, Reproductive};
        assert_eq!(of("charlson_aids"), [Hiv]);
        assert!(of("dx_mental").contains(&MentalHealth));
        assert_eq!(of("psychiatric_disease"), [MentalHealth]);
        assert_eq!(of("discharge_psychiatric"), [MentalHealth]);
        assert_eq!(of("pregnancy"), [Reproductive]);
        assert_eq!(of("dx_pregnancy"), [Reproductive]);
        for plain in ["smoking_current", "dx_infection", "charlson_dementia", "diabetes", "hba1c"] {
            assert_eq!(of(plain), [], "{plain}");
        }
        let named = "[concept.x]\ntitle = \"x\"\ncodes = [\"LOCAL//1\"]\nsensitive = \"hiv\"";
        let named = ConceptSet::parse(named).unwrap();
        assert_eq!(Vec::from(named.classes_of(named.find("x").unwrap())), [Hiv]);
        let typo = "[concept.x]\ntitle = \"x\"\ncodes = []\nsensitive = \"mental_helth\"";
        let error = ConceptSet::parse(typo).unwrap_err().to_string();
        assert!(
            error.contains("line 4") && error.contains("did you mean `mental_health`?"),
            "{error}"
        );
    }
}
