//! What stands between the Parquet crate and bytes that lie: sizes are checked before they are believed.
//!
//! The crate allocates what a page's header or the footer's schema asks for, and follows a schema's
//! nesting by recursion. Both are written in Thrift's compact protocol, of which just enough is
//! read here to refuse what no writer means.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The largest page, unpacked. Writers make pages of 1 MiB unless told otherwise.
const PAGE_BYTES_MAX: i64 = 64 << 20;
/// The first look at a page's header, and the longest: a header may hold the page's extremes.
const HEAD_BYTES: [u64; 2] = [4 << 10, 1 << 20];
/// The deepest nesting of a schema, and of the structs in a footer or header.
const DEPTH_MAX: usize = 32;
/// The most values of a nested column in one page: they come a whole row at a time.
const NESTED_VALUES_MAX: usize = 4 << 20;

/// A walk over a Thrift compact struct; `None` where the bytes end or mean nothing.
struct Walk<'a> {
    bytes: &'a [u8],
}

impl Walk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn jump(&mut self, bytes: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let raw = self.varint()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// The id and the type of the next field; `None` inside at the struct's end.
    fn field(&mut self, last: &mut i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *last = match head >> 4 {
            0 => self.integer()?,
            step => last.checked_add(i64::from(step))?,
        };
        Some(Some((*last, head & 0x0f)))
    }

    /// The length and the type of the elements of a list.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Some((length, head & 0x0f))
    }

    /// Steps over a value of type `kind`; a truth value takes room only outside of fields.
    fn skip(&mut self, kind: u8, in_field: bool, depth: usize) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match kind {
            1 | 2 if in_field => Some(()),
            1..=3 => self.jump(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.jump(8),
            8 => {
                let length = self.varint()?;
                self.jump(length)
            }
            9 | 10 => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.skip(kind, false, deeper))
            }
            11 => {
                let length = self.varint()?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.skip(kinds >> 4, false, deeper)?;
                    self.skip(kinds & 0x0f, false, deeper)
                })
            }
            12 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, true, deeper)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}

/// Whether a footer is one: Thrift that ends, with a schema whose nesting can be followed.
pub(super) fn is_footer(bytes: &[u8]) -> bool {
    let mut walk = Walk { bytes };
    let mut last = 0;
    let mut read = || {
        while let Some((id, kind)) = walk.field(&mut last)? {
            match (id, kind) {
                (2, 9) => schema(&mut walk)?,
                _ => walk.skip(kind, true, DEPTH_MAX)?,
            }
        }
        Some(())
    };
    read().is_some()
}

fn schema(walk: &mut Walk<'_>) -> Option<()> {
    let (length, kind) = walk.list()?;
    // How many children are still to come at each level.
    let mut open: Vec<i64> = Vec::new();
    for _ in 0..length {
        let mut children = 0;
        let mut last = 0;
        while let Some((id, kind)) = (kind == 12).then(|| walk.field(&mut last))?? {
            match (id, kind) {
                (5, 5) => children = walk.integer()?,
                _ => walk.skip(kind, true, DEPTH_MAX)?,
            }
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children != 0 {
            open.push(children);
        }
        let fits = (0..=length as i64).contains(&children) && open.len() <= DEPTH_MAX;
        fits.then_some(())?;
    }
    Some(())
}

/// Whether a page's header asks for no more than a page may have.
fn is_page_head(bytes: &[u8]) -> Option<bool> {
    let mut walk = Walk { bytes };
    let (mut last, mut unpacked, mut packed, mut entries) = (0, 0, 0, 0);
    while let Some((id, kind)) = walk.field(&mut last)? {
        match (id, kind) {
            (2, 5) => unpacked = walk.integer()?,
            (3, 5) => packed = walk.integer()?,
            (7, 12) => {
                let mut last = 0;
                while let Some((id, kind)) = walk.field(&mut last)? {
                    match (id, kind) {
                        (1, 5) => entries = walk.integer()?,
                        _ => walk.skip(kind, true, DEPTH_MAX)?,
                    }
                }
            }
            _ => walk.skip(kind, true, DEPTH_MAX)?,
        }
    }
    let sizes = 0..=PAGE_BYTES_MAX;
    // Every entry of a dictionary takes a byte or more.
    Some(sizes.contains(&unpacked) && sizes.contains(&packed) && (0..=unpacked).contains(&entries))
}

/// The bytes of one file, where pages are read.
pub(super) struct Chunks {
    pub file: File,
    pub bytes: u64,
    /// How many bytes of pages have been read.
    pub read: AtomicU64,
}

impl Chunks {
    fn from(&self, start: u64) -> std::io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Chunks {
    type T = Cursor<Vec<u8>>;

    fn get_read(&self, start: u64) -> Result<Cursor<Vec<u8>>> {
        for length in HEAD_BYTES {
            let mut head = Vec::new();
            self.from(start)?.take(length).read_to_end(&mut head)?;
            match is_page_head(&head) {
                Some(true) => return Ok(Cursor::new(head)),
                Some(false) => break,
                None => {}
            }
        }
        Err(ParquetError::General("not the header of a page".to_owned()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes> {
        let mut page = Vec::new();
        self.from(start)?.take(length as u64).read_to_end(&mut page)?;
        self.read.fetch_add(page.len() as u64, Ordering::Relaxed);
        if page.len() < length {
            return Err(ParquetError::EOF("a page breaks off".to_owned()));
        }
        Ok(page.into())
    }
}

/// The pages of one column, each checked before its values are decoded.
pub(super) struct CheckedPages<P> {
    pub pages: P,
    pub has_dictionary: bool,
    /// 1 where values may be null: levels stand in front of the values then.
    pub levels: i16,
    pub is_nested: bool,
}

impl<P: PageReader> Iterator for CheckedPages<P> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl<P: PageReader> PageReader for CheckedPages<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(page) = self.pages.get_next_page()? else { return Ok(None) };
        if self.accepts(&page) {
            self.has_dictionary |= matches!(page, Page::DictionaryPage { .. });
            return Ok(Some(page));
        }
        Err(ParquetError::General("a page that cannot be read".to_owned()))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl<P> CheckedPages<P> {
    fn accepts(&self, page: &Page) -> bool {
        if self.is_nested && page.num_values() as usize > NESTED_VALUES_MAX {
            return false;
        }
        match (page, page.encoding()) {
            (Page::DictionaryPage { .. }, _) => !self.has_dictionary,
            #[allow(deprecated, reason = "old files have it")]
            (_, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY) => self.has_dictionary,
            // It says how many values there are twice, and the second is beyond checking.
            (_, Encoding::DELTA_BYTE_ARRAY) => false,
            (_, Encoding::DELTA_LENGTH_BYTE_ARRAY) => {
                let count = self.delta_values(page);
                count.is_some_and(|count| count <= u64::from(page.num_values()))
            }
            _ => true,
        }
    }

    /// How many values a delta encoding says it holds.
    fn delta_values(&self, page: &Page) -> Option<u64> {
        let mut walk = Walk { bytes: page.buffer() };
        match page {
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                walk.jump(u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len))?;
            }
            _ if self.levels > 0 => {
                let length = u32::from_le_bytes(*walk.bytes.first_chunk()?);
                walk.jump(4 + u64::from(length))?;
            }
            _ => {}
        }
        walk.varint()?;
        walk.varint()?;
        walk.varint()
    }
}
