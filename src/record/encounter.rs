//! A contact between patient and provider, from a phone call to a hospital stay.

use serde::{Deserialize, Serialize};

use super::{Code, Time};
use crate::access::Classes;

/// The class of an encounter, by HL7 v3-ActCode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EncounterClass {
    /// Inpatient encounter.
    #[serde(rename = "IMP")]
    Inpatient,
    /// Inpatient acute.
    #[serde(rename = "ACUTE")]
    Acute,
    /// Inpatient non-acute.
    #[serde(rename = "NONAC")]
    NonAcute,
    /// Emergency.
    #[serde(rename = "EMER")]
    Emergency,
    /// Observation.
    #[serde(rename = "OBSENC")]
    Observation,
    /// Short stay, same-day surgery.
    #[serde(rename = "SS")]
    ShortStay,
    /// Ambulatory.
    #[serde(rename = "AMB")]
    Ambulatory,
    /// Virtual.
    #[serde(rename = "VR")]
    Virtual,
    /// Home health.
    #[serde(rename = "HH")]
    HomeHealth,
    /// Field.
    #[serde(rename = "FLD")]
    Field,
    /// Pre-admission.
    #[serde(rename = "PRENC")]
    PreAdmission,
}

impl EncounterClass {
    /// All classes.
    const ALL: [EncounterClass; 11] = [
        EncounterClass::Inpatient,
        EncounterClass::Acute,
        EncounterClass::NonAcute,
        EncounterClass::Emergency,
        EncounterClass::Observation,
        EncounterClass::ShortStay,
        EncounterClass::Ambulatory,
        EncounterClass::Virtual,
        EncounterClass::HomeHealth,
        EncounterClass::Field,
        EncounterClass::PreAdmission,
    ];

    /// Reads the v3-ActCode, in either case.
    pub fn parse(text: &str) -> Option<EncounterClass> {
        // Most sources write the code itself; exports ask this for every row of an encounter.
        let named = |text: &str| EncounterClass::ALL.into_iter().find(|class| class.code() == text);
        named(text).or_else(|| named(&text.trim().to_ascii_uppercase()))
    }

    /// The v3-ActCode.
    pub fn code(self) -> &'static str {
        match self {
            EncounterClass::Inpatient => "IMP",
            EncounterClass::Acute => "ACUTE",
            EncounterClass::NonAcute => "NONAC",
            EncounterClass::Emergency => "EMER",
            EncounterClass::Observation => "OBSENC",
            EncounterClass::ShortStay => "SS",
            EncounterClass::Ambulatory => "AMB",
            EncounterClass::Virtual => "VR",
            EncounterClass::HomeHealth => "HH",
            EncounterClass::Field => "FLD",
            EncounterClass::PreAdmission => "PRENC",
        }
    }

    /// Whether the class is a stay in a hospital bed, which episodes are made of.
    pub fn is_stay(self) -> bool {
        matches!(self, EncounterClass::Inpatient | EncounterClass::Acute | EncounterClass::NonAcute)
    }
}

/// One encounter as a source gives it, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encounter {
    /// The source's id; events name their encounter by it.
    pub id: String,
    pub class: EncounterClass,
    pub start: Time,
    /// `None` while the encounter is open.
    pub end: Option<Time>,
    /// How urgent the admission was: `emergency`, `urgent`, `elective`, or a UB-04 code.
    pub admission_type: Option<String>,
    /// Where the patient came from: FHIR admit-source or UB-04 point of origin.
    pub admission_source: Option<String>,
    /// Where the patient went: FHIR discharge-disposition or UB-04 patient discharge status.
    pub discharge_disposition: Option<String>,
    /// The medical service or specialty.
    pub service: Option<String>,
    pub facility: Option<String>,
    /// Whether the encounter was planned, where the source says so.
    pub planned: Option<bool>,
    /// Stands for a visit of which only the count in a year is known: never an index, never joined,
    /// seen only by counts over 365 days.
    pub synthetic: bool,
    /// The classes of sensitive content that its security labels name.
    pub sensitive: Classes,
}

/// The coded fields of an encounter that concepts can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncounterCode {
    AdmissionType,
    AdmissionSource,
    DischargeDisposition,
}

impl EncounterCode {
    /// All coded fields, in the order of their places.
    pub const ALL: [EncounterCode; 3] = [
        EncounterCode::AdmissionType,
        EncounterCode::AdmissionSource,
        EncounterCode::DischargeDisposition,
    ];

    /// The system under which concepts list the field's codes.
    pub fn system(self) -> &'static str {
        match self {
            EncounterCode::AdmissionType => "ADMISSION_TYPE",
            EncounterCode::AdmissionSource => "ADMISSION_SOURCE",
            EncounterCode::DischargeDisposition => "DISCHARGE_DISPOSITION",
        }
    }
}

/// The only window that sees synthetic encounters, which stand for counts over a year.
const SYNTHETIC_WINDOW_DAYS: u32 = 365;

impl Encounter {
    /// Whether it may be counted over a window of so many days.
    pub fn counts_over(&self, window_days: u32) -> bool {
        !self.synthetic || window_days == SYNTHETIC_WINDOW_DAYS
    }

    /// An encounter of `class` with the given id and times, and nothing else said of it.
    pub fn new(id: &str, class: EncounterClass, start: Time, end: Option<Time>) -> Encounter {
        Encounter {
            id: id.to_owned(),
            class,
            start,
            end,
            admission_type: None,
            admission_source: None,
            discharge_disposition: None,
            service: None,
            facility: None,
            planned: None,
            synthetic: false,
            sensitive: Classes::NONE,
        }
    }

    /// What `field` says.
    pub(super) fn coded(&self, field: EncounterCode) -> Option<&str> {
        let text = match field {
            EncounterCode::AdmissionType => &self.admission_type,
            EncounterCode::AdmissionSource => &self.admission_source,
            EncounterCode::DischargeDisposition => &self.discharge_disposition,
        };
        text.as_deref()
    }

    /// The code in `field`, under the field's system.
    pub fn code(&self, field: EncounterCode) -> Option<Code> {
        self.coded(field).map(|code| Code::new(field.system(), code))
    }
}
