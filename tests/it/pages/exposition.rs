//! A strict reader of Prometheus' text format, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

type Labels = BTreeMap<String, String>;

/// A page that was read whole.
pub(crate) struct Exposition {
    samples: Vec<(String, Labels, f64)>,
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Exposition {
    /// Reads `text`; panics where it is not as the format and the conventions have it: each family
    /// with help and type, once and in one piece; counters end in `_total`; no series twice.
    pub(crate) fn parse(text: &str) -> Exposition {
        let mut helped = BTreeSet::new();
        let mut kinds: BTreeMap<String, String> = BTreeMap::new();
        let mut last = String::new();
        let mut seen = BTreeSet::new();
        let mut samples = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has text");
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                last = name.to_owned();
            } else {
                let (name, labels, value) = sample(line);
                let ending = name.strip_prefix(&last).unwrap_or_else(|| panic!("stray: {line}"));
                let endings: &[&str] = match kinds[&last].as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(endings.contains(&ending), "{line}");
                assert!(helped.contains(&last), "no help: {line}");
                assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
                samples.push((name, labels, value));
            }
        }
        Exposition { samples }
    }

    /// The value of the series `name` with exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let found =
            self.samples.iter().find(|(known, labels, _)| known == name && *labels == wanted);
        found.map(|(_, _, value)| *value)
    }

    /// The sum over the series `name`.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|(known, _, _)| known == name).map(|(_, _, value)| value).sum()
    }

    /// How many series `name` has.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.samples.iter().filter(|(known, _, _)| known == name).count()
    }

    /// How many series there are.
    pub(crate) fn samples(&self) -> usize {
        self.samples.len()
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, labels)) = series.split_once('{') else {
        assert!(is_name(series), "{line}");
        return (series.to_owned(), Labels::new(), value);
    };
    assert!(is_name(name), "{line}");
    let mut rest = labels.strip_suffix('}').expect("labels are closed");
    let mut found = Labels::new();
    while !rest.is_empty() {
        let (label, behind) = rest.split_once("=\"").expect("a label has a value");
        assert!(is_name(label), "{line}");
        let (text, behind) = quoted(behind);
        assert!(found.insert(label.to_owned(), text).is_none(), "{line}");
        rest = behind.strip_prefix(',').unwrap_or(behind);
        assert!(behind.is_empty() || behind.starts_with(','), "{line}");
    }
    (name.to_owned(), found, value)
}

/// The text up to the closing quote, and what is behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut found = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (found, &text[at + 1..]),
            '\\' => match characters.next().expect("an escape").1 {
                'n' => found.push('\n'),
                escaped @ ('\\' | '"') => found.push(escaped),
                other => panic!("unknown escape {other}"),
            },
            other => found.push(other),
        }
    }
    panic!("not closed: {text}")
}

/// Has `promtool check metrics` judge the page too, where this machine has it.
pub(crate) fn check_with_promtool(page: &str) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
