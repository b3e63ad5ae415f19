//! `Work`: the folder of one import inside the work folder, for its owner alone.
//!
//! Its name is made of all that decides what the import reads, so that a run after an interruption
//! finds the spills of the one before, and one with another export or mapping does not.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::spill::{Spill, SpillWriter};
use crate::import::ImportError;
use crate::import::input::InputFile;
use crate::private_file;

const PREFIX: &str = "prodrome-import-";
const LOCK: &str = "lock";
/// Changes whenever what stands in spills does.
const FORMAT: &str = concat!("prodrome/work/2/", env!("CARGO_PKG_VERSION"));

/// The folder of one import.
#[derive(Debug)]
pub(super) struct Work {
    folder: PathBuf,
    /// Held as long as the import runs.
    _lock: File,
}

impl Work {
    /// Makes or finds the folder for the import of `files`, and removes those of imports that were
    /// interrupted and cannot be gone on with.
    pub(super) fn open(
        work: &Path,
        files: &[InputFile],
        read_as: &str,
    ) -> Result<Work, ImportError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |source| ImportError::Work { path, source }
        };
        private_file::make_folder(work).map_err(fault(work))?;
        let name = format!("{PREFIX}{}", fingerprint(files, read_as).map_err(fault(work))?);
        remove_others(work, &name).map_err(fault(work))?;
        let folder = work.join(name);
        private_file::make_folder(&folder)
            .and_then(|()| is_private(&folder))
            .map_err(fault(&folder))?;
        match lock(&folder) {
            Ok(Some(lock)) => Ok(Work { folder, _lock: lock }),
            Ok(None) => Err(ImportError::WorkInUse { path: folder }),
            Err(error) => Err(fault(&folder)(error)),
        }
    }

    /// The spill of file `number`, where an earlier run has finished it.
    pub(super) fn done(&self, number: usize) -> Result<Option<Spill>, ImportError> {
        let path = self.whole(number);
        Spill::open(number, &path).map_err(|source| ImportError::Work { path, source })
    }

    /// Begins the spill of file `number`.
    pub(super) fn begin(&self, number: usize, shards: u32) -> Result<SpillWriter, ImportError> {
        let part = self.folder.join(format!("{number}.part"));
        let file = private_file::for_writing().create(true).truncate(true).open(&part);
        let file = file.map_err(|source| ImportError::Work { path: part.clone(), source })?;
        Ok(SpillWriter::on_disk(number, shards, file, [part, self.whole(number)]))
    }

    fn whole(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number}.spill"))
    }

    /// Removes the folder: the import is done.
    pub(super) fn remove(mut self) -> Result<(), ImportError> {
        // Taken, so that the end of `self` does not remove what another run may have made since.
        let path = std::mem::take(&mut self.folder);
        fs::remove_dir_all(&path).map_err(|source| ImportError::Work { path, source })
    }
}

impl Drop for Work {
    /// An import that ends with an error leaves nothing behind either.
    fn drop(&mut self) {
        if !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Refuses a folder that others can open or that stands elsewhere: somebody else may have put it there.
fn is_private(path: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(path)?;
    if data.is_dir() && data.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not for its owner alone: remove it"))
}

/// `None` when another process has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let lock = private_file::for_writing().create(true).truncate(false).open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn remove_others(work: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(work)? {
        let entry = entry?;
        let other = entry.file_name();
        let is_ours = other.to_str().is_some_and(|other| other.starts_with(PREFIX));
        if !is_ours || other == name || !entry.path().is_dir() {
            continue;
        }
        if let Some(_lock) = lock(&entry.path())? {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// What the import depends on, in one short word.
fn fingerprint(files: &[InputFile], read_as: &str) -> io::Result<String> {
    let mut digest = Sha256::new().chain_update(FORMAT).chain_update(read_as);
    for file in files {
        let (data, path) = (fs::metadata(&file.path)?, fs::canonicalize(&file.path)?);
        // The change time cannot be set back, as the time of the last writing can.
        let changes = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
        let line = format!("\n{}\t{}\t{}\t{changes:?}", path.display(), data.len(), data.ino());
        digest = digest.chain_update(line);
    }
    let bytes = digest.finalize();
    Ok(bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
