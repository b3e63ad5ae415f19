//! A bundle small enough to damage at every byte, and a models folder of versions of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prodrome::bundle::{Bundle, Files, Manifest, sealed};
use prodrome::record::{ConceptSet, History};
use prodrome::registry::{self, ModelSettings, Models, Promotion, ReloadReport, Stage};
use prodrome::score::score;
use prodrome::service::{Answer, ScoreOptions, ScoreRequest, Service, ServiceError, TaskRef};
use prodrome::task::Task;
use serde_json::json;

use crate::support::{discharge, patient};

pub(super) const TASK: &str = "small";

const CONCEPTS: &str = "[concept.heart_failure]\ntitle = \"heart failure\"\n\
                        codes = [\"ICD10CM//I50*\"]\n";

const TASK_TOML: &str = r#"
name = "small"
title = "readmission by age"
outcome_text = "another stay"
[index]
rule = "episode_end"
max_age_hours = 72
[time_at_risk]
horizon_days = 30
end_closed = false
[[outcome]]
name = "readmission"
rule = { stay = {} }
[[feature]]
name = "age_years"
from = "age"
text = "{value} years of age"
unit = "a"
[[tier]]
name = "high"
top_share = 0.2
[[tier]]
name = "low"
[card]
intended_use = "Tests."
intended_users = "Tests."
not_for = ["people"]
limits = ["It is made up."]
"#;

/// The files of a version; each version answers another probability.
pub(super) fn files(version: u32) -> Files {
    changed(version, |_, _| {})
}

/// The same after `edit`, sealed as if it had been made so.
pub(super) fn changed(version: u32, edit: impl FnOnce(&mut Manifest, &mut Files)) -> Files {
    let concepts = ConceptSet::parse(CONCEPTS).unwrap();
    let task = Task::parse(TASK_TOML, &concepts).unwrap();
    let reference: Vec<f64> = (1..100).map(|percent| f64::from(percent) / 100.0).collect();
    let linear = json!({
        "intercept": -1.0 - f64::from(version) / 8.0, "weights": [0.01], "means": [50.0],
    });
    let mut files = Files::from([
        ("concepts.toml".to_owned(), concepts.to_toml().unwrap().into_bytes()),
        ("task.toml".to_owned(), task.to_toml().unwrap().into_bytes()),
        ("logistic.json".to_owned(), linear.to_string().into_bytes()),
        ("card.md".to_owned(), format!("# Version {version}\n").into_bytes()),
        ("metrics.json".to_owned(), b"{\"patients\": 1000}".to_vec()),
    ]);
    let mut manifest: Manifest = serde_json::from_value(json!({
        "format_version": 1, "task": TASK, "version": version.to_string(),
        "task_digest": task.digest(), "seed": 1,
        "development": {
            "source": "made up", "years": [2020, 2021], "index_times": 1000, "patients": 1000,
            "outcomes": 200, "held_out_part": "none",
        },
        "columns": [{ "name": "age_years", "feature": 0, "unit": "a", "weight": 1.0 }],
        "vocabulary": [],
        "input": {
            "kept": [{ "index": 0, "median": 50.0, "clip_low": 20.0, "clip_high": 90.0 }],
            "indicators": [],
        },
        "members": [{
            "family": "logistic", "file": "logistic.json", "weight": 1.0, "held_out": null,
            "calibrator": {
                "kind": "platt", "slope": 1.0, "intercept": 0.0, "scale": "log_odds", "rows": 1000,
            },
        }],
        "tiers": [{ "name": "high", "from": 0.4 }, { "name": "low", "from": 0.0 }],
        "reference": reference, "held_out": null,
        "golden": [{ "row": [50.0], "probability": 0.0 }, { "row": [null], "probability": 0.0 }],
        "files": {},
    }))
    .unwrap();
    let draft = Bundle::draft(&sealed(manifest.clone(), files.clone()).unwrap()).unwrap();
    for golden in &mut manifest.golden {
        golden.probability = draft.predict(&golden.values()).probability;
    }
    edit(&mut manifest, &mut files);
    sealed(manifest, files).unwrap()
}

/// What an answer must be made of: version, digest, and the bits of the probability.
pub(super) type Said = (String, String, u64);

/// What a version must say of `patient`.
pub(super) fn expected(version: u32) -> Said {
    let bundle = Bundle::open(&files(version)).unwrap();
    let record = patient();
    let history = History::build(&record, bundle.concepts(), &Default::default()).unwrap().history;
    let probability = score(&bundle, &history, discharge(), 0).unwrap().probability.unwrap();
    (version.to_string(), bundle.digest().to_owned(), probability.to_bits())
}

/// What the service says of `patient`, by the versions named.
pub(super) fn asked(
    service: &Service,
    versions: &[Option<&str>],
) -> Result<Vec<Said>, ServiceError> {
    let task_ref =
        |version: &Option<&str>| TaskRef { task: TASK.into(), version: version.map(str::to_owned) };
    let request = ScoreRequest {
        record: patient(),
        issues: Vec::new(),
        only_allowed: false,
        tasks: versions.iter().map(task_ref).collect(),
        prediction_time: Some(discharge()),
        options: ScoreOptions::default(),
        team: None,
    };
    let response = service.score(&request, discharge())?;
    let said = response.assessments.into_iter().map(|assessment| {
        let Answer::Score(score) = assessment.outcome else { panic!("not eligible") };
        let bits = score.probability.unwrap().to_bits();
        (assessment.model_version, assessment.bundle_digest, bits)
    });
    Ok(said.collect())
}

/// A models folder with versions of the small task.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new(versions: &[u32]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for version in versions {
            let files = files(*version);
            registry::publish(folder.path(), TASK, &version.to_string(), &files).unwrap();
        }
        folder
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn task(&self) -> PathBuf {
        self.path().join(TASK)
    }

    pub(super) fn version(&self, version: u32) -> PathBuf {
        self.task().join(version.to_string())
    }

    pub(super) fn stages(&self) -> PathBuf {
        self.task().join("stages.json")
    }

    /// Writes `files` as they are into a version folder, in place of what is there.
    pub(super) fn write(&self, version: u32, files: &Files) {
        let folder = self.version(version);
        if folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    pub(super) fn promote(&self, version: u32) {
        let version = version.to_string();
        let promotion = Promotion::new(TASK, &version, Stage::Stable);
        registry::promote(self.path(), &promotion).unwrap();
    }

    pub(super) fn settings(&self) -> ModelSettings {
        ModelSettings::new(self.path())
    }

    pub(super) fn models(&self) -> Arc<Models> {
        Arc::new(Models::open(self.settings()).unwrap())
    }
}

/// The reasons for what a reload refused, in one line.
pub(super) fn reasons(report: &ReloadReport) -> String {
    let refused = report.tasks.iter().flat_map(|task| &task.refused);
    refused.map(|refused| refused.reason.clone()).collect::<Vec<_>>().join("; ")
}
