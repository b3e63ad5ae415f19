//! Tests of the weights on samples made by hand, whose true risk and whose loss to follow-up are
//! known: without weights the figures are wrong, with them they are right.

use super::*;
use crate::train::metrics::{self, Metrics};
use crate::train::tests::{Draws, HORIZON_DAYS, Known, cohort, params, population, task};
use crate::train::{Pace, fit};

fn weighed(cohort: &Cohort<'_>) -> FollowUp {
    FollowUp::of(cohort, &vec![true; cohort.samples().len()])
}

/// As a task that drops the censored.
fn dropped(known: &[Known]) -> FollowUp {
    let counts = |known: &Known| f64::from(u8::from(!known.sample.censored));
    FollowUp { each: Some(known.iter().map(counts).collect()), report: None }
}

/// The figures of the true risks, on what was seen.
fn judged(known: &[Known], follow_up: &FollowUp) -> Metrics {
    let p: Vec<f64> = known.iter().map(|known| known.risk).collect();
    let y: Vec<bool> = known.iter().map(|known| known.sample.boolean_value).collect();
    let patients: Vec<u32> = (0..known.len() as u32).collect();
    Metrics::of(&p, &y, &patients, follow_up.weights(), 1).unwrap()
}

fn holds(interval: [f64; 2], value: f64) -> bool {
    interval[0] <= value && value <= interval[1]
}

#[test]
fn the_true_risks_are_right_with_weights_and_wrong_without() {
    let (concepts, task) = task();
    for seed in [1, 2, 3] {
        let known = population(&task, 12_000, 0.014, seed);
        let cohort = cohort(&task, &concepts, &known);
        let weighted = weighed(&cohort);
        let report = weighted.report.clone().unwrap();
        let share = report.learnt_on.censored_share.unwrap();
        assert!((0.25..0.4).contains(&share), "{share}");
        assert_eq!(report.weights_from, WeightsFrom::Regression);
        assert!(report.learnt_on.effective_samples < report.learnt_on.counted_samples as f64);
        assert!(report.weight_max > 1.5 && report.weight_max < 10.0);

        let plain = judged(&known, &dropped(&known));
        let fair = judged(&known, &weighted);
        let without = plain.observed_over_expected_interval;
        let with = fair.observed_over_expected_interval;
        assert!(!holds(without, 1.0), "seed {seed}: {without:?}");
        assert!(holds(with, 1.0), "seed {seed}: {with:?}");
        // What a full follow-up would have shown.
        let p: Vec<f64> = known.iter().map(|known| known.risk).collect();
        let y: Vec<bool> = known.iter().map(|known| known.outcome).collect();
        let full = metrics::auroc(&p, &y, Weights::Even).unwrap();
        assert!((fair.auroc - full).abs() < 0.01, "seed {seed}: {} {full}", fair.auroc);
        let prevalence = y.iter().filter(|y| **y).count() as f64 / y.len() as f64;
        assert!((fair.prevalence - prevalence).abs() < 0.01);
        assert!((plain.prevalence - prevalence).abs() > (fair.prevalence - prevalence).abs());
        // One curve for all does not know who is lost.
        let curve = Curve::of(known.iter().map(|known| &known.sample), HORIZON_DAYS);
        let weight = |known: &Known| match known.sample.censored {
            true => 0.0,
            false => 1.0 / curve.before(known.sample.followed_days),
        };
        let each = Some(known.iter().map(weight).collect());
        let blind = judged(&known, &FollowUp { each, report: None });
        let blind = blind.observed_over_expected_interval;
        assert!(!holds(blind, 1.0), "seed {seed}: {blind:?}");
    }
}

#[test]
fn a_weighted_fit_is_right_about_patients_that_were_followed() {
    let (concepts, task) = task();
    let known = population(&task, 6_000, 0.014, 5);
    let later = population(&task, 20_000, 0.0, 6);
    let params = params();
    let observed = later.iter().filter(|known| known.outcome).count() as f64;
    let mut truths = Vec::new();
    for drop in [false, true] {
        let kept = known.iter().filter(|known| !(drop && known.sample.censored));
        let samples = kept.map(|known| known.sample.clone()).collect();
        let cohort = Cohort::of_samples(&task, &concepts, samples);
        let fitted = fit(&cohort, &params, Pace::unwatched()).unwrap();
        let p = later.iter().map(|known| {
            let row = &known.sample.facts.values;
            fitted.bundle.predict(row).probability
        });
        truths.push(observed / p.sum::<f64>());
        assert_eq!(fitted.report.censoring.is_none(), drop);
        let Some(report) = &fitted.report.censoring else { continue };
        let card = String::from_utf8(fitted.files["card.md"].clone()).unwrap();
        assert!(card.contains(&report.sentence()), "{}", report.sentence());
        let held_out = report.held_out.as_ref().unwrap();
        let used = fitted.report.held_out.values().next().unwrap();
        assert_eq!(used.rows, held_out.counted_samples);
        assert_eq!(used.effective_rows, held_out.effective_samples);
        assert!(holds(used.observed_over_expected_interval, 1.0));
        // Censored rows are in the dump, with weight 0 and a fold, but in no fit.
        assert_eq!(fitted.dump.weights.len(), 6_000);
        let zero = fitted.dump.weights.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!(zero, known.iter().filter(|known| known.sample.censored).count());
        assert!(fitted.dump.folds.iter().any(Option::is_some));
    }
    let [weighted, dropped] = truths[..] else { panic!("two fits") };
    assert!((weighted - 1.0).abs() < 0.05, "{weighted}");
    assert!((dropped - 1.0).abs() > 0.08, "{dropped}");
}

#[test]
fn without_a_loss_every_sample_counts_exactly_once() {
    let (concepts, task) = task();
    let known = population(&task, 300, 0.0, 1);
    let follow_up = weighed(&cohort(&task, &concepts, &known));
    assert_eq!(follow_up, FollowUp { each: None, report: None });
    assert_eq!(follow_up.weights(), Weights::Even);
}

#[test]
fn few_lost_patients_share_one_curve() {
    let (concepts, task) = task();
    let known = population(&task, 200, 0.006, 1);
    let cohort = cohort(&task, &concepts, &known);
    let follow_up = weighed(&cohort);
    let report = follow_up.report.clone().unwrap();
    assert_eq!(report.weights_from, WeightsFrom::KaplanMeier);
    // All weights together stand for all samples, but for those followed to the end last.
    let rows: Vec<usize> = (0..200).collect();
    let sum = follow_up.weights().sum(&rows);
    assert!((sum - 200.0).abs() < 2.0, "{sum}");
    for (row, known) in known.iter().enumerate() {
        assert_eq!(follow_up.weights().of(row) == 0.0, known.sample.censored);
    }
}

#[test]
fn the_curve_is_kaplan_and_meiers() {
    let (_, task) = task();
    let mut known = population(&task, 6, 0.0, 1);
    // Lost on day 2; an outcome and a loss on day 4; three followed to the end.
    let ends =
        [(2.0, true), (4.0, false), (4.0, true), (30.0, false), (30.0, false), (30.0, false)];
    for (known, (days, censored)) in known.iter_mut().zip(ends) {
        known.sample.followed_days = days;
        known.sample.censored = censored;
    }
    let curve = Curve::of(known.iter().map(|known| &known.sample), HORIZON_DAYS);
    let chances = [0.0, 2.0, 2.1, 4.0, 4.1, 30.0].map(|days| curve.before(days));
    let after_both = 5.0 / 6.0 * 3.0 / 4.0;
    let expected = [1.0, 1.0, 5.0 / 6.0, 5.0 / 6.0, after_both, after_both];
    for (chance, expected) in chances.iter().zip(expected) {
        assert!((chance - expected).abs() < 1e-12, "{chances:?}");
    }
    // One of the three at the end was never looked at; who had the outcome before needed no look.
    known[3].sample.censored = true;
    let curve = Curve::of(known.iter().map(|known| &known.sample), HORIZON_DAYS);
    assert!((curve.before(30.0) - 2.0 / 3.0 * after_both).abs() < 1e-12);
    assert!((curve.before(4.0) - 5.0 / 6.0).abs() < 1e-12);
}

#[test]
fn large_weights_are_cut_and_few_lost_patients_are_not_told() {
    let (concepts, task) = task();
    let mut known = population(&task, 400, 0.0, 1);
    for known in known.iter_mut().take(9) {
        (known.sample.censored, known.sample.followed_days) = (true, 3.0);
    }
    let few = cohort(&task, &concepts, &known);
    let report = weighed(&few).report.unwrap();
    assert_eq!(report.learnt_on.censored_share, None);
    assert!(report.sentence().contains("too few to be told"), "{}", report.sentence());
    assert!(report.warning().is_none());

    let known = population(&task, 3_000, 0.06, 2);
    let many = weighed(&cohort(&task, &concepts, &known));
    let report = many.report.clone().unwrap();
    let most = (0..3_000).map(|row| many.weights().of(row)).fold(0.0, f64::max);
    assert_eq!(most, report.weight_max);
    let at_most = (0..3_000).filter(|row| many.weights().of(*row) == most).count();
    assert!(at_most >= report.learnt_on.counted_samples / 110, "{at_most}");
    assert!(report.warning().is_some_and(|text| text.contains("a shorter horizon")), "{report}");
}

/// Gives every third or so sample another way to be lost, of those with a high first column more.
fn lost_otherwise(known: &mut [Known], days: f64, whole: impl Fn(&Sample) -> bool) {
    let mut draws = Draws(77);
    for known in known.iter_mut().filter(|known| whole(&known.sample)) {
        let a = f64::from(known.sample.facts.values[0]);
        if draws.uniform() < 1.0 / (1.0 + (0.9 - 1.0 * a).exp()) {
            known.sample.followed_days = days;
            known.sample.censored = true;
            known.sample.boolean_value = false;
        }
    }
}

#[test]
fn samples_lost_at_once_or_never_looked_at_are_stood_for_too() {
    let (concepts, task) = task();
    for (days, seed) in [(0.0, 11), (HORIZON_DAYS, 12)] {
        let mut known = population(&task, 12_000, 0.008, seed);
        // Only who is there to the end can have been without a look.
        let to_the_end = |sample: &Sample| !sample.censored && sample.followed_days >= HORIZON_DAYS;
        lost_otherwise(&mut known, days, |sample| days == 0.0 || to_the_end(sample));
        let follow_up = weighed(&cohort(&task, &concepts, &known));
        let [low, high] = judged(&known, &follow_up).observed_over_expected_interval;
        assert!(low < 1.0 && 1.0 < high, "{days}: {low} {high}");
        let [low, high] = judged(&known, &dropped(&known)).observed_over_expected_interval;
        assert!(low > 1.0 || high < 1.0, "{days}: {low} {high}");
        let report = follow_up.report.unwrap();
        assert!(report.learnt_on.censored_share.unwrap() > 0.2);
    }
}
