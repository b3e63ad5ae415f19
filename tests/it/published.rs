//! Published scores through a view: the vectors of the papers from hand-written records, who a
//! formula is not for, what is missing, and where the scores are shown.

mod adults;
mod carried;
mod comorbidity;
mod site;

use std::sync::Arc;

use prodrome::published::{Formula, Formulas, PublishedScore, evaluate};
use prodrome::record::{
    Code, ConceptSet, Encounter, EncounterClass, Event, EventKind, History, KnownAfter, Period,
    Record, Sex, Time, Value,
};

use crate::support::{concepts, sample, time};

/// When every record of these tests is looked at.
fn index_time() -> Time {
    time("2024-03-20T15:00:00Z")
}

/// The concepts of the repository, with codes for what no public code says.
fn known() -> ConceptSet {
    let site = "[concept.parents_with_hypertension]\ntitle = \"parents with hypertension\"\n\
                codes = [\"TEST//parents\"]";
    concepts().extended(site).unwrap()
}

fn formula(id: &str) -> Arc<Formula> {
    Formulas::built_in().resolve(id, &known()).unwrap()
}

fn computed(id: &str, record: &Record) -> PublishedScore {
    let built = History::build(record, &known(), &KnownAfter::default()).unwrap();
    evaluate(&built.history.view(index_time()), &formula(id))
}

fn close(got: Option<f64>, expected: f64) -> bool {
    got.is_some_and(|got| (got - expected).abs() < 1e-4)
}

/// A person of whom nothing is known but the source's coverage, `age_years` old.
fn person(age_years: i16, sex: Sex) -> Record {
    Record {
        patient_id: "p".into(),
        birth_date: prodrome::record::PartialDate::from_year(2024 - age_years),
        sex,
        coverage: vec![Period { start: Some(time("2010-01-01T00:00:00Z")), end: None }],
        ..Record::default()
    }
}

fn event(kind: EventKind, code: &str, at: &str) -> Event {
    Event::new(kind, Code::parse(code).unwrap(), time(at))
}

fn diagnosis(code: &str) -> Event {
    event(EventKind::Diagnosis, code, "2024-03-19T10:00:00Z")
}

fn drug(code: &str) -> Event {
    event(EventKind::DrugOrder, code, "2024-01-19T10:00:00Z")
}

fn measured(code: &str, number: f64, unit: &str) -> Event {
    let mut event = event(EventKind::Measurement, code, "2024-03-19T10:00:00Z");
    event.value = Some(Value::Number(number));
    event.unit = Some(unit.into());
    event
}

fn smoking(coded: &str) -> Event {
    let mut event = event(EventKind::Other, "LOINC//72166-2", "2023-03-19T10:00:00Z");
    event.value = Some(Value::Coded(coded.into()));
    event
}

/// An encounter that began `days` before the index time and lasted an hour.
fn visit(id: &str, class: EncounterClass, days: i64) -> Encounter {
    let start = index_time().plus_days(-days);
    Encounter::new(id, class, start, Some(start.plus_hours(1)))
}

/// An inpatient of 70 who stayed `nights` nights until the index time.
fn inpatient(nights: i64, admission: &str) -> Record {
    let start = index_time().plus_days(-nights).plus_hours(-1);
    let mut stay = Encounter::new("stay", EncounterClass::Inpatient, start, Some(index_time()));
    stay.admission_type = Some(admission.into());
    Record { encounters: vec![stay], ..person(70, Sex::Male) }
}

fn with_visits(mut record: Record, class: EncounterClass, count: i64) -> Record {
    record.encounters.extend((0..count).map(|n| visit(&format!("v{n}"), class, 30 + 10 * n)));
    record
}

#[test]
fn lace_gives_the_points_of_its_table() {
    let lace = |nights, admission, codes: &[&str], visits| {
        let mut record =
            with_visits(inpatient(nights, admission), EncounterClass::Emergency, visits);
        record.events = codes.iter().map(|code| diagnosis(code)).collect();
        // The visit that led into the stay counts for nothing.
        let mut led = visit("led", EncounterClass::Emergency, 0);
        led.start = record.encounters[0].start.plus_hours(-3);
        led.end = Some(record.encounters[0].start);
        record.encounters.push(led);
        let score = computed("lace", &record);
        assert!(score.applicable && score.missing_inputs.is_empty(), "{score:?}");
        assert_eq!((score.probability, score.horizon_days), (None, Some(30)));
        (score.points.unwrap(), score.band.unwrap())
    };
    // Dementia 3 and heart failure 2.
    let high = |points: f64| (points, "high".to_owned());
    assert_eq!(lace(5, "emergency", &["ICD10CM//F03.90", "ICD10CM//I50.9"], 2), high(14.0));
    assert_eq!(lace(2, "elective", &["ICD10CM//J18.9"], 0), (2.0, "low".to_owned()));
    assert_eq!(lace(14, "urgent", &["ICD10CM//B20"], 4), high(19.0));
    assert_eq!(lace(3, "emergency", &["ICD9CM//290.0"], 1), high(10.0));
    let bounds = [(0, 0.0), (1, 1.0), (3, 3.0), (4, 4.0), (6, 4.0), (7, 5.0), (13, 5.0), (14, 7.0)];
    for (nights, points) in bounds {
        let found = lace(nights, "elective", &["ICD10CM//J18.9"], 0).0;
        assert_eq!(found, points, "{nights} nights");
    }
}

#[test]
fn lace_looks_183_days_back_from_the_admission() {
    let lace = |days_before_index| {
        let mut record = inpatient(10, "elective");
        record.events = vec![diagnosis("ICD10CM//J18.9")];
        record.encounters.push(visit("v", EncounterClass::Emergency, days_before_index));
        computed("lace", &record).points.unwrap()
    };
    assert_eq!((lace(192), lace(194)), (6.0, 5.0));
}

#[test]
fn what_lace_lacks_is_named_and_no_points_are_given() {
    let mut record = inpatient(5, "emergency");
    record.coverage.clear();
    record.birth_date = None;
    record.encounters[0].admission_type = None;
    let score = computed("lace", &record);
    assert_eq!((score.applicable, score.points, score.band), (true, None, None));
    let missing = ["age", "acute_admission", "comorbidity", "emergency_visits"];
    assert_eq!(score.missing_inputs, missing);
    // Another visit shows that the source sends visits.
    record.encounters.push(visit("v", EncounterClass::Ambulatory, 60));
    assert_eq!(computed("lace", &record).missing_inputs, missing[..3]);
    // Without a stay it is no question of data.
    record.encounters.remove(0);
    let score = computed("lace", &record);
    assert!(!score.applicable);
    assert!(score.reason.unwrap().contains("no inpatient stay"));
    let mut child = inpatient(5, "emergency");
    child.birth_date = prodrome::record::PartialDate::from_year(2012);
    let score = computed("lace", &child);
    assert_eq!(score.reason.as_deref(), Some("the formula is for adults"));
}

#[test]
fn hospital_gives_the_points_of_its_table_in_each_variant() {
    let patient = |labs: [f64; 2], admissions, nights| {
        let mut record =
            with_visits(inpatient(nights, "urgent"), EncounterClass::Inpatient, admissions);
        record.events = vec![
            // In other units than the formula's: 1 g/dL = 10 g/L.
            measured("LOINC//718-7", labs[0] * 10.0, "g/L"),
            measured("LOINC//2951-2", labs[1], "mmol/L"),
            diagnosis("ICD10CM//J18.9"),
        ];
        record.encounters[0].service = Some("Internal medicine".into());
        record
    };
    let points = |id: &str, record: &Record| {
        let score = computed(id, record);
        (score.points, score.probability)
    };
    let mut all = patient([11.0, 133.0], 6, 5);
    all.encounters[0].service = Some("Hematology/Oncology".into());
    all.events.push(event(EventKind::Procedure, "CPT//93306", "2024-03-18T10:00:00Z"));
    assert_eq!(points("hospital", &all), (Some(13.0), Some(0.228)));
    assert_eq!(points("hospital_simplified", &all), (Some(12.0), None));
    let urgent = patient([13.0, 140.0], 0, 2);
    assert_eq!(points("hospital", &urgent), (Some(1.0), Some(0.058)));
    let middle = patient([11.0, 133.0], 2, 6);
    assert_eq!(points("hospital", &middle), (Some(7.0), Some(0.228)));
    let one = patient([11.0, 133.0], 1, 6);
    assert_eq!(points("hospital", &one), (Some(5.0), Some(0.119)));
    assert_eq!(points("hospital_1", &one), (Some(7.0), None));
    // The cut-offs themselves do not count as low.
    let at_cuts = patient([12.0, 135.0], 5, 4);
    assert_eq!(points("hospital", &at_cuts), (Some(3.0), Some(0.058)));
    let mut cancer = patient([13.0, 140.0], 0, 2);
    cancer.events.push(diagnosis("ICD10CM//C18.9"));
    assert_eq!(points("hospital", &cancer).0, Some(1.0));
    assert_eq!(points("hospital_simplified", &cancer).0, Some(3.0));
    cancer.encounters[0].service = None;
    assert_eq!(points("hospital_simplified", &cancer).0, Some(3.0));
    assert_eq!(computed("hospital", &cancer).missing_inputs, ["oncology_service"]);
}

#[test]
fn a_laboratory_value_of_before_the_stay_or_a_bound_is_no_value() {
    let mut record = inpatient(5, "urgent");
    record.encounters[0].service = Some("Oncology".into());
    let mut old = measured("LOINC//718-7", 11.0, "g/dL");
    old.time = Some(time("2024-03-01T10:00:00Z"));
    let mut bound = measured("LOINC//2951-2", 133.0, "mmol/L");
    bound.comparator = prodrome::record::Comparator::parse("<");
    record.events = vec![old, bound];
    assert_eq!(computed("hospital", &record).missing_inputs, ["haemoglobin", "sodium"]);
}

#[test]
fn on_the_sample_a_result_is_there_exactly_when_nothing_stands_against_it() {
    let formulas: Vec<Arc<Formula>> = Formulas::built_in().ids().map(formula).collect();
    let concepts = known();
    let mut results = 0;
    for subject in sample().iter().step_by(11) {
        let at = subject.label.unwrap().prediction_time;
        let computed = |record: &Record| -> Vec<PublishedScore> {
            let built = History::build(record, &concepts, &KnownAfter::default()).unwrap();
            let view = built.history.view(at);
            formulas.iter().map(|formula| evaluate(&view, formula)).collect()
        };
        let scores = computed(&subject.record);
        for score in &scores {
            let found = score.points.or(score.probability).or(score.probability_low);
            let stands_against = !score.applicable
                || score.missing_inputs.iter().any(|name| name != "parents_with_hypertension");
            assert_eq!(found.is_none(), stands_against, "{score:?}");
            assert_eq!(score.applicable, score.reason.is_none());
            results += usize::from(found.is_some());
        }
        let mut backwards = subject.record.clone();
        backwards.events.reverse();
        backwards.encounters.reverse();
        assert_eq!(computed(&backwards), scores, "line {}", subject.line);
    }
    assert!(results > 100, "{results}");
}
