//! `Spec`: a checked specification of trends.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::calendar::{self, Span};
use super::params::{
    KeyName, MeasureParams, MeasureRuleParams, ObservedBy, SurveyParams, TrendParams,
};
use super::release::{FigureKind, Key, KeyValue};
use super::standard::check_bands;
use super::tally::Frame;
use crate::bundle::Bundle;
use crate::record::{ConceptId, ConceptSet, EncounterClass, KnownAfter, Time};
use crate::task::{Happening, LabelNeeds, Task, TaskError, Values, concepts_named};

/// The most keys of one specification, the most groupings, and the most measures.
pub const KEYS_MAX: usize = 5;
pub const GROUPINGS_MAX: usize = 12;
pub const MEASURES_MAX: usize = 40;
/// The most measurements that patients are compared by.
const PEER_MEASUREMENTS_MAX: usize = 20;
/// No one is older.
const AGE_YEARS_MAX: u32 = 150;

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
        if let Some(standard) = &params.standard {
            check_bands(standard.population, &age_bands)
                .map_err(|error| invalid("standard", error.to_string()))?;
        }
        let measures = params.measure.iter().map(|measure| counted(measure, concepts, named));
        let measures = measures.collect::<Result<Vec<_>, _>>()?;
        let survey = params.survey.as_ref().map(|survey| check_survey(survey, concepts));
        let spec = Spec {
            params,
            concepts,
            first,
            known_after: KnownAfter::default(),
            population: concepts_named("population", &params.population.concepts, concepts)?,
            peers: peers(params, &keys, concepts)?,
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

fn invalid(place: impl Into<String>, reason: impl Into<String>) -> SpecError {
    SpecError::Invalid { place: place.into(), reason: reason.into() }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

fn check_words(params: &TrendParams) -> Result<(), SpecError> {
    if !is_name(&params.name) {
        return Err(invalid("name", "lower case letters, digits and _ only, at most 64"));
    }
    if params.title.trim().is_empty() {
        return Err(invalid("title", "must not be empty"));
    }
    if params.measure.is_empty() || params.measure.len() > MEASURES_MAX {
        return Err(invalid("measure", format!("needs 1 to {MEASURES_MAX} of [[measure]]")));
    }
    let mut met = BTreeSet::new();
    for measure in &params.measure {
        let place = || format!("measure `{}`", measure.name);
        if !is_name(&measure.name) || !met.insert(&measure.name) {
            return Err(invalid(place(), "a name of its own: lower case letters, digits and _"));
        }
        if measure.title.trim().is_empty() {
            return Err(invalid(place(), "title: must not be empty"));
        }
    }
    Ok(())
}

fn check_numbers(params: &TrendParams) -> Result<(), SpecError> {
    let TrendParams { population, observed, region, change, .. } = params;
    let ages = [population.age_years_min, population.age_years_max];
    if ages.iter().flatten().any(|age| *age > AGE_YEARS_MAX)
        || ages[0].zip(ages[1]).is_some_and(|(low, high)| low > high)
    {
        return Err(invalid("population", "ages must rise, up to 150"));
    }
    // Each is written so that a NaN fails.
    if !(observed.share_min > 0.0 && observed.share_min <= 1.0) {
        return Err(invalid("observed.share_min", "must be above 0 and at most 1"));
    }
    if !(1..=10).contains(&region.digits_max) {
        return Err(invalid("region.digits_max", "must be 1 to 10"));
    }
    if region.people_min < crate::SMALL_CELL_PATIENTS as u64 {
        return Err(invalid("region.people_min", "must be at least 11"));
    }
    if !(change.false_discovery_rate > 0.0 && change.false_discovery_rate <= 0.5) {
        return Err(invalid("change.false_discovery_rate", "must be above 0 and at most 0.5"));
    }
    if !(0.0..=100.0).contains(&change.points_min) || !(0.0..=10.0).contains(&change.relative_min) {
        let reason = "points_min must be 0 to 100 (percent), relative_min 0 to 10 (a share)";
        return Err(invalid("change", reason));
    }
    Ok(())
}

/// The keys that groups name, each once, and the groups by their places. Everybody comes first.
fn groupings(groups: &[Vec<KeyName>]) -> Result<(Vec<KeyName>, Vec<Vec<usize>>), SpecError> {
    let mut keys: Vec<KeyName> = Vec::new();
    let mut groupings: Vec<Vec<usize>> = vec![Vec::new()];
    for (place, group) in groups.iter().enumerate() {
        let mut places = Vec::new();
        for key in group {
            let known = keys.iter().position(|known| known == key).unwrap_or_else(|| {
                keys.push(*key);
                keys.len() - 1
            });
            places.push(known);
        }
        places.sort_unstable();
        if groupings.contains(&places) || places.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(invalid(
                format!("groups[{place}]"),
                "each group once, each key in it once",
            ));
        }
        groupings.push(places);
    }
    if keys.len() > KEYS_MAX || groupings.len() > GROUPINGS_MAX {
        let reason = format!("at most {KEYS_MAX} keys in at most {} groups", GROUPINGS_MAX - 1);
        return Err(invalid("groups", reason));
    }
    Ok((keys, groupings))
}

/// The bands of age, with one for those of whom it is not known.
fn age_bands(params: &TrendParams, are_wanted: bool) -> Result<Vec<KeyValue>, SpecError> {
    let (starts, place) = (&params.age_band_starts_years, "age_band_starts_years");
    if starts.is_empty() != !are_wanted {
        return Err(invalid(place, "goes with the key `age_band` in `groups`"));
    }
    if starts.len() > 40 || starts.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(invalid(place, "must rise, at most 40 of them"));
    }
    if starts.last().is_some_and(|last| *last > AGE_YEARS_MAX) {
        return Err(invalid(place, "must be at most 150"));
    }
    let ends =
        starts.iter().skip(1).map(|next| Some(next - 1)).chain([params.population.age_years_max]);
    let bands = starts.iter().zip(ends).map(|(start, end)| KeyValue {
        name: end.map_or_else(|| format!("{start}+"), |end| format!("{start}-{end}")),
        age_years_min: Some(*start),
        age_years_max: end,
    });
    let bands: Vec<KeyValue> = bands.collect();
    let is_empty =
        |band: &KeyValue| band.age_years_max.is_some_and(|end| Some(end) < band.age_years_min);
    match bands.iter().any(is_empty) {
        true => Err(invalid(place, "begins after population.age_years_max")),
        false => Ok(bands),
    }
}

fn counted<'a>(
    params: &'a MeasureParams,
    concepts: &ConceptSet,
    named: &'a Named,
) -> Result<Counted<'a>, SpecError> {
    let place = format!("measure `{}`", params.name);
    let unread = |what: &str, path: &str| invalid(&place, format!("{what} `{path}` was not read"));
    let rule = match &params.rule {
        MeasureRuleParams::Share { events, measured_by } => {
            let happening = Happening::check(&place, events, concepts)?;
            let coded_by = happening.event_concepts();
            let measured_by = concepts_named(&place, measured_by, concepts)?;
            Rule::Share { happening, measured_by, coded_by }
        }
        MeasureRuleParams::Mean { concept, classes } => {
            Rule::Mean(Values::check(&place, concept, classes, concepts)?)
        }
        MeasureRuleParams::Contacts { classes } => {
            if classes.is_empty() {
                return Err(invalid(&place, "contacts: needs at least one class"));
            }
            Rule::Contacts(classes.clone())
        }
        MeasureRuleParams::Outcome { task } => {
            Rule::Outcome(named.tasks.get(task).ok_or_else(|| unread("the task", task))?)
        }
        MeasureRuleParams::Risk { bundle } => {
            let found = named.bundles.get(bundle).ok_or_else(|| unread("the bundle", bundle))?;
            if found.is_published_only() {
                let reason = "risk: the bundle shows published scores alone and has no probability";
                return Err(invalid(&place, reason));
            }
            Rule::Risk(found)
        }
    };
    let treated = concepts_named(&place, &params.treated_concepts, concepts)?;
    Ok(Counted { params, rule, treated })
}

fn check_survey(params: &SurveyParams, concepts: &ConceptSet) -> Result<Survey, SpecError> {
    let SurveyParams { weight, stratum, psu } = params;
    if stratum.is_some() != psu.is_some() {
        return Err(invalid("survey", "a stratum goes with a primary sampling unit (psu)"));
    }
    let names: Vec<String> =
        [Some(weight), stratum.as_ref(), psu.as_ref()].into_iter().flatten().cloned().collect();
    let ids = concepts_named("survey", &names, concepts)?;
    let weight = ids.first().copied().ok_or_else(|| invalid("survey", "needs a weight"))?;
    Ok(Survey { weight, stratum: ids.get(1).copied(), psu: ids.get(2).copied() })
}

fn peers(
    params: &TrendParams,
    keys: &[KeyName],
    concepts: &ConceptSet,
) -> Result<Vec<(String, Values)>, SpecError> {
    let Some(peers) = &params.peers else { return Ok(Vec::new()) };
    if !keys.contains(&KeyName::AgeBand) || !keys.contains(&KeyName::Sex) {
        return Err(invalid("peers", "are of one age band and sex: name both keys in `groups`"));
    }
    if peers.measurements.len() > PEER_MEASUREMENTS_MAX {
        let reason = format!("at most {PEER_MEASUREMENTS_MAX}");
        return Err(invalid("peers.measurements", reason));
    }
    let each = peers
        .measurements
        .iter()
        .map(|name| Ok((name.clone(), Values::check("peers.measurements", name, &[], concepts)?)));
    each.collect()
}

/// What two specifications must have in common for their releases to continue each other.
#[derive(Serialize)]
struct Content<'a> {
    params: &'a TrendParams,
    tasks: Vec<&'a str>,
    bundles: Vec<&'a str>,
}

fn digest(params: &TrendParams, measures: &[Counted<'_>]) -> Result<String, SpecError> {
    let tasks = measures.iter().filter_map(|counted| match counted.rule {
        Rule::Outcome(task) => Some(task.digest()),
        _ => None,
    });
    let bundles = measures.iter().filter_map(|counted| match counted.rule {
        Rule::Risk(bundle) => Some(bundle.digest()),
        _ => None,
    });
    let content = Content { params, tasks: tasks.collect(), bundles: bundles.collect() };
    let text = serde_json::to_vec(&content).map_err(|e| SpecError::Syntax(e.to_string()))?;
    Ok(format!("{:x}", Sha256::digest(text)))
}
