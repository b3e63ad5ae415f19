//! Trends, drugs and counts that a source sends: what a task file may ask, and what becomes of it.

use prodrome::feature::{Facts, Spec, extract};
use prodrome::record::{
    Code, Encounter, EncounterClass, Event, EventKind, History, KnownAfter, Record, Time, Value,
};

use super::SpecFile;
use crate::support::{concepts, time};

fn checked(features: &str) -> Result<Spec, String> {
    let file: SpecFile = toml::from_str(features).map_err(|error| error.to_string())?;
    Spec::check(&file.feature, &concepts()).map_err(|error| error.to_string())
}

fn feature(from: &str) -> String {
    format!("[[feature]]\nname = \"x\"\ntext = \"{{value}}\"\nfrom.{from}\n")
}

fn extracted(record: &Record, spec: &Spec, at: Time) -> Facts {
    let built = History::build(record, &concepts(), &KnownAfter::default()).unwrap();
    extract(&built.history.view(at), spec, true)
}

#[test]
fn a_feature_that_cannot_be_meant_is_refused() {
    let measured = |rest: &str| {
        feature(&format!("measurement = {{ concept = \"glucose\", window = \"ever\", {rest} }}"))
    };
    let drugs = |rest: &str| {
        feature(&format!("drug_changes = {{ concepts = [\"drug_insulin\"], {rest} }}"))
    };
    let cases = [
        (measured("aggregate = [\"slope_per_year\", \"last\"]"), "slope_per_year needs a feature"),
        (measured("aggregate = [\"last\", \"change\"]"), "change needs a feature of its own"),
        (measured("aggregate = [\"sd\"], cuts = [7]"), "sd of bands says nothing"),
        (measured("aggregate = [\"slopes\"]"), "unknown variant `slopes`"),
        (drugs("change = \"started\", recent_days = 30, before_days = 0"), "1 to 36525 days"),
        (drugs("change = \"started\", recent_days = 0, before_days = 9"), "1 to 36525 days"),
        (drugs("change = \"begun\", recent_days = 9, before_days = 9"), "unknown variant `begun`"),
        (
            feature("encounters = { classes = [\"IMP\"], window_days = 9, sent_as = \"earlier\" }"),
            "no concept `earlier`",
        ),
    ];
    for (text, expected) in cases {
        let error = checked(&text).unwrap_err();
        assert!(error.contains(expected), "{text}{error}");
    }
}

fn stay(id: &str, start: Time, days: i64) -> Encounter {
    Encounter::new(id, EncounterClass::Inpatient, start, Some(start.plus_days(days)))
}

#[test]
fn a_count_that_is_sent_goes_before_the_stays_of_the_record() {
    let from = "encounters = { classes = [\"IMP\"], window_days = 3653, sent_as = \"earlier_stays_in_source\" }";
    let spec = checked(&feature(from)).unwrap();
    let t0 = time("2024-05-06T12:00:00Z");
    let mut record = Record { patient_id: "p".into(), ..Record::default() };
    record.encounters.push(stay("index", t0.plus_days(-6), 6));
    let value = |record: &Record| extracted(record, &spec, t0).values[0];
    assert!(value(&record).is_nan(), "nothing shows that an earlier stay would be there");
    for (id, back) in [("a", 400), ("b", 3_000), ("c", 5_000)] {
        record.encounters.push(stay(id, t0.plus_days(-back), 3));
    }
    assert_eq!(value(&record), 2.0);

    let mut count = |at: Time, number: f64| {
        let code = Code::parse("D130//earlier_rows").unwrap();
        let mut event = Event::new(EventKind::Measurement, code, at);
        event.value = Some(Value::Number(number));
        event.unit = Some("{count}".into());
        record.events.push(event);
        value(&record)
    };
    assert_eq!(count(t0.plus_days(1), 9.0), 2.0, "sent after the index time");
    assert_eq!(count(t0.plus_days(-3_000), 1.0), 2.0, "sent for an earlier stay");
    assert_eq!(count(t0.plus_days(-6), 4.0), 4.0, "sent at admission");
}

#[test]
fn procedures_and_drugs_can_be_learned_from() {
    let learned = |name: &str, of: &str| {
        format!(
            "[[feature]]\nname = \"{name}\"\ntext = \"{{level}}\"\nfrom.learned = {{ of = \"{of}\", \
             window = {{ days = 30 }}, codes_max = 9, patients_min = 11 }}\n"
        )
    };
    let spec = checked(&(learned("done", "procedure") + &learned("taken", "drug"))).unwrap();
    let t0 = time("2024-05-06T12:00:00Z");
    let mut record = Record { patient_id: "p".into(), ..Record::default() };
    let events = [
        (EventKind::Procedure, "CPT//93306", 3),
        (EventKind::Procedure, "CPT//71046", 31),
        (EventKind::DrugOrder, "ATC//A10AB05", 2),
        (EventKind::DrugGiven, "ATC//A10AB01", 1),
        (EventKind::DrugDispensed, "RXNORM//5856", 1),
        (EventKind::Measurement, "LOINC//718-7", 1),
    ];
    for (kind, code, back) in events {
        let at = t0.plus_days(-back);
        record.events.push(Event::new(kind, Code::parse(code).unwrap(), at));
    }
    let facts = extracted(&record, &spec, t0);
    let mut tokens: Vec<(usize, &str, usize)> =
        facts.tokens.iter().map(|t| (t.learned, t.text.as_str(), t.evidence.len())).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [(0, "CPT//93306", 1), (1, "ATC//A10AB", 2), (1, "RXNORM//5856", 1)]);
    assert_eq!(facts.learned_missing, [false, false]);
}
