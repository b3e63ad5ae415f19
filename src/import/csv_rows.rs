//! Rows of a CSV file, with recovery: a faulty row costs that row alone.
//!
//! The `csv` crate reads a stray quote as the start of a cell that runs on until the next quote,
//! through any number of good rows. Here the lines are kept until the row is known to be one, and
//! given back when it is not.

use std::collections::VecDeque;
use std::ops::Range;

use super::lines::{Line, LineFault, Lines};

/// The longest line, and the longest record of several lines, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 65_536;

/// The most further lines that a quoted cell may run over. Every stray quote costs as much reading.
const ROW_LINES_MAX: usize = 16;

/// How the cells of a file are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub delimiter: u8,
    /// Whether a cell may stand in quotes; else a quote is a character like any other.
    pub quotes: bool,
}

impl Dialect {
    /// The dialect with `delimiter`; `None` for a character that cannot be one.
    pub(super) fn new(delimiter: char, quotes: bool) -> Option<Dialect> {
        let delimiter = u8::try_from(delimiter).ok()?;
        let fits = delimiter == b'\t' || (delimiter.is_ascii_punctuation() && delimiter != b'"');
        fits.then_some(Dialect { delimiter, quotes })
    }
}

/// The cells of one row, unquoted, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    /// The cell at `place`, empty when there is none.
    pub(super) fn get(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range: Range<usize> = match self.ends.get(place) {
            Some(end) => start.unwrap_or(0)..*end,
            None => 0..0,
        };
        self.bytes.get(range).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How long all cells are together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a cell; `write` appends its bytes.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.get(place))
    }
}

/// Why a row is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFault {
    Line(LineFault),
    OpenQuote,
    StrayQuote,
    /// How many columns there are, and how many there should be.
    Columns(usize, usize),
    /// A row of a part of a file, such as a Parquet row group, that cannot be unpacked.
    Damaged,
}

impl RowFault {
    /// What is wrong, in words.
    pub(super) fn reason(self) -> String {
        match self {
            RowFault::Line(LineFault::TooLong) => "a line longer than 65536 bytes".to_owned(),
            RowFault::Line(LineFault::Broken) => {
                "the file breaks off or is damaged: it is not read from here on".to_owned()
            }
            RowFault::Damaged => "in a part of the file that is damaged".to_owned(),
            RowFault::OpenQuote => "a quote is opened and not closed".to_owned(),
            RowFault::StrayQuote => "a quote inside a quoted cell is not doubled".to_owned(),
            RowFault::Columns(found, expected) => {
                format!("{found} columns, where the header has {expected}")
            }
        }
    }
}

/// What stands on a line that begins a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    Cells,
    Blank,
}

/// The rows of one file.
pub(super) struct Rows<'m> {
    lines: Lines<'m>,
    /// Lines that a faulty row had taken and gave back.
    pending: VecDeque<Line>,
    dialect: Dialect,
    /// How many columns a row must have; unknown until the header is read.
    columns: Option<usize>,
    scratch: Cells,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Whole,
    OpenQuote,
    StrayQuote,
}

impl<'m> Rows<'m> {
    pub(super) fn new(lines: Lines<'m>, dialect: Dialect) -> Rows<'m> {
        let (pending, scratch) = (VecDeque::new(), Cells::default());
        Rows { lines, pending, dialect, columns: None, scratch }
    }

    /// From now on every row must have `columns` columns.
    pub(super) fn expect_columns(&mut self, columns: usize) {
        self.columns = Some(columns);
    }

    /// Reads the next row into `cells`: the line it begins on, and what it is.
    pub(super) fn next(&mut self, cells: &mut Cells) -> Option<(u64, Result<RowKind, RowFault>)> {
        let line = self.next_line()?;
        let row = match line.text {
            Err(fault) => Err(RowFault::Line(fault)),
            Ok(text) if text.iter().all(u8::is_ascii_whitespace) => Ok(RowKind::Blank),
            Ok(text) => self.join(text, cells).map(|()| RowKind::Cells),
        };
        Some((line.number, row))
    }

    fn next_line(&mut self) -> Option<Line> {
        self.pending.pop_front().or_else(|| self.lines.next())
    }

    /// Splits `text` and as many further lines as an open quote needs. A fault gives those back.
    fn join(&mut self, mut text: Vec<u8>, cells: &mut Cells) -> Result<(), RowFault> {
        let mut taken = Vec::new();
        let fault = loop {
            match split(&text, self.dialect, cells) {
                Split::StrayQuote => break RowFault::StrayQuote,
                Split::Whole => match self.columns {
                    Some(columns) if columns != cells.len() => {
                        break RowFault::Columns(cells.len(), columns);
                    }
                    _ => return Ok(()),
                },
                Split::OpenQuote => {}
            }
            if taken.len() == ROW_LINES_MAX {
                break RowFault::OpenQuote;
            }
            let Some(line) = self.next_line() else { break RowFault::OpenQuote };
            let room = LINE_BYTES_MAX - text.len().min(LINE_BYTES_MAX);
            match &line.text {
                Ok(more) if more.len() < room && !self.is_row(more) => {
                    text.push(b'\n');
                    text.extend_from_slice(more);
                    taken.push(line);
                }
                _ => {
                    self.pending.push_front(line);
                    break RowFault::OpenQuote;
                }
            }
        };
        while let Some(line) = taken.pop() {
            self.pending.push_front(line);
        }
        Err(fault)
    }

    /// Whether a line inside an open quote is a row by itself: then the quote is a stray one.
    fn is_row(&mut self, line: &[u8]) -> bool {
        let split = split(line, self.dialect, &mut self.scratch);
        split == Split::Whole && self.columns == Some(self.scratch.len())
    }
}

/// Splits one record into `cells`: a cell that begins with a quote runs to the next quote that is
/// not doubled; a quote elsewhere in a cell is a character.
fn split(record: &[u8], dialect: Dialect, cells: &mut Cells) -> Split {
    cells.clear();
    let mut rest = record;
    loop {
        if let Some(quoted) = rest.strip_prefix(b"\"").filter(|_| dialect.quotes) {
            rest = match unquote(quoted, &mut cells.bytes) {
                Some(rest) => rest,
                None => return Split::OpenQuote,
            };
        } else {
            let end = rest.iter().position(|byte| *byte == dialect.delimiter).unwrap_or(rest.len());
            let (cell, after) = rest.split_at(end);
            cells.bytes.extend_from_slice(cell);
            rest = after;
        }
        cells.ends.push(cells.bytes.len());
        rest = match rest.split_first() {
            None => return Split::Whole,
            Some((byte, after)) if *byte == dialect.delimiter => after,
            Some(_) => return Split::StrayQuote,
        };
    }
}

/// Adds a quoted cell to `bytes` and returns what follows its closing quote, if it has one.
fn unquote<'a>(mut quoted: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let (cell, after) = quoted.split_at(end);
        bytes.extend_from_slice(cell);
        quoted = after.strip_prefix(b"\"")?;
        match quoted.strip_prefix(b"\"") {
            Some(after) => {
                bytes.push(b'"');
                quoted = after;
            }
            None => return Some(quoted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(record: &str) -> Result<Vec<String>, Split> {
        let mut cells = Cells::default();
        let comma = Dialect { delimiter: b',', quotes: true };
        match split(record.as_bytes(), comma, &mut cells) {
            Split::Whole => {
                let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).unwrap();
                Ok(cells.iter().map(text).collect())
            }
            fault => Err(fault),
        }
    }

    #[test]
    fn cells_are_split_as_rfc_4180_says() {
        assert_eq!(cells("a,,c").unwrap(), ["a", "", "c"]);
        assert_eq!(cells("\"a,b\",\"say \"\"x\"\"\",\"\"").unwrap(), ["a,b", "say \"x\"", ""]);
        assert_eq!(cells("a,").unwrap(), ["a", ""]);
        assert_eq!(cells("5\" pipe,b").unwrap(), ["5\" pipe", "b"]);
        assert_eq!(cells("a,\"b,c"), Err(Split::OpenQuote));
        assert_eq!(cells("\"a\" b,c"), Err(Split::StrayQuote));
    }
}
