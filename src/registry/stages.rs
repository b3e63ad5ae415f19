//! `stages.json`: which version of a task is in service, which older ones are kept beside it, and who
//! decided so against the gate. The only way to change what a server serves.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::folder::{self, is_version};
use super::signature::{self, Message, Trust};
use super::{RegistryError, version};
use crate::bundle::Bundle;
use crate::signing::Signature;

/// The file that says which version of a task is in service.
pub(super) const STAGES: &str = "stages.json";
/// The largest stages file that is read, in bytes.
const STAGES_BYTES_MAX: u64 = 64 << 10;
/// How many earlier versions stay beside the one in service unless somebody says otherwise: enough to
/// go back twice.
pub const VERSIONS_KEPT: usize = 2;
/// The most versions a stages file may keep.
const KEPT_MAX: usize = 16;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stages {
    /// The version in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// The version that a server shows when it is asked for demonstrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo: Option<String>,
    /// Versions that a request may still name, and that a server falls back to when it starts and finds
    /// the stable one damaged; the newest choice first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Why the stable version is in service although the gate said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Forced>,
    /// Rises with every promotion.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub serial: u64,
    /// Of who decided so, over all of the above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
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

impl Stages {
    /// What the file of a task folder says.
    ///
    /// # Errors
    /// A file that is no plain file, is too large, or says what no promotion writes.
    pub(super) fn read(task: &Path) -> Result<Stages, RegistryError> {
        let path = task.join(STAGES);
        let bytes = folder::read_plain(&path, STAGES_BYTES_MAX)?;
        let fault = |reason: String| RegistryError::Stages { path: path.clone(), reason };
        let stages: Stages =
            serde_json::from_slice(&bytes).map_err(RegistryError::stages(&path))?;
        let named = stages.stable.iter().chain(&stages.demo).chain(&stages.kept);
        if !named.into_iter().all(|version| is_version(version)) {
            return Err(fault("a version must be a whole number".to_owned()));
        }
        if stages.kept.len() > KEPT_MAX {
            return Err(fault(format!("more than {KEPT_MAX} versions are kept")));
        }
        Ok(stages)
    }

    /// What its signatures are over.
    fn message(&self, task: &str, path: &Path) -> Result<Message, RegistryError> {
        let unsigned = Stages { signatures: Vec::new(), ..self.clone() };
        let json = serde_json::to_string(&unsigned).map_err(RegistryError::stages(path))?;
        Ok(Message::of_stages(task, &json))
    }

    /// Whether it is signed by one that is trusted, and not older than the serial that was seen.
    ///
    /// # Errors
    /// `Signature` or `Replayed`.
    pub(super) fn check(
        &self,
        trust: &Trust,
        task: &str,
        folder: &Path,
        seen: u64,
    ) -> Result<(), RegistryError> {
        let path = folder.join(STAGES);
        trust.check(&path, &self.message(task, &path)?, &self.signatures)?;
        if self.serial < seen {
            return Err(RegistryError::Replayed { path, serial: self.serial, seen });
        }
        Ok(())
    }

    /// The versions a server loads, the one it prefers first; at most `kept` after that one.
    pub(super) fn wanted(&self, demo: bool, kept: usize) -> Vec<&str> {
        let first = self.demo.iter().filter(|_| demo).chain(&self.stable);
        let mut wanted: Vec<&str> = Vec::new();
        for version in first.chain(&self.kept) {
            if !wanted.contains(&version.as_str()) {
                wanted.push(version);
            }
        }
        // Nothing was promoted for this server: what is kept is no choice by itself.
        if self.stable.is_none() && !(demo && self.demo.is_some()) {
            return Vec::new();
        }
        wanted.truncate(1 + kept);
        wanted
    }

    /// Makes `version` the stable one; the one before it is kept, with at most `kept` in all.
    fn promote(&mut self, version: &str, forced: Option<Forced>, kept: usize) {
        let before = self.stable.replace(version.to_owned());
        self.kept.splice(0..0, before);
        let mut seen = vec![version.to_owned()];
        self.kept.retain(|version| {
            let is_new = !seen.contains(version);
            seen.push(version.clone());
            is_new
        });
        self.kept.truncate(kept.min(KEPT_MAX));
        self.forced = forced;
    }
}

/// The version of `task` that is in service; `None` where none is.
///
/// # Errors
/// When `stages.json` is there and cannot be read.
pub fn stable_version(models: &Path, task: &str) -> Result<Option<String>, RegistryError> {
    let folder = models.join(task);
    match folder.join(STAGES).is_file() {
        true => Ok(Stages::read(&folder)?.stable),
        false => Ok(None),
    }
}

/// A version that is to get a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion<'a> {
    pub task: &'a str,
    pub version: &'a str,
    pub stage: Stage,
    /// Stands beside it where it goes into service against the gate.
    pub forced: Option<Forced>,
    /// How many earlier versions stay beside it, at most 16.
    pub kept: usize,
    /// A private key to sign the decision with, for servers that ask for signatures.
    pub key: Option<&'a Path>,
}

impl<'a> Promotion<'a> {
    /// With as many versions kept as usual, and nothing forced.
    pub fn new(task: &'a str, version: &'a str, stage: Stage) -> Promotion<'a> {
        Promotion { task, version, stage, forced: None, kept: VERSIONS_KEPT, key: None }
    }
}

/// Puts a version into a stage, once it has been opened and checked. Another stage stays as it is.
///
/// # Errors
/// When the bundle fails any check, was fitted on a simulated population and is to be stable, or the
/// stage cannot be written or signed.
pub fn promote(models: &Path, promotion: &Promotion<'_>) -> Result<Bundle, RegistryError> {
    let key = promotion.key.map(signature::private_key).transpose()?;
    let folder = models.join(promotion.task);
    let path = version::version_folder(models, promotion.task, promotion.version)?;
    let bundle = version::open(&path, &[])?;
    if promotion.stage == Stage::Stable && bundle.manifest().is_synthetic() {
        return Err(RegistryError::Synthetic { path });
    }
    let _lock = folder::locked(&folder)?;
    let path = folder.join(STAGES);
    let mut stages = match path.is_file() {
        true => Stages::read(&folder)?,
        false => Stages::default(),
    };
    match promotion.stage {
        Stage::Stable => {
            stages.promote(promotion.version, promotion.forced.clone(), promotion.kept);
        }
        Stage::Demo => stages.demo = Some(promotion.version.to_owned()),
    }
    stages.serial += 1;
    // Whoever signed the file before has not seen what it says now.
    stages.signatures.clear();
    if let Some(key) = key {
        stages.signatures = vec![stages.message(promotion.task, &path)?.signed(&key)];
    }
    let text = serde_json::to_string_pretty(&stages).map_err(RegistryError::stages(&path))?;
    let incoming = path.with_extension("incoming");
    folder::write_atomically(&path, &incoming, format!("{text}\n").as_bytes())?;
    Ok(bundle)
}
