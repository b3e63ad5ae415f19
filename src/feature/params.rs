//! Features as a task file gives them, unchecked; `check` turns them into a `Spec`.

use serde::{Deserialize, Serialize};

pub use crate::record::Window;
use crate::record::{EncounterClass, EncounterCode, EventKind};

/// A feature as the task file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureParams {
    pub name: String,
    pub from: SourceParams,
    /// The reason's words; `{value}` and `{level}` stand for what was found.
    pub text: String,
    /// The words when the value is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_one: Option<String>,
    /// The words when the value is 0, or no level of a group is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_none: Option<String>,
    /// What shows that the source sends this kind of data at all; without it the feature is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_by: Option<ObservedByParams>,
    /// The unit of the value, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it is about: features of one theme make one reason. Without it, by where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
}

/// What shows that a source sends a kind of data, as the task file gives it: any event, at any time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedByParams {
    #[serde(default)]
    pub kinds: Vec<EventKind>,
    #[serde(default)]
    pub concepts: Vec<String>,
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
        /// One value a day (UTC): the lowest or the highest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_day: Option<PerDay>,
        /// Only in contacts of these classes; any when empty. What names no contact counts as
        /// ambulatory unless a stay or an emergency contact holds its time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        classes: Vec<EncounterClass>,
    },
    /// What a published score gives: its points, else its single probability; missing when it does
    /// not apply or lacks an input.
    Published { score: String },
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

/// How the values of a window become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    Last,
    Min,
    Max,
    Mean,
    /// How many values there are; 0 without any.
    Count,
}

/// Which value of a day stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerDay {
    Lowest,
    Highest,
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
