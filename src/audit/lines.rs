//! The lines of one file of a log, read one at a time and never longer than a record can be.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::AuditError;
use super::line::LINE_BYTES_MAX;

const BUFFER_BYTES: usize = 1 << 20;

/// What stands on a line.
#[derive(Debug)]
pub(super) enum Line<'a> {
    /// A line without its line end.
    Whole(&'a [u8]),
    /// The end of the file without a line end; such as a server leaves that is writing just now.
    Rest,
    /// More than a record can be long.
    TooLong,
}

/// The lines of a file, in order.
#[derive(Debug)]
pub(super) struct Lines<'p> {
    path: &'p Path,
    reader: BufReader<File>,
    bytes: Vec<u8>,
    number: u64,
}

impl Lines<'_> {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Lines<'_>, AuditError> {
        let file = File::open(path).map_err(AuditError::io(path))?;
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(Lines { path, reader, bytes: Vec::new(), number: 0 })
    }

    /// The number of the line that was read last, from 1; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn read(&mut self) -> Result<Option<Line<'_>>, AuditError> {
        self.bytes.clear();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut self.bytes).map_err(AuditError::io(self.path))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(match self.bytes.strip_suffix(b"\n") {
            Some(line) => Line::Whole(line),
            None if read < LINE_BYTES_MAX => Line::Rest,
            None => Line::TooLong,
        }))
    }
}
