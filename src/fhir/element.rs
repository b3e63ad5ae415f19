//! The data types of R4 that our resources are made of; only what is set is written.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::record::Time;

/// The system of `HTEST`, the tag of what is for testing and showing alone.
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// A code in a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coding {
    pub system: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub code: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Cow<'static, str>>,
}

impl Coding {
    /// A code as its system displays it.
    pub(super) fn known(system: &'static str, code: &'static str, display: &'static str) -> Coding {
        let (system, code) = (Cow::Borrowed(system), Cow::Borrowed(code));
        Coding { system, version: None, code, display: Some(Cow::Borrowed(display)) }
    }

    /// A code of our own, in our system called `name`.
    pub(super) fn ours(name: &str, code: impl Into<Cow<'static, str>>) -> Coding {
        Coding { system: super::ours(name).into(), version: None, code: code.into(), display: None }
    }
}

/// A concept, by codes, by words, or by both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CodeableConcept {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl CodeableConcept {
    /// A concept of one code alone.
    pub(super) fn of(coding: Coding) -> CodeableConcept {
        CodeableConcept { coding: vec![coding], text: None }
    }

    /// A concept in words alone.
    pub(super) fn words(text: impl Into<String>) -> CodeableConcept {
        CodeableConcept { coding: Vec::new(), text: Some(text.into()) }
    }
}

/// A name that something is known by in a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identifier {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    pub value: String,
}

impl Identifier {
    /// A name in our system called `system`.
    pub(super) fn ours(system: &str, value: impl Into<String>) -> Identifier {
        Identifier { system: Some(super::ours(system)), value: value.into() }
    }
}

/// Another resource: where it is, or what it is known by.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// Without what it refers to, which may be a patient: that belongs in no log.
impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference").field("type", &self.kind).finish_non_exhaustive()
    }
}

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Period {
    pub start: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

impl Period {
    pub(super) fn new(start: Time, end: Option<Time>) -> Period {
        // A span that ends before it starts is none in FHIR.
        let end = end.map(|end| end.max(start).to_string());
        Period { start: start.to_string(), end }
    }
}

/// A remark in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    pub text: String,
}

/// What R4 itself has no place for: a number, or further extensions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    pub url: Cow<'static, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Extension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_decimal: Option<f64>,
}

impl Extension {
    /// A number; it is written with the digits that give the same bits when they are read.
    pub(super) fn decimal(url: &'static str, value: f64) -> Extension {
        Extension { url: url.into(), extension: Vec::new(), value_decimal: Some(value) }
    }

    pub(super) fn of(url: &'static str, extension: Vec<Extension>) -> Extension {
        Extension { url: url.into(), extension, value_decimal: None }
    }
}

/// What is to be known of a resource as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meta {
    pub tag: Vec<Coding>,
}

impl Meta {
    /// The mark of what is for showing and trying alone.
    pub(super) fn of_test_data() -> Meta {
        Meta { tag: vec![Coding::known(ACT_REASON, "HTEST", "test health data")] }
    }
}
