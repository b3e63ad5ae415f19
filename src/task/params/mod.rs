//! The task file as it is written: unchecked, and what a bundle carries on.

mod outcome;
mod statement;
mod tier;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use outcome::{
    EventsParams, HitParams, Number, OutcomeParams, OutcomeRuleParams, PlannedParams,
    PlannedRuleParams, RiseParams, StayParams,
};

pub use statement::Statement;
pub use tier::{Tier, TierRule};

use crate::feature::FeatureParams;
use crate::record::{EncounterClass, EventKind, KnownAfter};

/// A task as its file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskParams {
    /// Lower case letters, digits and `_`; also the name of its folder.
    pub name: String,
    pub title: String,
    /// What the probability is a probability of, as the end of a sentence.
    pub outcome_text: String,
    /// Whether the definition was only written down and never checked against records by people who
    /// know them; said wherever the task is shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_validated: bool,
    /// Numbers that rules name, such as the pressure from which a reading is high.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, f64>,
    /// Published scores shown beside the model's, by their formulas' ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
    pub index: IndexParams,
    pub time_at_risk: TimeAtRisk,
    #[serde(default)]
    pub follow_up: FollowUpParams,
    /// Leaves out those whose outcome has happened before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_outcome: Option<PriorOutcome>,
    /// The outcome is the earliest of these.
    pub outcome: Vec<OutcomeParams>,
    /// Which stays are planned, for outcomes that ask for unplanned ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<PlannedParams>,
    /// By concept the range outside of which a value is no valid reading for the rules of this task,
    /// both ends within.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub valid: BTreeMap<String, [f64; 2]>,
    /// All of these must hold.
    #[serde(default)]
    pub include: Vec<CriterionParams>,
    /// None of these may hold.
    #[serde(default)]
    pub exclude: Vec<CriterionParams>,
    /// Hours from an event to the record knowing of it, by event kind.
    #[serde(default)]
    pub known_after: KnownAfter,
    /// None for a task that shows published scores alone.
    #[serde(default)]
    pub feature: Vec<FeatureParams>,
    /// From the highest to the lowest; the last takes all the rest. Without features there are none.
    #[serde(default)]
    pub tier: Vec<Tier>,
    /// What the leak check may find without forbidding a bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leak_allowed: Vec<LeakAllowed>,
    pub card: CardParams,
}

/// When a patient is scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexParams {
    pub rule: IndexRule,
    /// How long after the index time the server may still use it.
    pub max_age_hours: u32,
    /// Whether an open stay (or contact) is scored as if it ended at the prediction time.
    #[serde(default)]
    pub open_stay_as_if_discharged: bool,
}

/// What makes an index time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IndexRule {
    /// The end of each inpatient episode.
    EpisodeEnd,
    /// So many hours after an inpatient episode began, and each midnight (UTC) after that while it
    /// lasts.
    InStay { first_hours: u32 },
    /// The end of each contact of these classes.
    Contact {
        classes: Vec<EncounterClass>,
        /// Concepts of which each must have been measured in the contact.
        #[serde(default)]
        with: Vec<String>,
        /// In a replay, contacts nearer than this to the last index time make none: one person is not
        /// to count ten times. The server scores at every contact.
        #[serde(default)]
        apart_days: u32,
        /// Contacts that begin within so many hours of the end of the last one are one with it.
        #[serde(default)]
        merge_hours: u32,
    },
    /// The first of each month (UTC) while the source covers the person.
    MonthStart,
}

/// The window in which the outcome counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeAtRisk {
    /// What the days are counted from.
    #[serde(default)]
    pub from: RiskFrom,
    #[serde(default)]
    pub start_days: u32,
    /// Whether an outcome exactly at the start counts.
    #[serde(default)]
    pub start_closed: bool,
    /// The end of the window, in days like `start_days`.
    pub horizon_days: u32,
    /// Whether an outcome exactly at the end of the horizon counts.
    pub end_closed: bool,
}

/// What the time at risk is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskFrom {
    #[default]
    Index,
    /// The end of the stay that is open at the index time.
    Discharge,
}

/// How far the source follows people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUpParams {
    /// What tells that the source would have seen care.
    #[serde(default)]
    pub coverage: CoverageBy,
    /// Days before the index time that must be covered without a gap.
    #[serde(default)]
    pub washout_days: u32,
    /// Index times followed for less are left out, unless the outcome came.
    #[serde(default)]
    pub min_days: u32,
    /// Follow-up ends where one of these concepts is first recorded.
    #[serde(default)]
    pub ends_at: Vec<String>,
    /// Without so many days of this measurement in the time at risk nobody could have seen the
    /// outcome, and it counts as censored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_by: Option<ObservedDays>,
    #[serde(default)]
    pub censored: Censored,
}

/// Days on which something was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedDays {
    pub concept: String,
    /// Only in contacts of these classes; any when empty.
    #[serde(default)]
    pub classes: Vec<EncounterClass>,
    pub days_min: u32,
}

/// What tells that the source would have seen care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageBy {
    /// The periods of coverage in the record. Without any nobody counts as followed.
    #[default]
    Recorded,
    /// The source is taken to see everybody all the time: for sources that record no coverage, and a
    /// claim that somebody must be able to defend.
    Assumed,
}

/// What becomes of index times that were not followed to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Censored {
    /// The followed ones stand in for them, by the inverse of the probability of being followed.
    #[default]
    Weighted,
    Dropped,
}

/// Who has had the outcome before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorOutcome {
    /// How far back is looked; all that is known when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_back_days: Option<u32>,
    /// What is said of a patient who is left out by it.
    pub text: String,
}

/// A criterion as the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriterionParams {
    pub name: String,
    /// What is said of a patient who is left out by it.
    pub text: String,
    pub rule: RuleParams,
}

/// What a criterion asks, as the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleParams {
    /// At least so many completed years old; unknown age fails it.
    AgeYearsMin(u32),
    /// At most so many completed years old; unknown age fails it.
    AgeYearsMax(u32),
    /// An event of the concept at any time before.
    Concept(String),
    /// An event of one of the concepts, of these kinds, in the last days.
    Event {
        concepts: Vec<String>,
        #[serde(default)]
        kinds: Vec<EventKind>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_days: Option<u32>,
    },
    /// The index stay or contact ended with one of these discharge concepts.
    Discharge(Vec<String>),
    /// A principal diagnosis of the index stay is in one of these concepts.
    Principal(Vec<String>),
    /// The index stay began with an encounter of one of these classes.
    StayClass(Vec<EncounterClass>),
    /// The index stay lasted at least so many days, as nights are counted.
    StayDaysMin(u32),
    /// Dead at the index time.
    Died,
    /// In a hospital stay at the index time, and the index time is not its end.
    InStay,
    /// A contact of one of these classes began in the last days.
    Contact { classes: Vec<EncounterClass>, within_days: u32 },
    /// Each of the concepts was measured on at least so many days (all on the same days).
    MeasuredDays {
        concepts: Vec<String>,
        #[serde(default)]
        classes: Vec<EncounterClass>,
        days_min: u32,
        within_days: u32,
    },
    /// The mean of the day-lowest values over the last days is at least this high.
    MeanAtLeast {
        concept: String,
        #[serde(default)]
        classes: Vec<EncounterClass>,
        within_days: u32,
        value: Number,
    },
    /// The values of the last days lie at least so many days apart, first to last.
    SpanDaysMin {
        concept: String,
        #[serde(default)]
        classes: Vec<EncounterClass>,
        within_days: u32,
        days: u32,
    },
}

/// A finding of the leak check that somebody has looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakAllowed {
    /// The feature, column or code as the finding names it.
    pub feature: String,
    /// Why it is no leak; reports show it.
    pub reason: String,
}

/// What the model card says that no figure can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardParams {
    pub intended_use: String,
    pub intended_users: String,
    pub not_for: Vec<String>,
    pub limits: Vec<String>,
    /// What only the developer knows, for the questions that rules ask of a card.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statements: BTreeMap<Statement, String>,
}
