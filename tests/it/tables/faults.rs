//! Faulty tables and mappings: what is quarantined and under which words, which faults end a run, and
//! that no value of a cell stands in a reason.

use std::fs;

use prodrome::import::{Export, ImportError, Mapping, Meter, Received};
use prodrome::record::{EventKind, TimePrecision, Value};
use proptest::prelude::*;

use super::{folder, read, read_in, shipped};
use crate::support::root;

const MAPPING: &str = r#"
kind = "tables"
missing = ["NA"]
source = { title = "t" }

[[lookup]]
name = "unit"
files = "unit.csv"
key = "id"
values = ["stay_start", "person"]
optional = true

[[table]]
files = "person.csv"
subject = "id"
[table.person]
birth = { date = { from = "born", formats = ["%d.%m.%Y"] } }
sex = { from = "sex", values = { f = "female" } }
death_time = { from = "died", clock = "died_at" }

[[table]]
files = "event.csv"
subject = "id"
optional = true
optional_columns = ["rank"]
[[table.event]]
kind = { from = "kind", values = { lab = "measurement" } }
code = "LOCAL//{code}"
time = { offset = "minutes", unit = "minutes", since = "unit -> unit.stay_start" }
number = "number"
text = "number"
comparator = { from = "sign" }
rank = "rank"
"#;

const PERSON: &str = "id,born,sex,died,died_at\n1,01.02.1950,f,2020-03-04 00:00:00,10:30\n";
const UNIT: &str = "id,stay_start,person\nu1,2020-01-01 00:00:00,1\nu1,2021-01-01,1\n,x,y\n";
const EVENT: &str = "id,kind,code,minutes,unit,number,sign\n";

fn mapping() -> Mapping {
    Mapping::parse(MAPPING).unwrap()
}

#[test]
fn offsets_run_from_a_time_in_a_lookup_and_clocks_join_their_date() {
    let events = format!("{EVENT}1,lab,x,90,u1,5,<\n1,lab,y,-60,u1,high,\n");
    let files = [("person.csv", PERSON), ("UNIT.csv", UNIT), ("Event.CSV", &events)];
    let (subjects, counts) = read_in("Europe/Berlin", folder(&files).path(), &mapping());
    let record = &subjects[0].record;
    assert_eq!(record.birth_date.unwrap().to_string(), "1950-02-01");
    assert_eq!(record.death_time.unwrap().to_string(), "2020-03-04T09:30:00Z");
    let event = |code: &str| record.events.iter().find(|event| event.code.code == code).unwrap();
    let (x, y) = (event("x"), event("y"));
    assert_eq!(x.time.unwrap().to_string(), "2020-01-01T00:30:00Z");
    assert_eq!(y.time.unwrap().to_string(), "2019-12-31T22:00:00Z");
    assert_eq!((x.kind, x.time_precision), (EventKind::Measurement, TimePrecision::Instant));
    assert_eq!(x.value, Some(Value::Number(5.0)));
    assert_eq!(y.value, Some(Value::Text("high".to_owned())), "what is no number is a text");
    assert_eq!(counts.issues()["Observation.number: not a number"], 1);
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (6, 5, 1), "the key missing");
}

#[test]
fn a_bad_cell_costs_its_field_or_its_row_and_is_never_repeated() {
    let person = "id,born,sex,died,died_at\n1,SECRET,SECRET,SECRET,\n,01.02.1950,f,,\n\n";
    let bad = [
        ("1,SECRET,x,1,u1,1,", "kind: a value that the mapping does not list"),
        ("1,lab,x,SECRET,u1,1,", "minutes: not an offset"),
        ("1,lab,x,1e30,u1,1,", "minutes: not an offset"),
        ("1,lab,x,1,SECRET,1,", "minutes: missing"),
        ("1,lab,x,NA,u1,1,", "minutes: missing"),
        ("1,lab,x,1,u1,1,SECRET", "sign: a value that the mapping does not list"),
        ("NA,lab,x,1,u1,1,", "id: missing"),
        ("1,lab,SECRET\u{7},1,u1,1,", "code: holds a control character or a line break"),
        ("1,lab,x,1", ": 4 columns, where the header has 7"),
    ];
    let rows: Vec<&str> = bad.iter().map(|(row, _)| *row).chain(["1,lab,,1,u1,1,"]).collect();
    let events = format!("{EVENT}{}\n", rows.join("\n"));
    let files = [("person.csv", person), ("unit.csv", UNIT), ("event.csv", &events)];
    let (_, counts) = read(folder(&files).path(), &mapping());
    let place = |row: &prodrome::import::Quarantined| {
        let column = row.column.clone().unwrap_or_default();
        format!("{} {} {column}: {}", row.file, row.line, row.reason)
    };
    let found: Vec<String> = counts.examples().iter().map(place).collect();
    let expected = bad.iter().enumerate();
    for (at, (_, reason)) in expected {
        let column = if reason.starts_with(':') { " " } else { "" };
        let line = format!("event.csv {} {column}{}", at + 2, reason.trim_start_matches(' '));
        assert!(found.contains(&line.replace("  ", " ")), "{line} in {found:#?}");
    }
    assert!(found.contains(&"person.csv 3 id: missing".to_owned()), "{found:#?}");
    assert_eq!(counts.skipped()["a row without a code"], 1);
    assert_eq!(counts.skipped()["blank line"], 1);
    let issues: Vec<&str> = counts.issues().keys().map(String::as_str).collect();
    let expected = [
        "Patient.born: not a time in one of the formats",
        "Patient.died: not a time in one of the formats",
        "Patient.sex: a value that the mapping does not list",
    ];
    assert_eq!(issues, expected);
    assert!(!format!("{counts:?}").contains("SECRET"), "a value leaked");
}

#[test]
fn missing_files_and_columns_are_named() {
    let error = |files: &[(&str, &str)]| -> String {
        let folder = folder(files);
        let export = Export { mapping: Some(mapping()), ..Export::new(folder.path()) };
        let error = export.read(&Meter::default(), |_| Received::Used).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    assert_eq!(error(&[("event.csv", EVENT)]), "DIR: no file is named like `person.csv`");
    let typo = PERSON.replace("born", "borne");
    let expected = "person.csv: no column is called `born`; the nearest is `borne`";
    assert_eq!(error(&[("person.csv", &typo)]), expected);
    let twice = PERSON.replace("sex", "BORN");
    assert_eq!(
        error(&[("person.csv", &twice)]),
        "person.csv: more than one column is called `born`"
    );
    let (_, counts) = read(folder(&[("person.csv", PERSON)]).path(), &mapping());
    assert_eq!(counts.issues()["no file is named like `event.csv`"], 1);
    assert_eq!(counts.issues()["no file is named like `unit.csv`"], 1);
}

#[test]
fn a_faulty_mapping_is_answered_with_the_place_and_the_nearest_name() {
    let error = |from: &str, to: &str| {
        assert!(MAPPING.contains(from), "{from}");
        Mapping::parse(&MAPPING.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let cases = [
        ("subject = ", "subjct = ", "did you mean `subject`?"),
        ("number = \"number\"", "numbr = \"number\"", "did you mean `number`?"),
        ("values = { f =", "vals = { f =", "did you mean `values`?"),
        ("unit.stay_start", "unit.stay_begin", "lookup `unit` has no value `stay_begin`"),
        ("unit.stay_start", "unt.stay_start", "did you mean `unit`?"),
        ("LOCAL//{code}", "{code}", "table[1].event[0].code: `{code}` is not SYSTEM//code"),
        ("LOCAL//{code}", "LOCAL//{code", "a brace is not closed"),
        ("%d.%m.%Y", "%d.%m", "table[0].person.birth.date.formats: `%d.%m` is neither"),
        ("\"female\"", "\"woman\"", "table[0].person.sex: `woman` is no such value"),
        ("\"measurement\"", "\"lab\"", "table[1].event[0].kind: `lab` is no such value"),
        ("unit = \"minutes\", ", "", "table[1].event[0].time: needs cells"),
        ("[\"rank\"]", "[\"rnk\"]", "`rnk` is read by no rule of this table"),
        (
            "files = \"person.csv\"",
            "files = \"../person.csv\"",
            "table[0].files: must be a file name",
        ),
        (
            "kind = { from = \"kind\", values = { lab = \"measurement\" } }",
            "kind = {}",
            "needs `from`",
        ),
        ("name = \"unit\"", "name = \"a.b\"", "lookup[0]: a name must not"),
    ];
    for (from, to, expected) in cases {
        let found = error(from, to);
        assert!(found.contains(expected), "{found}\nshould say: {expected}");
    }
    assert!(Mapping::parse("kind = \"tabels\"").unwrap_err().to_string().contains("tabels"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_cell_ends_in_a_panic_and_the_counts_always_add_up(
        changes in prop::collection::vec((0_usize..4_000, any::<u8>()), 1..30),
        file in 0_usize..4,
    ) {
        let data = root().join("tests/data/omop");
        let copy = tempfile::tempdir().unwrap();
        let name = ["PERSON.csv", "visit_occurrence.csv", "measurement.csv", "CONCEPT.csv"][file];
        for entry in fs::read_dir(&data).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if path.ends_with(name) {
                let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
                let room = bytes.len() - header;
                for (place, byte) in &changes {
                    bytes[header + place % room] = *byte;
                }
            }
            fs::write(copy.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        let mapping = shipped("omop54.toml");
        let export = Export { mapping: Some(mapping), ..Export::new(copy.path()) };
        match export.read(&Meter::default(), |_| Received::Used) {
            Ok(counts) => {
                let skipped: u64 = counts.skipped().values().sum();
                prop_assert_eq!(counts.read(), counts.used() + skipped + counts.quarantined());
            }
            Err(error) => prop_assert!(matches!(error, ImportError::Collision { .. }), "{}", error),
        }
    }
}
