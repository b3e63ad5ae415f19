//! What became of every row read: used, skipped on purpose, or quarantined because it is wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A row that could not be used. It names a place and a reason, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The name of the file, without its folder.
    pub file: String,
    /// The line in the (unpacked) file, counted from 1.
    pub line: u64,
    /// The column at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub reason: String,
}

impl Quarantined {
    fn sentence(&self) -> String {
        let column = self.column.as_ref().map(|column| format!(" column {column}"));
        let Quarantined { file, line, reason, .. } = self;
        format!("{file} line {line}{}: {reason}", column.unwrap_or_default())
    }
}

/// What the receiver of a subject did with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Used,
    /// Left out on purpose, under the name of a kind.
    Skipped(String),
    /// Found wrong, such as by `History::build`; the reason must not hold a value.
    Quarantined(String),
}

/// Rows read and what became of them. Read = used + skipped + quarantined at all times, because
/// a row is counted as read in the same step that says what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    read: u64,
    used: u64,
    skipped: BTreeMap<String, u64>,
    quarantined: u64,
    /// The first quarantined rows, for the report.
    examples: Vec<Quarantined>,
    /// What was left out of rows that are otherwise used, by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    issues: BTreeMap<String, u64>,
}

impl Counts {
    /// How many quarantined rows are kept by name.
    pub const EXAMPLES_MAX: usize = 100;

    pub fn read(&self) -> u64 {
        self.read
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    /// Rows left out on purpose, by kind.
    pub fn skipped(&self) -> &BTreeMap<String, u64> {
        &self.skipped
    }

    pub fn quarantined(&self) -> u64 {
        self.quarantined
    }

    /// The first `EXAMPLES_MAX` quarantined rows, in order.
    pub fn examples(&self) -> &[Quarantined] {
        &self.examples
    }

    /// What was left out of rows that are otherwise used, by kind: a field, never a value.
    pub fn issues(&self) -> &BTreeMap<String, u64> {
        &self.issues
    }

    /// The counts in one sentence.
    pub fn sentence(&self) -> String {
        let skipped: Vec<String> =
            self.skipped.iter().map(|(kind, count)| format!("{count} skipped ({kind})")).collect();
        let skipped = if skipped.is_empty() { "0 skipped".to_owned() } else { skipped.join(", ") };
        format!(
            "{} rows read: {} used, {skipped}, {} quarantined",
            self.read, self.used, self.quarantined
        )
    }

    /// One line for each quarantined row that is kept by name, one for the rest, and one for each
    /// kind of issue.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.examples.iter().map(Quarantined::sentence).collect();
        let more = self.quarantined - lines.len() as u64;
        if more > 0 {
            lines.push(format!("{more} more rows are quarantined"));
        }
        lines.extend(self.issues.iter().map(|(kind, count)| format!("{count} times {kind}")));
        lines
    }

    /// Adds the counts of another part of the same export.
    pub(super) fn add(&mut self, other: Counts) {
        let Counts { read, used, skipped, quarantined, examples, issues } = other;
        self.read += read;
        self.used += used;
        self.quarantined += quarantined;
        skipped.iter().for_each(|(kind, count)| add(&mut self.skipped, kind, *count));
        issues.iter().for_each(|(kind, count)| add(&mut self.issues, kind, *count));
        let room = Counts::EXAMPLES_MAX - self.examples.len().min(Counts::EXAMPLES_MAX);
        self.examples.extend(examples.into_iter().take(room));
    }

    /// Counts what the receiver of a subject said for all rows it was made of.
    pub(super) fn receive(
        &mut self,
        received: Received,
        rows: u64,
        quarantined: impl FnOnce(String) -> Quarantined,
    ) {
        match received {
            Received::Used => self.use_many(rows),
            Received::Skipped(kind) => self.skip_many(&kind, rows),
            Received::Quarantined(reason) => self.quarantine_many(rows, || quarantined(reason)),
        }
    }

    pub(super) fn use_one(&mut self) {
        self.use_many(1);
    }

    pub(super) fn use_many(&mut self, rows: u64) {
        self.read += rows;
        self.used += rows;
    }

    pub(super) fn skip_one(&mut self, kind: &str) {
        self.skip_many(kind, 1);
    }

    pub(super) fn skip_many(&mut self, kind: &str, rows: u64) {
        self.read += rows;
        add(&mut self.skipped, kind, rows);
    }

    pub(super) fn quarantine_one(&mut self, row: impl FnOnce() -> Quarantined) {
        self.quarantine_many(1, row);
    }

    /// Quarantines so many rows that have one fault in common, under the name of one of them.
    pub(super) fn quarantine_many(&mut self, rows: u64, row: impl FnOnce() -> Quarantined) {
        self.read += rows;
        self.quarantined += rows;
        if self.examples.len() < Counts::EXAMPLES_MAX {
            self.examples.push(row());
        }
    }

    pub(super) fn count_issue(&mut self, kind: &str) {
        add(&mut self.issues, kind, 1);
    }
}

fn add(counts: &mut BTreeMap<String, u64>, kind: &str, more: u64) {
    match counts.get_mut(kind) {
        Some(count) => *count += more,
        None => {
            counts.insert(kind.to_owned(), more);
        }
    }
}
