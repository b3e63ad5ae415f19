//! A model of one hospital at another: recalibrated on some of its patients, right on the others.

use std::path::Path;

use prodrome::bundle::Bundle;
use prodrome::command::{
    self, EvaluateRequest, ExportFormat, RecalibrateRequest, RecalibratedOutcome, SimulateRequest,
    Source,
};
use prodrome::import::Meter;
use prodrome::registry;
use prodrome::simulate::Settings;

use crate::support::{shipped, task_folder};

/// The shipped model, recalibrated on `patients` simulated ones.
fn recalibrated(patients: u64) -> (tempfile::TempDir, RecalibratedOutcome) {
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    let simulate = SimulateRequest {
        settings: Settings::new(patients, 10, 11),
        format: ExportFormat::Meds,
        out: export.clone(),
        truth: None,
    };
    command::simulate(&simulate).unwrap();
    let request = RecalibrateRequest {
        evaluate: EvaluateRequest {
            bundle: task_folder().join("1"),
            source: Source::new(export),
            concepts: Vec::new(),
            out: folder.path().join("judged"),
            only_held_out: false,
        },
        models: folder.path().join("models"),
        held_out: RecalibrateRequest::HELD_OUT,
    };
    let made = command::recalibrate(&request, &Meter::default()).unwrap();
    (folder, made)
}

fn opened(path: &Path) -> Bundle {
    registry::open(path, &[]).unwrap()
}

#[test]
fn after_recalibration_as_many_outcomes_come_as_are_expected_of_patients_it_has_not_seen() {
    let (folder, made) = recalibrated(6_000);
    let before = made.metrics.before.as_ref().unwrap();
    let after = &made.metrics.held_out_evaluation.as_ref().unwrap().metrics;
    eprintln!("before: {}\nafter:  {}", before.sentence(), after.sentence());
    let by = &made.metrics.recalibrated;
    let ratio = before.observed_over_expected;
    assert!(!(0.9..=1.1).contains(&ratio), "another base rate: {ratio}");
    // So many outcomes on either side tell a ratio to within this share, by chance alone.
    let counts = [by.outcomes as f64, after.events as f64];
    let error = counts.map(|count| 1.0 / count).iter().sum::<f64>().sqrt();
    let away = after.observed_over_expected.ln().abs();
    assert!(away < 3.0 * error && away < 0.5 * ratio.ln().abs(), "{away} +- {error}");
    assert!(after.log_loss < before.log_loss);
    assert!((after.auroc - before.auroc).abs() < 1e-12, "ranks stay as they were");

    let bundle = opened(&made.bundle);
    let (manifest, parent) = (bundle.manifest(), shipped());
    assert_eq!(manifest.recalibrated.as_ref(), Some(by));
    assert_eq!(by.parent_digest, parent.digest());
    assert_eq!((by.index_times + after.rows as u64), made.evaluated.evaluation.metrics.rows as u64);
    assert_ne!(manifest.tiers, parent.manifest().tiers, "cut anew");
    assert!(manifest.interval.is_some() && manifest.reference != parent.manifest().reference);
    assert_eq!(manifest.columns, parent.manifest().columns);
    for golden in &manifest.golden {
        let row = golden.values();
        let old = parent.predict(&row).probability;
        let logit = |p: f64| (p / (1.0 - p)).ln();
        let expected = by.intercept + by.slope * logit(old);
        assert!((logit(bundle.predict(&row).probability) - expected).abs() < 1e-9);
        let explained = bundle.explain(&row);
        let sum = explained.baseline + explained.contributions.iter().sum::<f64>();
        assert!((sum - expected).abs() < 1e-6, "the shares still sum to the answer");
    }
    let files = registry::read_files(&made.bundle).unwrap();
    let card = String::from_utf8(files["card.md"].clone()).unwrap();
    assert!(card.contains("never for patients") && card.contains(parent.digest()), "{card}");
    assert!(folder.path().join("judged/metrics.json").is_file());

    // Simulated patients are nobody: no gate lets their version through.
    let models = folder.path().join("models");
    let task = "readmit30_diabetes".to_owned();
    let request = command::PromoteRequest::new(&models, task, "1".to_owned());
    let refused = command::promote(&request).unwrap_err();
    assert!(refused.to_string().contains("simulated population"), "{refused}");
}

#[test]
#[ignore = "minutes without optimisation: cargo test --release --test it recalibrate -- --ignored"]
fn in_a_large_hospital_the_ratio_comes_within_a_tenth_of_1() {
    let (_folder, made) = recalibrated(100_000);
    let before = made.metrics.before.as_ref().unwrap();
    let after = &made.metrics.held_out_evaluation.as_ref().unwrap().metrics;
    eprintln!("before: {}\nafter:  {}", before.sentence(), after.sentence());
    assert!((0.9..=1.1).contains(&after.observed_over_expected));
    assert!((0.8..=1.2).contains(&after.calibration_slope));
}

#[test]
fn a_recalibrated_version_is_held_against_its_parent_in_service() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let task = "readmit30_diabetes";
    registry::publish(&models, task, "1", &crate::support::shipped_files()).unwrap();
    let promote = |version: &str| {
        command::promote(&command::PromoteRequest::new(&models, task.into(), version.into()))
    };
    promote("1").unwrap();
    let request = RecalibrateRequest {
        evaluate: EvaluateRequest {
            bundle: models.join(task).join("1"),
            source: Source {
                mapping: Some(task_folder().join("diabetes130.toml")),
                ..Source::new(crate::support::root().join("tests/data/diabetes130"))
            },
            concepts: Vec::new(),
            out: folder.path().join("judged"),
            only_held_out: false,
        },
        models: models.clone(),
        held_out: RecalibrateRequest::HELD_OUT,
    };
    let made = command::recalibrate(&request, &Meter::default()).unwrap();
    assert_eq!(made.version, "2");
    let beside = made.metrics.beside.as_ref().unwrap();
    assert_eq!(beside.digest, shipped().digest());
    assert_eq!(beside.comparison.auroc.difference, 0.0, "ranks stay as they were");
    // Whatever else the gate says of so few patients: it does not ask for a comparison.
    if let Err(refused) = promote("2") {
        let refused = refused.to_string();
        assert!(
            refused.contains("the gate says no") && !refused.contains("nothing tells"),
            "{refused}"
        );
    }
}
