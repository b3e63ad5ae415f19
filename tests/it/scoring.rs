//! Scores: who gets one, when there is none, and what its reasons say.

use prodrome::bundle::Sufficiency;
use prodrome::record::{Code, History, PartialDate};
use prodrome::record::{Event, EventKind, Evidence, Record, Time, TimePrecision, Value};
use prodrome::score::{Score, score};
use prodrome::task::NotEligible;

use crate::support::{discharge, patient, sample, shipped, time};

fn scored_at(record: &Record, at: Time) -> Result<Score, NotEligible> {
    let bundle = shipped();
    let known_after = &bundle.task().params().known_after;
    let built = History::build(record, bundle.concepts(), known_after).unwrap();
    score(bundle, &built.history, at, 50)
}

fn scored(record: &Record) -> Result<Score, NotEligible> {
    scored_at(record, discharge())
}

fn criterion(record: &Record) -> String {
    scored(record).unwrap_err().criterion
}

#[test]
fn a_patient_gets_a_probability_a_tier_and_dated_reasons() {
    let score = scored(&patient()).unwrap();
    let probability = score.probability.unwrap();
    assert!((0.01..0.6).contains(&probability), "{probability}");
    assert!(["high", "moderate", "low"].contains(&score.tier.as_deref().unwrap()));
    assert_eq!((score.index_time, score.horizon_days), (discharge(), 30));
    assert!(score.assumptions.is_empty());
    let visits = score.reasons.iter().find(|r| r.feature == "emergency_visits_365d").unwrap();
    assert_eq!(visits.text, "one emergency visit within a year");
    let visit = Evidence::Encounter { index: 0, time: time("2023-12-24T20:00:00Z") };
    assert_eq!(visits.events, [visit]);
    assert!(score.reasons.iter().all(|reason| !reason.text.contains('{')));
}

#[test]
fn reasons_and_the_rest_sum_to_the_log_odds() {
    for subject in sample().iter().step_by(41) {
        let label = subject.label.unwrap();
        let Ok(score) = scored_at(&subject.record, label.prediction_time) else { continue };
        let probability = score.probability.unwrap();
        let listed: f64 = score.reasons.iter().map(|reason| reason.contribution).sum();
        let log_odds = (probability / (1.0 - probability)).ln();
        let gap = score.baseline + listed + score.other_contribution - log_odds;
        assert!(gap.abs() < 1e-6, "line {}: {gap}", subject.line);
    }
}

#[test]
fn those_the_task_is_not_for_are_not_eligible() {
    let with = |change: &dyn Fn(&mut Record)| {
        let mut record = patient();
        change(&mut record);
        criterion(&record)
    };
    assert_eq!(with(&|r| r.events.retain(|e| !e.code.code.starts_with("E11"))), "diabetes");
    assert_eq!(with(&|r| r.birth_date = PartialDate::parse("2010-01-01")), "adult");
    assert_eq!(with(&|r| r.birth_date = None), "adult");
    let discharged_to = |code: &'static str| {
        with(&move |r| r.encounters[1].discharge_disposition = Some(code.into()))
    };
    assert_eq!(discharged_to("hosp"), "hospice");
    assert_eq!(discharged_to("51"), "hospice");
    assert_eq!(discharged_to("exp"), "died_in_stay");
    assert_eq!(discharged_to("20"), "died_in_stay");
    assert_eq!(with(&|r| r.death_time = Some(discharge())), "died");
    assert_eq!(with(&|r| r.encounters.truncate(1)), "no_index_stay");
    assert_eq!(with(&|r| r.events.clear()), "diabetes");
}

#[test]
fn an_empty_stay_or_too_little_weight_gets_no_probability() {
    let mut record = patient();
    // Diabetes known from long ago, and nothing at all in the stay.
    record.events.truncate(2);
    for event in &mut record.events {
        event.encounter_id = None;
        event.time = Some(time("2019-05-05T10:00:00Z"));
    }
    let score = scored(&record).unwrap();
    assert_eq!(score.sufficiency, Sufficiency::D);
    assert_eq!((score.probability, &score.tier, score.reasons.len()), (None, &None, 0));
    assert!(score.sufficiency_notes[0].contains("no diagnosis and no other event"));

    // One allergy in the stay is an event, but hardly any of the model's data are there.
    let code = Code::parse("SNOMED//91936005").unwrap();
    let mut allergy = Event::new(EventKind::Allergy, code, time("2024-03-02T10:00:00Z"));
    allergy.encounter_id = Some("stay".into());
    record.events.push(allergy);
    let stay = &mut record.encounters[1];
    (stay.admission_type, stay.admission_source, stay.discharge_disposition) = (None, None, None);
    record.encounters.remove(0);
    let score = scored(&record).unwrap();
    assert_eq!(score.sufficiency, Sufficiency::D, "{:?}", score.sufficiency_notes);
    assert_eq!(score.probability, None);
    assert!(score.sufficiency_notes[0].contains("% of the model's weight"));
}

#[test]
fn an_open_stay_is_scored_as_if_discharged_and_says_so() {
    let mut record = patient();
    record.encounters[1].end = None;
    record.encounters[1].discharge_disposition = None;
    let now = time("2024-03-04T09:00:00Z");
    let score = scored_at(&record, now);
    // The diagnoses of this record are entered at its end, so diabetes is not known yet.
    assert_eq!(score.unwrap_err().criterion, "diabetes");
    record.events[1].time = Some(time("2024-03-01T10:00:00Z"));
    let score = scored_at(&record, now).unwrap();
    assert_eq!(score.index_time, now);
    assert_eq!(score.assumptions.len(), 1);
    assert!(score.probability.is_some());
}

#[test]
fn the_same_patient_in_other_units_or_with_day_precision_is_the_same_patient() {
    let glucose = |value: f64, unit: &str| {
        let mut record = patient();
        let code = Code::parse("LOINC//2345-7").unwrap();
        let mut event = Event::new(EventKind::Measurement, code, time("2024-03-04T06:00:00Z"));
        event.value = Some(Value::Number(value));
        event.unit = Some(unit.into());
        event.encounter_id = Some("stay".into());
        record.events.push(event);
        scored(&record).unwrap().probability.unwrap().to_bits()
    };
    assert_eq!(glucose(252.0, "mg/dL"), glucose(13.987, "mmol/L"));
    assert_ne!(glucose(252.0, "mg/dL"), glucose(110.0, "mg/dL"));

    // A diagnosis of the day of discharge counts when it belongs to the stay.
    let mut record = patient();
    for event in &mut record.events[..2] {
        event.time_precision = TimePrecision::Day;
        event.time = Some(time("2024-03-06T00:00:00Z"));
    }
    let by_day = scored(&record).unwrap().probability;
    assert_eq!(by_day, scored(&patient()).unwrap().probability);
    for event in &mut record.events[..2] {
        event.encounter_id = None;
    }
    assert_eq!(criterion(&record), "diabetes", "of that day, but it may have come after");
}
