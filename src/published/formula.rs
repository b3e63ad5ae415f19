//! A checked formula: its concepts resolved, its names turned into places.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::params::{Absent, BandParams, Link, ModelSex};
use crate::record::{ConceptId, EncounterClass, EventKind, Window};

/// A checked formula. It has given all of its own test vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) outcome: String,
    pub(super) horizon_days: Option<u32>,
    pub(super) citations: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) needs_stay: bool,
    pub(super) ranges: Vec<Range>,
    pub(super) excludes: Vec<(Presence, String)>,
    pub(super) inputs: Vec<Input>,
    pub(super) form: Form,
    /// From the lowest to the highest.
    pub(super) bands: Vec<BandParams>,
    /// The file it was read from.
    pub(super) text: String,
}

/// The values of an input that the formula holds for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    pub input: usize,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub below: Option<f64>,
    pub text: String,
}

impl Range {
    pub(super) fn holds(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min)
            && self.max.is_none_or(|max| value <= max)
            && self.below.is_none_or(|below| value < below)
    }
}

/// A named number that the form reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub name: String,
    /// The first that gives a value is taken.
    pub sources: Vec<Source>,
    pub between: Option<[f64; 2]>,
    /// Whether the form or a range reads it: without it there is no result.
    pub required: bool,
}

/// Events of concepts that are there or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Presence {
    pub concepts: Vec<ConceptId>,
    pub kinds: Vec<EventKind>,
    pub window: Window,
    pub principal: bool,
    pub absent: Absent,
}

/// Where an input comes from. See `params::SourceParams` for what each means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Age,
    Female,
    StayDays,
    Admission { yes: Vec<ConceptId>, no: Vec<ConceptId> },
    Encounters { classes: Vec<EncounterClass>, window_days: u32 },
    Measurement { concept: ConceptId, window: Window },
    Concepts(Presence),
    Coded { concept: ConceptId, window: Window, yes: Vec<String>, no: Vec<String> },
    AnyInStay { concept: ConceptId, kinds: Vec<EventKind>, except: Vec<ConceptId> },
    Service { words: Vec<String> },
    AnyOf(Vec<usize>),
    Difference(usize, usize),
    Formula(Arc<Formula>),
}

/// How the inputs become one number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Points(Vec<Item>),
    Comorbidity(Vec<Group>),
    Linear { link: Link, factors: Vec<Factor>, models: Vec<Model> },
}

/// The points of one input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub input: usize,
    pub cuts: Vec<f64>,
    pub points: Vec<f64>,
}

/// The weight of one condition, unless one of `replaced_by` is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub input: usize,
    pub weight: f64,
    pub replaced_by: Vec<usize>,
}

/// An input made ready for a product.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Factor {
    pub input: usize,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    pub minus: f64,
    pub over: f64,
    pub ln: bool,
    pub power: Option<f64>,
}

/// The coefficients for one sex (with the input that says it), or for all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub sex: Option<(usize, ModelSex)>,
    pub constant: f64,
    pub terms: Vec<Term>,
}

/// A coefficient times the product of factors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub coefficient: f64,
    pub factors: Vec<usize>,
}

impl Form {
    /// Whether the result is a probability; else it is points.
    pub(super) fn gives_probability(&self) -> bool {
        matches!(self, Form::Linear { link: Link::Logistic | Link::Weibull { .. }, .. })
    }
}

impl Formula {
    /// Whether its number is a probability; else it is points.
    pub fn gives_probability(&self) -> bool {
        self.form.gives_probability()
    }

    /// Its name in task files.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the points or the probability stand for, in words.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }

    /// Days in which the outcome counts; `None` for what predicts nothing, such as an index.
    pub fn horizon_days(&self) -> Option<u32> {
        self.horizon_days
    }

    /// The papers and tables its numbers are from.
    pub fn citations(&self) -> &[String] {
        &self.citations
    }

    /// What was decided where the paper leaves it open.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The files of this formula and of those it reads, by id: what a bundle must carry.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::from([(self.id.clone(), self.text.clone())]);
        for source in self.inputs.iter().flat_map(|input| &input.sources) {
            if let Source::Formula(other) = source {
                files.append(&mut other.files());
            }
        }
        files
    }

    /// The concepts it reads, those of the formulas it reads included.
    pub fn concepts(&self) -> Vec<ConceptId> {
        let mut found: Vec<ConceptId> =
            self.excludes.iter().flat_map(|(presence, _)| presence.concepts.clone()).collect();
        found.extend(self.inputs.iter().flat_map(Input::concepts));
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Input {
    /// The concepts it reads.
    pub(super) fn concepts(&self) -> Vec<ConceptId> {
        let mut found = Vec::new();
        for source in &self.sources {
            match source {
                Source::Admission { yes, no } => found.extend(yes.iter().chain(no)),
                Source::Measurement { concept, .. }
                | Source::Coded { concept, .. }
                | Source::AnyInStay { concept, .. } => found.push(*concept),
                Source::Concepts(presence) => found.extend(&presence.concepts),
                Source::Formula(other) => found.extend(other.concepts()),
                Source::Age
                | Source::Female
                | Source::StayDays
                | Source::Encounters { .. }
                | Source::Service { .. }
                | Source::AnyOf(_)
                | Source::Difference(..) => {}
            }
        }
        found
    }
}
