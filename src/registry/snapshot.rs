//! What is in service at one moment: the versions of all tasks, and those refused with the reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Forced, RegistryError};
use crate::bundle::Bundle;
use crate::signing::Signature;

/// A version in memory, ready to score.
#[derive(Debug, Clone)]
pub struct Version {
    pub(super) bundle: Arc<Bundle>,
    pub(super) folder: PathBuf,
    pub(super) signatures: Vec<Signature>,
    pub(super) forced: Option<Forced>,
    pub(super) is_default: bool,
}

impl Version {
    /// The bundle; the last call that holds it frees it once another is in service.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// Whether a request that names no version of this task gets it.
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// Why it is in service although the gate said no; `None` where it did not.
    pub fn forced(&self) -> Option<&Forced> {
        self.forced.as_ref()
    }

    /// The folder it was read from.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn task(&self) -> &str {
        &self.bundle.manifest().task
    }

    pub(super) fn number(&self) -> &str {
        &self.bundle.manifest().version
    }
}

/// A version, or a whole task, that should be in service and is not as the disk has it.
#[derive(Debug)]
pub struct Refused {
    pub task: String,
    /// `None` where the fault is not one version's.
    pub version: Option<String>,
    pub error: RegistryError,
}

impl Refused {
    /// Whether the disk was at fault, which may be another matter the next time.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.error, RegistryError::Io { .. })
    }
}

/// The models in service at one moment. It never changes: a reload makes another.
#[derive(Debug, Default)]
pub struct Registry {
    versions: Vec<Version>,
    served: Vec<Arc<Bundle>>,
    refused: Vec<Refused>,
    /// The highest serial of each task's stages file that was in service, where signatures are asked for.
    pub(super) serials: BTreeMap<String, u64>,
    /// The concept files of the site that the bundles were opened with.
    site: Vec<String>,
}

impl Registry {
    /// The bundle of each task that a request gets which names no version, by task name.
    pub fn served(&self) -> &[Arc<Bundle>] {
        &self.served
    }

    /// All versions that a request may name, by task, the default of each first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The versions of one task, the default first.
    pub fn of_task(&self, task: &str) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(move |version| version.task() == task)
    }

    /// The version of `task` with this number.
    pub fn find(&self, task: &str, version: &str) -> Option<&Version> {
        self.of_task(task).find(|known| known.number() == version)
    }

    /// The version of `task` that a request gets which names none.
    pub fn default_of(&self, task: &str) -> Option<&Version> {
        self.of_task(task).find(|known| known.is_default)
    }

    /// Why the version of `task` in service is so although the gate said no; `None` where it did not.
    pub fn forced(&self, task: &str) -> Option<&Forced> {
        self.default_of(task)?.forced()
    }

    /// What should be in service and is not as the disk has it. A task named here may still be served:
    /// by the version that was in memory, or by an older one.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Nothing yet, of a site with these concept files.
    pub(super) fn of_site(site: Vec<String>) -> Registry {
        Registry { site, ..Registry::default() }
    }

    pub(super) fn site(&self) -> &[String] {
        &self.site
    }

    /// Adds a version behind those of its task: the first one is the default.
    pub(super) fn add(&mut self, version: Version) {
        if self.find(version.task(), version.number()).is_some() {
            return;
        }
        let is_default = self.default_of(version.task()).is_none();
        if is_default {
            self.served.push(Arc::clone(&version.bundle));
        }
        self.versions.push(Version { is_default, ..version });
    }

    pub(super) fn refuse(&mut self, task: &str, version: Option<&str>, error: RegistryError) {
        let (task, version) = (task.to_owned(), version.map(str::to_owned));
        self.refused.push(Refused { task, version, error });
    }

    /// The names of the tasks with a version in service, each once.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().filter(|version| version.is_default).map(Version::task)
    }

    /// In the order of the task names, whatever order they came in.
    pub(super) fn sorted(mut self) -> Registry {
        self.versions.sort_by(|a, b| a.task().cmp(b.task()));
        self.served.sort_by(|a, b| a.manifest().task.cmp(&b.manifest().task));
        self.refused.sort_by(|a, b| a.task.cmp(&b.task));
        self
    }
}
