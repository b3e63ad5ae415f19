//! Version folders: read whole with limits, written whole or not at all.

use std::fs::{self, File, Metadata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::RegistryError;
use super::signature::SIGNATURE;
use crate::bundle::Files;
use crate::private_file;

/// The most files a version folder may hold.
pub(super) const FILES_MAX: usize = 64;
/// The one folder that a version folder may hold: the formulas that its task names.
pub(super) const PUBLISHED: &str = "published";
/// The largest file of trees in a bundle, in bytes.
const TREES_BYTES_MAX: u64 = 256 << 20;
/// The largest other file of a bundle, in bytes: they are read as text, which takes more room.
const TEXT_BYTES_MAX: u64 = 32 << 20;
/// The largest version folder, in bytes.
const VERSION_BYTES_MAX: u64 = 1 << 30;

/// Whether `name` is a version: a whole number without a leading zero.
pub(super) fn is_version(name: &str) -> bool {
    name.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == name)
}

/// The files of a version folder; its signatures are no part of it.
///
/// # Errors
/// Anything in the folder but plain files, too many or too large ones.
pub fn read_files(folder: &Path) -> Result<Files, RegistryError> {
    // Without following links, here and below: a link could lead anywhere.
    let metadata = fs::symlink_metadata(folder).map_err(RegistryError::io(folder))?;
    if !metadata.is_dir() {
        return Err(RegistryError::Folder { path: folder.to_owned(), reason: "not a folder" });
    }
    let mut found = Found::default();
    found.look(folder, "")?;
    let published = folder.join(PUBLISHED);
    if fs::symlink_metadata(&published).is_ok_and(|metadata| metadata.is_dir()) {
        found.look(&published, &format!("{PUBLISHED}/"))?;
    }
    let read = |(name, path): (String, PathBuf)| Ok((name, read_plain(&path, bytes_max(&path))?));
    found.files.into_iter().map(read).collect()
}

/// The most bytes that a file of a bundle may hold.
fn bytes_max(path: &Path) -> u64 {
    match path.extension().is_some_and(|extension| extension == "bin") {
        true => TREES_BYTES_MAX,
        false => TEXT_BYTES_MAX,
    }
}

/// What a version folder holds: all of it is looked at before any of it is read.
#[derive(Default)]
struct Found {
    files: Vec<(String, PathBuf)>,
    bytes: u64,
}

impl Found {
    /// Looks at the files of `folder`; `before` stands before their names.
    fn look(&mut self, folder: &Path, before: &str) -> Result<(), RegistryError> {
        for entry in fs::read_dir(folder).map_err(RegistryError::io(folder))? {
            let path = entry.map_err(RegistryError::io(folder))?.path();
            let refuse = |reason| Err(RegistryError::Folder { path: path.clone(), reason });
            let metadata = fs::symlink_metadata(&path).map_err(RegistryError::io(&path))?;
            if metadata.is_dir() && before.is_empty() && path.ends_with(PUBLISHED) {
                continue;
            }
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return refuse("a file name that is not UTF-8");
            };
            check_plain(&path, &metadata, bytes_max(&path))?;
            if before.is_empty() && name == SIGNATURE {
                continue;
            }
            if self.files.len() == FILES_MAX {
                return refuse("more than 64 files in the folder");
            }
            self.bytes += metadata.len();
            if self.bytes > VERSION_BYTES_MAX {
                return refuse("with it the folder holds more than 1 GiB");
            }
            self.files.push((format!("{before}{name}"), path));
        }
        Ok(())
    }
}

fn check_plain(path: &Path, metadata: &Metadata, bytes_max: u64) -> Result<(), RegistryError> {
    if !metadata.is_file() {
        let reason = "not a plain file";
        return Err(RegistryError::Folder { path: path.to_owned(), reason });
    }
    match metadata.len() > bytes_max {
        true => Err(RegistryError::TooLarge { path: path.to_owned(), bytes_max }),
        false => Ok(()),
    }
}

/// The content of a plain file of at most `bytes_max` bytes: its size is looked at before it is read,
/// and it is not read further when it grows meanwhile.
///
/// # Errors
/// Anything but a plain file (a link, a pipe, a folder), a larger one, or one that cannot be read.
pub(super) fn read_plain(path: &Path, bytes_max: u64) -> Result<Vec<u8>, RegistryError> {
    let metadata = fs::symlink_metadata(path).map_err(RegistryError::io(path))?;
    check_plain(path, &metadata, bytes_max)?;
    let file = File::open(path).map_err(RegistryError::io(path))?;
    // What was opened may be another than what was looked at.
    let metadata = file.metadata().map_err(RegistryError::io(path))?;
    check_plain(path, &metadata, bytes_max)?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(bytes_max).read_to_end(&mut bytes).map_err(RegistryError::io(path))?;
    Ok(bytes)
}

/// The version that a new bundle of `task` gets: one above the highest there is.
///
/// # Errors
/// When the task folder cannot be read.
pub fn next_version(models: &Path, task: &str) -> Result<String, RegistryError> {
    let folder = models.join(task);
    let mut highest = 0;
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).map_err(RegistryError::io(&folder))? {
            let name = entry.map_err(RegistryError::io(&folder))?.file_name();
            let number = name.to_str().filter(|name| is_version(name)).and_then(|n| n.parse().ok());
            highest = highest.max(number.unwrap_or(0));
        }
    }
    Ok((highest + 1).to_string())
}

/// Writes `files` as `models/<task>/<version>`: the folder is there whole or not at all, also when
/// the program is killed in between.
///
/// # Errors
/// When the version is there already, or a file cannot be written.
pub fn publish(
    models: &Path,
    task: &str,
    version: &str,
    files: &Files,
) -> Result<PathBuf, RegistryError> {
    let folder = models.join(task);
    let target = folder.join(version);
    fs::create_dir_all(&folder).map_err(RegistryError::io(&folder))?;
    let _lock = locked(&folder)?;
    if target.exists() {
        let reason = "this version is there already";
        return Err(RegistryError::Folder { path: target, reason });
    }
    let incoming = folder.join(format!(".incoming-{version}"));
    if incoming.exists() {
        // Left by a run that was killed.
        fs::remove_dir_all(&incoming).map_err(RegistryError::io(&incoming))?;
    }
    fs::create_dir_all(&incoming).map_err(RegistryError::io(&incoming))?;
    let published = incoming.join(PUBLISHED);
    if files.keys().any(|name| name.starts_with(&format!("{PUBLISHED}/"))) {
        fs::create_dir(&published).map_err(RegistryError::io(&published))?;
    }
    for (name, bytes) in files {
        write_synced(&incoming.join(name), bytes)?;
    }
    if published.is_dir() {
        sync_folder(&published)?;
    }
    sync_folder(&incoming)?;
    fs::rename(&incoming, &target).map_err(RegistryError::io(&target))?;
    sync_folder(&folder)?;
    Ok(target)
}

/// One writer of a task folder at a time; the lock ends with the file, also when the program is killed.
pub(super) fn locked(folder: &Path) -> Result<File, RegistryError> {
    let lock = File::open(folder).map_err(RegistryError::io(folder))?;
    lock.lock().map_err(RegistryError::io(folder))?;
    Ok(lock)
}

/// Writes a file by way of `incoming`, so that a reader sees the old content or the new, never a part.
pub(super) fn write_atomically(
    path: &Path,
    incoming: &Path,
    bytes: &[u8],
) -> Result<(), RegistryError> {
    write_synced(incoming, bytes)?;
    fs::rename(incoming, path).map_err(RegistryError::io(path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let mut file = File::create(path).map_err(RegistryError::io(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(RegistryError::io(path))
}

fn sync_folder(path: &Path) -> Result<(), RegistryError> {
    private_file::sync_folder(path).map_err(RegistryError::io(path))
}
