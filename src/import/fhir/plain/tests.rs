//! That this reader and serde_json never disagree: on the sample, on odd lines of our own, on either
//! of them damaged, and on the public exports where `PRODROME_DATA` named their
//! folder when the test was built.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::import::Reading;
use crate::import::fhir::bulk::read_one;

thread_local! {
    /// Whether serde_json is to read alone.
    pub(super) static OFF: Cell<bool> = const { Cell::new(false) };
}

/// What a line says, to the last bit (the sign of a zero, too), by both ways.
fn by_both_ways(line: &[u8]) -> [String; 2] {
    let reading = Reading::default();
    [false, true].map(|off| {
        OFF.set(off);
        let said = format!("{:?}", read_one(line, &reading));
        OFF.set(false);
        said
    })
}

fn agree(line: &[u8]) {
    let [plain, reference] = by_both_ways(line);
    assert_eq!(plain, reference, "{}", String::from_utf8_lossy(line));
}

const ODD: [&str; 10] = [
    r#"{"resourceType":"Observation","id":"\u00e9\ud83d\ude00\/","subject":{"reference":"Patient\/p"},"code":{"coding":[{"system":"http://loinc.org","code":"1-1\n"}]},"note":"\"\\"}"#,
    r#" { "resourceType" : "Observation" , "id" : "a" , "subject" : { "reference" : "Patient/p" } , "code" : { "coding" : [ { "system" : "http://loinc.org" , "code" : "1-1" } ] } , "valueQuantity" : { "value" : -0 } } "#,
    r#"{"resourceType":"Observation","subject":{"reference":"p"},"code":{"coding":{"system":"http://loinc.org","code":"1-1"}},"valueQuantity":{"value":1.7976931348623157e308},"x":[[],{},[{}],{"a":[1,-2.5E-3,true,false,null]}]}"#,
    r#"{"resourceType":"Observation","subject":{"reference":"p"},"code":{"coding":[{"system":"s:","code":"1"}]},"valueQuantity":{"value":123456789012345678901234567890}}"#,
    r#"{"resourceType":"Observation","subject":{"reference":"p"},"code":{"coding":[{"system":"s:","code":"1"}]},"valueQuantity":{"value":-18446744073709551615.0},"valueInteger":7,"valueBoolean":true}"#,
    r#"{"resourceType":"Observation","subject":{"reference":"p"},"code":{"coding":[{"system":"s:","code":"1"}]},"component":[{"code":{"coding":[{"system":"s:","code":"2"}]},"valueInteger":-3},{"code":{"text":"x"},"valueString":"\u0041"}],"dataAbsentReason":null}"#,
    r#"{"resourceType":"Observation","subject":{"reference":"p"},"code":{"coding":[{"system":"s:","code":"1"}]},"valueQuantity":{"value":4.9e-324},"valueQuantity":{"value":1}}"#,
    r#"{"resourceType":"Encounter","id":"e","subject":{"reference":"p"},"class":[{"code":"IMP"}],"period":{"start":"2020-01-01T00:00:00Z"},"diagnosis":[{"condition":{"reference":"Condition/c"},"rank":1},{"condition":{"reference":"Condition/d"},"rank":-1.5}]}"#,
    r#"{"resourceType":"Patient","id":"p","deceasedBoolean":true,"address":{"postalCode":"02139"},"birthDate":null,"name":[{"family":"caf\u00e9 \ud800"}]}"#,
    r#"{"resourceType":"MedicationRequest","id":"m","doNotPerform":false,"subject":{"reference":"p"},"medicationCodeableConcept":{"coding":[{"system":"s:","code":"1"}]}}"#,
];

/// What damaged lines get in their middle.
const SPLINTERS: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-",
    "0",
    "1e999",
    ".5",
    "1E+",
    "e",
    "\u{0}",
    "\u{1f}",
    "\\u12",
    "\\ud800",
    "é",
    " ",
    "\t",
    "\"id\":\"x\",",
];

fn sample() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fhir");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text = files.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>().concat();
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    lines.chain(ODD.iter().map(|line| line.as_bytes().to_vec())).collect()
}

fn damaged(line: &[u8], other: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut line = line.to_vec();
    for _ in 0..random.usize(1..=3) {
        if line.is_empty() {
            break;
        }
        let at = random.usize(0..line.len());
        let to = (at + random.usize(1..=12)).min(line.len());
        match random.u8(0..6) {
            0 => line[at] = random.u8(..),
            1 => line.truncate(at),
            2 => drop(line.drain(at..to)),
            3 => {
                let piece = line[at..to].to_vec();
                line.splice(at..at, piece);
            }
            4 if !other.is_empty() => {
                let from = random.usize(0..other.len());
                let piece = other[from..].iter().take(40).copied();
                line.splice(at..to, piece);
            }
            _ => {
                let splinter = SPLINTERS[random.usize(0..SPLINTERS.len())];
                line.splice(at..at, splinter.bytes());
            }
        }
    }
    line
}

#[test]
fn both_ways_agree_on_whole_and_on_damaged_lines() {
    let lines = sample();
    lines.iter().for_each(|line| agree(line));
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..400 {
        for line in &lines {
            let other = &lines[random.usize(0..lines.len())];
            agree(&damaged(line, other, &mut random));
        }
    }
}

#[test]
fn deep_lines_are_left_to_serde_json() {
    for depth in [1, 30, 58, 59, 60, 61, 62, 63, 64, 65, 126, 127, 128, 129, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            for field in ["x", "component", "code", "valueQuantity"] {
                agree(format!(r#"{{"resourceType":"Observation","{field}":{deep}}}"#).as_bytes());
            }
            agree(deep.as_bytes());
        }
    }
}

#[test]
fn both_ways_agree_on_the_public_exports() {
    let Some(data) = option_env!("PRODROME_DATA").map(PathBuf::from) else {
        return eprintln!("SKIPPED: name the folder of the full data in PRODROME_DATA");
    };
    let mut random = fastrand::Rng::with_seed(6);
    for what in ["fhir-synthea-r4", "fhir-pysynthea", "mimic4-demo-fhir-part"] {
        for entry in fs::read_dir(data.join(what)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "gz") {
                continue;
            }
            let file = flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap());
            for line in BufReader::new(file).split(b'\n') {
                let line = line.unwrap();
                agree(&line);
                agree(&damaged(&line, &line, &mut random));
            }
        }
    }
}
