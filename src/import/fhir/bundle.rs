//! One FHIR Bundle, of any type, as the record of its one patient.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::element::{Many, Text, target, text};
use super::resource::{self, Context, Fault, Told};
use crate::import::Reading;
use crate::import::fact::{Content, Item};
use crate::import::gather::{Gathered, LeftOut, Place, gathered};
use crate::record::{Record, Violation};

/// The most entries of a Bundle, as of any request.
const ENTRIES_MAX: usize = 250_000;
/// A bad Bundle gets a short answer.
const VIOLATIONS_MAX: usize = 20;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    entry: Many<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, rename = "fullUrl")]
    full_url: Option<Text<'a>>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// The record of the patient of a Bundle, and the entries it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleRecord {
    pub record: Record,
    /// For each event of the record its entry, from 0.
    pub events: Vec<usize>,
    /// For each encounter of the record its entry, from 0.
    pub encounters: Vec<usize>,
    /// The entry of the Patient resource.
    pub patient: Option<usize>,
}

/// Reads a Bundle in JSON. Entries that hold nothing a record takes are passed over; one that a
/// record takes, but that is wrong, is a fault here, because its sender can mend it.
///
/// # Errors
/// The places that cannot be used, such as `entry[3].resource.birthDate`; never a value.
pub fn read_bundle(json: &[u8]) -> Result<BundleRecord, Vec<Violation>> {
    let fault = |path: &str, reason| vec![Violation { path: path.to_owned(), reason }];
    let json = std::str::from_utf8(json).map_err(|_| fault("", "not UTF-8"))?;
    let bundle: Bundle<'_> = resource::parse(json).map_err(|found| fault("", found.parts().1))?;
    if text(&bundle.resource_type) != Some("Bundle") {
        return Err(fault("resourceType", "must be Bundle"));
    }
    let entries = bundle.entry.0;
    if entries.len() > ENTRIES_MAX {
        return Err(fault("entry", "more than 250000 entries"));
    }
    let aliases = aliases(&entries);
    let reading = Reading::default();
    let (mut items, mut medications) = (Vec::new(), HashMap::new());
    let mut violations = Vec::new();
    for (place, Entry { full_url, resource }) in entries.iter().enumerate() {
        let Some(resource) = resource else { continue };
        let known_as = text(full_url).and_then(target).map(|target| target.id);
        match resource::read(resource.get(), Context { known_as, reading: &reading }) {
            Ok(Told::Item(mut item)) => {
                rename(&mut item, &aliases);
                items.push((Place { file: 0, line: place as u64 }, *item));
            }
            Ok(Told::Medication { id, code }) => {
                medications.insert(id, code);
            }
            Ok(Told::Nothing(_)) => {}
            Err(found) => violations.push(violation(place, &found)),
        }
        if violations.len() == VIOLATIONS_MAX {
            return Err(violations);
        }
    }
    let mut patients = gathered(items, &medications).filter(|gathered| !gathered.used.is_empty());
    let only = match (patients.next(), patients.next()) {
        (Some(only), None) => only,
        (Some(_), Some(_)) => return Err(fault("entry", "more than one patient")),
        (None, _) if violations.is_empty() => return Err(fault("entry", "no patient")),
        (None, _) => return Err(violations),
    };
    violations.extend(faults(&only));
    violations.truncate(VIOLATIONS_MAX);
    if violations.is_empty() { Ok(record(only)) } else { Err(violations) }
}

/// Ids under which entries refer to each other, where they are not the ids of the resources.
fn aliases(entries: &[Entry<'_>]) -> HashMap<String, String> {
    let alias = |entry: &Entry<'_>| {
        let known_as = target(text(&entry.full_url)?)?.id;
        let Named { id } = resource::parse(entry.resource?.get()).ok()?;
        let id = text(&id).filter(|id| *id != known_as)?;
        Some((known_as.to_owned(), id.to_owned()))
    };
    entries.iter().filter_map(alias).collect()
}

/// Puts the ids of resources where an item refers to entries.
fn rename(item: &mut Item, aliases: &HashMap<String, String>) {
    let rename = |id: &mut String| {
        if let Some(meant) = aliases.get(id) {
            id.clone_from(meant);
        }
    };
    rename(&mut item.patient);
    match &mut item.content {
        Content::Encounter { diagnoses, .. } => {
            diagnoses.iter_mut().for_each(|ranked| rename(&mut ranked.condition));
        }
        Content::Events(events) => {
            events.iter_mut().filter_map(|e| e.encounter_id.as_mut()).for_each(rename);
        }
        Content::Drug { event, medication } => {
            event.encounter_id.as_mut().into_iter().for_each(&rename);
            rename(medication);
        }
        // Only a row of a table says several things.
        Content::Person(_)
        | Content::Coverage { .. }
        | Content::Withdrawn(_)
        | Content::Several(_) => {}
    }
}

fn violation(entry: usize, fault: &Fault) -> Violation {
    let (path, reason) = fault.parts();
    Violation { path: place(entry, path.unwrap_or_default()), reason }
}

/// The path of a field of an entry's resource.
fn place(entry: usize, field: &str) -> String {
    let dot = if field.is_empty() { "" } else { "." };
    format!("entry[{entry}].resource{dot}{field}")
}

/// What an export leaves out with a word is a fault of a request.
fn faults(gathered: &Gathered) -> impl Iterator<Item = Violation> {
    let left_out = gathered.left_out.iter().filter_map(|(at, why)| match why {
        LeftOut::Skipped(_) => None,
        LeftOut::Quarantined { path, reason } => {
            Some(Violation { path: place(at.line as usize, path), reason })
        }
    });
    let doubts = gathered.doubts.iter().map(|(at, _, doubt)| Violation {
        path: place(at.line as usize, &doubt.path),
        reason: doubt.reason,
    });
    left_out.chain(doubts)
}

fn record(gathered: Gathered) -> BundleRecord {
    let Gathered { record, patient, events, encounters, .. } = gathered;
    let entries = |places: Vec<Place>| places.iter().map(|place| place.line as usize).collect();
    BundleRecord {
        record,
        events: entries(events),
        encounters: entries(encounters),
        patient: patient.map(|place| place.line as usize),
    }
}
