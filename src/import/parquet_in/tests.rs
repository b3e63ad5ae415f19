//! Parquet files of other writers, and files that lie.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::import::csv_rows::Cells;

/// How many damaged files are made of each sample. 20,000 have been tried.
const ROUNDS: u32 = 150;
const SAMPLES: [&str; 5] = ["types.zstd", "types.gzip", "types.snappy", "int96", "delta"];

fn sample(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet");
    folder.join(format!("{name}.parquet"))
}

fn input(path: PathBuf) -> InputFile {
    let bytes = std::fs::metadata(&path).unwrap().len();
    InputFile { name: Arc::from("x.parquet"), path, bytes }
}

/// All rows as text, header first; an error ends them.
fn rows(path: PathBuf) -> Result<Vec<Vec<String>>, ImportError> {
    let (table, meter) = (TextTable::open(&input(path))?, Meter::default());
    let mut rows = table.rows(|_| true, &meter);
    let (mut cells, mut found) = (Cells::default(), Vec::new());
    rows.header(&mut cells);
    loop {
        let text = cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
        found.push(text.collect());
        match rows.next(&mut cells) {
            Some((_, Ok(()))) => {}
            Some((row, Err(_))) => found.push(vec![format!("broken from row {row}")]),
            None => return Ok(found),
        }
        if found.len() > 100 {
            return Ok(found);
        }
    }
}

#[test]
fn every_kind_of_column_reads_as_text() {
    for packed in ["types.zstd", "types.gzip", "types.snappy"] {
        let rows = rows(sample(packed)).unwrap();
        assert_eq!(rows.len(), 8, "{packed}");
        let names = [
            "int64",
            "uint32",
            "truth",
            "float32",
            "float64",
            "text",
            "dictionary",
            "large",
            "day",
            "wall_us",
            "utc_ms",
            "wall_ns",
            "decimal",
            "struct",
        ];
        assert_eq!(rows[0], names[..13], "nested columns and times of the day are left out");
        let first = [
            "1",
            "4294967295",
            "true",
            "0.1",
            "0.1",
            "a",
            "b",
            "a",
            "2020-07-01",
            "2020-07-01T12:00:00",
            "2020-07-01T12:00:00Z",
            "2020-07-01T12:00:00.000001",
            "12.34",
        ];
        assert_eq!(rows[1], first);
        assert!(rows[2].iter().enumerate().all(|(at, cell)| cell.is_empty() == (at != 7)));
        let third = [
            "-3",
            "3",
            "false",
            "0.0000001",
            &1e300.to_string(),
            "",
            "c",
            "a",
            "1899-12-31",
            "1969-12-31T23:59:59.5",
            "2020-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999",
            "-0.05",
        ];
        assert_eq!(rows[3], third);
        assert_eq!(rows[4][5], "é,\"x\"");
    }
    let old = rows(sample("int96")).unwrap();
    assert_eq!(old[1], ["2020-07-01T12:00:00", "abc"]);
    assert_eq!(old[2], ["", ""]);
    assert_eq!(old[3], ["1969-12-31T00:00:00", "abd"]);
    assert_eq!(rows(sample("delta")).unwrap()[1], ["broken from row 1"], "beyond checking");
}

#[test]
fn lists_and_typed_values_read_by_row() {
    let file = ParquetFile::open(&input(sample("types.zstd"))).unwrap();
    let place = |name: &str, holds| file.find(name, "this", |h| h == holds).unwrap().unwrap();
    let places = [place("list", Holds::Texts), place("float32", Holds::Float)];
    let meter = Meter::default();
    let batches: Vec<Batch> = file.batches(&places, &meter).map(Result::unwrap).collect();
    let starts: Vec<u64> = batches.iter().map(|batch| batch.row).collect();
    assert_eq!(starts, [1, 4, 7], "three row groups");
    let list = |row| batches[0].columns[0].texts(row).collect::<Vec<_>>();
    assert_eq!((list(0), list(1).len(), list(2).len()), (vec![&b"a"[..], b"b"], 0, 0));
    assert_eq!(batches[0].columns[1].number(0), Some(f64::from(0.1_f32)), "widened exactly");
    assert_eq!(meter.read_bytes(), input(sample("types.zstd")).bytes);
    assert!(file.find("none", "x", |_| true).unwrap().is_none());
    let error = file.find("text", "whole numbers", |h| h == Holds::Integer).unwrap_err();
    assert_eq!(error.to_string(), "x.parquet: column `text` must hold whole numbers");
}

#[test]
fn no_damage_makes_the_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut refused, mut broken, mut read) = (0, 0, 0);
    for name in SAMPLES {
        let bytes = std::fs::read(sample(name)).unwrap();
        for round in 0..ROUNDS {
            let mut bytes = bytes.clone();
            match round % 4 {
                0 => bytes.truncate(random.usize(..bytes.len())),
                // The footer and the pages' headers hold what is believed.
                1 => {
                    let from = bytes.len() - bytes.len().min(1_500);
                    let at = random.usize(from..bytes.len());
                    bytes[at] = random.u8(..);
                }
                _ => (0..=random.usize(..4)).for_each(|_| {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }),
            }
            let path = folder.path().join("x.parquet");
            std::fs::write(&path, bytes).unwrap();
            match rows(path) {
                Err(_) => refused += 1,
                Ok(rows) if rows.iter().any(|row| row.len() == 1) => broken += 1,
                Ok(_) => read += 1,
            }
        }
    }
    assert!(refused > 100 && broken > 10 && read > 10, "{refused} {broken} {read}");
}
