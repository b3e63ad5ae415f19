//! The outcome as a task file writes it, and which stays are planned.

use serde::{Deserialize, Serialize};

use crate::record::{EncounterClass, EventKind};

/// One of the things that are the outcome, as the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeParams {
    /// Told apart in reports.
    pub name: String,
    pub rule: OutcomeRuleParams,
}

/// What happens when the outcome happens, as the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OutcomeRuleParams {
    /// A hospital stay (episode) begins.
    Stay(StayParams),
    /// A contact of these classes begins.
    Contact {
        classes: Vec<EncounterClass>,
        /// Not one in which an event of these concepts is recorded.
        #[serde(default)]
        except: Vec<String>,
        /// Not one that begins within so many hours of the end of the index contact.
        #[serde(default)]
        merge_hours: u32,
    },
    /// Events or measurements, once or twice.
    Events(EventsParams),
    /// The mean of day-lowest values rises above the mean before the index time.
    Rise(RiseParams),
}

/// Which stays are the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StayParams {
    /// Only unplanned ones, by the task's `planned` rules: a planned stay that comes first closes the
    /// window, and the outcome has not happened.
    #[serde(default)]
    pub unplanned: bool,
    /// The search goes on past planned stays to the first unplanned one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub past_planned: bool,
    /// A stay that begins on the day of the discharge, in the same facility and for the same
    /// principal diagnosis (ICD category) continues the index stay: that discharge is no index time.
    #[serde(default)]
    pub same_day_same_cause_continues: bool,
    /// The class of the first encounter of the stay; any stay when empty.
    #[serde(default)]
    pub classes: Vec<EncounterClass>,
}

/// Events or measurements that are the outcome, as the file gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsParams {
    /// Any of these counts.
    pub any: Vec<HitParams>,
    /// Only in contacts of these classes; any when empty. What names no contact is taken as
    /// ambulatory unless a stay or an emergency contact holds its time.
    #[serde(default)]
    pub classes: Vec<EncounterClass>,
    /// 1, or 2 for two of them that lie apart, dated at the second.
    #[serde(default = "once")]
    pub times: u32,
    #[serde(default)]
    pub apart_days_min: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart_days_max: Option<u32>,
    /// The two must belong to different contacts.
    #[serde(default)]
    pub in_different_contacts: bool,
    /// Nothing within so many days of an inpatient stay counts.
    #[serde(default)]
    pub days_from_stay_min: u32,
}

fn once() -> u32 {
    1
}

/// One kind of event that counts, as the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HitParams {
    Event {
        concepts: Vec<String>,
        /// Any kind when empty.
        #[serde(default)]
        kinds: Vec<EventKind>,
        /// It does not count for people with an event of these concepts before it.
        #[serde(default)]
        unless: Vec<String>,
    },
    /// A day whose lowest value of the concept lies in a range: with `at_least` the day-lowest is
    /// at or above it, with `below` the day-highest is below it.
    Measured {
        concept: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<Number>,
        /// At or below this share of the mean over `baseline_days` before the index time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most_share: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        baseline_days: Option<u32>,
    },
}

/// A number, or the name of one of the task's parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    Value(f64),
    Parameter(String),
}

/// A rise of a mean, as the file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiseParams {
    pub concept: String,
    #[serde(default)]
    pub classes: Vec<EncounterClass>,
    /// The mean before is over so many days up to the index time.
    pub baseline_days: u32,
    /// Days with a value that each mean needs.
    pub days_min: u32,
    /// The mean after is over the time at risk from this day on.
    pub from_days: u32,
    /// The mean after is higher by at least this much, in the unit of the concept ...
    pub by: Number,
    /// ... and at least this high.
    pub to_at_least: Number,
}

/// Which stays are planned: those for which any rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedParams {
    /// The rule set's name, for the card.
    pub name: String,
    pub rule: Vec<PlannedRuleParams>,
}

/// A rule of which every part that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRuleParams {
    /// The source itself says that the stay was planned.
    #[serde(default)]
    pub said_planned: bool,
    /// The admission type is in one of these concepts.
    #[serde(default)]
    pub admission: Vec<String>,
    /// The principal diagnosis is in one of these concepts.
    #[serde(default)]
    pub principal: Vec<String>,
    /// The principal diagnosis is in none of these concepts.
    #[serde(default)]
    pub principal_not: Vec<String>,
    /// A procedure of the stay is in one of these concepts.
    #[serde(default)]
    pub procedure: Vec<String>,
    /// The stay has a procedure.
    #[serde(default)]
    pub any_procedure: bool,
}
