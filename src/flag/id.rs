//! The name of a flag: random, so that it says nothing of its patient.

use std::fmt;

/// 16 random bytes, written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlagId(u128);

/// A text that names no flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the 32 hexadecimal digits of a flag's id")]
pub struct InvalidFlagId;

impl FlagId {
    /// The id of these random bytes.
    pub fn from_random(bytes: [u8; 16]) -> FlagId {
        FlagId(u128::from_be_bytes(bytes))
    }

    /// Reads what `Display` writes.
    ///
    /// # Errors
    /// Anything but 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<FlagId, InvalidFlagId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(InvalidFlagId);
        }
        u128::from_str_radix(text, 16).map(FlagId).map_err(|_| InvalidFlagId)
    }
}

impl fmt::Display for FlagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
