//! The feature spec of a task: what the task file says, checked against the concepts.

use serde::{Deserialize, Serialize};

use crate::record::{ConceptId, ConceptSet, EncounterClass, EncounterCode, EventKind};

/// The longest look-back a window may have.
const WINDOW_DAYS_MAX: u32 = 36_525;
/// The most columns a learned feature may have.
const LEARNED_MAX: usize = 64;

/// A feature as the task file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureParams {
    pub name: String,
    pub from: SourceParams,
    /// The reason's words; `{value}` and `{level}` stand for what was found.
    pub text: String,
    /// The words when no level of a group is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_none: Option<String>,
    /// The unit of the value, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// Where a feature's value comes from, as the task file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceParams {
    /// Completed years at the index time.
    Age,
    /// 1 for female, 0 for male.
    Sex,
    /// Length of the index stay in days.
    StayDays,
    /// One 0/1 column for each concept that a coded field of the index stay may belong to.
    StayCode { field: EncounterCode, levels: Vec<String> },
    /// How many encounters began in the window, the index stay left out.
    Encounters { classes: Vec<EncounterClass>, window_days: u32 },
    /// Days since the end of the latest such encounter in the window.
    DaysSinceEncounter { classes: Vec<EncounterClass>, window_days: u32 },
    /// How many events of the concepts there are in the window.
    Events { concepts: Vec<String>, window: Window },
    /// Days since the latest event of the concepts.
    DaysSinceEvent { concepts: Vec<String>, window: Window },
    /// Values of a measurement, summed up; with `cuts`, the number of cuts at or below the value.
    Measurement {
        concept: String,
        window: Window,
        aggregate: Vec<Aggregate>,
        #[serde(default)]
        cuts: Vec<f64>,
        /// Names of the bands between the cuts, one more than cuts.
        #[serde(default)]
        bands: Vec<String>,
    },
    /// A count in the index stay: sent as a measurement of the concept, or counted by its rule.
    StayCount { concept: String },
    /// One 0/1 column for each concept: present in the window or not.
    Concepts {
        concepts: Vec<String>,
        window: Window,
        kinds: Vec<EventKind>,
        /// Only principal diagnoses (rank 1).
        #[serde(default)]
        principal: bool,
        /// Without any event of the kinds in the window the columns are missing, not 0.
        #[serde(default)]
        missing_without_any: bool,
    },
    /// How many different codes of the concepts have this coded value in the window.
    CodedCount { concepts: Vec<String>, window: Window, coded: String },
    /// One 0/1 column for each coded value that events of the concept have in the window.
    CodedLevels { concept: String, window: Window, levels: Vec<String> },
    /// One 0/1 column for each code found often enough in the training fold.
    Learned {
        of: LearnedFrom,
        window: Window,
        codes_max: usize,
        /// A code of fewer patients is never learned.
        patients_min: usize,
    },
}

/// How far a feature looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The index stay.
    Stay,
    Days(u32),
    /// All that is known.
    Ever,
}

/// How the values of a window become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    Last,
    Min,
    Max,
    Mean,
}

/// What codes are learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnedFrom {
    /// ICD categories of all diagnoses.
    DiagnosisCategory,
    /// ICD categories of principal diagnoses.
    PrincipalCategory,
    /// The medical service of the index stay.
    Service,
}

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
    pub text_none: Option<String>,
    pub unit: Option<String>,
    pub modifiable: bool,
    pub source: Source,
    /// What each column of a group is called in words.
    pub level_titles: Vec<String>,
    /// Names of the fixed columns; empty for a learned feature.
    pub columns: Vec<String>,
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
    Measurement {
        concept: ConceptId,
        window: Window,
        aggregate: Vec<Aggregate>,
        cuts: Vec<f64>,
    },
    StayCount {
        concept: ConceptId,
        kinds: Vec<EventKind>,
        distinct_codes: bool,
    },
    Concepts {
        concepts: Vec<ConceptId>,
        window: Window,
        kinds: Vec<EventKind>,
        principal: bool,
        missing_without_any: bool,
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

/// A checked feature spec: the order of features is the order of columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    features: Vec<Feature>,
}

impl Spec {
    /// Checks `params` against `concepts`.
    ///
    /// # Errors
    /// A name used twice, an unknown concept (with the nearest known one), a window or number out
    /// of its limits.
    pub fn check(params: &[FeatureParams], concepts: &ConceptSet) -> Result<Spec, SpecError> {
        let mut features: Vec<Feature> = Vec::with_capacity(params.len());
        for feature in params {
            let fault = |reason| SpecError { feature: feature.name.clone(), reason };
            if features.iter().any(|known| known.name == feature.name) {
                return Err(fault("the name is used twice".into()));
            }
            features.push(checked(feature, concepts).map_err(fault)?);
        }
        if features.is_empty() {
            return Err(SpecError { feature: "-".into(), reason: "there is no feature".into() });
        }
        Ok(Spec { features })
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

/// Finds concepts by name for one feature and remembers what it needs of them.
struct Finder<'a> {
    concepts: &'a ConceptSet,
    titles: Vec<String>,
    modifiable: bool,
}

impl Finder<'_> {
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

    fn all(&mut self, names: &[String]) -> Result<Vec<ConceptId>, String> {
        if names.is_empty() {
            return Err("needs at least one concept".into());
        }
        names.iter().map(|name| self.one(name)).collect()
    }
}

fn checked(params: &FeatureParams, concepts: &ConceptSet) -> Result<Feature, String> {
    if params.name.is_empty() || params.text.is_empty() {
        return Err("needs a name and a text".into());
    }
    let mut finder = Finder { concepts, titles: Vec::new(), modifiable: false };
    let source = source(&params.from, &mut finder)?;
    let name = &params.name;
    let suffixed = |parts: &[String]| parts.iter().map(|part| format!("{name}={part}")).collect();
    let columns = match (&params.from, &source) {
        (_, Source::Learned { .. }) => Vec::new(),
        (SourceParams::StayCode { levels, .. }, _) => suffixed(levels),
        (SourceParams::Concepts { concepts, .. }, _) => suffixed(concepts),
        (SourceParams::CodedLevels { levels, .. }, _) => suffixed(levels),
        (SourceParams::Measurement { aggregate, .. }, _) => aggregate
            .iter()
            .map(|aggregate| format!("{name}_{}", format!("{aggregate:?}").to_lowercase()))
            .collect(),
        _ => vec![name.clone()],
    };
    let level_titles = match &params.from {
        SourceParams::CodedLevels { levels, .. } => levels.clone(),
        SourceParams::Measurement { bands, .. } => bands.clone(),
        _ => finder.titles,
    };
    Ok(Feature {
        name: name.clone(),
        text: params.text.clone(),
        text_none: params.text_none.clone(),
        unit: params.unit.clone(),
        modifiable: finder.modifiable,
        source,
        level_titles,
        columns,
    })
}

fn source(params: &SourceParams, finder: &mut Finder<'_>) -> Result<Source, String> {
    Ok(match params {
        SourceParams::Age => Source::Age,
        SourceParams::Sex => Source::Sex,
        SourceParams::StayDays => Source::StayDays,
        SourceParams::StayCode { field, levels } => {
            Source::StayCode { field: *field, levels: finder.all(levels)? }
        }
        SourceParams::Encounters { classes, window_days } => {
            let (classes, window_days) = encounters(classes, *window_days)?;
            Source::Encounters { classes, window_days }
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
        SourceParams::Measurement { concept, window, aggregate, cuts, bands } => {
            if aggregate.is_empty() {
                return Err("needs at least one aggregate".into());
            }
            let rising = cuts.windows(2).all(|pair| pair[0] < pair[1]);
            if !rising || cuts.iter().any(|cut| !cut.is_finite()) {
                return Err("cuts must be finite and rise".into());
            }
            if !bands.is_empty() && bands.len() != cuts.len() + 1 {
                return Err("needs one band name more than cuts".into());
            }
            Source::Measurement {
                concept: finder.one(concept)?,
                window: limited(*window)?,
                aggregate: aggregate.clone(),
                cuts: cuts.clone(),
            }
        }
        SourceParams::StayCount { concept } => {
            let id = finder.one(concept)?;
            let rule = finder.concepts.get(id).and_then(|concept| concept.count.clone());
            let rule = rule.ok_or_else(|| format!("concept `{concept}` has no count rule"))?;
            Source::StayCount {
                concept: id,
                kinds: rule.kinds,
                distinct_codes: rule.distinct_codes,
            }
        }
        SourceParams::Concepts { concepts, window, kinds, principal, missing_without_any } => {
            Source::Concepts {
                concepts: finder.all(concepts)?,
                window: limited(*window)?,
                kinds: kinds.clone(),
                principal: *principal,
                missing_without_any: *missing_without_any,
            }
        }
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
            if !(1..=LEARNED_MAX).contains(codes_max) {
                return Err(format!("codes_max must be 1 to {LEARNED_MAX}"));
            }
            if *patients_min < crate::SMALL_CELL_PATIENTS {
                return Err(format!(
                    "patients_min must be at least {}",
                    crate::SMALL_CELL_PATIENTS
                ));
            }
            Source::Learned {
                of: *of,
                window: limited(*window)?,
                codes_max: *codes_max,
                patients_min: *patients_min,
            }
        }
    })
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
    match window {
        Window::Days(days) if !(1..=WINDOW_DAYS_MAX).contains(&days) => {
            Err(format!("a window has 1 to {WINDOW_DAYS_MAX} days"))
        }
        _ => Ok(window),
    }
}
