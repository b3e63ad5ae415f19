//! Columns of text whose pages name the entries of a dictionary: read as places in it, without a look
//! at any text.

use std::sync::Arc;

use parquet::basic::{Encoding, PageType, Type as PhysicalType};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::{ColumnDescriptor, Type};

/// The entries of a column's dictionary in one row group.
pub(in crate::import) type Words = Arc<[ByteArray]>;

/// Whether all pages with values of a column's chunk name entries of its dictionary, as its writer says.
pub(super) fn are_all(chunk: &ColumnChunkMetaData) -> bool {
    #[allow(deprecated, reason = "old files have it")]
    let is_place =
        |encoding| matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    let is_data = |kind| matches!(kind, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
    if let Some(mask) = chunk.page_encoding_stats_mask() {
        return mask.encodings().count() > 0 && mask.encodings().all(is_place);
    }
    chunk.page_encoding_stats().is_some_and(|pages| {
        let mut data = pages.iter().filter(|page| is_data(page.page_type)).peekable();
        data.peek().is_some() && data.all(|page| is_place(page.encoding))
    })
}

/// The dictionary that `pages` begins with, and a reader of the places in it; `None` where it is damaged.
pub(super) fn open(
    mut pages: impl PageReader + 'static,
    column: &ColumnDescriptor,
) -> Option<(Words, ColumnReader)> {
    let Some(Page::DictionaryPage { buf, num_values, encoding, .. }) =
        pages.get_next_page().ok()?
    else {
        return None;
    };
    let count = usize::try_from(num_values).ok()?;
    let mut words: Vec<ByteArray> = Vec::with_capacity(count.min(buf.len()));
    let mut at = 0_usize;
    for _ in 0..count {
        let begin = at.checked_add(4)?;
        let length = buf.get(at..begin)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))?;
        at = begin.checked_add(usize::try_from(length).ok()?)?;
        buf.get(begin..at)?;
        words.push(ByteArray::from(buf.slice(begin..at)));
    }
    let places: Vec<u8> = (0..num_values).flat_map(u32::to_le_bytes).collect();
    let buf = places.into();
    let first = Page::DictionaryPage { buf, num_values, encoding, is_sorted: false };
    let info = column.self_type().get_basic_info();
    let field = Type::primitive_type_builder(column.name(), PhysicalType::INT32);
    let field = field.with_repetition(info.repetition()).build().ok()?;
    let (levels, path) = (column.max_def_level(), column.path().clone());
    let places = ColumnDescriptor::new(Arc::new(field), levels, 0, path);
    let pages = PlacePages { first: Some(first), rest: pages };
    Some((words.into(), get_column_reader(Arc::new(places), Box::new(pages))))
}

/// The pages of a column of text with the dictionary `0, 1, 2 ...` in place of its own.
struct PlacePages<P> {
    first: Option<Page>,
    rest: P,
}

impl<P: PageReader> Iterator for PlacePages<P> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl<P: PageReader> PageReader for PlacePages<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(page) = self.rest.get_next_page()? else { return Ok(None) };
        #[allow(deprecated, reason = "old files have it")]
        let is_place =
            matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        match is_place {
            true => Ok(Some(page)),
            false => Err(ParquetError::General("a page without places".to_owned())),
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.rest.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.rest.skip_next_page()
    }
}
