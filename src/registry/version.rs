//! One version folder: opened, checked, and found to be where it belongs.

use std::path::{Path, PathBuf};

use super::RegistryError;
use super::folder::{is_version, read_files};
use crate::bundle::{Bundle, Files};

/// Opens the bundle in a version folder and checks that it is where it belongs.
///
/// # Errors
/// A folder that holds anything but a bundle's files, or a bundle that fails any check.
pub fn open(path: &Path, site_concepts: &[String]) -> Result<Bundle, RegistryError> {
    opened(path, &read_files(path)?, site_concepts)
}

/// The bundle that `files`, read from `path`, are.
pub(super) fn opened(
    path: &Path,
    files: &Files,
    site_concepts: &[String],
) -> Result<Bundle, RegistryError> {
    let bundle = Bundle::open_with(files, site_concepts).map_err(RegistryError::refused(path))?;
    let real = path.canonicalize().map_err(RegistryError::io(path))?;
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).and_then(|name| name.to_str()).map(str::to_owned)
    };
    let manifest = bundle.manifest();
    let placed = name(Some(&real)).as_deref() == Some(&manifest.version)
        && name(real.parent()).as_deref() == Some(&manifest.task);
    if !placed {
        let (task, version) = (manifest.task.clone(), manifest.version.clone());
        return Err(RegistryError::Misplaced { path: path.to_owned(), task, version });
    }
    Ok(bundle)
}

/// A version that passed every check, with its files.
#[derive(Debug)]
pub struct Opened {
    pub bundle: Bundle,
    pub files: Files,
}

/// Opens `version` of `task` with what its files hold.
///
/// # Errors
/// As `open`.
pub fn open_version(models: &Path, task: &str, version: &str) -> Result<Opened, RegistryError> {
    let path = version_folder(models, task, version)?;
    let files = read_files(&path)?;
    Ok(Opened { bundle: opened(&path, &files, &[])?, files })
}

pub(super) fn version_folder(
    models: &Path,
    task: &str,
    version: &str,
) -> Result<PathBuf, RegistryError> {
    let path = models.join(task).join(version);
    if !is_version(version) {
        return Err(RegistryError::Folder { path, reason: "a version is a whole number" });
    }
    Ok(path)
}
