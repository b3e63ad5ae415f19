//! Tests of the metrics against counts by hand.

use super::calibration::log_odds;
use super::resampling::mixed;
use super::*;

const EVEN: Weights<'_> = Weights::Even;

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
    assert!((auroc(&p, &y, EVEN).unwrap() - won / pairs).abs() < 1e-12);
    assert_eq!(auroc(&[0.1, 0.2], &[true, true], EVEN), None);
}

#[test]
fn small_cases_by_hand() {
    let (p, y) = ([0.9, 0.8, 0.3, 0.2], [true, false, true, false]);
    assert!((average_precision(&p, &y, EVEN).unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    assert!((average_precision(&[0.5; 4], &y, EVEN).unwrap() - 0.5).abs() < 1e-12);
    assert!((brier(&p, &y, EVEN).unwrap() - (0.01 + 0.64 + 0.49 + 0.04) / 4.0).abs() < 1e-12);
    let loss = -(0.9f64.ln() + 0.2f64.ln() + 0.3f64.ln() + 0.8f64.ln()) / 4.0;
    assert!((log_loss(&p, &y, EVEN).unwrap() - loss).abs() < 1e-12);
    assert!((observed_over_expected(&p, &y, EVEN).unwrap() - 2.0 / 2.2).abs() < 1e-12);
    assert!(log_loss(&[0.0], &[true], EVEN).unwrap().is_finite());
    assert_eq!(brier(&[], &[], EVEN), None);
}

#[test]
fn the_calibration_line_undoes_a_distortion() {
    let (p, y, _) = rows(20_000);
    let (intercept, slope) = calibration_line(&p, &y, EVEN).unwrap();
    assert!(intercept.abs() < 0.06 && (slope - 1.0).abs() < 0.06, "{intercept} {slope}");
    let bent: Vec<f64> =
        p.iter().map(|p| 1.0 / (1.0 + (-(2.0 * log_odds(*p) + 1.0)).exp())).collect();
    let (other, half) = calibration_line(&bent, &y, EVEN).unwrap();
    assert!((half - slope / 2.0).abs() < 1e-6 && (other + half - intercept).abs() < 1e-6);
    assert!(calibration_in_the_large(&p, &y, EVEN).unwrap().abs() < 0.06);
    let even = vec![0.2; y.len()];
    let share = y.iter().filter(|event| **event).count() as f64 / y.len() as f64;
    let (shift, slope) = calibration_line(&even, &y, EVEN).unwrap();
    let said = 1.0 / (1.0 + (-(shift + slope * log_odds(0.2))).exp());
    assert!((said - share).abs() < 1e-6, "equal probabilities have a line too");
}

#[test]
fn bins_hold_enough_patients_and_all_rows() {
    let (p, y, patients) = rows(1000);
    let bins = calibration_bins(&p, &y, &patients, EVEN, 10);
    assert!((8..=10).contains(&bins.len()), "{}", bins.len());
    assert_eq!(bins.iter().map(|bin| bin.rows).sum::<usize>(), 1000);
    assert!(bins.windows(2).all(|pair| pair[0].predicted < pair[1].predicted));
    for bin in &bins {
        let with = bin.observed * bin.rows as f64;
        let few = 10.5..bin.rows as f64 - 10.5;
        assert!(few.contains(&with), "no bin gives a small count away: {with} of {}", bin.rows);
    }
    let few: Vec<u32> = (0..1000).map(|row| row % 10).collect();
    assert!(calibration_bins(&p, &y, &few, EVEN, 10).is_empty());
    assert!(calibration_bins(&p[..25], &y[..25], &patients[..25], EVEN, 10).len() <= 1);
    assert!(calibration_bins(&[], &[], &[], EVEN, 10).is_empty());
}

#[test]
fn the_table_counts_and_hides_small_groups() {
    let p: Vec<f64> = (0..200).map(|i| f64::from(i) / 200.0).collect();
    let y: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
    let patients: Vec<u32> = (0..200).collect();
    let table = threshold_table(&p, &y, &patients, EVEN, &[0.5, 0.9, 0.96], 1);
    let of = |at: usize| {
        let ThresholdRow { flagged, ppv, sensitivity, specificity, .. } = &table[at];
        [flagged, ppv, sensitivity, specificity].map(|one| one.map(|one| one.value))
    };
    assert_eq!(of(0), [Some(0.5), Some(0.25), Some(0.5), Some(0.5)]);
    // Twenty are flagged, five of them with the outcome: their share would say so.
    assert_eq!(of(1), [Some(0.1), None, None, Some(135.0 / 150.0)]);
    assert_eq!((of(2)[0], of(2)[3]), (None, None));
    let [low, high] = table[0].ppv.unwrap().interval;
    // A quarter of a hundred has a standard error of 0.043.
    assert!((0.15..0.19).contains(&low) && (0.31..0.35).contains(&high), "{low} {high}");
}

#[test]
fn all_of_it_is_the_same_on_any_number_of_threads() {
    let (p, y, patients) = rows(2000);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Metrics::of(&p, &y, &patients, EVEN, 4).unwrap())
    };
    let metrics = on(1);
    assert_eq!(metrics, on(2));
    assert!(metrics.auroc_interval[0] < metrics.auroc && metrics.auroc < metrics.auroc_interval[1]);
    assert!(metrics.auroc_interval[1] - metrics.auroc_interval[0] < 0.06);
    assert_eq!(Metrics::of(&p, &vec![true; 2000], &patients, EVEN, 4), None);
    assert_eq!(Metrics::of(&[f64::NAN, 0.5], &[true, false], &[1, 2], EVEN, 4), None);
}

#[test]
fn weighted_figures_by_hand() {
    let (p, y) = ([0.9, 0.8, 0.3, 0.2], [true, false, true, false]);
    let weights = Weights::Each(&[2.0, 1.0, 4.0, 0.5]);
    // Pairs won: 0.9 over both (2 * 1.5), 0.3 over 0.2 (4 * 0.5), of 6 * 1.5 in all.
    assert!((auroc(&p, &y, weights).unwrap() - 5.0 / 9.0).abs() < 1e-12);
    // Precision 2/2 at 0.9 and 6/7 at 0.3.
    let precision = (2.0 * 1.0 + 4.0 * 6.0 / 7.0) / 6.0;
    assert!((average_precision(&p, &y, weights).unwrap() - precision).abs() < 1e-12);
    let squares = (2.0 * 0.01 + 0.64 + 4.0 * 0.49 + 0.5 * 0.04) / 7.5;
    assert!((brier(&p, &y, weights).unwrap() - squares).abs() < 1e-12);
    let logs = 2.0 * 0.9f64.ln() + 0.2f64.ln() + 4.0 * 0.3f64.ln() + 0.5 * 0.8f64.ln();
    assert!((log_loss(&p, &y, weights).unwrap() + logs / 7.5).abs() < 1e-12);
    let ratio = 6.0 / (1.8 + 0.8 + 1.2 + 0.1);
    assert!((observed_over_expected(&p, &y, weights).unwrap() - ratio).abs() < 1e-12);
    let nobody = Weights::Each(&[0.0; 4]);
    assert_eq!((brier(&p, &y, nobody), auroc(&p, &y, nobody)), (None, None));
    let wrong = Weights::Each(&[1.0, -1.0, 1.0, 1.0]);
    assert_eq!((brier(&p, &y, wrong), auroc(&p, &y, wrong)), (None, None));
    assert_eq!(log_loss(&p, &y, Weights::Each(&[1.0])), None);
}

#[test]
fn whole_weights_are_repeated_rows_in_every_figure() {
    let (p, y, patients) = rows(1500);
    let times: Vec<f64> = (0..1500).map(|row| f64::from(row % 4)).collect();
    let each: Vec<usize> = (0..1500).flat_map(|row| std::iter::repeat_n(row, row % 4)).collect();
    let many_p: Vec<f64> = each.iter().map(|row| p[*row]).collect();
    let many_y: Vec<bool> = each.iter().map(|row| y[*row]).collect();
    let many_patients: Vec<u32> = each.iter().map(|row| patients[*row]).collect();
    let weighted = Metrics::of(&p, &y, &patients, Weights::Each(&times), 4).unwrap();
    let repeated = Metrics::of(&many_p, &many_y, &many_patients, EVEN, 4).unwrap();
    let figures = |m: &Metrics| {
        let [a, b] = m.auroc_interval;
        let [c, d] = m.observed_over_expected_interval;
        let loss = [m.prevalence, m.brier, m.log_loss, m.observed_over_expected];
        let line = [m.calibration_in_the_large, m.calibration_intercept, m.calibration_slope];
        [vec![m.auroc, m.average_precision, a, b, c, d], loss.to_vec(), line.to_vec()].concat()
    };
    for (one, other) in figures(&weighted).iter().zip(figures(&repeated)) {
        assert!((one - other).abs() < 1e-9, "{one} {other}");
    }
    assert_eq!((weighted.rows, weighted.patients), (1125, 1125), "weight 0 is not there");
    assert_eq!(weighted.effective_rows, 2250.0f64.powi(2) / 5250.0);
    let table = |p: &[f64], y: &[bool], patients: &[u32], weights| {
        threshold_table(p, y, patients, weights, &[0.3, 0.7], 1)
    };
    let lines = table(&p, &y, &patients, Weights::Each(&times));
    let shares = |row: &ThresholdRow| {
        [row.flagged, row.ppv, row.sensitivity, row.specificity].map(|one| one.unwrap().value)
    };
    for (one, other) in lines.iter().zip(table(&many_p, &many_y, &many_patients, EVEN)) {
        for (one, other) in shares(one).into_iter().zip(shares(&other)) {
            assert!((one - other).abs() < 1e-12);
        }
    }
}

#[test]
fn weight_1_gives_the_very_bits_of_no_weights() {
    let (p, y, patients) = rows(2000);
    let p: Vec<f64> = p.iter().map(|p| (p * 50.0).round() / 50.0).collect();
    let ones = vec![1.0; 2000];
    let weighted = Metrics::of(&p, &y, &patients, Weights::Each(&ones), 4).unwrap();
    assert_eq!(weighted, Metrics::of(&p, &y, &patients, EVEN, 4).unwrap());
    let cuts = threshold_table(&p, &y, &patients, Weights::Each(&ones), &[0.3], 1);
    assert_eq!(cuts, threshold_table(&p, &y, &patients, EVEN, &[0.3], 1));
}

#[test]
fn weighted_bins_count_patients_that_count() {
    let (p, y, patients) = rows(1000);
    let weights: Vec<f64> = (0..1000).map(|row| f64::from(u8::from(row % 2 == 0)) * 2.5).collect();
    let bins = calibration_bins(&p, &y, &patients, Weights::Each(&weights), 10);
    assert_eq!(bins.iter().map(|bin| bin.rows).sum::<usize>(), 500);
    let halves: Vec<usize> = (0..1000).step_by(2).collect();
    let half_p: Vec<f64> = halves.iter().map(|row| p[*row]).collect();
    let half_y: Vec<bool> = halves.iter().map(|row| y[*row]).collect();
    let plain = calibration_bins(&half_p, &half_y, &patients[..500], EVEN, 10);
    assert_eq!(bins.len(), plain.len());
    for (bin, plain) in bins.iter().zip(plain) {
        assert!((bin.observed - plain.observed).abs() < 1e-12);
        assert!((bin.predicted - plain.predicted).abs() < 1e-12);
    }
    // Twenty patients have rows, but only ten of them have a row that counts.
    let few: Vec<u32> = (0..1000).map(|row| row % 20).collect();
    assert!(calibration_bins(&p, &y, &few, Weights::Each(&weights), 10).is_empty());
    assert_eq!(Metrics::of(&p, &y, &few, Weights::Each(&weights), 1), None);
}

#[test]
fn the_interval_of_observed_over_expected_holds_what_is_true() {
    let (p, y, patients) = rows(4000);
    let [low, high] =
        Metrics::of(&p, &y, &patients, EVEN, 4).unwrap().observed_over_expected_interval;
    assert!(low < 1.0 && 1.0 < high && high - low < 0.15, "{low} {high}");
    let halved: Vec<f64> = p.iter().map(|p| p / 2.0).collect();
    let [low, high] = observed_over_expected_interval(&halved, &y, &patients, EVEN, 4).unwrap();
    assert!(low < 2.0 && 2.0 < high && low > 1.8, "{low} {high}");
    let again = auroc_interval(&p, &y, &patients, EVEN, 4).unwrap();
    assert_eq!(Metrics::of(&p, &y, &patients, EVEN, 4).unwrap().auroc_interval, again);
}
