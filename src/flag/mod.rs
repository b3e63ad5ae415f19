//! Flags: a tier that stays raised until it is answered. What a flag is, and when it is raised,
//! kept, cleared and held back. Pure: the state before, a score and a time give the state after.

mod answer;
mod decide;
mod id;
mod passing;
mod query;
mod reach;
mod rules;
mod scene;
mod sighting;
mod standing;
mod update;

pub use answer::{
    Action, Change, ChangeKind, Changes, Dismissal, Feedback, FlagUpdate, Held, InvalidUpdate,
    PastChange, Sighted,
};
pub use decide::{Decision, Effect, decide};
pub use id::{FlagId, InvalidFlagId};
pub use passing::pass_time;
pub use query::{FlagPage, FlagQuery, PAGE_FLAGS_MAX, PageToken};
pub use reach::{Reach, ReachRow};
pub use rules::{DayUse, FlagRules, FlagRulesParams};
pub use sighting::{Place, Sighting};
pub use standing::{Fall, Memory, Standing};
pub use update::apply;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bundle::Sufficiency;
use crate::record::Time;

/// Where a flag stands between being raised and being over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagState {
    /// It would be raised, and its team's share of the day is used up: it comes when there is room.
    Waiting,
    /// Raised, and nobody has answered yet.
    Raised,
    /// Somebody has it in hand.
    Acknowledged,
    /// Quiet until a time, or until the risk rises materially.
    Snoozed,
    /// Somebody did something about it.
    Answered,
    /// Somebody found it of no use.
    Dismissed,
    /// The risk fell, and stayed low.
    Cleared,
    /// The time that the score spoke of is over.
    Expired,
}

impl FlagState {
    /// All states.
    pub const ALL: [FlagState; 8] = [
        FlagState::Waiting,
        FlagState::Raised,
        FlagState::Acknowledged,
        FlagState::Snoozed,
        FlagState::Answered,
        FlagState::Dismissed,
        FlagState::Cleared,
        FlagState::Expired,
    ];

    /// Its name in the store and in words, such as `acknowledged`.
    pub fn name(self) -> &'static str {
        match self {
            FlagState::Waiting => "waiting",
            FlagState::Raised => "raised",
            FlagState::Acknowledged => "acknowledged",
            FlagState::Snoozed => "snoozed",
            FlagState::Answered => "answered",
            FlagState::Dismissed => "dismissed",
            FlagState::Cleared => "cleared",
            FlagState::Expired => "expired",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<FlagState> {
        FlagState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether somebody should still look at it.
    pub fn is_open(self) -> bool {
        matches!(self, FlagState::Raised | FlagState::Acknowledged | FlagState::Snoozed)
    }

    /// Whether scores still move it: open, or waiting to be.
    pub fn is_live(self) -> bool {
        self.is_open() || self == FlagState::Waiting
    }
}

/// One point of a risk's course.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CoursePoint {
    pub time: Time,
    /// Calibrated probability (0 to 1).
    pub probability: f64,
}

/// A reason as a flag keeps it: what a caller sees who may see no sensitive class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagReason {
    /// What it is about, such as `blood pressure`.
    pub theme: String,
    /// A sentence for clinicians.
    pub text: String,
    /// Share of the log-odds; positive raises the risk.
    pub contribution: f64,
    /// Whether care can change it.
    pub modifiable: bool,
}

/// A flag. `patient_id` and the texts of `reasons` are encrypted where it is stored.
#[derive(Clone, PartialEq)]
pub struct Flag {
    pub id: FlagId,
    pub patient_id: String,
    pub task: String,
    pub place: Place,
    pub state: FlagState,
    /// Name of the tier in the task, and its place from the highest, which is 0.
    pub tier: String,
    pub tier_rank: u8,
    /// Scored while the stay was open; firm once it is over.
    pub is_provisional: bool,
    /// By the model of simulated patients: for showing alone.
    pub is_synthetic: bool,
    /// Of the last score, 0 to 1.
    pub probability: f64,
    /// Of the score that raised it, or raised it to a higher tier.
    pub raised_probability: f64,
    pub horizon_days: u32,
    /// The index time of the last score.
    pub index_time: Time,
    pub raised_time: Time,
    /// When it is over by itself: the horizon after the index time.
    pub expires_time: Time,
    /// When it was last scored.
    pub scored_time: Time,
    /// The latest fact that the last score could use.
    pub history_used_until: Option<Time>,
    /// How far the record sufficed for the last score. With `D` that gave no probability, and the one
    /// shown is an older one.
    pub sufficiency: Sufficiency,
    pub model_version: String,
    pub bundle_digest: String,
    pub reasons: Vec<FlagReason>,
    /// The oldest first; the last days alone.
    pub course: Vec<CoursePoint>,
    /// Person or role.
    pub assignee: Option<String>,
    pub snoozed_until: Option<Time>,
    pub dismissal: Option<Dismissal>,
    pub action: Option<Action>,
    /// Why it waits or, for a flag that is over, why a high score since then raised no new one.
    pub held: Option<Held>,
    /// When it last changed, by the server's clock.
    pub changed_time: Time,
    /// Grows by one with every change of this flag; an update names the version it saw.
    pub version: u64,
    /// The number of its last change among those of all flags of the store.
    pub change_number: u64,
}

impl Flag {
    /// This flag, changed once more.
    pub fn changed(&self, now: Time) -> Flag {
        Flag { changed_time: now, version: self.version.saturating_add(1), ..self.clone() }
    }
}

/// Without the patient, the reasons and the course, which belong in no log.
impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag")
            .field("id", &self.id)
            .field("task", &self.task)
            .field("state", &self.state)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
