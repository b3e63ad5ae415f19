//! `published`: a version of a task that shows published scores and nothing else.

use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use super::task_source::TaskSource;
use crate::registry;
use crate::train;

/// What `published` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedRequest {
    /// A task without features of its own.
    pub task: TaskSource,
    pub models: PathBuf,
}

/// What `published` made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishedVersion {
    pub bundle: PathBuf,
    pub version: String,
    pub digest: String,
}

impl PublishedVersion {
    /// What was made, in sentences.
    pub fn summary(&self) -> String {
        format!(
            "written: {} (digest {})\nnot yet in service: see `promote`",
            self.bundle.display(),
            self.digest
        )
    }
}

/// Makes a version of the task that shows its published scores. No records are read.
///
/// # Errors
/// A task with features of its own, files that cannot be read or written.
pub fn published(request: &PublishedRequest) -> Result<PublishedVersion, CommandError> {
    let (task, concepts) = request.task.read()?;
    if !task.params().feature.is_empty() {
        return Err(CommandError::Data(
            "the task has features of its own: `fit` makes its versions".to_owned(),
        ));
    }
    let name = task.params().name.as_str();
    let version = registry::next_version(&request.models, name)?;
    let (files, bundle) = train::published_only(&task, &concepts, &version)?;
    let path = registry::publish(&request.models, name, &version, &files)?;
    Ok(PublishedVersion { bundle: path, version, digest: bundle.digest().to_owned() })
}
