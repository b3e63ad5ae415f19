//! What all features of one view look at, and where they write what they found.

use super::params::Window;
use super::spec::Feature;
use crate::record::{ConceptId, Encounter, Entry, Evidence, Stay, View};

/// A code or name met in the record, that a vocabulary may have a column for.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Which of the spec's learned features it belongs to, counted from 0.
    pub learned: usize,
    pub text: String,
    /// All facts behind it; empty unless asked for.
    pub evidence: Vec<Evidence>,
}

/// What a view says, before the learned columns are laid out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The fixed columns of the spec; `NaN` = missing.
    pub values: Vec<f32>,
    /// Each token of a learned feature once.
    pub tokens: Vec<Token>,
    /// For each learned feature whether it is missing as a whole.
    pub learned_missing: Vec<bool>,
    /// Fixed column and the fact behind it; empty unless asked for.
    pub evidence: Vec<(usize, Evidence)>,
}

/// What all features of one view look at.
pub(super) struct Scene<'v, 'h> {
    pub view: &'v View<'h>,
    pub stay: Option<Stay<'h>>,
    /// Visible events, by time and content, with whether they belong to the index stay.
    pub entries: Vec<(&'h Entry, bool)>,
    /// Encounters begun before, the index stay left out.
    pub earlier: Vec<(&'h Encounter, Evidence)>,
}

impl<'h> Scene<'_, 'h> {
    /// Whether the source shows that it would have sent what the feature looks at.
    pub(super) fn is_observed(&self, feature: &Feature) -> bool {
        let Some(observed_by) = &feature.observed_by else { return true };
        self.view.seen().has_any_of(&observed_by.concepts)
            || self.entries.iter().any(|(entry, _)| observed_by.kinds.contains(&entry.kind))
    }

    fn holds(&self, window: Window, entry: &Entry, in_stay: bool) -> bool {
        match window {
            Window::Stay => in_stay,
            Window::Days(days) => self.view.within_days(entry, i64::from(days)),
            Window::Ever => true,
        }
    }

    /// The events of `window`, in order.
    pub(super) fn within(&self, window: Window) -> impl Iterator<Item = &'h Entry> {
        let all = self.entries.iter().copied();
        all.filter(move |(entry, in_stay)| self.holds(window, entry, *in_stay))
            .map(|(entry, _)| entry)
    }

    /// The events of any of the concepts in `window`, in order.
    pub(super) fn of_any(
        &self,
        concepts: &[ConceptId],
        window: Window,
    ) -> impl Iterator<Item = &'h Entry> {
        let found = self.view.seen().of_any(concepts);
        found
            .filter(move |(entry, in_stay)| self.holds(window, entry, *in_stay))
            .map(|(entry, _)| entry)
    }
}

/// Where a feature writes its columns, and notes what they rest on.
pub(super) struct Sink<'f> {
    pub facts: &'f mut Facts,
    pub with_evidence: bool,
}

impl Sink<'_> {
    /// Writes the next column and what it rests on.
    pub(super) fn column(&mut self, value: f64, evidence: impl IntoIterator<Item = Evidence>) {
        let column = self.facts.values.len();
        // The one place where a feature value is rounded to what models read.
        self.facts.values.push(value as f32);
        if self.with_evidence {
            self.facts.evidence.extend(evidence.into_iter().map(|fact| (column, fact)));
        }
    }
}
