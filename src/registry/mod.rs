//! The models folder: `<task>/stages.json` names the version in service, `<task>/<version>/` is a
//! bundle. Reading, publishing, promoting and swapping under a running server happen here and nowhere
//! else.
//!
//! `Models` holds what is in service. A reload builds the next `Registry` beside the present one and
//! swaps it in whole; a caller takes one `Registry` and works on it to its end, so no answer mixes two.
//! Whatever is wrong on disk, what is in memory stays in service. `Releases` does the same for the
//! files of trends.

mod card;
mod folder;
mod load;
mod look;
mod models;
mod report;
mod signature;
mod snapshot;
mod stages;
mod trends;
mod version;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use card::Card;
pub use folder::{next_version, publish, read_files};
pub use models::{ModelSettings, Models};
pub use report::{Change, ReloadReport, TaskReload, VersionName, VersionRefused};
pub use signature::{SignatureFault, SignedVersion, sign, verify};
pub use snapshot::{Refused, Registry, Version};
pub use stages::{Forced, Promotion, Stage, VERSIONS_KEPT, promote, stable_version};
pub use trends::{
    LoadedRelease, LoadedReleases, RELEASE_BYTES_MAX, ReleaseFault, ReleaseRefused, Releases,
    TrendSettings, check_release, read_release,
};
pub use version::{Opened, open, open_version};

use crate::bundle::BundleError;
use crate::signing::KeyError;

/// Why the models folder cannot be used, or a bundle in it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {reason}")]
    Folder { path: PathBuf, reason: &'static str },
    #[error("{path}: larger than {} KiB", bytes_max >> 10)]
    TooLarge { path: PathBuf, bytes_max: u64 },
    #[error("{path}: {reason}")]
    Stages { path: PathBuf, reason: String },
    #[error("{path}: refused: {error}")]
    Refused { path: PathBuf, error: Box<BundleError> },
    #[error(
        "{path}: fitted on a simulated population (synthetic_training_data): it must not be put into \
         service for patients; fit the task on your own records, or use --demo to show it"
    )]
    Synthetic { path: PathBuf },
    #[error("{path}: the bundle is task `{task}` version `{version}`, not what its folder says")]
    Misplaced { path: PathBuf, task: String, version: String },
    #[error("{path}: {fault}")]
    Signature { path: PathBuf, fault: SignatureFault },
    #[error("{path}: {error}")]
    Key { path: PathBuf, error: KeyError },
    /// A stages file that was in service before the present one.
    #[error(
        "{path}: serial {serial}, but {seen} was in service: an older file was put back; to go back \
         to an older version, promote it"
    )]
    Replayed { path: PathBuf, serial: u64, seen: u64 },
    /// A task that is in service and whose folder has gone.
    #[error(
        "{path}: it is gone; to take a task out of service, leave `stable` out of its stages.json"
    )]
    Gone { path: PathBuf },
    #[error("{path}: {fault}")]
    Release { path: PathBuf, fault: ReleaseFault },
    /// A fault of what all tasks share: the models folder, a site's concepts, a key.
    #[error("{0}")]
    Shared(Arc<RegistryError>),
}

impl RegistryError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> RegistryError {
        let path = path.to_owned();
        move |source| RegistryError::Io { path, source }
    }

    fn stages(path: &Path) -> impl FnOnce(serde_json::Error) -> RegistryError {
        let path = path.to_owned();
        move |error| RegistryError::Stages { path, reason: error.to_string() }
    }

    fn key(path: &Path, error: KeyError) -> RegistryError {
        RegistryError::Key { path: path.to_owned(), error }
    }

    fn refused(path: &Path) -> impl FnOnce(BundleError) -> RegistryError {
        let path = path.to_owned();
        move |error| RegistryError::Refused { path, error: Box::new(error) }
    }
}
