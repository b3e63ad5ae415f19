//! The files of an export, as they are found in its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ImportError, Meter, Quarantined};

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InputFile {
    /// Its name without the folder: what reports call it.
    pub name: Arc<str>,
    pub path: PathBuf,
    /// As it lies on disk.
    pub bytes: u64,
}

impl InputFile {
    /// The report's row for a line of this file; `column` is the column or field at fault.
    pub(super) fn quarantined(
        &self,
        line: u64,
        column: Option<&str>,
        reason: String,
    ) -> Quarantined {
        let (file, column) = (self.name.to_string(), column.map(str::to_owned));
        Quarantined { file, line, column, reason }
    }
}

/// The files of `folder` whose name `fits`, by name.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn files(
    folder: &Path,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<InputFile>, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| fits(name)) else { continue };
        let data = fs::metadata(&path)
            .map_err(|source| ImportError::Unreadable { path: path.clone(), source })?;
        if data.is_file() {
            found.push(InputFile { name: Arc::from(name), bytes: data.len(), path });
        }
    }
    found.sort();
    Ok(found)
}

/// Tells `meter` what is to be read.
pub(super) fn announce(files: &[InputFile], meter: &Meter) {
    meter.await_bytes(files.iter().map(|file| file.bytes).sum());
}
