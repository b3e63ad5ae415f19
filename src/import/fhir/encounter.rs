//! Encounter and Coverage: when somebody was in care, and when care would have been seen.

use serde::Deserialize;

use super::codes;
use super::element::{Concept, Many, Meta, Reference, Span, Text, text};
use super::resource::{Context, Fault, Head, Told, fits, moment, parse, withdrawn};
use crate::import::fact::{Content, Kind, Ranked, Withdrawal};
use crate::record::{Encounter, Period, Time, TimePrecision};

/// Longer words for a kind of insurance name no group of patients.
const INSURANCE_BYTES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    class: Many<Concept<'a>>,
    #[serde(borrow, default)]
    r#type: Many<Concept<'a>>,
    #[serde(borrow)]
    priority: Option<Concept<'a>>,
    #[serde(borrow, default)]
    service_type: Many<Concept<'a>>,
    #[serde(borrow)]
    subject: Option<Reference<'a>>,
    #[serde(borrow, alias = "actualPeriod")]
    period: Option<Span<'a>>,
    #[serde(borrow, alias = "admission")]
    hospitalization: Option<Hospitalization<'a>>,
    #[serde(borrow)]
    service_provider: Option<Reference<'a>>,
    #[serde(borrow, default)]
    diagnosis: Many<Diagnosis<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hospitalization<'a> {
    #[serde(borrow)]
    admit_source: Option<Concept<'a>>,
    #[serde(borrow)]
    discharge_disposition: Option<Concept<'a>>,
}

#[derive(Deserialize)]
struct Diagnosis<'a> {
    #[serde(borrow)]
    condition: Option<Reference<'a>>,
    #[serde(borrow)]
    r#use: Option<Concept<'a>>,
    rank: Option<u32>,
}

pub(super) fn encounter(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let given: Resource<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as);
    let head = |id| Head {
        context,
        kind: Kind::Encounter,
        id,
        meta: &given.meta,
        patient: ("subject", &given.subject),
    };
    let status = text(&given.status);
    let not_begun = status == Some("planned");
    if let Some(reason) = withdrawn(status).or(not_begun.then_some(Withdrawal::NotDone)) {
        return head(id).item(Content::Withdrawn(reason), Vec::new());
    }
    let id = id.ok_or(Fault::at("id", "missing"))?;
    let class = given.class.0.iter().flat_map(Concept::codes).find_map(codes::class);
    let reason = if given.class.0.is_empty() { "missing" } else { "not a known class" };
    let class = class.ok_or(Fault::at("class", reason))?;
    let (start, end) = stay_times(&given.period, context)?;
    let mut encounter = Encounter::new(id, class, start, end);
    let kinds = given.priority.iter().chain(&given.r#type.0);
    let admission_type = kinds.flat_map(Concept::codes).find_map(codes::admission_type);
    encounter.admission_type = admission_type.map(str::to_owned);
    if let Some(Hospitalization { admit_source, discharge_disposition }) = &given.hospitalization {
        let source = code(admit_source).map(codes::admission_source);
        let disposition = code(discharge_disposition).map(codes::disposition);
        encounter.admission_source = source.map(str::to_owned);
        encounter.discharge_disposition = disposition.map(str::to_owned);
    }
    encounter.service = given.service_type.0.iter().find_map(Concept::words).map(str::to_owned);
    encounter.facility = given.service_provider.as_ref().and_then(|provider| {
        let display = || text(&provider.display);
        provider.target().map(|target| target.id).or_else(display).map(str::to_owned)
    });
    fits("hospitalization.admitSource", encounter.admission_source.as_deref())?;
    fits("hospitalization.dischargeDisposition", encounter.discharge_disposition.as_deref())?;
    fits("serviceType", encounter.service.as_deref())?;
    fits("serviceProvider", encounter.facility.as_deref())?;
    let diagnoses = given.diagnosis.0.iter().filter_map(ranked).collect();
    let content = Content::Encounter { encounter: Box::new(encounter), diagnoses };
    head(Some(id)).item(content, Vec::new())
}

fn code<'t>(concept: &'t Option<Concept<'_>>) -> Option<&'t str> {
    concept.as_ref().and_then(|concept| concept.codes().next().or_else(|| concept.words()))
}

/// A period's end belongs to it whole: the day of the end counts to its last moment.
fn stay_times(
    period: &Option<Span<'_>>,
    context: Context<'_>,
) -> Result<(Time, Option<Time>), Fault> {
    let given = period.as_ref().ok_or(Fault::at("period", "missing"))?;
    let start = moment("period.start", text(&given.start), context)?;
    let start = start.ok_or(Fault::at("period.start", "missing"))?;
    let vague = "known to the month or year only";
    if matches!(start.precision, TimePrecision::Month | TimePrecision::Year) {
        return Err(Fault::at("period.start", vague));
    }
    let end = match moment("period.end", text(&given.end), context)? {
        Some(end) => Some(end.latest().ok_or(Fault::at("period.end", vague))?),
        None => None,
    };
    if end.is_some_and(|end| end < start.time) {
        return Err(Fault::at("period.end", "before period.start"));
    }
    Ok((start.time, end))
}

/// The rank of a diagnosis. Ranks count within a role, and only those of the discharge (or the bill)
/// are the ranks a record means: the first of the admission diagnoses is not the principal one.
fn ranked(diagnosis: &Diagnosis<'_>) -> Option<Ranked> {
    let condition = diagnosis.condition.as_ref()?.target()?.id.to_owned();
    let role = diagnosis.r#use.as_ref().and_then(|role| role.codes().next());
    let counts = !matches!(role, Some("AD" | "CC" | "CM" | "pre-op" | "post-op"));
    let rank = diagnosis.rank.filter(|rank| counts && *rank > 0);
    Some(Ranked { condition, rank })
}

#[derive(Deserialize)]
struct CoverageResource<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    class: Many<CoverageClass<'a>>,
    #[serde(borrow)]
    r#type: Option<Concept<'a>>,
    #[serde(borrow, default)]
    payor: Many<Reference<'a>>,
    #[serde(borrow)]
    beneficiary: Option<Reference<'a>>,
    #[serde(borrow)]
    period: Option<Span<'a>>,
}

#[derive(Deserialize)]
struct CoverageClass<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

impl CoverageResource<'_> {
    /// The kind of insurance in words, for figures by subgroup: what its type is called, else the name
    /// of its class, else of the organisation that pays. A payor may be the patient or a relative, whose
    /// name is no kind of insurance.
    fn insurance(&self) -> Option<&str> {
        let kind = self.r#type.as_ref().and_then(Concept::words);
        let class = || self.class.0.iter().find_map(|class| text(&class.name));
        let is_organisation = |payor: &&Reference<'_>| {
            payor.target().is_some_and(|target| target.kind == Some("Organization"))
        };
        let organisations = || self.payor.0.iter().filter(is_organisation);
        let payor = || organisations().find_map(|payor| text(&payor.display));
        kind.or_else(class).or_else(payor).filter(|words| words.len() <= INSURANCE_BYTES_MAX)
    }
}

pub(super) fn coverage(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let given: CoverageResource<'_> = parse(json)?;
    let head = Head {
        context,
        kind: Kind::Coverage,
        id: text(&given.id).or(context.known_as),
        meta: &given.meta,
        patient: ("beneficiary", &given.beneficiary),
    };
    if let Some(reason) = withdrawn(text(&given.status)) {
        return head.item(Content::Withdrawn(reason), Vec::new());
    }
    let Some(span) = &given.period else { return Ok(Told::Nothing("Coverage without a period")) };
    let start = moment("period.start", text(&span.start), context)?.map(|moment| moment.time);
    // Of a vague end the first instant: claiming less coverage never invents a follow-up.
    let end = moment("period.end", text(&span.end), context)?;
    let end = end.map(|end| end.latest().unwrap_or(end.time));
    if start.is_none() && end.is_none() {
        return Ok(Told::Nothing("Coverage without a period"));
    }
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        return Err(Fault::at("period.end", "before period.start"));
    }
    let insurance = given.insurance().map(str::to_owned);
    head.item(Content::Coverage { period: Period { start, end }, insurance }, Vec::new())
}
