//! Tests of the calibration: it finds the truth, keeps the order, and hides small groups.

use super::steps::{pooled, with_patients};
use super::*;
use crate::model::draws;

struct Rows {
    margins: Vec<f64>,
    labels: Vec<bool>,
    patients: Vec<u32>,
    folds: Vec<u8>,
}

/// Rows whose true risk is `risk(margin)`, margins uniform in 0..1.
fn rows(count: u32, risk: impl Fn(f64) -> f64) -> Rows {
    let mut uniform = draws(17);
    let margins: Vec<f64> = (0..count).map(|_| uniform()).collect();
    let labels = margins.iter().map(|margin| uniform() < risk(*margin)).collect();
    let patients = (0..count).map(|row| row / 2).collect();
    let folds = (0..count).map(|row| (row / 2 % 5) as u8).collect();
    Rows { margins, labels, patients, folds }
}

fn fit(rows: &Rows, scale: Scale) -> Calibrator {
    fit_weighted(rows, Weights::Even, scale)
}

fn fit_weighted(rows: &Rows, weights: Weights<'_>, scale: Scale) -> Calibrator {
    let Rows { margins, labels, patients, folds } = rows;
    Calibrator::fit(margins, labels, patients, folds, weights, scale).unwrap()
}

fn assert_in_order(calibrator: &Calibrator) {
    calibrator.check().unwrap();
    let said: Vec<f64> = (-50..1050).map(|i| calibrator.apply(f64::from(i) / 1000.0)).collect();
    assert!(said.is_sorted());
    assert!(said.iter().all(|p| *p > 0.0 && *p < 1.0));
}

#[test]
fn a_line_in_log_odds_is_found() {
    let calibrator = fit(&rows(20_000, |m| sigmoid(4.0 * m - 3.0)), Scale::LogOdds);
    let Calibrator::Platt { slope, intercept, .. } = calibrator else { panic!("{calibrator:?}") };
    assert!((slope - 4.0).abs() < 0.3 && (intercept + 3.0).abs() < 0.2, "{slope} {intercept}");
    assert_in_order(&calibrator);
}

#[test]
fn a_rate_that_is_right_stays() {
    let calibrator = fit(&rows(20_000, |m| m), Scale::Rate);
    for p in [0.1, 0.3, 0.5, 0.9] {
        assert!((calibrator.apply(p) - p).abs() < 0.03);
    }
    assert_in_order(&calibrator);
}

#[test]
fn steps_are_found() {
    let calibrator = fit(&rows(20_000, |m| if m < 0.8 { 0.1 } else { 0.7 }), Scale::LogOdds);
    assert!(matches!(calibrator, Calibrator::Isotonic { .. }));
    assert!((calibrator.apply(0.4) - 0.1).abs() < 0.02);
    assert!((calibrator.apply(0.9) - 0.7).abs() < 0.05);
    assert_in_order(&calibrator);
    let text = serde_json::to_string(&calibrator).unwrap();
    assert_eq!(serde_json::from_str::<Calibrator>(&text).unwrap(), calibrator);
}

#[test]
fn a_falling_margin_gives_a_flat_line_at_the_event_rate() {
    let rows = rows(2000, |m| 0.9 - 0.8 * m);
    let calibrator = fit(&rows, Scale::LogOdds);
    let rate = rows.labels.iter().filter(|label| **label).count() as f64 / 2000.0;
    assert!((calibrator.apply(0.1) - rate).abs() < 0.05);
    assert_in_order(&calibrator);
}

#[test]
fn every_knot_has_enough_patients() {
    let rows = rows(400, |m| m);
    let mut samples: Vec<Sample> = (0..400)
        .map(|i| Sample {
            margin: rows.margins[i],
            event: rows.labels[i],
            patient: i as u32 / 40,
            weight: 1.0,
        })
        .collect();
    samples.sort_by(|a, b| a.margin.total_cmp(&b.margin));
    // Ten patients only: one block must take everything.
    assert_eq!(with_patients(&samples, pooled(&samples)).len(), 1);
    for (i, sample) in samples.iter_mut().enumerate() {
        sample.patient = i as u32 / 2;
    }
    let runs = with_patients(&samples, pooled(&samples));
    let ends: Vec<usize> = runs.iter().map(|run| run.end).collect();
    assert!(ends.len() > 2 && ends.windows(2).all(|pair| pair[1] - pair[0] >= 21));
    assert_eq!(ends.last(), Some(&400));
}

#[test]
fn separated_and_constant_margins_stay_finite() {
    let mut rows = rows(300, |m| f64::from(u8::from(m > 0.5)));
    let sharp = fit(&rows, Scale::LogOdds);
    assert_in_order(&sharp);
    assert!(sharp.apply(1e9) <= 1.0 - 1.0 / 302.0);
    rows.margins.fill(0.25);
    let flat = fit(&rows, Scale::Rate);
    let rate = rows.labels.iter().filter(|label| **label).count() as f64 / 300.0;
    assert!((flat.apply(0.25) - rate).abs() < 0.01);
}

#[test]
fn whole_weights_are_repeated_rows() {
    let rows = rows(600, |m| if m < 0.6 { 0.2 } else { 0.7 });
    let times: Vec<f64> = (0..600).map(|row| f64::from(row % 4)).collect();
    let each: Vec<usize> = (0..600).flat_map(|row| std::iter::repeat_n(row, row % 4)).collect();
    let repeated = Rows {
        margins: each.iter().map(|row| rows.margins[*row]).collect(),
        labels: each.iter().map(|row| rows.labels[*row]).collect(),
        patients: each.iter().map(|row| rows.patients[*row]).collect(),
        folds: each.iter().map(|row| rows.folds[*row]).collect(),
    };
    for scale in [Scale::Rate, Scale::LogOdds] {
        let weighted = fit_weighted(&rows, Weights::Each(&times), scale);
        let plain = fit(&repeated, scale);
        for margin in (5..95).map(|i| f64::from(i) / 100.0) {
            let gap = weighted.apply(margin) - plain.apply(margin);
            // Platt's targets know how much the rows are worth, which is less than their sum.
            assert!(gap.abs() < 3e-3, "{margin}: {gap}");
        }
        assert_in_order(&weighted);
        let even = fit_weighted(&rows, Weights::Each(&[1.0; 600]), scale);
        assert_eq!(even, fit(&rows, scale));
    }
    let worth = match fit_weighted(&rows, Weights::Each(&times), Scale::Rate) {
        Calibrator::Platt { rows, .. }
        | Calibrator::Isotonic { rows, .. }
        | Calibrator::Recalibrated { rows, .. } => rows,
    };
    assert_eq!(worth, 386, "150 rows each of weights 1, 2, 3: 900 squared by 2100");
}

#[test]
fn damage_is_refused() {
    let of = |margins: &[f64], rates: &[f64]| {
        Calibrator::Isotonic { margins: margins.to_vec(), rates: rates.to_vec(), rows: 9 }.check()
    };
    assert!(of(&[0.0, 1.0], &[0.1, 0.2]).is_ok());
    assert!(of(&[1.0, 0.0], &[0.1, 0.2]).is_err());
    assert!(of(&[0.0, 1.0], &[0.2, 0.1]).is_err());
    assert!(of(&[0.0, f64::NAN], &[0.1, 0.2]).is_err());
    assert!(of(&[], &[]).is_err());
}

#[test]
fn recalibrations_follow_each_other_as_one_and_keep_the_order() {
    let plain = Calibrator::Isotonic {
        margins: vec![0.1, 0.4, 0.6],
        rates: vec![0.05, 0.2, 0.5],
        rows: 5_000,
    };
    let moved = plain.recalibrated(0.7, 1.3, 400);
    assert!(moved.check().is_ok());
    let logit = |p: f64| (p / (1.0 - p)).ln();
    for margin in [0.0, 0.2, 0.45, 0.9] {
        let expected = 0.7 + 1.3 * logit(plain.apply(margin));
        assert!((logit(moved.apply(margin)) - expected).abs() < 1e-12);
    }
    assert_in_order(&moved);
    let twice = moved.recalibrated(-0.2, 0.5, 300);
    assert!(twice.check().is_ok(), "one line after another is one line");
    assert!((logit(twice.apply(0.3)) - (-0.2 + 0.5 * logit(moved.apply(0.3)))).abs() < 1e-12);
    let falls = plain.recalibrated(0.0, -1.0, 400);
    let nested =
        Calibrator::Recalibrated { of: Box::new(moved), slope: 1.0, intercept: 0.0, rows: 400 };
    let reasons = [falls, nested].map(|wrong| wrong.check().unwrap_err().to_string());
    assert!(reasons[0].contains("falls") && reasons[1].contains("twice"), "{reasons:?}");
}
