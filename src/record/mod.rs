//! Records of one patient: what came in, and the checked history built from it.
//!
//! `Record` is the unchecked form that importers and requests fill in. `History::build` is the one
//! way from it to a `History`: it sorts, drops duplicates and withdrawn events, converts units and
//! joins stays. A `History` shows nothing by itself: code reads it through a `View` (what was there
//! and known at the index time), and only `task::label` may ask for the `Future`.

mod analyte;
mod code;
mod concept;
mod concept_check;
mod concept_index;
mod concept_params;
mod contact;
mod encounter;
mod episode;
mod event;
mod future;
mod history;
mod issue;
mod known_codes;
mod normalize;
mod protected;
mod seen;
mod seen_from;
mod sensitive_codes;
mod spelling;
mod stay;
mod swapped;
mod time;
mod ucum;
mod unit;
mod view;
mod window;

use serde::{Deserialize, Serialize};

pub use code::Code;
pub use concept::{ConceptError, ConceptId, ConceptSet};
pub use concept_params::{Concept, CountRule};
pub use contact::{Contact, Taken};
pub use encounter::{Encounter, EncounterClass, EncounterCode};
pub use episode::{Episode, Joined, OPEN_STAY_DAYS_MAX};
pub use event::{Comparator, Event, EventKind, EventStatus, EventTimes, TimePrecision, Value};
pub(crate) use future::{Future, LaterStay};
pub use history::{Built, ENCOUNTERS_MAX, EVENTS_MAX, Histories, History, TEXT_BYTES_MAX};
pub use issue::{DataIssue, IssueKind, KnownAfter, RecordError, Violation};
pub use normalize::Entry;
pub use seen::Seen;
pub use stay::Stay;
pub use time::{PartialDate, Time};
pub use view::{Dated, Evidence, View};
pub use window::Window;

/// Administrative sex as recorded (FHIR `Patient.gender`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Sex {
    Female,
    Male,
    Other,
    #[default]
    Unknown,
}

impl Sex {
    /// Reads the FHIR code; anything but female, male and other is `Unknown`.
    pub fn parse(text: &str) -> Sex {
        match text.trim().to_ascii_lowercase().as_str() {
            "female" => Sex::Female,
            "male" => Sex::Male,
            "other" => Sex::Other,
            _ => Sex::Unknown,
        }
    }
}

/// A span of time in which the source would have seen the patient's care; an open end is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub start: Option<Time>,
    pub end: Option<Time>,
}

/// Attributes for subgroup figures only. They are never features.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditAttributes {
    pub race: Option<String>,
    pub ethnicity: Option<String>,
    pub language: Option<String>,
    pub insurance: Option<String>,
    pub gender_identity: Option<String>,
}

/// One patient as a source gives it, unchecked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The source's id of the patient; must not be empty.
    pub patient_id: String,
    pub birth_date: Option<PartialDate>,
    pub sex: Sex,
    pub death_time: Option<Time>,
    /// A coarse region (not an address), for population trends.
    pub region: Option<String>,
    pub coverage: Vec<Period>,
    pub encounters: Vec<Encounter>,
    pub events: Vec<Event>,
    pub audit_attributes: AuditAttributes,
}
