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
/// The fields of a Patient that say who it is; a fault in another one is told like all others.
const WHO: [&str; 5] = ["id", "birthDate", "gender", "deceasedDateTime", "deceasedBoolean"];
const NO_PATIENT: &str = "no Patient: age and sex come from it";
const OTHER_PATIENT: &str =
    "about another patient than the rest: send the record of one patient alone";

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Text<'a>>,
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
    /// What makes the record less than the source has: a page of a search without the next, and what
    /// cannot be used, by reason.
    pub issues: Vec<DataIssue>,
}

/// Reads a Bundle in JSON. Entries that hold nothing a record takes are passed over; what a record
/// takes, but cannot be used, is left out and told, as of an export. A Bundle in an entry counts as its
/// entries.
///
/// # Errors
/// As of `read_parts`.
pub fn read_bundle(json: &[u8]) -> Result<BundleRecord, Vec<Violation>> {
    let fault = |reason| vec![Violation { path: String::new(), reason }];
    let json = std::str::from_utf8(json).map_err(|_| fault("not UTF-8"))?;
    let part = Part { path: "", json, must_be_bundle: true, is_page_of_all: false };
    read_parts(&[part], None)
}

/// Reads Bundles, and resources by themselves, that are sent together about one patient; `patient` is
/// the id of the only one they may be about, where that is known.
///
/// # Errors
/// What is no Bundle at all; no Patient, or one that cannot be used; entries about somebody else. The
/// places, such as `entry[3].resource.birthDate`; never a value.
pub fn read_parts(
    parts: &[Part<'_>],
    patient: Option<&str>,
) -> Result<BundleRecord, Vec<Violation>> {
    let mut entries = Entries::default();
    for (number, part) in parts.iter().enumerate() {
        let added = entries.add(number, part);
        added.map_err(|Violation { path, reason }| {
            vec![Violation { path: joined(part.path, &path), reason }]
        })?;
    }
    let at = At { parts, entries: &entries };
    let Read { items, medications, mut left_out } = at.read();
    let mut violations = at.strangers(&items, patient);
    let mut patients = gathered(items, &medications).filter(|gathered| !gathered.used.is_empty());
    let only = patients.next();
    left_out.extend(only.iter().flat_map(|only| at.faults(only)));
    // Whom the record is about must be beyond doubt, and a sender can mend one resource.
    let of_person = left_out.iter().filter(|each| each.is_of_person).map(|each| each.violation());
    violations.extend(of_person);
    match only {
        Some(only) if violations.is_empty() && only.patient.is_some() => {
            Ok(at.record(only, &left_out))
        }
        _ => {
            if violations.is_empty() {
                violations.push(Violation { path: at.whole("entry"), reason: NO_PATIENT });
                // Perhaps it is there, and no such thing: what was left out says it.
                violations.extend(left_out.iter().map(LeftOutEntry::violation));
            }
            violations.truncate(VIOLATIONS_MAX);
            Err(violations)
        }
    }
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
    left_out: Vec<LeftOutEntry>,
}

/// Something of an entry that cannot be used.
struct LeftOutEntry {
    path: String,
    reason: &'static str,
    /// Whether it is the patient's own resource.
    is_of_person: bool,
}

impl LeftOutEntry {
    fn violation(&self) -> Violation {
        Violation { path: self.path.clone(), reason: self.reason }
    }
}

/// What was sent, and where everything in it stands.
struct At<'a> {
    parts: &'a [Part<'a>],
    entries: &'a Entries<'a>,
}

impl At<'_> {
    fn read(&self) -> Read {
        let aliases = aliases(&self.entries.all);
        // FHIR asks for a zone in every time, and a sender can give it.
        let reading = Reading { timezone: Timezone::required(), ..Reading::default() };
        let (mut items, mut medications) = (Vec::new(), HashMap::new());
        let mut left_out = Vec::new();
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
                Err(found) => left_out.push(self.fault(number, resource, &found)),
            }
        }
        Read { items, medications, left_out }
    }

    /// Entries that are about somebody else than the patient: than `patient`, else than the first
    /// Patient resource, else than the first entry.
    fn strangers(&self, items: &[(Place, Item)], patient: Option<&str>) -> Vec<Violation> {
        let of_person = items.iter().find(|(_, item)| item.kind == Kind::Patient);
        let first = of_person.or(items.first()).map(|(_, item)| item.patient.as_str());
        let Some(known) = patient.or(first) else { return Vec::new() };
        let others = items.iter().filter(|(_, item)| item.patient != known);
        let told = others.take(VIOLATIONS_MAX).map(|(place, _)| Violation {
            path: self.path(place.line as usize, ""),
            reason: OTHER_PATIENT,
        });
        told.collect()
    }

    fn fault(&self, entry: usize, resource: &str, fault: &Fault) -> LeftOutEntry {
        let (path, reason) = fault.parts();
        let is_of_person = resource::leading_type(resource) == Some("Patient");
        LeftOutEntry { path: self.path(entry, path.unwrap_or_default()), reason, is_of_person }
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

    /// What of a patient's resources is left out with a word.
    fn faults(&self, gathered: &Gathered) -> Vec<LeftOutEntry> {
        let left_out = gathered.left_out.iter().filter_map(|(at, why)| match why {
            LeftOut::Skipped(_) => None,
            LeftOut::Quarantined { path, reason } => {
                let path = self.path(at.line as usize, path);
                Some(LeftOutEntry { path, reason, is_of_person: false })
            }
        });
        let doubts = gathered.doubts.iter().map(|(at, kind, doubt)| LeftOutEntry {
            path: self.path(at.line as usize, &doubt.path),
            reason: doubt.reason,
            is_of_person: *kind == Kind::Patient && WHO.contains(&doubt.path.as_str()),
        });
        left_out.chain(doubts).collect()
    }

    /// What is left out, by reason, each with its first place.
    fn issues(&self, left_out: &[LeftOutEntry]) -> Vec<DataIssue> {
        let mut issues: Vec<DataIssue> = Vec::new();
        for LeftOutEntry { path, reason, .. } in left_out {
            let kind = match *reason {
                NO_MEDICATION => IssueKind::UnknownMedication,
                reason => IssueKind::Unusable(reason),
            };
            match issues.iter_mut().find(|issue| issue.kind == kind) {
                Some(issue) => issue.count = issue.count.saturating_add(1),
                None => issues.push(DataIssue { kind, count: 1, first_path: path.clone() }),
            }
        }
        issues
    }

    fn record(&self, gathered: Gathered, left_out: &[LeftOutEntry]) -> BundleRecord {
        let Gathered { record, patient, events, encounters, .. } = gathered;
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
                .chain(self.issues(left_out))
                .collect(),
        }
    }
}

/// The ids of resources by their type and the name that their entries go by (`urn:uuid:...`), where that is
/// another one.
type Aliases = HashMap<&'static str, HashMap<String, String>>;

/// The types that others refer to.
const REFERRED: [&str; 4] = ["Patient", "Encounter", "Condition", "Medication"];

fn aliases(entries: &[Entry<'_>]) -> Aliases {
    let mut all = Aliases::new();
    for entry in entries {
        let Some(url) = text(&entry.full_url).filter(|url| url.starts_with("urn:")) else {
            continue;
        };
        let Some(known_as) = target(url).map(|target| target.id) else { continue };
        let Ok(Named { id, resource_type }) = resource::parse(entry.resource) else { continue };
        let kind = REFERRED.into_iter().find(|kind| Some(*kind) == text(&resource_type));
        let id = text(&id).filter(|id| *id != known_as);
        if let (Some(kind), Some(id)) = (kind, id) {
            all.entry(kind).or_default().insert(known_as.to_owned(), id.to_owned());
        }
    }
    all
}

/// Puts the ids of resources where an item refers to entries.
fn rename(item: &mut Item, aliases: &Aliases) {
    let rename = |kind: &str, id: &mut String| {
        if let Some(meant) = aliases.get(kind).and_then(|of_kind| of_kind.get(id)) {
            id.clone_from(meant);
        }
    };
    rename("Patient", &mut item.patient);
    let stay = |id: &mut String| rename("Encounter", id);
    match &mut item.content {
        Content::Encounter { diagnoses, .. } => {
            diagnoses.iter_mut().for_each(|ranked| rename("Condition", &mut ranked.condition));
        }
        Content::Events(events) => {
            events.iter_mut().filter_map(|e| e.encounter_id.as_mut()).for_each(stay);
        }
        Content::Drug { event, medication } => {
            event.encounter_id.as_mut().into_iter().for_each(stay);
            rename("Medication", medication);
        }
        // Only a row of a table says several things.
        Content::Person(_)
        | Content::Coverage { .. }
        | Content::Withdrawn(_)
        | Content::Several(_) => {}
    }
}

/// Whether one of the things that are sent together lacks something that its source has: a further page, or
/// what a search in it failed to find.
pub fn is_partial(json: &str) -> bool {
    let part = Part { path: "", json, must_be_bundle: false, is_page_of_all: false };
    let mut entries = Entries::default();
    // What cannot be read at all is for its reader to refuse.
    entries.add(0, &part).is_ok() && entries.partial.is_some()
}
