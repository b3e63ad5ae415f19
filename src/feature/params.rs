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
    /// That the risk may only rise, or only fall, with a higher value. Boosted trees keep to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskWith>,
}

/// How the risk may move with a higher value of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskWith {
    Rises,
    Falls,
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
    Encounters {
        classes: Vec<EncounterClass>,
        window_days: u32,
        /// The concept under which a source that counted them itself sends the count, in the index
        /// stay; what is sent goes before what the encounters say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent_as: Option<String>,
    },
    /// Days since the end of the latest such encounter in the window.
    DaysSinceEncounter { classes: Vec<EncounterClass>, window_days: u32 },
    /// How many events of the concepts there are in the window.
    Events { concepts: Vec<String>, window: Window },
    /// Days since the latest event of the concepts.
    DaysSinceEvent { concepts: Vec<String>, window: Window },
    /// Values of a measurement, summed up; with `cuts`, the number of cuts at or below the value.
    Measurement(MeasuredParams),
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
    /// How many of the concepts are present in the window.
    ConceptCount {
        concepts: Vec<String>,
        window: Window,
        kinds: Vec<EventKind>,
        /// Without any event of the kinds in the window the count is missing, not 0.
        #[serde(default)]
        missing_without_any: bool,
    },
    /// How many different codes events of the kinds have in the window.
    DistinctCodes { kinds: Vec<EventKind>, window: Window },
    /// How many of the concepts (of drugs) were started or stopped.
    DrugChanges(DrugChangeParams),
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

/// Which values of a measurement are summed up, and how, as the task file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredParams {
    pub concept: String,
    pub window: Window,
    pub aggregate: Vec<Aggregate>,
    #[serde(default)]
    pub cuts: Vec<f64>,
    /// Names of the bands between the cuts, one more than cuts.
    #[serde(default)]
    pub bands: Vec<String>,
    /// One value a day (UTC): the lowest or the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<PerDay>,
    /// Only in contacts of these classes; any when empty. What names no contact counts as
    /// ambulatory unless a stay or an emergency contact holds its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<EncounterClass>,
}

/// Which starts or stops of drugs are counted, as the task file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrugChangeParams {
    /// Concepts of drugs, each counted once.
    pub concepts: Vec<String>,
    pub change: DrugChange,
    /// The latest days: a drug was started if it is there, stopped if it is not.
    pub recent_days: u32,
    /// The days before the recent ones, for which the opposite must hold.
    pub before_days: u32,
}

/// What became of a drug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrugChange {
    /// Ordered, dispensed or given in the recent days and not in those before.
    Started,
    /// Ordered, dispensed or given in the days before and not in the recent ones.
    Stopped,
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
    /// The slope of the least-squares line through the values, per year of 365.25 days; missing
    /// without values of three different days (UTC).
    SlopePerYear,
    /// The same slope per day, for the short time of a stay.
    SlopePerDay,
    /// Standard deviation (with n - 1), as a measure of variability; missing below three values.
    Sd,
    /// The last value minus the patient's own baseline: the mean of the values of 30 days and more
    /// before it, else the first of the window. Missing without two values.
    Change,
    /// Days from the last value to the index time.
    DaysSince,
}

impl Aggregate {
    /// The end of its column's name.
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Last => "last",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Mean => "mean",
            Aggregate::Count => "count",
            Aggregate::SlopePerYear => "slope_per_year",
            Aggregate::SlopePerDay => "slope_per_day",
            Aggregate::Sd => "sd",
            Aggregate::Change => "change",
            Aggregate::DaysSince => "days_since",
        }
    }

    /// Whether it is a number of the same sort as the values themselves, so that one sentence can
    /// stand for it and for the others.
    pub fn is_level(self) -> bool {
        use Aggregate::{Change, Count, DaysSince, Last, Max, Mean, Min, Sd};
        match self {
            Last | Min | Max | Mean | Count => true,
            Sd | Change | DaysSince | Aggregate::SlopePerYear | Aggregate::SlopePerDay => false,
        }
    }
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
    /// Codes of procedures, as they are.
    Procedure,
    /// Codes of drugs ordered, dispensed or given: of ATC the chemical subgroup (five characters),
    /// of other systems the code as it is.
    Drug,
}
