//! `Spec`: a checked specification of trends.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::{self, Span};
use super::check::{
    age_bands, check_numbers, check_survey, check_words, counted, digest, groupings, peers,
};
use super::params::{KeyName, MeasureParams, ObservedBy, TrendParams};
use super::release::{FigureKind, Key, KeyValue};
use super::tally::Frame;
use crate::bundle::Bundle;
use crate::record::{ConceptId, ConceptSet, EncounterClass, KnownAfter, Time};
use crate::task::{Happening, LabelNeeds, Task, TaskError, Values, concepts_named};

/// The most keys of one specification, the most groupings, and the most measures.
pub const KEYS_MAX: usize = 5;
pub const GROUPINGS_MAX: usize = 12;
pub const MEASURES_MAX: usize = 40;

/// A specification that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    #[error("{0}")]
    Syntax(String),
    #[error("{place}: {reason}")]
    Invalid { place: String, reason: String },
    #[error(transparent)]
    Rule(#[from] TaskError),
}

/// What a specification names by path, read: tasks and bundles, as the specification writes them.
#[derive(Debug, Default)]
pub struct Named {
    pub tasks: BTreeMap<String, Task>,
    pub bundles: BTreeMap<String, Bundle>,
}

/// What is counted, checked.
#[derive(Debug)]
pub(super) enum Rule<'a> {
    Share { happening: Happening, measured_by: Vec<ConceptId>, coded_by: Vec<ConceptId> },
    Mean(Values),
    Contacts(Vec<EncounterClass>),
    Outcome(&'a Task),
    Risk(&'a Bundle),
}

/// A measure, checked.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub params: &'a MeasureParams,
    pub rule: Rule<'a>,
    pub treated: Vec<ConceptId>,
}

impl Counted<'_> {
    pub(super) fn kind(&self) -> FigureKind {
        match &self.rule {
            Rule::Share { .. } => FigureKind::Share,
            Rule::Mean(_) => FigureKind::Mean,
            Rule::Contacts(_) => FigureKind::Rate,
            Rule::Outcome(_) => FigureKind::Outcome,
            Rule::Risk(_) => FigureKind::Risk,
        }
    }

    /// Whether some people under observation may not be judged.
    pub(super) fn is_measured_in_part(&self, is_survey: bool) -> bool {
        match &self.rule {
            Rule::Share { measured_by, .. } => !measured_by.is_empty() || is_survey,
            Rule::Contacts(_) => is_survey,
            Rule::Mean(_) | Rule::Outcome(_) | Rule::Risk(_) => true,
        }
    }
}

/// Where a survey's design stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Survey {
    pub weight: ConceptId,
    pub stratum: Option<ConceptId>,
    pub psu: Option<ConceptId>,
}

/// A checked specification.
#[derive(Debug)]
pub struct Spec<'a> {
    pub(super) params: &'a TrendParams,
    pub(super) concepts: &'a ConceptSet,
    pub(super) first: Time,
    /// Nothing is held back: what is over is known.
    pub(super) known_after: KnownAfter,
    /// All keys that a group names, each once.
    pub(super) keys: Vec<KeyName>,
    /// By the places of keys; the first is everybody.
    pub(super) groupings: Vec<Vec<usize>>,
    pub(super) age_bands: Vec<KeyValue>,
    pub(super) population: Vec<ConceptId>,
    pub(super) measures: Vec<Counted<'a>>,
    pub(super) survey: Option<Survey>,
    pub(super) peers: Vec<(String, Values)>,
    digest: String,
}

impl<'a> Spec<'a> {
    /// Checks `params` against the concepts, tasks and bundles that it names.
    ///
    /// # Errors
    /// What cannot be meant, with its place; an unknown name with the nearest known one.
    pub fn check(
        params: &'a TrendParams,
        concepts: &'a ConceptSet,
        named: &'a Named,
    ) -> Result<Spec<'a>, SpecError> {
        check_words(params)?;
        check_numbers(params)?;
        let first = calendar::first(&params.period).map_err(SpecError::Syntax)?;
        let (keys, groupings) = groupings(&params.groups)?;
        let age_bands = age_bands(params, keys.contains(&KeyName::AgeBand))?;
        let measures = params.measure.iter().map(|measure| counted(measure, concepts, named));
        let measures = measures.collect::<Result<Vec<_>, _>>()?;
        let survey = params.survey.as_ref().map(|survey| check_survey(survey, concepts));
        let spec = Spec {
            params,
            concepts,
            first,
            known_after: KnownAfter::default(),
            population: concepts_named("population", &params.population.concepts, concepts)?,
            peers: peers(params, concepts)?,
            keys,
            groupings,
            age_bands,
            digest: digest(params, &measures)?,
            measures,
            survey: survey.transpose()?,
        };
        Ok(spec)
    }

    /// sha256 of what it says and of the tasks and bundles it names, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether people without a date of birth are in no group.
    pub(super) fn needs_age(&self) -> bool {
        let population = &self.params.population;
        self.keys.contains(&KeyName::AgeBand)
            || population.age_years_min.is_some()
            || population.age_years_max.is_some()
    }

    /// The periods that are over by `until`.
    pub(super) fn spans(&self, until: Time) -> Vec<Span> {
        calendar::spans(&self.params.period, self.first, until)
    }

    /// The groups that are shown, where keys have so many values.
    pub(super) fn frame(&self, keys: &[Key]) -> Frame {
        let size = |key: &Key| u16::try_from(key.values.len()).unwrap_or(u16::MAX);
        Frame { sizes: keys.iter().map(size).collect(), groupings: self.groupings.clone() }
    }

    /// What of a record it depends on; `None` for all of it.
    pub fn needs(&self) -> Option<LabelNeeds> {
        let by_coverage = self.params.observed.by == ObservedBy::Coverage;
        let own = |counted: &Counted<'_>| !matches!(counted.rule, Rule::Outcome(_) | Rule::Risk(_));
        let is_narrow = by_coverage && self.measures.iter().all(own);
        let classes = self.measures.iter().filter_map(|counted| match &counted.rule {
            Rule::Contacts(classes) => Some(classes),
            _ => None,
        });
        let classes = classes.flatten().copied().collect();
        // Where somebody was last cared for any contact says.
        let classes = (!self.keys.contains(&KeyName::Facility)).then_some(classes);
        is_narrow.then(|| LabelNeeds::of_rules(self.own_concepts(), classes, self.concepts))
    }

    /// The concepts that it reads by itself, those of tasks and bundles not counted.
    fn own_concepts(&self) -> BTreeSet<ConceptId> {
        let mut found: BTreeSet<ConceptId> = self.population.iter().copied().collect();
        for counted in &self.measures {
            found.extend(&counted.treated);
            match &counted.rule {
                Rule::Share { happening, measured_by, .. } => {
                    found.extend(happening.concepts());
                    found.extend(measured_by);
                }
                Rule::Mean(values) => {
                    found.insert(values.concept());
                }
                Rule::Contacts(_) | Rule::Outcome(_) | Rule::Risk(_) => {}
            }
        }
        found.extend(self.peers.iter().map(|(_, values)| values.concept()));
        if let Some(Survey { weight, stratum, psu }) = self.survey {
            found.extend([Some(weight), stratum, psu].into_iter().flatten());
        }
        found
    }
}
