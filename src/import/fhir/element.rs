//! FHIR data types as far as they are read here: texts that stay in the line, lists that may be one
//! element, codings, references and quantities.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::codes;
use crate::access::Classes;
use crate::record::Code;

/// A text, borrowed from the line unless it holds an escape. (serde never borrows an
/// `Option<Cow<str>>`, so that every code would become a `String`.)
#[derive(Debug, Clone)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text without spaces around it; `None` when nothing is left.
    pub(super) fn get(&self) -> Option<&str> {
        let (first, last) = (self.0.as_bytes().first()?, self.0.as_bytes().last()?);
        if first.is_ascii_graphic() && last.is_ascii_graphic() {
            return Some(&self.0);
        }
        Some(self.0.trim()).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

/// The text of an optional field.
pub(super) fn text<'t>(given: &'t Option<Text<'_>>) -> Option<&'t str> {
    given.as_ref().and_then(Text::get)
}

/// A list; a single element where a list should be counts as a list of one, because releases of
/// FHIR differ in which fields repeat.
#[derive(Debug, Clone)]
pub(super) struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Many<T> {
        Many(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Many<T>, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
                let mut found = Vec::new();
                while let Some(element) = seq.next_element()? {
                    found.push(element);
                }
                Ok(Many(found))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| Many(vec![one]))
            }

            fn visit_unit<E: Error>(self) -> Result<Many<T>, E> {
                Ok(Many(Vec::new()))
            }
        }
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Coding<'a> {
    #[serde(borrow)]
    pub system: Option<Text<'a>>,
    #[serde(borrow)]
    pub code: Option<Text<'a>>,
    #[serde(borrow)]
    pub display: Option<Text<'a>>,
}

/// A CodeableConcept, or a bare Coding in its place: `Encounter.class` is the one in R4 and the
/// other in R5.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Concept<'a> {
    #[serde(borrow, default)]
    pub coding: Many<Coding<'a>>,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    #[serde(borrow)]
    pub code: Option<Text<'a>>,
    #[serde(borrow)]
    pub display: Option<Text<'a>>,
}

impl Concept<'_> {
    /// The codes in any system, a bare one first.
    pub(super) fn codes(&self) -> impl Iterator<Item = &str> {
        let inner = self.coding.0.iter().filter_map(|coding| text(&coding.code));
        text(&self.code).into_iter().chain(inner)
    }

    /// The words for it: its text, else what is displayed, else the code.
    pub(super) fn words(&self) -> Option<&str> {
        let displayed = || self.coding.0.iter().find_map(|coding| text(&coding.display));
        let words = text(&self.text).or_else(|| text(&self.display)).or_else(displayed);
        words.or_else(|| self.codes().next())
    }

    /// The one code that stands for the concept: the first coding of a system that is known by a
    /// short name, else the first coding that has a system and a code. One event has one code, and
    /// concept files are written in the known systems.
    pub(super) fn chosen(&self) -> Option<Code> {
        let mut first = None;
        for coding in &self.coding.0 {
            let Some(code) = text(&coding.code) else { continue };
            let Some(system) = text(&coding.system) else { continue };
            let code = Code::new(codes::system(system), code);
            if !code.system.contains(':') {
                return Some(code);
            }
            first.get_or_insert(code);
        }
        first
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub reference: Option<Text<'a>>,
    #[serde(borrow)]
    pub display: Option<Text<'a>>,
}

/// What a reference points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The type of the resource, where the reference says it.
    pub kind: Option<&'a str>,
    pub id: &'a str,
}

impl Reference<'_> {
    /// The resource with an own line or entry that is meant; `None` for a contained one, for a
    /// search (`Patient?identifier=...`) and for no reference at all.
    pub(super) fn target(&self) -> Option<Target<'_>> {
        target(text(&self.reference)?)
    }

    /// The id of a contained resource.
    pub(super) fn contained(&self) -> Option<&str> {
        text(&self.reference)?.strip_prefix('#').filter(|id| !id.is_empty())
    }
}

/// Reads `Patient/x`, `Patient/x/_history/1`, `urn:uuid:x`, an absolute URL, or a bare id.
pub(super) fn target(reference: &str) -> Option<Target<'_>> {
    if let Some(id) = reference.strip_prefix("urn:uuid:") {
        return Some(Target { kind: None, id }).filter(|target| !target.id.is_empty());
    }
    let bytes = reference.as_bytes();
    if bytes.first() == Some(&b'#') || memchr::memchr(b'?', bytes).is_some() {
        return None;
    }
    // The usual reference has one slash, and a version takes two more.
    let may_have_version = memchr::memchr_iter(b'/', bytes).nth(1).is_some();
    let versioned = may_have_version.then(|| reference.split_once("/_history/")).flatten();
    let current = versioned.map_or(reference, |(current, _)| current);
    let (before, id) = parted(current);
    let kind = Some(parted(before).1).filter(|kind| !kind.is_empty());
    Some(Target { kind, id }).filter(|target| !target.id.is_empty())
}

/// What stands before the last slash, and after it.
fn parted(path: &str) -> (&str, &str) {
    let slash = memchr::memrchr(b'/', path.as_bytes());
    let parts = slash.and_then(|slash| Some((path.get(..slash)?, path.get(slash + 1..)?)));
    parts.unwrap_or(("", path))
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Span<'a> {
    #[serde(borrow)]
    pub start: Option<Text<'a>>,
    #[serde(borrow)]
    pub end: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Quantity<'a> {
    pub value: Option<f64>,
    #[serde(borrow)]
    pub system: Option<Text<'a>>,
    #[serde(borrow)]
    pub comparator: Option<Text<'a>>,
    #[serde(borrow)]
    pub unit: Option<Text<'a>>,
    #[serde(borrow)]
    pub code: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow, rename = "lastUpdated")]
    pub last_updated: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub security: Many<Coding<'a>>,
}

impl Meta<'_> {
    /// The classes of sensitive content that its security labels name. The code alone counts: HL7 has
    /// named its systems in several ways.
    pub(super) fn classes(&self) -> Classes {
        let labels = self.security.0.iter().filter_map(|label| text(&label.code));
        labels.fold(Classes::NONE, |all, label| all.and(Classes::of_label(label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_all_shapes_name_the_same_id() {
        let id = |reference| target(reference).map(|target| (target.kind, target.id));
        let patient = Some((Some("Patient"), "x"));
        assert_eq!(id("Patient/x"), patient);
        assert_eq!(id("https://server/fhir/Patient/x"), patient);
        assert_eq!(id("Patient/x/_history/3"), patient);
        assert_eq!(id("urn:uuid:x"), Some((None, "x")));
        assert_eq!(id("x"), Some((None, "x")));
        for reference in ["#x", "Patient?identifier=a|x", "Patient/", "urn:uuid:", ""] {
            assert_eq!(id(reference), None, "{reference}");
        }
    }
}
