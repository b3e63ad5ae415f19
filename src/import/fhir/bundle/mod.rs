//! FHIR Bundles, of any type, as the record of their one patient.

mod entries;

use std::collections::HashMap;

use serde::Deserialize;

use super::element::{Text, target, text};
use super::resource::{self, Context, Fault, Told};
use crate::import::fact::{Content, Item, Kind};
use crate::import::gather::{Gathered, LeftOut, NO_MEDICATION, Place, gathered};
use crate::import::{Reading, Timezone};
use crate::record::{DataIssue, IssueKind, Record, Violation};
pub use entries::EntryPlace;
use entries::{Entries, Entry};

/// A bad Bundle gets a short answer.
const VIOLATIONS_MAX: usize = 20;
const OTHER_PATIENT: &str =
    "about another patient than the rest: send the record of one patient alone";

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// One of the things that are sent together.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// What paths to it begin with, such as `prefetch.conditions`; empty for nothing.
    pub path: &'a str,
    pub json: &'a str,
    /// Whether a resource by itself will not do.
    pub must_be_bundle: bool,
    /// Whether the page that it names as the next one is among what is sent.
    pub is_page_of_all: bool,
}

/// How parts are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct PartRules<'a> {
    /// The id of the only patient they may be about, where that is known.
    pub patient: Option<&'a str>,
    /// Whether an order may refer to a Medication that is not among them: it is then left out with a
    /// word.
    pub medications_may_miss: bool,
}

/// The record of the patient of Bundles, and the entries it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleRecord {
    pub record: Record,
    /// For each event of the record its entry.
    pub events: Vec<EntryPlace>,
    /// For each encounter of the record its entry.
    pub encounters: Vec<EntryPlace>,
    /// The entry of the Patient resource.
    pub patient: Option<EntryPlace>,
    /// What makes the record less than the source has: a page of a search without the next.
    pub issues: Vec<DataIssue>,
}

/// Reads a Bundle in JSON. Entries that hold nothing a record takes are passed over; one that a
/// record takes, but that is wrong, is a fault here, because its sender can mend it. A Bundle in an
/// entry counts as its entries.
///
/// # Errors
/// The places that cannot be used, such as `entry[3].resource.birthDate`; never a value.
pub fn read_bundle(json: &[u8]) -> Result<BundleRecord, Vec<Violation>> {
    let fault = |reason| vec![Violation { path: String::new(), reason }];
    let json = std::str::from_utf8(json).map_err(|_| fault("not UTF-8"))?;
    let part = Part { path: "", json, must_be_bundle: true, is_page_of_all: false };
    read_parts(&[part], PartRules::default())
}

/// Reads Bundles, and resources by themselves, that are sent together about one patient.
///
/// # Errors
/// As of `read_bundle`.
pub fn read_parts(
    parts: &[Part<'_>],
    rules: PartRules<'_>,
) -> Result<BundleRecord, Vec<Violation>> {
    let mut entries = Entries::default();
    for (number, part) in parts.iter().enumerate() {
        let added = entries.add(number, part);
        added.map_err(|Violation { path, reason }| {
            vec![Violation { path: joined(part.path, &path), reason }]
        })?;
    }
    let at = At { parts, entries: &entries, rules };
    let Read { items, medications, mut violations } = at.read();
    if violations.len() >= VIOLATIONS_MAX {
        return Err(violations);
    }
    violations.extend(at.strangers(&items));
    let mut patients = gathered(items, &medications).filter(|gathered| !gathered.used.is_empty());
    let Some(only) = patients.next() else {
        let none = || vec![Violation { path: at.whole("entry"), reason: "no patient" }];
        return Err(if violations.is_empty() { none() } else { violations });
    };
    violations.extend(at.faults(&only));
    violations.truncate(VIOLATIONS_MAX);
    if violations.is_empty() { Ok(at.record(only)) } else { Err(violations) }
}

/// A path below another one.
fn joined(path: &str, field: &str) -> String {
    let dot = if path.is_empty() || field.is_empty() { "" } else { "." };
    format!("{path}{dot}{field}")
}

/// What the entries say.
struct Read {
    items: Vec<(Place, Item)>,
    medications: HashMap<String, crate::record::Code>,
    violations: Vec<Violation>,
}

/// What was sent, and where everything in it stands.
struct At<'a> {
    parts: &'a [Part<'a>],
    entries: &'a Entries<'a>,
    rules: PartRules<'a>,
}

impl At<'_> {
    fn read(&self) -> Read {
        let aliases = aliases(&self.entries.all);
        // FHIR asks for a zone in every time, and a sender can give it.
        let reading = Reading { timezone: Timezone::required(), ..Reading::default() };
        let (mut items, mut medications) = (Vec::new(), HashMap::new());
        let mut violations = Vec::new();
        for (number, Entry { full_url, resource, .. }) in self.entries.all.iter().enumerate() {
            let known_as = text(full_url).and_then(target).map(|target| target.id);
            match resource::read(resource, Context { known_as, reading: &reading }) {
                Ok(Told::Item(mut item)) => {
                    rename(&mut item, &aliases);
                    items.push((Place { file: 0, line: number as u64 }, *item));
                }
                Ok(Told::Medication { id, code }) => {
                    medications.insert(id, code);
                }
                Ok(Told::Nothing(_)) => {}
                Err(found) => violations.push(self.violation(number, &found)),
            }
            if violations.len() == VIOLATIONS_MAX {
                break;
            }
        }
        Read { items, medications, violations }
    }

    /// Entries that are about somebody else than the patient: than the one who is known, else than the
    /// first Patient resource, else than the first entry.
    fn strangers(&self, items: &[(Place, Item)]) -> Vec<Violation> {
        let of_person = items.iter().find(|(_, item)| item.kind == Kind::Patient);
        let first = of_person.or(items.first()).map(|(_, item)| item.patient.as_str());
        let Some(known) = self.rules.patient.or(first) else { return Vec::new() };
        let others = items.iter().filter(|(_, item)| item.patient != known);
        let told = others.take(VIOLATIONS_MAX).map(|(place, _)| Violation {
            path: self.path(place.line as usize, ""),
            reason: OTHER_PATIENT,
        });
        told.collect()
    }

    fn violation(&self, entry: usize, fault: &Fault) -> Violation {
        let (path, reason) = fault.parts();
        Violation { path: self.path(entry, path.unwrap_or_default()), reason }
    }

    /// The path of a field of an entry's resource.
    fn path(&self, entry: usize, field: &str) -> String {
        let Some(Entry { place, .. }) = self.entries.all.get(entry) else {
            return field.to_owned();
        };
        let part = self.parts.get(place.part).map_or("", |part| part.path);
        joined(&joined(part, &place.path()), field)
    }

    /// The path of what is wrong with all that was sent.
    fn whole(&self, field: &str) -> String {
        match self.parts {
            [only] => joined(only.path, field),
            _ => String::new(),
        }
    }

    /// What an export leaves out with a word is a fault of a request.
    fn faults(&self, gathered: &Gathered) -> Vec<Violation> {
        let left_out = gathered.left_out.iter().filter_map(|(at, why)| match why {
            LeftOut::Skipped(_) => None,
            LeftOut::Quarantined { reason, .. } if self.may_miss(reason) => None,
            LeftOut::Quarantined { path, reason } => {
                Some(Violation { path: self.path(at.line as usize, path), reason })
            }
        });
        let doubts = gathered.doubts.iter().map(|(at, _, doubt)| Violation {
            path: self.path(at.line as usize, &doubt.path),
            reason: doubt.reason,
        });
        left_out.chain(doubts).collect()
    }

    /// Whether what an item lacks may be missing.
    fn may_miss(&self, reason: &str) -> bool {
        self.rules.medications_may_miss && reason == NO_MEDICATION
    }

    /// The orders that were left out because what they refer to is missing.
    fn without_medication(&self, left_out: &[(Place, LeftOut)]) -> Option<DataIssue> {
        let mut places = left_out.iter().filter_map(|(place, why)| match why {
            LeftOut::Quarantined { path, reason } if self.may_miss(reason) => {
                Some(self.path(place.line as usize, path))
            }
            _ => None,
        });
        let first_path = places.next()?;
        let count = u32::try_from(places.count()).unwrap_or(u32::MAX).saturating_add(1);
        Some(DataIssue { kind: IssueKind::UnknownMedication, count, first_path })
    }

    fn record(&self, gathered: Gathered) -> BundleRecord {
        let Gathered { record, patient, events, encounters, left_out, .. } = gathered;
        let entry = |place: Place| {
            let entry = self.entries.all.get(place.line as usize);
            entry.map(|entry| entry.place).unwrap_or_default()
        };
        let issue = |place: EntryPlace| {
            let path = self.parts.get(place.part).map_or("", |part| part.path);
            let path = joined(path, &place.path());
            DataIssue { kind: IssueKind::PartialBundle, count: 1, first_path: path }
        };
        BundleRecord {
            record,
            events: events.into_iter().map(entry).collect(),
            encounters: encounters.into_iter().map(entry).collect(),
            patient: patient.map(entry),
            issues: self
                .entries
                .partial
                .map(issue)
                .into_iter()
                .chain(self.without_medication(&left_out))
                .collect(),
        }
    }
}

/// Ids under which entries refer to each other, where they are not the ids of the resources.
fn aliases(entries: &[Entry<'_>]) -> HashMap<String, String> {
    let alias = |entry: &Entry<'_>| {
        let known_as = target(text(&entry.full_url)?)?.id;
        let Named { id } = resource::parse(entry.resource).ok()?;
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
