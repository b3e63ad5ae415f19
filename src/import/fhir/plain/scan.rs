//! The grammar of JSON, without meaning: where texts, numbers and values end.

use std::borrow::Cow;

use super::{DEPTH_MAX, Unsure};

/// What `peek` returns behind the last byte.
pub(super) const END: u8 = 0;

/// A place in a text.
pub(super) struct Reader<'de> {
    pub json: &'de str,
    pub at: usize,
    /// How many objects and lists are open.
    pub depth: u32,
}

impl<'de> Reader<'de> {
    pub(super) fn new(json: &'de str) -> Reader<'de> {
        Reader { json, at: 0, depth: 0 }
    }

    /// The byte at the place, `END` behind the last one.
    #[inline]
    fn here(&self) -> u8 {
        self.json.as_bytes().get(self.at).copied().unwrap_or(END)
    }

    /// The next byte that is no space; it stays unread.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            match self.here() {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                END if self.at < self.json.len() => return b'?',
                byte => return byte,
            }
        }
    }

    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> Result<(), Unsure> {
        if self.peek() != byte {
            return Err(Unsure);
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Unsure> {
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(Unsure);
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes the rest of a text whose first quote is read; says whether it holds an escape.
    #[inline]
    fn pass_text(&mut self) -> Result<bool, Unsure> {
        let mut escaped = false;
        loop {
            self.at = special(self.json.as_bytes(), self.at);
            match self.here() {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.pass_escape()?;
                }
                // A control character, or the end.
                _ => return Err(Unsure),
            }
        }
    }

    fn pass_escape(&mut self) -> Result<(), Unsure> {
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        let length = match rest {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => 6,
            _ => return Err(Unsure),
        };
        self.at += length;
        Ok(())
    }

    /// Reads a text. One with escapes is serde_json's to take apart.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Cow<'de, str>, Unsure> {
        self.take(b'"')?;
        let start = self.at;
        if !self.pass_text()? {
            return self.json.get(start..self.at - 1).map(Cow::Borrowed).ok_or(Unsure);
        }
        let quoted = self.json.get(start - 1..self.at).ok_or(Unsure)?;
        serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| Unsure)
    }

    /// Passes a number; says whether it is a whole one.
    #[inline]
    pub(super) fn pass_number(&mut self) -> Result<bool, Unsure> {
        self.at += usize::from(self.here() == b'-');
        let start = self.at;
        let begins_with_zero = self.here() == b'0';
        let digits = self.pass_digits()?;
        if begins_with_zero && digits > 1 {
            return Err(Unsure);
        }
        if self.here() == b'.' {
            self.at += 1;
            self.pass_digits()?;
        }
        if matches!(self.here(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.here(), b'+' | b'-'));
            self.pass_digits()?;
        }
        Ok(self.at - start == digits)
    }

    #[inline]
    fn pass_digits(&mut self) -> Result<usize, Unsure> {
        let start = self.at;
        while self.here().is_ascii_digit() {
            self.at += 1;
        }
        let digits = self.at - start;
        if digits == 0 { Err(Unsure) } else { Ok(digits) }
    }

    /// Passes any value. What is open stands in the bits of `open`: 1 for an object.
    pub(super) fn pass_value(&mut self) -> Result<(), Unsure> {
        let (mut open, mut depth) = (0_u64, self.depth);
        loop {
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    self.pass_text()?;
                }
                b'-' | b'0'..=b'9' => {
                    self.pass_number()?;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    let is_object = bracket == b'{';
                    let close = if is_object { b'}' } else { b']' };
                    if self.peek() != close {
                        depth += 1;
                        if depth > DEPTH_MAX {
                            return Err(Unsure);
                        }
                        open = open << 1 | u64::from(is_object);
                        if is_object {
                            self.pass_key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                _ => return Err(Unsure),
            }
            loop {
                if depth == self.depth {
                    return Ok(());
                }
                let is_object = open & 1 == 1;
                let next = self.peek();
                self.at += 1;
                match next {
                    b',' if is_object => self.pass_key()?,
                    b',' => {}
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return Err(Unsure),
                }
                if next == b',' {
                    break;
                }
                open >>= 1;
                depth -= 1;
            }
        }
    }

    #[inline]
    fn pass_key(&mut self) -> Result<(), Unsure> {
        self.take(b'"')?;
        self.pass_text()?;
        self.take(b':')
    }
}

/// The first quote, backslash or control character of `bytes` at or after `from`, or their end.
#[inline]
fn special(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The lowest high bit marks the first byte below `n`; bits above it may be wrong.
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word & HIGHS;
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
        let slashes = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quotes | slashes | below(word, b' ');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    at + found.unwrap_or(rest.len())
}
