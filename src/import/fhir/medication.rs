//! MedicationRequest, MedicationDispense and MedicationAdministration as events, and Medication as
//! what they refer to.

use serde::Deserialize;

use super::clinical::{Times, event, when};
use super::element::{Concept, Many, Meta, Reference, Span, Text, text};
use super::resource::{Context, Fault, Head, Told, fits, moment, parse, withdrawn};
use crate::import::fact::{Content, Kind, Withdrawal};
use crate::record::{Code, EventKind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    intent: Option<Text<'a>>,
    do_not_perform: Option<bool>,
    #[serde(borrow, default)]
    contained: Many<Contained<'a>>,
    #[serde(borrow)]
    medication_codeable_concept: Option<Concept<'a>>,
    #[serde(borrow)]
    medication_reference: Option<Reference<'a>>,
    #[serde(borrow)]
    subject: Option<Reference<'a>>,
    /// A dispense calls its encounter `context`, and so does an administration.
    #[serde(borrow, alias = "context")]
    encounter: Option<Reference<'a>>,
    #[serde(borrow)]
    authored_on: Option<Text<'a>>,
    #[serde(borrow)]
    when_prepared: Option<Text<'a>>,
    #[serde(borrow)]
    when_handed_over: Option<Text<'a>>,
    #[serde(borrow)]
    effective_date_time: Option<Text<'a>>,
    #[serde(borrow)]
    effective_period: Option<Span<'a>>,
}

#[derive(Deserialize)]
struct Contained<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Concept<'a>>,
}

/// Where the code of a drug is found.
enum Drug {
    Known(Code),
    Elsewhere(String),
    Nowhere,
}

impl Given<'_> {
    fn drug(&self) -> Drug {
        let named = self.medication_codeable_concept.as_ref().and_then(Concept::chosen);
        if let Some(code) = named {
            return Drug::Known(code);
        }
        let Some(reference) = &self.medication_reference else { return Drug::Nowhere };
        if let Some(target) = reference.target() {
            return Drug::Elsewhere(target.id.to_owned());
        }
        let meant = reference.contained();
        let is_meant = |contained: &&Contained<'_>| {
            let id = text(&contained.id).map(|id| id.trim_start_matches('#'));
            meant.is_some() && id == meant
        };
        let contained = self.contained.0.iter().find(is_meant);
        let code = contained.and_then(|contained| contained.code.as_ref()?.chosen());
        code.map_or(Drug::Nowhere, Drug::Known)
    }

    /// Orders alone say that somebody is to have a drug; proposals and plans do not.
    fn is_no_order(&self) -> bool {
        let intent = text(&self.intent);
        matches!(intent, Some("proposal" | "plan" | "option")) || self.do_not_perform == Some(true)
    }
}

pub(super) fn request(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    told(json, context, Kind::MedicationRequest, EventKind::DrugOrder)
}

pub(super) fn dispense(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    told(json, context, Kind::MedicationDispense, EventKind::DrugDispensed)
}

pub(super) fn administration(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    told(json, context, Kind::MedicationAdministration, EventKind::DrugGiven)
}

fn told(
    json: &str,
    context: Context<'_>,
    kind: Kind,
    event_kind: EventKind,
) -> Result<Told, Fault> {
    let given: Given<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as);
    let head = Head { context, kind, id, meta: &given.meta, patient: ("subject", &given.subject) };
    let no_order = given.is_no_order().then_some(Withdrawal::NoOrder);
    if let Some(reason) = withdrawn(text(&given.status)).or(no_order) {
        return head.item(Content::Withdrawn(reason), Vec::new());
    }
    let mut doubts = Vec::new();
    let (start, end) = match event_kind {
        EventKind::DrugOrder => (moment("authoredOn", text(&given.authored_on), context)?, None),
        EventKind::DrugDispensed => {
            let handed_over = moment("whenHandedOver", text(&given.when_handed_over), context)?;
            (handed_over.or(moment("whenPrepared", text(&given.when_prepared), context)?), None)
        }
        _ => {
            let fields = ["effectiveDateTime", "effectivePeriod"];
            when(context, fields, &given.effective_date_time, &given.effective_period, &mut doubts)?
        }
    };
    let times = Times { start, end, recorded: None };
    let with = |code| event(event_kind, code, &times, id, &given.encounter);
    let content = match given.drug() {
        Drug::Known(code) => Content::Events(vec![with(code)?]),
        Drug::Elsewhere(medication) => {
            let event = Box::new(with(Code::new("", ""))?);
            Content::Drug { event, medication }
        }
        Drug::Nowhere => return Ok(Told::Nothing("a drug without a code in a system")),
    };
    head.item(content, doubts)
}

#[derive(Deserialize)]
struct Medication<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Concept<'a>>,
}

pub(super) fn medication(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let given: Medication<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as).ok_or(Fault::at("id", "missing"))?;
    let Some(code) = given.code.as_ref().and_then(Concept::chosen) else {
        return Ok(Told::Nothing("a drug without a code in a system"));
    };
    fits("code", Some(&code.system))?;
    fits("code", Some(&code.code))?;
    Ok(Told::Medication { id: id.to_owned(), code })
}
