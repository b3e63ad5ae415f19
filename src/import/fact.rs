//! What one line of an export tells of a patient, whatever its format: the facts that `gather` makes
//! records of.

use serde::{Deserialize, Serialize};

use crate::record::{AuditAttributes, Encounter, Event, PartialDate, Period, Sex, Time};

/// The types of resource that facts come from. Rows of tables count as the resource that they would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    Patient,
    Encounter,
    Condition,
    Observation,
    Procedure,
    MedicationRequest,
    MedicationDispense,
    MedicationAdministration,
    AllergyIntolerance,
    Immunization,
    Coverage,
}

/// A field that is left out of a resource that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    pub path: String,
    pub reason: &'static str,
}

/// Who the patient is, as far as a record wants to know. Several may each know a part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    pub birth_date: Option<PartialDate>,
    pub sex: Option<Sex>,
    pub death_time: Option<Time>,
    pub region: Option<String>,
    pub audit_attributes: AuditAttributes,
}

/// The place of a condition among the diagnoses of an encounter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ranked {
    pub condition: String,
    pub rank: Option<u32>,
}

/// What a resource says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Content {
    Person(Box<Person>),
    Encounter {
        encounter: Box<Encounter>,
        diagnoses: Vec<Ranked>,
    },
    Events(Vec<Event>),
    /// An event whose code stands in a Medication elsewhere.
    Drug {
        event: Box<Event>,
        medication: String,
    },
    Coverage {
        period: Period,
        /// The payer, in words; not a feature.
        insurance: Option<String>,
    },
    /// A row of a table may say several things.
    Several(Vec<Content>),
    /// Withdrawn or never done; an earlier version of it does not count either.
    Withdrawn(Withdrawal),
}

/// One resource about one patient.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub patient: String,
    pub kind: Kind,
    pub id: Option<String>,
    /// `meta.lastUpdated`.
    pub updated: Option<Time>,
    pub content: Content,
    pub doubts: Vec<Doubt>,
}

/// Why something that was recorded does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Withdrawal {
    EnteredInError,
    NotDone,
    /// A drug proposed, planned or forbidden.
    NoOrder,
}

impl Withdrawal {
    /// The kind under which it is counted.
    pub(super) fn text(self) -> &'static str {
        match self {
            Withdrawal::EnteredInError => "entered in error",
            Withdrawal::NotDone => "planned or cancelled, not done",
            Withdrawal::NoOrder => "a drug proposed, planned or forbidden",
        }
    }
}
