//! Tests of the figures against scikit-learn, statsmodels and numpy (`tests/metrics/reference.py`), and
//! of the intervals on seeded simulations.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::train::tests::Draws;

#[derive(Deserialize)]
struct Reference {
    p: Vec<f64>,
    other: Vec<f64>,
    y: Vec<u8>,
    patients: Vec<u32>,
    weight: Vec<f64>,
    figures: BTreeMap<String, f64>,
    intervals: BTreeMap<String, [f64; 2]>,
    cuts: Vec<BTreeMap<String, f64>>,
    top: Vec<BTreeMap<String, f64>>,
}

impl Reference {
    fn read() -> Reference {
        serde_json::from_str(include_str!("../../../tests/metrics/reference.json")).unwrap()
    }

    fn y(&self) -> Vec<bool> {
        self.y.iter().map(|y| *y == 1).collect()
    }

    /// Whether an interval lies where numpy's does, within what draws differ by. A line follows its
    /// draw by one step where statsmodels fits anew: with 240 patients that is still to be seen.
    fn near(&self, name: &str, interval: [f64; 2]) {
        let most = if name.starts_with("calibration") { 0.1 } else { 0.06 };
        let [low, high] = self.intervals[name];
        let off = [interval[0] - low, interval[1] - high].map(|off| off.abs() / (high - low));
        assert!(off.iter().all(|off| *off < most), "{name}: {interval:?} against {low} to {high}");
    }
}

#[test]
fn weighted_figures_are_those_of_scikit_learn_and_statsmodels() {
    let reference = Reference::read();
    let (y, weights) = (reference.y(), Weights::Each(&reference.weight));
    let metrics = Metrics::of(&reference.p, &y, &reference.patients, weights, 1).unwrap();
    let paired =
        paired(&reference.p, &reference.other, &y, &reference.patients, weights, 1).unwrap();
    for (name, ours) in [
        ("auroc", metrics.auroc),
        ("average_precision", metrics.average_precision),
        ("brier", metrics.brier),
        ("scaled_brier", metrics.scaled_brier),
        ("log_loss", metrics.log_loss),
        ("observed_over_expected", metrics.observed_over_expected),
        ("calibration_in_the_large", metrics.calibration_in_the_large),
        ("calibration_intercept", metrics.calibration_intercept),
        ("calibration_slope", metrics.calibration_slope),
        ("ici", metrics.ici),
        ("e50", metrics.e50),
        ("e90", metrics.e90),
        ("auroc_difference", paired.auroc.difference),
        ("brier_difference", paired.brier.unwrap().difference),
        ("log_loss_difference", paired.log_loss.unwrap().difference),
    ] {
        let theirs = reference.figures[name];
        assert!((ours - theirs).abs() < 1e-6, "{name}: {ours} against {theirs}");
    }
    for (name, interval) in [
        ("auroc", metrics.auroc_interval),
        ("average_precision", metrics.average_precision_interval),
        ("brier", metrics.brier_interval),
        ("scaled_brier", metrics.scaled_brier_interval),
        ("observed_over_expected", metrics.observed_over_expected_interval),
        ("calibration_intercept", metrics.calibration_intercept_interval),
        ("calibration_slope", metrics.calibration_slope_interval),
        ("auroc_difference", paired.auroc.interval),
    ] {
        reference.near(name, interval);
    }
    assert!(paired.auroc.p_value < 0.01, "the interval is far from 0");
}

#[test]
fn cuts_and_top_shares_are_those_of_numpy() {
    let reference = Reference::read();
    let (p, y, weights) = (&reference.p, reference.y(), Weights::Each(&reference.weight));
    let patients = &reference.patients;
    let cuts: Vec<f64> = reference.cuts.iter().map(|row| row["cut"]).collect();
    let same = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-9, "{ours} {theirs}");
    let table = threshold_table(p, &y, patients, weights, &cuts, 1);
    let points = curve(p, &y, patients, weights, &cuts);
    for (row, theirs) in table.iter().zip(&reference.cuts) {
        let figures = [row.flagged, row.ppv, row.sensitivity, row.specificity];
        for (ours, name) in figures.iter().zip(["flagged", "ppv", "sensitivity", "specificity"]) {
            same(ours.unwrap().value, theirs[name]);
        }
        let point = points.iter().find(|point| point.cut == row.cut).unwrap();
        same(point.net_benefit, theirs["net_benefit"]);
        same(row.net_benefit.unwrap().value, theirs["net_benefit"]);
        same(point.ppv, theirs["ppv"]);
        same(point.sensitivity, theirs["sensitivity"]);
    }
    let top = top_shares(p, &y, patients, weights, &[0.1, 0.25, 0.5], 1);
    for (row, theirs) in top.iter().zip(&reference.top) {
        assert_eq!(row.top_share, theirs["top_share"]);
        same(row.ppv.value, theirs["ppv"]);
        same(row.sensitivity.value, theirs["sensitivity"]);
    }
    assert_eq!(top.len(), 3);
}

/// A hospital with patients of two rows each whose risks go together, and their true risks.
fn hospital(patients: u32, seed: u64) -> (Vec<f64>, Vec<bool>, Vec<u32>) {
    let mut draws = Draws(seed);
    let (mut p, mut y, mut of) = (Vec::new(), Vec::new(), Vec::new());
    for patient in 0..patients {
        let own = 3.0 * (draws.uniform() - 0.5);
        for _ in 0..2 {
            let risk = 1.0 / (1.0 + (1.2 - own - draws.uniform()).exp());
            p.push(risk);
            y.push(draws.uniform() < risk);
            of.push(patient);
        }
    }
    (p, y, of)
}

#[test]
fn intervals_hold_what_is_true_about_as_often_as_they_say() {
    let (all_p, all_y, _) = hospital(40_000, 77);
    let truth = [
        auroc(&all_p, &all_y, Weights::Even).unwrap(),
        1.0,
        1.0,
        average_precision(&all_p, &all_y, Weights::Even).unwrap(),
    ];
    let mut held = [0; 4];
    for seed in 0..60 {
        let (p, y, patients) = hospital(250, 1_000 + seed);
        let found = Metrics::of(&p, &y, &patients, Weights::Even, seed).unwrap();
        let intervals = [
            found.auroc_interval,
            found.observed_over_expected_interval,
            found.calibration_slope_interval,
            found.average_precision_interval,
        ];
        for ((held, [low, high]), truth) in held.iter_mut().zip(intervals).zip(truth) {
            *held += usize::from((low..=high).contains(&truth));
        }
    }
    // 57 of 60 are expected; 50 or fewer have a chance of 1 in 200 for one interval.
    assert!(held.iter().all(|held| *held >= 51), "{held:?}");
}

#[test]
fn two_sets_that_tell_the_same_are_told_apart_by_chance_alone() {
    let (p, y, patients) = hospital(400, 5);
    let mut draws = Draws(9);
    let [one, other] = [0, 1].map(|_| {
        let noisy = p.iter().map(|p| (p + 0.05 * (draws.uniform() - 0.5)).clamp(0.0, 1.0));
        noisy.collect::<Vec<f64>>()
    });
    let alike = paired(&one, &other, &y, &patients, Weights::Even, 3).unwrap();
    let [low, high] = alike.auroc.interval;
    assert!(low < 0.0 && 0.0 < high && alike.auroc.p_value > 0.05, "{alike:?}");
    let same = paired(&p, &p, &y, &patients, Weights::Even, 3).unwrap();
    assert_eq!((same.auroc.difference, same.auroc.p_value), (0.0, 1.0));
    let turned: Vec<f64> = p.iter().map(|p| 1.0 - p).collect();
    let far = paired(&p, &turned, &y, &patients, Weights::Even, 3).unwrap();
    let back = paired(&turned, &p, &y, &patients, Weights::Even, 3).unwrap();
    assert!(far.auroc.interval[0] > 0.0 && far.brier.unwrap().interval[1] < 0.0);
    assert_eq!(far.auroc.difference, -back.auroc.difference);
    assert!(paired(&p, &p[1..], &y, &patients, Weights::Even, 3).is_none());
    let points: Vec<f64> = p.iter().map(|p| (p * 20.0).round() + 2.0).collect();
    let against = paired(&p, &points, &y, &patients, Weights::Even, 3).unwrap();
    assert!(against.brier.is_none() && against.log_loss.is_none());
    let nobody = paired(&p[..20], &p[..20], &y[..20], &patients[..20], Weights::Even, 3);
    assert_eq!(nobody, None, "ten patients");
}

#[test]
fn every_step_of_a_curve_stands_for_eleven_patients_of_each_kind() {
    let (p, y, patients) = hospital(1_500, 6);
    let tiers = [0.6, 0.4, 0.3999];
    let points = curve(&p, &y, &patients, Weights::Even, &tiers);
    assert!((20..=100).contains(&points.len()), "{}", points.len());
    let cuts: Vec<f64> = points.iter().map(|point| point.cut).collect();
    assert!(cuts.windows(2).all(|pair| pair[0] > pair[1]));
    assert!(cuts.contains(&0.6) && cuts.contains(&0.4), "the tiers come first");
    assert!(!cuts.contains(&0.3999), "what is all but a tier would tell of a few");
    let edges: Vec<f64> = [2.0].into_iter().chain(cuts).chain([-1.0]).collect();
    for pair in edges.windows(2) {
        for outcome in [true, false] {
            let rows = (0..p.len()).filter(|row| p[*row] < pair[0] && p[*row] >= pair[1]);
            let of_it = rows.filter(|row| y[*row] == outcome).map(|row| patients[row]);
            assert!(enough(of_it), "{pair:?}");
        }
    }
    // The area under the points is that of all rows, but for the corners that they cut.
    let corner = |point: &CurvePoint| (1.0 - point.specificity, point.sensitivity);
    let path: Vec<(f64, f64)> =
        [(0.0, 0.0)].into_iter().chain(points.iter().map(corner)).chain([(1.0, 1.0)]).collect();
    let area: f64 =
        path.windows(2).map(|two| (two[1].0 - two[0].0) * (two[0].1 + two[1].1) / 2.0).sum();
    assert!((area - auroc(&p, &y, Weights::Even).unwrap()).abs() < 0.003, "{area}");
    let bands = score_bands(&points);
    assert!((5..=20).contains(&bands.len()), "{}", bands.len());
    let sum = |of: fn(&ScoreBand) -> f64| bands.iter().map(of).sum::<f64>();
    assert!((sum(|band| band.with_outcome) - 1.0).abs() < 1e-12);
    assert!((sum(|band| band.without_outcome) - 1.0).abs() < 1e-12);
    assert!(bands.windows(2).all(|pair| pair[0].to == pair[1].from));
    let few: Vec<u32> = patients.iter().map(|patient| patient % 15).collect();
    assert!(curve(&p, &y, &few, Weights::Even, &tiers).len() <= 100);
    let ten: Vec<u32> = patients.iter().map(|patient| patient % 10).collect();
    assert!(curve(&p, &y, &ten, Weights::Even, &tiers).is_empty());
    assert!(top_shares(&p, &y, &ten, Weights::Even, &[0.1, 0.5], 1).is_empty());
}

#[test]
fn the_smooth_curve_finds_a_bend_and_stops_before_the_last_patients() {
    let (truth, y, patients) = hospital(4_000, 8);
    // What is said is the square of what is true, above all where it is high.
    let p: Vec<f64> = truth.iter().map(|risk| risk * risk).collect();
    let points = calibration_curve(&p, &y, &patients, Weights::Even, 2);
    assert_eq!(points.len(), 50);
    for point in &points {
        let [low, high] = point.interval;
        assert!((point.observed - point.predicted.sqrt()).abs() < 0.04, "{point:?}");
        assert!(low <= point.observed && point.observed <= high && high - low < 0.2);
    }
    let beyond = |is_beyond: &dyn Fn(f64) -> bool| {
        enough((0..p.len()).filter(|row| is_beyond(p[*row])).map(|row| patients[row]))
    };
    let (first, last) = (points[0].predicted, points[49].predicted);
    assert!(beyond(&|p| p <= first) && beyond(&|p| p >= last));
    let [ici, e50, e90] = calibration_errors(&p, &y, Weights::Even).unwrap();
    let true_error = truth.iter().map(|risk| risk - risk * risk).sum::<f64>() / 8_000.0;
    assert!((ici - true_error).abs() < 0.02 && e50 < e90, "{ici} {e50} {e90} {true_error}");
    let [right, ..] = calibration_errors(&truth, &y, Weights::Even).unwrap();
    assert!(right < 0.02, "{right}");
    // Two probabilities only, and one.
    let two: Vec<f64> = truth.iter().map(|risk| if *risk > 0.5 { 0.7 } else { 0.2 }).collect();
    assert!(calibration_errors(&two, &y, Weights::Even).unwrap()[0].is_finite());
    let share = y.iter().filter(|y| **y).count() as f64 / y.len() as f64;
    let [even, ..] = calibration_errors(&vec![0.5; y.len()], &y, Weights::Even).unwrap();
    assert!((even - (share - 0.5).abs()).abs() < 1e-6);
    assert!(calibration_curve(&vec![0.5; y.len()], &y, &patients, Weights::Even, 2).is_empty());
}
