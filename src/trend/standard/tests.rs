//! Standard populations add up, and figures are weighted by them where all strata are shown.

use super::super::params::PeriodUnit;
use super::super::release::{FORMAT_VERSION, Measure, Period, Privacy, Series};
use super::*;

fn band(start: u32, end: Option<u32>) -> KeyValue {
    let name = end.map_or_else(|| format!("{start}+"), |end| format!("{start}-{end}"));
    KeyValue { name, age_years_min: Some(start), age_years_max: end }
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-3), "{found} {expected}");
}

#[test]
fn the_populations_add_up_as_published() {
    close(groups(StandardName::Who2000).iter().sum(), 100.035);
    close(groups(StandardName::Europe2013).iter().sum(), 100_000.0);
    close(groups(StandardName::Us2000).iter().sum(), 1_000_000.0);
    // 65 and over: of the United States 12.6386%, of Europe 19.5%, of the WHO's 8.235 of 100.035.
    let old = |population, scale: f64| weight(population, &band(65, None)).unwrap() / scale;
    close(old(StandardName::Us2000, 1e6), 0.126_386);
    close(old(StandardName::Europe2013, 1e5), 0.195);
    close(old(StandardName::Who2000, 1.0), 8.235);
}

#[test]
fn groups_are_split_by_single_years() {
    let of = |start, end| weight(StandardName::Us2000, &band(start, end)).unwrap();
    close(of(18, Some(39)), 0.4 * 72_169.0 + 66_478.0 + 64_529.0 + 71_044.0 + 80_762.0);
    close(of(17, Some(17)), 72_169.0 / 5.0);
    close(of(40, Some(61)) + of(62, None), of(40, None));
    // 85 and over are taken to be 85-99.
    close(of(90, None), 15_508.0 * 10.0 / 15.0);
    close(of(20, Some(89)) + of(90, None), of(20, None));
    let oldest = weight(StandardName::Who2000, &band(100, None)).unwrap();
    close(oldest, 0.005);
    let bands: Vec<(u32, Option<u32>)> = vec![(0, Some(17)), (18, Some(62)), (63, None)];
    for population in [StandardName::Who2000, StandardName::Europe2013, StandardName::Us2000] {
        let all = bands.iter().map(|(start, end)| weight(population, &band(*start, *end)).unwrap());
        close(all.sum(), groups(population).iter().sum());
    }
}

#[test]
fn bands_without_ages_are_named() {
    let check = |bands: &[KeyValue]| check_bands(StandardName::Us2000, bands);
    assert_eq!(check(&[band(18, Some(39)), band(40, Some(89)), band(90, None)]), Ok(()));
    assert_eq!(check(&[]), Err(StandardError::NoBands));
    let no_ages = |name: &str| Err(StandardError::Ages { band: name.into() });
    let unknown = KeyValue { name: "unknown".into(), age_years_min: None, age_years_max: None };
    assert_eq!(check(&[band(18, None), unknown]), no_ages("unknown"));
    assert_eq!(check(&[band(40, Some(39))]), no_ages("40-39"));
    assert_eq!(check(&[band(100, None)]), no_ages("100+"));
    assert!(check(&[band(u32::MAX, None)]).is_err());
    assert_eq!(check(&[band(0, Some(u32::MAX))]), Ok(()));
    assert!(check(&[band(120, None)]).unwrap_err().to_string().contains("`120+`"));
}

fn share(hits: u64, measured: u64) -> Point {
    let estimate = hits as f64 / measured as f64;
    let standard_error = (estimate * (1.0 - estimate) / measured as f64).sqrt();
    let figure = Figure { estimate, low: 0.0, high: 1.0, standard_error, freedom: None };
    Point {
        people: Some(measured),
        measured: Some(measured),
        hits: Some(hits),
        figure: Some(figure),
        ..Point::default()
    }
}

/// Everybody and the four strata of two bands, in one period.
fn release(kind: FigureKind, points: [Point; 5]) -> Release {
    let bands = vec![band(0, Some(64)), band(65, None)];
    let sexes = ["female", "male", "other"].map(|sex| KeyValue {
        name: sex.into(),
        age_years_min: None,
        age_years_max: None,
    });
    let mut groups = vec![Group::default()];
    for band in &bands {
        for sex in SEXES {
            let values = [(KeyName::AgeBand, band.name.clone()), (KeyName::Sex, sex.to_owned())];
            groups.push(Group(values.into()));
        }
    }
    let series = groups.into_iter().zip(points);
    Release {
        format_version: FORMAT_VERSION,
        name: "s".into(),
        title: "s".into(),
        spec_digest: "d".into(),
        source: "made up".into(),
        synthetic: true,
        period_unit: PeriodUnit::Year,
        period_count: 1,
        periods: vec![Period {
            name: "2024".into(),
            first_day: "2024-01-01".into(),
            last_day: "2024-12-31".into(),
        }],
        region_digits_max: 3,
        keys: vec![
            Key { name: KeyName::AgeBand, values: bands },
            Key { name: KeyName::Sex, values: sexes.into() },
        ],
        measures: vec![Measure {
            name: "m".into(),
            title: "m".into(),
            kind,
            unit: None,
            more_is_worse: None,
            task: None,
            bundle_digest: None,
            concepts: vec![],
            is_measured_in_part: false,
            coding_changes: vec![],
        }],
        standard: Some(StandardName::Europe2013),
        series: series
            .map(|(group, point)| Series { measure: "m".into(), group, points: vec![point] })
            .collect(),
        statements: vec![],
        tested: 0,
        false_discovery_rate: 0.05,
        peers: vec![],
        privacy: Privacy::default(),
    }
}

fn standardised(mut release: Release) -> Option<Figure> {
    standardise(&mut release);
    let (first, rest) = release.series.split_first().unwrap();
    assert!(rest.iter().all(|series| series.points[0].standardised.is_none()));
    first.points[0].standardised
}

#[test]
fn a_share_is_weighted_by_age_and_both_sexes_alike() {
    let strata = [share(90, 400), share(10, 100), share(20, 100), share(30, 100), share(40, 100)];
    let found = standardised(release(FigureKind::Share, strata.clone())).unwrap();
    // Of Europe's 100,000 people 80,500 are younger than 65.
    close(found.estimate, 0.805 * (0.1 + 0.2) / 2.0 + 0.195 * (0.3 + 0.4) / 2.0);
    let [young, old] = [0.4025f64, 0.0975].map(|weight| weight * weight);
    let variance = young * (0.0009 + 0.0016) + old * (0.0021 + 0.0024);
    close(found.standard_error, variance.sqrt());
    assert!(found.low > 0.13 && found.low < found.estimate && found.high < 0.26, "{found:?}");
    let mut hidden = strata.clone();
    hidden[3] = Point::default();
    assert!(standardised(release(FigureKind::Share, hidden)).is_none());
    let mut survey = strata.clone();
    survey[1].figure.as_mut().unwrap().freedom = Some(15);
    assert!(standardised(release(FigureKind::Share, survey)).is_none());
    let mut none = release(FigureKind::Share, strata);
    none.standard = None;
    assert!(standardised(none).is_none());
}

#[test]
fn a_stratum_without_anybody_hit_still_varies() {
    let strata = [share(9, 400), share(0, 100), share(0, 100), share(0, 100), share(9, 100)];
    let some = standardised(release(FigureKind::Share, strata)).unwrap();
    assert!(some.standard_error > 0.0975 * (0.09f64 * 0.91 / 100.0).sqrt());
    let nobody = [share(0, 400), share(0, 100), share(0, 100), share(0, 100), share(0, 100)];
    let none = standardised(release(FigureKind::Share, nobody)).unwrap();
    assert!(none.estimate == 0.0 && none.low == 0.0 && none.high > 0.005, "{none:?}");
}

/// With one stratum that has all the weight the interval is Garwood's own.
#[test]
fn fay_and_feuer_s_interval_of_one_stratum_is_the_exact_one() {
    let (low, high) = fay_feuer(10.0, 10.0, 1.0);
    let exact = super::super::chance::garwood(10.0);
    close(low, exact.0);
    close(high, exact.1);
    assert_eq!(fay_feuer(0.0, 0.0, 1.0).0, 0.0);
    close(fay_feuer(0.0, 0.0, 1.0).1, super::super::chance::garwood(0.0).1);
}
