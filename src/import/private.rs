//! Files and folders with patient data: for their owner alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those above it, that its owner alone can open; one that is there stays as it
/// is.
///
/// # Errors
/// A folder that cannot be made.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder as `folder` does; one that is there must be empty.
///
/// # Errors
/// A folder that holds something, or cannot be made.
pub(super) fn empty_folder(path: &Path) -> io::Result<()> {
    folder(path)?;
    if fs::read_dir(path)?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty"));
    }
    Ok(())
}

/// Writes a file that is not there yet, and brings it to disk.
///
/// # Errors
/// A file of that name, or a disk that does not take it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = file().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// How a file is opened for writing that its owner alone can read; whether it may be there already is
/// for the caller to say.
pub(super) fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}
