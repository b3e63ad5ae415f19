//! The models folder: `<task>/stages.json` names the version in service, `<task>/<version>/` is a
//! bundle. Reading, publishing and promoting happen here and nowhere else.

mod folder;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use folder::{next_version, publish, read_files};

use crate::bundle::{Bundle, BundleError, Files};

/// The file that says which version of a task is in service.
const STAGES: &str = "stages.json";
/// The most tasks one models folder may hold.
const TASKS_MAX: usize = 256;

/// Why the models folder cannot be used, or a bundle in it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {reason}")]
    Folder { path: PathBuf, reason: &'static str },
    #[error("{path}: {reason}")]
    Stages { path: PathBuf, reason: String },
    #[error("{path}: refused: {error}")]
    Refused { path: PathBuf, error: Box<BundleError> },
    #[error(
        "{path}: fitted on a simulated population (synthetic_training_data): it must not be put into \
         service for patients; fit the task on your own records, or use --demo to show it"
    )]
    Synthetic { path: PathBuf },
    #[error("{path}: the bundle is task `{task}` version `{version}`, not what its folder says")]
    Misplaced { path: PathBuf, task: String, version: String },
}

impl RegistryError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> RegistryError {
        let path = path.to_owned();
        move |source| RegistryError::Io { path, source }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stages {
    /// The version in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stable: Option<String>,
    /// The version that a server shows when it is asked for demonstrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    demo: Option<String>,
    /// Why the stable version is in service although the gate said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forced: Option<Forced>,
}

/// A promotion that the gate refused and somebody forced. It stands beside the versions, not in one:
/// a bundle's digest does not depend on who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forced {
    pub version: String,
    /// In the words of whoever forced it.
    pub reason: String,
    /// What the gate said against it.
    pub gate: Vec<String>,
}

impl Forced {
    /// What a reader of the card must know.
    pub fn sentence(&self) -> String {
        format!(
            "promoted against the gate, which said: {}. The reason given: {}",
            self.gate.join("; "),
            self.reason
        )
    }
}

/// The stages a version can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In service for patients.
    Stable,
    /// For showing and trying: fitted on a simulated population.
    Demo,
}

/// A task whose bundle was refused, and why.
#[derive(Debug)]
pub struct Refused {
    pub task: String,
    pub error: RegistryError,
}

/// The bundles in service.
#[derive(Debug, Default)]
pub struct Registry {
    served: Vec<Bundle>,
    /// By task, for those in service.
    forced: BTreeMap<String, Forced>,
    refused: Vec<Refused>,
}

impl Registry {
    /// The bundles in service, by task name.
    pub fn served(&self) -> &[Bundle] {
        &self.served
    }

    /// Why the version of `task` is in service although the gate said no; `None` where it did not.
    pub fn forced(&self, task: &str) -> Option<&Forced> {
        self.forced.get(task)
    }

    /// Tasks that should be in service and are not.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
}

/// Loads the stable version of every task in `models`; `concepts` are files of a site, added to
/// each bundle's own concepts. A bundle that fails any check is refused and the others are served. With
/// `demo` the demonstration version is loaded where a task has one; without it, bundles fitted on a
/// simulated population are refused.
///
/// # Errors
/// When the folder or a concept file cannot be read at all.
pub fn load(models: &Path, concepts: &[PathBuf], demo: bool) -> Result<Registry, RegistryError> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(RegistryError::io(path));
    let site: Vec<String> = concepts.iter().map(read).collect::<Result<_, _>>()?;
    let mut registry = Registry::default();
    for (task, folder) in task_folders(models)? {
        match in_stage(&folder, demo, &site) {
            Ok(Some(bundle)) => {
                let forced = stages(&folder)?.forced;
                let of_it = |forced: &Forced| forced.version == bundle.manifest().version;
                registry.forced.extend(forced.filter(of_it).map(|forced| (task, forced)));
                registry.served.push(bundle);
            }
            // A task that has nothing but a demonstration is not there for a server without them.
            Ok(None) => {}
            Err(error) => registry.refused.push(Refused { task, error }),
        }
    }
    Ok(registry)
}

/// The folders of `models` that name a stable version, by name.
fn task_folders(models: &Path) -> Result<Vec<(String, PathBuf)>, RegistryError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(models).map_err(RegistryError::io(models))? {
        let path = entry.map_err(RegistryError::io(models))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|_| path.join(STAGES).is_file()) {
            found.push((name, path));
        }
    }
    found.sort();
    if found.len() > TASKS_MAX {
        return Err(RegistryError::Folder { path: models.into(), reason: "more than 256 tasks" });
    }
    Ok(found)
}

/// The bundle of a task folder that is to be served; `None` where no version has the stage.
fn in_stage(task: &Path, demo: bool, site: &[String]) -> Result<Option<Bundle>, RegistryError> {
    let stages = stages(task)?;
    let version = match demo {
        true => stages.demo.or(stages.stable),
        false => stages.stable,
    };
    let Some(version) = version else { return Ok(None) };
    let path = task.join(version);
    let bundle = open(&path, site)?;
    match bundle.manifest().is_synthetic() && !demo {
        true => Err(RegistryError::Synthetic { path }),
        false => Ok(Some(bundle)),
    }
}

/// The version of `task` that is in service; `None` where none is.
///
/// # Errors
/// When `stages.json` is there and cannot be read.
pub fn stable_version(models: &Path, task: &str) -> Result<Option<String>, RegistryError> {
    let folder = models.join(task);
    match folder.join(STAGES).is_file() {
        true => Ok(stages(&folder)?.stable),
        false => Ok(None),
    }
}

/// What `stages.json` of a task folder says.
fn stages(task: &Path) -> Result<Stages, RegistryError> {
    let path = task.join(STAGES);
    let text = std::fs::read(&path).map_err(RegistryError::io(&path))?;
    let stages: Stages = serde_json::from_slice(&text)
        .map_err(|error| RegistryError::Stages { path: path.clone(), reason: error.to_string() })?;
    let versions = stages.stable.iter().chain(&stages.demo);
    match versions.into_iter().all(|version| folder::is_version(version)) {
        true => Ok(stages),
        false => {
            Err(RegistryError::Stages { path, reason: "a version must be a whole number".into() })
        }
    }
}

/// Opens the bundle in a version folder and checks that it is where it belongs.
///
/// # Errors
/// A folder that holds anything but a bundle's files, or a bundle that fails any check.
pub fn open(path: &Path, site_concepts: &[String]) -> Result<Bundle, RegistryError> {
    let files = read_files(path)?;
    let bundle = Bundle::open_with(&files, site_concepts).map_err(|error| {
        RegistryError::Refused { path: path.to_owned(), error: Box::new(error) }
    })?;
    let real = path.canonicalize().map_err(RegistryError::io(path))?;
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).and_then(|name| name.to_str()).map(str::to_owned)
    };
    let manifest = bundle.manifest();
    let placed = name(Some(&real)).as_deref() == Some(&manifest.version)
        && name(real.parent()).as_deref() == Some(&manifest.task);
    if !placed {
        let (task, version) = (manifest.task.clone(), manifest.version.clone());
        return Err(RegistryError::Misplaced { path: path.to_owned(), task, version });
    }
    Ok(bundle)
}

/// A version that passed every check, with its files.
#[derive(Debug)]
pub struct Opened {
    pub bundle: Bundle,
    pub files: Files,
}

/// Opens `version` of `task` with what its files hold.
///
/// # Errors
/// As `open`.
pub fn open_version(models: &Path, task: &str, version: &str) -> Result<Opened, RegistryError> {
    let path = version_folder(models, task, version)?;
    let bundle = open(&path, &[])?;
    Ok(Opened { bundle, files: read_files(&path)? })
}

fn version_folder(models: &Path, task: &str, version: &str) -> Result<PathBuf, RegistryError> {
    let path = models.join(task).join(version);
    if !folder::is_version(version) {
        return Err(RegistryError::Folder { path, reason: "a version is a whole number" });
    }
    Ok(path)
}

/// Puts `version` of `task` into a stage, once it has been opened and checked; `forced` stands beside it
/// where it goes into service against the gate. Another stage stays as it is.
///
/// # Errors
/// When the bundle fails any check, was fitted on a simulated population and is to be stable, or the
/// stage cannot be written.
pub fn promote(
    models: &Path,
    task: &str,
    version: &str,
    stage: Stage,
    forced: Option<Forced>,
) -> Result<Bundle, RegistryError> {
    let folder = models.join(task);
    let path = version_folder(models, task, version)?;
    let bundle = open(&path, &[])?;
    if stage == Stage::Stable && bundle.manifest().is_synthetic() {
        return Err(RegistryError::Synthetic { path });
    }
    let path = folder.join(STAGES);
    let mut stages = match path.is_file() {
        true => stages(&folder)?,
        false => Stages { stable: None, demo: None, forced: None },
    };
    match stage {
        Stage::Stable => {
            stages.stable = Some(version.to_owned());
            stages.forced = forced;
        }
        Stage::Demo => stages.demo = Some(version.to_owned()),
    }
    let text = serde_json::to_string_pretty(&stages)
        .map_err(|error| RegistryError::Stages { path: path.clone(), reason: error.to_string() })?;
    folder::write_atomically(&path, format!("{text}\n").as_bytes())?;
    Ok(bundle)
}
