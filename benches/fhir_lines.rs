//! How fast FHIR Observation lines become events, on one thread, in MB of NDJSON a second.
//!
//! It compares rounds of the import's own reader (line splitting, UTF-8 check, tolerant reading and
//! the verdict on each line, into a sink that drops what it is told) with the plain pass over the same
//! bytes that no reader can do without: finding the line ends and checking UTF-8. `PRODROME_NDJSON`
//! names the file to read, such as a real export's, plain or packed; without it 200 MB of blood
//! pressures and laboratory values are made in a temporary folder. `PRODROME_ROUNDS` says how often
//! (default 5). Peers are measured on the same file by their own programs; see the README.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use prodrome::import::probe::{self, Tally};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SYNTHETIC_BYTES: u64 = 200_000_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let given = std::env::var_os("PRODROME_NDJSON").map(PathBuf::from);
    let path = given.unwrap_or_else(|| synthetic(folder.path()));
    let rounds = std::env::var("PRODROME_ROUNDS").ok().and_then(|text| text.parse().ok());
    let bytes = plain_pass(&path).0;
    let (mut reading, mut passing) = (Vec::new(), Vec::new());
    let mut tally = Tally::default();
    for _ in 0..rounds.unwrap_or(5) {
        let began = Instant::now();
        tally = probe::fhir_file(&path).unwrap();
        reading.push(megabytes_a_second(bytes, began));
        let began = Instant::now();
        plain_pass(&path);
        passing.push(megabytes_a_second(bytes, began));
    }
    let Tally { lines, items, events, faults } = tally;
    println!(
        "{:.0} MB, {lines} lines: {items} items, {events} events, {faults} faults",
        bytes / 1e6
    );
    println!("lines to events: {:.0} MB/s (median), {reading:.0?}", median(&reading));
    println!("line ends and UTF-8 alone: {:.0} MB/s (median)", median(&passing));
}

fn megabytes_a_second(bytes: f64, began: Instant) -> f64 {
    bytes / 1e6 / began.elapsed().as_secs_f64()
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Unpacked bytes and lines of a file.
fn plain_pass(path: &Path) -> (f64, u64) {
    let file = fs::File::open(path).unwrap();
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    let mut source: Box<dyn BufRead> = if is_gzip {
        Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::with_capacity(1 << 18, file))
    };
    let (mut bytes, mut lines, mut line) = (0.0, 0, Vec::new());
    while source.read_until(b'\n', &mut line).unwrap() > 0 {
        bytes += line.len() as f64;
        lines += u64::from(std::str::from_utf8(&line).is_ok());
        line.clear();
    }
    (bytes, lines)
}

/// A file of made-up observations in the shapes that exporters write.
fn synthetic(folder: &Path) -> PathBuf {
    let path = folder.join("Observation.ndjson");
    let mut file = BufWriter::new(fs::File::create(&path).unwrap());
    let (mut written, mut number) = (0_u64, 0_u64);
    while written < SYNTHETIC_BYTES {
        let line = observation(number);
        file.write_all(line.as_bytes()).unwrap();
        written += line.len() as u64;
        number += 1;
    }
    file.flush().unwrap();
    path
}

fn observation(n: u64) -> String {
    let quantity = |value: f64, unit: &str| {
        format!(
            r#""valueQuantity":{{"value":{value},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}"#
        )
    };
    let code = |code: &str, display: &str| {
        format!(
            r#""code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{display}"}}"#
        )
    };
    let (value, category) = match n % 3 {
        0 => {
            let part = |value, (number, words)| {
                format!("{{{},{}}}", code(number, words), quantity(value, "mm[Hg]"))
            };
            let low = part(60.0 + (n % 40) as f64, ("8462-4", "Diastolic Blood Pressure"));
            let high = part(100.0 + (n % 80) as f64, ("8480-6", "Systolic Blood Pressure"));
            let panel = code("55284-4", "Blood Pressure");
            (format!(r#"{panel},"component":[{low},{high}]"#), "vital-signs")
        }
        1 => {
            let (words, value) = ("Body Weight", 40.0 + (n % 1_000) as f64 / 7.0);
            (format!("{},{}", code("29463-7", words), quantity(value, "kg")), "vital-signs")
        }
        _ => {
            let (words, value) =
                ("Hemoglobin A1c/Hemoglobin.total in Blood", 5.0 + (n % 60) as f64 / 10.0);
            (format!("{},{}", code("4548-4", words), quantity(value, "%")), "laboratory")
        }
    };
    let (patient, day, minute) = (n / 150, n % 28 + 1, n % 60);
    let time = format!("2019-0{}-{day:02}T10:{minute:02}:11", n % 9 + 1);
    format!(
        r#"{{"resourceType":"Observation","id":"6b29fc40-ca47-1067-b31d-{n:012}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{category}","display":"{category}"}}]}}],"subject":{{"reference":"Patient/0c5f6f1e-0000-4000-8000-{patient:012}"}},"encounter":{{"reference":"Encounter/11d1def5-0000-4000-8000-{day:012}"}},"effectiveDateTime":"{time}+00:00","issued":"{time}.530+00:00",{value}}}
"#
    )
}
