//! From the models folder to what is in service next. What is wrong with one task touches no other; a
//! version in memory is reused where the disk still holds the same, and stays where the disk holds
//! nothing better.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{read_files, read_plain};
use super::snapshot::{Registry, Version};
use super::stages::{STAGES, Stages};
use super::version::{opened, version_folder};
use super::{ModelSettings, RegistryError};

/// The most tasks one models folder may hold.
const TASKS_MAX: usize = 256;
/// The most entries of a models folder that are looked at.
const ENTRIES_MAX: usize = 4_096;
/// The largest concept file of a site, in bytes.
const CONCEPTS_BYTES_MAX: u64 = 16 << 20;

/// The models that `settings` name, after those of `before`.
///
/// # Errors
/// What all tasks share: the models folder or a site's concept file that cannot be read.
pub(super) fn load(settings: &ModelSettings, before: &Registry) -> Result<Registry, RegistryError> {
    let site = site_concepts(settings)?;
    let mut next = Registry::of_site(site);
    let folders = task_folders(&settings.folder)?;
    for (task, folder) in &folders {
        add_task(&mut next, &Wanted { settings, before, task, folder });
    }
    for task in before.tasks() {
        if !folders.iter().any(|(known, _)| known == task) {
            keep_task(&mut next, before, task);
            next.refuse(task, None, RegistryError::Gone { path: settings.folder.join(task) });
        }
    }
    Ok(next.sorted())
}

/// What is in service when nothing can be read: all that was, and the reason.
pub(super) fn kept(before: &Registry, error: &Arc<RegistryError>) -> Registry {
    let mut next = Registry::of_site(before.site().to_vec());
    for task in before.tasks() {
        keep_task(&mut next, before, task);
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

/// A task that is to be loaded.
struct Wanted<'a> {
    settings: &'a ModelSettings,
    before: &'a Registry,
    task: &'a str,
    folder: &'a Path,
}

fn add_task(next: &mut Registry, wanted: &Wanted<'_>) {
    let Wanted { settings, before, task, folder } = *wanted;
    let stages = match Stages::read(folder) {
        Ok(stages) => stages,
        Err(error) => {
            keep_task(next, before, task);
            return next.refuse(task, None, error);
        }
    };
    for number in stages.wanted(settings.demo, settings.versions_kept) {
        match version(next, wanted, number) {
            Ok(version) => {
                let forced = stages.forced.clone().filter(|forced| forced.version == number);
                next.add(Version { forced, ..version });
            }
            Err(error) => {
                // The preferred version is damaged: what answers now goes on answering.
                let is_first = next.default_of(task).is_none();
                let stays = before.default_of(task).filter(|_| is_first);
                let stays = stays.or_else(|| before.find(task, number));
                stays.into_iter().for_each(|version| next.add(version.clone()));
                next.refuse(task, Some(number), error);
            }
        }
    }
}

/// All versions of a task that are in memory go on.
fn keep_task(next: &mut Registry, before: &Registry, task: &str) {
    before.of_task(task).for_each(|version| next.add(version.clone()));
}

/// A version as the disk has it; the bundle in memory where the disk still holds the same.
fn version(next: &Registry, wanted: &Wanted<'_>, number: &str) -> Result<Version, RegistryError> {
    let Wanted { settings, before, task, .. } = *wanted;
    let folder = version_folder(&settings.folder, task, number)?;
    let files = read_files(&folder)?;
    let known = before.find(task, number).filter(|_| before.site() == next.site());
    let bundle = match known.filter(|known| known.bundle.holds(&files)) {
        Some(known) => Arc::clone(&known.bundle),
        None => Arc::new(opened(&folder, &files, next.site())?),
    };
    if bundle.manifest().is_synthetic() && !settings.demo {
        return Err(RegistryError::Synthetic { path: folder });
    }
    Ok(Version { bundle, folder, forced: None, is_default: false })
}
