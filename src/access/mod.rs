//! Who calls, what for, and how it ended: the words that identity, policy, audit and the use cases
//! share. Pure.

mod outcome;
mod sensitive;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use outcome::Outcome;
pub use sensitive::{Classes, PROTECTED, SensitiveClass};

/// The methods of `prodrome.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    Score,
    ScoreStream,
    ListModels,
    GetModelCard,
    ReloadModels,
    ListFlags,
    UpdateFlag,
    WatchFlags,
    RecordFeedback,
    GetTrends,
}

impl Method {
    /// All methods.
    pub const ALL: [Method; 10] = [
        Method::Score,
        Method::ScoreStream,
        Method::ListModels,
        Method::GetModelCard,
        Method::ReloadModels,
        Method::ListFlags,
        Method::UpdateFlag,
        Method::WatchFlags,
        Method::RecordFeedback,
        Method::GetTrends,
    ];

    /// The method at an HTTP path such as `/prodrome.v1.RiskScoring/Score`.
    pub fn of_path(path: &str) -> Option<Method> {
        let (service, method) = path.strip_prefix("/prodrome.v1.")?.split_once('/')?;
        let found = Method::ALL.into_iter().find(|known| known.name() == method)?;
        (found.service() == service).then_some(found)
    }

    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Method::Score => "Score",
            Method::ScoreStream => "ScoreStream",
            Method::ListModels => "ListModels",
            Method::GetModelCard => "GetModelCard",
            Method::ReloadModels => "ReloadModels",
            Method::ListFlags => "ListFlags",
            Method::UpdateFlag => "UpdateFlag",
            Method::WatchFlags => "WatchFlags",
            Method::RecordFeedback => "RecordFeedback",
            Method::GetTrends => "GetTrends",
        }
    }

    /// The service it belongs to, such as `RiskScoring`.
    pub fn service(self) -> &'static str {
        match self {
            Method::Score | Method::ScoreStream => "RiskScoring",
            Method::ListModels | Method::GetModelCard | Method::ReloadModels => "ModelCatalog",
            Method::ListFlags
            | Method::UpdateFlag
            | Method::WatchFlags
            | Method::RecordFeedback => "RiskFlags",
            Method::GetTrends => "PopulationTrends",
        }
    }

    /// Whether a call brings or shows a patient's record: such calls are audited.
    pub fn touches_patients(self) -> bool {
        matches!(self, Method::Score | Method::ScoreStream) || self.is_about_flags()
    }

    /// Whether a call is about what the server keeps, where one's scope says what there is to see; of
    /// the others, which bring a record with them, it says whether they may go on.
    pub fn is_about_flags(self) -> bool {
        self.service() == "RiskFlags"
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a call is for: HL7 v3 PurposeOfUse, the values that apply to a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    /// Care of this patient (TREAT).
    Treatment,
    /// Emergency care, by break-glass (ETREAT).
    EmergencyTreatment,
    /// Running the organisation (HOPERAT).
    Operations,
    /// Research (HRESCH).
    Research,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Purpose; 4] =
        [Purpose::Treatment, Purpose::EmergencyTreatment, Purpose::Operations, Purpose::Research];

    /// The purpose by its name, such as `TREATMENT`, or by its HL7 code, such as `TREAT`.
    pub fn parse(text: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|known| known.name() == text || known.code() == text)
    }

    /// Its name in metadata, policy files and the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Treatment => "TREATMENT",
            Purpose::EmergencyTreatment => "EMERGENCY_TREATMENT",
            Purpose::Operations => "OPERATIONS",
            Purpose::Research => "RESEARCH",
        }
    }

    /// Its code in HL7 v3 PurposeOfUse.
    pub fn code(self) -> &'static str {
        match self {
            Purpose::Treatment => "TREAT",
            Purpose::EmergencyTreatment => "ETREAT",
            Purpose::Operations => "HOPERAT",
            Purpose::Research => "HRESCH",
        }
    }
}

/// Where a caller may act: `None` in a field means anywhere; an empty list means nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    pub facilities: Option<Vec<String>>,
    pub units: Option<Vec<String>>,
    pub teams: Option<Vec<String>>,
}

/// Somebody who was recognised, by certificate, token or key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Stable name for the audit log and for rates, such as `spiffe://site/ehr` or `svc-ehr`; never
    /// a secret.
    pub name: String,
    /// Roles, as the policy file names them.
    pub roles: Vec<String>,
    pub scope: Scope,
}
