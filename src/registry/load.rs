//! From the models folder to what is in service next. What is wrong with one task touches no other; a
//! version in memory is reused where the disk still holds the same, and stays where the disk holds
//! nothing better.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{read_files, read_plain};
use super::signature::{Message, Trust, read_signatures};
use super::snapshot::{Registry, Version};
use super::stages::{STAGES, Stages};
use super::version::{opened, version_folder};
use super::{ModelSettings, RegistryError};
use crate::bundle::digest;
use crate::signing::Signature;

/// The most tasks one models folder may hold.
const TASKS_MAX: usize = 256;
/// The most entries of a models folder that are looked at.
const ENTRIES_MAX: usize = 4_096;
/// The largest concept file of a site, in bytes.
const CONCEPTS_BYTES_MAX: u64 = 16 << 20;

/// The models that `settings` name, after those of `before`.
///
/// # Errors
/// What all tasks share: the models folder, a site's concept file or a key that cannot be read.
pub(super) fn load(settings: &ModelSettings, before: &Registry) -> Result<Registry, RegistryError> {
    let loading = Loading { settings, trust: Trust::read(settings)?, before };
    let mut next = Registry::of_site(site_concepts(settings)?);
    next.serials.clone_from(&before.serials);
    let folders = task_folders(&settings.folder)?;
    for (task, folder) in &folders {
        loading.add_task(&mut next, task, folder);
    }
    for task in before.tasks() {
        if !folders.iter().any(|(known, _)| known == task) {
            loading.keep_task(&mut next, task);
            next.refuse(task, None, RegistryError::Gone { path: settings.folder.join(task) });
        }
    }
    Ok(next.sorted())
}

/// What is in service when nothing can be read: all that was, and the reason.
pub(super) fn kept(before: &Registry, error: &Arc<RegistryError>) -> Registry {
    let mut next = Registry::of_site(before.site().to_vec());
    next.serials.clone_from(&before.serials);
    before.versions().iter().for_each(|version| next.add(version.clone()));
    for task in before.tasks() {
        next.refuse(task, None, RegistryError::Shared(Arc::clone(error)));
    }
    next
}

fn site_concepts(settings: &ModelSettings) -> Result<Vec<String>, RegistryError> {
    let text = |path: &PathBuf| {
        let bytes = read_plain(path, CONCEPTS_BYTES_MAX)?;
        let reason = "not UTF-8 text";
        String::from_utf8(bytes).map_err(|_| RegistryError::Folder { path: path.clone(), reason })
    };
    settings.concepts.iter().map(text).collect()
}

/// The folders of `models` that name versions, by name.
pub(super) fn task_folders(models: &Path) -> Result<Vec<(String, PathBuf)>, RegistryError> {
    let refuse = |reason| Err(RegistryError::Folder { path: models.into(), reason });
    let mut found = Vec::new();
    for (number, entry) in std::fs::read_dir(models).map_err(RegistryError::io(models))?.enumerate()
    {
        if number == ENTRIES_MAX {
            return refuse("more than 4,096 entries: not a models folder");
        }
        let path = entry.map_err(RegistryError::io(models))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        // Whatever stands there under that name is looked at: what is no plain file is a fault to tell.
        let is_task = path.join(STAGES).symlink_metadata().is_ok();
        found.extend(name.filter(|_| is_task).map(|name| (name, path)));
        if found.len() > TASKS_MAX {
            return refuse("more than 256 tasks");
        }
    }
    found.sort();
    Ok(found)
}

/// What a loading stands on.
struct Loading<'a> {
    settings: &'a ModelSettings,
    /// `None` where no signature is asked for.
    trust: Option<Trust>,
    before: &'a Registry,
}

impl Loading<'_> {
    fn add_task(&self, next: &mut Registry, task: &str, folder: &Path) {
        let stages = match self.stages(next, task, folder) {
            Ok(stages) => stages,
            Err(error) => {
                self.keep_task(next, task);
                return next.refuse(task, None, error);
            }
        };
        for number in stages.wanted(self.settings.demo, self.settings.versions_kept) {
            match self.version(next, task, number) {
                Ok(version) => {
                    let forced = stages.forced.clone().filter(|forced| forced.version == number);
                    next.add(Version { forced, ..version });
                }
                Err(error) => {
                    // The preferred version is damaged: what answers now goes on answering.
                    let is_first = next.default_of(task).is_none();
                    let stays = self.before.default_of(task).filter(|_| is_first);
                    let stays = stays.or_else(|| self.before.find(task, number));
                    stays.into_iter().for_each(|version| self.keep(next, version));
                    next.refuse(task, Some(number), error);
                }
            }
        }
    }

    /// The stages of a task, by one who may decide them.
    fn stages(
        &self,
        next: &mut Registry,
        task: &str,
        folder: &Path,
    ) -> Result<Stages, RegistryError> {
        let stages = Stages::read(folder)?;
        if let Some(trust) = &self.trust {
            let seen = next.serials.get(task).copied().unwrap_or(0);
            stages.check(trust, task, folder, seen)?;
            next.serials.insert(task.to_owned(), stages.serial);
        }
        Ok(stages)
    }

    /// All versions of a task that are in memory go on.
    fn keep_task(&self, next: &mut Registry, task: &str) {
        self.before.of_task(task).for_each(|version| self.keep(next, version));
    }

    /// A version in memory goes on, unless whoever signed it is trusted no more.
    fn keep(&self, next: &mut Registry, version: &Version) {
        let digest = version.bundle.digest();
        let (task, number) = (version.task(), version.number());
        match self.trusted(version.folder(), task, number, digest, &version.signatures) {
            Ok(()) => next.add(version.clone()),
            Err(error) => next.refuse(task, Some(number), error),
        }
    }

    /// A version as the disk has it; the bundle in memory where the disk still holds the same.
    fn version(&self, next: &Registry, task: &str, number: &str) -> Result<Version, RegistryError> {
        let folder = version_folder(&self.settings.folder, task, number)?;
        let files = read_files(&folder)?;
        let signatures = match &self.trust {
            Some(_) => read_signatures(&folder)?,
            None => Vec::new(),
        };
        let digest = digest(&files).map_err(RegistryError::refused(&folder))?;
        // Before anything in it is looked at.
        self.trusted(&folder, task, number, &digest, &signatures)?;
        let known = self.before.find(task, number).filter(|_| self.before.site() == next.site());
        let bundle = match known.filter(|known| known.bundle.holds(&files)) {
            Some(known) => Arc::clone(&known.bundle),
            None => Arc::new(opened(&folder, &files, next.site())?),
        };
        if bundle.manifest().is_synthetic() && !self.settings.demo {
            return Err(RegistryError::Synthetic { path: folder });
        }
        Ok(Version { bundle, folder, signatures, forced: None, is_default: false })
    }

    fn trusted(
        &self,
        folder: &Path,
        task: &str,
        number: &str,
        digest: &str,
        signatures: &[Signature],
    ) -> Result<(), RegistryError> {
        let Some(trust) = &self.trust else { return Ok(()) };
        trust.check(folder, &Message::of_version(task, number, digest), signatures)
    }
}
