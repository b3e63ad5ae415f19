//! The releases of trends that a server shows: read, checked, and swapped while calls run. Whatever is
//! wrong with a file, what was read of it before stays.

mod check;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::RegistryError;
use super::folder::read_plain;
use super::look::Look;
use crate::strict_toml::SettingFault;
use crate::trend::{FORMAT_VERSION, Group, PeerGroup, Release};
pub use check::ReleaseFault;

/// The most releases of a server.
const FILES_MAX: usize = 16;
/// The largest release, in bytes.
pub const RELEASE_BYTES_MAX: u64 = 64 << 20;

/// The section `[trends]`: the releases that the server shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrendSettings {
    /// Files that `prodrome-train trends` wrote, at most 16; none for no trends.
    pub files: Vec<PathBuf>,
}

impl TrendSettings {
    /// # Errors
    /// Too many files, or one that is named twice.
    pub fn check(&self) -> Result<(), Vec<SettingFault>> {
        let fault = |reason| Err(vec![SettingFault { key: "files", reason }]);
        if self.files.len() > FILES_MAX {
            return fault(format!("names {} files: at most {FILES_MAX}", self.files.len()));
        }
        let again = self
            .files
            .iter()
            .enumerate()
            .find(|(place, path)| self.files.iter().take(*place).any(|before| before == *path));
        again.map_or(Ok(()), |(_, path)| fault(format!("names `{}` twice", path.display())))
    }
}

/// A release that was read and checked.
#[derive(Debug)]
pub struct LoadedRelease {
    release: Release,
    /// sha256 of the file, in hexadecimal.
    digest: String,
    path: PathBuf,
    /// Places in `Release::peers`.
    peers: BTreeMap<Group, usize>,
}

impl LoadedRelease {
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// sha256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The peers of this group.
    pub fn peers(&self, group: &Group) -> Option<&PeerGroup> {
        self.peers.get(group).and_then(|place| self.release.peers.get(*place))
    }
}

/// A file that is not shown as the disk has it, and why.
#[derive(Debug)]
pub struct ReleaseRefused {
    pub path: PathBuf,
    pub error: RegistryError,
}

/// The releases at one moment.
#[derive(Debug, Default)]
pub struct LoadedReleases {
    releases: Vec<Arc<LoadedRelease>>,
    refused: Vec<ReleaseRefused>,
}

impl LoadedReleases {
    /// In the order of the settings.
    pub fn releases(&self) -> &[Arc<LoadedRelease>] {
        &self.releases
    }

    /// What the disk holds that cannot be used. A release of the same file may still be shown: the one
    /// that was read before.
    pub fn refused(&self) -> &[ReleaseRefused] {
        &self.refused
    }

    /// The release called `name`.
    pub fn find(&self, name: &str) -> Option<&Arc<LoadedRelease>> {
        self.releases.iter().find(|loaded| loaded.release.name == name)
    }

    fn of_path(&self, path: &Path) -> Option<&Arc<LoadedRelease>> {
        self.releases.iter().find(|loaded| loaded.path == path)
    }
}

/// Holds the releases of a server.
#[derive(Debug)]
pub struct Releases {
    settings: TrendSettings,
    current: ArcSwap<LoadedReleases>,
    /// What the disk looked like just before it was read last; held by whoever reloads.
    looked: Mutex<Look>,
    generation: watch::Sender<u64>,
}

impl Releases {
    /// Reads what the settings name; a file with any fault is refused, and the others are not touched.
    pub fn open(settings: TrendSettings) -> Releases {
        let looked = Mutex::new(settings.look());
        let current = ArcSwap::from_pointee(load(&settings, &LoadedReleases::default()));
        Releases { settings, current, looked, generation: watch::Sender::new(0) }
    }

    /// What is shown now. A call takes it once and uses nothing else.
    pub fn current(&self) -> Arc<LoadedReleases> {
        self.current.load_full()
    }

    /// Whether the settings name no file.
    pub fn is_off(&self) -> bool {
        self.settings.files.is_empty()
    }

    /// Whether a file was written, replaced or removed since it was read. It blocks on the file system.
    pub fn has_changed(&self) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        self.settings.look() != *looked
    }

    /// Reads the files and swaps in what they hold. Of a file that cannot be used, what was read before
    /// stays. One at a time; it blocks on the file system.
    pub fn reload(&self) -> Arc<LoadedReleases> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: what is written meanwhile is seen by the next look.
        *looked = self.settings.look();
        let next = Arc::new(load(&self.settings, &self.current()));
        if next.refused.iter().any(|refused| matches!(refused.error, RegistryError::Io { .. })) {
            // What the disk did not give now it may give at the next look.
            *looked = Look::default();
        }
        self.current.store(Arc::clone(&next));
        self.generation.send_modify(|generation| *generation += 1);
        next
    }

    /// The number of reloads so far, and a wait for the next.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

impl TrendSettings {
    fn look(&self) -> Look {
        Look::of_files(self.files.iter().map(PathBuf::as_path))
    }
}

fn load(settings: &TrendSettings, before: &LoadedReleases) -> LoadedReleases {
    let mut next = LoadedReleases::default();
    for path in &settings.files {
        let known = before.of_path(path);
        let read = read_bytes(path).and_then(|(bytes, digest)| {
            match known.filter(|known| known.digest == digest) {
                Some(known) => Ok(Arc::clone(known)),
                None => loaded(path, &bytes, digest).map(Arc::new),
            }
        });
        let unique = read.and_then(|loaded| match next.find(&loaded.release.name) {
            Some(_) => Err(refuse(path, ReleaseFault::SameName)),
            None => Ok(loaded),
        });
        match unique {
            Ok(loaded) => next.releases.push(loaded),
            Err(error) => {
                let stays = known.filter(|known| next.find(&known.release.name).is_none());
                next.releases.extend(stays.map(Arc::clone));
                next.refused.push(ReleaseRefused { path: path.clone(), error });
            }
        }
    }
    next
}

fn read_bytes(path: &Path) -> Result<(Vec<u8>, String), RegistryError> {
    let bytes = read_plain(path, RELEASE_BYTES_MAX)?;
    let digest = format!("{:x}", Sha256::digest(&bytes));
    Ok((bytes, digest))
}

/// Reads a release and checks it: whole, and without a count that may not be shown.
///
/// # Errors
/// A file that cannot be read, is larger than 64 MiB, or is no release that may be shown; with the
/// place in it.
pub fn read_release(path: &Path) -> Result<Release, RegistryError> {
    let (bytes, digest) = read_bytes(path)?;
    loaded(path, &bytes, digest).map(|loaded| loaded.release)
}

/// Whether a release is whole, and without a count that may not be shown.
///
/// # Errors
/// What is wrong, with its place.
pub fn check_release(release: &Release) -> Result<(), ReleaseFault> {
    check::check(release)
}

fn loaded(path: &Path, bytes: &[u8], digest: String) -> Result<LoadedRelease, RegistryError> {
    let release = parse(bytes).map_err(|fault| refuse(path, fault))?;
    check::check(&release).map_err(|fault| refuse(path, fault))?;
    let each = release.peers.iter().enumerate();
    let peers = each.map(|(place, peers)| (peers.group.clone(), place)).collect();
    Ok(LoadedRelease { release, digest, path: path.to_owned(), peers })
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Header {
    format_version: u32,
}

fn parse(bytes: &[u8]) -> Result<Release, ReleaseFault> {
    serde_json::from_slice(bytes).map_err(|error| {
        // A file of another version mostly has other fields: say what matters.
        match serde_json::from_slice::<Header>(bytes) {
            Ok(Header { format_version }) if format_version != FORMAT_VERSION => {
                ReleaseFault::Format(format_version)
            }
            _ => ReleaseFault::Json { line: error.line(), column: error.column() },
        }
    })
}

fn refuse(path: &Path, fault: ReleaseFault) -> RegistryError {
    RegistryError::Release { path: path.to_owned(), fault }
}
