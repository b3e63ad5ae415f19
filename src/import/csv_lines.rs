//! Lines of a plain or gzip file, one at a time and never more than a set length in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// The longest line, and the longest record of several lines, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 65_536;

const BUFFER_BYTES: usize = 65_536;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Why a line is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    TooLong,
    /// The file cannot be read from here on: a gzip file that breaks off, or a failing disk.
    Broken,
}

/// One line without its line end.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub number: u64,
    pub text: Result<Vec<u8>, LineFault>,
}

/// The lines of one file.
pub(super) struct Lines {
    source: Box<dyn BufRead>,
    number: u64,
    ended: bool,
}

impl Lines {
    /// Opens `path`; whether it is packed is told by its first bytes, not by its name.
    pub(super) fn open(path: &Path) -> io::Result<Lines> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        let source: Box<dyn BufRead> = if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Lines { source, number: 0, ended: false })
    }

    fn read_line(&mut self) -> io::Result<Option<Result<Vec<u8>, LineFault>>> {
        let mut text = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        self.source.by_ref().take(limit).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(None);
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() > LINE_BYTES_MAX {
            self.source.skip_until(b'\n')?;
            return Ok(Some(Err(LineFault::TooLong)));
        }
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        if self.number == 0 && text.starts_with(&UTF8_BOM) {
            text.drain(..UTF8_BOM.len());
        }
        Ok(Some(Ok(text)))
    }
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.ended {
            return None;
        }
        // What was read of a line before the file broke is not used: it may be half a row.
        let text = self.read_line().unwrap_or(Some(Err(LineFault::Broken)));
        self.ended = !matches!(text, Some(Ok(_) | Err(LineFault::TooLong)));
        let text = text?;
        self.number += 1;
        Some(Line { number: self.number, text })
    }
}
