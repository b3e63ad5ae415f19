//! Shares of trees, compared with one reference row, against the `shap` package:
//! `tests/shap/make_fixtures.py` writes the fixtures.

use std::fs;

use prodrome::bundle::Bundle;
use prodrome::model::logit;
use prodrome::registry;
use serde::Deserialize;

use crate::support::root;

mod trees;

#[derive(Deserialize)]
struct Rows {
    reference: Vec<Option<f32>>,
    rows: Vec<Vec<Option<f32>>>,
    margins: Vec<f64>,
    contributions: Vec<Vec<f64>>,
}

fn values(row: &[Option<f32>]) -> Vec<f32> {
    row.iter().map(|value| value.unwrap_or(f32::NAN)).collect()
}

#[test]
fn shares_equal_those_of_the_shap_package() {
    let mut missing = 0;
    for name in ["lightgbm", "hist_gradient_boosting", "random_forest"] {
        let text = fs::read(root().join(format!("tests/data/shap/{name}.json"))).unwrap();
        let trees = trees::read(&text);
        let theirs: Rows = serde_json::from_slice(&text).unwrap();
        let reference = values(&theirs.reference);
        missing += reference.iter().filter(|value| value.is_nan()).count();
        assert!(theirs.rows.len() >= 10 && theirs.contributions.len() == theirs.rows.len());
        for ((row, margin), shares) in
            theirs.rows.iter().zip(&theirs.margins).zip(&theirs.contributions)
        {
            let x = values(row);
            missing += x.iter().filter(|value| value.is_nan()).count();
            assert!((trees.margin(&x) - margin).abs() < 1e-6, "{name}");
            let mut ours = vec![0.0; x.len()];
            let ours_margin = trees.contributions(&x, &reference, &mut ours);
            assert_eq!(ours_margin.to_bits(), trees.margin(&x).to_bits());
            assert_eq!(ours.len(), shares.len());
            for (ours, theirs) in ours.iter().zip(shares) {
                assert!((ours - theirs).abs() < 1e-5, "{name}: {ours} for {theirs}");
            }
        }
    }
    assert!(missing > 10, "rows with missing values were among them");
}

/// The medians; no value where most development rows have none.
fn typical(bundle: &Bundle) -> Vec<f32> {
    let manifest = bundle.manifest();
    let mut row = vec![f32::NAN; manifest.columns.len()];
    for column in &manifest.input.kept {
        let bands = manifest.drift_reference.as_ref().map(|drift| &drift.columns[column.index]);
        if bands.is_none_or(|bands| bands.missing <= 0.5) {
            row[column.index] = column.median;
        }
    }
    row
}

#[test]
fn shipped_bundles_explain_what_sets_a_row_apart_from_the_typical_one() {
    let mut unlike = 0;
    for folder in ["readmit30_diabetes/1", "readmit30/1", "bp_rise/1", "htn_incident/2"] {
        let bundle = registry::open(&root().join("models").join(folder), &[]).unwrap();
        let typical = typical(&bundle);
        let start = bundle.explain(&typical);
        assert!(start.contributions.iter().all(|share| *share == 0.0), "{folder}");
        assert!((start.baseline - logit(bundle.predict(&typical).probability)).abs() < 1e-9);
        for golden in &bundle.manifest().golden {
            let row = golden.values();
            let explained = bundle.explain(&row);
            assert!((explained.baseline - start.baseline).abs() < 1e-9, "{folder}");
            let sum = explained.baseline + explained.contributions.iter().sum::<f64>();
            assert!((sum - logit(golden.probability)).abs() < 1e-6, "{folder}");
            for (share, (value, from)) in
                explained.contributions.iter().zip(row.iter().zip(&typical))
            {
                let same = value == from || value.is_nan() && from.is_nan();
                assert!(!same || *share == 0.0, "{folder}: what is as usual moves nothing");
                unlike += usize::from(*share != 0.0);
            }
        }
    }
    assert!(unlike > 100, "{unlike}");
}
