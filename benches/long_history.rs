//! What a long history costs: the whole road from a record to a score, for 10,000 and for 100,000
//! events. Ten times the events should cost little more than ten times the time.
//!
//! Rounds alternate, and the ratio of the medians is printed. `PRODROME_ROUNDS` says how often
//! (default 7).

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use std::path::Path;
use std::time::Instant;

use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, History, PartialDate, Record, Sex, Time,
    Value,
};
use prodrome::score::score;
use prodrome::{bundle::Bundle, registry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = registry::open(&root.join("models/readmit30_diabetes/1"), &[]).unwrap();
    let rounds = std::env::var("PRODROME_ROUNDS").ok().and_then(|text| text.parse().ok());
    let (short, long) = (record(10_000), record(100_000));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds.unwrap_or(7) {
        for (record, times) in [&short, &long].into_iter().zip(&mut times) {
            let began = Instant::now();
            walk(&bundle, record);
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [short, long] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    println!(
        "10,000 events: {short:.1} ms, 100,000 events: {long:.1} ms, {:.1} times",
        long / short
    );
}

fn walk(bundle: &Bundle, record: &Record) {
    let known_after = &bundle.task().params().known_after;
    let built = History::build(record, bundle.concepts(), known_after).unwrap();
    let end = record.encounters.last().unwrap().end.unwrap();
    assert!(score(bundle, &built.history, end, 5).unwrap().probability.is_some());
}

/// Stays of ten days, each with 100 events of several kinds, in an order that is not that of time.
fn record(events: usize) -> Record {
    let begin = Time::parse("1950-01-01T00:00:00Z").unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut record = Record {
        patient_id: "made up".to_owned(),
        birth_date: PartialDate::parse("1930-01-01"),
        sex: Sex::Male,
        ..Record::default()
    };
    let problem = Code::parse("ICD10CM//E11.9").unwrap();
    record.events.push(Event::new(EventKind::Problem, problem, begin));
    for stay in 0..events / 100 {
        let start = begin.plus_days(stay as i64 * 20);
        let id = format!("stay-{stay}");
        let end = Some(start.plus_days(10));
        record.encounters.push(Encounter::new(&id, EncounterClass::Inpatient, start, end));
        for place in 0..100 {
            let (kind, code) = match place % 4 {
                0 => (EventKind::Diagnosis, format!("ICD10CM//I{:02}", random.u32(10..80))),
                1 => (EventKind::DrugOrder, format!("RXNORM//{}", random.u32(1_000..9_000))),
                _ => (EventKind::Measurement, "LOINC//2345-7".to_owned()),
            };
            let at = start.plus_hours(random.i64(0..240));
            let mut event = Event::new(kind, Code::parse(&code).unwrap(), at);
            if kind == EventKind::Measurement {
                event.value = Some(Value::Number(random.f64() * 300.0 + 60.0));
                event.unit = Some("mg/dL".to_owned());
            }
            event.encounter_id = Some(id.clone());
            record.events.push(event);
        }
    }
    random.shuffle(&mut record.events);
    record
}
