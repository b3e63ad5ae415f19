//! Tasks: who is scored, when, for what outcome, in which window. A task is a TOML file.
//!
//! - `params`: the file as written; `check`: from it to a `Task`; `definition`: the checked task.
//! - `index`: index times, in a replay and on the server; `criterion`: who is eligible at one.
//! - `part` and `reading`: where the events and values of an outcome lie, before or after.
//! - `label`: what came of an index time; the only place that sees the future.
//! - `happening`: the same rules outside of any task.
//! - `needs`: what of a record all this depends on.

mod check;
mod criterion;
mod definition;
mod happening;
mod index;
mod label;
mod needs;
mod params;
mod part;
mod reading;

pub use check::concepts_named;
pub use criterion::{NotEligible, PRIOR_OUTCOME, WASHOUT, eligibility};
pub use definition::{
    Bound, Criterion, Events, FollowUp, Hit, Measure, Part, PartRule, PlannedRule, Readings, Rise,
    Rule, Task, TaskError,
};
pub use happening::{Happening, Values};
pub use index::{
    Index, Standing, index_times, latest_index, makes_index_times, may_have_index_times,
    needs_encounters,
};
pub use label::{Label, Outcome, label};
pub use needs::LabelNeeds;
pub use params::{
    CardParams, Censored, CoverageBy, CriterionParams, EventsParams, FollowUpParams, HitParams,
    IndexParams, IndexRule, LeakAllowed, Number, ObservedDays, OutcomeParams, OutcomeRuleParams,
    PlannedParams, PlannedRuleParams, PriorOutcome, RiseParams, RiskFrom, RuleParams, Statement,
    StayParams, TaskParams, Tier, TierRule, TimeAtRisk,
};
