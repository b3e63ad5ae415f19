//! `SyntheticMark`: that an export holds nobody's records, but a simulated population's.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::WriteError;
use crate::private_file;

/// The file in an export's folder that is the mark.
const NAME: &str = "synthetic.json";

/// The mark that a simulated export carries beside its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticMark;

impl SyntheticMark {
    /// Marks the export in `folder`; `about` says what it was made from, as a JSON object.
    ///
    /// # Errors
    /// A mark that is there already, or a disk that does not take it.
    pub fn write(folder: &Path, about: &serde_json::Value) -> Result<(), WriteError> {
        let path = folder.join(NAME);
        let text = format!("{about:#}\n");
        private_file::write_new(&path, text.as_bytes())
            .map_err(|source| WriteError::Io { path, source })
    }

    /// Carries the mark of the export in `from`, if it has one, on to the export in `to`.
    ///
    /// # Errors
    /// A mark that cannot be read or written.
    pub fn carry(from: &Path, to: &Path) -> Result<(), WriteError> {
        let path = from.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(WriteError::Io { path, source }),
        };
        let path = to.join(NAME);
        private_file::write_new(&path, &text).map_err(|source| WriteError::Io { path, source })
    }

    /// Whether the export in `folder` is marked. A mark counts whatever is in it: an export must not
    /// lose it by a typing fault.
    pub fn is_on(folder: &Path) -> bool {
        fs::symlink_metadata(folder.join(NAME)).is_ok()
    }

    /// Whether the file of this name is the mark.
    pub fn is_name(name: &OsStr) -> bool {
        name == NAME
    }

    /// Removes the mark of an export that failed.
    pub fn discard(folder: &Path) {
        let _ = fs::remove_file(folder.join(NAME));
    }
}
