//! Files and folders with patient data: for their owner alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
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

/// How a file is opened for writing that its owner alone can read; whether it may be there already is
/// for the caller to say.
pub(super) fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}
