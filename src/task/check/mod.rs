//! Checking a task file: concepts and parameters are found by name, numbers kept in their limits.

mod happening;
mod outcome;
mod tier;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use happening::concepts_named;

use super::definition::{Checked, Criterion, FollowUp, Measure, Readings, Rule, Task, TaskError};
use super::params::{
    CriterionParams, FollowUpParams, IndexRule, LeakAllowed, Number, PlannedParams, RiskFrom,
    RuleParams, TaskParams,
};
use crate::feature::Spec;
use crate::published::{Formula, Formulas};
use crate::record::{ConceptId, ConceptSet, EncounterClass};
use crate::strict_toml;

/// The most published scores a task may name.
const PUBLISHED_MAX: usize = 32;
/// The longest window, look-back or horizon a task may have.
const DAYS_MAX: u32 = 36_600;
/// The longest horizon a task may have.
const HORIZON_DAYS_MAX: u32 = 3_660;
/// The longest time after an index at which the server may still use it.
const INDEX_AGE_HOURS_MAX: u32 = 24 * 366;
/// No one is older.
const AGE_YEARS_MAX: u32 = 150;

impl Task {
    /// Reads a task file and checks it against the concepts it names.
    ///
    /// # Errors
    /// Syntax, an unknown key, concept or parameter (with the nearest known one), a number out of its
    /// limits, rules that do not fit together.
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
        Task::check(TaskParams::parse(text)?, concepts, formulas)
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
        check_names(&params)?;
        let tier_rules = match (
            params.feature.is_empty(),
            params.published.is_empty(),
            params.tier.is_empty(),
        ) {
            (true, true, _) => {
                return Err(invalid("feature", "there is neither a feature nor a published score"));
            }
            (true, false, false) => {
                return Err(invalid("tier", "without features there is no probability to cut"));
            }
            (true, false, true) => Vec::new(),
            (false, ..) => tier::check_tiers(&params.tier)?,
        };
        check_leak_allowed(&params.leak_allowed)?;
        let TaskParams { parameters, valid, .. } = &params;
        let finder = Finder { concepts, parameters, valid };
        for (name, [low, high]) in &params.valid {
            finder.measured("valid", name)?;
            // Written so that a NaN fails.
            let rises = low < high;
            if !rises {
                return Err(invalid("valid", "each range is two rising numbers"));
            }
        }
        let checked = Checked {
            include: finder.criteria("include", &params.include)?,
            exclude: finder.criteria("exclude", &params.exclude)?,
            outcome: finder.outcome(&params)?,
            planned: params.planned.as_ref().map_or(Ok(Vec::new()), |p| finder.planned(p))?,
            follow_up: finder.follow_up(&params.follow_up)?,
            index_with: finder.index_with(&params.index.rule)?,
            spec: Spec::check_with(&params.feature, concepts, formulas)?,
            published: published(&params.published, concepts, formulas)?,
            tier_rules,
        };
        let canonical = serde_json::to_vec(&params)
            .map_err(|error| invalid("task", &format!("cannot be written as JSON: {error}")))?;
        let digest = format!("{:x}", Sha256::digest(canonical));
        Ok(Task { params, checked, digest })
    }

    /// The file this task would be read from.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, TaskError> {
        toml::to_string(&self.params).map_err(|error| TaskError::Syntax(error.to_string()))
    }
}

impl TaskParams {
    /// Reads a task file, unchecked.
    ///
    /// # Errors
    /// Syntax, an unknown key (with the nearest known one).
    pub fn parse(text: &str) -> Result<TaskParams, TaskError> {
        strict_toml::parse(text).map_err(TaskError::Syntax)
    }
}

impl PlannedParams {
    /// Reads a file with rules of planned stays, unchecked.
    ///
    /// # Errors
    /// Syntax, an unknown key (with the nearest known one).
    pub fn parse(text: &str) -> Result<PlannedParams, TaskError> {
        strict_toml::parse(text).map_err(TaskError::Syntax)
    }
}

fn invalid(place: &str, reason: &str) -> TaskError {
    TaskError::Invalid { place: place.to_owned(), reason: reason.to_owned() }
}

fn in_limit(place: &str, days: u32) -> Result<u32, TaskError> {
    match days {
        0..=DAYS_MAX => Ok(days),
        _ => Err(invalid(place, "must be at most 36600 days")),
    }
}

fn check_numbers(params: &TaskParams) -> Result<(), TaskError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if params.name.is_empty() || !params.name.chars().all(plain) {
        return Err(invalid("name", "lower case letters, digits and _ only"));
    }
    let risk = params.time_at_risk;
    if !(1..=HORIZON_DAYS_MAX).contains(&risk.horizon_days) {
        return Err(invalid("time_at_risk.horizon_days", "must be 1 to 3660"));
    }
    if risk.start_days >= risk.horizon_days {
        return Err(invalid("time_at_risk.start_days", "must lie before horizon_days"));
    }
    if params.index.max_age_hours > INDEX_AGE_HOURS_MAX {
        return Err(invalid("index.max_age_hours", "must be at most a year"));
    }
    let in_stay = matches!(params.index.rule, IndexRule::InStay { .. });
    if (risk.from == RiskFrom::Discharge) != in_stay {
        let reason = "`discharge` goes with the index rule in_stay, and with no other";
        return Err(invalid("time_at_risk.from", reason));
    }
    if let IndexRule::InStay { first_hours } = params.index.rule
        && !(1..=24 * 30).contains(&first_hours)
    {
        return Err(invalid("index.rule.in_stay.first_hours", "must be 1 to 720"));
    }
    let follow_up = &params.follow_up;
    in_limit("follow_up.washout_days", follow_up.washout_days)?;
    if follow_up.min_days > risk.horizon_days {
        return Err(invalid("follow_up.min_days", "must be at most horizon_days"));
    }
    if params.parameters.values().any(|value| !value.is_finite()) {
        return Err(invalid("parameters", "must be finite numbers"));
    }
    Ok(())
}

/// Counts are kept by the names of criteria and of parts of the outcome.
fn check_names(params: &TaskParams) -> Result<(), TaskError> {
    let include = params.include.iter().map(|one| ("include", &one.name));
    let exclude = params.exclude.iter().map(|one| ("exclude", &one.name));
    let criteria: Vec<(&str, &String)> = include.chain(exclude).collect();
    let outcome = params.outcome.iter().map(|one| ("outcome", &one.name)).collect();
    for list in [criteria, outcome] {
        let mut met = BTreeSet::new();
        for (role, name) in list {
            if !met.insert(name) {
                let place = format!("{role} `{name}`");
                return Err(invalid(&place, "the name is taken: give it another name"));
            }
        }
    }
    Ok(())
}

fn check_leak_allowed(allowed: &[LeakAllowed]) -> Result<(), TaskError> {
    for (place, LeakAllowed { feature, reason }) in allowed.iter().enumerate() {
        if feature.trim().is_empty() || reason.trim().is_empty() {
            return Err(invalid("leak_allowed", "needs a feature and a reason"));
        }
        if allowed.iter().take(place).any(|earlier| earlier.feature == *feature) {
            return Err(invalid("leak_allowed", &format!("`{feature}` is listed twice")));
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

/// Finds concepts and parameters by name.
struct Finder<'a> {
    concepts: &'a ConceptSet,
    parameters: &'a BTreeMap<String, f64>,
    valid: &'a BTreeMap<String, [f64; 2]>,
}

impl Finder<'_> {
    fn one(&self, place: &str, name: &str) -> Result<ConceptId, TaskError> {
        self.concepts.find(name).ok_or_else(|| {
            let near = self.concepts.nearest(name).unwrap_or("-");
            invalid(place, &format!("no concept `{name}`; did you mean `{near}`?"))
        })
    }

    fn all(&self, place: &str, names: &[String]) -> Result<Vec<ConceptId>, TaskError> {
        names.iter().map(|name| self.one(place, name)).collect()
    }

    fn some(&self, place: &str, names: &[String]) -> Result<Vec<ConceptId>, TaskError> {
        match names {
            [] => Err(invalid(place, "needs at least one concept")),
            _ => self.all(place, names),
        }
    }

    /// A concept with a unit: one that is measured.
    fn measured(&self, place: &str, name: &str) -> Result<ConceptId, TaskError> {
        let id = self.one(place, name)?;
        match self.concepts.get(id).and_then(|concept| concept.unit.as_ref()) {
            Some(_) => Ok(id),
            None => Err(invalid(place, &format!("the concept `{name}` has no unit: no number"))),
        }
    }

    fn number(&self, place: &str, number: &Number) -> Result<f64, TaskError> {
        let parameters = self.parameters;
        match number {
            Number::Value(value) if value.is_finite() => Ok(*value),
            Number::Value(_) => Err(invalid(place, "must be a finite number")),
            Number::Parameter(name) => parameters.get(name).copied().ok_or_else(|| {
                let near = parameters
                    .keys()
                    .map(|known| (strsim::damerau_levenshtein(name, known), known));
                let near = near.min().map_or("-", |(_, known)| known.as_str());
                invalid(place, &format!("no parameter `{name}`; did you mean `{near}`?"))
            }),
        }
    }

    fn readings(
        &self,
        place: &str,
        concept: &str,
        classes: &[EncounterClass],
    ) -> Result<Readings, TaskError> {
        let valid = self.valid.get(concept);
        Ok(Readings {
            concept: self.measured(place, concept)?,
            classes: classes.to_vec(),
            valid: valid.map_or((f64::NEG_INFINITY, f64::INFINITY), |[low, high]| (*low, *high)),
        })
    }

    fn measure(
        &self,
        place: &str,
        concept: &str,
        classes: &[EncounterClass],
        within_days: u32,
    ) -> Result<Measure, TaskError> {
        let readings = self.readings(place, concept, classes)?;
        Ok(Measure { readings, within_days: in_limit(place, within_days)? })
    }

    fn criteria(&self, role: &str, given: &[CriterionParams]) -> Result<Vec<Criterion>, TaskError> {
        let checked = given.iter().map(|criterion| {
            let place = format!("{role} `{}`", criterion.name);
            let rule = self.rule(&place, &criterion.rule)?;
            Ok(Criterion { name: criterion.name.clone(), text: criterion.text.clone(), rule })
        });
        checked.collect()
    }

    fn rule(&self, place: &str, rule: &RuleParams) -> Result<Rule, TaskError> {
        Ok(match rule {
            RuleParams::AgeYearsMin(years) => Rule::AgeYearsMin((*years).min(AGE_YEARS_MAX) as i32),
            RuleParams::AgeYearsMax(years) => Rule::AgeYearsMax((*years).min(AGE_YEARS_MAX) as i32),
            RuleParams::Concept(name) => Rule::Event {
                concepts: vec![self.one(place, name)?],
                kinds: Vec::new(),
                within_days: None,
            },
            RuleParams::Event { concepts, kinds, within_days } => Rule::Event {
                concepts: self.some(place, concepts)?,
                kinds: kinds.clone(),
                within_days: within_days.map(|days| in_limit(place, days)).transpose()?,
            },
            RuleParams::Discharge(names) => Rule::Discharge(self.some(place, names)?),
            RuleParams::Principal(names) => Rule::Principal(self.some(place, names)?),
            RuleParams::StayClass(classes) => Rule::StayClass(classes.clone()),
            RuleParams::StayDaysMin(days) => Rule::StayDaysMin(in_limit(place, *days)?.into()),
            RuleParams::Died => Rule::Died,
            RuleParams::InStay => Rule::InStay,
            RuleParams::Contact { classes, within_days } => Rule::Contact {
                classes: classes.clone(),
                within_days: in_limit(place, *within_days)?,
            },
            RuleParams::MeasuredDays { concepts, classes, days_min, within_days } => {
                if concepts.is_empty() {
                    return Err(invalid(place, "needs at least one concept"));
                }
                let each = concepts.iter().map(|c| self.measure(place, c, classes, *within_days));
                let concepts = each.collect::<Result<_, _>>()?;
                Rule::MeasuredDays { concepts, days_min: *days_min as usize }
            }
            RuleParams::MeanAtLeast { concept, classes, within_days, value } => Rule::MeanAtLeast {
                measure: self.measure(place, concept, classes, *within_days)?,
                value: self.number(place, value)?,
            },
            RuleParams::SpanDaysMin { concept, classes, within_days, days } => Rule::SpanDaysMin {
                measure: self.measure(place, concept, classes, *within_days)?,
                days: in_limit(place, *days)?.into(),
            },
        })
    }

    fn follow_up(&self, params: &FollowUpParams) -> Result<FollowUp, TaskError> {
        let observed_by = params.observed_by.as_ref().map(|by| {
            let readings = self.readings("follow_up.observed_by", &by.concept, &by.classes)?;
            Ok::<_, TaskError>((readings, by.days_min as usize))
        });
        Ok(FollowUp {
            ends_at: self.all("follow_up.ends_at", &params.ends_at)?,
            observed_by: observed_by.transpose()?,
        })
    }

    fn index_with(&self, rule: &IndexRule) -> Result<Vec<ConceptId>, TaskError> {
        let IndexRule::Contact { classes, with, apart_days, .. } = rule else {
            return Ok(Vec::new());
        };
        if classes.is_empty() {
            return Err(invalid("index.rule.contact.classes", "needs at least one class"));
        }
        in_limit("index.rule.contact.apart_days", *apart_days)?;
        with.iter().map(|name| self.measured("index.rule.contact.with", name)).collect()
    }
}
