//! What a reload did: for logs, metrics and the answer of `ReloadModels`.

use std::collections::BTreeSet;

use super::snapshot::{Registry, Version};

/// A version by its number and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionName {
    pub version: String,
    /// sha256 of the bundle, in hexadecimal.
    pub digest: String,
}

/// A version that is not in service as the disk has it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRefused {
    /// `None` where the fault is the task's: its stages file, its folder.
    pub version: Option<String>,
    /// One sentence with the place and the fault.
    pub reason: String,
}

/// What became of the version of a task that a request gets which names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The same bundle as before; also `None` as before.
    Unchanged,
    /// The task was not in service.
    Added,
    /// Another bundle is in service.
    Swapped,
    /// The task is no longer in service.
    Removed,
}

/// What a reload did with one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReload {
    pub task: String,
    /// In service before, and after, for requests that name no version.
    pub before: Option<VersionName>,
    pub after: Option<VersionName>,
    /// Further versions that a request may name now.
    pub kept: Vec<VersionName>,
    /// What the disk holds and is not in service.
    pub refused: Vec<VersionRefused>,
}

impl TaskReload {
    /// What became of the task's version in service.
    pub fn change(&self) -> Change {
        match (&self.before, &self.after) {
            (before, after) if before == after => Change::Unchanged,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Swapped,
        }
    }
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadReport {
    /// Counts the reloads since the start.
    pub generation: u64,
    /// By name, all that are or were in service or refused.
    pub tasks: Vec<TaskReload>,
    /// Why nothing could be read and all stays as it was: the models folder, a site's concepts, a key.
    pub fault: Option<String>,
}

impl ReloadReport {
    /// Whether the disk held nothing that had to be refused.
    pub fn is_clean(&self) -> bool {
        self.fault.is_none() && self.tasks.iter().all(|task| task.refused.is_empty())
    }

    pub(super) fn between(
        before: &Registry,
        after: &Registry,
        generation: u64,
        fault: Option<String>,
    ) -> ReloadReport {
        let refused = after.refused().iter().map(|refused| refused.task.as_str());
        let tasks: BTreeSet<&str> = before.tasks().chain(after.tasks()).chain(refused).collect();
        let task = |task: &str| TaskReload {
            task: task.to_owned(),
            before: before.default_of(task).map(name),
            after: after.default_of(task).map(name),
            kept: after.of_task(task).filter(|version| !version.is_default).map(name).collect(),
            refused: after
                .refused()
                .iter()
                .filter(|refused| refused.task == task)
                .map(|refused| VersionRefused {
                    version: refused.version.clone(),
                    reason: refused.error.to_string(),
                })
                .collect(),
        };
        ReloadReport { generation, tasks: tasks.into_iter().map(task).collect(), fault }
    }
}

fn name(version: &Version) -> VersionName {
    VersionName { version: version.number().to_owned(), digest: version.bundle.digest().to_owned() }
}
