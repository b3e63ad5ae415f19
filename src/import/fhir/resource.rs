//! From the JSON of one resource to the fact it tells of a patient: the one road for the lines of an
//! export and the entries of a Bundle.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::error::Category;

use super::codes;
use super::element::{Meta, Reference, Text, target, text};
use super::{clinical, encounter, medication, patient, plain};
use crate::access::Classes;
use crate::import::Reading;
use crate::import::fact::{Content, Doubt, Item, Kind, Withdrawal};
use crate::import::moment::Moment;
use crate::record::{Code, TEXT_BYTES_MAX};

/// A longer resource with a field of a wrong type is not searched for that field: taking JSON apart
/// in full needs many times its length in memory.
const MENDED_BYTES_MAX: usize = 1 << 20;

/// The longest id, in bytes.
const ID_BYTES_MAX: usize = 256;

const MISSING: &str = "missing";

/// What a resource is read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// Its id, where it names none itself.
    pub known_as: Option<&'a str>,
    pub reading: &'a Reading,
}

/// Reads one resource.
type Mapper = fn(&str, Context<'_>) -> Result<Told, Fault>;

/// All types that are read, by name.
const MAPPERS: [(&str, Mapper); 12] = [
    ("Observation", clinical::observation),
    ("Condition", clinical::condition),
    ("Procedure", clinical::procedure),
    ("Encounter", encounter::encounter),
    ("MedicationRequest", medication::request),
    ("MedicationDispense", medication::dispense),
    ("MedicationAdministration", medication::administration),
    ("Medication", medication::medication),
    ("Immunization", clinical::immunization),
    ("AllergyIntolerance", clinical::allergy),
    ("Coverage", encounter::coverage),
    ("Patient", patient::patient),
];

/// What a resource tells.
#[derive(Debug, PartialEq)]
pub(in crate::import) enum Told {
    Item(Box<Item>),
    /// A drug, for orders that refer to it.
    Medication {
        id: String,
        code: Code,
    },
    /// Nothing that a record takes, for this reason.
    Nothing(&'static str),
}

/// Why a resource tells nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    NotJson,
    /// Some field is of another type than FHIR says.
    WrongType,
    Field {
        path: &'static str,
        reason: &'static str,
    },
}

impl Fault {
    pub(super) fn at(path: &'static str, reason: &'static str) -> Fault {
        Fault::Field { path, reason }
    }

    /// The field at fault, where one is, and what is wrong.
    pub(super) fn parts(&self) -> (Option<&'static str>, &'static str) {
        match self {
            Fault::NotJson => {
                (None, "not a JSON object, nested too deep, or a number out of range")
            }
            Fault::WrongType => (None, "a field is not of its FHIR type"),
            Fault::Field { path, reason } => (Some(*path), reason),
        }
    }
}

/// Reads one resource.
///
/// # Errors
/// Why it cannot be used at all. A field of a wrong type costs that field alone.
pub(super) fn read(json: &str, context: Context<'_>) -> Result<Told, Fault> {
    if !json.trim_start().starts_with('{') {
        // serde would read an array as the fields of a struct, in order.
        return Err(Fault::NotJson);
    }
    let kind = match leading_type(json) {
        Some(kind) => Cow::Borrowed(kind),
        None => {
            let Typed { resource_type } = parse(json)?;
            let kind = text(&resource_type).ok_or(Fault::at("resourceType", MISSING))?;
            Cow::Owned(kind.to_owned())
        }
    };
    let Some((_, mapper)) = MAPPERS.iter().find(|(name, _)| *name == kind) else {
        return Ok(Told::Nothing(codes::other_type(&kind)));
    };
    match mapper(json, context) {
        Err(Fault::WrongType) if json.len() <= MENDED_BYTES_MAX => mended(json, context, *mapper),
        told => told,
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Text<'a>>,
}

/// The type, where it is the first thing said, as nearly every exporter has it.
pub(super) fn leading_type(json: &str) -> Option<&str> {
    let rest = json.trim_start().strip_prefix("{\"resourceType\":\"")?;
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    rest.get(letters..)?.starts_with('"').then(|| rest.get(..letters)).flatten()
}

/// Leaves out every field that cannot be read by itself, and reads the rest.
fn mended(json: &str, context: Context<'_>, mapper: Mapper) -> Result<Told, Fault> {
    let Json::Object(mut fields) = parse(json)? else { return Err(Fault::WrongType) };
    let mut doubts = Vec::new();
    fields.retain(|name, value| {
        let alone = serde_json::Map::from_iter([(name.clone(), value.clone())]);
        let readable = mapper(&Json::Object(alone).to_string(), context);
        let keeps = !matches!(readable, Err(Fault::WrongType));
        if !keeps {
            // Only a field that is read can have a wrong type, so that its name is one of ours.
            doubts.push(Doubt { path: name.clone(), reason: "not of its FHIR type" });
        }
        keeps
    });
    let mut told = mapper(&Json::Object(fields).to_string(), context)?;
    if let Told::Item(item) = &mut told {
        item.doubts.append(&mut doubts);
    }
    Ok(told)
}

/// Reads a resource, or an element, as `T`.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Fault> {
    match plain::read(json) {
        Some(value) => Ok(value),
        None => parse_any(json),
    }
}

fn parse_any<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Fault> {
    serde_json::from_str(json).map_err(|error| match error.classify() {
        // The library's own text is not kept: it repeats values.
        Category::Data => Fault::WrongType,
        Category::Io | Category::Syntax | Category::Eof => Fault::NotJson,
    })
}

/// What every resource about a patient begins with.
pub(super) struct Head<'t> {
    pub context: Context<'t>,
    pub kind: Kind,
    pub id: Option<&'t str>,
    pub meta: &'t Option<Meta<'t>>,
    /// The field that names the patient, and what it says.
    pub patient: (&'static str, &'t Option<Reference<'t>>),
}

impl Head<'_> {
    /// The item of this resource with `content`.
    pub(super) fn item(self, mut content: Content, mut doubts: Vec<Doubt>) -> Result<Told, Fault> {
        let (path, reference) = self.patient;
        let reference = reference.as_ref().and_then(|reference| text(&reference.reference));
        let target = target(reference.ok_or(Fault::at(path, MISSING))?);
        let target = target.ok_or(Fault::at(path, "not a reference to a patient"))?;
        if target.kind.is_some_and(|kind| kind != "Patient") {
            return Ok(Told::Nothing("not about a patient"));
        }
        fits_id(path, Some(target.id))?;
        fits_id("id", self.id)?;
        protect(&mut content, self.meta.as_ref().map(Meta::classes).unwrap_or_default());
        let updated =
            softly("meta.lastUpdated", last_updated(self.meta), self.context, &mut doubts);
        Ok(Told::Item(Box::new(Item {
            patient: target.id.to_owned(),
            kind: self.kind,
            id: self.id.map(str::to_owned),
            updated: updated.map(|moment| moment.time),
            content,
            doubts,
        })))
    }
}

/// Gives what a resource tells the classes that its security labels name.
fn protect(content: &mut Content, classes: Classes) {
    match content {
        Content::Events(events) => events.iter_mut().for_each(|event| event.sensitive = classes),
        Content::Drug { event, .. } => event.sensitive = classes,
        Content::Encounter { encounter, .. } => encounter.sensitive = classes,
        // No reason rests on them, and only rows of tables say several things.
        Content::Person(_)
        | Content::Coverage { .. }
        | Content::Withdrawn(_)
        | Content::Several(_) => {}
    }
}

pub(super) fn last_updated<'t>(meta: &'t Option<Meta<'_>>) -> Option<&'t str> {
    meta.as_ref().and_then(|meta| text(&meta.last_updated))
}

/// The moment of a field without which the resource is of no use.
pub(super) fn moment(
    path: &'static str,
    given: Option<&str>,
    context: Context<'_>,
) -> Result<Option<Moment>, Fault> {
    let read = given.map(|given| super::moment::read(given, &context.reading.timezone)).transpose();
    read.map_err(|reason| Fault::at(path, reason))
}

/// The moment of a field that can be done without.
pub(super) fn softly(
    path: &'static str,
    given: Option<&str>,
    context: Context<'_>,
    doubts: &mut Vec<Doubt>,
) -> Option<Moment> {
    let read = super::moment::read(given?, &context.reading.timezone);
    read.map_err(|reason| doubts.push(Doubt { path: path.to_owned(), reason })).ok()
}

/// Checks what a record demands of its texts, so that one bad text does not cost the whole patient.
pub(super) fn fits(path: &'static str, given: Option<&str>) -> Result<(), Fault> {
    let Some(given) = given else { return Ok(()) };
    if given.len() > TEXT_BYTES_MAX {
        return Err(Fault::at(path, "longer than 1024 bytes"));
    }
    // All control characters that are not ASCII begin with the same byte.
    let may_be = |byte: u8| byte.is_ascii_control() || byte == 0xc2;
    if given.bytes().any(may_be) && given.chars().any(char::is_control) {
        return Err(Fault::at(path, "holds a control character"));
    }
    Ok(())
}

/// The same of an id, which goes into every event of its resource. FHIR's own have 64 characters at most.
pub(super) fn fits_id(path: &'static str, given: Option<&str>) -> Result<(), Fault> {
    match given {
        Some(id) if id.len() > ID_BYTES_MAX => Err(Fault::at(path, "an id longer than 256 bytes")),
        given => fits(path, given),
    }
}

/// Why a resource with this status does not count, if it does not.
pub(super) fn withdrawn(status: Option<&str>) -> Option<Withdrawal> {
    const NOT_DONE: [&str; 6] =
        ["not-done", "cancelled", "preparation", "draft", "refuted", "declined"];
    let status = status?;
    if status.eq_ignore_ascii_case("entered-in-error") {
        return Some(Withdrawal::EnteredInError);
    }
    let not_done = NOT_DONE.iter().any(|known| status.eq_ignore_ascii_case(known));
    not_done.then_some(Withdrawal::NotDone)
}
