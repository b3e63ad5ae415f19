//! A formula as its file gives it, unchecked; `check` turns it into a `Formula`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::{EncounterClass, EventKind, Window};

/// A formula file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormulaParams {
    /// Lower case letters, digits and `_`.
    pub id: String,
    pub title: String,
    /// What the points or the probability stand for, in words.
    pub outcome: String,
    #[serde(default)]
    pub horizon_days: Option<u32>,
    /// The papers and tables the numbers are from.
    pub citations: Vec<String>,
    #[serde(default)]
    pub notes: Vec<String>,
    #[serde(default)]
    pub validity: ValidityParams,
    #[serde(default)]
    pub input: Vec<InputParams>,
    pub form: FormParams,
    /// From the lowest to the highest.
    #[serde(default)]
    pub band: Vec<BandParams>,
    #[serde(default)]
    pub test: Vec<VectorParams>,
}

/// For whom the formula holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValidityParams {
    /// Only at an inpatient stay.
    #[serde(default)]
    pub needs_stay: bool,
    #[serde(default)]
    pub range: Vec<RangeParams>,
    #[serde(default)]
    pub exclude: Vec<ExcludeParams>,
}

/// The values of an input that the formula holds for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RangeParams {
    pub input: String,
    /// The lowest value that belongs to it.
    #[serde(default)]
    pub min: Option<f64>,
    /// The highest value that belongs to it.
    #[serde(default)]
    pub max: Option<f64>,
    /// Values must lie below this one, which does not belong to it.
    #[serde(default)]
    pub below: Option<f64>,
    /// The reason given for a value outside, without the value.
    pub text: String,
}

/// A condition or drug with which the formula does not hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExcludeParams {
    pub concepts: Vec<String>,
    pub kinds: Vec<EventKind>,
    pub window: Window,
    /// The reason given.
    pub text: String,
}

/// A named number that the form reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputParams {
    pub name: String,
    pub from: SourceParams,
    /// Where to look when `from` gives nothing.
    #[serde(default)]
    pub otherwise: Option<SourceParams>,
    /// The least and the greatest value it can have: where it is missing, the answer is a range.
    #[serde(default)]
    pub between: Option<[f64; 2]>,
}

/// Where an input comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SourceParams {
    /// Completed years at the index time.
    Age,
    /// 1 for female, 0 for male; the formula does not hold for any other.
    Female,
    /// Length of the index stay in nights.
    StayDays,
    /// 1 or 0 by the admission type of the index stay; missing when it is of neither list.
    Admission { yes: Vec<String>, no: Vec<String> },
    /// How many encounters began in the days before the index stay, what led into it left out.
    Encounters { classes: Vec<EncounterClass>, window_days: u32 },
    /// The last exact value (no "< 5") of a concept whose unit is `unit`.
    Measurement { concept: String, unit: String, window: Window },
    /// 1 when an event of the concepts is there, else as `absent` says.
    Concepts {
        concepts: Vec<String>,
        kinds: Vec<EventKind>,
        window: Window,
        /// Only principal diagnoses (rank 1).
        #[serde(default)]
        principal: bool,
        #[serde(default)]
        absent: Absent,
    },
    /// 1 or 0 by the last coded value of the concept that is in one of the lists.
    Coded { concept: String, window: Window, yes: Vec<String>, no: Vec<String> },
    /// 1 when the index stay has any of what the concept's count rule counts.
    AnyInStay { concept: String },
    /// 1 when the medical service of the index stay holds one of the words.
    Service { words: Vec<String> },
    /// 1 when one of these inputs is above 0; 0 when those that are known are not.
    AnyOf(Vec<String>),
    /// The first of two inputs less the second.
    Difference([String; 2]),
    /// What another formula gives.
    Formula(String),
}

/// What it means that no event of a concept is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Absent {
    /// 0, if the record shows that the source sends events of this kind; else missing.
    #[default]
    No,
    /// Nothing: it is missing.
    Missing,
}

/// How the inputs become one number.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FormParams {
    /// A sum of points.
    Points { item: Vec<ItemParams> },
    /// A sum of weights of the conditions that are there, each group an input of its own.
    Comorbidity { kinds: Vec<EventKind>, group: Vec<GroupParams> },
    /// A constant and coefficients times products of factors, through a link.
    Linear {
        link: Link,
        #[serde(default)]
        factor: Vec<FactorParams>,
        model: Vec<ModelParams>,
    },
}

/// The points of one input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemParams {
    pub input: String,
    /// Rising.
    pub cuts: Vec<f64>,
    /// The points below the first cut, from the first cut on, from the second on ...
    pub points: Vec<f64>,
}

/// The weight of one condition.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupParams {
    pub name: String,
    pub concepts: Vec<String>,
    pub weight: f64,
    #[serde(default = "ever")]
    pub window: Window,
    /// Milder groups that do not count beside this one.
    #[serde(default)]
    pub replaces: Vec<String>,
}

fn ever() -> Window {
    Window::Ever
}

/// An input made ready for a product: held in bounds, moved, scaled, then its logarithm or power.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactorParams {
    pub name: String,
    pub input: String,
    /// Lower values count as this one: the formula's own bend, no mending of the input.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Higher values count as this one.
    #[serde(default)]
    pub at_most: Option<f64>,
    #[serde(default)]
    pub minus: f64,
    #[serde(default = "one")]
    pub over: f64,
    #[serde(default)]
    pub ln: bool,
    #[serde(default)]
    pub power: Option<f64>,
}

fn one() -> f64 {
    1.0
}

/// The coefficients for one sex, or for all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelParams {
    #[serde(default)]
    pub sex: Option<ModelSex>,
    pub constant: f64,
    /// `a*b = 0.5`: the product of the factors or inputs a and b, times 0.5.
    pub terms: BTreeMap<String, f64>,
}

/// Whom a model's coefficients are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModelSex {
    Female,
    Male,
}

/// What becomes of the linear sum L.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Link {
    /// L itself.
    None,
    /// exp(L).
    Exp,
    /// The probability 1 / (1 + exp(-L)).
    Logistic,
    /// The probability 1 - exp(-exp((ln time - L) / scale)).
    Weibull { time: f64, scale: f64 },
}

/// A band of the result as the paper cuts it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BandParams {
    pub name: String,
    /// The lowest points or probability in the band.
    pub from: f64,
    /// The probability that the paper gives for these points.
    #[serde(default)]
    pub probability: Option<f64>,
}

/// Input values, and what the formula must give for them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VectorParams {
    pub inputs: BTreeMap<String, f64>,
    #[serde(default)]
    pub points: Option<f64>,
    #[serde(default)]
    pub probability: Option<f64>,
    #[serde(default)]
    pub probability_low: Option<f64>,
    #[serde(default)]
    pub probability_high: Option<f64>,
}
