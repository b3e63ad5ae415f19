//! Bundles: whatever is changed in one, it is refused with a reason; the same seed gives the same.

use prodrome::bundle::{Bundle, BundleError, Files};
use prodrome::command::{self, with_threads};
use prodrome::registry::{self, Promotion, RegistryError, Stage};

use prodrome::import::Meter;

use crate::support::{fit_request, fit_sample, models as models_of, root, shipped_files};

fn refusal(files: &Files) -> BundleError {
    Bundle::open(files).expect_err("a changed bundle must be refused")
}

#[test]
fn the_shipped_bundle_opens_and_holds_what_is_in_use_with_its_figures() {
    let bundle = Bundle::open(&shipped_files()).unwrap();
    let families: Vec<String> =
        bundle.manifest().members.iter().map(|member| member.family.to_string()).collect();
    assert_eq!(families, ["boosted"]);
    assert!(bundle.manifest().members.iter().all(|member| member.weight > 0.0));
    let auroc = format!("{:.3}", bundle.manifest().held_out.unwrap().auroc);
    for file in ["card.md", "report.html"] {
        let text = String::from_utf8(shipped_files()[file].clone()).unwrap();
        assert!(text.contains(&auroc), "the figures of {file} come from the run");
    }
}

#[test]
fn a_flipped_bit_in_any_file_is_refused() {
    let files = shipped_files();
    let mut rng = fastrand::Rng::with_seed(5);
    for (name, bytes) in &files {
        let flips = if name == "manifest.json" { 300 } else { 20 };
        for _ in 0..flips {
            let mut changed = files.clone();
            let (at, bit) = (rng.usize(..bytes.len()), rng.u8(..8));
            changed.get_mut(name).unwrap()[at] ^= 1 << bit;
            match Bundle::open(&changed) {
                Err(error) => assert!(!error.to_string().is_empty()),
                // A manifest cannot name its own sum: another manifest is another digest.
                Ok(other) => {
                    assert_eq!(name, "manifest.json");
                    assert_ne!(other.digest(), Bundle::open(&files).unwrap().digest());
                }
            }
        }
    }
}

#[test]
fn a_missing_extra_or_cut_file_is_refused_with_its_name() {
    let files = shipped_files();
    for name in files.keys() {
        let mut fewer = files.clone();
        fewer.remove(name);
        assert!(refusal(&fewer).to_string().contains(name.as_str()));
        let mut cut = files.clone();
        let half = cut[name].len() / 2;
        cut.get_mut(name).unwrap().truncate(half);
        assert!(refusal(&cut).to_string().contains(name.as_str()));
    }
    let mut more = files;
    more.insert("notes.txt".into(), b"hello".to_vec());
    assert_eq!(refusal(&more), BundleError::Extra("notes.txt".into()));
}

#[test]
fn another_format_or_a_wrong_golden_score_is_refused() {
    let edit = |from: &str, to: &str| {
        let mut files = shipped_files();
        let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
        assert!(text.contains(from), "{from}");
        files.insert("manifest.json".into(), text.replacen(from, to, 1).into_bytes());
        refusal(&files)
    };
    let version = edit("\"format_version\": 1", "\"format_version\": 2");
    assert_eq!(version, BundleError::FormatVersion { found: 2 });
    let golden = edit("\"probability\": 0.", "\"probability\": 0.9");
    assert_eq!(golden, BundleError::Golden { number: 0 });
    assert!(matches!(edit("\"seed\"", "\"sed\""), BundleError::Manifest(_)));
}

#[test]
fn a_folder_with_a_link_or_a_bundle_in_the_wrong_place_is_refused() {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().join("readmit30_diabetes");
    let version = registry::publish(models.path(), "readmit30_diabetes", "7", &shipped_files());
    let misplaced = registry::open(&version.unwrap(), &[]).unwrap_err();
    assert!(matches!(misplaced, RegistryError::Misplaced { .. }), "{misplaced}");

    let version = registry::publish(models.path(), "readmit30_diabetes", "1", &shipped_files());
    let version = version.unwrap();
    registry::open(&version, &[]).unwrap();
    let again = registry::publish(models.path(), "readmit30_diabetes", "1", &shipped_files());
    assert!(again.unwrap_err().to_string().contains("there already"));
    std::os::unix::fs::symlink(version.join("card.md"), version.join("link.md")).unwrap();
    let linked = registry::open(&version, &[]).unwrap_err();
    assert!(linked.to_string().contains("not a plain file"), "{linked}");
    assert!(folder.is_dir());
}

#[test]
fn a_refused_bundle_is_named_and_the_registry_lives() {
    let models = tempfile::tempdir().unwrap();
    let version =
        registry::publish(models.path(), "readmit30_diabetes", "1", &shipped_files()).unwrap();
    let promotion = Promotion::new("readmit30_diabetes", "1", Stage::Stable);
    registry::promote(models.path(), &promotion).unwrap();
    assert_eq!(models_of(models.path(), false).current().served().len(), 1);
    std::fs::write(version.join("boosted.bin"), b"nothing").unwrap();
    assert!(registry::promote(models.path(), &promotion).is_err());
    let registry = models_of(models.path(), false).current();
    assert_eq!((registry.served().len(), registry.refused().len()), (0, 1));
    let reason = registry.refused()[0].error.to_string();
    assert!(reason.contains("boosted.bin is not the one the manifest names"), "{reason}");
}

#[test]
fn the_same_seed_gives_the_same_digest_with_one_thread_and_with_two() {
    let fit = |threads, seed| {
        let models = tempfile::tempdir().unwrap();
        let export = root().join("tests/data/diabetes130");
        let mut request = fit_request(export, models.path().to_owned());
        request.seed = seed;
        with_threads(Some(threads), || command::fit(&request, &Meter::default(), &|_| {}))
            .unwrap()
            .unwrap()
            .digest
    };
    let one = fit(1, 1);
    assert_eq!(one, fit(2, 1));
    assert_ne!(one, fit(2, 2), "the seed matters");
}

#[test]
fn a_fit_that_was_killed_leaves_nothing_in_the_way() {
    let models = tempfile::tempdir().unwrap();
    let left_over = models.path().join("readmit30_diabetes/.incoming-1");
    std::fs::create_dir_all(&left_over).unwrap();
    std::fs::write(left_over.join("manifest.json"), b"half").unwrap();
    let fitted = fit_sample(models.path().to_owned());
    assert_eq!(fitted.version, "1");
    registry::open(&fitted.bundle, &[]).unwrap();
    assert!(!left_over.exists());
}
