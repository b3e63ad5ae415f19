//! MEDS exports: what rows become, that every row is accounted for, and the way out and back.

mod convert;
mod mimic;
mod parts;
mod sample;
mod splits;
mod wanted;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prodrome::import::{
    Column, ColumnType, Counts, Export, Mapping, Meter, ParquetWriter, Received, Subject,
};
use prodrome::record::{EncounterClass, EventKind, Sex, Time, Value};
use prodrome::train::Split;
use tempfile::TempDir;

use crate::support::time;

/// One row: subject, time, code, number, text, encounter.
pub(crate) type Row<'a> =
    (i64, Option<&'a str>, &'a str, Option<f32>, Option<&'a str>, Option<&'a str>);

/// Writes rows as one file of an export.
pub(crate) fn write(path: &Path, rows: &[Row<'_>], visit_column: Option<&str>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut columns = vec![
        ("subject_id", ColumnType::Integer),
        ("time", ColumnType::Time),
        ("code", ColumnType::Text),
        ("numeric_value", ColumnType::NullableFloat),
        ("text_value", ColumnType::Text),
    ];
    columns.extend(visit_column.map(|name| (name, ColumnType::Text)));
    let mut file = ParquetWriter::create(path, &columns).unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let times: Vec<Option<Time>> = rows.iter().map(|row| row.1.map(time)).collect();
    let codes: Vec<Option<&str>> =
        rows.iter().map(|row| Some(row.2).filter(|code| *code != "NULL")).collect();
    let numbers: Vec<Option<f32>> = rows.iter().map(|row| row.3).collect();
    let texts: Vec<Option<&str>> = rows.iter().map(|row| row.4).collect();
    let visits: Vec<Option<&str>> = rows.iter().map(|row| row.5).collect();
    let mut batch = vec![
        Column::Integer(&ids),
        Column::Time(&times),
        Column::Text(&codes),
        Column::NullableFloat(&numbers),
        Column::Text(&texts),
    ];
    batch.extend(visit_column.map(|_| Column::Text(&visits)));
    file.append(&batch).unwrap();
    file.finish().unwrap();
}

pub(crate) fn export(rows: &[Row<'_>], visit_column: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("data/0.parquet"), rows, visit_column);
    folder
}

/// Reads an export whole; every row is accounted for.
pub(crate) fn read(
    folder: &Path,
    mapping: Option<Mapping>,
) -> Result<(Vec<Subject>, Counts), String> {
    let mut subjects = Vec::new();
    let meter = Meter::default();
    let export = Export { mapping, ..Export::new(folder) };
    let counts = export.read(&meter, |subject| {
        subjects.push(subject);
        Received::Used
    });
    let counts = counts.map_err(|error| error.to_string())?;
    let skipped: u64 = counts.skipped().values().sum();
    assert_eq!(counts.read(), counts.used() + skipped + counts.quarantined());
    assert_eq!(meter.read_bytes(), meter.total_bytes());
    Ok((subjects, counts))
}

fn skipped(counts: &Counts) -> BTreeMap<&str, u64> {
    counts.skipped().iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}

const STAY: [Row<'static>; 14] = [
    (7, None, "GENDER//F", None, None, None),
    (7, None, "RACE//WHITE", None, None, None),
    (7, None, "EYES//BLUE", None, None, None),
    (7, Some("1950-03-04T00:00:00Z"), "MEDS_BIRTH", None, None, None),
    (7, Some("2020-01-01T08:00:00Z"), "ED_REGISTRATION", None, None, None),
    (7, Some("2020-01-01T12:00:00Z"), "ED_OUT", None, None, None),
    (
        7,
        Some("2020-01-01T11:00:00Z"),
        "HOSPITAL_ADMISSION//EW EMER.//EMERGENCY ROOM",
        None,
        None,
        None,
    ),
    (7, Some("2020-01-02T00:00:00Z"), "LAB//51237//UNK", Some(0.1), None, None),
    (7, Some("2020-01-02T01:00:00Z"), "LAB//50912//mg/dL", Some(1.5), None, None),
    (7, Some("2020-01-05T10:00:00Z"), "DIAGNOSIS//ICD//10//i50.9", None, None, None),
    (7, Some("2020-01-05T10:00:00Z"), "HOSPITAL_DISCHARGE//HOME", None, None, None),
    (7, Some("2020-03-01T00:00:00Z"), "RxNorm/5856", None, Some("as told"), None),
    (7, Some("2020-03-02T00:00:00Z"), "TRANSFER_TO//admit//Medicine", None, None, None),
    (7, Some("2021-01-01T00:00:00Z"), "MEDS_DEATH//hospital", None, None, None),
];

#[test]
fn rows_become_a_person_encounters_and_events() {
    let folder = export(&STAY, None);
    let (subjects, counts) = read(folder.path(), None).unwrap();
    assert_eq!((counts.read(), counts.used()), (14, 13));
    assert_eq!(skipped(&counts), [("a row without a time", 1)].into());
    let [Subject { subject_id, source_id, group, record, split, file, .. }] = subjects.as_slice()
    else {
        panic!("one subject")
    };
    assert_eq!((*subject_id, source_id.as_str(), group.as_str(), *split), (7, "7", "7", None));
    assert_eq!(&**file, "data/0.parquet");
    assert_eq!((record.sex, record.audit_attributes.race.as_deref()), (Sex::Female, Some("WHITE")));
    assert_eq!(record.birth_date.unwrap().to_string(), "1950-03-04");
    assert_eq!(record.death_time, Some(time("2021-01-01T00:00:00Z")));
    assert!(record.coverage.is_empty(), "MEDS says nothing of follow-up");

    let stay = record.encounters.iter().find(|e| e.class == EncounterClass::Inpatient).unwrap();
    assert_eq!(stay.end, Some(time("2020-01-05T10:00:00Z")));
    assert_eq!(stay.admission_type.as_deref(), Some("emergency"));
    assert_eq!(stay.admission_source.as_deref(), Some("emd"));
    assert_eq!((stay.discharge_disposition.as_deref(), stay.planned), (Some("home"), None));
    let visit = record.encounters.iter().find(|e| e.class == EncounterClass::Emergency).unwrap();
    assert_eq!(visit.end, Some(time("2020-01-01T12:00:00Z")));

    let event = |code: &str| record.events.iter().find(|e| e.code.to_string() == code).unwrap();
    let lab = event("LAB//51237");
    assert_eq!((lab.kind, lab.unit.as_deref()), (EventKind::Measurement, None));
    assert_eq!(lab.value, Some(Value::Number(f64::from(0.1_f32))), "widened exactly");
    assert_eq!(lab.encounter_id.as_ref(), Some(&stay.id), "the open stay at its time");
    assert_eq!(event("LAB//50912").unit.as_deref(), Some("mg/dL"));
    let diagnosis = event("ICD10CM//I509");
    assert_eq!(
        (diagnosis.kind, &diagnosis.encounter_id),
        (EventKind::Diagnosis, &Some(stay.id.clone()))
    );
    let drug = event("RXNORM//5856");
    assert_eq!(
        (drug.kind, &drug.value),
        (EventKind::DrugOrder, &Some(Value::Text("as told".into())))
    );
    assert_eq!(drug.encounter_id, None);
    assert_eq!(event("TRANSFER_TO//admit//Medicine").kind, EventKind::Other);
}

#[test]
fn starts_and_ends_are_paired_by_id_or_by_time() {
    let admission = "HOSPITAL_ADMISSION//ELECTIVE//X";
    let (out, day) = ("HOSPITAL_DISCHARGE//DIED", |n| format!("2020-01-{n:02}T00:00:00Z"));
    let days: Vec<String> = (1..20).map(day).collect();
    let row = |code, at: usize, visit| (1, Some(days[at].as_str()), code, None, None, visit);
    let mut rows = vec![
        row(out, 0, None),
        row(admission, 1, None),
        row(admission, 3, None),
        row(out, 4, None),
        row(admission, 6, None),
    ];
    // Rows within a subject need not be sorted.
    rows.reverse();
    let (subjects, counts) = read(export(&rows, None).path(), None).unwrap();
    let spans = |subjects: &[Subject]| -> Vec<(Time, Option<Time>)> {
        let mut spans: Vec<_> =
            subjects[0].record.encounters.iter().map(|e| (e.start, e.end)).collect();
        spans.sort();
        spans
    };
    let at = |n: usize| time(&days[n]);
    assert_eq!(spans(&subjects), [(at(3), Some(at(4))), (at(6), None)]);
    let kinds = [("a start without an end", 1), ("an end without a start", 1)];
    assert_eq!((skipped(&counts), counts.used()), (kinds.into(), 3));

    // A visit that ends before it starts is no open stay that takes in the next one.
    let reversed = [(admission, 5, "v1"), (out, 4, "v1"), (admission, 8, "v2"), (out, 9, "v2")];
    let rows = reversed.map(|(code, at, visit)| row(code, at, Some(visit)));
    let (subjects, counts) = read(export(&rows, Some("hadm_id")).path(), None).unwrap();
    assert_eq!(spans(&subjects), [(at(8), Some(at(9)))]);
    assert_eq!(skipped(&counts), [("a visit that ends before it starts", 2)].into());

    // A stay of no length, and one that begins when another ends.
    let touching = [(admission, 1), (out, 1), (admission, 2), (out, 3), (admission, 3), (out, 4)];
    let rows = touching.map(|(code, at)| row(code, at, None));
    let (subjects, _) = read(export(&rows, None).path(), None).unwrap();
    let expected = [(at(1), Some(at(1))), (at(2), Some(at(3))), (at(3), Some(at(4)))];
    assert_eq!(spans(&subjects), expected);

    let rows = [
        row(admission, 1, Some("a")),
        row(admission, 2, Some("b")),
        row(admission, 2, Some("b")),
        row("LOINC//8480-6", 3, Some("a")),
        row("LOINC//8480-6", 3, None),
        row("LOINC//8480-6", 3, Some("c")),
        row(out, 4, Some("a")),
        row(out, 5, Some("b")),
        row(out, 6, Some("b")),
    ];
    let (subjects, counts) = read(export(&rows, Some("hadm_id")).path(), None).unwrap();
    assert_eq!(spans(&subjects), [(at(1), Some(at(4))), (at(2), Some(at(6)))]);
    let of: Vec<_> = subjects[0].record.events.iter().map(|e| e.encounter_id.as_deref()).collect();
    assert_eq!(of, [Some("a"), None, None], "an id that names no encounter is left out");
    let kinds = [("a second start of a visit", 1), ("an earlier end of a visit", 1)];
    assert_eq!(skipped(&counts), kinds.into());
}

#[test]
fn bad_rows_are_quarantined_by_place_and_never_by_value() {
    let rows = [
        (1, Some("2020-01-01T00:00:00Z"), "A//secret", Some(1.0), None, None),
        (1, Some("2020-01-01T00:00:00Z"), "NULL", None, None, None),
        (1, Some("2020-01-01T00:00:00Z"), " ", None, None, None),
        (1, Some("1799-12-31T00:00:00Z"), "A//secret", None, None, None),
        (1, Some("2300-01-01T00:00:00Z"), "A//secret", None, None, None),
        (1, Some("2020-01-01T00:00:00Z"), "A//secret", Some(f32::INFINITY), None, None),
        (1, Some("2020-01-01T00:00:00Z"), "A//secret", Some(f32::NAN), None, None),
    ];
    let (subjects, counts) = read(export(&rows, None).path(), None).unwrap();
    assert_eq!((counts.read(), counts.used(), counts.quarantined()), (7, 1, 6));
    assert_eq!(subjects[0].record.events[0].code.to_string(), "A//secret");
    let told: Vec<String> = counts.warnings();
    assert_eq!(told[0], "data/0.parquet line 2 column code: missing");
    assert_eq!(told[2], "data/0.parquet line 4 column time: outside the years 1800 to 2299");
    assert_eq!(told[5], "data/0.parquet line 7 column numeric_value: not a finite number");
    assert!(told.iter().all(|line| !line.contains("secret")));
}

#[test]
fn a_subject_in_two_places_ends_the_import_with_the_mend() {
    let row = |id| (id, Some("2020-01-01T00:00:00Z"), "A//b", None, None, None);
    let error = read(export(&[row(1), row(2), row(1)], None).path(), None).unwrap_err();
    assert!(error.starts_with("data/0.parquet row 3: this subject has rows before"), "{error}");
    assert!(error.contains("sort by subject_id and time, and keep each subject in one file"));
    let folder = export(&[row(1)], None);
    write(&folder.path().join("data/train/1.parquet"), &[row(1)], None);
    let error = read(folder.path(), None).unwrap_err();
    assert!(error.starts_with("data/train/1.parquet row 1: "), "{error}");
}

#[test]
fn parents_and_splits_come_from_the_metadata() {
    let at = Some("2020-01-01T00:00:00Z");
    let rows: Vec<Row<'_>> = (1..=4)
        .flat_map(|id| {
            [(id, at, "LAB//1", None, None, None), (id, at, "HOME//x", None, None, None)]
        })
        .collect();
    let folder = export(&rows, None);
    let metadata = folder.path().join("metadata");
    fs::create_dir_all(&metadata).unwrap();
    let codes = crate::support::root().join("tests/data/meds/codes.parquet");
    fs::copy(codes, metadata.join("codes.parquet")).unwrap();
    let columns = [("subject_id", ColumnType::Integer), ("split", ColumnType::Text)];
    let splits = |names: [Option<&str>; 3]| {
        let path = metadata.join("subject_splits.parquet");
        let mut file = ParquetWriter::create(&path, &columns).unwrap();
        file.append(&[Column::Integer(&[1, 2, 3]), Column::Text(&names)]).unwrap();
        file.finish().unwrap();
    };
    splits([Some("train"), Some("tuning"), Some("held_out")]);
    let (subjects, counts) = read(folder.path(), None).unwrap();
    let codes: Vec<String> =
        subjects[0].record.events.iter().map(|e| format!("{} {:?}", e.code, e.kind)).collect();
    assert_eq!(codes, ["LOINC//2160-0 Measurement", "SNOMED//44054006 Diagnosis"]);
    let parts: Vec<_> = subjects.iter().map(|subject| subject.split.unwrap()).collect();
    assert_eq!(parts, [Split::Train, Split::Tuning, Split::HeldOut, Split::Train]);
    assert_eq!(counts.issues().values().sum::<u64>(), 1, "one subject without a split");
    splits([Some("train"), Some("test"), None]);
    let error = read(folder.path(), None).unwrap_err();
    assert!(error.ends_with("column `split` must hold train, tuning or held_out"), "{error}");
}

#[test]
fn a_convention_of_ones_own_replaces_the_built_in_one() {
    let path = crate::support::root().join("models/mappings/meds.toml");
    let text = fs::read_to_string(path).unwrap();
    let own = text
        .replace("HOSPITAL_ADMISSION//{type}//{source}", "IN//{source}//{type}")
        .replace("\"none\"", "\"first_to_last_event\"");
    let mapping = Mapping::parse(&own).unwrap();
    let rows = [
        (1, Some("2020-01-01T00:00:00Z"), "IN//CLINIC REFERRAL//URGENT", None, None, None),
        (1, Some("2020-01-03T00:00:00Z"), "HOSPITAL_DISCHARGE//REHAB", None, None, None),
    ];
    let (subjects, _) = read(export(&rows, None).path(), Some(mapping)).unwrap();
    let record = &subjects[0].record;
    assert_eq!(record.encounters[0].admission_source.as_deref(), Some("outp"));
    assert_eq!(record.encounters[0].admission_type.as_deref(), Some("urgent"));
    assert_eq!(record.coverage[0].end, Some(time("2020-01-03T00:00:00Z")));
    let refused = |old: &str, new: &str| {
        assert!(text.contains(old), "{old}");
        Mapping::parse(&text.replacen(old, new, 1)).unwrap_err().to_string()
    };
    let error = refused("no_value =", "no_values =");
    assert!(error.contains("did you mean `no_value`?"), "{error}");
    let error = refused("LAB//{code}//{unit}", "LAB//{cod}//{unit}");
    assert!(error.contains("event[5]: `LAB//{cod}//{unit}`: `{cod}` is none of"), "{error}");
    let error = refused("LAB//{code}//{unit}", "LAB//{unit}");
    assert!(error.contains("must have a part `{code}`"), "{error}");
    let error =
        Export { mapping: Some(Mapping::parse(&text).unwrap()), ..Export::new(Path::new("src")) };
    let error = error.read(&Meter::default(), |_| Received::Used).unwrap_err().to_string();
    assert!(error.contains("no file is named like `data/**/*.parquet`"), "{error}");
}

#[test]
fn hostile_files_are_named_and_never_read_past() {
    let folder = export(&STAY, None);
    let path = folder.path().join("data/0.parquet");
    let whole = fs::read(&path).unwrap();
    let said = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read(folder.path(), None).unwrap_err()
    };
    let cut = said(&whole[..whole.len() / 2]);
    assert!(
        cut.contains("data/0.parquet: cannot be read as Parquet: it does not end as one"),
        "{cut}"
    );
    assert!(said(b"PAR1").ends_with("it is too short"));
    let mut long = whole.clone();
    let end = long.len() - 8;
    long[end..end + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(said(&long).contains("its footer is longer than"));
    let mut zeroed = whole.clone();
    zeroed[4..600].fill(0);
    fs::write(&path, &zeroed).unwrap();
    let (subjects, counts) = read(folder.path(), None).unwrap();
    assert_eq!((subjects.len(), counts.read(), counts.quarantined()), (0, 14, 14));

    let wrong = |columns: &[(&str, ColumnType)], batch: &[Column<'_>]| {
        let mut file = ParquetWriter::create(&path, columns).unwrap();
        file.append(batch).unwrap();
        file.finish().unwrap();
        read(folder.path(), None).unwrap_err()
    };
    let id = ("subject_id", ColumnType::Integer);
    let text = Column::Text(&[Some("A//b")]);
    let missing = wrong(&[id, ("code", ColumnType::Text)], &[Column::Integer(&[1]), text]);
    assert!(missing.contains("no column is called `time`"), "{missing}");
    let columns = [id, ("time", ColumnType::Text), ("code", ColumnType::Text)];
    let typed = wrong(&columns, &[Column::Integer(&[1]), text, text]);
    assert_eq!(typed, "data/0.parquet: column `time` must hold times");
    let columns = [id, id, ("time", ColumnType::Time), ("code", ColumnType::Text)];
    let batch = [Column::Integer(&[1]), Column::Integer(&[1]), Column::Time(&[None]), text];
    assert!(wrong(&columns, &batch).contains("more than one column is called `subject_id`"));
}
