//! Shares of trees, compared with one reference row, against the `shap` package:
//! `tests/shap/make_fixtures.py` writes the fixtures.

use std::fs;

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
