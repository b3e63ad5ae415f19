//! `promote`: put a version into service, once its own figures have passed the gate.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CommandError, records};
use crate::bundle::{Bundle, METRICS};
use crate::registry::{self, Forced, Promotion, Stage, VERSIONS_KEPT};
use crate::train::{ComparedFigures, GateFigures, Served, refusals};

/// A reason to force a version into service must be no longer, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What `promote` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct PromoteRequest {
    pub models: PathBuf,
    pub task: String,
    pub version: String,
    pub stage: Stage,
    /// The `comparison.json` of a `compare` of this version with the one in service.
    pub comparison: Option<PathBuf>,
    /// Promote it whatever the gate says, for this reason.
    pub force: Option<String>,
    /// How many earlier versions stay beside it.
    pub kept: usize,
    /// A private key to sign the decision with.
    pub key: Option<PathBuf>,
}

impl PromoteRequest {
    /// Into service, by the gate.
    pub fn new(models: &Path, task: String, version: String) -> PromoteRequest {
        let (models, stage) = (models.to_owned(), Stage::Stable);
        let (comparison, force, key) = (None, None, None);
        PromoteRequest { models, task, version, stage, comparison, force, kept: VERSIONS_KEPT, key }
    }
}

/// What `promote` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promoted {
    pub task: String,
    pub version: String,
    pub digest: String,
    /// What the gate said against it, where it was forced.
    pub overruled: Vec<String>,
}

impl Promoted {
    /// What was done, in a sentence.
    pub fn summary(&self, stage: Stage) -> String {
        let who = match stage {
            Stage::Stable => "servers",
            Stage::Demo => "servers started with --demo",
        };
        let Promoted { task, version, .. } = self;
        format!("version {version} of {task} is in service: {who} take it up within seconds")
    }

    /// What was overruled.
    pub fn warnings(&self) -> Vec<String> {
        self.overruled.iter().map(|said| format!("overruled: {said}")).collect()
    }
}

/// Names a version of a task as the one in service, once every check of its bundle has passed and
/// the gate has nothing against it. Servers take it up within seconds. Demonstrations and versions
/// that only show published scores have no figures, and pass no gate.
///
/// # Errors
/// A bundle that is refused, `Gate` with all its reasons, or a stage that cannot be written.
pub fn promote(request: &PromoteRequest) -> Result<Promoted, CommandError> {
    let PromoteRequest { models, task, version, stage, .. } = request;
    let reason = request.force.as_deref().map(checked_reason).transpose()?;
    let overruled = match stage {
        Stage::Demo => Vec::new(),
        Stage::Stable => said(request)?,
    };
    let forced = match reason {
        _ if overruled.is_empty() => None,
        None => return Err(CommandError::Gate(overruled)),
        Some(reason) => Some(Forced { version: version.clone(), reason, gate: overruled.clone() }),
    };
    let (stage, kept, key) = (*stage, request.kept, request.key.as_deref());
    let promotion = Promotion { task, version, stage, forced, kept, key };
    let bundle = registry::promote(models, &promotion)?;
    let digest = bundle.digest().to_owned();
    Ok(Promoted { task: task.clone(), version: version.clone(), digest, overruled })
}

/// The reason as it is kept: one line that says something.
fn checked_reason(reason: &str) -> Result<String, CommandError> {
    let words: Vec<&str> = reason.split_whitespace().collect();
    let reason = words.join(" ");
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(CommandError::Usage(format!(
            "--reason: say in 1 to {REASON_CHARS_MAX} characters why this version is to be in service"
        )));
    }
    Ok(reason)
}

/// What the gate says against the version.
fn said(request: &PromoteRequest) -> Result<Vec<String>, CommandError> {
    let PromoteRequest { models, task, version, .. } = request;
    let opened = registry::open_version(models, task, version)?;
    // Refused further on, whatever the figures are.
    if opened.bundle.is_published_only() || opened.bundle.manifest().is_synthetic() {
        return Ok(Vec::new());
    }
    let figures = figures(&opened.files)?;
    let served = served(request, &opened.bundle, &figures)?;
    Ok(refusals(&figures, &served))
}

fn figures(files: &crate::bundle::Files) -> Result<GateFigures, CommandError> {
    let missing = || CommandError::Data(format!("the version has no {METRICS}: fit it again"));
    let bytes = files.get(METRICS).ok_or_else(missing)?;
    let unreadable = |error| CommandError::Data(format!("{METRICS} of the version: {error}"));
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// The parts of a `comparison.json` that the gate reads.
#[derive(Debug, Deserialize)]
struct ComparisonFile {
    first: Judged,
    second: Judged,
    only_held_out: bool,
    comparison: ComparedFigures,
}

#[derive(Debug, Deserialize)]
struct Judged {
    digest: String,
}

/// The version in service beside `bundle`.
fn served(
    request: &PromoteRequest,
    bundle: &Bundle,
    own: &GateFigures,
) -> Result<Served, CommandError> {
    let PromoteRequest { models, task, version, comparison, .. } = request;
    let Some(stable) = registry::stable_version(models, task)?.filter(|stable| stable != version)
    else {
        return Ok(Served::Nothing);
    };
    // What cannot be opened is not in service either.
    let Ok(other) = registry::open_version(models, task, &stable) else {
        return Ok(Served::Nothing);
    };
    if other.bundle.is_published_only() || other.bundle.manifest().is_synthetic() {
        return Ok(Served::Nothing);
    }
    let Some(path) = comparison else {
        if let Some(figures) = own.beside(other.bundle.digest()) {
            return Ok(Served::Compared { version: stable, figures: figures.clone() });
        }
        let same = same_held_out(bundle, &other.bundle);
        let same_rows = if same { figures(&other.files).ok() } else { None };
        return Ok(Served::NotCompared { version: stable, same_rows });
    };
    let file: ComparisonFile = serde_json::from_str(&records::read_text(path)?)
        .map_err(|error| CommandError::Data(format!("{}: {error}", path.display())))?;
    let wrong = |why: &str| {
        let why = format!("{}: {why}", path.display());
        Err(CommandError::Usage(why))
    };
    if file.first.digest != bundle.digest() || file.second.digest != other.bundle.digest() {
        return wrong(&format!(
            "it does not compare version {version} (first) with version {stable} in service (second)"
        ));
    }
    if !file.only_held_out {
        return wrong(
            "it was made without --only-held-out: a version may have seen the patients it was judged on",
        );
    }
    Ok(Served::Compared { version: stable, figures: file.comparison })
}

/// Whether the fits of both held the same patients of the same source out, as far as their manifests
/// tell.
fn same_held_out(one: &Bundle, other: &Bundle) -> bool {
    let [Some(one), Some(other)] =
        [one, other].map(|bundle| bundle.manifest().development.as_ref())
    else {
        return false;
    };
    one.source == other.source
        && one.years == other.years
        && one.held_out_part == other.held_out_part
}
