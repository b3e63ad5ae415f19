//! The simulated population: its known risks are true, and its records say what the truth says.

mod features;
mod recount;
mod written;

use std::sync::OnceLock;

use prodrome::record::{EncounterClass, EventKind, Sex, Value};
use prodrome::simulate::{KnownTask, Population, Settings, Simulated, TREND_REGION, TruthRow};
use rayon::prelude::*;

pub(crate) fn drawn(settings: Settings) -> Vec<Simulated> {
    let population = Population::new(settings).unwrap();
    let patients = population.settings().patients;
    (0..patients).into_par_iter().map(|number| population.patient(number)).collect()
}

/// The population that most tests look at.
pub(crate) fn plain() -> &'static [Simulated] {
    static PLAIN: OnceLock<Vec<Simulated>> = OnceLock::new();
    PLAIN.get_or_init(|| drawn(Settings::new(6_000, 10, 7)))
}

/// The same people, of whom many leave early.
pub(crate) fn censored() -> &'static [Simulated] {
    static CENSORED: OnceLock<Vec<Simulated>> = OnceLock::new();
    CENSORED.get_or_init(|| drawn(Settings { censoring: 0.30, ..Settings::new(6_000, 10, 7) }))
}

fn rows(of: &[Simulated], task: KnownTask) -> Vec<TruthRow> {
    let rows = of.iter().flat_map(|patient| patient.truth.iter().copied());
    rows.filter(|row| row.task == task).collect()
}

/// How many standard errors the outcomes are away from their probabilities.
fn standard_errors(rows: &[TruthRow]) -> f64 {
    let outcomes: f64 = rows.iter().map(|row| f64::from(u8::from(row.true_value))).sum();
    let expected: f64 = rows.iter().map(|row| row.probability).sum();
    let variance: f64 = rows.iter().map(|row| row.probability * (1.0 - row.probability)).sum();
    (outcomes - expected) / variance.sqrt()
}

#[test]
fn outcomes_come_as_often_as_their_probabilities_say() {
    for task in KnownTask::ALL {
        let mut rows = rows(plain(), task);
        assert!(rows.len() > 3_000, "{}: {}", task.name(), rows.len());
        assert!(standard_errors(&rows).abs() < 4.0, "{}", task.name());
        rows.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        let tenth = rows.len().div_ceil(10);
        for (place, part) in rows.chunks(tenth).enumerate() {
            let away = standard_errors(part);
            assert!(away.abs() < 4.0, "{} decile {place}: {away}", task.name());
        }
        let mean = rows.iter().map(|row| row.probability).sum::<f64>() / rows.len() as f64;
        assert!((0.05..0.25).contains(&mean), "{}: {mean}", task.name());
        let spread = rows[rows.len() * 9 / 10].probability / rows[rows.len() / 10].probability;
        assert!(spread > 2.5, "{}: the risks differ: {spread}", task.name());
    }
}

/// A probability that depended on what comes would show: outcomes would not be independent of the
/// past given it. Here by what the probability was computed from, and by what it was not.
#[test]
fn no_group_known_at_the_index_time_has_more_outcomes_than_its_probabilities_say() {
    for task in KnownTask::ALL {
        let of = |wanted: &dyn Fn(&Simulated, &TruthRow) -> bool| -> Vec<TruthRow> {
            let each = plain().iter().flat_map(|patient| {
                patient.truth.iter().filter(|row| row.task == task && wanted(patient, row))
            });
            each.copied().collect()
        };
        let old = of(&|patient, row| {
            patient.record.birth_date.unwrap().age_years_at(row.prediction_time) >= 70
        });
        let women = of(&|patient, _| patient.record.sex == Sex::Female);
        let seen_often = of(&|patient, row| {
            let before = patient.record.encounters.iter();
            before.filter(|encounter| encounter.start < row.prediction_time).count() > 25
        });
        let earlier_outcome = of(&|patient, row| {
            let earlier = patient.truth.iter().filter(|r| r.task == KnownTask::Readmit30);
            earlier
                .into_iter()
                .any(|r| r.true_value && r.prediction_time.plus_days(31) < row.prediction_time)
        });
        for (name, rows) in [
            ("old", old),
            ("women", women),
            ("seen often", seen_often),
            ("readmitted before", earlier_outcome),
        ] {
            assert!(rows.len() > 100, "{} {name}: {}", task.name(), rows.len());
            let away = standard_errors(&rows);
            assert!(away.abs() < 4.0, "{} {name}: {away}", task.name());
        }
    }
}

#[test]
fn patients_leave_as_often_as_asked_and_by_what_the_record_holds() {
    let seen_to_the_end = |task| {
        let rows = rows(plain(), task);
        rows.iter().filter(|row| row.boolean_value.is_none()).count() as f64 / rows.len() as f64
    };
    for task in KnownTask::ALL {
        let with = rows(censored(), task);
        // Of those who leave some had the outcome before: their label is known.
        let unknown = with.iter().filter(|row| row.boolean_value.is_none()).count() as f64;
        let share = unknown / with.len() as f64;
        assert!((0.22..0.38).contains(&share), "{}: {share}", task.name());
        assert!(seen_to_the_end(task) < 0.12, "{}: only at the end of the records", task.name());
        assert!(standard_errors(&with).abs() < 4.0, "{}: the truth stays true", task.name());
    }
    let rows = rows(censored(), KnownTask::Readmit30);
    let (left, stayed): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.boolean_value.is_none());
    let mean = |rows: &[&TruthRow]| {
        rows.iter().map(|row| row.probability).sum::<f64>() / rows.len() as f64
    };
    // By their probabilities, not by what came: those who leave are at a higher risk although a
    // return before they leave takes them from the unknown.
    assert!(mean(&left) > mean(&stayed) * 1.03, "{} and {}", mean(&left), mean(&stayed));
    for patient in censored() {
        let end = patient.record.coverage[0].end.unwrap();
        let last = patient.record.events.iter().filter_map(|event| event.time).max();
        assert!(last.is_none_or(|last| last <= end), "nothing is seen after the coverage");
    }
}

#[test]
fn the_records_hold_what_hospitals_have() {
    let people = plain().len() as f64;
    let events: usize = plain().iter().map(|patient| patient.record.events.len()).sum();
    let mean = events as f64 / people;
    assert!((120.0..250.0).contains(&mean), "{mean} events a patient");
    let encounters = || plain().iter().flat_map(|patient| &patient.record.encounters);
    let stays = encounters().filter(|encounter| encounter.class == EncounterClass::Inpatient);
    let count = |code: &str| {
        let of = encounters().filter(|e| e.discharge_disposition.as_deref() == Some(code));
        of.count()
    };
    for code in ["home", "06", "snf", "rehab", "aadvice", "hosp", "exp", "02"] {
        assert!(count(code) > 10, "{code}: {}", count(code));
    }
    let stays: Vec<_> = stays.collect();
    let planned =
        stays.iter().filter(|stay| stay.admission_type.as_deref() == Some("elective")).count();
    assert!((0.1..0.4).contains(&(planned as f64 / stays.len() as f64)));
    let diagnosed = |code: &str| {
        let events = plain().iter().flat_map(|patient| &patient.record.events);
        events.filter(|event| event.code.code == code && event.rank == Some(1)).count()
    };
    for code in ["Z5111", "O80", "F332", "Z5189", "I5023", "J441", "R030"] {
        assert!(diagnosed(code) > 10, "{code}: {}", diagnosed(code));
    }
    let with = |is: &dyn Fn(&prodrome::record::Event) -> bool| {
        plain().iter().flat_map(|patient| &patient.record.events).filter(|e| is(e)).count()
    };
    assert!(with(&|event| event.code.system == "SNOMED") > 500);
    assert!(with(&|event| event.kind == EventKind::Problem) > 1_000);
    assert!(with(&|event| event.unit.as_deref() == Some("umol/L")) > 1_000);
    assert!(plain().iter().filter(|patient| patient.record.death_time.is_some()).count() > 100);
}

/// The share of `event`s of which `is` holds.
fn share(of: &[Simulated], code: &str, is: impl Fn(&Value) -> bool) -> f64 {
    let events = of.iter().flat_map(|patient| &patient.record.events);
    let values: Vec<&Value> = events
        .filter(|event| event.code.code == code && event.unit.as_deref() == Some("g/dL"))
        .filter_map(|event| event.value.as_ref())
        .collect();
    assert!(values.len() > 1_000);
    values.iter().filter(|value| is(value)).count() as f64 / values.len() as f64
}

#[test]
fn faults_stand_in_the_records_as_often_as_asked() {
    let in_wrong_unit = |value: &Value| matches!(value, Value::Number(number) if *number > 26.0);
    let asked = Settings { wrong_units: 0.2, missing: 0.4, ..Settings::new(1_500, 6, 3) };
    let faulty = drawn(asked);
    let found = share(&faulty, "718-7", in_wrong_unit);
    // Where the laboratory reports g/L a wrong unit makes g/dL of it, so that the share is higher.
    assert!((0.18..0.30).contains(&found), "{found}");
    let clean = drawn(Settings { wrong_units: 0.0, missing: 0.0, ..Settings::new(1_500, 6, 3) });
    assert_eq!(share(&clean, "718-7", in_wrong_unit), 0.0);
    let count = |of: &[Simulated]| {
        let events = of.iter().flat_map(|patient| &patient.record.events);
        let of_code = events.filter(|event| event.code.code == "2951-2");
        of_code.filter(|event| event.value.is_some()).count() as f64
    };
    let kept = count(&faulty) / count(&clean);
    assert!((0.5..0.7).contains(&kept), "{kept}");
}

#[test]
fn risks_change_when_drift_is_asked_for_and_not_before() {
    let drifting = drawn(Settings { drift_after_years: Some(5), ..Settings::new(6_000, 10, 7) });
    let change = prodrome::record::Time::parse("2019-01-02T00:00:00Z").unwrap();
    for task in KnownTask::ALL {
        let mean = |of: &[Simulated], late: bool| {
            let rows = rows(of, task);
            let part: Vec<f64> = rows
                .iter()
                .filter(|row| (row.prediction_time >= change) == late)
                .map(|row| row.probability)
                .collect();
            part.iter().sum::<f64>() / part.len() as f64
        };
        let (early, late) = (mean(&drifting, false), mean(&drifting, true));
        assert!((early - mean(plain(), false)).abs() < 0.004, "{}", task.name());
        assert!(late > mean(plain(), true) + 0.02, "{}", task.name());
        assert!(standard_errors(&rows(&drifting, task)).abs() < 4.0, "{}", task.name());
    }
}

#[test]
fn blood_pressure_rises_more_in_one_region_for_men_in_their_sixties() {
    let rate = |in_region: bool| {
        let of = plain().iter().filter(|patient| {
            let record = &patient.record;
            record.sex == Sex::Male && (record.region.as_deref() == Some(TREND_REGION)) == in_region
        });
        let rows: Vec<&TruthRow> = of
            .flat_map(|patient| {
                let birth = patient.record.birth_date.unwrap();
                patient.truth.iter().filter(move |row| {
                    let age = birth.age_years_at(row.prediction_time);
                    row.task == KnownTask::BpRise && (60..70).contains(&age)
                })
            })
            .collect();
        assert!(rows.len() > 80, "{}", rows.len());
        rows.iter().filter(|row| row.true_value).count() as f64 / rows.len() as f64
    };
    assert!(rate(true) > 1.4 * rate(false), "{} and {}", rate(true), rate(false));
}
