//! A card as CDS Hooks has it, and the reasons for overriding one.

use serde::Serialize;

/// The system of the codes of this server.
pub(super) const CODE_SYSTEM: &str = "urn:prodrome:cds:override-reason";
/// The system of the names of tasks.
pub(super) const TOPIC_SYSTEM: &str = "urn:prodrome:task";

/// How urgent a card is. `critical`, which is for what endangers life at once, is never used: a risk over
/// weeks is none of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Indicator {
    Info,
    Warning,
}

/// A code with its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Coding {
    pub(super) system: &'static str,
    pub(super) code: String,
    pub(super) display: String,
}

/// Who says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Source {
    pub(super) label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    pub(super) topic: Coding,
}

/// How a link is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LinkKind {
    /// As it is, in a browser.
    Absolute,
}

/// A way to more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    pub(super) label: &'static str,
    pub(super) url: String,
    #[serde(rename = "type")]
    pub(super) kind: LinkKind,
}

/// A card. It suggests and does nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    pub(super) uuid: String,
    /// Fewer than 140 characters.
    pub(super) summary: String,
    /// GitHub-flavoured Markdown.
    pub(super) detail: String,
    pub(super) indicator: Indicator,
    pub(super) source: Source,
    pub(super) override_reasons: Vec<Coding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) links: Vec<Link>,
}

/// What a service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    pub(super) cards: Vec<Card>,
}

/// Why somebody overrides a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OverrideReason {
    AlreadyManaged,
    FollowedElsewhere,
    NotApplicable,
    ComfortCare,
    DataWrong,
    PatientDeclined,
    Other,
}

impl OverrideReason {
    /// All of them, in the order in which they are shown.
    pub(super) const ALL: [OverrideReason; 7] = [
        OverrideReason::AlreadyManaged,
        OverrideReason::FollowedElsewhere,
        OverrideReason::NotApplicable,
        OverrideReason::ComfortCare,
        OverrideReason::DataWrong,
        OverrideReason::PatientDeclined,
        OverrideReason::Other,
    ];

    /// Its code.
    pub(super) fn code(self) -> &'static str {
        match self {
            OverrideReason::AlreadyManaged => "already-managed",
            OverrideReason::FollowedElsewhere => "followed-elsewhere",
            OverrideReason::NotApplicable => "not-applicable",
            OverrideReason::ComfortCare => "comfort-care",
            OverrideReason::DataWrong => "data-wrong",
            OverrideReason::PatientDeclined => "patient-declined",
            OverrideReason::Other => "other",
        }
    }

    /// The reason of that code.
    pub(super) fn parse(code: &str) -> Option<OverrideReason> {
        OverrideReason::ALL.into_iter().find(|reason| reason.code() == code)
    }

    fn display(self) -> &'static str {
        match self {
            OverrideReason::AlreadyManaged => "The risk is known and looked after",
            OverrideReason::FollowedElsewhere => "The patient is followed up elsewhere",
            OverrideReason::NotApplicable => "Does not fit this patient",
            OverrideReason::ComfortCare => "The patient is in comfort care",
            OverrideReason::DataWrong => "The record is wrong or out of date",
            OverrideReason::PatientDeclined => "The patient does not want it",
            OverrideReason::Other => "Another reason",
        }
    }

    /// As a card offers it.
    pub(super) fn coding(self) -> Coding {
        Coding {
            system: CODE_SYSTEM,
            code: self.code().to_owned(),
            display: self.display().to_owned(),
        }
    }
}
