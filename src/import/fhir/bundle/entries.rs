//! The resources of Bundles and where they stand: entries, those of a Bundle in an entry (the answer to
//! a batch of searches), and resources that come by themselves.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Part;
use crate::import::fhir::element::{Many, Text, text};
use crate::import::fhir::resource;
use crate::record::Violation;

/// The most entries of a request.
pub(super) const ENTRIES_MAX: usize = 250_000;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    link: Many<Link<'a>>,
    #[serde(borrow, default)]
    entry: Many<RawEntry<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    relation: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow, rename = "fullUrl")]
    full_url: Option<Text<'a>>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<Answered<'a>>,
}

/// How one request of a batch was answered.
#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    status: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    issue: Many<Issue<'a>>,
}

#[derive(Deserialize)]
struct Issue<'a> {
    #[serde(borrow)]
    severity: Option<Text<'a>>,
}

impl RawEntry<'_> {
    /// Whether it tells of a search that failed, instead of what was to be found.
    fn has_failed(&self) -> bool {
        let status = self.response.as_ref().and_then(|answered| text(&answered.status));
        if status.is_some_and(|status| status.starts_with(['4', '5'])) {
            return true;
        }
        let outcome =
            self.resource.map(RawValue::get).filter(|json| is_of("OperationOutcome", json));
        let issues = outcome.and_then(|json| resource::parse::<Outcome<'_>>(json).ok());
        issues.is_some_and(|outcome| {
            let mut severities = outcome.issue.0.iter().map(|issue| text(&issue.severity));
            severities.any(|severity| matches!(severity, Some("fatal" | "error")))
        })
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Text<'a>>,
}

/// Where a resource stands in what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryPlace {
    /// Of several things sent together, which, from 0.
    pub part: usize,
    /// The entry of its Bundle, from 0; 0 for a resource that came by itself.
    pub entry: usize,
    /// Of a Bundle in that entry the entry, from 0.
    pub inner: Option<usize>,
    at: Standing,
}

/// How a resource stands in what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Standing {
    /// All of it.
    #[default]
    Alone,
    InEntry,
}

impl EntryPlace {
    /// Its path from the thing on that it was sent in.
    pub fn path(&self) -> String {
        match (self.at, self.inner) {
            (Standing::Alone, _) => String::new(),
            (Standing::InEntry, None) => format!("entry[{}].resource", self.entry),
            (Standing::InEntry, Some(inner)) => {
                format!("entry[{}].resource.entry[{inner}].resource", self.entry)
            }
        }
    }
}

/// A resource and where it stands.
pub(super) struct Entry<'a> {
    pub(super) place: EntryPlace,
    pub(super) full_url: Option<Text<'a>>,
    pub(super) resource: &'a str,
}

/// What was sent, taken apart.
#[derive(Default)]
pub(super) struct Entries<'a> {
    pub(super) all: Vec<Entry<'a>>,
    /// The first place where something is missing: a Bundle that names a next page, which is not among
    /// what was sent, or the word that a search failed.
    pub(super) partial: Option<EntryPlace>,
}

impl<'a> Entries<'a> {
    /// Takes one thing apart that must be a Bundle, or may be a resource as well.
    ///
    /// # Errors
    /// What is wrong with it as a whole; the path begins at the thing.
    pub(super) fn add(&mut self, part: usize, sent: &Part<'a>) -> Result<(), Violation> {
        let at = EntryPlace { part, ..EntryPlace::default() };
        if !sent.must_be_bundle && !is_bundle(sent.json) {
            self.all.push(Entry { place: at, full_url: None, resource: sent.json });
            return Ok(());
        }
        let bundle = read(sent.json).map_err(|(path, reason)| violation(path, reason))?;
        if !sent.is_page_of_all {
            self.note_page(&bundle, at);
        }
        for (entry, raw) in bundle.entry.0.into_iter().enumerate() {
            let place = EntryPlace { entry, at: Standing::InEntry, ..at };
            if raw.has_failed() {
                self.partial.get_or_insert(place);
            }
            let Some(resource) = raw.resource.map(RawValue::get) else { continue };
            if is_bundle(resource) {
                self.add_inner(resource, place)?;
            } else {
                self.all.push(Entry { place, full_url: raw.full_url, resource });
            }
            if self.all.len() > ENTRIES_MAX {
                return Err(violation("entry", "more than 250000 entries"));
            }
        }
        Ok(())
    }

    /// Takes a Bundle in an entry apart.
    fn add_inner(&mut self, json: &'a str, place: EntryPlace) -> Result<(), Violation> {
        let inner = read(json).map_err(|(path, reason)| {
            let dot = if path.is_empty() { "" } else { "." };
            violation(&format!("{}{dot}{path}", place.path()), reason)
        })?;
        self.note_page(&inner, place);
        for (number, raw) in inner.entry.0.into_iter().enumerate() {
            let place = EntryPlace { inner: Some(number), ..place };
            if raw.has_failed() {
                self.partial.get_or_insert(place);
            }
            let Some(resource) = raw.resource.map(RawValue::get) else { continue };
            self.all.push(Entry { place, full_url: raw.full_url, resource });
        }
        Ok(())
    }

    fn note_page(&mut self, bundle: &Bundle<'_>, at: EntryPlace) {
        if bundle.link.0.iter().any(|link| text(&link.relation) == Some("next")) {
            self.partial.get_or_insert(at);
        }
    }
}

fn violation(path: &str, reason: &'static str) -> Violation {
    Violation { path: path.to_owned(), reason }
}

fn read(json: &str) -> Result<Bundle<'_>, (&'static str, &'static str)> {
    if !json.trim_start().starts_with('{') {
        return Err(("", "not a JSON object"));
    }
    let bundle: Bundle<'_> = resource::parse(json).map_err(|found| ("", found.parts().1))?;
    if text(&bundle.resource_type) != Some("Bundle") {
        return Err(("resourceType", "must be Bundle"));
    }
    Ok(bundle)
}

/// Whether a resource says that it is a Bundle. What cannot be read is for its reader to refuse.
fn is_bundle(json: &str) -> bool {
    is_of("Bundle", json)
}

fn is_of(kind: &str, json: &str) -> bool {
    // Nearly every resource says its type first.
    match resource::leading_type(json) {
        Some(found) => found == kind,
        None => {
            let typed = resource::parse(json).ok();
            typed.is_some_and(|typed: Typed<'_>| text(&typed.resource_type) == Some(kind))
        }
    }
}
