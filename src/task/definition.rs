//! The task file: read strictly, checked once, immutable after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::feature::{Feature, FeatureParams, Source, Spec, SpecError};
use crate::published::{Formula, Formulas};
use crate::record::{ConceptId, ConceptSet, KnownAfter};
use crate::strict_toml;

/// The longest horizon a task may have.
const HORIZON_DAYS_MAX: u32 = 3_660;
/// The most published scores a task may name.
const PUBLISHED_MAX: usize = 32;
/// The longest time after an index at which the server may still use it.
const INDEX_AGE_HOURS_MAX: u32 = 24 * 366;

/// A task as its file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskParams {
    /// Lower case letters, digits and `_`; also the name of its folder.
    pub name: String,
    pub title: String,
    /// What the probability is a probability of, as the end of a sentence.
    pub outcome_text: String,
    pub index: IndexParams,
    pub outcome: Outcome,
    pub time_at_risk: TimeAtRisk,
    /// All of these must hold.
    #[serde(default)]
    pub include: Vec<CriterionParams>,
    /// None of these may hold.
    #[serde(default)]
    pub exclude: Vec<CriterionParams>,
    /// Hours from an event to the record knowing of it, by event kind.
    #[serde(default)]
    pub known_after: KnownAfter,
    pub feature: Vec<FeatureParams>,
    /// From the highest to the lowest; the last takes all the rest.
    pub tier: Vec<Tier>,
    pub card: CardParams,
    /// Published scores shown beside the model's, by their formulas' ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
}

/// When a patient is scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexParams {
    pub rule: IndexRule,
    /// How long after the index time the server may still use it.
    pub max_age_hours: u32,
    /// Whether an open stay is scored as if it ended at the prediction time.
    pub open_stay_as_if_discharged: bool,
}

/// What makes an index time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexRule {
    /// The end of each inpatient episode.
    EpisodeEnd,
}

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The next inpatient episode begins, planned or not.
    AnyReadmission,
}

/// The window after the index time in which the outcome counts. It is open at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeAtRisk {
    pub horizon_days: u32,
    /// Whether an outcome exactly at the end of the horizon counts.
    pub end_closed: bool,
}

/// A criterion as the file gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriterionParams {
    pub name: String,
    /// What is said of a patient who is left out by it.
    pub text: String,
    pub rule: RuleParams,
}

/// What a criterion asks, as the file gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleParams {
    /// At least so many completed years old; unknown age fails it.
    AgeYearsMin(u32),
    /// An event of the concept at any time before.
    Concept(String),
    /// The index stay ended with one of these discharge concepts.
    Discharge(Vec<String>),
    /// Dead at the index time.
    Died,
}

/// A tier as the file gives it: its name and how much of the cohort it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub name: String,
    /// Share of the development cohort in this tier and those above it; the last tier has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_share: Option<f64>,
}

/// What the model card says that no figure can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardParams {
    pub intended_use: String,
    pub intended_users: String,
    pub not_for: Vec<String>,
    pub limits: Vec<String>,
}

/// A checked criterion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    pub name: String,
    pub text: String,
    pub rule: Rule,
}

/// A checked rule, its concepts resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    AgeYearsMin(i32),
    Concept(ConceptId),
    Discharge(Vec<ConceptId>),
    Died,
}

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

/// A checked task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    params: TaskParams,
    include: Vec<Criterion>,
    exclude: Vec<Criterion>,
    spec: Spec,
    published: Vec<Arc<Formula>>,
    digest: String,
}

impl Task {
    /// Reads a task file and checks it against the concepts it names.
    ///
    /// # Errors
    /// Syntax, an unknown key or concept (with the nearest known one), a number out of its limits.
    pub fn parse(text: &str, concepts: &ConceptSet) -> Result<Task, TaskError> {
        Task::parse_with(text, concepts, &Formulas::built_in())
    }

    /// As `parse`, with the formulas that the task may name.
    ///
    /// # Errors
    /// As `parse`; also for a formula that is not there or does not fit the concepts.
    pub fn parse_with(
        text: &str,
        concepts: &ConceptSet,
        formulas: &Formulas,
    ) -> Result<Task, TaskError> {
        Task::check(strict_toml::parse(text).map_err(TaskError::Syntax)?, concepts, formulas)
    }

    /// Checks `params` against `concepts`.
    ///
    /// # Errors
    /// As `parse`.
    pub fn check(
        params: TaskParams,
        concepts: &ConceptSet,
        formulas: &Formulas,
    ) -> Result<Task, TaskError> {
        check_numbers(&params)?;
        check_tiers(&params.tier)?;
        let include = criteria("include", &params.include, concepts)?;
        let exclude = criteria("exclude", &params.exclude, concepts)?;
        let spec = Spec::check_with(&params.feature, concepts, formulas)?;
        let published = published(&params.published, concepts, formulas)?;
        let canonical = serde_json::to_vec(&params)
            .map_err(|error| invalid("task", &format!("cannot be written as JSON: {error}")))?;
        let digest = format!("{:x}", Sha256::digest(canonical));
        Ok(Task { params, include, exclude, spec, published, digest })
    }

    /// The file's content.
    pub fn params(&self) -> &TaskParams {
        &self.params
    }

    /// All of these must hold.
    pub fn include(&self) -> &[Criterion] {
        &self.include
    }

    /// None of these may hold.
    pub fn exclude(&self) -> &[Criterion] {
        &self.exclude
    }

    /// The features of the task.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The published scores shown beside the model's.
    pub fn published(&self) -> &[Arc<Formula>] {
        &self.published
    }

    /// The files of all formulas that it names, directly or as a feature, by id.
    pub fn formula_files(&self) -> BTreeMap<String, String> {
        let of_features = self.spec.features().iter().filter_map(|feature| match &feature.source {
            Source::Published { formula } => Some(formula),
            _ => None,
        });
        self.published.iter().chain(of_features).flat_map(|formula| formula.files()).collect()
    }

    /// The concepts that its criteria, features and published scores read, each once.
    pub fn concepts(&self) -> BTreeSet<ConceptId> {
        let of_rule = |criterion: &Criterion| match &criterion.rule {
            Rule::Concept(concept) => vec![*concept],
            Rule::Discharge(concepts) => concepts.clone(),
            Rule::AgeYearsMin(_) | Rule::Died => Vec::new(),
        };
        let criteria = self.include.iter().chain(&self.exclude).flat_map(of_rule);
        let features = self.spec.features().iter().flat_map(Feature::concepts);
        let published = self.published.iter().flat_map(|formula| formula.concepts());
        criteria.chain(features).chain(published).collect()
    }

    /// sha256 of the task's content, whatever its comments and spacing.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The file this task would be read from.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, TaskError> {
        toml::to_string(&self.params).map_err(|error| TaskError::Syntax(error.to_string()))
    }
}

fn invalid(place: &str, reason: &str) -> TaskError {
    TaskError::Invalid { place: place.to_owned(), reason: reason.to_owned() }
}

fn check_numbers(params: &TaskParams) -> Result<(), TaskError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if params.name.is_empty() || !params.name.chars().all(plain) {
        return Err(invalid("name", "lower case letters, digits and _ only"));
    }
    if !(1..=HORIZON_DAYS_MAX).contains(&params.time_at_risk.horizon_days) {
        return Err(invalid("time_at_risk.horizon_days", "must be 1 to 3660"));
    }
    if params.index.max_age_hours > INDEX_AGE_HOURS_MAX {
        return Err(invalid("index.max_age_hours", "must be at most a year"));
    }
    Ok(())
}

fn check_tiers(tiers: &[Tier]) -> Result<(), TaskError> {
    let Some((rest, upper)) = tiers.split_last() else {
        return Err(invalid("tier", "needs at least one tier"));
    };
    if rest.top_share.is_some() {
        return Err(invalid("tier", "the last tier takes the rest and has no top_share"));
    }
    let mut above = 0.0;
    for tier in upper {
        match tier.top_share {
            Some(share) if share > above && share < 1.0 => above = share,
            _ => return Err(invalid("tier", "each top_share must rise and lie between 0 and 1")),
        }
    }
    Ok(())
}

fn published(
    ids: &[String],
    concepts: &ConceptSet,
    formulas: &Formulas,
) -> Result<Vec<Arc<Formula>>, TaskError> {
    if ids.len() > PUBLISHED_MAX {
        return Err(invalid("published", &format!("more than {PUBLISHED_MAX} scores")));
    }
    let mut found: Vec<Arc<Formula>> = Vec::new();
    for id in ids {
        if found.iter().any(|known| known.id() == id) {
            return Err(invalid("published", &format!("`{id}` is named twice")));
        }
        let formula = formulas.resolve(id, concepts);
        found.push(formula.map_err(|error| invalid("published", &error.to_string()))?);
    }
    Ok(found)
}

fn criteria(
    place: &str,
    params: &[CriterionParams],
    concepts: &ConceptSet,
) -> Result<Vec<Criterion>, TaskError> {
    let find = |criterion: &CriterionParams, name: &str| {
        concepts.find(name).ok_or_else(|| TaskError::Invalid {
            place: format!("{place} `{}`", criterion.name),
            reason: format!(
                "no concept `{name}`; did you mean `{}`?",
                concepts.nearest(name).unwrap_or("-")
            ),
        })
    };
    let checked = params.iter().map(|criterion| {
        let rule = match &criterion.rule {
            RuleParams::AgeYearsMin(years) => Rule::AgeYearsMin((*years).min(150) as i32),
            RuleParams::Concept(name) => Rule::Concept(find(criterion, name)?),
            RuleParams::Discharge(names) => {
                let ids: Result<Vec<_>, _> =
                    names.iter().map(|name| find(criterion, name)).collect();
                Rule::Discharge(ids?)
            }
            RuleParams::Died => Rule::Died,
        };
        Ok(Criterion { name: criterion.name.clone(), text: criterion.text.clone(), rule })
    });
    checked.collect()
}
