//! Tasks: who is scored, when, for what outcome, in which window. A task is a TOML file.

mod definition;
mod index;
mod label;

pub use definition::{
    CardParams, Criterion, IndexParams, Outcome, Rule, RuleParams, Task, TaskError, TaskParams,
    Tier, TimeAtRisk,
};
pub use index::{Index, NotEligible, eligibility, index_times, latest_index};
pub use label::{Label, label};
