//! The feature spec of a task: its features checked against the concepts, in column order.

use std::sync::Arc;

use super::params::{Aggregate, DrugChange, LearnedFrom, PerDay, RiskWith, Window};
use crate::access::Classes;
use crate::published::Formula;
use crate::record::{ConceptId, EncounterClass, EncounterCode, Entry, EventKind};

/// What is wrong with a feature spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("feature {feature}: {reason}")]
pub struct SpecError {
    pub feature: String,
    pub reason: String,
}

/// One column of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The feature it belongs to; columns of one feature go missing together.
    pub feature: usize,
}

/// A checked feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    pub name: String,
    pub text: String,
    pub text_one: Option<String>,
    pub text_none: Option<String>,
    pub observed_by: Option<ObservedBy>,
    pub unit: Option<String>,
    pub modifiable: bool,
    /// How the risk may move with a higher value; `None` = in any way.
    pub risk: Option<RiskWith>,
    /// What it is about, such as `blood pressure`: features of one theme make one reason.
    pub theme: String,
    pub source: Source,
    /// What each column of a group is called in words.
    pub level_titles: Vec<String>,
    /// Names of the fixed columns; empty for a learned feature.
    pub columns: Vec<String>,
}

/// What shows that a source sends a kind of data: any event of these kinds or concepts.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedBy {
    pub kinds: Vec<EventKind>,
    pub concepts: Vec<ConceptId>,
}

/// Which events a stay count counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    pub kinds: Vec<EventKind>,
    pub distinct_codes: bool,
    /// Events of these concepts are not counted.
    pub except: Vec<ConceptId>,
}

impl Counted {
    pub(super) fn counts(&self, entry: &Entry) -> bool {
        self.kinds.contains(&entry.kind) && !entry.is_any_of(&self.except)
    }
}

/// Which values are summed up, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub concept: ConceptId,
    pub window: Window,
    pub aggregate: Vec<Aggregate>,
    pub cuts: Vec<f64>,
    pub per_day: Option<PerDay>,
    /// Of the contacts they are taken in; any when empty.
    pub classes: Vec<EncounterClass>,
}

/// A checked source, its concepts resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Age,
    Sex,
    StayDays,
    StayCode {
        field: EncounterCode,
        levels: Vec<ConceptId>,
    },
    Encounters {
        classes: Vec<EncounterClass>,
        window_days: u32,
        sent_as: Option<ConceptId>,
    },
    DaysSinceEncounter {
        classes: Vec<EncounterClass>,
        window_days: u32,
    },
    Events {
        concepts: Vec<ConceptId>,
        window: Window,
    },
    DaysSinceEvent {
        concepts: Vec<ConceptId>,
        window: Window,
    },
    Measurement(Measured),
    Published {
        formula: Arc<Formula>,
    },
    StayCount {
        concept: ConceptId,
        counted: Counted,
    },
    Concepts {
        concepts: Vec<ConceptId>,
        window: Window,
        kinds: Vec<EventKind>,
        principal: bool,
        missing_without_any: bool,
    },
    ConceptCount {
        concepts: Vec<ConceptId>,
        window: Window,
        kinds: Vec<EventKind>,
        missing_without_any: bool,
    },
    DistinctCodes {
        kinds: Vec<EventKind>,
        window: Window,
    },
    DrugChanges {
        concepts: Vec<ConceptId>,
        change: DrugChange,
        recent_days: u32,
        before_days: u32,
    },
    CodedCount {
        concepts: Vec<ConceptId>,
        window: Window,
        coded: String,
    },
    CodedLevels {
        concept: ConceptId,
        window: Window,
        levels: Vec<String>,
    },
    Learned {
        of: LearnedFrom,
        window: Window,
        codes_max: usize,
        patients_min: usize,
    },
}

impl Feature {
    /// The concepts it reads, in the order of the task file, and those that show that it is observed.
    pub fn concepts(&self) -> Vec<ConceptId> {
        let mut found = self.about();
        found.extend(self.observed_by.iter().flat_map(|by| &by.concepts));
        found
    }

    /// The concepts that it is about, in the order of the task file.
    pub fn about(&self) -> Vec<ConceptId> {
        match &self.source {
            Source::StayCode { levels: concepts, .. }
            | Source::Events { concepts, .. }
            | Source::DaysSinceEvent { concepts, .. }
            | Source::Concepts { concepts, .. }
            | Source::ConceptCount { concepts, .. }
            | Source::DrugChanges { concepts, .. }
            | Source::CodedCount { concepts, .. } => concepts.clone(),
            Source::Measurement(Measured { concept, .. })
            | Source::StayCount { concept, .. }
            | Source::CodedLevels { concept, .. } => vec![*concept],
            Source::Encounters { sent_as, .. } => sent_as.iter().copied().collect(),
            Source::Published { formula } => formula.concepts(),
            Source::Age
            | Source::Sex
            | Source::StayDays
            | Source::DistinctCodes { .. }
            | Source::DaysSinceEncounter { .. }
            | Source::Learned { .. } => Vec::new(),
        }
    }

    /// The classes of sensitive content that the feature itself is about, whatever a record holds, given
    /// those of concepts: where it reads concepts of such classes alone, theirs.
    pub fn classes(&self, of: impl Fn(ConceptId) -> Classes) -> Classes {
        let about: Vec<Classes> = self.about().into_iter().map(of).collect();
        match about.iter().any(|classes| classes.is_empty()) {
            true => Classes::NONE,
            false => about.into_iter().fold(Classes::NONE, Classes::and),
        }
    }
}

/// A checked feature spec: the order of features is the order of columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    features: Vec<Feature>,
}

impl Spec {
    /// A spec of features that are checked already.
    pub(super) fn of(features: Vec<Feature>) -> Spec {
        Spec { features }
    }

    /// The features, in column order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The fixed columns, in order; the learned ones follow them.
    pub fn fixed_columns(&self) -> Vec<Column> {
        let each = self.features.iter().enumerate();
        each.flat_map(|(place, feature)| {
            feature.columns.iter().map(move |name| Column { name: name.clone(), feature: place })
        })
        .collect()
    }

    /// The learned features, in order, with their places among the features.
    pub fn learned(&self) -> impl Iterator<Item = (usize, &Feature)> {
        let each = self.features.iter().enumerate();
        each.filter(|(_, feature)| matches!(feature.source, Source::Learned { .. }))
    }
}
