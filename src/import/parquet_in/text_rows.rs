//! `TextRows`: the rows of a Parquet file as cells of text, so that tables read them like a CSV file.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Batch, Batches, Holds, ParquetFile, Values};
use crate::import::csv_rows::{Cells, LINE_BYTES_MAX, RowFault};
use crate::import::input::InputFile;
use crate::import::lines::LineFault;
use crate::import::{ImportError, Meter};

/// A Parquet file whose rows are read as text.
///
/// ```text
/// let table = TextTable::open(file)?;          // an InputFile whose name ends in .parquet
/// let mut rows = table.rows(|name| wanted(name), meter);
/// rows.header(&mut cells);                     // the names of the wanted columns
/// while let Some((row, found)) = rows.next(&mut cells) { ... }
/// ```
///
/// Null is an empty cell. A time is RFC 3339: `2020-07-01T12:00:00Z` where the column is in UTC,
/// `2020-07-01T12:00:00` where it is a wall clock's; a day is `2020-07-01`. A float is the shortest
/// text that reads back the same; a truth value is `true` or `false`.
pub(in crate::import) struct TextTable {
    file: ParquetFile,
}

impl TextTable {
    /// Opens `file`.
    ///
    /// # Errors
    /// A file that cannot be opened, or is no Parquet file.
    pub(in crate::import) fn open(file: &InputFile) -> Result<TextTable, ImportError> {
        Ok(TextTable { file: ParquetFile::open(file)? })
    }

    /// The rows, with the columns that are `wanted`, in the order of the file. Nested columns and times
    /// of the day are left out.
    pub(in crate::import) fn rows<'f>(
        &'f self,
        wanted: impl Fn(&str) -> bool,
        meter: &'f Meter,
    ) -> TextRows<'f> {
        let columns = self.file.columns().iter().enumerate();
        let text = |holds: Option<Holds>| holds.is_some_and(|holds| holds != Holds::Texts);
        let (mut places, mut names) = (Vec::new(), Vec::new());
        for (place, info) in columns.filter(|(_, c)| text(c.holds) && wanted(&c.name)) {
            places.push(place);
            names.push(info.name.as_str());
        }
        TextRows {
            batches: self.file.batches(&places, meter),
            names,
            batch: None,
            at: 0,
            damaged: 0..0,
        }
    }
}

/// How many rows of one damaged part are told of one by one: a damaged file may claim any number.
const DAMAGED_ROWS_MAX: u64 = 10_000_000;

/// The rows of a `TextTable`.
pub(in crate::import) struct TextRows<'f> {
    batches: Batches<'f>,
    names: Vec<&'f str>,
    batch: Option<Batch>,
    /// The place of the next row in the batch.
    at: usize,
    /// The rows of a damaged part that are still to be told of.
    damaged: Range<u64>,
}

impl TextRows<'_> {
    /// Puts the names of the columns into `cells`.
    pub(in crate::import) fn header(&self, cells: &mut Cells) {
        cells.clear();
        self.names
            .iter()
            .for_each(|name| cells.push(|cell| cell.extend_from_slice(name.as_bytes())));
    }

    /// Reads the next row into `cells`: its number, from 1, and what is wrong with it.
    pub(in crate::import) fn next(
        &mut self,
        cells: &mut Cells,
    ) -> Option<(u64, Result<(), RowFault>)> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.at < batch.rows) {
                let (row, number) = (self.at, batch.row + self.at as u64);
                self.at += 1;
                cells.clear();
                for column in &batch.columns {
                    cells.push(|cell| write_cell(column, row, cell));
                    if cells.bytes() > LINE_BYTES_MAX {
                        return Some((number, Err(RowFault::Line(LineFault::TooLong))));
                    }
                }
                return Some((number, Ok(())));
            }
            if let Some(number) = self.damaged.next() {
                return Some((number, Err(RowFault::Damaged)));
            }
            match self.batches.next()? {
                Ok(batch) => (self.batch, self.at) = (Some(batch), 0),
                Err(broken) => {
                    let rows = broken.rows.clamp(1, DAMAGED_ROWS_MAX);
                    self.damaged = broken.row..broken.row.saturating_add(rows);
                }
            }
        }
    }
}

fn write_cell(column: &Values, row: usize, cell: &mut Vec<u8>) {
    let text = match column {
        Values::Texts(_) | Values::Words(..) => {
            let text = column.text(row).unwrap_or_default();
            // What is too long is refused afterwards; of it no more is copied than shows this.
            cell.extend_from_slice(text.get(..LINE_BYTES_MAX + 1).unwrap_or(text));
            return;
        }
        Values::Integers(values) => values.get(row).copied().flatten().map(|n| n.to_string()),
        Values::Booleans(values) => values.get(row).copied().flatten().map(|b| b.to_string()),
        Values::Floats(values) => values.get(row).copied().flatten().map(|n| n.to_string()),
        Values::Doubles(values) => values.get(row).copied().flatten().map(|n| n.to_string()),
        Values::Decimals(values, scale) => {
            values.get(row).copied().flatten().map(|unscaled| decimal(unscaled, *scale))
        }
        Values::Dates(values) => values.get(row).copied().flatten().map(date),
        Values::Instants(values, utc) => {
            values.get(row).copied().flatten().map(|micros| instant(micros, *utc))
        }
        Values::Lists(_) | Values::Nothing => None,
    };
    cell.extend_from_slice(text.unwrap_or_default().as_bytes());
}

const OUT_OF_RANGE: &str = "out of range";

fn date(days: i64) -> String {
    let day = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let seconds = day.contains(&days).then(|| days * 86_400);
    let instant = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let day: Option<Date> = instant.map(|instant| instant.to_zoned(TimeZone::UTC).date());
    day.map_or(OUT_OF_RANGE.to_owned(), |day| day.to_string())
}

fn instant(micros: i64, utc: bool) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(instant) if utc => instant.to_string(),
        Ok(instant) => instant.to_zoned(TimeZone::UTC).datetime().to_string(),
        Err(_) => OUT_OF_RANGE.to_owned(),
    }
}

fn decimal(unscaled: i128, scale: u32) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale as usize + 1);
    let (whole, part) = digits.split_at(digits.len() - scale as usize);
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_instants_and_decimals_are_written_as_tables_write_them() {
        assert_eq!(date(18_444), "2020-07-01");
        assert_eq!(date(i64::MAX), OUT_OF_RANGE);
        assert_eq!(instant(1_593_604_800_000_000, true), "2020-07-01T12:00:00Z");
        assert_eq!(instant(1_593_604_800_250_000, false), "2020-07-01T12:00:00.25");
        assert_eq!(instant(i64::MIN, false), OUT_OF_RANGE);
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1_234, 0), "1234");
    }
}
