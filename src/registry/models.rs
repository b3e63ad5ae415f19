//! The models in service, and how they are swapped while calls run.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::look::Look;
use super::report::ReloadReport;
use super::snapshot::{Refused, Registry};
use super::{RegistryError, VERSIONS_KEPT, load};

/// The section `[models]`: where the models are, and which of them may be in service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// The models folder.
    pub folder: PathBuf,
    /// Concept files of the site, added to each bundle's own concepts.
    pub concepts: Vec<PathBuf>,
    /// Whether the demonstration version is in service where a task has one. Without it, bundles fitted
    /// on a simulated population are refused.
    pub demo: bool,
    /// Public keys (PEM): with any, a version is in service only when one of them signed it, and a stages
    /// file counts only when one of them signed it.
    pub require_signature: Vec<PathBuf>,
    /// A file with the ids of keys that count no more, one a line.
    pub revoked_keys: Option<PathBuf>,
    /// How many versions of a task are loaded beside the one in service, at most.
    pub versions_kept: usize,
    /// How often whoever serves the models looks whether the folder has changed.
    pub reload_seconds: u64,
}

impl Default for ModelSettings {
    fn default() -> ModelSettings {
        ModelSettings {
            folder: "models".into(),
            concepts: Vec::new(),
            demo: false,
            require_signature: Vec::new(),
            revoked_keys: None,
            versions_kept: VERSIONS_KEPT,
            reload_seconds: 5,
        }
    }
}

impl ModelSettings {
    /// The stable versions of a folder, with two more of each task.
    pub fn new(folder: &Path) -> ModelSettings {
        ModelSettings { folder: folder.to_owned(), ..ModelSettings::default() }
    }

    /// The files that matter to all tasks.
    pub(super) fn shared_files(&self) -> impl Iterator<Item = &Path> {
        let keys = self.require_signature.iter().chain(&self.revoked_keys);
        self.concepts.iter().chain(keys).map(PathBuf::as_path)
    }
}

/// Holds the models in service. `reload` swaps them whole; whoever took them before goes on with
/// what it has.
#[derive(Debug)]
pub struct Models {
    settings: ModelSettings,
    current: ArcSwap<Registry>,
    /// What the disk looked like just before it was read last; held by whoever reloads.
    looked: Mutex<Look>,
    generation: watch::Sender<u64>,
}

impl Models {
    /// Loads what the folder has. A version that fails any check is refused, and an older one that the
    /// stages file keeps is put in its place; other tasks are not touched.
    ///
    /// # Errors
    /// When the folder, a concept file or a key cannot be read at all.
    pub fn open(settings: ModelSettings) -> Result<Models, RegistryError> {
        let looked = Mutex::new(Look::take(&settings));
        let current = ArcSwap::from_pointee(load::load(&settings, &Registry::default())?);
        Ok(Models { settings, current, looked, generation: watch::Sender::new(0) })
    }

    /// What is in service now. A call takes it once and uses nothing else.
    pub fn current(&self) -> Arc<Registry> {
        self.current.load_full()
    }

    /// Whether the disk differs from what it was when it was read last. Cheap enough to ask every few
    /// seconds: it stats the files and reads only stages files. It blocks on the file system.
    pub fn has_changed(&self) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        Look::take(&self.settings) != *looked
    }

    /// Reads the disk and swaps in what it holds, checked whole. Whatever is wrong there is refused, and
    /// what was in service stays. One at a time; it blocks on the file system.
    pub fn reload(&self) -> ReloadReport {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: what is written meanwhile is seen by the next look.
        *looked = Look::take(&self.settings);
        let before = self.current();
        let (next, fault) = match load::load(&self.settings, &before) {
            Ok(next) => (next, None),
            Err(error) => {
                let error = Arc::new(error);
                (load::kept(&before, &error), Some(error.to_string()))
            }
        };
        let generation = *self.generation.borrow() + 1;
        let report = ReloadReport::between(&before, &next, generation, fault);
        if report.fault.is_some() || next.refused().iter().any(Refused::may_pass) {
            // What the disk did not give now it may give at the next look.
            *looked = Look::default();
        }
        self.current.store(Arc::new(next));
        self.generation.send_replace(generation);
        report
    }

    /// The number of reloads so far, and a wait for the next: for whoever tells others what is in
    /// service.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}
