//! Scores: who gets one, when there is none, and what its reasons say.

use std::collections::{BTreeMap, BTreeSet};

use prodrome::bundle::Sufficiency;
use prodrome::feature::extract;
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
    let visit = "emergency_visits_365d".to_owned();
    let visits = score.reasons.iter().find(|reason| reason.features.contains(&visit)).unwrap();
    assert_eq!(visits.theme, "earlier use of care");
    assert!(visits.text.contains("one emergency visit within a year, on 2023-12-24"));
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

/// The bits of every column of the row that the shipped model reads, by feature and column.
fn row(record: &Record, index_time: Time) -> BTreeMap<(String, String), u32> {
    let bundle = shipped();
    let task = bundle.task();
    let known_after = &task.params().known_after;
    let history = History::build(record, bundle.concepts(), known_after).unwrap().history;
    let facts = extract(&history.view(index_time), task.spec(), false);
    let row = bundle.manifest().vocabulary.row(&facts);
    assert_eq!(row.len(), bundle.columns().len());
    let named = bundle.columns().iter().zip(row).map(|(column, value)| {
        let feature = task.spec().features()[column.feature].name.clone();
        ((feature, column.name.clone()), value.to_bits())
    });
    named.collect()
}

/// The features that differ between the score of the open stay at `now` and that of the same record
/// one hour after the stay ended at `end`.
fn features_changed_by_discharge(
    open: &Record,
    now: Time,
    end: Time,
    arrived: &[Event],
) -> BTreeSet<String> {
    let before = scored_at(open, now).unwrap();
    assert_eq!(before.assumptions, ["the inpatient stay is open: scored as if discharged now"]);
    assert_eq!(before.index_time, now);
    let mut closed = open.clone();
    closed.encounters[1].end = Some(end);
    closed.encounters[1].discharge_disposition = Some("home".into());
    closed.events.extend_from_slice(arrived);
    let after = scored_at(&closed, end.plus_hours(1)).unwrap();
    assert!(after.assumptions.is_empty(), "{:?}", after.assumptions);
    assert_eq!(after.index_time, end, "the score stands at the discharge");
    let (before, after) = (row(open, now), row(&closed, end));
    assert!(before.keys().eq(after.keys()));
    let differ = before.iter().filter(|(column, value)| after[*column] != **value);
    differ.map(|((feature, _), _)| feature.clone()).collect()
}

#[test]
fn one_hour_after_the_discharge_the_score_differs_by_named_features_only() {
    let mut open = patient();
    open.encounters[1].end = None;
    open.encounters[1].discharge_disposition = None;
    // Known since the admission; what `patient` has of the last noon is there by now as well.
    open.events[1].time = Some(time("2024-03-01T10:00:00Z"));
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

    let (now, end) = (time("2024-03-06T14:00:00Z"), time("2024-03-06T15:00:00Z"));
    let changed = features_changed_by_discharge(&open, now, end, &[]);
    assert_eq!(changed, set(&["discharge_disposition"]), "nothing else has changed");

    // Over midnight the stay is a day longer.
    let (now, end) = (time("2024-03-06T23:30:00Z"), time("2024-03-07T00:30:00Z"));
    let changed = features_changed_by_discharge(&open, now, end, &[]);
    assert_eq!(changed, set(&["discharge_disposition", "stay_days"]));

    // In the last hour the wards enter what they know: one more diagnosis and one more drug.
    let (now, end) = (time("2024-03-06T14:00:00Z"), time("2024-03-06T15:00:00Z"));
    let late = |kind, code: &str, rank| {
        let mut event = Event::new(kind, Code::parse(code).unwrap(), time("2024-03-06T14:40:00Z"));
        event.encounter_id = Some("stay".into());
        event.rank = rank;
        event
    };
    let arrived = [
        late(EventKind::Diagnosis, "ICD10CM//J18.9", Some(3)),
        late(EventKind::DrugOrder, "RXNORM//6809", None),
    ];
    let changed = features_changed_by_discharge(&open, now, end, &arrived);
    let by_arrival = [
        "stay_diagnoses",
        "diagnosis",
        "diagnosis_groups",
        "stay_medications",
        "drug",
        "code",
        "insulin_change",
    ];
    let allowed = &set(&by_arrival) | &set(&["discharge_disposition"]);
    assert!(changed.is_subset(&allowed), "{changed:?}");
    for named in ["discharge_disposition", "stay_diagnoses", "stay_medications", "drug"] {
        assert!(changed.contains(named), "{named} differs: {changed:?}");
    }
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
