//! The shipped concepts: no code system is left empty without a reason, and the same disease, drug
//! or measurement is seen in whatever system it was coded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use prodrome::record::{Code, Concept, ConceptSet};

use crate::support::concepts;

const ICD: [&str; 2] = ["ICD9CM", "ICD10CM"];
const PROCEDURE: [&str; 4] = ["ICD9PCS", "ICD10PCS", "CPT", "HCPCS"];
const DRUG: [&str; 2] = ["ATC", "RXNORM"];
/// Systems that are a sort by themselves.
const ALONE: [&str; 4] = ["LOINC", "ADMISSION_TYPE", "ADMISSION_SOURCE", "DISCHARGE_DISPOSITION"];

/// How many cells of concepts and systems have a reason instead of a code: the chapters of diagnoses
/// in SNOMED CT, and hospice care as a procedure of ICD.
const ABSENT_MAX: usize = 19;

/// The systems that can carry what this concept is; its sort shows in the systems it names.
fn carriers(concept: &Concept) -> BTreeSet<&'static str> {
    let mut named = concept.systems();
    named.extend(concept.absent.keys().cloned());
    let names_one_of = |systems: &[&str]| systems.iter().any(|system| named.contains(*system));
    let mut found = BTreeSet::new();
    // A count comes from a table that has counted, whether others count by a rule or by a feature.
    if concept.count.is_some() || concept.unit.as_deref() == Some("{count}") {
        found.insert("D130");
    }
    for (sort, also) in [(&ICD[..], "SNOMED"), (&PROCEDURE[..], "SNOMED"), (&DRUG[..], "ATC")] {
        if names_one_of(sort) {
            found.extend(sort.iter().copied());
            found.insert(also);
        }
    }
    found.extend(ALONE.into_iter().filter(|system| named.contains(*system)));
    found
}

fn count_in(concept: &Concept, system: &str) -> usize {
    let start = format!("{system}//");
    concept.codes.iter().filter(|code| code.starts_with(&start)).count()
}

/// Every concept with its number of codes in each system that can carry it.
fn table(set: &ConceptSet) -> String {
    let mut text = String::new();
    for (_, name, concept) in set.iter() {
        write!(text, "\n{name:36}").unwrap();
        for system in carriers(concept) {
            let cell = match (count_in(concept, system), concept.absent.contains_key(system)) {
                (0, true) => "(reason)".to_owned(),
                (0, false) => "EMPTY".to_owned(),
                (count, _) => count.to_string(),
            };
            write!(text, "  {system} {cell}").unwrap();
        }
    }
    text
}

/// The names of the concepts of `code` that begin with `prefix`.
fn named(set: &ConceptSet, code: &str, prefix: &str) -> BTreeSet<String> {
    let ids = set.concepts_of(&Code::parse(code).unwrap());
    let all = set.iter().filter(|(id, ..)| ids.contains(id)).map(|(_, name, _)| name.to_owned());
    all.filter(|name| name.starts_with(prefix)).collect()
}

fn get<'a>(set: &'a ConceptSet, name: &str) -> &'a Concept {
    set.get(set.find(name).unwrap_or_else(|| panic!("there is no concept `{name}`"))).unwrap()
}

#[test]
fn no_cell_is_empty_without_a_reason() {
    let set = concepts();
    let mut faults = Vec::new();
    let mut reasons = 0;
    for (_, name, concept) in set.iter() {
        let carriers = carriers(concept);
        // A concept for codes that only a site has says so in its note.
        if concept.codes.is_empty() && concept.note.is_some() {
            continue;
        }
        if carriers.is_empty() {
            faults.push(format!("{name}: no system tells its sort"));
        }
        for system in &carriers {
            match (count_in(concept, system), concept.absent.contains_key(*system)) {
                (0, true) => reasons += 1,
                (0, false) => faults.push(format!("{name} has no code in {system} and no reason")),
                _ => {}
            }
        }
        for system in concept.absent.keys().filter(|key| !carriers.contains(key.as_str())) {
            faults.push(format!("{name}: {system} cannot carry it, so it needs no reason"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}{}", table(&set));
    assert!(reasons <= ABSENT_MAX, "{reasons} cells without a code{}", table(&set));
}

#[test]
fn a_system_is_one_that_importers_know() {
    let known = ["SNOMED", "D130"].into_iter().chain(ICD).chain(PROCEDURE).chain(DRUG).chain(ALONE);
    let known: BTreeSet<&str> = known.collect();
    for (_, name, concept) in concepts().iter() {
        for system in concept.systems() {
            assert!(known.contains(system.as_str()), "{name}: {system}");
        }
        let codes: BTreeSet<&String> = concept.codes.iter().collect();
        assert_eq!(codes.len(), concept.codes.len(), "{name} lists a code twice");
    }
}

/// Ingredient, ATC, RxNorm, and the concepts of both beside the whole of its group.
const INGREDIENTS: [(&str, &str, &str, &[&str]); 34] = [
    ("lisinopril", "C09AA03", "29046", &["ace_inhibitor"]),
    ("enalapril", "C09AA02", "3827", &["ace_inhibitor"]),
    ("ramipril", "C09AA05", "35296", &["ace_inhibitor"]),
    ("losartan", "C09CA01", "52175", &["angiotensin_receptor_blocker"]),
    ("valsartan", "C09CA03", "69749", &["angiotensin_receptor_blocker"]),
    ("sacubitril / valsartan", "C09DX04", "1656339", &["angiotensin_receptor_blocker"]),
    ("amlodipine", "C08CA01", "17767", &["calcium_channel_blocker"]),
    ("nifedipine", "C08CA05", "7417", &["calcium_channel_blocker"]),
    ("diltiazem", "C08DB01", "3443", &["calcium_channel_blocker"]),
    ("verapamil", "C08DA01", "11170", &["calcium_channel_blocker"]),
    ("metoprolol", "C07AB02", "6918", &["beta_blocker"]),
    ("atenolol", "C07AB03", "1202", &["beta_blocker"]),
    ("propranolol", "C07AA05", "8787", &["beta_blocker"]),
    ("carvedilol", "C07AG02", "20352", &["beta_blocker"]),
    ("hydrochlorothiazide", "C03AA03", "5487", &["diuretic"]),
    ("chlorthalidone", "C03BA04", "2409", &["diuretic"]),
    ("furosemide", "C03CA01", "4603", &["diuretic"]),
    ("torsemide", "C03CA04", "38413", &["diuretic"]),
    ("spironolactone", "C03DA01", "9997", &["diuretic"]),
    ("clonidine", "C02AC01", "2599", &["other_antihypertensive"]),
    ("methyldopa", "C02AB01", "6876", &["other_antihypertensive"]),
    ("hydralazine", "C02DB02", "5470", &["other_antihypertensive"]),
    ("doxazosin", "C02CA04", "49276", &["other_antihypertensive"]),
    ("aliskiren", "C09XA02", "325646", &["other_antihypertensive"]),
    ("atorvastatin", "C10AA05", "83367", &["statin"]),
    ("simvastatin", "C10AA01", "36567", &["statin"]),
    ("metformin", "A10BA02", "6809", &["metformin"]),
    ("glipizide", "A10BB07", "4821", &["sulfonylurea"]),
    ("pioglitazone", "A10BG03", "33738", &["glitazone"]),
    ("sitagliptin", "A10BH01", "593411", &["other_glucose_lowering"]),
    ("empagliflozin", "A10BK03", "1545653", &["other_glucose_lowering"]),
    ("semaglutide", "A10BJ06", "1991302", &["other_glucose_lowering"]),
    ("insulin glargine", "A10AE04", "274783", &["insulin"]),
    ("insulin lispro", "A10AB04", "86009", &["insulin"]),
];

/// Combinations as ATC has them, and one product of each.
const COMBINATIONS: [(&str, &str, &[&str]); 7] = [
    ("C09BA03", "197885", &["ace_inhibitor", "diuretic"]),
    ("C09DA01", "979468", &["angiotensin_receptor_blocker", "diuretic"]),
    ("C09DB01", "722134", &["angiotensin_receptor_blocker", "calcium_channel_blocker"]),
    ("C09DX03", "999996", &["angiotensin_receptor_blocker", "calcium_channel_blocker", "diuretic"]),
    ("C07BB07", "854908", &["beta_blocker", "diuretic"]),
    ("C09DX05", "1798281", &["angiotensin_receptor_blocker", "beta_blocker"]),
    ("A10BD07", "861819", &["metformin", "other_glucose_lowering"]),
];

fn with_whole(parts: &[&str]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = parts.iter().map(|part| format!("drug_{part}")).collect();
    for part in parts {
        let whole = match *part {
            "statin" => continue,
            "insulin" | "metformin" | "sulfonylurea" | "glitazone" | "other_glucose_lowering" => {
                "drug_antidiabetic"
            }
            _ => "drug_antihypertensive",
        };
        names.insert(whole.to_owned());
    }
    names
}

#[test]
fn treated_people_are_seen_as_treated_in_rxnorm_and_in_atc_alike() {
    let set = concepts();
    for (name, atc, rxnorm, parts) in INGREDIENTS {
        let expected = with_whole(parts);
        assert_eq!(named(&set, &format!("ATC//{atc}"), "drug_"), expected, "{name}");
        assert_eq!(named(&set, &format!("RXNORM//{rxnorm}"), "drug_"), expected, "{name}");
    }
    for (atc, product, parts) in COMBINATIONS {
        let expected = with_whole(parts);
        assert_eq!(named(&set, &format!("ATC//{atc}"), "drug_"), expected, "{atc}");
        assert_eq!(named(&set, &format!("RXNORM//{product}"), "drug_"), expected, "{product}");
    }
}

#[test]
fn eye_drops_are_no_treatment_of_blood_pressure() {
    let set = concepts();
    for drops in ["ATC//S01ED01", "ATC//S01ED02", "RXNORM//10600", "RXNORM//1922894"] {
        assert!(named(&set, drops, "drug_").is_empty(), "{drops}");
    }
    let tablets = with_whole(&["beta_blocker"]);
    assert_eq!(named(&set, "ATC//C07AA06", "drug_"), tablets);
    assert_eq!(named(&set, "RXNORM//198284", "drug_"), tablets);
}

#[test]
fn each_part_of_a_drug_group_is_in_the_whole_and_the_whole_is_its_parts() {
    let set = concepts();
    let antihypertensive = [
        "drug_diuretic",
        "drug_beta_blocker",
        "drug_calcium_channel_blocker",
        "drug_ace_inhibitor",
        "drug_angiotensin_receptor_blocker",
        "drug_other_antihypertensive",
    ];
    let antidiabetic = [
        "drug_insulin",
        "drug_metformin",
        "drug_sulfonylurea",
        "drug_glitazone",
        "drug_other_glucose_lowering",
    ];
    let groups = [
        ("drug_antihypertensive", &antihypertensive[..]),
        ("drug_antidiabetic", &antidiabetic[..]),
    ];
    for (whole, parts) in groups {
        let codes = |name: &str, system: &str| -> BTreeSet<String> {
            let codes = get(&set, name).codes.iter().filter(|code| code.starts_with(system));
            codes.cloned().collect()
        };
        for system in ["RXNORM//", "D130//"] {
            let all: BTreeSet<String> = parts.iter().flat_map(|part| codes(part, system)).collect();
            assert_eq!(codes(whole, system), all, "{whole} in {system}");
        }
        let of_whole = codes(whole, "ATC//");
        for part in parts {
            for code in codes(part, "ATC//") {
                let holds = |group: &String| {
                    *group == code
                        || group.strip_suffix('*').is_some_and(|stem| code.starts_with(stem))
                };
                assert!(of_whole.iter().any(holds), "{whole} lacks {code} of {part}");
            }
        }
    }
}

/// Products of the two public Synthea exports, as they send them.
const SYNTHEA_PRODUCTS: [(&str, &str); 22] = [
    ("316049", "drug_diuretic"),
    ("316052", "drug_diuretic"),
    ("310798", "drug_diuretic"),
    ("313988", "drug_diuretic"),
    ("315971", "drug_diuretic"),
    ("1719286", "drug_diuretic"),
    ("197361", "drug_calcium_channel_blocker"),
    ("308136", "drug_calcium_channel_blocker"),
    ("897718", "drug_calcium_channel_blocker"),
    ("833036", "drug_ace_inhibitor"),
    ("314076", "drug_ace_inhibitor"),
    ("866414", "drug_beta_blocker"),
    ("856519", "drug_beta_blocker"),
    ("316672", "drug_statin"),
    ("312961", "drug_statin"),
    ("314231", "drug_statin"),
    ("259255", "drug_statin"),
    ("860975", "drug_metformin"),
    ("106892", "drug_insulin"),
    ("865098", "drug_insulin"),
    ("897122", "drug_other_glucose_lowering"),
    ("1373463", "drug_other_glucose_lowering"),
];

#[test]
fn products_are_found_as_records_send_them() {
    let set = concepts();
    for (product, concept) in SYNTHEA_PRODUCTS {
        let found = named(&set, &format!("RXNORM//{product}"), "drug_");
        assert!(found.contains(concept), "{product} in {found:?}");
    }
}

/// One disease in each of the three systems.
const CONDITIONS: [(&str, [&str; 3]); 41] = [
    ("hypertension", ["401.9", "I10", "59621000"]),
    ("hypertension", ["403.90", "I12.9", "38341003"]),
    ("elevated_bp_reading", ["796.2", "R03.0", "24184005"]),
    ("pregnancy", ["V22.1", "Z34.90", "72892002"]),
    ("pregnancy", ["642.40", "O14.00", "398254007"]),
    ("end_stage_renal_disease", ["585.6", "N18.6", "46177005"]),
    ("end_stage_renal_disease", ["V42.0", "Z94.0", "161665007"]),
    ("hospice_care", ["V66.7", "Z51.5", "385763009"]),
    ("heart_failure", ["428.0", "I50.9", "84114007"]),
    ("ischaemic_heart_disease", ["414.01", "I25.10", "53741008"]),
    ("arrhythmia", ["427.31", "I48.91", "49436004"]),
    ("antihypertensive_other_indication", ["428.0", "I50.9", "88805009"]),
    ("antihypertensive_other_indication", ["346.90", "G43.909", "37796009"]),
    ("antihypertensive_other_indication", ["600.00", "N40.0", "266569009"]),
    ("obesity", ["278.00", "E66.9", "162864005"]),
    ("smoking_current", ["305.1", "F17.210", "449868002"]),
    ("stroke", ["434.91", "I63.9", "230690007"]),
    ("acute_kidney_injury", ["584.9", "N17.9", "14669001"]),
    ("chronic_kidney_disease", ["585.3", "N18.30", "433144002"]),
    ("prediabetes", ["790.29", "R73.03", "714628002"]),
    ("diabetes_type_2", ["250.00", "E11.9", "44054006"]),
    ("diabetes_gestational", ["648.83", "O24.410", "11687002"]),
    ("polycystic_ovary", ["256.4", "E28.2", "237055002"]),
    ("cystic_fibrosis", ["277.00", "E84.9", "190905008"]),
    ("psychiatric_disease", ["296.20", "F32.9", "370143000"]),
    ("cancer_treatment", ["V58.11", "Z51.11", "367336001"]),
    ("charlson_myocardial_infarction", ["410.01", "I21.09", "22298006"]),
    ("charlson_heart_failure", ["404.93", "I13.2", "42343007"]),
    ("charlson_peripheral_vascular", ["441.4", "I71.4", "233985008"]),
    ("charlson_cerebrovascular", ["435.9", "G45.9", "266257000"]),
    ("charlson_dementia", ["290.0", "F03.90", "26929004"]),
    ("charlson_pulmonary", ["496", "J44.9", "13645005"]),
    ("charlson_rheumatic", ["714.0", "M06.9", "69896004"]),
    ("charlson_peptic_ulcer", ["531.90", "K25.9", "397825006"]),
    ("charlson_liver_mild", ["571.5", "K74.60", "19943007"]),
    ("charlson_liver_severe", ["572.2", "K76.6", "34742003"]),
    ("charlson_diabetes_complicated", ["250.40", "E11.21", "127013003"]),
    ("charlson_paralysis", ["342.90", "G81.90", "50582007"]),
    ("charlson_renal", ["585.9", "N18.9", "431857002"]),
    ("charlson_cancer", ["153.9", "C18.9", "93761005"]),
    ("charlson_metastatic", ["197.7", "C78.7", "94260004"]),
];

#[test]
fn a_disease_is_one_concept_in_each_system() {
    let set = concepts();
    let mut missing = Vec::new();
    for (concept, codes) in CONDITIONS {
        for (system, code) in ["ICD9CM", "ICD10CM", "SNOMED"].into_iter().zip(codes) {
            let code = format!("{system}//{code}");
            if !named(&set, &code, "").contains(concept) {
                missing.push(format!("{concept}: {code}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_lies_beside_a_concept_is_not_in_it() {
    let set = concepts();
    for (concept, code) in [
        ("hypertension", "ICD10CM//O13.9"),
        ("hypertension", "SNOMED//24184005"),
        ("obesity", "ICD10CM//E66.3"),
        ("smoking_current", "ICD10CM//F17.211"),
        ("smoking_current", "SNOMED//8517006"),
        ("planned_procedure", "ICD10PCS//30233N1"),
        ("end_stage_renal_disease", "ICD10PCS//5A1D90Z"),
        ("diabetes_type_2", "ICD9CM//250.01"),
        ("diabetes_type_2", "SNOMED//46635009"),
        ("arrhythmia", "ICD9CM//427.5"),
        ("charlson_diabetes", "ICD10CM//E11.21"),
    ] {
        get(&set, concept);
        assert!(!named(&set, code, "").contains(concept), "{concept}: {code}");
    }
}

#[test]
fn a_vital_sign_is_one_under_every_code_and_fasting_glucose_is_glucose() {
    let set = concepts();
    let vital = [
        "systolic_bp",
        "diastolic_bp",
        "heart_rate",
        "respiratory_rate",
        "body_temperature",
        "oxygen_saturation",
        "body_weight",
        "body_height",
        "bmi",
    ];
    let pairs = vital.map(|part| (part, "vital_sign"));
    for (part, whole) in pairs.into_iter().chain([("glucose_fasting", "glucose")]) {
        for code in &get(&set, part).codes {
            assert!(get(&set, whole).codes.contains(code), "{whole} lacks {code} of {part}");
        }
    }
}

#[test]
fn a_category_is_told_by_its_chapter_or_a_disease_of_its_own() {
    let set = concepts();
    let told = BTreeMap::from([
        ("ICD9CM//428", "diseases of the circulatory system"),
        ("ICD10CM//I50", "diseases of the circulatory system"),
        ("ICD9CM//250", "diabetes"),
        ("ICD9CM//996", "injury and poisoning"),
        ("ICD10CM//J44", "diseases of the respiratory system"),
    ]);
    for (code, title) in told {
        let group = set.group_of(&Code::parse(code).unwrap());
        assert_eq!(group.map(|concept| concept.title.as_str()), Some(title), "{code}");
    }
}
