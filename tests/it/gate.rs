//! What may go into service: the gate of `promote`, what forcing it leaves behind, and `compare`.

use std::path::{Path, PathBuf};

use prodrome::command::{
    self, CommandError, CompareRequest, Compared, PromoteRequest, Promoted, Source,
};
use prodrome::import::Meter;
use prodrome::registry;
use prodrome::service::Service;
use serde_json::Value;

use crate::support::{fitted, root, shipped_files, task_folder};

const TASK: &str = "readmit30_diabetes";

fn promote(models: &Path, version: &str, reason: Option<&str>) -> Result<Promoted, CommandError> {
    let request = PromoteRequest::new(models, TASK.to_owned(), version.to_owned());
    command::promote(&PromoteRequest { force: reason.map(str::to_owned), ..request })
}

fn stages(models: &Path) -> Value {
    let text = std::fs::read_to_string(models.join(TASK).join("stages.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A models folder with the shipped version and, as version 2, the fit on the sample.
fn two_versions() -> tempfile::TempDir {
    let models = tempfile::tempdir().unwrap();
    registry::publish(models.path(), TASK, "1", &shipped_files()).unwrap();
    let (_, fit) = fitted();
    let files = registry::read_files(&fit.bundle).unwrap();
    let mut manifest: prodrome::bundle::Manifest =
        serde_json::from_slice(&files["manifest.json"]).unwrap();
    manifest.version = "2".into();
    let files = prodrome::bundle::sealed(manifest, files).unwrap();
    registry::publish(models.path(), TASK, "2", &files).unwrap();
    models
}

fn compare(
    bundles: [PathBuf; 2],
    out: &Path,
    only_held_out: bool,
) -> Result<Compared, CommandError> {
    let request = CompareRequest {
        bundles,
        source: Source {
            mapping: Some(task_folder().join("diabetes130.toml")),
            ..Source::new(root().join("tests/data/diabetes130"))
        },
        concepts: Vec::new(),
        out: out.to_owned(),
        only_held_out,
    };
    command::compare(&request, &Meter::default())
}

#[test]
fn a_version_that_was_judged_on_few_is_refused_and_forcing_it_is_remembered() {
    let (folder, _) = fitted();
    let models = folder.path().join("models");
    let refused = promote(&models, "1", None).unwrap_err();
    assert_eq!(refused.exit_code(), 1);
    let CommandError::Gate(reasons) = &refused else { panic!("{refused}") };
    assert!(reasons.iter().any(|reason| reason.contains("fewer than 100")), "{reasons:?}");
    assert!(!models.join(TASK).join("stages.json").exists(), "nothing is promoted");

    assert_eq!(promote(&models, "1", Some(" \n")).unwrap_err().exit_code(), 2, "no reason at all");
    let promoted = promote(&models, "1", Some("pilot on one ward,\nagreed on 1 May")).unwrap();
    assert_eq!(&promoted.overruled, reasons);
    let stages = stages(&models);
    assert_eq!(stages["stable"], "1");
    assert_eq!(stages["forced"]["reason"], "pilot on one ward, agreed on 1 May");
    assert_eq!(stages["forced"]["gate"].as_array().unwrap().len(), reasons.len());
    let service = Service::new(crate::support::models(&models, false));
    let shown = service.list_models()[0].forced.clone().unwrap();
    assert!(shown.contains("fewer than 100") && shown.ends_with("agreed on 1 May"), "{shown}");
    let digest = service.list_models()[0].bundle_digest.clone();
    assert_eq!(digest, promoted.digest, "forcing changes no bundle");
}

#[test]
fn a_version_beside_one_in_service_needs_a_comparison_on_patients_of_neither() {
    let models = two_versions();
    let stable = promote(models.path(), "1", None).unwrap();
    assert_eq!(stable.overruled, [""; 0]);
    assert!(stages(models.path()).get("forced").is_none());
    let refused = promote(models.path(), "2", None).unwrap_err().to_string();
    assert!(refused.contains("nothing tells whether it is worse than version 1"), "{refused}");

    let version = |number: &str| models.path().join(TASK).join(number);
    let out = tempfile::tempdir().unwrap();
    let with = |file: &str| {
        let request = PromoteRequest::new(models.path(), TASK.to_owned(), "2".to_owned());
        let comparison = Some(out.path().join(file));
        command::promote(&PromoteRequest { comparison, ..request }).unwrap_err()
    };
    let compared = compare([version("2"), version("1")], out.path(), false).unwrap();
    assert!(compared.comparison.rows > 1_500, "{}", compared.comparison.rows);
    let gap = compared.first.metrics.auroc - compared.second.metrics.auroc;
    assert!((compared.comparison.auroc.difference - gap).abs() < 1e-9, "the same index times");
    assert_eq!(compared.net_benefit.len(), 2, "{:?}", compared.net_benefit);
    for row in &compared.reclassification {
        let sum: f64 = [row.up, row.down, row.same].into_iter().flatten().sum();
        assert!(row.up.is_none() || (sum - 1.0).abs() < 1e-9);
    }
    let refused = with("comparison.json");
    assert!(refused.to_string().contains("without --only-held-out"), "{refused}");
    assert_eq!(refused.exit_code(), 2);

    compare([version("1"), version("2")], out.path(), true).unwrap();
    let refused = with("comparison.json").to_string();
    assert!(refused.contains("does not compare version 2 (first)"), "{refused}");

    compare([version("2"), version("1")], out.path(), true).unwrap();
    let refused = with("comparison.json").to_string();
    assert!(!refused.contains("nothing tells"), "{refused}");
    assert!(refused.contains("fewer than 100"), "{refused}");
}

#[test]
fn only_versions_that_speak_of_the_same_are_compared() {
    let out = tempfile::tempdir().unwrap();
    let models = root().join("models");
    let error = |first: &str, second: &str| {
        let error = compare([models.join(first), models.join(second)], out.path(), false);
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    let other = error("readmit30_diabetes/1", "htn_incident/2");
    assert!(other.contains("cannot be compared"), "{other}");
    let none = error("htn_incident/1", "readmit30_diabetes/1");
    assert!(none.contains("shows published scores alone"), "{none}");
}
