//! Checking a specification: what it names is found, and its numbers are kept in their limits.

use std::collections::BTreeSet;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::params::{KeyName, MeasureParams, MeasureRuleParams, SurveyParams, TrendParams};
use super::release::KeyValue;
use super::spec::{Counted, GROUPINGS_MAX, KEYS_MAX, MEASURES_MAX, Named, Rule, SpecError, Survey};
use super::standard::check_bands;
use crate::record::ConceptSet;
use crate::task::{Happening, Values, concepts_named};

/// The most measurements that patients are compared by.
const PEER_MEASUREMENTS_MAX: usize = 20;
/// No one is older.
const AGE_YEARS_MAX: u32 = 150;

fn invalid(place: impl Into<String>, reason: impl Into<String>) -> SpecError {
    SpecError::Invalid { place: place.into(), reason: reason.into() }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

pub(super) fn check_words(params: &TrendParams) -> Result<(), SpecError> {
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

pub(super) fn check_numbers(params: &TrendParams) -> Result<(), SpecError> {
    let TrendParams { population, observed, region, change, .. } = params;
    let ages = [population.age_years_min, population.age_years_max];
    if ages.iter().flatten().any(|age| *age > AGE_YEARS_MAX)
        || ages[0].zip(ages[1]).is_some_and(|(low, high)| low > high)
    {
        return Err(invalid("population", "ages must rise, up to 150"));
    }
    if params.survey.is_some() && params.peers.is_some() {
        let reason = "are counted without weights: not of a survey";
        return Err(invalid("peers", reason));
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
pub(super) fn groupings(
    groups: &[Vec<KeyName>],
) -> Result<(Vec<KeyName>, Vec<Vec<usize>>), SpecError> {
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

/// The bands of age. Who is younger than the first, or of no known age, is of no band.
pub(super) fn age_bands(
    params: &TrendParams,
    are_wanted: bool,
) -> Result<Vec<KeyValue>, SpecError> {
    let (starts, place) = (&params.age_band_starts_years, "age_band_starts_years");
    if starts.is_empty() == are_wanted {
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
    if bands.iter().any(is_empty) {
        return Err(invalid(place, "begins after population.age_years_max"));
    }
    if let Some(standard) = &params.standard {
        check_bands(standard.population, &bands)
            .map_err(|error| invalid("standard", error.to_string()))?;
    }
    Ok(bands)
}

pub(super) fn counted<'a>(
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

pub(super) fn check_survey(
    params: &SurveyParams,
    concepts: &ConceptSet,
) -> Result<Survey, SpecError> {
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

pub(super) fn peers(
    params: &TrendParams,
    concepts: &ConceptSet,
) -> Result<Vec<(String, Values)>, SpecError> {
    let Some(peers) = &params.peers else { return Ok(Vec::new()) };
    // What may be shown of a group is decided for the groups that are named alone.
    let by_age_and_sex = BTreeSet::from([KeyName::AgeBand, KeyName::Sex]);
    let is_it = |group: &Vec<KeyName>| BTreeSet::from_iter(group.iter().copied()) == by_age_and_sex;
    if !params.groups.iter().any(is_it) {
        let reason = "are of one age band and sex: needs [\"age_band\", \"sex\"] among `groups`";
        return Err(invalid("peers", reason));
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

pub(super) fn digest(params: &TrendParams, measures: &[Counted<'_>]) -> Result<String, SpecError> {
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
