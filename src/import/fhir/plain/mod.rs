//! JSON as exporters write it, read at the speed of the disk: a second reader in front of serde_json.
//!
//! It reads nothing that serde_json would refuse or read as something else, and where it is in doubt
//! it gives up: serde_json then reads the same text from its start and says what is wrong. So what is
//! read and what is reported is serde_json's alone, and this file can only be too slow, not wrong.

mod scan;

use std::borrow::Cow;
use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use scan::{END, Reader};

/// Deeper than any resource; serde_json itself goes to 128.
const DEPTH_MAX: u32 = 60;

/// The value that `json` is; `None` where serde_json must look.
pub(super) fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Option<T> {
    #[cfg(test)]
    if tests::OFF.get() {
        return None;
    }
    let mut reader = Reader::new(json);
    let value = T::deserialize(&mut reader).ok()?;
    (reader.peek() == END).then_some(value)
}

/// It is not sure that serde_json would read the same.
#[derive(Debug)]
struct Unsure;

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain JSON")
    }
}

impl std::error::Error for Unsure {}

impl Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Unsure {
        Unsure
    }

    // The library's own versions of these would first put the message together.
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Unsure {
        Unsure
    }

    fn duplicate_field(_: &'static str) -> Unsure {
        Unsure
    }
}

impl<'de> Reader<'de> {
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Unsure> {
        self.peek();
        let start = self.at;
        let whole = self.pass_number()?;
        let text = self.json.get(start..self.at).ok_or(Unsure)?;
        match text.parse::<u64>() {
            Ok(number) if whole => return visitor.visit_u64(number),
            _ => {}
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(Unsure),
        }
    }

    fn nested<T>(
        &mut self,
        open: u8,
        read: impl FnOnce(&mut Elements<'_, 'de>) -> Result<T, Unsure>,
    ) -> Result<T, Unsure> {
        self.take(open)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Unsure);
        }
        let close = if open == b'{' { b'}' } else { b']' };
        let mut elements = Elements { reader: self, close, begun: false, ended: false };
        let value = read(&mut elements)?;
        if !elements.ended {
            return Err(Unsure);
        }
        self.depth -= 1;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unsure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        match self.peek() {
            b'{' => self.deserialize_map(visitor),
            b'[' => self.deserialize_seq(visitor),
            b'"' => self.deserialize_str(visitor),
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            _ => Err(Unsure),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        match self.peek() {
            b'n' => self.word("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        match self.peek() {
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            _ => self.word("false").and_then(|()| visitor.visit_bool(false)),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        self.number(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        self.nested(b'[', |elements| visitor.visit_seq(elements))
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        self.nested(b'{', |elements| visitor.visit_map(elements))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unsure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsure> {
        self.pass_value()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 char string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier
    }
}

/// The rest of an object or a list.
struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    close: u8,
    begun: bool,
    ended: bool,
}

impl Elements<'_, '_> {
    /// Goes to the next element; false when there is none.
    #[inline]
    fn advance(&mut self) -> Result<bool, Unsure> {
        let next = self.reader.peek();
        if next == self.close {
            self.reader.at += 1;
            self.ended = true;
            return Ok(false);
        }
        if self.begun {
            self.reader.take(b',')?;
        }
        self.begun = true;
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Unsure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unsure> {
        if !self.advance()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Unsure;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unsure> {
        if !self.advance()? {
            return Ok(None);
        }
        let Cow::Borrowed(key) = self.reader.text()? else { return Err(Unsure) };
        self.reader.take(b':')?;
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unsure> {
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests;
