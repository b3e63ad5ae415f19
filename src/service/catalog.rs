//! What is in service: the list of models, the look-up of one, and its card.

use super::{Service, ServiceError};
use crate::registry::{Forced, Refused, Registry, Version};

/// A model as `ListModels` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    pub task: String,
    pub title: String,
    /// Empty where a whole task is refused.
    pub version: String,
    /// Whether a request that names no version of the task gets this one.
    pub is_default: bool,
    pub bundle_digest: String,
    pub task_digest: String,
    pub families: Vec<String>,
    pub horizon_days: u32,
    pub auroc: Option<f64>,
    /// Fitted on a simulated population: for showing and trying alone.
    pub synthetic_training_data: bool,
    /// The task is a definition that nobody has checked against records.
    pub not_validated: bool,
    /// Why it is in service although the gate said no, with what the gate said; `None` for one that
    /// passed.
    pub forced: Option<String>,
    /// Why it is not in service as the disk has it; `None` when it is.
    pub refused: Option<String>,
}

/// The card of a version in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCard {
    pub task: String,
    pub version: String,
    pub bundle_digest: String,
    /// For people, in Markdown.
    pub markdown: String,
    /// All figures of the fit, as JSON; `None` for a version that was not fitted.
    pub metrics_json: Option<String>,
}

impl Service {
    /// All models: those in service by task, the default of each first, then those refused.
    pub fn list_models(&self) -> Vec<ModelInfo> {
        let registry = self.models.current();
        let versions = registry.versions().iter().map(in_service);
        versions.chain(registry.refused().iter().map(refused)).collect()
    }

    /// The card of a version of `task`; of the default one where `version` is `None`. It reads files, and
    /// blocks on the file system.
    ///
    /// # Errors
    /// A task or version that is not in service, or a card that the disk no longer holds as it was when
    /// the version was loaded.
    pub fn model_card(&self, task: &str, version: Option<&str>) -> Result<ModelCard, ServiceError> {
        let registry = self.models.current();
        let found = find(&registry, task, version)?;
        let manifest = found.bundle().manifest();
        let read = found.card().map_err(|error| {
            tracing::warn!(task, version, %error, "a card cannot be read");
            let (task, version) = (task.to_owned(), manifest.version.clone());
            ServiceError::CardUnreadable { task, version }
        })?;
        Ok(ModelCard {
            task: manifest.task.clone(),
            version: manifest.version.clone(),
            bundle_digest: found.bundle().digest().to_owned(),
            markdown: read.markdown,
            metrics_json: read.metrics_json,
        })
    }
}

/// The version that a request for `task` gets.
pub(super) fn find<'a>(
    registry: &'a Registry,
    task: &str,
    version: Option<&str>,
) -> Result<&'a Version, ServiceError> {
    let default = registry.default_of(task).ok_or_else(|| unknown_task(registry, task))?;
    let Some(version) = version else { return Ok(default) };
    registry.find(task, version).ok_or_else(|| {
        let (task, version) = (task.to_owned(), version.to_owned());
        ServiceError::UnknownVersion { task, version }
    })
}

fn unknown_task(registry: &Registry, task: &str) -> ServiceError {
    let names = registry.served().iter().map(|bundle| &bundle.manifest().task);
    let nearest = names.min_by_key(|name| strsim::damerau_levenshtein(name, task)).cloned();
    ServiceError::UnknownTask { task: task.to_owned(), nearest }
}

fn in_service(version: &Version) -> ModelInfo {
    let bundle = version.bundle();
    let manifest = bundle.manifest();
    ModelInfo {
        task: manifest.task.clone(),
        title: bundle.task().params().title.clone(),
        version: manifest.version.clone(),
        is_default: version.is_default(),
        bundle_digest: bundle.digest().to_owned(),
        task_digest: bundle.task().digest().to_owned(),
        families: manifest.members.iter().map(|member| member.family.to_string()).collect(),
        horizon_days: bundle.task().params().time_at_risk.horizon_days,
        auroc: manifest.held_out.map(|figures| figures.auroc),
        synthetic_training_data: manifest.is_synthetic(),
        not_validated: bundle.task().params().not_validated,
        forced: version.forced().map(Forced::sentence),
        refused: None,
    }
}

fn refused(refused: &Refused) -> ModelInfo {
    ModelInfo {
        task: refused.task.clone(),
        title: String::new(),
        version: refused.version.clone().unwrap_or_default(),
        is_default: false,
        bundle_digest: String::new(),
        task_digest: String::new(),
        families: Vec::new(),
        horizon_days: 0,
        auroc: None,
        synthetic_training_data: false,
        not_validated: false,
        forced: None,
        refused: Some(refused.error.to_string()),
    }
}
