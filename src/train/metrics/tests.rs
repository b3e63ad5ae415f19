//! Tests of the metrics against counts by hand.

use super::*;

/// `count` rows of one patient each, well calibrated by construction of the outcomes.
fn rows(count: usize) -> (Vec<f64>, Vec<bool>, Vec<u32>) {
    let uniform = |counter: u64| (mixed(counter) >> 11) as f64 / (1u64 << 53) as f64;
    let p: Vec<f64> = (0..count).map(|i| 0.02 + 0.9 * uniform(2 * i as u64 + 1)).collect();
    let y = p.iter().enumerate().map(|(i, p)| uniform(2 * i as u64 + 2) < *p).collect();
    (p, y, (0..count as u32).collect())
}

#[test]
fn auroc_counts_pairs_and_halves_ties() {
    let (p, y, _) = rows(200);
    let p: Vec<f64> = p.iter().map(|p| (p * 10.0).round() / 10.0).collect();
    let (mut won, mut pairs) = (0.0, 0.0);
    for i in (0..200).filter(|i| y[*i]) {
        for j in (0..200).filter(|j| !y[*j]) {
            pairs += 1.0;
            won += if p[i] > p[j] {
                1.0
            } else if p[i] == p[j] {
                0.5
            } else {
                0.0
            };
        }
    }
    assert!((auroc(&p, &y).unwrap() - won / pairs).abs() < 1e-12);
    assert_eq!(auroc(&[0.1, 0.2], &[true, true]), None);
}

#[test]
fn small_cases_by_hand() {
    let (p, y) = ([0.9, 0.8, 0.3, 0.2], [true, false, true, false]);
    assert!((average_precision(&p, &y).unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    assert!((average_precision(&[0.5; 4], &y).unwrap() - 0.5).abs() < 1e-12);
    assert!((brier(&p, &y).unwrap() - (0.01 + 0.64 + 0.49 + 0.04) / 4.0).abs() < 1e-12);
    let loss = -(0.9f64.ln() + 0.2f64.ln() + 0.3f64.ln() + 0.8f64.ln()) / 4.0;
    assert!((log_loss(&p, &y).unwrap() - loss).abs() < 1e-12);
    assert!((observed_over_expected(&p, &y).unwrap() - 2.0 / 2.2).abs() < 1e-12);
    assert!(log_loss(&[0.0], &[true]).unwrap().is_finite());
    assert_eq!(brier(&[], &[]), None);
}

#[test]
fn the_calibration_line_undoes_a_distortion() {
    let (p, y, _) = rows(20_000);
    let (intercept, slope) = calibration_line(&p, &y).unwrap();
    assert!(intercept.abs() < 0.06 && (slope - 1.0).abs() < 0.06, "{intercept} {slope}");
    let bent: Vec<f64> =
        p.iter().map(|p| 1.0 / (1.0 + (-(2.0 * log_odds(*p) + 1.0)).exp())).collect();
    let (other, half) = calibration_line(&bent, &y).unwrap();
    assert!((half - slope / 2.0).abs() < 1e-6 && (other + half - intercept).abs() < 1e-6);
    assert!(calibration_in_the_large(&p, &y).unwrap().abs() < 0.06);
    let even = vec![0.2; y.len()];
    let share = y.iter().filter(|event| **event).count() as f64 / y.len() as f64;
    let (shift, slope) = calibration_line(&even, &y).unwrap();
    let said = 1.0 / (1.0 + (-(shift + slope * log_odds(0.2))).exp());
    assert!((said - share).abs() < 1e-6, "equal probabilities have a line too");
}

#[test]
fn bins_hold_enough_patients_and_all_rows() {
    let (p, y, patients) = rows(1000);
    let bins = calibration_bins(&p, &y, &patients, 10);
    assert!((8..=10).contains(&bins.len()), "{}", bins.len());
    assert_eq!(bins.iter().map(|bin| bin.rows).sum::<usize>(), 1000);
    assert!(bins.windows(2).all(|pair| pair[0].predicted < pair[1].predicted));
    for bin in &bins {
        let with = bin.observed * bin.rows as f64;
        let few = 10.5..bin.rows as f64 - 10.5;
        assert!(few.contains(&with), "no bin gives a small count away: {with} of {}", bin.rows);
    }
    let few: Vec<u32> = (0..1000).map(|row| row % 10).collect();
    assert!(calibration_bins(&p, &y, &few, 10).is_empty());
    assert!(calibration_bins(&p[..25], &y[..25], &patients[..25], 10).len() <= 1);
    assert!(calibration_bins(&[], &[], &[], 10).is_empty());
}

#[test]
fn the_table_counts_and_hides_small_groups() {
    let p: Vec<f64> = (0..200).map(|i| f64::from(i) / 200.0).collect();
    let y: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
    let patients: Vec<u32> = (0..200).collect();
    let table = threshold_table(&p, &y, &patients, &[0.5, 0.9, 0.96]);
    let half = &table[0];
    assert_eq!((half.flagged, half.ppv), (Some(0.5), Some(0.25)));
    assert_eq!((half.sensitivity, half.specificity), (Some(0.5), Some(0.5)));
    // Twenty are flagged, five of them with the outcome: their share would say so.
    assert_eq!((table[1].flagged, table[1].ppv), (Some(0.1), None));
    assert_eq!((table[1].sensitivity, table[1].specificity), (None, Some(135.0 / 150.0)));
    assert_eq!((table[2].flagged, table[2].specificity), (None, None));
}

#[test]
fn all_of_it_is_the_same_on_any_number_of_threads() {
    let (p, y, patients) = rows(2000);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Metrics::of(&p, &y, &patients, 4).unwrap())
    };
    let metrics = on(1);
    assert_eq!(metrics, on(2));
    assert!(metrics.auroc_interval[0] < metrics.auroc && metrics.auroc < metrics.auroc_interval[1]);
    assert!(metrics.auroc_interval[1] - metrics.auroc_interval[0] < 0.06);
    assert_eq!(Metrics::of(&p, &vec![true; 2000], &patients, 4), None);
    assert_eq!(Metrics::of(&[f64::NAN, 0.5], &[true, false], &[1, 2], 4), None);
}
