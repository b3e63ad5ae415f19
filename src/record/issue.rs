//! What is wrong with a record, or doubtful about it; and when events become known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::EventKind;

/// A place in the record that cannot be used, and why. Never holds a value of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Such as `events[3].value`.
    pub path: String,
    pub reason: &'static str,
}

/// A record that cannot become a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct RecordError {
    pub violations: Vec<Violation>,
}

impl RecordError {
    fn sentence(&self) -> String {
        let each = self.violations.iter().map(|v| format!("{}: {}", v.path, v.reason));
        each.collect::<Vec<_>>().join("; ")
    }
}

/// What was left out of a record, or taken with a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssueKind {
    EnteredInError,
    NotDone,
    NoTime,
    Duplicate,
    UnknownEncounter,
    UnknownUnit,
    MissingUnit,
    ImplausibleValue,
    SwappedPressure,
    /// Counted by whoever knows the prediction time; a history itself has none.
    AfterPredictionTime,
    /// Found by whoever reads a Bundle.
    PartialBundle,
    /// Found by whoever reads resources, as are the following.
    UnknownMedication,
    /// For this reason.
    Unusable(&'static str),
}

impl IssueKind {
    /// A sentence for the sender.
    pub fn text(self) -> &'static str {
        match self {
            IssueKind::EnteredInError => "entered in error: left out",
            IssueKind::NotDone => "planned or cancelled but not done: left out",
            IssueKind::NoTime => "no time of any kind: left out, because it may lie in the future",
            IssueKind::Duplicate => "sent more than once: counted once",
            IssueKind::UnknownEncounter => "names an encounter that is not in the record",
            IssueKind::UnknownUnit => {
                "unit not known for this concept: the value counts as missing"
            }
            IssueKind::MissingUnit => "no unit: taken to be in the concept's own unit",
            IssueKind::ImplausibleValue => "implausible value: it counts as missing",
            IssueKind::SwappedPressure => {
                "systolic pressure below diastolic: the two seem swapped; both count as missing"
            }
            IssueKind::AfterPredictionTime => "after the prediction time: not used",
            IssueKind::UnknownMedication => {
                "refers to a Medication that was not sent along: the drug is left out"
            }
            IssueKind::Unusable(reason) => reason,
            IssueKind::PartialBundle => {
                "a page of a search that goes on, or a search that failed: what it holds beside this is not used"
            }
        }
    }

    /// A stable name for programs.
    pub fn name(self) -> &'static str {
        match self {
            IssueKind::EnteredInError => "ENTERED_IN_ERROR",
            IssueKind::NotDone => "NOT_DONE",
            IssueKind::NoTime => "NO_TIME",
            IssueKind::Duplicate => "DUPLICATE",
            IssueKind::UnknownEncounter => "UNKNOWN_ENCOUNTER",
            IssueKind::UnknownUnit => "UNKNOWN_UNIT",
            IssueKind::MissingUnit => "MISSING_UNIT",
            IssueKind::ImplausibleValue => "IMPLAUSIBLE_VALUE",
            IssueKind::SwappedPressure => "SWAPPED_PRESSURE",
            IssueKind::AfterPredictionTime => "AFTER_PREDICTION_TIME",
            IssueKind::PartialBundle => "PARTIAL_BUNDLE",
            IssueKind::UnknownMedication => "UNKNOWN_MEDICATION",
            IssueKind::Unusable(_) => "UNUSABLE_RESOURCE",
        }
    }
}

/// How often one kind of doubt arose, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataIssue {
    pub kind: IssueKind,
    pub count: u32,
    /// The place it was first seen, such as `events[3].unit`.
    pub first_path: String,
}

#[derive(Debug, Default)]
pub(super) struct Issues(BTreeMap<IssueKind, (u32, String)>);

impl Issues {
    pub(super) fn count(&mut self, kind: IssueKind, path: impl FnOnce() -> String) {
        self.0.entry(kind).or_insert_with(|| (0, path())).0 += 1;
    }

    pub(super) fn list(self) -> Vec<DataIssue> {
        let each = self.0.into_iter();
        each.map(|(kind, (count, first_path))| DataIssue { kind, count, first_path }).collect()
    }
}

/// Hours after which an event of a kind is known, where the record does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownAfter(BTreeMap<EventKind, u32>);

impl KnownAfter {
    /// Hours from an event of `kind` to the record knowing of it; 0 when nothing is said.
    pub fn hours(&self, kind: EventKind) -> i64 {
        self.0.get(&kind).copied().map_or(0, i64::from)
    }
}
