//! Tables by mapping: what a row becomes, and that every row is accounted for.

mod faults;
mod parquet_file;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prodrome::import::{Counts, Mapping, Received, Subject};

use crate::support::read;
use prodrome::record::{
    Comparator, ConceptSet, Encounter, EncounterClass, Event, EventKind, History, KnownAfter, Sex,
    Time, Value,
};
use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn mapping() -> Mapping {
    let path = root().join("models/readmit30_diabetes/diabetes130.toml");
    Mapping::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The header and the first `rows` rows of the sample.
fn sample_lines(rows: usize) -> Vec<String> {
    let text =
        fs::read_to_string(root().join("tests/data/diabetes130/diabetic_data.sample.csv")).unwrap();
    text.lines().take(rows + 1).map(str::to_owned).collect()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn read_all(folder: &Path, mapping: &Mapping) -> (Vec<Subject>, Counts) {
    let mut subjects = Vec::new();
    let counts = read(folder, mapping, |subject| {
        subjects.push(subject);
        Received::Used
    });
    let counts = counts.unwrap();
    let skipped: u64 = counts.skipped().values().sum();
    assert_eq!(counts.read(), counts.used() + skipped + counts.quarantined());
    assert_eq!(counts.used(), subjects.len() as u64);
    (subjects, counts)
}

/// Reads one CSV file of these bytes: subjects, and `line column: reason` of what is quarantined.
fn read_bytes(bytes: &[u8]) -> (Vec<Subject>, Counts, Vec<String>) {
    let folder = folder(&[("diabetic_data.csv", bytes)]);
    let (subjects, counts) = read_all(folder.path(), &mapping());
    let place = |row: &prodrome::import::Quarantined| {
        assert_eq!(row.file, "diabetic_data.csv");
        let column = row.column.as_deref().map(|column| format!(" {column}")).unwrap_or_default();
        format!("{}{column}: {}", row.line, row.reason)
    };
    let examples = counts.examples().iter().map(place).collect();
    (subjects, counts, examples)
}

/// `line` with the cell under `column` replaced.
fn with_cell(lines: &[String], row: usize, column: &str, cell: &str) -> String {
    let place = lines[0].split(',').position(|name| name == column).unwrap();
    let cells = lines[row].split(',').enumerate();
    cells.map(|(at, old)| if at == place { cell } else { old }).collect::<Vec<_>>().join(",")
}

fn joined(lines: &[String]) -> Vec<u8> {
    (lines.join("\n") + "\n").into_bytes()
}

fn skipped(kinds: &[(&str, u64)]) -> BTreeMap<String, u64> {
    kinds.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

#[test]
fn the_sample_reads_whole_and_every_record_becomes_a_history() {
    let concepts = ConceptSet::default();
    let folder = root().join("tests/data/diabetes130");
    let text = fs::read_to_string(root().join("models/readmit30_diabetes/diabetes130.toml"));
    let text = text.unwrap();
    let (mut positive, mut groups) = (0, std::collections::BTreeSet::new());
    let counts = read(&folder, &Mapping::parse(&text).unwrap(), |subject| {
        let built = History::build(&subject.record, &concepts, &KnownAfter::default()).unwrap();
        assert!(built.issues.is_empty(), "line {}: {:?}", subject.line, built.issues);
        positive += usize::from(subject.label.unwrap().boolean_value);
        groups.insert(subject.group);
        Received::Used
    });
    let counts = counts.unwrap();
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (2_000, 2_000, 0));
    assert_eq!((positive, groups.len()), (240, 1_397));
}

/// A subject read from one row with cells that are known.
fn known_subject() -> Subject {
    let lines = sample_lines(1);
    let cells = [
        ("encounter_id", "149190"),
        ("patient_nbr", "55629189"),
        ("race", "?"),
        ("gender", "Female"),
        ("age", "[50-60)"),
        ("admission_type_id", "7"),
        ("admission_source_id", "10"),
        ("discharge_disposition_id", "22"),
        ("time_in_hospital", "3"),
        ("payer_code", "MC"),
        ("medical_specialty", "?"),
        ("num_medications", "18"),
        ("number_outpatient", "0"),
        ("number_emergency", "1"),
        ("number_inpatient", "2"),
        ("diag_1", "250.13"),
        ("diag_2", "V57"),
        ("diag_3", "?"),
        ("max_glu_serum", "None"),
        ("A1Cresult", ">8"),
        ("insulin", "Down"),
        ("metformin", "No"),
        ("readmitted", "<30"),
    ];
    let mut rows = lines.clone();
    for (column, cell) in cells {
        rows[1] = with_cell(&rows, 1, column, cell);
    }
    let (subjects, _, quarantined) = read_bytes(&joined(&rows));
    assert!(quarantined.is_empty(), "{quarantined:?}");
    subjects.into_iter().next().unwrap()
}

#[test]
fn one_row_becomes_a_subject_with_one_stay() {
    let Subject { subject_id, source_id, group, record, label, line, .. } = &known_subject();
    assert_eq!((*subject_id, source_id.as_str(), group.as_str()), (149_190, "149190", "55629189"));
    let index_time = Time::parse("2005-01-01T12:00:00Z").unwrap();
    let label = label.unwrap();
    assert_eq!((label.prediction_time, label.boolean_value, *line), (index_time, true, 2));
    assert_eq!(record.sex, Sex::Female);
    assert_eq!(record.birth_date.unwrap().to_string(), "1950");
    assert_eq!(record.coverage[0].start, Some(index_time.plus_days(-365)));
    assert_eq!(record.coverage[0].end, Some(index_time));
    assert_eq!(record.audit_attributes.race, None);
    assert_eq!(record.audit_attributes.insurance.as_deref(), Some("MC"));

    let stay = record.encounters.iter().find(|encounter| !encounter.synthetic).unwrap();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!((stay.start, stay.end), (index_time.plus_days(-3), Some(index_time)));
    assert_eq!(text(&stay.admission_type), "5");
    assert_eq!(text(&stay.admission_source), "A");
    assert_eq!(text(&stay.discharge_disposition), "62");
    assert_eq!(stay.service, None);
    let past = |class| record.encounters.iter().filter(move |e| e.synthetic && e.class == class);
    assert_eq!(past(EncounterClass::Emergency).count(), 1);
    assert_eq!(past(EncounterClass::Inpatient).count(), 2);
}

#[test]
fn the_cells_of_one_row_become_its_events() {
    let record = known_subject().record;
    let index_time = Time::parse("2005-01-01T12:00:00Z").unwrap();
    let stay = record.encounters.last().unwrap();
    let event = |code: &str| record.events.iter().find(|event| event.code.to_string() == code);
    let principal = event("ICD9CM//25013").unwrap();
    assert_eq!((principal.kind, principal.rank), (EventKind::Diagnosis, Some(1)));
    assert_eq!(principal.time, Some(index_time));
    assert_eq!(event("ICD9CM//V57").unwrap().rank, Some(2));
    let medications = event("D130//num_medications").unwrap();
    assert_eq!(medications.value, Some(Value::Number(18.0)));
    assert_eq!(medications.unit.as_deref(), Some("{count}"));
    let hba1c = event("LOINC//4548-4").unwrap();
    assert_eq!(
        (&hba1c.value, hba1c.comparator),
        (&Some(Value::Number(8.0)), Some(Comparator::Greater))
    );
    assert_eq!(event("LOINC//2345-7"), None);
    let insulin = event("D130//insulin").unwrap();
    assert_eq!(
        (insulin.kind, &insulin.value),
        (EventKind::DrugOrder, &Some(Value::Coded("down".into())))
    );
    assert_eq!((insulin.time, insulin.unit.as_deref()), (Some(stay.start), None));
    assert_eq!(event("D130//metformin"), None);
    assert_eq!(event("D130//diabetes_stay").unwrap().kind, EventKind::Problem);
    let in_stay = |event: &Event| event.encounter_id.as_deref() == Some("149190");
    assert!(record.events.iter().all(in_stay));
}

#[test]
fn earlier_encounters_lie_where_the_rule_puts_them() {
    let index_time = Time::parse("2005-01-01T12:00:00Z").unwrap();
    for (count, days) in [(1, 1), (2, 1), (40, 1), (1, 14), (2, 14), (40, 14), (366, 14)] {
        let mut rows = sample_lines(1);
        let zero = ["number_outpatient", "number_emergency"].map(|column| (column, "0".to_owned()));
        let asked =
            [("number_inpatient", count.to_string()), ("time_in_hospital", days.to_string())];
        for (column, cell) in zero.iter().chain(&asked) {
            rows[1] = with_cell(&rows, 1, column, cell);
        }
        let (subjects, _, quarantined) = read_bytes(&joined(&rows));
        assert!(quarantined.is_empty(), "{quarantined:?}");
        let past: Vec<&Encounter> =
            subjects[0].record.encounters.iter().filter(|e| e.synthetic).collect();
        assert_eq!(past.len(), count);
        let ids: std::collections::BTreeSet<&str> = past.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids.len(), count, "ids are unique");
        for (i, encounter) in past.iter().enumerate() {
            let part = (i as f64 + 0.5) * (334 - days) as f64 / count as f64;
            let back = days + 31 + part.floor() as i64;
            assert!(back < 365, "inside the year");
            assert_eq!(encounter.start, index_time.plus_days(-back), "{i} of {count}, {days} days");
            assert_eq!(encounter.end, Some(encounter.start.plus_hours(1)));
        }
    }
    let mut rows = sample_lines(2);
    rows[1] = with_cell(&rows, 1, "number_emergency", "367");
    rows[2] = with_cell(&rows, 2, "number_emergency", "1");
    rows[2] = with_cell(&rows, 2, "time_in_hospital", "334");
    let (_, _, quarantined) = read_bytes(&joined(&rows));
    let room = "a stay so long leaves no room for encounters in the year before";
    let expected = [
        "2 number_emergency: not a whole number from 0 to 366".to_owned(),
        format!("3 time_in_hospital: {room}"),
    ];
    assert_eq!(quarantined, expected);
}

/// For each stay of `subjects` the count of earlier rows that its record holds, when it was known.
fn earlier_rows(subjects: &[Subject]) -> BTreeMap<&str, f64> {
    let each = subjects.iter().map(|subject| {
        let record = &subject.record;
        let is_count = |event: &&Event| event.code.to_string() == "D130//earlier_rows";
        let counts: Vec<&Event> = record.events.iter().filter(is_count).collect();
        let [count] = counts[..] else { panic!("one count in each record") };
        assert_eq!(count.time, Some(record.encounters.last().unwrap().start));
        assert_eq!(count.kind, EventKind::Measurement);
        let Some(Value::Number(number)) = count.value else { panic!("a number") };
        (subject.source_id.as_str(), number)
    });
    each.collect()
}

#[test]
fn earlier_rows_of_a_person_are_counted_and_later_ones_and_their_outcomes_are_not_seen() {
    let mut lines = sample_lines(2_000);
    let (subjects, _, _) = read_bytes(&joined(&lines));
    let counted = earlier_rows(&subjects);
    let id = |subject: &Subject| subject.source_id.parse::<u64>().unwrap();
    for subject in &subjects {
        let mut others = subjects.iter().filter(|other| other.group == subject.group);
        let before = others.by_ref().filter(|other| id(other) < id(subject)).count();
        assert_eq!(counted[subject.source_id.as_str()], before as f64);
    }
    assert!(counted.values().filter(|count| **count > 1.0).count() > 100);

    // The order of the file says nothing; neither does a row that stands twice, nor any outcome.
    let header = lines.remove(0);
    lines.reverse();
    let turned: Vec<String> = lines.iter().map(|line| line.replace("<30", "NO")).collect();
    let again = [std::slice::from_ref(&header), &turned, &turned[..500]].concat();
    let (turned, counts, _) = read_bytes(&joined(&again));
    assert_eq!(counts.quarantined(), 500);
    assert_eq!(earlier_rows(&turned), counted);

    // What comes later can be left away: the first rows of each person keep their counts.
    let mut firsts: Vec<&String> = lines.iter().collect();
    let place = |line: &str| line.split(',').next().unwrap().parse::<u64>().unwrap();
    firsts.sort_by_key(|line| place(line));
    firsts.truncate(1_000);
    let firsts: Vec<String> = std::iter::once(&header).chain(firsts).cloned().collect();
    let (subjects, _, _) = read_bytes(&joined(&firsts));
    assert_eq!(subjects.len(), 1_000);
    assert!(earlier_rows(&subjects).iter().all(|(id, count)| counted[id] == *count));
}

#[test]
fn a_row_without_a_place_in_the_order_is_named_and_no_row_is_behind_it() {
    let mut rows = sample_lines(2);
    let group = rows[1].split(',').nth(1).unwrap().to_owned();
    rows[2] = with_cell(&rows, 2, "patient_nbr", &group);
    rows[1] = with_cell(&rows, 1, "encounter_id", "first");
    let (subjects, _, quarantined) = read_bytes(&joined(&rows));
    assert_eq!(quarantined, ["2 encounter_id: not a whole number that rows can be ordered by"]);
    assert_eq!(earlier_rows(&subjects).into_values().collect::<Vec<_>>(), [0.0]);
}

#[test]
fn a_file_without_outcomes_is_read_and_its_subjects_have_no_label() {
    let cut = |line: &String| line.rsplit_once(',').unwrap().0.to_owned();
    let rows: Vec<String> = sample_lines(4).iter().map(cut).collect();
    let (subjects, _, quarantined) = read_bytes(&joined(&rows));
    assert_eq!((subjects.len(), quarantined.len()), (4, 0));
    assert!(subjects.iter().all(|subject| subject.label.is_none()));
}

#[test]
fn the_receiver_of_a_subject_has_a_say_in_the_counts() {
    let folder = folder(&[("diabetic_data.csv", &joined(&sample_lines(3)))]);
    let mut outcomes = vec![
        Received::Used,
        Received::Quarantined("events[3].time: outside the years 1800 to 2299".into()),
        Received::Skipped("died in the stay".into()),
    ];
    let counts = read(folder.path(), &mapping(), |_| outcomes.pop().unwrap()).unwrap();
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (3, 1, 1));
    assert_eq!(*counts.skipped(), skipped(&[("died in the stay", 1)]));
    assert_eq!(counts.examples()[0].line, 3);
}

#[test]
fn a_mapping_that_cannot_be_meant_is_refused_with_its_place() {
    let path = root().join("models/readmit30_diabetes/diabetes130.toml");
    let text = fs::read_to_string(path).unwrap();
    let cases = [
        ("coverage_days = 365", "coverage_day = 365", "did you mean `coverage_days`?"),
        ("coverage_days = 365", "coverage_days = 0", "coverage_days: must be 1 to 36525"),
        ("[\"?\", \"\"]", "[\"?\", \"Norm\"]", "event[5]: `Norm` stands in `missing` as well"),
        ("[\"NO\", \">30\"]", "[\"NO\", \"<30\"]", "label: `<30` is listed twice"),
        ("diabetic_data*", "../x*", "files: must be a file name"),
        ("2005-01-01T12:00:00Z", "2005-01-01", "anchor.time: not an instant"),
        ("class = \"IMP\"\nid", "class = \"AMB\"\nid", "stay.class: must be a hospital stay"),
        (
            "number_emergency\"",
            "number_inpatient\"",
            "earlier.count: `number_inpatient` is counted",
        ),
        ("ICD9CM//{diag_1}", "ICD9CM//{diag_1", "event[1]: `ICD9CM//{diag_1`: a brace"),
        ("ICD9CM//{diag_1}", "{diag_1}", "event[1]: `{diag_1}` is not SYSTEM//code"),
        ("rank = 1", "rank = 0", "event[1]: ranks begin at 1"),
        ("Female = \"female\"", "Female = \"f\"", "subject.sex: `f` is not female"),
        ("comparator = \"<\"", "comparator = \"=\"", "event[5]: a comparator is"),
        ("kind = \"problem\"", "kind = \"problems\"", "did you mean `problem`?"),
        ("group = \"patient_nbr\"", "", "subject.earlier_rows_by: needs `group`"),
        ("earlier_rows_by =", "earlier_row_by =", "did you mean `earlier_rows_by`?"),
        ("earlier_rows_by = \"encounter_id\"", "", "needs `subject.earlier_rows_by`"),
        ("value = \"earlier_rows\"\nunit = \"{count}\"", "", "needs an event with `value"),
        (
            "value = \"earlier_rows\"",
            "value = \"earlier_rows\"\ncolumns = [\"insulin\"]",
            "reads no cell: leave out `columns`",
        ),
    ];
    for (old, new, expected) in cases {
        assert!(text.contains(old), "{old}");
        let error = Mapping::parse(&text.replacen(old, new, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{new}: {error}");
    }
}

#[test]
fn the_whole_table_reads_without_loss() {
    let data =
        std::env::var_os("PRODROME_DATA").map_or(root().join("../shared/data"), PathBuf::from);
    let folder = data.join("diabetes130");
    if !folder.is_dir() {
        eprintln!("skipped: the full table is not there (set PRODROME_DATA to its folder)");
        return;
    }
    let (mut positive, mut groups) = (0, std::collections::HashSet::new());
    let counts = read(&folder, &mapping(), |subject| {
        positive += u64::from(subject.label.unwrap().boolean_value);
        groups.insert(subject.group);
        Received::Used
    });
    let counts = counts.unwrap();
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (76_391, 76_390, 0));
    assert_eq!(*counts.skipped(), skipped(&[("unknown gender", 1)]));
    assert_eq!(positive, 8_531);
    assert_eq!(groups.len(), 53_563);
}
