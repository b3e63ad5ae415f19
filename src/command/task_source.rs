//! A task file with what belongs to it: concepts, formulas, and a site's own rules.

use std::path::PathBuf;

use super::{CommandError, records};
use crate::record::ConceptSet;
use crate::task::Task;

/// Where a task and what it names are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskSource {
    /// The task file; `concepts.toml` beside its folder is read with it.
    pub file: PathBuf,
    /// Concept files of the site, added to the task's own.
    pub concepts: Vec<PathBuf>,
    /// Formula files of the site, which the task may name beside those built in.
    pub published: Vec<PathBuf>,
    /// A file with rules of planned stays that replaces the task's own.
    pub planned_rules: Option<PathBuf>,
}

impl TaskSource {
    /// The task in `file` with nothing of the site's.
    pub fn new(file: PathBuf) -> TaskSource {
        TaskSource { file, ..TaskSource::default() }
    }

    /// Reads and checks the task.
    ///
    /// # Errors
    /// A file that cannot be read, or a fault in one.
    pub(super) fn read(&self) -> Result<(Task, ConceptSet), CommandError> {
        let concepts = records::concepts(&self.file, &self.concepts)?;
        let formulas = records::formulas(&self.published)?;
        let rules = self.planned_rules.as_deref();
        let task = records::task(&self.file, &concepts, &formulas, rules)?;
        Ok((task, concepts))
    }
}
