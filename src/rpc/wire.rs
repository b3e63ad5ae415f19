//! Protobuf as it stands on the wire: one field after the other, borrowed from the message.
//!
//! prost copies every text of a message into a string of its own, and a record has five in each
//! event. What is read here stays where it is. Strict as prost: a field of another wire type than the
//! contract's, a length beyond the message, a broken number or a text that is not UTF-8 makes the whole
//! message unreadable; fields that the contract does not have are passed over.

use prost::encoding::{WireType, decode_varint};

use crate::record::Violation;

/// How deep unknown groups may be nested.
const GROUPS_MAX: u32 = 100;

const NOT_PROTOBUF: &str = "not valid protobuf";
const NOT_UTF8: &str = "text that is not UTF-8";

/// Where a message cannot be read. Boxed: every read of a field hands one back, or room for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(Box<Violation>);

impl Unreadable {
    #[cold]
    fn at(field: &str, reason: &'static str) -> Unreadable {
        Unreadable(Box::new(Violation { path: field.to_owned(), reason }))
    }

    /// The same, seen from the message that holds it in `field`.
    pub(super) fn under(mut self, field: &str) -> Unreadable {
        let dot = if self.0.path.is_empty() { "" } else { "." };
        self.0.path.insert_str(0, dot);
        self.0.path.insert_str(0, field);
        self
    }
}

impl From<Unreadable> for Violation {
    fn from(Unreadable(violation): Unreadable) -> Violation {
        *violation
    }
}

#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    /// Of a kind that no field of ours has.
    Other,
    /// It begins, and does not end as it should.
    Broken,
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    content: Content<'a>,
}

impl<'a> Field<'a> {
    /// Passes over a field that the contract does not have.
    pub(super) fn unknown(self) -> Result<(), Unreadable> {
        match self.content {
            Content::Broken => Err(Unreadable::at("", NOT_PROTOBUF)),
            _ => Ok(()),
        }
    }

    #[inline]
    fn varint(self, name: &str) -> Result<u64, Unreadable> {
        match self.content {
            Content::Varint(number) => Ok(number),
            _ => Err(Unreadable::at(name, NOT_PROTOBUF)),
        }
    }

    #[inline]
    pub(super) fn int64(self, name: &str) -> Result<i64, Unreadable> {
        self.varint(name).map(u64::cast_signed)
    }

    /// An `int32` or an enum: what is longer loses its upper bits, as protobuf says.
    #[inline]
    pub(super) fn int32(self, name: &str) -> Result<i32, Unreadable> {
        self.varint(name).map(|number| number as i32)
    }

    pub(super) fn uint32(self, name: &str) -> Result<u32, Unreadable> {
        self.varint(name).map(|number| number as u32)
    }

    pub(super) fn bool(self, name: &str) -> Result<bool, Unreadable> {
        self.varint(name).map(|number| number != 0)
    }

    #[inline]
    pub(super) fn double(self, name: &str) -> Result<f64, Unreadable> {
        match self.content {
            Content::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(Unreadable::at(name, NOT_PROTOBUF)),
        }
    }

    /// Bytes, or a message.
    #[inline]
    pub(super) fn bytes(self, name: &str) -> Result<&'a [u8], Unreadable> {
        match self.content {
            Content::Bytes(bytes) => Ok(bytes),
            _ => Err(Unreadable::at(name, NOT_PROTOBUF)),
        }
    }

    #[inline]
    pub(super) fn text(self, name: &str) -> Result<&'a str, Unreadable> {
        let bytes = self.bytes(name)?;
        std::str::from_utf8(bytes).map_err(|_| Unreadable::at(name, NOT_UTF8))
    }
}

/// The fields of a message, in their order. After a broken one there is none.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields(message)
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        // Nearly all keys, lengths and enums are one byte.
        if let [byte @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Some(u64::from(*byte));
        }
        decode_varint(&mut self.0).ok()
    }

    #[inline]
    fn key(&mut self) -> Option<(u32, WireType)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let wire_type = WireType::try_from(u64::from(key & 7)).ok()?;
        (key >> 3 > 0).then_some((key >> 3, wire_type))
    }

    #[inline]
    fn content(&mut self, number: u32, wire_type: WireType) -> Option<Content<'a>> {
        Some(match wire_type {
            WireType::Varint => Content::Varint(self.varint()?),
            WireType::SixtyFourBit => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Content::Fixed64(*bytes)
            }
            WireType::ThirtyTwoBit => {
                self.0 = self.0.get(4..)?;
                Content::Other
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Content::Bytes(bytes)
            }
            WireType::StartGroup => {
                self.pass_group(number)?;
                Content::Other
            }
            WireType::EndGroup => return None,
        })
    }

    /// Passes over the rest of group `number` and the groups in it.
    fn pass_group(&mut self, number: u32) -> Option<()> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let (number, wire_type) = self.key()?;
            match wire_type {
                WireType::StartGroup if open.len() as u32 >= GROUPS_MAX => return None,
                WireType::StartGroup => open.push(number),
                WireType::EndGroup if number == innermost => {
                    open.pop();
                }
                _ => {
                    self.content(number, wire_type)?;
                }
            }
        }
        Some(())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        if self.0.is_empty() {
            return None;
        }
        // A broken key has no number, as no field of ours has the number 0.
        let (number, content) = match self.key() {
            Some((number, wire_type)) => (number, self.content(number, wire_type)),
            None => (0, None),
        };
        let content = content.unwrap_or_else(|| {
            self.0 = &[];
            Content::Broken
        });
        Some(Field { number, content })
    }
}
