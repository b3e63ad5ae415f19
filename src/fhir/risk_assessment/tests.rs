//! What a risk assessment says, and what it does not.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::access::Classes;
use crate::record::{Code, Event, EventKind, Evidence, Time, TimePrecision};
use crate::score::{Reason, Sufficiency};

fn time(text: &str) -> Time {
    Time::parse(text).unwrap()
}

fn discharge() -> Time {
    time("2024-03-06T15:00:00Z")
}

/// A stay of five days and a visit before it, with so many measurements, of which two have one id.
fn record(events: usize) -> Record {
    let start = time("2024-03-01T09:00:00Z");
    let visit = Encounter::new(
        "visit",
        EncounterClass::Emergency,
        start.plus_days(-9),
        Some(start.plus_days(-8)),
    );
    let stay = Encounter::new("stay", EncounterClass::Inpatient, start, Some(discharge()));
    let event = |place: usize| {
        let mut event = Event::new(EventKind::Measurement, Code::new("LOINC", "8480-6"), start);
        event.id = Some(format!("o{}", place.max(1)));
        event
    };
    Record {
        patient_id: "p".into(),
        encounters: vec![visit, stay],
        events: (0..events).map(event).collect(),
        ..Record::default()
    }
}

fn reason(text: &str, events: Vec<Evidence>) -> Reason {
    Reason { theme: "use".into(), text: text.into(), events, ..Reason::default() }
}

fn of_event(index: usize) -> Evidence {
    Evidence::Event { index, time: discharge(), precision: TimePrecision::Instant }
}

fn score(probability: Option<f64>) -> Score {
    Score {
        index_time: discharge(),
        history_used_until: None,
        is_provisional: false,
        assumptions: Vec::new(),
        probability,
        interval: probability.map(|value| [value / 2.0, (2.0 * value).min(1.0)]),
        horizon_days: 30,
        tier: probability.map(|_| "high".to_owned()),
        flag_threshold: 0.2,
        reference_percentile: probability.map(|_| 91.0),
        sufficiency: if probability.is_some() { Sufficiency::B } else { Sufficiency::D },
        sufficiency_notes: vec!["the record begins late".into()],
        veiled_notes: Vec::new(),
        notes_classes: Classes::NONE,
        baseline: 0.0,
        reasons: Vec::new(),
        explanation_failed: false,
        other_contribution: 0.0,
        published: Vec::new(),
        change: None,
    }
}

fn assessed<'a>(record: &'a Record, score: &'a Score) -> Assessed<'a> {
    Assessed {
        task: "readmit30",
        title: "30-day readmission",
        outcome_text: "an unplanned stay",
        model_version: "3",
        bundle_digest: "0123456789abcdef",
        is_synthetic: false,
        score,
        record,
        relative_risk: None,
        references: None,
    }
}

fn written(assessed: &Assessed<'_>) -> Value {
    let text = serde_json::to_string(&risk_assessment(assessed)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn notes(written: &Value) -> String {
    let notes = written["note"].as_array().unwrap().iter();
    notes.map(|note| note["text"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_score_is_written_with_its_model_time_and_number() {
    let (record, score) = (record(0), score(Some(0.25)));
    let relative = RelativeRisk { value: 2.5, compared_with: "women of 70 to 79 years" };
    let made = Assessed { relative_risk: Some(relative), ..assessed(&record, &score) };
    let made = written(&made);
    assert_eq!(
        (&made["resourceType"], &made["status"]),
        (&"RiskAssessment".into(), &"final".into())
    );
    assert_eq!(made["subject"]["reference"], "Patient/p");
    assert_eq!(made["encounter"]["reference"], "Encounter/stay");
    assert_eq!(made["occurrenceDateTime"], "2024-03-06T15:00:00Z");
    let method = &made["method"];
    assert_eq!(
        (&method["coding"][0]["code"], &method["coding"][0]["version"]),
        (&"readmit30".into(), &"3".into())
    );
    assert!(method["text"].as_str().unwrap().contains("sha256 0123456789abcdef"));
    let prediction = &made["prediction"][0];
    assert_eq!(prediction["probabilityDecimal"], 25.0);
    assert_eq!(
        (&prediction["extension"][0]["url"], &prediction["extension"][0]["valueDecimal"]),
        (&PROBABILITY.into(), &0.25.into())
    );
    let interval = &prediction["extension"][1]["extension"];
    assert_eq!(
        (&interval[0]["valueDecimal"], &interval[1]["valueDecimal"]),
        (&0.125.into(), &0.5.into())
    );
    assert_eq!(prediction["qualitativeRisk"]["coding"][0]["code"], "high");
    assert_eq!(prediction["relativeRisk"], 2.5);
    assert_eq!(prediction["whenPeriod"]["end"], "2024-04-05T15:00:00Z");
    let notes = notes(&made);
    assert!(
        notes.contains("probability 0.25 (25 %) within 30 days of: an unplanned stay"),
        "{notes}"
    );
    assert!(
        notes.contains("2.50 times that of women of 70")
            && notes.contains("B: the record begins late"),
        "{notes}"
    );
    assert!(made.get("basis").is_none() && prediction.get("rationale").is_none());
    assert!(made.get("meta").is_none() && !notes.contains("simulated"));
}

#[test]
fn without_a_probability_there_is_no_number_and_the_note_says_why() {
    let (record, score) = (record(0), score(None));
    let relative = RelativeRisk { value: 2.5, compared_with: "others" };
    let made =
        Assessed { relative_risk: Some(relative), is_synthetic: true, ..assessed(&record, &score) };
    let made = written(&made);
    let prediction = &made["prediction"][0];
    for name in ["probabilityDecimal", "extension", "qualitativeRisk", "relativeRisk"] {
        assert!(prediction.get(name).is_none(), "{name}");
    }
    let notes = notes(&made);
    assert!(notes.starts_with("no probability: there is not enough data"), "{notes}");
    assert!(notes.contains("simulated population") && !notes.contains("times that of"), "{notes}");
    assert_eq!(made["meta"]["tag"][0]["code"], "HTEST");
}

#[test]
fn the_basis_is_what_the_reasons_rest_on_each_once_and_in_their_order() {
    let record = record(80);
    let of_visit = Evidence::Encounter { index: 0, time: discharge() };
    let mut score = score(Some(0.25));
    score.reasons = vec![
        reason("one visit", vec![of_visit, of_event(1)]),
        reason("pressure", vec![of_event(0), of_event(1), of_event(2), of_event(999)]),
        reason("other protected information", Vec::new()),
    ];
    let made = written(&assessed(&record, &score));
    let basis: Vec<&str> = made["basis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["reference"].as_str().unwrap())
        .collect();
    assert_eq!(basis, ["Encounter/visit", "Observation/o1", "Observation/o2"]);
    let rationale = made["prediction"][0]["rationale"].as_str().unwrap();
    assert_eq!(rationale, "one visit\npressure\nother protected information");
    score.reasons = vec![reason("many", (0..80).map(of_event).collect())];
    assert_eq!(risk_assessment(&assessed(&record, &score)).basis.len(), BASIS_MAX);
}

#[test]
fn the_encounter_is_the_one_that_the_index_time_belongs_to() {
    let of = |record: &Record, score: &Score| {
        let made = risk_assessment(&assessed(record, score));
        made.encounter.and_then(|encounter| encounter.reference)
    };
    let (mut record, mut score) = (record(0), score(Some(0.25)));
    // An ambulatory contact that ends at the same time is not what the score is of.
    let contact = Encounter::new(
        "contact",
        EncounterClass::Ambulatory,
        discharge().plus_hours(-1),
        Some(discharge()),
    );
    record.encounters.push(contact);
    assert_eq!(of(&record, &score).as_deref(), Some("Encounter/stay"));
    score.index_time = discharge().plus_hours(-30);
    assert_eq!(of(&record, &score), None, "within a stay, but nothing is provisional");
    score.is_provisional = true;
    assert_eq!(of(&record, &score).as_deref(), Some("Encounter/stay"));
    assert_eq!(risk_assessment(&assessed(&record, &score)).status, "preliminary");
    score.index_time = discharge().plus_days(1);
    assert_eq!(of(&record, &score), None, "all is over");
}

#[test]
fn ids_tell_scores_apart_and_stay_the_same() {
    let (record, first) = (record(0), score(Some(0.25)));
    let id = |assessed: &Assessed<'_>| risk_assessment(assessed).id;
    let one = id(&assessed(&record, &first));
    assert_eq!(one, id(&assessed(&record, &first)));
    let other = Record { patient_id: "q".into(), ..record.clone() };
    let later = Score { index_time: discharge().plus_days(1), ..first.clone() };
    for different in [
        assessed(&other, &first),
        assessed(&record, &later),
        Assessed { task: "ed72", ..assessed(&record, &first) },
        Assessed { bundle_digest: "1", ..assessed(&record, &first) },
    ] {
        assert_ne!(id(&different), one);
    }
}

#[test]
fn a_tier_of_a_site_has_no_code_of_another_meaning() {
    let made = qualitative_risk("rising");
    assert!(made.coding.is_empty() && made.text.as_deref() == Some("rising"));
    for tier in ["low", "moderate", "high"] {
        let made = qualitative_risk(tier);
        assert_eq!((made.coding[0].code.as_ref(), made.text.as_deref()), (tier, Some(tier)));
    }
}

#[test]
fn blank_words_of_a_site_leave_no_empty_text() {
    let (record, score) = (record(0), Score { tier: Some(" ".into()), ..score(Some(0.25)) });
    let made = written(&Assessed { title: "", outcome_text: " ", ..assessed(&record, &score) });
    assert_eq!(
        (&made["code"]["text"], &made["prediction"][0]["outcome"]["text"]),
        (&"readmit30".into(), &"readmit30".into())
    );
    assert!(made["prediction"][0].get("qualitativeRisk").is_none());
}

#[test]
fn what_is_shown_while_debugging_names_nobody_and_no_number() {
    let (mut record, score) = (record(2), score(Some(0.25)));
    record.patient_id = "MRN4711".into();
    let shown =
        format!("{:?}", crate::fhir::Resource::from(risk_assessment(&assessed(&record, &score))));
    assert!(shown.contains("readmit30"), "{shown}");
    assert!(
        !shown.contains("4711") && !shown.contains("0.25") && !shown.contains("25.0"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn the_probability_is_read_back_bit_for_bit(bits in any::<u64>(), near in 0.0_f64..=1.0) {
        let odd = f64::from_bits(bits).abs();
        for probability in [near, if odd <= 1.0 { odd } else { 1.0 / odd.max(1.0) }] {
            prop_assume!(probability.is_finite());
            let (record, score) = (record(0), score(Some(probability)));
            let made = written(&assessed(&record, &score));
            let prediction = &made["prediction"][0];
            let read = |extension: &Value| extension["valueDecimal"].as_f64().unwrap().to_bits();
            prop_assert_eq!(read(&prediction["extension"][0]), probability.to_bits());
            let [low, high] = score.interval.unwrap();
            let ends = &prediction["extension"][1]["extension"];
            prop_assert_eq!((read(&ends[0]), read(&ends[1])), (low.to_bits(), high.to_bits()));
            let percent = prediction["probabilityDecimal"].as_f64().unwrap();
            prop_assert!((0.0..=100.0).contains(&percent));
        }
    }
}
