//! Tests of what is told beside the figures, on rows whose truth is known.

use super::*;
use crate::feature::Matrix;
use crate::record::Time;
use crate::train::metrics::{Core, Estimate, Resampling, auroc, enough};
use crate::train::tests::{Draws, cohort, params, population, task};
use crate::train::{Pace, fit};

/// Rows of `count` patients; `place` sets attributes and time of each.
struct Made {
    samples: Vec<Sample>,
    p: Vec<f64>,
}

impl Made {
    fn of(count: usize, seed: u64, place: impl Fn(usize, &mut Sample)) -> Made {
        let (_, task) = task();
        let known = population(&task, count, 0.0, seed);
        let p = known.iter().map(|known| known.risk).collect();
        let mut samples: Vec<Sample> = known.into_iter().map(|known| known.sample).collect();
        samples.iter_mut().enumerate().for_each(|(number, sample)| place(number, sample));
        Made { samples, p }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            samples: self.samples.iter().collect(),
            p: self.p.clone(),
            y: self.samples.iter().map(|sample| sample.boolean_value).collect(),
            patients: (0..self.p.len() as u32).collect(),
            weights: None,
        }
    }
}

fn value(estimate: Option<Estimate>) -> f64 {
    estimate.unwrap().value
}

#[test]
fn a_group_is_judged_beside_the_rest_of_its_attribute() {
    let group = |number: usize| ["a", "a", "b"][number % 3];
    let mut made = Made::of(3_000, 11, |number, sample| {
        sample.attributes = vec![("site", group(number).to_owned())];
    });
    // Half of what it should be for one of the groups.
    let halved = made.p.iter_mut().enumerate().filter(|(number, _)| group(*number) == "b");
    halved.for_each(|(_, p)| *p /= 2.0);
    let rows = made.rows();
    let found = subgroups(&rows, 0.3, 1);
    assert_eq!(found.iter().map(|one| one.group.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let [a, b] = &found[..] else { panic!("two groups") };
    assert_eq!((a.samples_about, b.samples_about), (2_000, 1_000));
    let ratio = b.observed_over_expected.unwrap();
    assert!(ratio.interval[0] > 1.5 && (ratio.value - 2.0).abs() < 0.25, "{ratio:?}");
    let gap = b.gap.observed_over_expected.unwrap();
    assert!((gap.value - (ratio.value - value(a.observed_over_expected))).abs() < 1e-12);
    assert!(gap.interval[0] > 0.5 && a.gap.observed_over_expected.unwrap().interval[1] < -0.5);
    // By hand.
    let of = |wanted: &'static str| (0..3_000).filter(move |row| group(*row) == wanted);
    let flagged = of("b").filter(|row| rows.p[*row] >= 0.3).count();
    let hits = of("b").filter(|row| rows.p[*row] >= 0.3 && rows.y[*row]).count();
    let events = of("b").filter(|row| rows.y[*row]).count();
    assert!((value(b.flagged) - flagged as f64 / 1_000.0).abs() < 1e-12);
    assert!((value(b.ppv) - hits as f64 / flagged as f64).abs() < 1e-12);
    assert!((value(b.sensitivity) - hits as f64 / events as f64).abs() < 1e-12);
    assert!((b.prevalence.unwrap() - events as f64 / 1_000.0).abs() < 0.005);
    let p: Vec<f64> = of("b").map(|row| rows.p[row]).collect();
    let y: Vec<bool> = of("b").map(|row| rows.y[row]).collect();
    assert_eq!(Some(value(b.auroc)), auroc(&p, &y, Weights::Even));
    assert!((value(b.gap.auroc) - value(b.auroc) + value(a.auroc)).abs() < 1e-12);
    assert_eq!(found, subgroups(&rows, 0.3, 1));
}

#[test]
fn no_subtraction_gives_a_small_group_back() {
    // Eight patients of a third group, who are not named; twenty of a fourth, of whom too few are
    // flagged; and the figures of the whole are known.
    let group = |number: usize| match number {
        0..8 => "few",
        8..28 => "some",
        _ if number.is_multiple_of(2) => "even",
        _ => "odd",
    };
    let made = Made::of(2_000, 12, |number, sample| {
        sample.attributes = vec![("site", group(number).to_owned())];
    });
    let rows = made.rows();
    let found = subgroups(&rows, 0.3, 1);
    assert!(found.iter().all(|one| one.group != "few"), "not even named");
    let some = found.iter().find(|one| one.group == "some").unwrap();
    assert_eq!((some.ppv, some.sensitivity, some.gap.ppv), (None, None, None));
    for figure in [|one: &Subgroup| one.ppv, |one: &Subgroup| one.flagged] {
        let told: Vec<&str> = found
            .iter()
            .filter(|one| figure(one).is_some())
            .map(|one| one.group.as_str())
            .collect();
        assert!(!told.is_empty());
        let left = (0..2_000).filter(|row| !told.contains(&group(*row)));
        let (flagged, others): (Vec<usize>, Vec<usize>) = left.partition(|row| rows.p[*row] >= 0.3);
        assert!(enough(flagged.iter().map(|row| *row as u32)), "{told:?}");
        assert!(enough(others.iter().map(|row| *row as u32)), "{told:?}");
    }
    // Only two groups, one of which is too small for any share: neither is told.
    let made = Made::of(2_000, 12, |number, sample| {
        sample.attributes = vec![("site", if number < 20 { "some" } else { "most" }.to_owned())];
    });
    let found = subgroups(&made.rows(), 0.3, 1);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|one| one.ppv.is_none() && one.sensitivity.is_none()));
}

#[test]
fn times_are_told_apart_where_dates_allow() {
    let dated = |year: usize, month: usize| {
        Time::parse(&format!("{}-{month:02}-05T10:00:00Z", 2015 + year)).unwrap()
    };
    let made = Made::of(4_000, 13, |n, sample| {
        // Three patients lie in a year of their own.
        let year = if n < 3 { 9 } else { n % 4 };
        sample.prediction_time = dated(year, 1 + n % 12);
    });
    let rows = made.rows();
    let OverTime::Judged { periods, earlier, later } = over_time(&rows, 1) else {
        panic!("there are years")
    };
    let spans: Vec<(&str, &str)> =
        periods.iter().map(|one| (one.from.as_str(), one.to.as_str())).collect();
    assert_eq!(spans, [("2015", "2015"), ("2016", "2016"), ("2017", "2017"), ("2018", "2024")]);
    assert_eq!(periods.iter().map(|one| one.rows).sum::<usize>(), 4_000);
    assert_eq!((earlier.from.as_str(), earlier.to.as_str()), ("2015", "2017"));
    assert_eq!((later.from.as_str(), later.rows), ("2018", periods[3].rows));
    let [low, high] = later.observed_over_expected.interval;
    assert!(low < 1.0 && 1.0 < high, "the risks are true");
    let months = Made::of(4_000, 13, |n, sample| sample.prediction_time = dated(0, 1 + n % 3));
    let OverTime::Judged { periods, .. } = over_time(&months.rows(), 1) else {
        panic!("there are months")
    };
    assert_eq!((periods.len(), periods[2].from.as_str()), (3, "2015-03"));
    let one = Made::of(1_000, 13, |_, _| {});
    let OverTime::Skipped { reason } = over_time(&one.rows(), 1) else { panic!("one month") };
    assert!(reason.contains("one month"));
    let few = Made::of(60, 13, |n, sample| sample.prediction_time = dated(n % 2, 1));
    assert!(matches!(over_time(&few.rows(), 1), OverTime::Skipped { .. }));
}

/// A fit of a population whose first two columns alone move the risk.
fn fitted(lost_rate: f64) -> (crate::train::Fitted, Vec<Sample>) {
    let (concepts, task) = task();
    let mut known = population(&task, 3_000, lost_rate, 14);
    let mut draws = Draws(15);
    for known in &mut known {
        let region = if draws.uniform() < 0.3 { "north" } else { "south" };
        known.sample.attributes = vec![("region", region.to_owned())];
    }
    let cohort = cohort(&task, &concepts, &known);
    let params = params();
    let fitted = fit(&cohort, &params, Pace::unwatched()).unwrap();
    (fitted, cohort.samples().to_vec())
}

#[test]
fn a_fit_tells_what_features_are_worth_who_was_there_and_what_more_patients_would_bring() {
    let (fitted, samples) = fitted(0.0);
    let report = &fitted.report;
    let judged = report.held_out_evaluation.as_ref().unwrap();
    let features = fitted.bundle.task().spec().features();
    let columns = fitted.bundle.columns();
    let name = |column: usize| features[columns[column].feature].name.as_str();
    let ranked: Vec<&str> = judged.importance.iter().map(|one| one.feature.as_str()).collect();
    assert_eq!(ranked[..2], [name(0), name(1)], "{:?}", judged.importance);
    assert!(judged.importance[0].auroc_fall > 0.08);
    let of = |feature: &str| judged.importance.iter().find(|one| one.feature == feature);
    assert!(of(name(2)).is_none_or(|noise| noise.auroc_fall.abs() < 0.02));

    let described = report.description.as_ref().unwrap();
    let (held, developed) = (described.judged_rows.unwrap(), described.development_rows.unwrap());
    assert_eq!(held + developed, samples.len());
    let first = &described.columns[0];
    let values: Vec<f64> = (0..samples.len())
        .filter(|row| fitted.dump.folds[*row].is_none())
        .map(|row| f64::from(fitted.dump.matrix.get(row, 0)))
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let Some(Summary::Spread { mean: told, sd, quartiles: Some([low, middle, high]), missing }) =
        first.judged
    else {
        panic!("{first:?}")
    };
    assert!((told - mean).abs() < 1e-9 && missing == Some(0.0));
    // Even between -1.7 and 1.7.
    assert!((sd - 3.4 / 12f64.sqrt()).abs() < 0.05);
    assert!((low + 0.85).abs() < 0.15 && middle.abs() < 0.2 && (high - 0.85).abs() < 0.15);
    assert!(first.standardised_difference.unwrap().abs() < 0.15);
    assert_eq!(described.columns[5].judged, Some(Summary::Absent));

    let curve = &report.learning_curve;
    assert_eq!(curve.last().map(|point| point.share), Some(1.0));
    assert!(curve.len() >= 3 && curve.windows(2).all(|pair| pair[0].rows < pair[1].rows));
    assert!(curve.last().unwrap().auroc.value > 0.7);
    let size = report.sample_size.as_ref().unwrap();
    assert!(size.r2_is_cross_validated && (0.1..0.4).contains(&size.r2_cox_snell), "{size:?}");
    assert_eq!(size.have, developed as f64);
    assert_eq!(judged.subgroups.len(), 2);
    assert!(matches!(judged.over_time, OverTime::Skipped { .. }), "one date");
}

#[test]
fn the_same_rows_do_not_drift_and_others_do() {
    let (fitted, samples) = fitted(0.0);
    let reference = fitted.bundle.manifest().drift_reference.as_ref().unwrap();
    assert!(reference.fits(fitted.bundle.columns().len()));
    let drift_of = |change: &dyn Fn(&mut Vec<f32>)| {
        let vocabulary = &fitted.bundle.manifest().vocabulary;
        let mut matrix = Matrix::with_capacity(fitted.bundle.columns().len(), samples.len());
        let mut p = Vec::new();
        for sample in &samples {
            let mut row = vocabulary.row(&sample.facts);
            change(&mut row);
            p.push(fitted.bundle.predict(&row).probability);
            matrix.push(&row);
        }
        let rows = Rows {
            samples: samples.iter().collect(),
            p,
            y: samples.iter().map(|sample| sample.boolean_value).collect(),
            patients: (0..samples.len() as u32).collect(),
            weights: None,
        };
        drift(&fitted.bundle, &rows, &matrix).unwrap()
    };
    let same = drift_of(&|_| {});
    assert!(same.score < 0.05 && same.columns.iter().all(|one| one.psi < 0.05), "{same:?}");
    let moved = drift_of(&|row| row[0] += 0.8);
    assert_eq!(moved.columns[0].column, fitted.bundle.columns()[0].name);
    assert!(moved.columns[0].psi > 0.25 && moved.score > 0.1);
    assert!(moved.columns[1].psi < 0.05);
    let gone = drift_of(&|row| row[1] = f32::NAN);
    assert!(gone.columns[0].psi > 2.0, "a column that is no longer sent");
}

#[test]
fn all_of_it_is_the_same_on_any_number_of_threads() {
    let dated = |n: usize| Time::parse(&format!("{}-04-05T10:00:00Z", 2015 + n % 3)).unwrap();
    let made = Made::of(1_500, 16, |n, sample| {
        sample.prediction_time = dated(n);
        sample.attributes = vec![("site", ["a", "b"][n % 2].to_owned())];
    });
    let mut rows = made.rows();
    rows.weights = Some((0..1_500).map(|n| 1.0 + (n % 5) as f64 / 4.0).collect());
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (subgroups(&rows, 0.3, 7), over_time(&rows, 7)))
    };
    assert_eq!(on(1), on(2));
    let resampling = Resampling::of(&rows.patients, 7);
    let judged = (rows.p.as_slice(), rows.y.as_slice(), rows.weights());
    assert!(Core::of(&(0..10).collect::<Vec<_>>(), judged, &resampling).is_none(), "ten patients");
}

#[test]
fn flags_of_groups_are_those_of_the_subgroups_unless_a_tier_above_gives_some_away() {
    let made = Made::of(3_000, 14, |number, sample| {
        sample.attributes = vec![("site", ["a", "a", "b"][number % 3].to_owned())];
    });
    let rows = made.rows();
    let told = group_flags(&rows, 0.3, None, 1);
    for (ours, theirs) in told.iter().zip(subgroups(&rows, 0.3, 1)) {
        assert_eq!(
            (&ours.group, ours.flagged, ours.ppv, ours.sensitivity),
            (&theirs.group, theirs.flagged, theirs.ppv, theirs.sensitivity)
        );
        let (missed, found) = (ours.missed.unwrap(), ours.sensitivity.unwrap());
        assert_eq!(
            [missed.interval[0], missed.interval[1]],
            [1.0 - found.interval[1], 1.0 - found.interval[0]]
        );
    }
    assert_eq!(told.len(), 2);
    // Ten index times lie between the cut and that of the tier above.
    let mut falling = rows.p.clone();
    falling.sort_by(|a, b| b.total_cmp(a));
    let near = group_flags(&rows, falling[309], Some(falling[299]), 1);
    let hidden = |of: &GroupFlags| of.flagged.is_none() && of.ppv.is_none() && of.missed.is_none();
    assert!(near.iter().all(hidden), "{near:?}");
    let far = group_flags(&rows, falling[899], Some(falling[299]), 1);
    assert!(far.iter().all(|of| of.flagged.is_some() && of.ppv.is_some()), "{far:?}");
}
