//! How far a record suffices: how far back it goes, what is missing, and how unusual it is.

use prodrome::bundle::{Bundle, Manifest, sealed};
use prodrome::record::{Encounter, EncounterClass, History, Period, Record, Time};
use prodrome::registry;
use prodrome::score::{Score, Sufficiency, score};

use crate::support::{discharge, fitted, patient, sample, shipped_files, time};

fn bundle() -> Bundle {
    registry::open(&fitted().1.bundle, &[]).unwrap()
}

fn scored(bundle: &Bundle, record: &Record, at: Time) -> Score {
    let known_after = &bundle.task().params().known_after;
    let history = History::build(record, bundle.concepts(), known_after).unwrap().history;
    score(bundle, &history, at, 0).unwrap()
}

/// A patient whose source would have seen a year before the index time.
fn covered() -> Record {
    let coverage = vec![Period { start: Some(time("2020-01-01T00:00:00Z")), end: None }];
    Record { coverage, ..patient() }
}

#[test]
fn usual_records_suffice() {
    let bundle = bundle();
    let mut grades = [0_usize; 4];
    for subject in sample() {
        let known_after = &bundle.task().params().known_after;
        let built = History::build(&subject.record, bundle.concepts(), known_after).unwrap();
        let at = subject.label.as_ref().unwrap().prediction_time;
        let Ok(score) = score(&bundle, &built.history, at, 0) else { continue };
        let place = Sufficiency::ALL.iter().position(|grade| *grade == score.sufficiency).unwrap();
        grades[place] += 1;
        assert_eq!(score.probability.is_none(), score.sufficiency == Sufficiency::D);
    }
    eprintln!("A to D: {grades:?}");
    let all: usize = grades.iter().sum();
    assert!(all > 1_500 && grades[0] * 100 >= all * 95, "{grades:?}");
    assert!(grades[1] > 0, "the most unusual of the sample are told apart");
}

/// The shipped bundle as it would be, did 60% of the model's weight count earlier inpatient stays.
fn leaning_on_earlier_stays() -> Bundle {
    let files = shipped_files();
    let mut manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let is_it = |name: &str| name == "inpatient_stays_365d";
    let others = manifest.columns.iter().filter(|column| !is_it(&column.name));
    let scale = 0.4 / others.map(|column| column.weight).sum::<f64>();
    for column in &mut manifest.columns {
        column.weight = if is_it(&column.name) { 0.6 } else { scale * column.weight };
    }
    Bundle::open(&sealed(manifest, files).unwrap()).unwrap()
}

#[test]
fn a_record_that_begins_shortly_before_says_so() {
    let bundle = leaning_on_earlier_stays();
    let begins = |day: &str| {
        let mut record = covered();
        record.coverage[0].start = Some(time(day));
        scored(&bundle, &record, discharge())
    };
    let full = begins("2023-01-01T00:00:00Z");
    assert_eq!(full.sufficiency, Sufficiency::A, "{:?}", full.sufficiency_notes);
    // The visit in December is the earliest that is known.
    let short = begins("2024-01-01T00:00:00Z");
    assert_eq!(short.sufficiency, Sufficiency::C, "{:?}", short.sufficiency_notes);
    let note = &short.sufficiency_notes[0];
    assert!(note.contains("begins 72 days before the index time"), "{note}");
}

#[test]
fn a_patient_unlike_all_of_the_fit_is_told_apart() {
    let bundle = bundle();
    let mut unusual = covered();
    for week in 0..40 {
        let start = time("2023-04-01T09:00:00Z").plus_days(7 * week);
        let id = format!("earlier {week}");
        let end = Some(start.plus_days(2));
        unusual.encounters.push(Encounter::new(&id, EncounterClass::Inpatient, start, end));
    }
    let score = scored(&bundle, &unusual, discharge());
    let notes = score.sufficiency_notes.join("; ");
    assert!(score.sufficiency > Sufficiency::A, "{notes}");
    assert!(
        notes.contains("outside what the fit has seen: ") && notes.contains("inpatient"),
        "{notes}"
    );
}

#[test]
fn an_interval_holds_its_answer_and_is_there_for_every_answer() {
    let bundle = bundle();
    let score = scored(&bundle, &covered(), discharge());
    let [low, high] = score.interval.unwrap();
    let probability = score.probability.unwrap();
    assert!(0.0 < low && low <= probability && probability <= high && high < 1.0);
    assert!(low < high, "{low} to {high}");
    let without = crate::support::shipped();
    assert_eq!(without.interval(0.2).is_some(), without.manifest().interval.is_some());
}
