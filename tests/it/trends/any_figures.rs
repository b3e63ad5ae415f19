//! Whatever figures a release holds: telling of them never fails, and never tells of what is no number.

use prodrome::trend::{
    ChangeParams, Figure, FigureKind, KeyName, PeriodUnit, Point, Release, Series, StandardName,
    tell,
};
use proptest::prelude::*;

use super::figures::{Population, empty};
use super::sample::group;

const KINDS: [FigureKind; 5] =
    [FigureKind::Share, FigureKind::Mean, FigureKind::Rate, FigureKind::Outcome, FigureKind::Risk];

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => Just(0.0),
        2 => Just(1.0),
        6 => 0.0..1.0,
        2 => 0.0..500.0,
        1 => Just(1e-300),
        1 => Just(1e300),
        1 => Just(-7.5),
    ]
}

fn point() -> impl Strategy<Value = Point> {
    let count = prop_oneof![
        1 => Just(None),
        1 => Just(Some(0)),
        1 => Just(Some(1)),
        6 => (11u64..5000).prop_map(Some),
        1 => Just(Some(u64::MAX)),
    ];
    let freedom = prop_oneof![8 => Just(None), 1 => (0u32..40).prop_map(Some)];
    let error = prop_oneof![4 => 0.0001..0.1, 1 => number()];
    let figure = (number(), number(), number(), error, freedom).prop_map(
        |(estimate, low, high, standard_error, freedom)| {
            let standard_error: f64 = standard_error;
            Figure { estimate, low, high, standard_error: standard_error.abs(), freedom }
        },
    );
    (count.clone(), count, proptest::option::weighted(0.85, figure)).prop_map(
        |(people, measured, figure)| Point { people, measured, figure, ..Point::default() },
    )
}

/// Everybody, three regions, and two bands by sex.
fn release() -> impl Strategy<Value = Release> {
    let shape = (
        0usize..5,
        1usize..14,
        prop_oneof![Just(PeriodUnit::Month), Just(PeriodUnit::Quarter), Just(PeriodUnit::Year)],
    );
    shape.prop_flat_map(|(kind, periods, unit)| {
        let points = proptest::collection::vec(proptest::collection::vec(point(), periods), 8);
        points.prop_map(move |points| {
            let kind = KINDS[kind];
            let mut release = empty(&Population { kind, unit, ..Population::shares(periods) });
            let ages = |at: usize| ["0-9", "90+"][at];
            release.keys[0].values.retain(|value| ["0-9", "90+"].contains(&value.name.as_str()));
            release.standard = Some(StandardName::Who2000);
            release.measures[0].is_measured_in_part = true;
            let sexes = ["female", "male"];
            let mut groups = vec![group(&[])];
            groups.extend(["000", "001", "002"].map(|name| group(&[(KeyName::Region, name)])));
            groups.extend((0..4).map(|at| {
                group(&[(KeyName::AgeBand, ages(at / 2)), (KeyName::Sex, sexes[at % 2])])
            }));
            release.series = groups
                .into_iter()
                .zip(points)
                .map(|(group, points)| Series { measure: "measure".into(), group, points })
                .collect();
            release
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_figures_can_be_told_of(mut release in release()) {
        let limits = ChangeParams {
            false_discovery_rate: 1.0,
            points_min: 0.0,
            relative_min: 0.0,
        };
        tell(&mut release, &limits);
        for told in &release.statements {
            let numbers = [
                told.before, told.after, told.change, told.change_low, told.change_high,
                told.p_value, told.q_value, told.strength,
            ];
            prop_assert!(numbers.iter().all(|number| number.is_finite()), "{told:?}");
            prop_assert!(told.change_low <= told.change && told.change <= told.change_high);
            prop_assert!((0.0..=1.0).contains(&told.p_value) && told.strength >= 0.0);
            prop_assert!((told.p_value..=1.0).contains(&told.q_value));
            prop_assert!(told.first_period < told.last_period);
            prop_assert!(told.last_period < release.periods.len());
            prop_assert!(!told.text.contains("NaN") && !told.text.contains("inf"), "{}", told.text);
        }
        let strengths: Vec<f64> = release.statements.iter().map(|told| told.strength).collect();
        prop_assert!(strengths.iter().rev().is_sorted());
        for point in release.series.iter().flat_map(|series| &series.points) {
            let figure = point.standardised.map(|one| [one.estimate, one.low, one.high]);
            prop_assert!(figure.into_iter().flatten().chain(point.smoothed).all(f64::is_finite));
        }
        // The file can be written and read, and telling again tells the same.
        let text = serde_json::to_string(&release).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Release>(&text).unwrap(), &release);
        let before = release.clone();
        tell(&mut release, &limits);
        prop_assert_eq!(release, before);
    }
}
