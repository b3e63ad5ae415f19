//! Files of one JSON object a line, for their owner alone: whole, or not there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{CommandError, io_error};
use crate::private_file::Incoming;

const BUFFER_BYTES: usize = 1 << 18;

/// A file of lines being written. A file of that name stays until `finish`.
pub(super) struct NdjsonFile {
    path: PathBuf,
    writer: BufWriter<File>,
    incoming: Incoming,
    line: Vec<u8>,
    /// What went wrong first; nothing is written after it, and `finish` tells it.
    failed: Option<CommandError>,
}

impl NdjsonFile {
    /// Begins a file.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn create(path: &Path) -> Result<NdjsonFile, CommandError> {
        let (incoming, file) = Incoming::create(path).map_err(io_error(path))?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(NdjsonFile { path: path.to_owned(), writer, incoming, line: Vec::new(), failed: None })
    }

    /// Adds a line. A reader of records cannot stop at a failed write, so it is kept for `finish`.
    pub(super) fn push(&mut self, value: &impl Serialize) {
        if self.failed.is_none() {
            self.failed = self.write(value).err();
        }
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    /// What did not go right, the first of it.
    pub(super) fn finish(self) -> Result<(), CommandError> {
        let NdjsonFile { path, writer, incoming, failed, .. } = self;
        if let Some(error) = failed {
            return Err(error);
        }
        let file = writer.into_inner().map_err(io::Error::from);
        file.and_then(|file| incoming.keep(&file)).map_err(io_error(&path))
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)
            .map_err(|error| CommandError::Json(error.to_string()))?;
        self.line.push(b'\n');
        self.writer.write_all(&self.line).map_err(io_error(&self.path))
    }
}
