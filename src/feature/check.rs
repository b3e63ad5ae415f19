//! Checking the features of a task file: concepts are found by name, numbers kept in their limits.

use std::sync::Arc;

use super::params::{
    Aggregate, DrugChangeParams, FeatureParams, MeasuredParams, ObservedByParams, SourceParams,
    Window,
};
use super::spec::{Counted, Feature, Measured, ObservedBy, Source, Spec, SpecError};
use super::theme::theme_of;
use crate::SMALL_CELL_PATIENTS;
use crate::published::{Formula, Formulas};
use crate::record::{ConceptId, ConceptSet, EncounterClass};

/// The most columns a learned feature may have.
const LEARNED_MAX: usize = 64;

impl Spec {
    /// Checks `params` against `concepts`.
    ///
    /// # Errors
    /// A name used twice, an unknown concept (with the nearest known one), a window or number out
    /// of its limits.
    pub fn check(params: &[FeatureParams], concepts: &ConceptSet) -> Result<Spec, SpecError> {
        Spec::check_with(params, concepts, &Formulas::built_in())
    }

    /// As `check`, with the formulas that features may name.
    ///
    /// # Errors
    /// As `check`; also for a formula that is not there or does not fit the concepts.
    pub fn check_with(
        params: &[FeatureParams],
        concepts: &ConceptSet,
        formulas: &Formulas,
    ) -> Result<Spec, SpecError> {
        let mut features: Vec<Feature> = Vec::with_capacity(params.len());
        for feature in params {
            let fault = |reason| SpecError { feature: feature.name.clone(), reason };
            if features.iter().any(|known| known.name == feature.name) {
                return Err(fault("the name is used twice".into()));
            }
            features.push(checked(feature, concepts, formulas).map_err(fault)?);
        }
        Ok(Spec::of(features))
    }
}

/// Finds concepts by name for one feature and remembers what it needs of them.
struct Finder<'a> {
    concepts: &'a ConceptSet,
    formulas: &'a Formulas,
    titles: Vec<String>,
    modifiable: bool,
}

impl<'a> Finder<'a> {
    fn new(concepts: &'a ConceptSet, formulas: &'a Formulas) -> Finder<'a> {
        Finder { concepts, formulas, titles: Vec::new(), modifiable: false }
    }

    fn one(&mut self, name: &str) -> Result<ConceptId, String> {
        let Some(id) = self.concepts.find(name) else {
            let near = self.concepts.nearest(name).unwrap_or("-");
            return Err(format!("no concept `{name}`; did you mean `{near}`?"));
        };
        if let Some(concept) = self.concepts.get(id) {
            self.titles.push(concept.title.clone());
            self.modifiable |= concept.modifiable;
        }
        Ok(id)
    }

    fn formula(&self, score: &str) -> Result<Arc<Formula>, String> {
        self.formulas.resolve(score, self.concepts).map_err(|error| error.to_string())
    }

    fn all(&mut self, names: &[String]) -> Result<Vec<ConceptId>, String> {
        if names.is_empty() {
            return Err("needs at least one concept".into());
        }
        names.iter().map(|name| self.one(name)).collect()
    }
}

/// Checks one feature.
fn checked(
    params: &FeatureParams,
    concepts: &ConceptSet,
    formulas: &Formulas,
) -> Result<Feature, String> {
    if params.name.is_empty() || params.text.is_empty() {
        return Err("needs a name and a text".into());
    }
    if params.theme.as_ref().is_some_and(|theme| theme.trim().is_empty()) {
        return Err("theme needs words; leave it out for the usual one".into());
    }
    let mut finder = Finder::new(concepts, formulas);
    let source = source(&params.from, &mut finder)?;
    let observed_by =
        params.observed_by.as_ref().map(|by| observed_by(by, concepts, formulas)).transpose()?;
    let name = &params.name;
    let suffixed = |parts: &[String]| parts.iter().map(|part| format!("{name}={part}")).collect();
    let columns = match (&params.from, &source) {
        (_, Source::Learned { .. }) => Vec::new(),
        (SourceParams::StayCode { levels, .. }, _) => suffixed(levels),
        (SourceParams::Concepts { concepts, .. }, _) => suffixed(concepts),
        (SourceParams::CodedLevels { levels, .. }, _) => suffixed(levels),
        (SourceParams::Measurement(of), _) => {
            let names = of.aggregate.iter().map(|aggregate| aggregate.name());
            names.map(|aggregate| format!("{name}_{aggregate}")).collect()
        }
        _ => vec![name.clone()],
    };
    let level_titles = match &params.from {
        SourceParams::CodedLevels { levels, .. } => levels.clone(),
        SourceParams::Measurement(params) => params.bands.clone(),
        _ => finder.titles,
    };
    let mut feature = Feature {
        name: name.clone(),
        text: params.text.clone(),
        text_one: params.text_one.clone(),
        text_none: params.text_none.clone(),
        observed_by,
        unit: params.unit.clone(),
        modifiable: finder.modifiable,
        risk: params.risk,
        theme: params.theme.clone().unwrap_or_default(),
        source,
        level_titles,
        columns,
    };
    if params.theme.is_none() {
        feature.theme = theme_of(&feature, concepts);
    }
    Ok(feature)
}

fn source(params: &SourceParams, finder: &mut Finder<'_>) -> Result<Source, String> {
    Ok(match params {
        SourceParams::Age => Source::Age,
        SourceParams::Sex => Source::Sex,
        SourceParams::StayDays => Source::StayDays,
        SourceParams::StayCode { field, levels } => {
            Source::StayCode { field: *field, levels: finder.all(levels)? }
        }
        SourceParams::Encounters { classes, window_days, sent_as } => {
            let (classes, window_days) = encounters(classes, *window_days)?;
            let sent_as = sent_as.as_ref().map(|name| finder.one(name)).transpose()?;
            Source::Encounters { classes, window_days, sent_as }
        }
        SourceParams::DaysSinceEncounter { classes, window_days } => {
            let (classes, window_days) = encounters(classes, *window_days)?;
            Source::DaysSinceEncounter { classes, window_days }
        }
        SourceParams::Events { concepts, window } => {
            Source::Events { concepts: finder.all(concepts)?, window: limited(*window)? }
        }
        SourceParams::DaysSinceEvent { concepts, window } => {
            Source::DaysSinceEvent { concepts: finder.all(concepts)?, window: limited(*window)? }
        }
        SourceParams::Measurement(params) => Source::Measurement(measured(params, finder)?),
        SourceParams::Published { score } => Source::Published { formula: finder.formula(score)? },
        SourceParams::StayCount { concept } => stay_count(concept, finder)?,
        SourceParams::Concepts { concepts, window, kinds, principal, missing_without_any } => {
            Source::Concepts {
                concepts: finder.all(concepts)?,
                window: limited(*window)?,
                kinds: kinds.clone(),
                principal: *principal,
                missing_without_any: *missing_without_any,
            }
        }
        SourceParams::ConceptCount { concepts, window, kinds, missing_without_any } => {
            Source::ConceptCount {
                concepts: finder.all(concepts)?,
                window: limited(*window)?,
                kinds: kinds.clone(),
                missing_without_any: *missing_without_any,
            }
        }
        SourceParams::DistinctCodes { kinds, window } => {
            Source::DistinctCodes { kinds: kinds.clone(), window: limited(*window)? }
        }
        SourceParams::DrugChanges(params) => drug_changes(params, finder)?,
        SourceParams::CodedCount { concepts, window, coded } => Source::CodedCount {
            concepts: finder.all(concepts)?,
            window: limited(*window)?,
            coded: coded.to_ascii_lowercase(),
        },
        SourceParams::CodedLevels { concept, window, levels } => Source::CodedLevels {
            concept: finder.one(concept)?,
            window: limited(*window)?,
            levels: levels.iter().map(|level| level.to_ascii_lowercase()).collect(),
        },
        SourceParams::Learned { of, window, codes_max, patients_min } => {
            check_learned(*codes_max, *patients_min)?;
            Source::Learned {
                of: *of,
                window: limited(*window)?,
                codes_max: *codes_max,
                patients_min: *patients_min,
            }
        }
    })
}

fn measured(params: &MeasuredParams, finder: &mut Finder<'_>) -> Result<Measured, String> {
    let MeasuredParams { concept, window, aggregate, cuts, bands, per_day, classes } = params;
    check_measurement(aggregate, cuts, bands.len())?;
    Ok(Measured {
        concept: finder.one(concept)?,
        window: limited(*window)?,
        aggregate: aggregate.clone(),
        cuts: cuts.clone(),
        per_day: *per_day,
        classes: classes.clone(),
    })
}

fn drug_changes(params: &DrugChangeParams, finder: &mut Finder<'_>) -> Result<Source, String> {
    let DrugChangeParams { concepts, change, recent_days, before_days } = params;
    let (change, recent_days, before_days) = (*change, *recent_days, *before_days);
    for days in [recent_days, before_days, recent_days.saturating_add(before_days)] {
        limited(Window::Days(days))?;
    }
    Ok(Source::DrugChanges { concepts: finder.all(concepts)?, change, recent_days, before_days })
}

fn check_measurement(aggregates: &[Aggregate], cuts: &[f64], bands: usize) -> Result<(), String> {
    if let Some(aggregate) = aggregates.iter().find(|aggregate| !aggregate.is_level()) {
        let name = aggregate.name();
        if aggregates.len() > 1 {
            return Err(format!(
                "{name} needs a feature of its own: one text stands for all of one"
            ));
        }
        if !cuts.is_empty() {
            return Err(format!("{name} of bands says nothing: leave out cuts"));
        }
    }
    if aggregates.is_empty() {
        return Err("needs at least one aggregate".into());
    }
    let rising = cuts.windows(2).all(|pair| pair[0] < pair[1]);
    if !rising || cuts.iter().any(|cut| !cut.is_finite()) {
        return Err("cuts must be finite and rise".into());
    }
    if bands != 0 && bands != cuts.len() + 1 {
        return Err("needs one band name more than cuts".into());
    }
    Ok(())
}

fn stay_count(name: &str, finder: &mut Finder<'_>) -> Result<Source, String> {
    let concept = finder.one(name)?;
    let rule = finder.concepts.get(concept).and_then(|concept| concept.count.clone());
    let rule = rule.ok_or_else(|| format!("concept `{name}` has no count rule"))?;
    let mut others = Finder::new(finder.concepts, finder.formulas);
    let except: Result<Vec<ConceptId>, String> =
        rule.except.iter().map(|name| others.one(name)).collect();
    // A count is no event to be counted.
    let except = except?.into_iter().chain(finder.concepts.with_count_rule()).collect();
    let counted = Counted { kinds: rule.kinds, distinct_codes: rule.distinct_codes, except };
    Ok(Source::StayCount { concept, counted })
}

fn observed_by(
    params: &ObservedByParams,
    concepts: &ConceptSet,
    formulas: &Formulas,
) -> Result<ObservedBy, String> {
    let mut finder = Finder::new(concepts, formulas);
    let found: Result<Vec<_>, _> = params.concepts.iter().map(|name| finder.one(name)).collect();
    Ok(ObservedBy { kinds: params.kinds.clone(), concepts: found? })
}

fn check_learned(codes_max: usize, patients_min: usize) -> Result<(), String> {
    if !(1..=LEARNED_MAX).contains(&codes_max) {
        return Err(format!("codes_max must be 1 to {LEARNED_MAX}"));
    }
    if patients_min < SMALL_CELL_PATIENTS {
        return Err(format!("patients_min must be at least {SMALL_CELL_PATIENTS}"));
    }
    Ok(())
}

fn encounters(
    classes: &[EncounterClass],
    window_days: u32,
) -> Result<(Vec<EncounterClass>, u32), String> {
    if classes.is_empty() {
        return Err("needs at least one encounter class".into());
    }
    limited(Window::Days(window_days))?;
    Ok((classes.to_vec(), window_days))
}

fn limited(window: Window) -> Result<Window, String> {
    match window.is_limited() {
        true => Ok(window),
        false => Err(format!("a window has 1 to {} days", Window::DAYS_MAX)),
    }
}
