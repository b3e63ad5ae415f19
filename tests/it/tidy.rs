//! The law of the house, read off the source: who may import whom, and who may name what.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// The rooms and their ranks; a room may import rooms of lower rank only.
const RANKS: [(&str, u32); 32] = [
    ("page", 0),
    ("private_file", 0),
    ("signing", 0),
    ("strict_toml", 0),
    ("access", 0),
    ("trace", 0),
    ("meters", 1),
    ("record", 1),
    ("published", 2),
    ("feature", 3),
    ("task", 4),
    ("model", 5),
    ("bundle", 6),
    ("score", 7),
    ("train", 7),
    ("simulate", 7),
    ("flag", 7),
    ("trend", 7),
    ("import", 8),
    ("registry", 8),
    ("identity", 8),
    ("audit", 8),
    ("flag_store", 8),
    ("fhir_client", 8),
    ("fhir", 9),
    ("service", 10),
    ("command", 10),
    ("rpc", 11),
    ("http", 11),
    ("telemetry", 11),
    ("demonstration", 11),
    ("config", 12),
];

/// A longer file asks to be two.
const LINES_MAX: usize = 400;

/// Words that only the named rooms may use in code.
const RESERVED: [(&str, &[&str]); 28] = [
    ("tonic:", &["rpc"]),
    ("tonic_", &["rpc"]),
    ("prost", &["rpc"]),
    ("hyper::", &["rpc", "http"]),
    ("hyper_", &["rpc", "http"]),
    ("axum", &["http"]),
    ("jsonwebtoken", &["identity"]),
    ("rustls", &["identity", "fhir_client", "rpc", "http"]),
    ("x509_parser", &["identity"]),
    ("ureq", &["identity", "fhir_client"]),
    ("sqlx", &["flag_store"]),
    ("statrs", &["trend"]),
    ("figment", &["config"]),
    // The names and labels of what is counted stand in one place, where their number is bounded.
    ("metrics_exporter_prometheus", &["meters"]),
    ("opentelemetry", &["telemetry", "trace"]),
    ("linfa", &["model"]),
    ("smartcore", &["model"]),
    ("octofhir", &["record"]),
    // Counts over the whole of a record, what is to come included: for reports alone.
    (".joined(", &["import", "train", "command"]),
    ("parquet::", &["import"]),
    ("flate2", &["import"]),
    ("zstd::", &["import"]),
    // Telemetry reads /proc/self; `private_file` keeps the files of other rooms from others.
    (
        "std::fs",
        &[
            "private_file",
            "import",
            // The authorities that vouch for FHIR servers.
            "fhir_client",
            "registry",
            "command",
            "identity",
            "fhir_client",
            "audit",
            "config",
            "telemetry",
            // Its temporary folder goes when it ends.
            "demonstration",
        ],
    ),
    ("std::env", &["config"]),
    ("std::net", &["fhir_client", "rpc", "http", "config"]),
    ("SystemTime", &["rpc", "http", "telemetry"]),
    // The access log tells no time by it: it spaces its tries to write, its flushes, its checkpoints.
    // The gate of the use cases measures what a score takes.
    ("Instant::now", &["fhir_client", "service", "rpc", "http", "telemetry", "command", "audit"]),
    ("anyhow", &[]),
];

struct Source {
    /// Path inside `src`, such as `record/view.rs`.
    name: String,
    room: String,
    text: String,
}

impl Source {
    /// The lines of code: without comments and in-file tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
            .filter(|(_, line)| !line.trim().is_empty())
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let base = root().join("src");
    let mut files = Vec::new();
    collect(&base, &mut files);
    files.sort();
    let source = |path: &PathBuf| {
        let name = path.strip_prefix(&base).unwrap().to_str().unwrap().to_owned();
        let room = name.split(['/', '.']).next().unwrap().to_owned();
        Source { name, room, text: fs::read_to_string(path).unwrap() }
    };
    let found: Vec<Source> = files.iter().map(source).collect();
    assert!(found.len() > 40, "the sources were found");
    found
}

fn library() -> impl Iterator<Item = Source> {
    sources().into_iter().filter(|source| source.room != "bin" && source.room != "lib")
}

fn rank(room: &str) -> u32 {
    let known = RANKS.iter().find(|(name, _)| *name == room);
    known.unwrap_or_else(|| panic!("room `{room}` has no rank; give it one here")).1
}

#[test]
fn imports_point_down_and_never_sideways() {
    let mut faults = Vec::new();
    for source in library() {
        for (line, code) in source.code() {
            for path in code.split("crate::").skip(1) {
                let target = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let is_room = RANKS.iter().any(|(room, _)| *room == target);
                if is_room && target != source.room && rank(target) >= rank(&source.room) {
                    faults.push(format!("{}:{line} imports {target}", source.name));
                }
            }
            if code.contains("use crate::{") {
                faults.push(format!("{}:{line} imports several rooms in one line", source.name));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Whether `code` holds `word` at the start of a name: `isotonic::` does not name tonic.
fn names(code: &str, word: &str) -> bool {
    let inside = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let starts_name = word.starts_with(char::is_alphabetic);
    code.match_indices(word).any(|(at, _)| !(starts_name && inside(&code[..at])))
}

#[test]
fn reserved_words_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for source in library() {
        for (line, code) in source.code() {
            for (word, rooms) in RESERVED {
                if names(code, word) && !rooms.contains(&source.room.as_str()) {
                    faults.push(format!("{}:{line} names {word}", source.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn only_labels_see_the_future() {
    let mut uses = 0;
    for source in library() {
        for (line, code) in source.code() {
            let names = code.contains("Future<") || code.contains(".future(");
            let is_rust_future = code.contains("Output");
            if names && !is_rust_future && source.room != "record" {
                assert_eq!(source.name, "task/label.rs", "line {line}: {code}");
                uses += 1;
            }
        }
    }
    assert!(uses > 0, "the words this test looks for are still the right ones");
}

#[test]
fn features_are_extracted_and_rows_predicted_in_one_place() {
    let definitions = |needle: &str| {
        let all = library().flat_map(|s| s.code().map(|(_, c)| c.to_owned()).collect::<Vec<_>>());
        all.filter(|code| code.contains(needle)).count()
    };
    assert_eq!(definitions("fn extract("), 1);
    assert_eq!(definitions("pub fn predict("), 1);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "{} opens with its purpose", source.name);
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines: it asks to be two", source.name);
        let stem = source.name.rsplit('/').next().unwrap();
        assert!(
            !stem.starts_with("util.") && stem != "utils.rs",
            "{}: a function lives with its noun",
            source.name
        );
    }
}

#[test]
fn functions_stay_short() {
    for source in sources() {
        let mut start: Option<(usize, usize)> = None;
        for (at, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let opens = line.contains("fn ") && !line.trim_start().starts_with("//");
            if opens && start.is_none() && !line.trim_end().ends_with(';') {
                start = Some((at, indent));
            }
            if let Some((from, depth)) = start
                && indent == depth
                && line.trim_start().starts_with('}')
            {
                let lines = at - from + 1;
                assert!(lines <= 70, "{}:{} is {lines} lines long", source.name, from + 1);
                start = None;
            }
        }
    }
}

#[test]
fn nothing_panics_on_purpose() {
    let words = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    for source in sources() {
        if source.name.ends_with("tests.rs") {
            continue;
        }
        for (line, code) in source.code() {
            let found = words.iter().find(|word| code.contains(**word));
            assert!(found.is_none(), "{}:{line} {}", source.name, found.unwrap());
        }
    }
}

#[test]
fn the_project_holds_nothing_unsafe() {
    for source in sources() {
        for (line, code) in source.code() {
            assert!(!code.contains("unsafe "), "{}:{line}", source.name);
        }
    }
}
