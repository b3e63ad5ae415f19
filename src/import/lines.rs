//! Lines of a plain, gzip or zstd file, one at a time and never more than a set length in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::input::InputFile;
use super::{ImportError, Meter};

const BUFFER_BYTES: usize = 1 << 18;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Why a line is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    TooLong,
    /// The file cannot be read from here on: a packed file that breaks off, or a failing disk.
    Broken,
}

/// The bytes of a file on disk, counted as they are read.
struct Metered<'m> {
    file: File,
    meter: &'m Meter,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.meter.add(read as u64);
        Ok(read)
    }
}

fn open<'m>(file: &InputFile, meter: &'m Meter) -> io::Result<Box<dyn BufRead + 'm>> {
    let file = Metered { file: File::open(&file.path)?, meter };
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let begin = file.fill_buf()?;
    Ok(if begin.starts_with(&GZIP_MAGIC) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file)))
    } else if begin.starts_with(&ZSTD_MAGIC) {
        let unpacked = zstd::stream::read::Decoder::with_buffer(file)?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked))
    } else {
        Box::new(file)
    })
}

/// One line without its line end.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub number: u64,
    pub text: Result<Vec<u8>, LineFault>,
}

/// The lines of one file.
pub(super) struct Lines<'m> {
    source: Box<dyn BufRead + 'm>,
    /// The longest line, in bytes.
    line_bytes_max: usize,
    number: u64,
    ended: bool,
}

impl<'m> Lines<'m> {
    /// Opens `file`; how it is packed is told by its first bytes, not by its name.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(super) fn open(
        file: &InputFile,
        line_bytes_max: usize,
        meter: &'m Meter,
    ) -> Result<Lines<'m>, ImportError> {
        let source = open(file, meter)
            .map_err(|source| ImportError::Unreadable { path: file.path.clone(), source })?;
        Ok(Lines { source, line_bytes_max, number: 0, ended: false })
    }

    /// Reads the next line into `text` and says its number and what is wrong with it.
    pub(super) fn next_into(&mut self, text: &mut Vec<u8>) -> Option<(u64, Result<(), LineFault>)> {
        if self.ended {
            return None;
        }
        text.clear();
        // What was read of a line before the file broke is not used: it may be half a row.
        let found = self.read_line(text).unwrap_or(Some(Err(LineFault::Broken)));
        self.ended = !matches!(found, Some(Ok(()) | Err(LineFault::TooLong)));
        let found = found?;
        self.number += 1;
        Some((self.number, found))
    }

    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<Option<Result<(), LineFault>>> {
        let mut begun = false;
        loop {
            let found = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                found => found?,
            };
            if found.is_empty() {
                if !begun {
                    return Ok(None);
                }
                break;
            }
            begun = true;
            let end = memchr::memchr(b'\n', found);
            let piece = found.get(..end.unwrap_or(found.len())).unwrap_or_default();
            if text.len() + piece.len() > self.line_bytes_max {
                self.source.skip_until(b'\n')?;
                return Ok(Some(Err(LineFault::TooLong)));
            }
            text.extend_from_slice(piece);
            let taken = piece.len() + usize::from(end.is_some());
            self.source.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        if self.number == 0 && text.starts_with(&UTF8_BOM) {
            text.drain(..UTF8_BOM.len());
        }
        Ok(Some(Ok(())))
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let mut text = Vec::new();
        let (number, found) = self.next_into(&mut text)?;
        Some(Line { number, text: found.map(|()| text) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_line_of_100_mb_is_passed_over_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson.gz");
        let file = File::create(&path).unwrap();
        let mut file = GzEncoder::new(file, flate2::Compression::fast());
        let piece = vec![b'x'; 1 << 20];
        (0..100).for_each(|_| file.write_all(&piece).unwrap());
        file.write_all(b"\nnext\r\n").unwrap();
        file.finish().unwrap();
        let file = InputFile { name: Arc::from("a"), path, bytes: 0 };
        let meter = Meter::default();
        let mut lines = Lines::open(&file, 1 << 20, &meter).unwrap();
        let mut text = Vec::new();
        assert_eq!(lines.next_into(&mut text), Some((1, Err(LineFault::TooLong))));
        assert!(text.capacity() <= 2 << 20, "{}", text.capacity());
        assert_eq!(lines.next_into(&mut text), Some((2, Ok(()))));
        assert_eq!(text, b"next");
        assert_eq!(lines.next_into(&mut text), None);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        std::fs::write(&path, "12345\n\n123456\n1234\r\n12345").unwrap();
        let file = InputFile { name: Arc::from("a"), path, bytes: 0 };
        let meter = Meter::default();
        let lines = Lines::open(&file, 5, &meter).unwrap();
        let found: Vec<_> = lines.map(|line| line.text.map(|text| text.len())).collect();
        assert_eq!(found, [Ok(5), Ok(0), Err(LineFault::TooLong), Ok(4), Ok(5)]);
    }
}
