//! Any text as the unit of a measurement, by the road that imports and requests take.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use prodrome::record::{Code, ConceptSet, Event, EventKind, History, Record, Time, Value};

const CONCEPTS: &str = include_str!("../../../models/concepts.toml");

fuzz_target!(|given: (f64, &str)| {
    static KNOWN: OnceLock<ConceptSet> = OnceLock::new();
    let concepts = KNOWN.get_or_init(|| ConceptSet::parse(CONCEPTS).expect("the shipped concepts"));
    let (number, unit) = given;
    // A glucose, a creatinine, an HbA1c and a systolic pressure: their units convert differently.
    let events = ["2345-7", "2160-0", "4548-4", "8480-6"].map(|code| {
        let code = Code::new("LOINC", code);
        let mut event = Event::new(EventKind::Measurement, code, Time::from_micros(0));
        event.value = Some(Value::Number(number));
        event.unit = Some(unit.to_owned());
        event
    });
    let record = Record { patient_id: "p".into(), events: events.into(), ..Record::default() };
    let _ = History::build(&record, concepts, &Default::default());
});
