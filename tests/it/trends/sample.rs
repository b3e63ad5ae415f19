//! A small release, made up: two measures by age band, sex and region over five years, with suppressed
//! points, statements and peers.

use std::collections::BTreeMap;

use prodrome::trend::{
    Direction, FORMAT_VERSION, Figure, FigureKind, Group, Key, KeyName, KeyValue, Measure,
    PeerGroup, PeerScale, PeerScaleOf, Period, PeriodUnit, Point, Privacy, Release, Series,
    StandardName, Statement, StatementKind,
};

/// The group of these values.
pub(crate) fn group(values: &[(KeyName, &str)]) -> Group {
    Group(values.iter().map(|(key, value)| (*key, (*value).to_owned())).collect::<BTreeMap<_, _>>())
}

fn key(name: KeyName, values: &[&str]) -> Key {
    let value = |text: &&str| {
        let (low, high) = text.split_once('-').unwrap_or((text.trim_end_matches('+'), ""));
        let age = |text: &str| text.parse().ok().filter(|_| name == KeyName::AgeBand);
        KeyValue { name: (*text).to_owned(), age_years_min: age(low), age_years_max: age(high) }
    };
    Key { name, values: values.iter().map(value).collect() }
}

fn measure(name: &str, title: &str, kind: FigureKind) -> Measure {
    Measure {
        name: name.to_owned(),
        title: title.to_owned(),
        kind,
        unit: None,
        more_is_worse: Some(true),
        task: None,
        bundle_digest: None,
        concepts: vec!["systolic_bp".to_owned()],
        is_measured_in_part: true,
        coding_changes: Vec::new(),
    }
}

fn point(people: u64, share: f64) -> Point {
    let measured = people * 3 / 5;
    let hits = (measured as f64 * share).round() as u64;
    let estimate = hits as f64 / measured as f64;
    let standard_error = (estimate * (1.0 - estimate) / measured as f64).sqrt();
    let (low, high) = (estimate - 1.96 * standard_error, estimate + 1.96 * standard_error);
    let figure = Figure { estimate, low, high, standard_error, freedom: None };
    Point {
        people: Some(people),
        measured: Some(measured),
        hits: Some(hits),
        figure: Some(figure),
        standardised: None,
        smoothed: None,
    }
}

/// The groups of the sample, everybody first.
pub(crate) fn groups() -> Vec<Group> {
    let (ages, sexes, regions) =
        (["40-59", "60-69", "70+"], ["female", "male"], ["021", "022", "other"]);
    let mut groups = vec![Group::default()];
    groups.extend(regions.iter().map(|region| group(&[(KeyName::Region, region)])));
    for age in ages {
        for sex in sexes {
            groups.push(group(&[(KeyName::AgeBand, age), (KeyName::Sex, sex)]));
            groups.extend(regions.iter().map(|region| {
                group(&[(KeyName::AgeBand, age), (KeyName::Sex, sex), (KeyName::Region, region)])
            }));
        }
    }
    groups
}

/// The group in which something rises.
pub(crate) fn rising() -> Group {
    group(&[(KeyName::AgeBand, "60-69"), (KeyName::Sex, "male"), (KeyName::Region, "021")])
}

fn statement(measure: &str, direction: Direction, text: &str) -> Statement {
    let sign = if direction == Direction::Rising { 1.0 } else { -1.0 };
    let id: String = text.bytes().filter(u8::is_ascii_lowercase).take(12).map(char::from).collect();
    Statement {
        id,
        measure: measure.to_owned(),
        group: if direction == Direction::Rising { rising() } else { Group::default() },
        kind: StatementKind::Trend,
        direction,
        is_worse: Some(sign > 0.0),
        first_period: 0,
        last_period: 4,
        before: 0.31,
        after: 0.31 + sign * 0.07,
        change: sign * 0.07,
        change_low: sign * 0.07 - 0.03,
        change_high: sign * 0.07 + 0.03,
        p_value: 1e-6,
        q_value: 1e-4,
        strength: 0.2,
        text: text.to_owned(),
        cautions: vec![
            "The share of people measured rose from 50% to 60% at the same time.".into(),
        ],
    }
}

fn peers(region: Option<&str>) -> PeerGroup {
    let mut values = vec![(KeyName::AgeBand, "60-69"), (KeyName::Sex, "male")];
    values.extend(region.map(|region| (KeyName::Region, region)));
    let quantiles = (1..20).map(|place| 110.0 + 3.0 * f64::from(place)).collect();
    let of = PeerScaleOf::Measurement {
        concept: "systolic_bp".to_owned(),
        title: "systolic blood pressure".to_owned(),
        unit: Some("mm[Hg]".to_owned()),
    };
    let scales = vec![PeerScale { of, people: 500, quantiles, direction: Direction::Rising }];
    PeerGroup { group: group(&values), scales }
}

/// The whole of it.
pub(crate) fn release() -> Release {
    let measures = vec![
        measure("raised_bp", "raised blood pressure", FigureKind::Share),
        measure("readmit30", "readmission within 30 days", FigureKind::Outcome),
    ];
    let mut series = Vec::new();
    for measure in &measures {
        for group in groups() {
            let rise = if group == rising() { 0.0175 } else { 0.0 };
            let people = 12_000 >> (2 * group.0.len());
            let mut points: Vec<Point> =
                (0..5).map(|year| point(people, 0.31 + rise * f64::from(year))).collect();
            if group.0.get(&KeyName::Region).is_some_and(|region| region == "other") {
                points[1] = Point { hits: None, figure: None, ..points[1].clone() };
                points[2] = Point::default();
            }
            series.push(Series { measure: measure.name.clone(), group, points });
        }
    }
    Release {
        format_version: FORMAT_VERSION,
        name: "blood_pressure".to_owned(),
        title: "Blood pressure and readmissions".to_owned(),
        spec_digest: "ab".repeat(32),
        source: "made up".to_owned(),
        synthetic: true,
        period_unit: PeriodUnit::Year,
        period_count: 1,
        periods: (2020..2025)
            .map(|year| Period {
                name: year.to_string(),
                first_day: format!("{year}-01-01"),
                last_day: format!("{year}-12-31"),
            })
            .collect(),
        region_digits_max: 3,
        keys: vec![
            key(KeyName::AgeBand, &["40-59", "60-69", "70+"]),
            key(KeyName::Sex, &["female", "male"]),
            key(KeyName::Region, &["021", "022", "other"]),
        ],
        measures,
        standard: Some(StandardName::Europe2013),
        series,
        statements: vec![
            statement(
                "raised_bp",
                Direction::Rising,
                "Men 60-69, region 021: share with raised blood pressure 31% -> 38% from 2020 to \
                 2024, a rise of 7.0 points (95% interval 4.0 to 10.0).",
            ),
            statement(
                "readmit30",
                Direction::Falling,
                "Everybody: share with readmission within 30 days 31% -> 24% from 2020 to 2024, a \
                 fall of 7.0 points (95% interval 4.0 to 10.0).",
            ),
        ],
        tested: 60,
        false_discovery_rate: 0.05,
        peers: vec![peers(None), peers(Some("021"))],
        privacy: Privacy {
            points: 280,
            suppressed_small: 14,
            suppressed_beside: 14,
            kept_periods: 0,
        },
    }
}

/// The release is read again as it was written.
#[test]
fn a_release_comes_back_as_it_was_written() {
    let release = release();
    let text = serde_json::to_string(&release).unwrap();
    assert_eq!(serde_json::from_str::<Release>(&text).unwrap(), release);
    let series = release.series.iter();
    assert!(series.clone().all(|series| series.points.len() == release.periods.len()));
    assert_eq!(series.count(), release.measures.len() * groups().len());
}
