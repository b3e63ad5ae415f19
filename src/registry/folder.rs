//! Version folders: read whole with limits, written whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::RegistryError;
use crate::bundle::Files;

/// The most files a version folder may hold.
const FILES_MAX: usize = 64;
/// The one folder that a version folder may hold: the formulas that its task names.
const PUBLISHED: &str = "published";
/// The largest file of a bundle, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Whether `name` is a version: a whole number without a leading zero.
pub(super) fn is_version(name: &str) -> bool {
    name.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == name)
}

/// The files of a version folder.
///
/// # Errors
/// Anything in the folder but plain files, too many or too large ones.
pub fn read_files(folder: &Path) -> Result<Files, RegistryError> {
    let mut files = Files::new();
    read_into(&mut files, folder, "")?;
    let published = folder.join(PUBLISHED);
    // Without following links: a link could lead anywhere.
    if fs::symlink_metadata(&published).is_ok_and(|metadata| metadata.is_dir()) {
        read_into(&mut files, &published, &format!("{PUBLISHED}/"))?;
    }
    Ok(files)
}

/// Reads the files of `folder`; `before` stands before their names.
fn read_into(files: &mut Files, folder: &Path, before: &str) -> Result<(), RegistryError> {
    for entry in fs::read_dir(folder).map_err(RegistryError::io(folder))? {
        let path = entry.map_err(RegistryError::io(folder))?.path();
        let refuse = |reason| Err(RegistryError::Folder { path: path.clone(), reason });
        let metadata = fs::symlink_metadata(&path).map_err(RegistryError::io(&path))?;
        if metadata.is_dir() && before.is_empty() && path.ends_with(PUBLISHED) {
            continue;
        }
        if !metadata.is_file() {
            return refuse("not a plain file");
        }
        if metadata.len() > FILE_BYTES_MAX {
            return refuse("larger than 256 MiB");
        }
        if files.len() == FILES_MAX {
            return refuse("more than 64 files in the folder");
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return refuse("a file name that is not UTF-8");
        };
        let bytes = fs::read(&path).map_err(RegistryError::io(&path))?;
        files.insert(format!("{before}{name}"), bytes);
    }
    Ok(())
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
    // One writer at a time; the lock ends with the file, also when the program is killed.
    let lock = File::open(&folder).map_err(RegistryError::io(&folder))?;
    lock.lock().map_err(RegistryError::io(&folder))?;
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

/// Writes a file so that a reader sees the old content or the new, never a part.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let incoming = path.with_extension("incoming");
    write_synced(&incoming, bytes)?;
    fs::rename(&incoming, path).map_err(RegistryError::io(path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let mut file = File::create(path).map_err(RegistryError::io(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(RegistryError::io(path))
}

fn sync_folder(path: &Path) -> Result<(), RegistryError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(RegistryError::io(path))
}
