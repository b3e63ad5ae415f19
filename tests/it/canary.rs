//! No patient in a model: values and codes of few patients are nowhere in what a fit leaves behind.

use std::fs;

use prodrome::command;
use prodrome::registry;

use prodrome::import::Meter;

use crate::support::{fit_request, root};

/// How many patients the planted codes have: one fewer than may be shown.
const PATIENTS: usize = 10;

pub(crate) struct Planted {
    pub(crate) texts: Vec<String>,
    pub(crate) numbers: Vec<u32>,
    pub(crate) export: tempfile::TempDir,
}

/// The sample with marks planted in the rows of ten patients.
pub(crate) fn planted() -> Planted {
    let path = root().join("tests/data/diabetes130/diabetic_data.sample.csv");
    let text = fs::read_to_string(path).unwrap();
    let mut rows: Vec<Vec<String>> =
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let column = |name: &str| rows[0].iter().position(|cell| cell == name).unwrap();
    let (id, patient) = (column("encounter_id"), column("patient_nbr"));
    let texts_in = ["race", "payer_code", "medical_specialty", "diag_2", "diag_3"].map(column);
    let (labs, label) = (column("num_lab_procedures"), column("readmitted"));
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    for number in 0..PATIENTS {
        // Rows far apart are of different patients, and all with the outcome, so that a model would
        // gladly learn the marks.
        let row = &mut rows[1 + 150 * number];
        row[label] = "<30".into();
        let value = 4_001 + 7 * number as u32;
        row[labs] = value.to_string();
        numbers.push(value);
        for (at, place) in texts_in.into_iter().enumerate() {
            // Half of them stand in one patient each, half in all ten.
            let mark =
                if at % 2 == 0 { format!("CANARY{at}X{number}") } else { format!("CANARY{at}Y") };
            row[place] = mark.clone();
            texts.push(mark);
        }
        row[patient] = format!("99000{number:04}");
        row[id] = format!("98000{number:04}");
        texts.extend([row[patient].clone(), row[id].clone()]);
    }
    texts.sort();
    texts.dedup();
    let export = tempfile::tempdir().unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    fs::write(export.path().join("diabetic_data.csv"), lines.join("\n") + "\n").unwrap();
    Planted { texts, numbers, export }
}

/// Whether `number` stands in `text` as a number of its own.
fn holds_number(text: &str, number: u32) -> bool {
    let needle = number.to_string();
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '.');
    text.match_indices(&needle).any(|(at, _)| {
        let after = &text[at + needle.len()..];
        let whole = after.strip_prefix(".0").unwrap_or(after);
        apart(text[..at].chars().next_back()) && apart(whole.chars().next())
    })
}

#[test]
fn marks_of_ten_patients_are_nowhere_in_bundle_card_or_metrics() {
    let planted = planted();
    assert!(planted.texts.len() + planted.numbers.len() >= 50);
    let models = tempfile::tempdir().unwrap();
    let request = fit_request(planted.export.path().to_owned(), models.path().to_owned());
    let fitted = command::fit(&request, &Meter::default(), &|_| {}).unwrap();
    assert_eq!(fitted.lines.used(), 2_000, "the marked rows were used");
    let mut files = registry::read_files(&fitted.bundle).unwrap();
    files.insert("what the command says".into(), serde_json::to_vec(&fitted).unwrap());
    files.insert("what a person reads".into(), fitted.summary().into_bytes());
    for (name, bytes) in &files {
        for mark in &planted.texts {
            let found = bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
            assert!(!found, "{mark} is in {name}");
        }
        let text = String::from_utf8_lossy(bytes);
        for number in &planted.numbers {
            let single = (*number as f32).to_le_bytes();
            let double = f64::from(*number).to_le_bytes();
            let raw =
                bytes.windows(4).any(|w| w == single) || bytes.windows(8).any(|w| w == double);
            assert!(!raw && !holds_number(&text, *number), "{number} is in {name}");
        }
    }
}

#[test]
fn the_search_would_find_a_mark() {
    assert!(holds_number("{\"a\": 4001.0}", 4_001) && holds_number("[4001]", 4_001));
    assert!(!holds_number("0.4001", 4_001) && !holds_number("40010", 4_001));
}
