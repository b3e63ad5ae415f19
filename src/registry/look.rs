//! A cheap look at the models folder: whether a file of it was written, replaced or removed since.
//!
//! It stats files and reads only `stages.json`. A write that leaves a file's size as it is and falls
//! into the same tick of the file system's clock (some milliseconds) can escape it; a reload reads
//! everything and sees it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ModelSettings;
use super::folder::{FILES_MAX, PUBLISHED};
use super::load::task_folders;
use super::stages::{STAGES, Stages};

/// What the file system says of one file: a write, a rename onto it or a touch changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed_seconds: i64,
    changed_nanos: i64,
}

/// The stamps of all files that decide what is in service; `None` for one that is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look(BTreeMap<PathBuf, Option<Stamp>>);

impl Look {
    /// Looks now.
    pub(super) fn take(settings: &ModelSettings) -> Look {
        let mut look = Look::default();
        settings.shared_files().for_each(|path| look.add(path));
        let Ok(folders) = task_folders(&settings.folder) else {
            look.0.insert(settings.folder.clone(), None);
            return look;
        };
        for (_, folder) in folders {
            look.add(&folder.join(STAGES));
            let Ok(stages) = Stages::read(&folder) else { continue };
            for version in stages.wanted(settings.demo, settings.versions_kept) {
                let version = folder.join(version);
                look.add_folder(&version);
                look.add_folder(&version.join(PUBLISHED));
            }
        }
        look
    }

    /// Looks at these files now.
    pub(super) fn of_files<'a>(paths: impl Iterator<Item = &'a Path>) -> Look {
        let mut look = Look::default();
        paths.for_each(|path| look.add(path));
        look
    }

    fn add(&mut self, path: &Path) {
        let stamp = fs::symlink_metadata(path).ok().map(|metadata| Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed_seconds: metadata.ctime(),
            changed_nanos: metadata.ctime_nsec(),
        });
        self.0.insert(path.to_owned(), stamp);
    }

    fn add_folder(&mut self, folder: &Path) {
        self.add(folder);
        // One more than a bundle may hold is enough to see that it holds too many.
        let entries = fs::read_dir(folder).into_iter().flatten().take(FILES_MAX + 1);
        entries.flatten().for_each(|entry| self.add(&entry.path()));
    }
}
