//! Condition, Observation, Procedure, AllergyIntolerance and Immunization as events.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::element::{Concept, Many, Meta, Quantity, Reference, Span, Text, text};
use super::resource::{
    Context, Fault, Head, Told, fits, fits_id, moment, parse, softly, withdrawn,
};
use crate::access::Classes;
use crate::import::fact::{Content, Doubt, Kind};
use crate::import::moment::Moment;
use crate::record::{Code, Comparator, Event, EventKind, EventStatus, TimePrecision, Value};

const UCUM: &str = "http://unitsofmeasure.org";
/// The most components of one observation. Each becomes an event with ids of its own.
const COMPONENTS_MAX: usize = 1_000;
const NO_CODE: &str = "without a code in a system";

/// When a resource says that it happened, ended and was recorded.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub start: Option<Moment>,
    pub end: Option<Moment>,
    pub recorded: Option<Moment>,
}

/// An event of `kind`. The time may be missing: the encounter may still give it.
pub(super) fn event(
    kind: EventKind,
    code: Code,
    times: &Times,
    id: Option<&str>,
    encounter: &Option<Reference<'_>>,
) -> Result<Event, Fault> {
    // Before it is copied into each of the events that one resource may give.
    fits_id("id", id)?;
    fits("code", Some(&code.system))?;
    fits("code", Some(&code.code))?;
    let encounter = encounter.as_ref().and_then(Reference::target).map(|target| target.id);
    fits_id("encounter", encounter)?;
    let time = times.start.map(|start| start.time);
    let recorded = times.recorded.and_then(|recorded| match encounter {
        // A day counts as known within its encounter on that day, and else when it has passed.
        Some(_) if recorded.precision == TimePrecision::Day => Some(recorded.time),
        _ => recorded.surely_past(),
    });
    Ok(Event {
        id: id.map(str::to_owned),
        kind,
        time,
        end_time: times.end.and_then(Moment::latest).filter(|end| Some(*end) >= time),
        recorded_time: recorded.filter(|recorded| time.is_none_or(|time| *recorded >= time)),
        time_precision: times.start.map(|start| start.precision).unwrap_or_default(),
        code: code.into(),
        value: None,
        comparator: None,
        unit: None,
        encounter_id: encounter.map(str::to_owned),
        rank: None,
        status: EventStatus::Counted,
        sensitive: Classes::NONE,
    })
}

/// The moment of a field that is a dateTime, or a period, whose end is returned as well.
pub(super) fn when(
    context: Context<'_>,
    names: [&'static str; 2],
    at: &Option<Text<'_>>,
    span: &Option<Span<'_>>,
    doubts: &mut Vec<Doubt>,
) -> Result<(Option<Moment>, Option<Moment>), Fault> {
    if let Some(at) = moment(names[0], text(at), context)? {
        return Ok((Some(at), None));
    }
    let Some(span) = span else { return Ok((None, None)) };
    let end = softly(names[1], text(&span.end), context, doubts);
    Ok((moment(names[1], text(&span.start), context)?, end))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    verification_status: Option<Concept<'a>>,
    #[serde(borrow, default)]
    category: Many<Concept<'a>>,
    #[serde(borrow)]
    code: Option<Concept<'a>>,
    #[serde(borrow)]
    subject: Option<Reference<'a>>,
    #[serde(borrow)]
    encounter: Option<Reference<'a>>,
    #[serde(borrow)]
    onset_date_time: Option<Text<'a>>,
    #[serde(borrow)]
    onset_period: Option<Span<'a>>,
    #[serde(borrow)]
    recorded_date: Option<Text<'a>>,
    #[serde(borrow)]
    abatement_date_time: Option<Text<'a>>,
}

/// `clinicalStatus` is not taken: it is the state on the day of the export, which a score of an
/// earlier day must not see. `abatementDateTime` says when it ended.
pub(super) fn condition(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let given: Condition<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as);
    let head = Head {
        context,
        kind: Kind::Condition,
        id,
        meta: &given.meta,
        patient: ("subject", &given.subject),
    };
    let verification = given.verification_status.as_ref().and_then(|s| s.codes().next());
    if let Some(reason) = withdrawn(verification) {
        return head.item(Content::Withdrawn(reason), Vec::new());
    }
    let Some(code) = given.code.as_ref().and_then(Concept::chosen) else {
        return Ok(Told::Nothing(NO_CODE));
    };
    let mut doubts = Vec::new();
    let fields = ["onsetDateTime", "onsetPeriod"];
    let (onset, _) =
        when(context, fields, &given.onset_date_time, &given.onset_period, &mut doubts)?;
    let recorded = softly("recordedDate", text(&given.recorded_date), context, &mut doubts);
    let end = softly("abatementDateTime", text(&given.abatement_date_time), context, &mut doubts);
    let is_problem = given.category.0.iter().flat_map(Concept::codes);
    let kind = match is_problem.into_iter().any(|category| category == "problem-list-item") {
        true => EventKind::Problem,
        false => EventKind::Diagnosis,
    };
    let times = Times { start: onset.or(recorded), end, recorded };
    let event = event(kind, code, &times, id, &given.encounter)?;
    head.item(Content::Events(vec![event]), doubts)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Observation<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Concept<'a>>,
    #[serde(borrow)]
    subject: Option<Reference<'a>>,
    #[serde(borrow)]
    encounter: Option<Reference<'a>>,
    #[serde(borrow)]
    effective_date_time: Option<Text<'a>>,
    #[serde(borrow)]
    effective_period: Option<Span<'a>>,
    #[serde(borrow)]
    effective_instant: Option<Text<'a>>,
    #[serde(borrow)]
    issued: Option<Text<'a>>,
    #[serde(borrow)]
    value_quantity: Option<Quantity<'a>>,
    #[serde(borrow)]
    value_codeable_concept: Option<Concept<'a>>,
    #[serde(borrow)]
    value_string: Option<Text<'a>>,
    value_integer: Option<f64>,
    value_boolean: Option<bool>,
    data_absent_reason: Option<IgnoredAny>,
    #[serde(borrow, default)]
    component: Many<Component<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Component<'a> {
    #[serde(borrow)]
    code: Option<Concept<'a>>,
    #[serde(borrow)]
    value_quantity: Option<Quantity<'a>>,
    #[serde(borrow)]
    value_codeable_concept: Option<Concept<'a>>,
    #[serde(borrow)]
    value_string: Option<Text<'a>>,
    value_integer: Option<f64>,
    value_boolean: Option<bool>,
    data_absent_reason: Option<IgnoredAny>,
}

/// An event for each component, by the component's own code, and one for the observation itself
/// where it has a value or no components. Which panel they stand in, and in which order, says
/// nothing.
pub(super) fn observation(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let given: Observation<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as);
    let patient = ("subject", &given.subject);
    let head = Head { context, kind: Kind::Observation, id, meta: &given.meta, patient };
    if let Some(reason) = withdrawn(text(&given.status)) {
        return head.item(Content::Withdrawn(reason), Vec::new());
    }
    let mut doubts = Vec::new();
    let issued = softly("issued", text(&given.issued), context, &mut doubts);
    let fields = ["effectiveDateTime", "effectivePeriod"];
    let (effective, end) =
        when(context, fields, &given.effective_date_time, &given.effective_period, &mut doubts)?;
    let instant = moment("effectiveInstant", text(&given.effective_instant), context)?;
    let start = effective.or(instant).or(issued);
    let times = Times { start, end, recorded: issued };
    let mut events = Vec::new();
    if given.component.0.len() > COMPONENTS_MAX {
        return Err(Fault::at("component", "more than 1000 components"));
    }
    for component in &given.component.0 {
        let Some(code) = component.code.as_ref().and_then(Concept::chosen) else { continue };
        let mut found = event(EventKind::Measurement, code, &times, id, &given.encounter)?;
        if component.data_absent_reason.is_none() {
            let quantity = component.value_quantity.as_ref();
            let coded = component.value_codeable_concept.as_ref();
            let plain = (text(&component.value_string), component.value_integer);
            give_value(&mut found, quantity, coded, plain, component.value_boolean)?;
        }
        events.push(found);
    }
    if let Some(code) = given.code.as_ref().and_then(Concept::chosen) {
        let mut found = event(EventKind::Measurement, code, &times, id, &given.encounter)?;
        if given.data_absent_reason.is_none() {
            let quantity = given.value_quantity.as_ref();
            let coded = given.value_codeable_concept.as_ref();
            let plain = (text(&given.value_string), given.value_integer);
            give_value(&mut found, quantity, coded, plain, given.value_boolean)?;
        }
        if found.value.is_some() || given.component.0.is_empty() {
            events.push(found);
        }
    }
    if events.is_empty() {
        return Ok(Told::Nothing(NO_CODE));
    }
    head.item(Content::Events(events), doubts)
}

/// Gives `event` the one value that is there.
fn give_value(
    event: &mut Event,
    quantity: Option<&Quantity<'_>>,
    coded: Option<&Concept<'_>>,
    (words, integer): (Option<&str>, Option<f64>),
    boolean: Option<bool>,
) -> Result<(), Fault> {
    if let Some((quantity, value)) = quantity.and_then(|q| Some((q, q.value?))) {
        if let Some(comparator) = text(&quantity.comparator) {
            let comparator = Comparator::parse(comparator);
            // Taken without its comparator, a bound would pass for a measured value.
            let unknown = Fault::at("valueQuantity.comparator", "not one of <, <=, >= and >");
            event.comparator = Some(comparator.ok_or(unknown)?);
        }
        let is_ucum = text(&quantity.system).is_none_or(|system| system == UCUM);
        let (code, words) = (text(&quantity.code), text(&quantity.unit));
        let unit = if is_ucum { code.or(words) } else { words.or(code) };
        fits("valueQuantity.unit", unit)?;
        event.unit = unit.map(str::to_owned);
        event.value = Some(Value::Number(value));
    } else if let Some(coded) = coded {
        let code = coded.codes().next();
        fits("valueCodeableConcept", code)?;
        let code = code.map(|code| Value::Coded(code.to_owned()));
        event.value = code.or_else(|| coded.words().map(|text| Value::Text(text.to_owned())));
    } else if let Some(integer) = integer {
        event.value = Some(Value::Number(integer));
    } else if let Some(boolean) = boolean {
        event.value = Some(Value::Coded(boolean.to_string()));
    } else if let Some(words) = words {
        event.value = Some(Value::Text(words.to_owned()));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Procedure<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Concept<'a>>,
    #[serde(borrow)]
    subject: Option<Reference<'a>>,
    #[serde(borrow)]
    encounter: Option<Reference<'a>>,
    #[serde(borrow, alias = "occurrenceDateTime")]
    performed_date_time: Option<Text<'a>>,
    #[serde(borrow, alias = "occurrencePeriod")]
    performed_period: Option<Span<'a>>,
}

pub(super) fn procedure(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    let given: Procedure<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as);
    let head = Head {
        context,
        kind: Kind::Procedure,
        id,
        meta: &given.meta,
        patient: ("subject", &given.subject),
    };
    if let Some(reason) = withdrawn(text(&given.status)) {
        return head.item(Content::Withdrawn(reason), Vec::new());
    }
    let Some(code) = given.code.as_ref().and_then(Concept::chosen) else {
        return Ok(Told::Nothing(NO_CODE));
    };
    let mut doubts = Vec::new();
    let fields = ["performedDateTime", "performedPeriod"];
    let (start, end) =
        when(context, fields, &given.performed_date_time, &given.performed_period, &mut doubts)?;
    let times = Times { start, end, recorded: None };
    let event = event(EventKind::Procedure, code, &times, id, &given.encounter)?;
    head.item(Content::Events(vec![event]), doubts)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Guarded<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    verification_status: Option<Concept<'a>>,
    #[serde(borrow, alias = "vaccineCode")]
    code: Option<Concept<'a>>,
    #[serde(borrow)]
    patient: Option<Reference<'a>>,
    #[serde(borrow)]
    encounter: Option<Reference<'a>>,
    #[serde(borrow, alias = "occurrenceDateTime")]
    onset_date_time: Option<Text<'a>>,
    #[serde(borrow, alias = "recorded")]
    recorded_date: Option<Text<'a>>,
}

pub(super) fn allergy(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    guarded(json, context, Kind::AllergyIntolerance, EventKind::Allergy, "onsetDateTime")
}

pub(super) fn immunization(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    guarded(json, context, Kind::Immunization, EventKind::Immunization, "occurrenceDateTime")
}

/// Allergies and immunizations differ in the names of their fields alone.
fn guarded(
    json: &str,
    context: Context<'_>,
    kind: Kind,
    event_kind: EventKind,
    time_field: &'static str,
) -> Result<Told, Fault> {
    let given: Guarded<'_> = parse(json)?;
    let id = text(&given.id).or(context.known_as);
    let head = Head { context, kind, id, meta: &given.meta, patient: ("patient", &given.patient) };
    let verification = given.verification_status.as_ref().and_then(|s| s.codes().next());
    if let Some(reason) = withdrawn(text(&given.status)).or(withdrawn(verification)) {
        return head.item(Content::Withdrawn(reason), Vec::new());
    }
    let Some(code) = given.code.as_ref().and_then(Concept::chosen) else {
        return Ok(Told::Nothing(NO_CODE));
    };
    let mut doubts = Vec::new();
    let start = moment(time_field, text(&given.onset_date_time), context)?;
    let recorded = softly("recordedDate", text(&given.recorded_date), context, &mut doubts);
    let times = Times { start: start.or(recorded), end: None, recorded };
    let event = event(event_kind, code, &times, id, &given.encounter)?;
    head.item(Content::Events(vec![event]), doubts)
}
