//! The files of a bundle and their sums: what the manifest names is what there is, and nothing else.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::manifest::{FileEntry, Manifest};
use super::open::{Bundle, BundleError, Files, MANIFEST};

impl Bundle {
    /// Whether `files` are the very ones it was opened from.
    pub fn holds(&self, files: &Files) -> bool {
        digest(files).is_ok_and(|digest| digest == self.digest())
            && check_files(&self.manifest().files, files).is_ok()
    }

    /// Checks that `bytes` are the file called `name` that it was opened with.
    ///
    /// # Errors
    /// `Extra` for a file it has not, `Changed` for other bytes.
    pub fn check_file(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let entry = self.manifest().files.get(name);
        entry.ok_or_else(|| BundleError::Extra(name.to_owned()))?.check(name, bytes)
    }
}

/// The files of a bundle with its manifest, the sha256 of every file written into it.
///
/// # Errors
/// When the manifest cannot be written as JSON.
pub fn sealed(mut manifest: Manifest, mut files: Files) -> Result<Files, BundleError> {
    files.remove(MANIFEST);
    let entry = |bytes: &Vec<u8>| FileEntry { bytes: bytes.len() as u64, sha256: hex(bytes) };
    manifest.files = files.iter().map(|(name, bytes)| (name.clone(), entry(bytes))).collect();
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| BundleError::Manifest(error.to_string()))?;
    text.push(b'\n');
    files.insert(MANIFEST.to_owned(), text);
    Ok(files)
}

/// The digest that the bundle has which `files` are: sha256 of the manifest, in hexadecimal.
///
/// # Errors
/// `NoManifest`.
pub fn digest(files: &Files) -> Result<String, BundleError> {
    manifest_bytes(files).map(hex)
}

pub(super) fn manifest_bytes(files: &Files) -> Result<&[u8], BundleError> {
    files.get(MANIFEST).map(Vec::as_slice).ok_or(BundleError::NoManifest)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(super) fn check_files(
    named: &BTreeMap<String, FileEntry>,
    files: &Files,
) -> Result<(), BundleError> {
    if let Some(extra) = files.keys().find(|name| *name != MANIFEST && !named.contains_key(*name)) {
        return Err(BundleError::Extra(extra.clone()));
    }
    for (name, entry) in named {
        let bytes = files.get(name).ok_or_else(|| BundleError::Missing(name.clone()))?;
        entry.check(name, bytes)?;
    }
    Ok(())
}

impl FileEntry {
    fn check(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        match bytes.len() as u64 == self.bytes && hex(bytes) == self.sha256 {
            true => Ok(()),
            false => Err(BundleError::Changed(name.to_owned())),
        }
    }
}
