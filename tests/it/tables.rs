//! Tables of several files: what rows of each kind become, by the shipped mappings and by small ones.

mod faults;

use std::fs;
use std::path::Path;

use prodrome::import::{
    Column, ColumnType, Counts, Export, Mapping, Meter, ParquetWriter, Reading, Received, Subject,
    Timezone,
};
use prodrome::record::{
    Comparator, ConceptSet, EncounterClass, EventKind, History, KnownAfter, Sex, TimePrecision,
    Value,
};
use tempfile::TempDir;

use crate::support::{full_data, root, time};

pub(crate) fn shipped(name: &str) -> Mapping {
    let text = fs::read_to_string(root().join("models/mappings").join(name)).unwrap();
    Mapping::parse(&text).unwrap()
}

pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

pub(crate) fn read_in(zone: &str, folder: &Path, mapping: &Mapping) -> (Vec<Subject>, Counts) {
    let reading = Reading { timezone: Timezone::parse(zone).unwrap(), ..Reading::default() };
    let export = Export { mapping: Some(mapping.clone()), reading, ..Export::new(folder) };
    let mut subjects = Vec::new();
    let each = |subject: Subject| {
        let known_after = KnownAfter::default();
        match History::build(&subject.record, &ConceptSet::default(), &known_after) {
            Ok(_) => {
                subjects.push(subject);
                Received::Used
            }
            Err(error) => Received::Quarantined(error.to_string()),
        }
    };
    let counts = export.read(&Meter::default(), each).unwrap();
    let skipped: u64 = counts.skipped().values().sum();
    assert_eq!(counts.read(), counts.used() + skipped + counts.quarantined());
    (subjects, counts)
}

fn read(folder: &Path, mapping: &Mapping) -> (Vec<Subject>, Counts) {
    read_in("UTC", folder, mapping)
}

/// The lines of all files in `folder` but their headers.
fn rows(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|ending| ending == "csv"));
    tables.map(|path| fs::read_to_string(path).unwrap().lines().count() as u64 - 1).sum()
}

fn of<'s>(subjects: &'s [Subject], id: &str) -> &'s Subject {
    subjects.iter().find(|subject| subject.source_id == id).unwrap()
}

fn codes(subject: &Subject) -> Vec<String> {
    subject.record.events.iter().map(|event| event.code.to_string()).collect()
}

#[test]
fn omop_tables_become_records() {
    let folder = root().join("tests/data/omop");
    let (subjects, counts) = read(&folder, &shipped("omop54.toml"));
    assert_eq!(counts.read(), rows(&folder), "every line is accounted for");
    assert_eq!(counts.quarantined(), 0, "{:?}", counts.examples());
    assert_eq!(subjects.len(), 3);

    let first = &of(&subjects, "1").record;
    assert_eq!(first.birth_date.unwrap().to_string(), "1950-03-07");
    assert_eq!(first.sex, Sex::Female);
    assert_eq!(first.coverage.len(), 1);
    assert_eq!(first.coverage[0].start, Some(time("2018-01-01T00:00:00Z")));
    let stay = first.encounters.iter().find(|one| one.id == "101").unwrap();
    assert_eq!(stay.class, EncounterClass::Inpatient);
    assert_eq!(stay.start, time("2020-05-01T08:30:00Z"));
    assert_eq!(stay.end, Some(time("2020-05-06T15:00:00Z")));
    assert_eq!(stay.admission_source.as_deref(), Some("emd"));
    assert_eq!(stay.discharge_disposition.as_deref(), Some("home"));
    let visit = first.encounters.iter().find(|one| one.id == "102").unwrap();
    assert_eq!(visit.class, EncounterClass::Ambulatory);
    assert_eq!(visit.start, time("2020-06-01T00:00:00Z"), "a datetime at midnight is a date");
    assert_eq!(visit.end.unwrap().to_string(), "2020-06-01T23:59:59.999999Z");

    let event = |code: &str| {
        let events = subjects.iter().flat_map(|subject| &subject.record.events);
        events.filter(|event| event.code.to_string() == code).collect::<Vec<_>>()
    };
    let principal = event("ICD10CM//I509")[0];
    assert_eq!((principal.kind, principal.rank), (EventKind::Diagnosis, Some(1)));
    assert_eq!(principal.encounter_id.as_deref(), Some("101"));
    let problem = event("SNOMED//44054006")[0];
    assert_eq!((problem.kind, problem.rank), (EventKind::Problem, None), "no source code");
    assert_eq!(problem.time_precision, TimePrecision::Day);
    let hba1c = event("LOINC//4548-4")[0];
    assert_eq!(hba1c.value, Some(Value::Number(8.2)));
    assert_eq!((hba1c.unit.as_deref(), hba1c.comparator), (Some("%"), None));
    let creatinine = event("LOINC//2160-0")[0];
    assert_eq!(creatinine.comparator, Some(Comparator::GreaterOrEqual));
    assert_eq!(creatinine.unit.as_deref(), Some("mg/dL"), "by the unit's concept");
    let coded = event("LOINC//5802-4")[0];
    assert_eq!(coded.value, Some(Value::Coded("260385009".to_owned())));
    assert_eq!(event("RXNORM//860975")[0].kind, EventKind::DrugOrder);
    assert_eq!(event("RXNORM//5856")[0].kind, EventKind::DrugGiven);
    assert_eq!(event("CPT//93306")[0].kind, EventKind::Procedure);
    assert_eq!(of(&subjects, "2").record.death_time, Some(time("2021-02-03T04:05:00Z")));
    assert_eq!(counts.skipped()["a row without a code"], 1, "source and standard concept are 0");
}

#[test]
fn mimic_tables_become_records() {
    let folder = root().join("tests/data/mimic3");
    let (subjects, counts) = read(&folder, &shipped("mimic3.toml"));
    assert_eq!(counts.read(), rows(&folder), "every line is accounted for");
    assert_eq!(counts.quarantined(), 0, "{:?}", counts.examples());
    assert_eq!(subjects.len(), 3);
    let first = of(&subjects, "11");
    assert_eq!(first.record.sex, Sex::Female);
    assert_eq!(first.record.birth_date.unwrap().to_string(), "2080-02-03");
    assert_eq!(first.record.audit_attributes.race.as_deref(), Some("WHITE"));
    let ids: Vec<&str> = first.record.encounters.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["1001", "1001/ED", "1002"], "the visit to the emergency room is one as well");
    let stay = &first.record.encounters[0];
    assert_eq!(stay.discharge_disposition.as_deref(), Some("06"));
    assert_eq!(stay.admission_type.as_deref(), Some("emergency"));
    let diagnosis = first.record.events.iter().find(|one| one.code.code == "42833").unwrap();
    assert_eq!(diagnosis.code.to_string(), "ICD9CM//42833");
    assert_eq!((diagnosis.rank, diagnosis.time), (Some(1), stay.end), "coded at discharge");
    let sodium = first.record.events.iter().find(|one| one.code.code == "2951-2").unwrap();
    assert_eq!(sodium.value, Some(Value::Number(131.0)));
    assert_eq!(sodium.unit.as_deref(), Some("mEq/L"));
    assert!(codes(first).contains(&"MIMIC_LAB//99999".to_owned()), "a test without LOINC");
    assert!(codes(first).contains(&"NDC//00071015523".to_owned()));
    let died = of(&subjects, "13");
    assert_eq!(died.record.death_time, Some(time("2130-01-09T11:30:00Z")));
    assert_eq!(died.record.encounters[0].discharge_disposition.as_deref(), Some("20"));
}

/// Writes a CSV file without quotes as Parquet: numbers as such, the rest as text.
fn as_parquet(csv: &Path, delimiter: char, path: &Path) {
    let text = fs::read_to_string(csv).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(delimiter).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(delimiter).collect()).collect();
    let integers: Vec<Option<Vec<i64>>> =
        (0..names.len()).map(|at| rows.iter().map(|row| row[at].parse().ok()).collect()).collect();
    let texts: Vec<Vec<Option<&str>>> = (0..names.len())
        .map(|at| rows.iter().map(|row| Some(row[at]).filter(|cell| !cell.is_empty())).collect())
        .collect();
    let types = integers.iter().map(|column| match column {
        Some(_) => ColumnType::Integer,
        None => ColumnType::Text,
    });
    let columns: Vec<(&str, ColumnType)> = names.iter().copied().zip(types).collect();
    let mut writer = ParquetWriter::create(path, &columns).unwrap();
    let batch: Vec<Column<'_>> = integers
        .iter()
        .zip(&texts)
        .map(|(integers, texts)| match integers {
            Some(integers) => Column::Integer(integers),
            None => Column::Text(texts),
        })
        .collect();
    writer.append(&batch).unwrap();
    writer.finish().unwrap();
}

#[test]
fn parquet_tables_give_the_same_records_as_csv_tables() {
    let source = root().join("tests/data/omop");
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(stem) = name.strip_suffix(".csv") else { continue };
        let delimiter = if stem == "CONCEPT" { '\t' } else { ',' };
        as_parquet(&path, delimiter, &copy.path().join(format!("{stem}.parquet")));
    }
    let (csv, counts) = read(&source, &shipped("omop54.toml"));
    let (parquet, same) = read(copy.path(), &shipped("omop54.toml"));
    assert_eq!((counts.read(), counts.used()), (same.read(), same.used()));
    assert_eq!(csv.len(), parquet.len());
    for (csv, parquet) in csv.iter().zip(&parquet) {
        assert_eq!(csv.record, parquet.record);
    }
}

#[test]
fn a_damaged_part_of_a_parquet_table_costs_its_own_rows_alone() {
    let copy = tempfile::tempdir().unwrap();
    for name in ["CONCEPT", "visit_occurrence"] {
        let name = format!("{name}.csv");
        fs::copy(root().join("tests/data/omop").join(&name), copy.path().join(&name)).unwrap();
    }
    let path = copy.path().join("person.parquet");
    let names =
        ["person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth"];
    let mut file =
        ParquetWriter::create(&path, &names.map(|name| (name, ColumnType::Text))).unwrap();
    for ids in [["31", "32", "33"], ["34", "35", "36"]] {
        let (ids, sexes, ones) = (ids.map(Some), [Some("8532"); 3], [Some("1"); 3]);
        let years = [Some("1950"); 3];
        let columns = [&ids, &sexes, &years, &ones, &ones];
        file.append(&columns.map(|column| Column::Text(column))).unwrap();
    }
    file.finish().unwrap();
    let whole = read(copy.path(), &shipped("omop54.toml")).1;
    let mut bytes = fs::read(&path).unwrap();
    bytes[4..20].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let (subjects, counts) = read(copy.path(), &shipped("omop54.toml"));
    assert_eq!(counts.read(), whole.read());
    assert_eq!(counts.quarantined(), 3);
    let lines: Vec<u64> = counts.examples().iter().map(|row| row.line).collect();
    assert_eq!(lines, [1, 2, 3]);
    let ids: Vec<&str> = subjects.iter().map(|subject| subject.source_id.as_str()).collect();
    assert!(["34", "35", "36"].iter().all(|id| ids.contains(id)));
}

const FRAMINGHAM: &str = include_str!("../data/mappings/framingham.toml");

#[test]
fn one_table_gives_people_exams_and_measurements_by_offsets_in_days() {
    let mapping = Mapping::parse(FRAMINGHAM).unwrap();
    let header = "RANDID,SEX,TOTCHOL,AGE,SYSBP,DIABP,BMI,HEARTRTE,GLUCOSE,TIME,PERIOD";
    let rows = "\n7,2,195,39,106,70,26.97,80,77,0,1\n7,2,209,52,121,66,NA,69,92,4628,3\n";
    let (subjects, counts) =
        read(folder(&[("framingham.csv", &format!("{header}{rows}"))]).path(), &mapping);
    assert_eq!((counts.read(), counts.used()), (2, 2));
    let record = &subjects[0].record;
    assert_eq!(record.sex, Sex::Female);
    assert_eq!(record.birth_date.unwrap().to_string(), "1911");
    let starts: Vec<String> = record.encounters.iter().map(|e| e.start.to_string()).collect();
    assert_eq!(starts, ["1950-01-01T09:00:00Z", "1962-09-03T09:00:00Z"]);
    assert_eq!(record.events.len(), 11, "a missing value is no event");
    assert!(record.events.iter().all(|event| event.encounter_id.is_some()));
}

#[test]
fn every_line_of_framingham_is_accounted_for() {
    let Some(data) = full_data("framingham") else { return };
    let text = fs::read_to_string(data.join("framingham.train.csv")).unwrap();
    let (subjects, counts) = read(&data, &Mapping::parse(FRAMINGHAM).unwrap());
    assert_eq!(counts.read(), text.lines().count() as u64 - 1);
    assert_eq!((counts.used(), counts.quarantined()), (counts.read(), 0));
    let people: std::collections::BTreeSet<&str> =
        text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(subjects.len(), people.len());
    let events: usize = subjects.iter().map(|subject| subject.record.events.len()).sum();
    let place = |name| text.lines().next().unwrap().split(',').position(|one| one == name).unwrap();
    let values = ["SYSBP", "DIABP", "BMI", "TOTCHOL", "GLUCOSE", "HEARTRTE"].map(place);
    let is_there = |cell: &str| !cell.is_empty() && cell != "NA";
    let of_line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        values.iter().filter(|place| is_there(cells[**place])).count()
    };
    assert_eq!(events, text.lines().skip(1).map(of_line).sum::<usize>());
}
