//! FHIR data types as far as they are read here: texts that stay in the line, lists that may be one
//! element, codings, references, quantities and moments.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::codes;
use crate::record::{Code, PartialDate, Time, TimePrecision};

/// A text, borrowed from the line unless it holds an escape. (serde never borrows an
/// `Option<Cow<str>>`, so that every code would become a `String`.)
#[derive(Debug, Clone)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text without spaces around it; `None` when nothing is left.
    pub(super) fn get(&self) -> Option<&str> {
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
    if reference.starts_with('#') || reference.contains('?') {
        return None;
    }
    let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
    let (before, id) = current.rsplit_once('/').unwrap_or(("", current));
    let kind = before.rsplit('/').next().filter(|kind| !kind.is_empty());
    Some(Target { kind, id }).filter(|target| !target.id.is_empty())
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
}

/// A FHIR dateTime, date or instant: its first instant, and how exactly it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub time: Time,
    pub precision: TimePrecision,
}

pub(super) const NOT_A_TIME: &str = "not a FHIR date or dateTime";
pub(super) const OUTSIDE: &str = "outside the years 1800 to 2299";

impl Moment {
    /// Reads a dateTime; one without a zone is UTC.
    pub(super) fn parse(text: &str) -> Result<Moment, &'static str> {
        let moment = if text.len() <= "2000-01-01".len() {
            let precision = match text.len() {
                4 => TimePrecision::Year,
                7 => TimePrecision::Month,
                _ => TimePrecision::Day,
            };
            let date = PartialDate::parse(text).and_then(PartialDate::earliest);
            Moment { time: date.ok_or_else(|| date_fault(text))?, precision }
        } else {
            let zoned = Time::parse(text).or_else(|| Time::parse(&format!("{text}Z")));
            // The ends of the calendar are no instants in every zone, but dates all the same.
            let Some(time) = zoned else { return Err(date_fault(text)) };
            Moment { time, precision: TimePrecision::Instant }
        };
        if moment.time.is_believable() { Ok(moment) } else { Err(OUTSIDE) }
    }

    /// The last instant it can mean, for ends and for the time of recording; `None` when it is
    /// known to the month or year only.
    pub(super) fn latest(self) -> Option<Time> {
        match self.precision {
            TimePrecision::Instant => Some(self.time),
            TimePrecision::Day => Some(Time::from_micros(self.time.plus_days(1).micros() - 1)),
            TimePrecision::Month | TimePrecision::Year => None,
        }
    }
}

/// What is wrong with a dateTime that is no instant.
fn date_fault(text: &str) -> &'static str {
    let date = text.split('T').next().and_then(PartialDate::parse);
    let is_outside =
        date.is_some_and(|date| date.earliest().is_none_or(|time| !time.is_believable()));
    if is_outside { OUTSIDE } else { NOT_A_TIME }
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

    #[test]
    fn moments_keep_their_precision() {
        let read = |text| Moment::parse(text).map(|m| (m.time.to_string(), m.precision));
        let noon = "2020-02-29T12:00:00Z".to_owned();
        assert_eq!(read("2020-02-29T13:00:00+01:00"), Ok((noon.clone(), TimePrecision::Instant)));
        assert_eq!(read("2020-02-29T12:00:00"), Ok((noon, TimePrecision::Instant)));
        let day = "2020-02-29T00:00:00Z".to_owned();
        assert_eq!(read("2020-02-29"), Ok((day, TimePrecision::Day)));
        assert_eq!(read("2020-02").map(|read| read.1), Ok(TimePrecision::Month));
        assert_eq!(read("2020").map(|read| read.1), Ok(TimePrecision::Year));
        for text in ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(read(text), Err(OUTSIDE), "{text}");
        }
        for text in ["", "2021-02-29", "12/31/2020", "2020-13", "2020-01-01T25:00:00Z", "soon"] {
            assert_eq!(read(text), Err(NOT_A_TIME), "{text}");
        }
    }
}
