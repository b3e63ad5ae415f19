//! Charlson and LACE's own comorbidity sum: codes of two systems, hierarchy, weights.

use super::*;

fn index(id: &str, codes: &[&str]) -> Option<f64> {
    let mut record = person(70, Sex::Female);
    record.coverage.clear();
    record.events = codes.iter().map(|code| diagnosis(code)).collect();
    computed(id, &record).points
}

#[test]
fn each_condition_has_its_weight_in_either_coding() {
    // ICD-10-CM, ICD-9-CM, weight of 1987, of 2011, of LACE.
    let rows = [
        ("I21.4", "410.71", 1.0, 0.0, 1.0),
        ("I50.9", "428.0", 1.0, 2.0, 2.0),
        // An early public list for emergency departments forgets this one.
        ("I13.0", "404.91", 1.0, 2.0, 2.0),
        ("I70.0", "440.0", 1.0, 0.0, 1.0),
        ("I63.9", "434.91", 1.0, 0.0, 1.0),
        ("G30.9", "290.0", 1.0, 2.0, 3.0),
        ("J44.9", "496", 1.0, 1.0, 2.0),
        ("M05.9", "714.0", 1.0, 1.0, 3.0),
        ("K25.4", "531.40", 1.0, 0.0, 0.0),
        ("K74.6", "571.5", 1.0, 2.0, 2.0),
        ("E11.9", "250.00", 1.0, 0.0, 1.0),
        ("E11.2", "250.40", 2.0, 1.0, 2.0),
        ("G81.9", "342.90", 2.0, 2.0, 0.0),
        ("N18.3", "585.3", 2.0, 1.0, 2.0),
        ("C18.9", "153.9", 2.0, 2.0, 2.0),
        ("K72.1", "572.2", 3.0, 4.0, 4.0),
        ("C78.0", "197.0", 6.0, 6.0, 6.0),
        ("B20", "042", 6.0, 4.0, 4.0),
    ];
    for (icd10, icd9, of_1987, of_2011, of_lace) in rows {
        for code in [format!("ICD10CM//{icd10}"), format!("ICD9CM//{icd9}")] {
            let points = |id| index(id, &[&code]);
            assert_eq!(points("charlson_1987"), Some(of_1987), "{code}");
            assert_eq!(points("charlson_2011"), Some(of_2011), "{code}");
            assert_eq!(points("lace_comorbidity"), Some(of_lace), "{code}");
        }
    }
}

#[test]
fn of_two_degrees_the_severer_counts_alone() {
    let pairs = [
        (["ICD10CM//K74.6", "ICD9CM//572.2"], 3.0, 4.0),
        (["ICD10CM//E11.9", "ICD10CM//E11.2"], 2.0, 2.0),
        (["ICD9CM//153.9", "ICD10CM//C78.0"], 6.0, 6.0),
    ];
    for (codes, of_1987, of_lace) in pairs {
        assert_eq!(index("charlson_1987", &codes), Some(of_1987), "{codes:?}");
        assert_eq!(index("lace_comorbidity", &codes), Some(of_lace), "{codes:?}");
    }
    // Dialysis is severe kidney disease for LACE, whatever else is coded.
    assert_eq!(index("lace_comorbidity", &["ICD10CM//N18.6", "ICD10CM//N18.3"]), Some(4.0));
    // The same condition twice counts once.
    assert_eq!(index("charlson_1987", &["ICD10CM//I50.9", "ICD9CM//428.0"]), Some(1.0));
}

#[test]
fn no_condition_is_zero_only_where_diagnoses_are_sent() {
    assert_eq!(index("charlson_1987", &["ICD10CM//J18.9"]), Some(0.0));
    assert_eq!(index("charlson_1987", &[]), None);
    let mut record = person(70, Sex::Female);
    assert_eq!(computed("charlson_1987", &record).points, Some(0.0), "covered for a year");
    record.coverage.clear();
    let score = computed("charlson_1987", &record);
    assert_eq!(
        (score.applicable, score.missing_inputs.as_slice()),
        (true, &["diagnoses".to_owned()][..])
    );
}

#[test]
fn lace_with_charlson_weights_differs_where_the_weights_do() {
    let mut record = inpatient(5, "emergency");
    record.events = vec![diagnosis("ICD10CM//I50.9")];
    assert_eq!(computed("lace", &record).points, Some(9.0));
    assert_eq!(computed("lace_charlson", &record).points, Some(8.0));
}
