//! Framingham hypertension, PREVENT and eGFR: vectors, ranges, and who they are not for.

use super::*;

struct Framingham {
    age_years: i16,
    sex: Sex,
    bmi: f64,
    systolic: f64,
    diastolic: f64,
    smokes: bool,
}

impl Framingham {
    fn record(&self, parents: Option<f64>) -> Record {
        let mut record = person(self.age_years, self.sex);
        record.events = vec![
            measured("LOINC//39156-5", self.bmi, "kg/m2"),
            measured("LOINC//8480-6", self.systolic, "mm[Hg]"),
            measured("LOINC//8462-4", self.diastolic, "mm[Hg]"),
            smoking(if self.smokes { "449868002" } else { "266919005" }),
        ];
        record.events.extend(parents.map(|count| measured("TEST//parents", count, "{count}")));
        record
    }
}

fn woman() -> Framingham {
    let sex = Sex::Female;
    Framingham { age_years: 50, sex, bmi: 28.0, systolic: 130.0, diastolic: 82.0, smokes: false }
}

const YEARS: [&str; 3] =
    ["framingham_hypertension_1y", "framingham_hypertension_2y", "framingham_hypertension_4y"];

#[test]
fn framingham_gives_the_risks_of_its_vectors_over_one_two_and_four_years() {
    let of = |age_years, sex, bmi, systolic, diastolic, smokes| Framingham {
        age_years,
        sex,
        bmi,
        systolic,
        diastolic,
        smokes,
    };
    let vectors = [
        (of(40, Sex::Male, 25.0, 120.0, 80.0, false), 0.0, [0.0155, 0.0339, 0.0732]),
        (woman(), 1.0, [0.0763, 0.1604, 0.3198]),
        (of(60, Sex::Male, 30.0, 138.0, 88.0, true), 2.0, [0.2464, 0.4639, 0.7470]),
    ];
    for (person, parents, risks) in &vectors {
        for (id, risk) in YEARS.iter().zip(risks) {
            let score = computed(id, &person.record(Some(*parents)));
            assert!(close(score.probability, *risk), "{id}: {score:?}");
            assert_eq!((score.points, score.probability_low), (None, None));
        }
    }
    // The fourth vector has a body mass index of 29.76222, which a record rounds to 29.8.
    let young = of(28, Sex::Female, 29.76222, 123.0, 82.0, false).record(Some(2.0));
    for (id, risk) in YEARS.iter().zip([0.0350, 0.0756, 0.1591]) {
        let got = computed(id, &young).probability.unwrap();
        assert!((got - risk).abs() < 5e-4, "{id}: {got}");
    }
    let bands = [(25, "low"), (40, "medium"), (60, "high")];
    for (age_years, band) in bands {
        let found = of(age_years, Sex::Male, 25.0, 120.0, 80.0, false).record(Some(0.0));
        assert_eq!(computed(YEARS[2], &found).band.as_deref(), Some(band), "{age_years}");
    }
}

#[test]
fn unknown_parents_give_the_range_over_none_to_two() {
    let score = computed(YEARS[2], &woman().record(None));
    assert!(score.applicable);
    assert_eq!((score.probability, score.band), (None, None));
    assert_eq!(score.missing_inputs, ["parents_with_hypertension"]);
    let with = |parents| computed(YEARS[2], &woman().record(Some(parents))).probability;
    assert_eq!((score.probability_low, score.probability_high), (with(0.0), with(2.0)));
    assert!(with(0.0) < with(1.0) && with(1.0) < with(2.0));
    // Another input lacking, there is not even a range.
    let mut record = woman().record(None);
    record.events.remove(0);
    let score = computed(YEARS[2], &record);
    assert_eq!((score.probability_low, score.probability_high), (None, None));
    assert_eq!(score.missing_inputs, ["bmi", "parents_with_hypertension"]);
}

#[test]
fn framingham_is_not_for_everyone_and_says_why() {
    let reason = |change: &dyn Fn(&mut Record)| {
        let mut record = woman().record(Some(1.0));
        change(&mut record);
        let score = computed(YEARS[0], &record);
        assert_eq!((score.applicable, score.probability), (false, None), "{score:?}");
        score.reason.unwrap()
    };
    let born = |year| prodrome::record::PartialDate::from_year(year);
    assert!(reason(&|r| r.birth_date = born(2005)).contains("ages 20 to 69"));
    assert!(reason(&|r| r.birth_date = born(1954)).contains("ages 20 to 69"));
    assert!(reason(&|r| r.sex = Sex::Other).contains("recorded sex"));
    assert!(reason(&|r| r.sex = Sex::Unknown).contains("recorded sex"));
    let number = |r: &mut Record, place: usize, number| {
        r.events[place].value = Some(Value::Number(number));
    };
    assert!(reason(&|r| number(r, 1, 140.0)).contains("systolic"));
    assert!(reason(&|r| number(r, 2, 90.0)).contains("diastolic"));
    let add = |code: &'static str| reason(&move |r| r.events.push(diagnosis(code)));
    assert!(add("ICD10CM//I10").contains("hypertension is diagnosed"));
    assert!(add("ICD10CM//E11.9").contains("without diabetes"));
    // Lisinopril in RxNorm and an ACE inhibitor in ATC.
    for code in ["RXNORM//29046", "ATC//C09AA03"] {
        let treated = reason(&|r| r.events.push(drug(code)));
        assert!(treated.contains("antihypertensive drug"), "{treated}");
    }
    let both = reason(&|r| {
        r.birth_date = born(1954);
        number(r, 1, 150.0);
    });
    assert!(both.contains("ages 20 to 69; the systolic"), "{both}");
    assert!(!both.contains("150"), "no value of the patient is repeated");
}

#[test]
fn a_smoker_is_told_by_the_status_or_else_by_a_diagnosis() {
    let risk = |change: &dyn Fn(&mut Record)| {
        let mut record = woman().record(Some(1.0));
        change(&mut record);
        let score = computed(YEARS[0], &record);
        (score.probability, score.missing_inputs)
    };
    let status = |code: &'static str| risk(&move |r| r.events[3] = smoking(code));
    let (never, _) = risk(&|_| ());
    let (daily, _) = status("449868002");
    assert!(daily > never);
    assert_eq!(status("8517006").0, never, "who stopped does not smoke");
    // Unknown whether the patient ever smoked.
    assert_eq!(status("266927001"), (None, vec!["smoker".to_owned()]));
    assert_eq!(risk(&|r| r.events[3] = diagnosis("ICD10CM//F17.210")).0, daily);
    // An unknown status does not undo the one before it.
    assert_eq!(risk(&|r| r.events.push(smoking("266927001"))).0, never);
}

/// PREVENT's first vector, cholesterol in mmol/L.
fn prevent(sex: Sex) -> Record {
    let mut record = person(50, sex);
    record.events = vec![
        measured("LOINC//2093-3", 5.172, "mmol/L"),
        measured("LOINC//2085-9", 1.1637, "mmol/L"),
        measured("LOINC//8480-6", 160.0, "mm[Hg]"),
        measured("LOINC//33914-3", 90.0, "mL/min/{1.73_m2}"),
        drug("ATC//C09AA03"),
        diagnosis("ICD10CM//E11.9"),
        smoking("266919005"),
    ];
    record
}

#[test]
fn prevent_gives_its_vectors_from_mmol_per_litre() {
    let woman = computed("prevent_cvd_10y", &prevent(Sex::Female));
    assert!(close(woman.probability, 0.1468), "{woman:?}");
    assert_eq!(woman.horizon_days, Some(3652));
    let man = computed("prevent_cvd_10y", &prevent(Sex::Male));
    assert!(close(man.probability, 0.1632), "{man:?}");
    let mut statin = prevent(Sex::Female);
    statin.events.push(drug("ATC//C10AA05"));
    assert!(computed("prevent_cvd_10y", &statin).probability < woman.probability);
    // Creatinine goes before the laboratory's own rate: 1.5 mg/dL is a rate of about 42.
    let mut kidney = prevent(Sex::Female);
    kidney.events.push(measured("LOINC//2160-0", 132.6, "umol/L"));
    assert!(computed("prevent_cvd_10y", &kidney).probability > Some(0.2));
}

#[test]
fn prevent_is_not_for_everyone_and_says_why() {
    let reason = |change: &dyn Fn(&mut Record)| {
        let mut record = prevent(Sex::Female);
        change(&mut record);
        let score = computed("prevent_cvd_10y", &record);
        assert_eq!((score.applicable, score.probability), (false, None), "{score:?}");
        score.reason.unwrap()
    };
    let born = |year| prodrome::record::PartialDate::from_year(year);
    assert!(reason(&|r| r.birth_date = born(1995)).contains("ages 30 to 79"));
    assert!(reason(&|r| r.birth_date = born(1944)).contains("ages 30 to 79"));
    assert!(reason(&|r| r.sex = Sex::Unknown).contains("recorded sex"));
    let sent = |place: usize, number| {
        reason(&move |r| r.events[place].value = Some(Value::Number(number)))
    };
    assert!(sent(0, 3.0).contains("total cholesterol"));
    assert!(sent(0, 9.0).contains("total cholesterol"));
    assert!(sent(1, 0.4).contains("HDL"));
    assert!(sent(1, 3.0).contains("HDL"));
    assert!(sent(2, 85.0).contains("systolic"));
    assert!(sent(2, 201.0).contains("systolic"));
    let add = |code: &'static str| reason(&move |r| r.events.push(diagnosis(code)));
    assert!(add("ICD10CM//I21.4").contains("cardiovascular disease"));
    assert!(add("ICD9CM//434.91").contains("cardiovascular disease"));
    assert!(add("ICD10CM//I50.9").contains("heart failure"));
}

#[test]
fn what_prevent_lacks_is_named() {
    let mut record = prevent(Sex::Female);
    record.coverage.clear();
    record.events.retain(|event| event.kind == EventKind::Measurement);
    record.events.drain(1..2);
    // A bound is no value.
    record.events[2].comparator = prodrome::record::Comparator::parse(">");
    let missing = computed("prevent_cvd_10y", &record).missing_inputs;
    assert_eq!(missing, ["hdl_cholesterol", "egfr", "diabetes", "bp_drug", "statin", "smoker"]);
}

#[test]
fn the_filtration_rate_follows_the_equation() {
    let rate = |age_years, sex, creatinine: f64, unit| {
        let mut record = person(age_years, sex);
        record.events = vec![measured("LOINC//2160-0", creatinine, unit)];
        computed("egfr_ckd_epi_2021", &record)
    };
    // 142 x (1 / 0.9)^-1.2 x 0.9938^50.
    let man = rate(50, Sex::Male, 1.0, "mg/dL");
    let expected = 142.0 * (1.0_f64 / 0.9).powf(-1.2) * 0.9938_f64.powi(50);
    assert!(close(man.points, expected), "{man:?}");
    assert!(close(rate(50, Sex::Male, 88.42, "umol/L").points, expected));
    // 142 x (0.6 / 0.7)^-0.241 x 0.9938^50 x 1.012.
    let woman = rate(50, Sex::Female, 0.6, "mg/dL");
    let expected = 142.0 * (0.6_f64 / 0.7).powf(-0.241) * 0.9938_f64.powi(50) * 1.012;
    assert!(close(woman.points, expected), "{woman:?}");
    assert_eq!((woman.probability, woman.horizon_days), (None, None));
    let child = rate(12, Sex::Female, 0.6, "mg/dL");
    assert_eq!(child.reason.as_deref(), Some("the formula is for adults"));
}
