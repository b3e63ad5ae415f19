//! `promote`: put a version into service.

use std::path::Path;

use serde::Serialize;

use super::CommandError;
use crate::registry::{self, Stage};

/// What `promote` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promoted {
    pub task: String,
    pub version: String,
    pub digest: String,
}

/// Names `version` of `task` as the one in service, once every check of its bundle has passed. A
/// server takes it up when it starts.
///
/// # Errors
/// A bundle that is refused, or a stage that cannot be written.
pub fn promote(
    models: &Path,
    task: &str,
    version: &str,
    stage: Stage,
) -> Result<Promoted, CommandError> {
    let bundle = registry::promote(models, task, version, stage)?;
    let digest = bundle.digest().to_owned();
    Ok(Promoted { task: task.to_owned(), version: version.to_owned(), digest })
}
