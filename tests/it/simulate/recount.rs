//! The labels counted again from the records alone, by hand and in other words than the simulation's.

use std::collections::{BTreeMap, BTreeSet};

use prodrome::record::{Encounter, EncounterClass, Event, EventKind, Record, Time, Value};
use prodrome::simulate::{KnownTask, Simulated};

use super::{censored, plain};

fn days(time: Time, days: i64) -> Time {
    time.plus_days(days)
}

fn covered(record: &Record) -> (Time, Time) {
    let period = &record.coverage[0];
    (period.start.unwrap(), period.end.unwrap())
}

fn age(record: &Record, time: Time) -> i32 {
    record.birth_date.unwrap().age_years_at(time)
}

fn labels(patient: &Simulated, task: KnownTask) -> BTreeMap<Time, Option<bool>> {
    let rows = patient.truth.iter().filter(|row| row.task == task);
    rows.map(|row| (row.prediction_time, row.boolean_value)).collect()
}

/// Stays, those that a transfer joins as one: the first, the last and the end.
fn episodes(record: &Record) -> Vec<(&Encounter, &Encounter, Time)> {
    let mut stays: Vec<&Encounter> =
        record.encounters.iter().filter(|e| e.class == EncounterClass::Inpatient).collect();
    stays.sort_by_key(|stay| stay.start);
    let mut episodes: Vec<(&Encounter, &Encounter, Time)> = Vec::new();
    for stay in stays {
        let end = stay.end.unwrap();
        match episodes.last_mut() {
            Some((_, last, until)) if last.discharge_disposition.as_deref() == Some("02") => {
                assert!(stay.start > *until && stay.start.day() - until.day() <= 1);
                (*last, *until) = (stay, end);
            }
            before => {
                assert!(before.is_none_or(|(_, _, until)| *until < stay.start));
                episodes.push((stay, stay, end));
            }
        }
    }
    episodes
}

fn principal<'r>(record: &'r Record, stay: &Encounter) -> &'r str {
    let of_stay = |e: &&Event| e.encounter_id.as_ref() == Some(&stay.id) && e.rank == Some(1);
    &record.events.iter().find(of_stay).unwrap().code.code
}

fn readmit30(record: &Record) -> BTreeMap<Time, Option<bool>> {
    let (from, until) = covered(record);
    let mut found = BTreeMap::new();
    let episodes = episodes(record);
    for (place, (_, last, t0)) in episodes.iter().enumerate() {
        let gone = ["exp", "hosp", "aadvice"].map(Some);
        let excluded = ["Z5111", "F332", "Z5189", "O80"];
        let is_index = age(record, *t0) >= 18
            && from <= days(*t0, -365)
            && !gone.contains(&last.discharge_disposition.as_deref())
            && !excluded.contains(&principal(record, last));
        if !is_index {
            continue;
        }
        let end = days(*t0, 30);
        let next = episodes.get(place + 1).map(|(first, _, _)| *first);
        let next = next.filter(|next| next.start <= end);
        let death = record.death_time.filter(|death| *death <= end);
        let label = match (next, death) {
            (Some(next), _) => Some(next.admission_type.as_deref() != Some("elective")),
            (None, Some(_)) => Some(false),
            (None, None) => (end <= until).then_some(false),
        };
        found.insert(*t0, label);
    }
    found
}

/// Contacts with a blood pressure, and of each day the lowest values.
struct Measured {
    /// The ends of the contacts, in order.
    contacts: Vec<Time>,
    lowest: BTreeMap<i64, (Time, f64, f64)>,
}

fn measured(record: &Record) -> Measured {
    let ambulatory =
        [EncounterClass::Ambulatory, EncounterClass::Virtual, EncounterClass::HomeHealth];
    let classes: BTreeMap<&str, &Encounter> =
        record.encounters.iter().map(|e| (e.id.as_str(), e)).collect();
    let mut contacts = BTreeSet::new();
    let mut lowest: BTreeMap<i64, (Time, f64, f64)> = BTreeMap::new();
    for event in &record.events {
        let Some(Value::Number(number)) = event.value else { continue };
        let (systolic, diastolic) = match event.code.code.as_str() {
            "8480-6" => (number, f64::INFINITY),
            "8462-4" => (f64::INFINITY, number),
            _ => continue,
        };
        let encounter = classes[event.encounter_id.as_deref().unwrap()];
        if !ambulatory.contains(&encounter.class) {
            continue;
        }
        contacts.insert(encounter.end.unwrap());
        let time = event.time.unwrap();
        let day = lowest.entry(time.day()).or_insert((time, f64::INFINITY, f64::INFINITY));
        *day = (day.0.max(time), day.1.min(systolic), day.2.min(diastolic));
    }
    Measured { contacts: contacts.into_iter().collect(), lowest }
}

impl Measured {
    /// Contacts at least 90 days apart, counted from the first.
    fn index_times(&self) -> Vec<Time> {
        let mut found: Vec<Time> = Vec::new();
        for contact in &self.contacts {
            if found.last().is_none_or(|last| *contact >= days(*last, 90)) {
                found.push(*contact);
            }
        }
        found
    }

    fn within(&self, is_in: impl Fn(Time) -> bool) -> Vec<(Time, f64, f64)> {
        self.lowest.values().copied().filter(|(time, _, _)| is_in(*time)).collect()
    }
}

fn mean(values: &[(Time, f64, f64)], of: impl Fn(&(Time, f64, f64)) -> f64) -> f64 {
    values.iter().map(of).sum::<f64>() / values.len() as f64
}

fn bp_rise(record: &Record) -> BTreeMap<Time, Option<bool>> {
    let (from, until) = covered(record);
    let measured = measured(record);
    let mut found = BTreeMap::new();
    for t0 in measured.index_times() {
        let before = measured.within(|time| time > days(t0, -365) && time <= t0);
        if from > days(t0, -365) || age(record, t0) < 18 || before.len() < 2 {
            continue;
        }
        let after = measured.within(|time| time >= days(t0, 90) && time <= days(t0, 365));
        let label = if until < days(t0, 365) {
            None
        } else if after.len() < 2 {
            // Covered, alive and not measured: not observed, and no row.
            continue;
        } else {
            let (b, u) = (mean(&before, |day| day.1), mean(&after, |day| day.1));
            Some(u - b >= 10.0 && u >= 130.0)
        };
        found.insert(t0, label);
    }
    found
}

const ANTIHYPERTENSIVES: [&str; 5] = ["29046", "17767", "5487", "52175", "4603"];

/// The first time of each sign of hypertension from `after` on: `signs(record, ..)`.
fn onset(record: &Record, measured: &Measured, after: Time) -> Option<Time> {
    let is_hypertension =
        |event: &&Event| matches!(event.code.code.as_str(), "I10" | "59621000" | "38341003");
    let known = |event: &Event| event.recorded_time.or(event.time).unwrap();
    let mut times: Vec<Time> = Vec::new();
    let of_kind = |kind| {
        let events = record.events.iter().filter(is_hypertension);
        events.filter(move |event| event.kind == kind).map(known).filter(|time| *time > after)
    };
    times.extend(of_kind(EventKind::Problem).min());
    let mut diagnosed: Vec<Time> = of_kind(EventKind::Diagnosis).collect();
    diagnosed.sort();
    times.extend(diagnosed.get(1));
    let drugs = record.events.iter().filter(|e| ANTIHYPERTENSIVES.contains(&e.code.code.as_str()));
    times.extend(drugs.filter_map(|event| event.time).filter(|time| *time > after).min());
    let high = measured.within(|time| time > after);
    let high: Vec<_> = high.iter().filter(|day| day.1 >= 140.0 || day.2 >= 90.0).collect();
    for (place, second) in high.iter().enumerate() {
        let pairs =
            high[..place].iter().any(|first| (7..=365).contains(&(second.0.day() - first.0.day())));
        if pairs {
            times.push(second.0);
            break;
        }
    }
    times.into_iter().min()
}

fn htn_incident(record: &Record) -> BTreeMap<Time, Option<bool>> {
    let (from, until) = covered(record);
    let measured = measured(record);
    let mut found = BTreeMap::new();
    for t0 in measured.index_times() {
        let before = measured.within(|time| time > days(t0, -730) && time <= t0);
        let ever_high = measured
            .within(|time| time <= t0)
            .iter()
            .filter(|day| day.1 >= 140.0 || day.2 >= 90.0)
            .count();
        let since = onset(record, &measured, Time::EARLIEST);
        let is_eligible = (18..=84).contains(&age(record, t0))
            && from <= days(t0, -365)
            && before.len() >= 2
            && since.is_none_or(|since| since > t0)
            && ever_high < 2
            && mean(&before, |day| day.1) < 140.0
            && mean(&before, |day| day.2) < 90.0;
        if !is_eligible {
            continue;
        }
        let end = days(t0, 365);
        let label = match onset(record, &measured, days(t0, 1)).filter(|time| *time <= end) {
            Some(_) => Some(true),
            None => (until >= end).then_some(false),
        };
        found.insert(t0, label);
    }
    found
}

/// A way to count a task's labels from a record.
type Count = fn(&Record) -> BTreeMap<Time, Option<bool>>;

fn compare(task: KnownTask, count: Count) {
    let mut rows = 0;
    for patient in plain().iter().chain(censored()) {
        let counted = count(&patient.record);
        assert_eq!(labels(patient, task), counted, "patient {}", patient.record.patient_id);
        rows += counted.len();
    }
    assert!(rows > 5_000, "{rows} rows");
}

#[test]
fn readmissions_are_those_of_the_truth() {
    compare(KnownTask::Readmit30, readmit30);
}

#[test]
fn onsets_of_hypertension_are_those_of_the_truth() {
    compare(KnownTask::HtnIncident, htn_incident);
}

/// A person's last index times have no later readings; where the coverage ends before their window
/// does, the records cannot tell them from others.
#[test]
fn rises_are_those_of_the_truth() {
    let (mut rows, mut unmatched) = (0, 0);
    for patient in plain().iter().chain(censored()) {
        let counted = bp_rise(&patient.record);
        let labels = labels(patient, KnownTask::BpRise);
        for (time, label) in &labels {
            assert_eq!(counted.get(time), Some(label), "patient {}", patient.record.patient_id);
        }
        for (time, label) in &counted {
            let is_known = labels.contains_key(time);
            assert!(is_known || label.is_none(), "patient {}", patient.record.patient_id);
            unmatched += usize::from(!is_known);
        }
        rows += labels.len();
    }
    assert!(rows > 5_000 && unmatched * 50 < rows, "{unmatched} of {rows}");
}

#[test]
fn every_sign_of_hypertension_is_there_and_so_are_its_false_friends() {
    let (mut by_reading, mut alone, mut single) = (0, 0, 0);
    for patient in plain() {
        let record = &patient.record;
        let measured = measured(record);
        let high = measured.within(|_| true);
        let high = high.iter().filter(|day| day.1 >= 140.0 || day.2 >= 90.0).count();
        let coded = record.events.iter().any(|e| e.code.code == "I10" || e.code.code == "59621000");
        let treated =
            record.events.iter().any(|e| ANTIHYPERTENSIVES.contains(&e.code.code.as_str()));
        by_reading += usize::from(high >= 2 && coded);
        alone += usize::from(high == 0 && treated && !coded);
        single += usize::from(high == 1 && !coded && !treated);
    }
    for count in [by_reading, alone, single] {
        assert!(count > 20, "{by_reading} {alone} {single}");
    }
}
