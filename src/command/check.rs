//! `check`: what is in an export, what is wrong with it, and why a task finds no cohort.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::records::{self, Source};
use super::{CommandError, io_error};
use crate::import::{Counts, Meter, Received};
use crate::record::{ConceptError, ConceptSet, IssueKind};
use crate::task::Task;
use crate::train::{Findings, Section, Shown, Survey};

/// The most kinds of quarantined rows in the text; the JSON has all that are kept by name.
const QUARANTINE_MAX: usize = 10;
/// So many quarantined rows in a hundred are worse than whatever is said of the rest.
const QUARANTINED_PERCENT_MUCH: f64 = 5.0;

/// What `check` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRequest {
    pub source: Source,
    /// Task files; every `<models>/*/task.toml` when there is none.
    pub tasks: Vec<PathBuf>,
    pub models: PathBuf,
    pub concepts: Vec<PathBuf>,
    /// Formula files of the site, which tasks may name beside those built in.
    pub published: Vec<PathBuf>,
}

/// Quarantined rows of one file with one fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantineGroup {
    pub file: String,
    /// The column or field at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub reason: String,
    /// Of the rows that are kept by name.
    pub rows: u64,
    pub first_line: u64,
}

/// Something that was left out of a row or a history, or taken with a doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// A stable name; `IMPORT` for what the import found.
    pub kind: &'static str,
    pub text: String,
    pub count: u64,
}

/// What `check` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    #[serde(flatten)]
    pub findings: Findings,
    pub lines: Counts,
    pub quarantine: Vec<QuarantineGroup>,
    pub issues: Vec<Issue>,
    /// What should be looked at, the worst first.
    pub look_at: Vec<String>,
    /// Whether the tasks were named, or are all those of the models folder.
    #[serde(skip)]
    pub tasks_named: bool,
    /// The zone of times that came without one.
    pub timezone: String,
    /// The part of an address that was taken as the region.
    pub region_from: &'static str,
}

impl Checked {
    /// The program's exit code: 3 when nothing could be used, or a criterion of a task cannot work (of
    /// tasks that nobody named, of all of them).
    pub fn exit_code(&self) -> u8 {
        if self.lines.used() == 0 || self.findings.is_blocked(self.tasks_named) { 3 } else { 0 }
    }

    /// What was found, for people.
    pub fn text(&self) -> String {
        let mut first = Section::new("What to look at");
        self.look_at.iter().for_each(|line| first.row([format!("- {line}")]));
        if self.look_at.is_empty() {
            first.row(["- nothing"]);
        }
        let mut sections = vec![first, self.lines_section()];
        sections.extend(self.findings.sections());
        let texts: Vec<String> = sections.iter().map(Section::to_string).collect();
        texts.join("\n").trim_end().to_owned()
    }

    fn lines_section(&self) -> Section {
        let mut section = Section::new("Lines");
        section.row(["read".to_owned(), self.lines.read().to_string()]);
        section.row(["used".to_owned(), self.lines.used().to_string()]);
        for (kind, count) in self.lines.skipped() {
            section.row([format!("skipped: {kind}"), count.to_string()]);
        }
        section.row(["quarantined".to_owned(), self.lines.quarantined().to_string()]);
        for group in self.quarantine.iter().take(QUARANTINE_MAX) {
            let QuarantineGroup { file, column, reason, rows, first_line } = group;
            let column = column.as_ref().map(|column| format!(" {column}")).unwrap_or_default();
            section.row([format!("{rows} of {file}{column}: {reason}; first line {first_line}")]);
        }
        let named: u64 = self.quarantine.iter().map(|group| group.rows).sum();
        if named < self.lines.quarantined() {
            section.row([format!("of which the first {named} are told apart")]);
        }
        for Issue { text, count, .. } in &self.issues {
            section.row([format!("{count} times {text}")]);
        }
        section.row([format!(
            "times without a zone were read as {} (in MEDS and tables of stays as UTC); --timezone \
             changes it",
            self.timezone
        )]);
        section.row([format!("regions come from: {}; see --region-from", self.region_from)]);
        section
    }
}

/// Reads an export as a fit would, and says what is in it.
///
/// # Errors
/// Task, concept or mapping files that cannot be used, an export that cannot be read at all.
pub fn check(request: &CheckRequest, meter: &Meter) -> Result<Checked, CommandError> {
    let (concepts, tasks) = tasks(request)?;
    let export = records::export(&request.source)?;
    let mut survey = Survey::new(&concepts, &tasks);
    let lines = export.read(meter, |subject| match survey.add(&records::case(subject)) {
        Ok(()) => Received::Used,
        Err(error) => Received::Quarantined(error.to_string()),
    })?;
    let findings = survey.finish();
    let quarantine = quarantine(&lines);
    let mut look_at = look_at(&findings, &lines, tasks.len());
    let open = findings.content.coverage.open.subjects;
    if open != Shown::Exactly(0) && export.reading.data_until.is_none() {
        look_at.push(format!(
            "{open} patients have coverage without an end and count as followed for ever: say until \
             when the source holds data with --data-until DATE"
        ));
    }
    Ok(Checked {
        look_at,
        issues: issues(&findings, &lines),
        quarantine,
        findings,
        lines,
        tasks_named: !request.tasks.is_empty(),
        timezone: export.reading.timezone.name().to_owned(),
        region_from: export.reading.region_from.name(),
    })
}

/// The concepts, and the tasks to check, by file name.
fn tasks(request: &CheckRequest) -> Result<(ConceptSet, Vec<Task>), CommandError> {
    let found = if request.tasks.is_empty() { task_files(&request.models)? } else { Vec::new() };
    let files = if request.tasks.is_empty() { &found } else { &request.tasks };
    let concepts = match files.first() {
        Some(first) => records::concepts(first, &request.concepts)?,
        None => records::concepts_in(&request.models, &request.concepts)?,
    };
    for file in files.iter().skip(1) {
        let own = records::concepts(file, &request.concepts)?;
        if own.to_toml() != concepts.to_toml() {
            let reason = "its concepts are not those of the other tasks: check it by itself";
            let error = ConceptError::Syntax(reason.to_owned());
            return Err(CommandError::Concepts { path: file.clone(), error });
        }
    }
    let formulas = records::formulas(&request.published)?;
    let task = |file: &PathBuf| records::task(file, &concepts, &formulas, None);
    let tasks: Result<_, _> = files.iter().map(task).collect();
    Ok((concepts, tasks?))
}

/// Every task file one folder below `models`, in order.
fn task_files(models: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(models).map_err(io_error(models))? {
        let file = entry.map_err(io_error(models))?.path().join("task.toml");
        if file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The quarantined rows that are kept by name, by file and fault, the most frequent first.
fn quarantine(lines: &Counts) -> Vec<QuarantineGroup> {
    let mut groups: BTreeMap<(String, Option<String>, String), (u64, u64)> = BTreeMap::new();
    for row in lines.examples() {
        let key = (row.file.clone(), row.column.clone(), without_places(&row.reason));
        let (rows, first) = groups.entry(key).or_insert((0, row.line));
        *rows += 1;
        *first = row.line.min(*first);
    }
    let each = groups.into_iter();
    let mut groups: Vec<QuarantineGroup> = each
        .map(|((file, column, reason), (rows, first_line))| QuarantineGroup {
            file,
            column,
            reason,
            rows,
            first_line,
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
    groups
}

/// A reason without the places it names inside of a record (`events[3].unit`), so that rows with the
/// same fault are counted together.
fn without_places(reason: &str) -> String {
    let mut kept = String::with_capacity(reason.len());
    let mut is_inside = false;
    for c in reason.chars() {
        is_inside &= c != ']';
        if !is_inside {
            kept.push(c);
        }
        is_inside |= c == '[';
    }
    kept
}

fn issues(findings: &Findings, lines: &Counts) -> Vec<Issue> {
    let of_histories = findings.issues.iter().map(|(kind, count)| Issue {
        kind: kind.name(),
        text: kind.text().to_owned(),
        count: *count,
    });
    let of_import = lines.issues().iter().map(|(text, count)| Issue {
        kind: "IMPORT",
        text: text.clone(),
        count: *count,
    });
    of_histories.chain(of_import).collect()
}

fn look_at(findings: &Findings, lines: &Counts, tasks: usize) -> Vec<String> {
    let mut look_at = Vec::new();
    if lines.used() == 0 {
        look_at.push("nothing at all could be used".to_owned());
    }
    let share = 100.0 * lines.quarantined() as f64 / lines.read().max(1) as f64;
    let line = format!("{} of {} rows are quarantined", lines.quarantined(), lines.read());
    let quarantined = (lines.quarantined() > 0).then(|| format!("{line} ({share:.1}%)"));
    let is_much = share >= QUARANTINED_PERCENT_MUCH;
    look_at.extend(quarantined.iter().filter(|_| is_much).cloned());
    look_at.extend(findings.look_at());
    let lost = [IssueKind::UnknownUnit, IssueKind::ImplausibleValue];
    for (kind, count) in findings.issues.iter().filter(|(kind, _)| lost.contains(kind)) {
        look_at.push(format!("{count} times {}", kind.text()));
    }
    look_at.extend(quarantined.into_iter().filter(|_| !is_much));
    if tasks == 0 {
        look_at.push("there is no task to check: name one with --task".to_owned());
    }
    look_at
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_inside_of_a_record_are_no_reasons_of_their_own() {
        let reason = "events[3].value: not a finite number; events[12].unit: too long";
        let kept = "events[].value: not a finite number; events[].unit: too long";
        assert_eq!(super::without_places(reason), kept);
        assert_eq!(super::without_places("open [ bracket"), "open [");
    }
}
