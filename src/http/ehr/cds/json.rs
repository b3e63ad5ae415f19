//! JSON of an EHR, taken apart one object at a time: each fault is named by its path, and what nobody
//! asks for is not looked at.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::Violation;

/// The most fields of one object.
const FIELDS_MAX: usize = 256;
/// A bad request gets a short answer.
const VIOLATIONS_MAX: usize = 20;

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Violation>);

impl Faults {
    pub(super) fn add(&mut self, path: &str, reason: &'static str) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(Violation { path: path.to_owned(), reason });
        }
    }

    /// `value`, where nothing is wrong and it is there.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// The fields of one object, each once; their values are not yet looked at.
pub(super) struct Object<'a> {
    path: String,
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// The object that a whole request is.
    pub(super) fn whole(json: &'a [u8], faults: &mut Faults) -> Option<Object<'a>> {
        let Ok(text) = std::str::from_utf8(json) else {
            faults.add("", "not UTF-8");
            return None;
        };
        Object::read(text, String::new(), faults)
    }

    pub(super) fn read(json: &'a str, path: String, faults: &mut Faults) -> Option<Object<'a>> {
        // The library's own text is not kept: it repeats values.
        match serde_json::from_str::<Fields<'a>>(json) {
            Ok(Fields::Each(fields)) => Some(Object { path, fields }),
            Ok(Fields::Twice) => {
                faults.add(&path, "the same name stands twice in it");
                None
            }
            Ok(Fields::TooMany) => {
                faults.add(&path, "more than 256 fields");
                None
            }
            Err(_) => {
                faults.add(&path, "not a JSON object");
                None
            }
        }
    }

    /// The path of a field of it.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The fields, in their order.
    pub(super) fn fields(&self) -> &[(Cow<'a, str>, &'a RawValue)] {
        &self.fields
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value).filter(|value| value.get() != "null")
    }

    /// An object in it, where it is there.
    pub(super) fn object(&self, name: &str, faults: &mut Faults) -> Option<Object<'a>> {
        Object::read(self.get(name)?.get(), self.at(name), faults)
    }

    /// A text of at most `bytes_max` bytes, where it is there; one that is empty says nothing.
    pub(super) fn text(
        &self,
        name: &str,
        bytes_max: usize,
        faults: &mut Faults,
    ) -> Option<Cow<'a, str>> {
        let value = self.get(name)?;
        let Ok(Text(text)) = serde_json::from_str(value.get()) else {
            faults.add(&self.at(name), "must be a text");
            return None;
        };
        if text.len() > bytes_max {
            faults.add(&self.at(name), "is too long");
            return None;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// The same of a field that must be there.
    pub(super) fn required(
        &self,
        name: &str,
        bytes_max: usize,
        faults: &mut Faults,
    ) -> Option<Cow<'a, str>> {
        if self.get(name).is_none() {
            faults.add(&self.at(name), "is missing");
            return None;
        }
        let before = faults.0.len();
        let text = self.text(name, bytes_max, faults);
        if text.is_none() && faults.0.len() == before {
            faults.add(&self.at(name), "is empty");
        }
        text
    }
}

/// A text that borrows from the request where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Reader).map(Text)
    }
}

/// A list of so many items at most; `None` where there are more.
pub(super) struct Bounded<'a>(pub(super) Option<Vec<&'a RawValue>>);

impl<'a> Bounded<'a> {
    /// Reads a list of at most `items_max`.
    ///
    /// # Errors
    /// What is no list.
    pub(super) fn read(json: &'a str, items_max: usize) -> serde_json::Result<Bounded<'a>> {
        struct Reader(usize);

        impl<'de> Visitor<'de> for Reader {
            type Value = Option<Vec<&'de RawValue>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while found.len() < self.0 {
                    let Some(item) = items.next_element()? else { return Ok(Some(found)) };
                    found.push(item);
                }
                let mut is_more = false;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    is_more = true;
                }
                Ok((!is_more).then_some(found))
            }
        }

        let mut reader = serde_json::Deserializer::from_str(json);
        let found = reader.deserialize_seq(Reader(items_max))?;
        reader.end()?;
        Ok(Bounded(found))
    }
}

enum Fields<'a> {
    Each(Vec<(Cow<'a, str>, &'a RawValue)>),
    Twice,
    TooMany,
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'a>, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                let (mut is_twice, mut is_full) = (false, false);
                while let Some(Text(name)) = map.next_key()? {
                    let value = map.next_value().map_err(A::Error::custom)?;
                    // Whatever comes after a fault is passed over as fast as can be.
                    if is_twice || is_full {
                        continue;
                    }
                    is_twice = fields.iter().any(|(known, _)| *known == name);
                    is_full = fields.len() == FIELDS_MAX;
                    if !is_twice && !is_full {
                        fields.push((name, value));
                    }
                }
                Ok(match (is_full, is_twice) {
                    (true, _) => Fields::TooMany,
                    (false, true) => Fields::Twice,
                    (false, false) => Fields::Each(fields),
                })
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Whether `text` is a FHIR id.
pub(super) fn is_fhir_id(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=64).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Whether `text` is a UUID: 32 hexadecimal digits with four hyphens among them.
pub(super) fn is_uuid(text: &str) -> bool {
    let fits = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}
