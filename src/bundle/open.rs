//! Opening a bundle: every file is checked before anything is used.

use std::collections::BTreeMap;

use super::drift_watch::DriftWatch;
use super::interval::Interval;
use super::manifest::{FORMAT_VERSION, Manifest};
use super::reference::Reference;
use super::sums::{check_files, hex, manifest_bytes};
use super::tier::TierCut;
use crate::feature::Column;
use crate::model::{
    Calibrator, Family, FlatTrees, InputSpec, Linear, Member, ModelError, Recalibrated,
};
use crate::published::{FormulaError, Formulas};
use crate::record::{ConceptError, ConceptSet};
use crate::task::{Task, TaskError};

/// The files of a bundle by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// The name of the file with the figures of the fit.
pub const METRICS: &str = "metrics.json";

/// The name of the card: what the model is good for and what not.
pub const CARD: &str = "card.md";

/// The name of the report for people.
pub const REPORT: &str = "report.html";

/// The folder of the formulas a bundle carries.
const PUBLISHED: &str = "published/";

/// How far a golden input's probability may be from the expected one.
const GOLDEN_TOLERANCE: f64 = 1e-9;

/// The most golden inputs, and the most members: opening a bundle must end soon whatever it says.
const GOLDEN_MAX: usize = 1_024;
const MEMBERS_MAX: usize = 16;

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BundleError {
    #[error("{MANIFEST} is missing")]
    NoManifest,
    #[error("{MANIFEST} cannot be read: {0}")]
    Manifest(String),
    #[error("{MANIFEST} has format version {found}; this program reads {FORMAT_VERSION}")]
    FormatVersion { found: u32 },
    #[error("{file} cannot be read: {reason}")]
    Json { file: String, reason: String },
    #[error("file {0} is missing")]
    Missing(String),
    #[error("file {0} is not in the manifest")]
    Extra(String),
    #[error("file {0} is not the one the manifest names (its sha256 differs)")]
    Changed(String),
    #[error("task.toml: {0}")]
    Task(#[from] TaskError),
    #[error("concepts.toml: {0}")]
    Concepts(#[from] ConceptError),
    #[error("{PUBLISHED}: {0}")]
    Published(#[from] FormulaError),
    #[error("{part}: {error}")]
    Model { part: String, error: ModelError },
    #[error("{MANIFEST} contradicts itself: {0}")]
    Contradiction(&'static str),
    #[error("golden input {number} gets another probability than it must")]
    Golden { number: usize },
}

/// A member of a bundle, ready to predict.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BundleMember {
    pub model: Member,
    pub calibrator: Calibrator,
    pub weight: f64,
    /// Where its explanations start.
    pub reference: Reference,
}

/// A checked bundle.
#[derive(Debug)]
pub struct Bundle {
    manifest: Manifest,
    digest: String,
    concepts: ConceptSet,
    task: Task,
    columns: Vec<Column>,
    /// For each feature the places of its columns.
    columns_of: Vec<Vec<usize>>,
    members: Vec<BundleMember>,
    drift_watch: Option<DriftWatch>,
}

impl Bundle {
    /// Checks `files` and makes them ready to predict.
    ///
    /// # Errors
    /// The first fault found, in one sentence.
    pub fn open(files: &Files) -> Result<Bundle, BundleError> {
        Bundle::open_with(files, &[])
    }

    /// As `open`, with concept files of a site added to the bundle's own concepts.
    ///
    /// # Errors
    /// As `open`; also for a fault in a site's file.
    pub fn open_with(files: &Files, site_concepts: &[String]) -> Result<Bundle, BundleError> {
        let bundle = Bundle::read(files, site_concepts)?;
        if bundle.is_published_only() {
            return Ok(bundle);
        }
        let weight: f64 = bundle.manifest.columns.iter().map(|column| column.weight).sum();
        if (weight - 1.0).abs() > 1e-6 {
            return Err(BundleError::Contradiction("column weights must sum to 1"));
        }
        bundle.check_golden()?;
        Ok(bundle)
    }

    /// A bundle whose golden inputs are not looked at: for the trainer, which makes them with it.
    ///
    /// # Errors
    /// As `open`.
    pub fn draft(files: &Files) -> Result<Bundle, BundleError> {
        Bundle::read(files, &[])
    }

    fn read(files: &Files, site_concepts: &[String]) -> Result<Bundle, BundleError> {
        let bytes = manifest_bytes(files)?;
        let manifest = read_manifest(bytes)?;
        check_files(&manifest.files, files)?;
        let mut concepts = ConceptSet::parse(text(files, "concepts.toml")?)?;
        for site in site_concepts {
            concepts = concepts.extended(site)?;
        }
        let task = Task::parse_with(text(files, "task.toml")?, &concepts, &formulas(files)?)?;
        let columns = manifest.vocabulary.columns(task.spec());
        check_manifest(&manifest, &task, &columns)?;
        let members = members(&manifest, files)?;
        let columns_of = columns_of(&task, &columns);
        let digest = hex(bytes);
        let drift_watch = manifest.drift_reference.as_ref().map(DriftWatch::new);
        Ok(Bundle { manifest, digest, concepts, task, columns, columns_of, members, drift_watch })
    }

    fn check_golden(&self) -> Result<(), BundleError> {
        if self.manifest.golden.is_empty() {
            return Err(BundleError::Contradiction("there is no golden input"));
        }
        for (number, golden) in self.manifest.golden.iter().enumerate() {
            let got = self.predict(&golden.values()).probability;
            // Written so that a NaN fails.
            let same = (got - golden.probability).abs() <= GOLDEN_TOLERANCE;
            if !same {
                return Err(BundleError::Golden { number });
            }
        }
        Ok(())
    }

    /// Whether it holds no model of its own, but shows published scores.
    pub fn is_published_only(&self) -> bool {
        self.members.is_empty()
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// sha256 of the manifest, which names the sha256 of every other file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn concepts(&self) -> &ConceptSet {
        &self.concepts
    }

    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The columns of a row, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The places of the columns of a feature, which is named by its place in the task.
    pub fn columns_of(&self, feature: usize) -> &[usize] {
        self.columns_of.get(feature).map_or(&[], Vec::as_slice)
    }

    /// How a row becomes model inputs.
    pub fn input(&self) -> &InputSpec {
        &self.manifest.input
    }

    pub(super) fn members(&self) -> &[BundleMember] {
        &self.members
    }

    pub(super) fn drift_watch(&self) -> Option<&DriftWatch> {
        self.drift_watch.as_ref()
    }
}

fn columns_of(task: &Task, columns: &[Column]) -> Vec<Vec<usize>> {
    let mut places = vec![Vec::new(); task.spec().features().len()];
    for (place, column) in columns.iter().enumerate() {
        if let Some(places) = places.get_mut(column.feature) {
            places.push(place);
        }
    }
    places
}

/// The name in a bundle of the file of the formula called `id`.
pub fn formula_file(id: &str) -> String {
    format!("{PUBLISHED}{id}.toml")
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, BundleError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format_version: u32,
    }
    let unreadable = |error: serde_json::Error| BundleError::Manifest(error.to_string());
    // Its last byte, without which it would still read as JSON.
    if !bytes.ends_with(b"\n") {
        return Err(BundleError::Manifest("it is cut short".to_owned()));
    }
    // The version first: another layout must not be reported as a misspelt key.
    let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
    if head.format_version != FORMAT_VERSION {
        return Err(BundleError::FormatVersion { found: head.format_version });
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn text<'a>(files: &'a Files, name: &str) -> Result<&'a str, BundleError> {
    let bytes = files.get(name).ok_or_else(|| BundleError::Missing(name.to_owned()))?;
    std::str::from_utf8(bytes).map_err(|_| BundleError::Changed(name.to_owned()))
}

/// The formulas that travel in the bundle, and no other: its answer must not change with the
/// program that reads it.
fn formulas(files: &Files) -> Result<Formulas, BundleError> {
    let mut formulas = Formulas::default();
    for name in files.keys().filter(|name| name.starts_with(PUBLISHED)) {
        if formula_file(&formulas.add(text(files, name)?)?) != *name {
            return Err(BundleError::Contradiction("a formula's file is named after another"));
        }
    }
    Ok(formulas)
}

fn check_manifest(manifest: &Manifest, task: &Task, columns: &[Column]) -> Result<(), BundleError> {
    let holds = |holds: bool, reason| match holds {
        true => Ok(()),
        false => Err(BundleError::Contradiction(reason)),
    };
    holds(manifest.task == task.params().name, "the task file is of another task")?;
    holds(manifest.task_digest == task.digest(), "the task digest is of another task file")?;
    holds(manifest.vocabulary.fits(task.spec()), "the learned codes do not fit the task")?;
    let same_column =
        manifest.columns.len() == columns.len()
            && manifest.columns.iter().zip(columns).all(|(entry, column)| {
                entry.name == column.name && entry.feature == column.feature
            });
    holds(same_column, "the columns are not those of the task")?;
    if manifest.members.is_empty() {
        let nothing_fitted = columns.is_empty()
            && manifest.tiers.is_empty()
            && manifest.reference.is_empty()
            && manifest.golden.is_empty()
            && manifest.interval.is_none()
            && manifest.recalibrated.is_none()
            && manifest.novelty_usual.is_none()
            && manifest.development.is_none();
        return holds(nothing_fitted, "there is no model, but parts of one");
    }
    holds(manifest.development.is_some(), "there is a model, and not what it was fitted on")?;
    let weights_fit = manifest.columns.iter().all(|c| (0.0..=1.0).contains(&c.weight));
    let weight: f64 = manifest.columns.iter().map(|column| column.weight).sum();
    holds(weights_fit && weight < 1.0 + 1e-6, "column weights are no shares of one whole")?;
    manifest
        .input
        .check(columns.len())
        .map_err(|error| BundleError::Model { part: "input".into(), error })?;
    let tier_names = manifest.tiers.iter().map(|cut| &cut.name);
    let tiers_fit = manifest.tiers.len() == task.params().tier.len()
        && tier_names.eq(task.params().tier.iter().map(|tier| &tier.name))
        && manifest.tiers.iter().all(TierCut::is_sound)
        && manifest.tiers.windows(2).all(|pair| pair[0].from >= pair[1].from);
    holds(tiers_fit, "the tiers are not those of the task, from high to low")?;
    let reference = &manifest.reference;
    let reference_fits = reference.iter().all(|q| (0.0..=1.0).contains(q))
        && reference.is_sorted()
        && reference.len() == 99;
    holds(reference_fits, "the reference needs 99 rising percentiles")?;
    let drift_fits = manifest.drift_reference.as_ref().is_none_or(|r| r.fits(columns.len()));
    holds(drift_fits, "the drift reference needs bands of each column whose shares sum to 1")?;
    holds(
        manifest.interval.as_ref().is_none_or(Interval::is_sound),
        "the bounds do not hold the answers",
    )?;
    let novelty = manifest.novelty_usual.is_none_or(|share| (0.0..=1.0 + 1e-6).contains(&share));
    holds(novelty, "the usual novelty is no share")?;
    holds(manifest.golden.len() <= GOLDEN_MAX, "there are more than 1,024 golden inputs")?;
    holds(manifest.members.len() <= MEMBERS_MAX, "there are more than 16 members")?;
    let golden_fits = manifest.golden.iter().all(|golden| golden.row.len() == columns.len());
    holds(golden_fits, "golden inputs need one value a column")?;
    let weights = manifest.members.iter().map(|member| member.weight);
    let sum: f64 = weights.clone().sum();
    let shares = weights.into_iter().all(|weight| (0.0..=1.0).contains(&weight));
    holds(shares && (sum - 1.0).abs() < 1e-9, "member weights must be shares that sum to 1")
}

fn json<T: serde::de::DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, BundleError> {
    serde_json::from_slice(bytes)
        .map_err(|error| BundleError::Json { file: file.to_owned(), reason: error.to_string() })
}

fn members(manifest: &Manifest, files: &Files) -> Result<Vec<BundleMember>, BundleError> {
    let inputs = manifest.input.inputs();
    let each = manifest.members.iter().map(|entry| {
        let fault = |error| BundleError::Model { part: entry.file.clone(), error };
        let missing = || BundleError::Missing(entry.file.clone());
        let bytes = files.get(&entry.file).ok_or_else(missing)?;
        entry.calibrator.check().map_err(fault)?;
        let model = match entry.family {
            Family::Logistic => {
                let linear: Linear = json(&entry.file, bytes)?;
                linear.check(inputs).map_err(fault)?;
                Member::Logistic(linear)
            }
            Family::Published => {
                let score: Recalibrated = json(&entry.file, bytes)?;
                score.check(inputs).map_err(fault)?;
                Member::Published(score)
            }
            Family::Forest => Member::Forest(FlatTrees::from_bytes(bytes, inputs).map_err(fault)?),
            Family::Boosted => {
                // It has no use for indicators: its trees know a missing value themselves.
                let values = manifest.input.kept.len();
                Member::Boosted(FlatTrees::from_bytes(bytes, values).map_err(fault)?)
            }
        };
        let (calibrator, weight) = (entry.calibrator.clone(), entry.weight);
        let reference = Reference::of(manifest, &model, &calibrator);
        Ok(BundleMember { model, calibrator, weight, reference })
    });
    each.collect()
}
