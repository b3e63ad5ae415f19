//! `leaks`: which features know what no live system would, without a fit.

use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use super::records::{self, Source};
use super::task_source::TaskSource;
use crate::import::{Counts, Meter};
use crate::train::{self, LeakFinding, LeakReport, ShownAttrition};

/// What `leaks` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaksRequest {
    pub task: TaskSource,
    pub source: Source,
    /// A MEDS label file (or a folder of them) that replaces the task's own index times and outcome.
    pub labels: Option<PathBuf>,
}

/// What `leaks` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaksOutcome {
    pub task: String,
    pub lines: Counts,
    pub attrition: ShownAttrition,
    pub leaks: LeakReport,
    /// What is doubtful about the label file.
    pub label_warnings: Vec<String>,
}

impl LeaksOutcome {
    /// 0, or 1 where a finding would forbid a bundle.
    pub fn exit_code(&self) -> u8 {
        if self.leaks.blocks() { 1 } else { 0 }
    }

    /// What was found, one finding a line, blocking ones first.
    pub fn summary(&self) -> String {
        let ShownAttrition { samples, patients, outcomes, .. } = &self.attrition;
        let mut text = format!(
            "{}: {samples} index times of {patients} patients, {outcomes} with the outcome\n{}\n{}",
            self.task,
            self.lines.sentence(),
            self.leaks.sentence()
        );
        let findings = self.leaks.findings.iter().map(LeakFinding::sentence);
        findings.for_each(|sentence| text += &format!("\n{sentence}"));
        text
    }

    /// What is doubtful about the files.
    pub fn warnings(&self) -> Vec<String> {
        self.label_warnings.iter().cloned().chain(self.lines.warnings()).collect()
    }
}

/// Looks for leaks in the cohort of a task in an export.
///
/// # Errors
/// Files that cannot be read, a cohort that is empty.
pub fn leaks(request: &LeaksRequest, meter: &Meter) -> Result<LeaksOutcome, CommandError> {
    let (task, concepts) = request.task.read()?;
    let export = records::export(&request.source)?;
    let (cohort, lines, label_warnings) =
        records::cohort(&task, &concepts, &export, meter, request.labels.as_deref())?;
    if cohort.samples().is_empty() {
        let why = "the cohort is empty: nothing to look for leaks in (see `cohort`)";
        return Err(CommandError::Data(why.to_owned()));
    }
    Ok(LeaksOutcome {
        task: task.params().name.clone(),
        lines,
        attrition: cohort.attrition().shown(),
        leaks: train::leaks(&cohort),
        label_warnings,
    })
}
