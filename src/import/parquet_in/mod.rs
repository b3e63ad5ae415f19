//! Parquet files read column by column, in batches of rows: MEDS exports, and tables.
//!
//! `ParquetFile` says which columns there are; `Batches` reads those that are asked for. In memory are
//! one batch and one page of each column, whatever the size of the file and of its row groups. What
//! is damaged costs the rest of its row group. `TextRows` gives rows as cells of text, as a
//! CSV file has them.

mod guard;
#[cfg(test)]
mod tests;
mod text_rows;
mod values;
mod words;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::serialized_reader::SerializedPageReader;

pub(super) use text_rows::TextTable;
pub(super) use values::{Holds, Values};
pub(super) use words::Words;

use super::input::InputFile;
use super::{ImportError, Meter};
use guard::{CheckedPages, Chunks};

/// How many rows are read at a time.
const BATCH_ROWS: u64 = 4_096;
/// The longest footer. One of 2,000 row groups of 20 columns has about 6 MB.
const FOOTER_BYTES_MAX: u64 = 8 << 20;
/// What every Parquet file begins and ends with.
const MAGIC: [u8; 4] = *b"PAR1";

/// One column of a file, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnInfo {
    pub name: String,
    /// `None` for a column that cannot be read, such as a nested one.
    pub holds: Option<Holds>,
}

/// An open file.
pub(super) struct ParquetFile {
    name: Arc<str>,
    chunks: Arc<Chunks>,
    metadata: ParquetMetaData,
    columns: Vec<ColumnInfo>,
}

/// Some rows of some columns.
pub(super) struct Batch {
    /// The number of the first row in the file, from 1.
    pub row: u64,
    pub rows: usize,
    /// In the order in which they were asked for.
    pub columns: Vec<Values>,
}

/// The rest of a row group that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    /// The number of its first row in the file, from 1.
    pub row: u64,
    pub rows: u64,
}

impl ParquetFile {
    /// Opens `file` and reads what it says of itself.
    ///
    /// # Errors
    /// A file that cannot be opened, or is no Parquet file.
    pub(super) fn open(file: &InputFile) -> Result<ParquetFile, ImportError> {
        let unreadable = |source| ImportError::Unreadable { path: file.path.clone(), source };
        let no_parquet = |reason| ImportError::NoParquet { file: file.name.to_string(), reason };
        let mut opened = File::open(&file.path).map_err(unreadable)?;
        let bytes = opened.metadata().map_err(unreadable)?.len();
        let footer = footer(&mut opened, bytes).map_err(unreadable)?.map_err(no_parquet)?;
        let damaged = || no_parquet("its footer is damaged");
        if !guard::is_footer(&footer) {
            return Err(damaged());
        }
        let metadata = caught(|| ParquetMetaDataReader::decode_metadata(&footer).ok());
        let metadata = metadata.ok_or_else(damaged)?;
        let schema = metadata.file_metadata().schema_descr();
        let columns: Vec<ColumnInfo> = schema.columns().iter().map(|c| values::info(c)).collect();
        let fits = |group: &RowGroupMetaData| group_fits(group, columns.len(), bytes);
        if !metadata.row_groups().iter().all(fits) {
            return Err(damaged());
        }
        let chunks = Arc::new(Chunks { file: opened, bytes, read: AtomicU64::new(0) });
        Ok(ParquetFile { name: file.name.clone(), chunks, metadata, columns })
    }

    /// The columns, in order: of a nested one each leaf under the name of the whole.
    pub(super) fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// The place of the column called `name`, where there is one; it must hold what `takes` takes.
    ///
    /// # Errors
    /// Two columns of that name, or one that holds something else; `wanted` says what it should be.
    pub(super) fn find(
        &self,
        name: &str,
        wanted: &'static str,
        takes: impl Fn(Holds) -> bool,
    ) -> Result<Option<usize>, ImportError> {
        let (file, column) = (|| self.name.to_string(), || name.to_owned());
        let mut found = self.columns.iter().enumerate().filter(|(_, info)| info.name == name);
        let Some((place, info)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(ImportError::DoubleColumn { file: file(), column: column() });
        }
        if !info.holds.is_some_and(takes) {
            return Err(ImportError::ColumnType { file: file(), column: column(), wanted });
        }
        Ok(Some(place))
    }

    /// The rows of the columns at `places`, which must be places of columns that can be read.
    pub(super) fn batches<'f>(&'f self, places: &[usize], meter: &'f Meter) -> Batches<'f> {
        Batches {
            file: self,
            meter,
            places: places.to_vec(),
            readers: Vec::new(),
            groups_begun: 0,
            left: 0,
            row: 1,
            metered: 0,
        }
    }

    fn open_column(&self, group: &RowGroupMetaData, place: usize) -> Option<OpenColumn> {
        let (chunk, chunks) = (group.columns().get(place)?, Arc::clone(&self.chunks));
        if is_all_null(chunk) {
            return Some(OpenColumn::Nothing);
        }
        let rows = usize::try_from(group.num_rows()).ok()?;
        let pages = SerializedPageReader::new(chunks, chunk, rows, None).ok()?;
        let column = self.metadata.file_metadata().schema_descr().columns().get(place)?;
        if column.physical_type() != chunk.column_type() {
            return None;
        }
        let pages = CheckedPages {
            pages,
            has_dictionary: false,
            levels: column.max_def_level(),
            is_nested: column.max_rep_level() > 0,
        };
        let is_text = self.columns.get(place)?.holds == Some(Holds::Text);
        if is_text && words::are_all(chunk) {
            let (words, places) = words::open(pages, column)?;
            return Some(OpenColumn::Places(places, words));
        }
        Some(OpenColumn::Values(get_column_reader(Arc::clone(column), Box::new(pages))))
    }
}

/// A column of a row group, being read.
enum OpenColumn {
    Values(ColumnReader),
    /// Of text: places in a dictionary.
    Places(ColumnReader, Words),
    /// Its writer says that all of it is null.
    Nothing,
}

impl OpenColumn {
    fn read(&mut self, holds: Holds, rows: usize) -> Option<Values> {
        match self {
            OpenColumn::Values(reader) => values::read(reader, holds, rows),
            OpenColumn::Places(reader, words) => values::read_places(reader, words, rows),
            OpenColumn::Nothing => Some(Values::Nothing),
        }
    }
}

fn is_all_null(chunk: &ColumnChunkMetaData) -> bool {
    let is_list = chunk.column_descr().max_rep_level() > 0;
    let nulls = chunk.statistics().and_then(|statistics| statistics.null_count_opt());
    let values = u64::try_from(chunk.num_values()).ok().filter(|values| *values > 0);
    !is_list && values.is_some() && nulls == values
}

/// What `work` makes of a file's bytes. The Parquet crate asserts some of what a file says (that the
/// values of a dictionary lie inside its page, as seen with damaged files), and a damaged file must not
/// end the program. What `work` was at is not used again.
fn caught<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

/// Reads the footer, if there is one.
fn footer(file: &mut File, bytes: u64) -> std::io::Result<Result<Vec<u8>, &'static str>> {
    let tail_bytes = 8;
    if bytes < tail_bytes + MAGIC.len() as u64 {
        return Ok(Err("it is too short"));
    }
    let mut tail = [0; 8];
    file.seek(SeekFrom::Start(bytes - tail_bytes))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    if magic == *b"PARE" {
        return Ok(Err("it is encrypted"));
    }
    if magic != MAGIC {
        return Ok(Err("it does not end as one, as if it had been cut off"));
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > FOOTER_BYTES_MAX || length > bytes - tail_bytes {
        return Ok(Err("its footer is longer than 8 MiB, or than the file"));
    }
    let mut footer = Vec::new();
    file.seek(SeekFrom::Start(bytes - tail_bytes - length))?;
    file.take(length).read_to_end(&mut footer)?;
    Ok(Ok(footer))
}

/// Whether a row group lies inside the file and has all columns.
fn group_fits(group: &RowGroupMetaData, columns: usize, bytes: u64) -> bool {
    let inside = |start: i64, length: i64| {
        let end = u64::try_from(start).ok().zip(u64::try_from(length).ok());
        end.and_then(|(start, length)| start.checked_add(length)).is_some_and(|end| end <= bytes)
    };
    let each = group.columns().iter().all(|chunk| {
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        inside(start, chunk.compressed_size())
    });
    // So many rows in all groups stay far from the end of what can be counted.
    each && group.columns().len() == columns && (0..=1 << 40).contains(&group.num_rows())
}

/// The rows of a file, batch by batch.
pub(super) struct Batches<'f> {
    file: &'f ParquetFile,
    meter: &'f Meter,
    places: Vec<usize>,
    readers: Vec<OpenColumn>,
    groups_begun: usize,
    /// Rows of the group that are still to come.
    left: u64,
    /// The number of the next row.
    row: u64,
    metered: u64,
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, Broken>;

    fn next(&mut self) -> Option<Result<Batch, Broken>> {
        while self.left == 0 {
            let Some(group) = self.file.metadata.row_groups().get(self.groups_begun) else {
                self.count(self.file.chunks.bytes);
                return None;
            };
            self.groups_begun += 1;
            self.left = u64::try_from(group.num_rows()).unwrap_or_default();
            let column = |place: &usize| self.file.open_column(group, *place);
            match caught(|| self.places.iter().map(column).collect::<Option<Vec<_>>>()) {
                Some(readers) => self.readers = readers,
                None if self.left > 0 => return Some(Err(self.give_up())),
                None => {}
            }
        }
        let rows = self.left.min(BATCH_ROWS) as usize;
        let mut columns = Vec::with_capacity(self.places.len());
        for (place, reader) in self.places.iter().zip(&mut self.readers) {
            let holds = self.file.columns.get(*place).and_then(|info| info.holds);
            let values = holds.and_then(|holds| caught(|| reader.read(holds, rows)));
            match values {
                Some(values) => columns.push(values),
                None => return Some(Err(self.give_up())),
            }
        }
        let row = self.row;
        self.row += rows as u64;
        self.left -= rows as u64;
        self.count(self.file.chunks.read.load(Ordering::Relaxed));
        Some(Ok(Batch { row, rows, columns }))
    }
}

impl Batches<'_> {
    /// Leaves the row group.
    fn give_up(&mut self) -> Broken {
        let broken = Broken { row: self.row, rows: self.left };
        self.row += self.left;
        self.left = 0;
        broken
    }

    /// Tells the meter that so many bytes of the file are done.
    fn count(&mut self, read: u64) {
        let read = read.min(self.file.chunks.bytes);
        self.meter.add(read.saturating_sub(self.metered));
        self.metered = self.metered.max(read);
    }
}
