//! Findings of the leak check: what was found, why it matters, and how to mend it.

use serde::Serialize;

use crate::task::LeakAllowed;
use crate::train::small_cell::Count;

/// What sort of leak was found or is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakKind {
    /// The same person stands on both sides of a split, or can come to.
    OnePersonOnBothSides,
    /// The value depends on what came after the index time.
    ChangesWithTheFuture,
    /// One column alone tells the outcome.
    TellsTheOutcome,
    /// A group that has or lacks something, all of one outcome.
    PureGroup,
    /// One column alone tells much of the outcome.
    StrongColumn,
    /// Whether there is something at all tells much of the outcome.
    PresenceTells,
    /// Whether a value is missing tells of the outcome.
    MissingTells,
    /// The outcome is found by the same concepts that the feature reads.
    OutcomeAsFeature,
    /// Most of a kind of event became known at the index time itself.
    KnownAtIndex,
    /// A name under `leak_allowed` that no finding has.
    UnusedAllowance,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakVerdict {
    /// No bundle is made.
    Blocks,
    /// It would block, but the task file lists it with a reason.
    Allowed,
    Warns,
}

/// One finding. It names columns and codes of many patients, never a patient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeakFinding {
    pub kind: LeakKind,
    pub verdict: LeakVerdict,
    /// The column, `feature=code`, code or event kind; empty where it is about patients.
    pub name: String,
    /// The task's feature behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    pub found: String,
    pub why: &'static str,
    pub mend: &'static str,
    /// Why the task file allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Area under the ROC curve of it alone, at least one half, to three digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc: Option<f64>,
    /// The lower end of the 95% interval of `auroc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auroc_low: Option<f64>,
    /// Patients of a pure group, to the nearest ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients_about: Option<u64>,
    /// Common logarithm of Fisher's p of a pure group, times the number of groups that were tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
}

impl LeakFinding {
    pub(super) fn new(kind: LeakKind, name: &str, found: String) -> LeakFinding {
        LeakFinding {
            kind,
            verdict: if kind.blocks() { LeakVerdict::Blocks } else { LeakVerdict::Warns },
            name: name.to_owned(),
            feature: None,
            found,
            why: kind.why(),
            mend: kind.mend(),
            reason: None,
            auroc: None,
            auroc_low: None,
            patients_about: None,
            log10_p: None,
        }
    }

    pub(super) fn of_feature(self, feature: Option<&str>) -> LeakFinding {
        LeakFinding { feature: feature.map(str::to_owned), ..self }
    }

    /// The finding in one line.
    pub fn sentence(&self) -> String {
        let word = match self.verdict {
            LeakVerdict::Blocks => "blocks",
            LeakVerdict::Allowed => "allowed",
            LeakVerdict::Warns => "warns",
        };
        let name = if self.name.is_empty() { String::new() } else { format!("`{}`: ", self.name) };
        let LeakFinding { found, why, mend, .. } = self;
        match &self.reason {
            Some(reason) => format!("{word}: {name}{found}. Allowed by the task file: {reason}"),
            None => format!("{word}: {name}{found}. {why} Mend: {mend}"),
        }
    }
}

const LIST_IT: &str = "leave the feature out, or set known_after for its kind of event, or list it \
                       under [[leak_allowed]] with a reason.";

impl LeakKind {
    fn blocks(self) -> bool {
        self <= LeakKind::PureGroup
    }

    fn why(self) -> &'static str {
        match self {
            LeakKind::OnePersonOnBothSides => {
                "A model that has learned a person is not judged by that person."
            }
            LeakKind::ChangesWithTheFuture => {
                "A live system cannot know it, so the model would be worse than it looks."
            }
            LeakKind::TellsTheOutcome => {
                "Clinical features do not tell so much: it is likely made from the outcome, or \
                 dated before it was known."
            }
            LeakKind::PureGroup => {
                "Chance does not do that: it is likely written because of the outcome, or only \
                 where the outcome cannot come."
            }
            LeakKind::StrongColumn | LeakKind::PresenceTells => {
                "Make sure that it is known at the index time."
            }
            LeakKind::MissingTells => {
                "It may be missing for a harmless reason; where it is missing because nobody asked, \
                 it says what staff think or how a ward works, and that changes."
            }
            LeakKind::OutcomeAsFeature => {
                "That is right where earlier values foretell later ones, and wrong where the \
                 outcome itself is dated before the index time."
            }
            LeakKind::KnownAtIndex => "Whether a live system has them by then is not certain.",
            LeakKind::UnusedAllowance => "No finding has this name.",
        }
    }

    fn mend(self) -> &'static str {
        match self {
            LeakKind::OnePersonOnBothSides => {
                "give all rows of a person one group (in the mapping), or one split (in the \
                 source's split file)."
            }
            LeakKind::TellsTheOutcome | LeakKind::PureGroup | LeakKind::ChangesWithTheFuture => {
                LIST_IT
            }
            LeakKind::StrongColumn
            | LeakKind::PresenceTells
            | LeakKind::MissingTells
            | LeakKind::OutcomeAsFeature => {
                "look at how the source dates it; if it comes later, set known_after for its kind \
                 of event."
            }
            LeakKind::KnownAtIndex => {
                "if they are written later and dated back, set known_after for this kind of event."
            }
            LeakKind::UnusedAllowance => "take it out of [[leak_allowed]], or correct the name.",
        }
    }
}

/// What the leak check tried, and what it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeakReport {
    /// Columns of the task's features, each by itself.
    pub columns_tried: usize,
    /// Codes that a learned feature could have a column for, of at least 30 patients.
    pub tokens_tried: usize,
    /// Codes of the records at the index times, of at least 30 patients.
    pub codes_tried: usize,
    /// Whether there were more codes than can be told apart: the others were not tried.
    pub codes_left_out: bool,
    /// Groups that were tried for being pure; p is multiplied by this.
    pub groups_tried: usize,
    /// Index times that were made again from the record without its future.
    pub index_times_replayed: Count,
    /// Blocking ones first, then by kind and name.
    pub findings: Vec<LeakFinding>,
}

impl LeakReport {
    /// Whether a finding forbids a bundle.
    pub fn blocks(&self) -> bool {
        self.of(LeakVerdict::Blocks).next().is_some()
    }

    /// The findings of one verdict.
    pub fn of(&self, verdict: LeakVerdict) -> impl Iterator<Item = &LeakFinding> {
        self.findings.iter().filter(move |finding| finding.verdict == verdict)
    }

    /// What was tried and how much was found, in one sentence.
    pub fn sentence(&self) -> String {
        let left_out = if self.codes_left_out { " (others were too many to be tried)" } else { "" };
        let count = |verdict| self.of(verdict).count();
        format!(
            "{} columns, {} learned codes and {} codes of the records tried alone{left_out}, {} index \
             times made again without their future: {} findings block, {} are allowed, {} warn",
            self.columns_tried,
            self.tokens_tried,
            self.codes_tried,
            self.index_times_replayed,
            count(LeakVerdict::Blocks),
            count(LeakVerdict::Allowed),
            count(LeakVerdict::Warns),
        )
    }

    /// The blocking findings, one a line.
    pub fn blocking(&self) -> String {
        let lines = self.of(LeakVerdict::Blocks).map(LeakFinding::sentence);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Marks what the task file allows, warns of names that allowed nothing, and sorts.
    pub(super) fn judged(mut self, allowed: &[LeakAllowed]) -> LeakReport {
        let mut used = vec![false; allowed.len()];
        let blocking = self.findings.iter_mut().filter(|f| f.verdict == LeakVerdict::Blocks);
        for finding in blocking {
            let named = |entry: &LeakAllowed| {
                let name = Some(entry.feature.as_str());
                name == Some(finding.name.as_str()) || name == finding.feature.as_deref()
            };
            let Some(place) = allowed.iter().position(named) else { continue };
            if let (Some(used), Some(entry)) = (used.get_mut(place), allowed.get(place)) {
                *used = true;
                finding.verdict = LeakVerdict::Allowed;
                finding.reason = Some(entry.reason.clone());
            }
        }
        let unused = allowed.iter().zip(&used).filter(|(_, used)| !**used);
        self.findings.extend(unused.map(|(entry, _)| {
            let found = "it is listed under leak_allowed".to_owned();
            LeakFinding::new(LeakKind::UnusedAllowance, &entry.feature, found)
        }));
        self.findings.sort_by(|a, b| {
            let weight = |finding: &LeakFinding| finding.auroc.unwrap_or(0.0);
            (a.verdict, a.kind)
                .cmp(&(b.verdict, b.kind))
                .then_with(|| weight(b).total_cmp(&weight(a)))
                .then_with(|| a.name.cmp(&b.name))
        });
        self
    }
}

/// `value` to three decimals.
pub(super) fn three(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
