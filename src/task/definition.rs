//! A task that was checked: its rules with their concepts and numbers resolved, immutable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::params::{TaskParams, TierRule};
use crate::feature::{Feature, Source, Spec, SpecError};
use crate::published::Formula;
use crate::record::{ConceptId, EncounterClass, EventKind};

/// What is wrong with a task file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    #[error("{0}")]
    Syntax(String),
    #[error("{place}: {reason}")]
    Invalid { place: String, reason: String },
    #[error(transparent)]
    Spec(#[from] SpecError),
}

/// A checked criterion.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    pub name: String,
    pub text: String,
    pub rule: Rule,
}

/// A checked rule of a criterion; see `RuleParams` for what each asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    AgeYearsMin(i32),
    AgeYearsMax(i32),
    Event { concepts: Vec<ConceptId>, kinds: Vec<EventKind>, within_days: Option<u32> },
    Discharge(Vec<ConceptId>),
    Principal(Vec<ConceptId>),
    StayClass(Vec<EncounterClass>),
    StayDaysMin(i64),
    Died,
    InStay,
    Contact { classes: Vec<EncounterClass>, within_days: u32 },
    MeasuredDays { concepts: Vec<Measure>, days_min: usize },
    MeanAtLeast { measure: Measure, value: f64 },
    SpanDaysMin { measure: Measure, days: i64 },
}

/// Values of a concept over the last days, in contacts of some classes (any when there are none).
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    pub readings: Readings,
    pub within_days: u32,
}

/// Valid values of a concept in contacts of some classes (any when there are none).
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    pub concept: ConceptId,
    pub classes: Vec<EncounterClass>,
    /// Lowest and highest valid value.
    pub valid: (f64, f64),
}

/// One of the things that are the outcome, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub name: String,
    pub rule: PartRule,
}

/// What happens when the outcome happens, checked; see `OutcomeRuleParams`.
#[derive(Debug, Clone, PartialEq)]
pub enum PartRule {
    Stay {
        unplanned: bool,
        past_planned: bool,
        same_day_same_cause_continues: bool,
        classes: Vec<EncounterClass>,
    },
    Contact {
        classes: Vec<EncounterClass>,
        except: Vec<ConceptId>,
        merge_hours: i64,
    },
    Events(Events),
    Rise(Rise),
}

/// Events or measurements that are the outcome, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Events {
    pub any: Vec<Hit>,
    pub classes: Vec<EncounterClass>,
    pub twice: bool,
    pub apart_days_min: i64,
    pub apart_days_max: i64,
    pub in_different_contacts: bool,
    pub days_from_stay_min: i64,
}

/// One kind of event that counts, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Hit {
    Event { concepts: Vec<ConceptId>, kinds: Vec<EventKind>, unless: Vec<ConceptId> },
    Measured { readings: Readings, bound: Bound },
}

/// Where the values of a day must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    Below(f64),
    /// At or below this share of the mean over the days before the index time.
    AtMostShare {
        share: f64,
        baseline_days: u32,
    },
}

/// A rise of a mean, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rise {
    pub baseline: Measure,
    pub days_min: usize,
    pub from_days: i64,
    pub by: f64,
    pub to_at_least: f64,
}

/// A checked rule of planned stays; every part that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRule {
    pub said_planned: bool,
    pub admission: Vec<ConceptId>,
    pub principal: Vec<ConceptId>,
    pub principal_not: Vec<ConceptId>,
    pub procedure: Vec<ConceptId>,
    pub any_procedure: bool,
}

/// How far the source follows people, its concepts resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    pub ends_at: Vec<ConceptId>,
    /// The measurement without which nobody could have seen the outcome, and how many days of it.
    pub observed_by: Option<(Readings, usize)>,
}

/// What was resolved from the file of a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checked {
    pub include: Vec<Criterion>,
    pub exclude: Vec<Criterion>,
    pub outcome: Vec<Part>,
    pub planned: Vec<PlannedRule>,
    pub follow_up: FollowUp,
    /// Concepts that a contact must have measured to make an index time.
    pub index_with: Vec<ConceptId>,
    pub spec: Spec,
    pub published: Vec<Arc<Formula>>,
    /// Of all tiers but the last.
    pub tier_rules: Vec<TierRule>,
}

/// A checked task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub(super) params: TaskParams,
    pub(super) checked: Checked,
    pub(super) digest: String,
}

impl Task {
    /// The file's content.
    pub fn params(&self) -> &TaskParams {
        &self.params
    }

    /// All of these must hold.
    pub fn include(&self) -> &[Criterion] {
        &self.checked.include
    }

    /// None of these may hold.
    pub fn exclude(&self) -> &[Criterion] {
        &self.checked.exclude
    }

    /// The outcome is the earliest of these.
    pub fn outcome(&self) -> &[Part] {
        &self.checked.outcome
    }

    /// Stays for which one of these holds are planned.
    pub fn planned(&self) -> &[PlannedRule] {
        &self.checked.planned
    }

    pub fn follow_up(&self) -> &FollowUp {
        &self.checked.follow_up
    }

    /// Concepts that a contact must have measured to make an index time.
    pub fn index_with(&self) -> &[ConceptId] {
        &self.checked.index_with
    }

    /// The features of the task.
    pub fn spec(&self) -> &Spec {
        &self.checked.spec
    }

    /// The published scores shown beside the model's.
    pub fn published(&self) -> &[Arc<Formula>] {
        &self.checked.published
    }

    /// Where each tier but the last begins, from the highest down.
    pub fn tier_rules(&self) -> &[TierRule] {
        &self.checked.tier_rules
    }

    /// The files of all formulas that it names, directly or as a feature, by id.
    pub fn formula_files(&self) -> BTreeMap<String, String> {
        let of_features =
            self.spec().features().iter().filter_map(|feature| match &feature.source {
                Source::Published { formula } => Some(formula),
                _ => None,
            });
        self.published().iter().chain(of_features).flat_map(|formula| formula.files()).collect()
    }

    /// sha256 of the task's content, whatever its comments and spacing.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The concepts that its rules, features and published scores read, each once.
    pub fn concepts(&self) -> BTreeSet<ConceptId> {
        let features = self.spec().features().iter().flat_map(Feature::concepts);
        let published = self.published().iter().flat_map(|formula| formula.concepts());
        self.rule_concepts().into_iter().chain(features).chain(published).collect()
    }

    /// The concepts that its rules read, each once: what labels need.
    pub fn rule_concepts(&self) -> BTreeSet<ConceptId> {
        let Checked { include, exclude, outcome, planned, follow_up, index_with, .. } =
            &self.checked;
        let criteria =
            include.iter().chain(exclude).flat_map(|criterion| criterion.rule.concepts());
        let outcomes = outcome.iter().flat_map(|part| {
            [part.rule.outcome_concepts(), part.rule.excusing_concepts()].concat()
        });
        let planned = planned.iter().flat_map(|rule| {
            let PlannedRule { admission, principal, principal_not, procedure, .. } = rule;
            [admission, principal, principal_not, procedure].into_iter().flatten().copied()
        });
        let observed = follow_up.observed_by.iter().map(|(readings, _)| readings.concept);
        let followed = follow_up.ends_at.iter().copied().chain(observed);
        let index_with = index_with.iter().copied();
        criteria.chain(outcomes).chain(planned).chain(followed).chain(index_with).collect()
    }
}

impl Rule {
    /// The concepts it reads.
    pub fn concepts(&self) -> Vec<ConceptId> {
        match self {
            Rule::Event { concepts, .. }
            | Rule::Discharge(concepts)
            | Rule::Principal(concepts) => concepts.clone(),
            Rule::MeasuredDays { concepts, .. } => {
                concepts.iter().map(|m| m.readings.concept).collect()
            }
            Rule::MeanAtLeast { measure, .. } | Rule::SpanDaysMin { measure, .. } => {
                vec![measure.readings.concept]
            }
            Rule::AgeYearsMin(_)
            | Rule::AgeYearsMax(_)
            | Rule::StayClass(_)
            | Rule::StayDaysMin(_)
            | Rule::Died
            | Rule::InStay
            | Rule::Contact { .. } => Vec::new(),
        }
    }
}

impl PartRule {
    /// The concepts by which it is found that it happened.
    pub fn outcome_concepts(&self) -> Vec<ConceptId> {
        match self {
            PartRule::Stay { .. } | PartRule::Contact { .. } => Vec::new(),
            PartRule::Rise(rise) => vec![rise.baseline.readings.concept],
            PartRule::Events(events) => {
                let of_hit = |hit: &Hit| match hit {
                    Hit::Event { concepts, .. } => concepts.clone(),
                    Hit::Measured { readings, .. } => vec![readings.concept],
                };
                events.any.iter().flat_map(of_hit).collect()
            }
        }
    }

    /// The concepts for which it does not count.
    fn excusing_concepts(&self) -> Vec<ConceptId> {
        match self {
            PartRule::Stay { .. } | PartRule::Rise(_) => Vec::new(),
            PartRule::Contact { except, .. } => except.clone(),
            PartRule::Events(events) => {
                let of_hit = |hit: &Hit| match hit {
                    Hit::Event { unless, .. } => unless.clone(),
                    Hit::Measured { .. } => Vec::new(),
                };
                events.any.iter().flat_map(of_hit).collect()
            }
        }
    }
}
