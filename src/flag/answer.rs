//! What people do with a flag, and what became of it.

use serde::{Deserialize, Serialize};

use super::{Flag, FlagId, FlagState, Place};
use crate::record::Time;

/// Why a flag is dismissed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dismissal {
    /// The risk was known and is being looked after.
    AlreadyKnown,
    /// The record is wrong or out of date.
    RecordWrong,
    /// Does not fit this patient, such as under palliative care.
    NotApplicable,
    /// The patient does not want it.
    PatientDeclined,
    /// The patient is followed up elsewhere.
    FollowedElsewhere,
}

/// What was done about a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Call,
    VisitBooked,
    MedicationReview,
    Referral,
    NonePossible,
}

/// What somebody found of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    Useful,
    NotUseful,
    /// What the flag spoke of came.
    OutcomeSeen,
}

impl Feedback {
    /// What cannot be said beside it; what the flag spoke of may come in any case.
    pub fn opposite(self) -> Option<Feedback> {
        match self {
            Feedback::Useful => Some(Feedback::NotUseful),
            Feedback::NotUseful => Some(Feedback::Useful),
            Feedback::OutcomeSeen => None,
        }
    }
}

macro_rules! named {
    ($kind:ty, $what:literal, $($variant:ident = $name:literal),+) => {
        impl $kind {
            #[doc = concat!("All of them.")]
            pub const ALL: &'static [$kind] = &[$(<$kind>::$variant),+];

            /// Its name in the store and on pages' forms.
            pub fn name(self) -> &'static str {
                match self { $(<$kind>::$variant => $name),+ }
            }

            #[doc = concat!("The ", $what, " of that name.")]
            pub fn parse(name: &str) -> Option<$kind> {
                <$kind>::ALL.iter().copied().find(|known| known.name() == name)
            }
        }
    };
}

named!(
    Dismissal,
    "reason",
    AlreadyKnown = "already_known",
    RecordWrong = "record_wrong",
    NotApplicable = "not_applicable",
    PatientDeclined = "patient_declined",
    FollowedElsewhere = "followed_elsewhere"
);
named!(
    Action,
    "action",
    Call = "call",
    VisitBooked = "visit_booked",
    MedicationReview = "medication_review",
    Referral = "referral",
    NonePossible = "none_possible"
);
named!(
    Feedback,
    "feedback",
    Useful = "useful",
    NotUseful = "not_useful",
    OutcomeSeen = "outcome_seen"
);

/// One change that a person makes.
#[derive(Debug, Clone, PartialEq)]
pub enum FlagUpdate {
    /// To a person or role; `None` gives it back to all.
    Assign(Option<String>),
    Acknowledge,
    Snooze {
        until: Time,
    },
    Dismiss(Dismissal),
    /// Records what was done, which answers the flag.
    Act(Action),
    /// Takes back an answer, a dismissal or a snooze made by mistake.
    Reopen,
}

/// Why an update cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpdate {
    /// The flag is over, or its state does not allow it.
    #[error("a flag that is {state} cannot be {what}")]
    State { state: &'static str, what: &'static str },
    /// A newer flag of the same patient and task took its place.
    #[error("a newer flag took its place: update that one")]
    Superseded,
    #[error("the snooze must end after now and before the flag expires")]
    SnoozeTime,
    #[error("the assignee must be 1 to 128 characters without control characters")]
    Assignee,
}

/// Why a score that lies high raised no flag, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The team's share of the day is used up.
    Capacity,
    /// A flag was cleared shortly before.
    CoolDown,
    /// Somebody snoozed it.
    Snoozed,
    /// Somebody dismissed it, and the risk has not risen materially since.
    Dismissed,
    /// Somebody answered it, and the risk has not risen materially since.
    Answered,
    /// The record does not suffice (grade D).
    NotEnoughData,
    /// By a model of simulated patients.
    Synthetic,
    /// The score is about a time too far from now.
    NotOfNow,
    /// An older score than one that was seen.
    OutOfOrder,
}

named!(
    Held,
    "reason",
    Capacity = "capacity",
    CoolDown = "cool_down",
    Snoozed = "snoozed",
    Dismissed = "dismissed",
    Answered = "answered",
    NotEnoughData = "not_enough_data",
    Synthetic = "synthetic",
    NotOfNow = "not_of_now",
    OutOfOrder = "out_of_order"
);

/// What happened to a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Raised,
    /// To a higher tier.
    TierRose,
    /// To a lower tier.
    TierFell,
    /// A new score that changes neither tier nor state.
    Scored,
    /// No flag, for the reason of `Flag::held`.
    Held,
    Cleared,
    Expired,
    Woke,
    Assigned,
    Acknowledged,
    Snoozed,
    Dismissed,
    Answered,
    Reopened,
    Feedback,
}

named!(
    ChangeKind,
    "kind",
    Raised = "raised",
    TierRose = "tier_rose",
    TierFell = "tier_fell",
    Scored = "scored",
    Held = "held",
    Cleared = "cleared",
    Expired = "expired",
    Woke = "woke",
    Assigned = "assigned",
    Acknowledged = "acknowledged",
    Snoozed = "snoozed",
    Dismissed = "dismissed",
    Answered = "answered",
    Reopened = "reopened",
    Feedback = "feedback"
);

/// One change of one flag, with the flag as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Grows over all flags of the store; a watcher goes on after it.
    pub number: u64,
    pub kind: ChangeKind,
    /// By the clock of the server that made it.
    pub time: Time,
    /// The caller who made it; `None` for the server itself.
    pub actor: Option<String>,
    pub flag: Flag,
}

/// Changes of many flags, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    pub changes: Vec<Change>,
    /// The number that was looked up to, also where nothing of it may be seen: go on after it.
    pub until: u64,
}

/// One change of one flag, as its history tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastChange {
    pub number: u64,
    pub kind: ChangeKind,
    /// By the clock of the server that made it.
    pub time: Time,
    /// The caller who made it; `None` for the server itself.
    pub actor: Option<String>,
    /// The state of the flag after it.
    pub state: FlagState,
    /// The reason, where a score was held back.
    pub held: Option<Held>,
}

/// What one score did.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighted {
    /// The flag after it; `None` where there is none.
    pub flag: Option<FlagId>,
    pub state: Option<FlagState>,
    /// Where the flag's patient is in care, after it.
    pub place: Option<Place>,
    /// What happened; `None` where nothing did.
    pub change: Option<ChangeKind>,
    /// Why a high score raised no flag.
    pub held: Option<Held>,
}
