//! Faulty tables: what is quarantined and under which words, that no value of a row ever stands in
//! a reason, and which faults end a run.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use prodrome::import::{ImportError, Received};
use proptest::prelude::*;

use super::{folder, joined, mapping, read_all, read_bytes, sample_lines, skipped, with_cell};
use crate::support::read;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_bad_row_is_quarantined_by_line_and_reason_and_the_rest_is_used() {
    let mut rows = sample_lines(30);
    let bad = [
        (1, "time_in_hospital", "SECRET", "not a whole number of days from 0 to 36525"),
        (2, "time_in_hospital", "-1", "not a whole number of days from 0 to 36525"),
        (3, "num_lab_procedures", "SECRET", "not a number"),
        (4, "num_lab_procedures", "NaN", "not a number"),
        (5, "readmitted", "SECRET", "a value that the mapping does not list"),
        (6, "readmitted", "?", "missing"),
        (7, "gender", "SECRET", "a value that the mapping does not list"),
        (8, "age", "SECRET", "not an age, or not a band such as [50-60)"),
        (9, "discharge_disposition_id", "99", "a value that the mapping does not list"),
        (10, "insulin", "SECRET", "a value that the mapping does not list"),
        (11, "patient_nbr", "", "missing"),
        (12, "number_inpatient", "2.5", "not a whole number from 0 to 366"),
        (13, "diag_1", ".", "gives no code, or one longer than 1024 bytes"),
        (14, "medical_specialty", "SECRET\u{7}", "holds a control character or a line break"),
    ];
    for (row, column, cell, _) in bad {
        rows[row] = with_cell(&rows, row, column, cell);
    }
    let again = rows[20].split(',').next().unwrap().to_owned();
    rows[21] = with_cell(&rows, 21, "encounter_id", &again);
    let long = "9".repeat(65);
    rows[22] = with_cell(&rows, 22, "patient_nbr", &long);
    let (subjects, counts, quarantined) = read_bytes(&joined(&rows));
    let expected: Vec<String> = bad
        .iter()
        .map(|(row, column, _, reason)| format!("{} {column}: {reason}", row + 1))
        .chain([
            "22 encounter_id: this id stands on an earlier row".to_owned(),
            "23 patient_nbr: an id longer than the mapping allows".to_owned(),
        ])
        .collect();
    assert_eq!(quarantined, expected);
    assert_eq!((counts.read(), subjects.len(), counts.quarantined()), (30, 14, 16));
    assert!(!format!("{counts:?}").contains("SECRET"), "a value leaked");
}

#[test]
fn faulty_lines_cost_themselves_alone() {
    let mut rows = sample_lines(20);
    rows[2] = "1,2,3".into();
    rows[4].push(',');
    rows[6] = with_cell(&rows, 6, "medical_specialty", "\"SECRET");
    rows[8] = with_cell(&rows, 8, "medical_specialty", "\"SECRET\" x");
    rows[10] = String::new();
    rows[12] = rows[0].clone();
    rows[14] = with_cell(&rows, 14, "weight", &"x".repeat(70_000));
    // A quote that nothing closes until the end of the file.
    rows[16] = with_cell(&rows, 16, "diag_1", "\"250");
    // Rightly quoted cells, one with a line break in a column that is not read.
    rows[17] = with_cell(&rows, 17, "medical_specialty", "\"Surgery, \"\"General\"\"\"");
    rows[18] = with_cell(&rows, 18, "weight", "\"[75-\n100)\"");
    let (subjects, counts, quarantined) = read_bytes(&joined(&rows));
    let expected = [
        "3: 3 columns, where the header has 50",
        "5: 51 columns, where the header has 50",
        "7: a quote is opened and not closed",
        "9: a quote inside a quoted cell is not doubled",
        "15: a line longer than 65536 bytes",
        "17: a quote is opened and not closed",
    ];
    assert_eq!(quarantined, expected);
    assert_eq!(*counts.skipped(), skipped(&[("blank line", 1), ("repeated header", 1)]));
    assert_eq!((counts.read(), subjects.len()), (20, 12));
    let lines: Vec<u64> = subjects.iter().map(|subject| subject.line).collect();
    assert_eq!(lines, [2, 4, 6, 8, 10, 12, 14, 16, 18, 19, 21, 22]);
    let service = &subjects[8].record.encounters.last().unwrap().service;
    assert_eq!(service.as_deref(), Some("Surgery, \"General\""));
    assert!(!format!("{counts:?}").contains("SECRET"), "a value leaked");
}

#[test]
fn byte_order_marks_line_ends_and_encodings() {
    let plain = joined(&sample_lines(5));
    let (expected, ..) = read_bytes(&plain);
    let crlf = String::from_utf8(plain.clone()).unwrap().replace('\n', "\r\n").into_bytes();
    let marked = [b"\xef\xbb\xbf".as_slice(), crlf.as_slice()].concat();
    let unended = plain.strip_suffix(b"\n").unwrap().to_vec();
    for bytes in [&crlf, &marked, &unended, &gzip(&plain)] {
        let (subjects, _, quarantined) = read_bytes(bytes);
        assert_eq!((subjects, quarantined), (expected.clone(), Vec::<String>::new()));
    }
    // A Latin-1 letter costs its row when the column is read, and nothing when it is not.
    let rows = sample_lines(3);
    let with_latin1 = |row: usize, column: &str| {
        let mut rows = rows.clone();
        rows[row] = with_cell(&rows, row, column, "Caf#");
        let bytes = joined(&rows).into_iter();
        bytes.map(|byte| if byte == b'#' { 0xe9 } else { byte }).collect::<Vec<u8>>()
    };
    let (subjects, _, quarantined) = read_bytes(&with_latin1(2, "medical_specialty"));
    assert_eq!(
        (subjects.len(), quarantined),
        (2, vec!["3 medical_specialty: not UTF-8".to_owned()])
    );
    let (subjects, _, quarantined) = read_bytes(&with_latin1(2, "weight"));
    assert_eq!((subjects.len(), quarantined.len()), (3, 0));
}

#[test]
fn a_gzip_file_that_breaks_off_gives_what_came_before_and_the_next_file_is_read() {
    let all = sample_lines(1_000);
    let packed = gzip(&joined(&all));
    let mut other = sample_lines(3);
    for row in 1..4 {
        other[row] = with_cell(&other, row, "encounter_id", &format!("{row}"));
    }
    let cut = &packed[..packed.len() / 2];
    let mut damaged = packed.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;
    let next = joined(&other);
    let cases: [(&[u8], Option<u64>); 4] =
        [(cut, None), (&damaged, Some(1_000)), (&packed[..12], Some(0)), (b"", Some(0))];
    for (bytes, used) in cases {
        let folder = folder(&[("diabetic_data.1.csv", bytes), ("diabetic_data.2.csv", &next)]);
        let (subjects, counts) = read_all(folder.path(), &mapping());
        assert_eq!(counts.quarantined(), 1);
        let item = &counts.examples()[0];
        assert_eq!(item.file, "diabetic_data.1.csv");
        let first = counts.used() - 3;
        let skipped: u64 = counts.skipped().values().sum();
        match used {
            Some(used) => assert_eq!(first + skipped, used),
            None => assert!((300..700).contains(&first), "{first}"),
        }
        assert!(item.line == first + skipped + 2 || first == 0, "the line after the last good one");
        let files: Vec<&str> = subjects.iter().rev().take(3).map(|s| &*s.file).collect();
        assert_eq!(files, ["diabetic_data.2.csv"; 3]);
    }
}

#[test]
fn what_cannot_be_a_table_is_an_error_that_helps() {
    let error = |files: &[(&str, &[u8])]| -> String {
        let folder = folder(files);
        let error = read(folder.path(), &mapping(), |_| Received::Used).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    let rows = sample_lines(2);
    assert_eq!(error(&[("x.csv", b"")]), "DIR: no file is named like `diabetic_data*.csv*`");
    let mut renamed = rows.clone();
    renamed[0] = renamed[0].replace("number_inpatient", "number_inpatients");
    let expected = "diabetic_data.csv: no column is called `number_inpatient`; the nearest is \
                    `number_inpatients`";
    assert_eq!(error(&[("diabetic_data.csv", &joined(&renamed))]), expected);
    let headless = error(&[("diabetic_data.csv", &joined(&rows[1..]))]);
    let expected = "diabetic_data.csv: no column is called `encounter_id`; its first line does not \
                    look like this table's header";
    assert_eq!(headless, expected, "an error must not repeat a row");
    let mut twice = rows.clone();
    twice[0] = twice[0].replace("diag_2", "diag_1");
    let expected = "diabetic_data.csv: more than one column is called `diag_1`";
    assert_eq!(error(&[("diabetic_data.csv", &joined(&twice))]), expected);
    let wide = error(&[("diabetic_data.csv", b"\xff\xfee\0n\0c\0\n\0")]);
    assert_eq!(wide, "diabetic_data.csv: is UTF-16; it must be UTF-8");
    let mut alike = rows.clone();
    alike[1] = with_cell(&alike, 1, "encounter_id", "7");
    alike[2] = with_cell(&alike, 2, "encounter_id", "007");
    let expected = "diabetic_data.csv line 3: another source id has the same subject id";
    assert_eq!(error(&[("diabetic_data.csv", &joined(&alike))]), expected);
    let missing = read(Path::new("/no/such/folder"), &mapping(), |_| Received::Used).unwrap_err();
    assert!(matches!(missing, ImportError::Unreadable { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_end_in_a_panic_and_the_counts_always_add_up(
        changes in prop::collection::vec((0_usize..3_000, any::<u8>()), 1..20),
        is_packed in any::<bool>(),
    ) {
        let plain = joined(&sample_lines(12));
        let header = plain.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let mut bytes = if is_packed { gzip(&plain) } else { plain };
        // Behind the header, or behind what names the file a gzip file.
        let first = if is_packed { 10 } else { header };
        let room = bytes.len() - first;
        for (place, byte) in changes {
            bytes[first + place % room] = byte;
        }
        let folder = folder(&[("diabetic_data.csv", &bytes)]);
        match read(folder.path(), &mapping(), |_| Received::Used) {
            Ok(counts) => {
                let skipped: u64 = counts.skipped().values().sum();
                prop_assert_eq!(counts.read(), counts.used() + skipped + counts.quarantined());
            }
            Err(ImportError::MissingColumn { .. }) => prop_assert!(is_packed),
            Err(error) => prop_assert!(
                matches!(error, ImportError::Collision { .. } | ImportError::DoubleColumn { .. }),
                "{}", error
            ),
        }
    }
}
