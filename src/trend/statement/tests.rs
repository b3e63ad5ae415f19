//! Groups and changes read as people would say them.

use super::super::params::PeriodUnit;
use super::super::release::{
    CodingChange, FORMAT_VERSION, Period, Point, Privacy, Series, StatementKind,
};
use super::*;

fn group(values: &[(KeyName, &str)]) -> Group {
    Group(values.iter().map(|(key, value)| (*key, (*value).to_owned())).collect())
}

fn measure(title: &str, kind: FigureKind, unit: Option<&str>) -> Measure {
    Measure {
        name: "m".into(),
        title: title.into(),
        kind,
        unit: unit.map(str::to_owned),
        more_is_worse: Some(true),
        task: None,
        bundle_digest: None,
        concepts: vec![],
        is_measured_in_part: true,
        coding_changes: vec![],
    }
}

fn release() -> Release {
    let period = |year: u32| Period {
        name: year.to_string(),
        first_day: format!("{year}-01-01"),
        last_day: format!("{year}-12-31"),
    };
    Release {
        format_version: FORMAT_VERSION,
        name: "t".into(),
        title: "t".into(),
        spec_digest: "d".into(),
        source: "made up".into(),
        synthetic: true,
        period_unit: PeriodUnit::Year,
        period_count: 1,
        periods: (2021..2025).map(period).collect(),
        region_digits_max: 3,
        keys: vec![],
        measures: vec![],
        standard: None,
        series: vec![],
        statements: vec![],
        tested: 1,
        false_discovery_rate: 0.05,
        peers: vec![],
        privacy: Privacy::default(),
    }
}

fn statement(kind: StatementKind, before: f64, after: f64, half: f64) -> Statement {
    let direction = if after > before { Direction::Rising } else { Direction::Falling };
    Statement {
        id: "id".into(),
        measure: "m".into(),
        group: group(&[
            (KeyName::AgeBand, "60-69"),
            (KeyName::Sex, "male"),
            (KeyName::Region, "021"),
        ]),
        kind,
        direction,
        is_worse: None,
        first_period: 0,
        last_period: 3,
        before,
        after,
        change: after - before,
        change_low: after - before - half,
        change_high: after - before + half,
        p_value: 0.001,
        q_value: 0.01,
        strength: 0.1,
        text: String::new(),
        cautions: vec![],
    }
}

#[test]
fn groups_read_as_people_say_them() {
    let said = |values: &[(KeyName, &str)]| words(&group(values));
    let (age, sex, region) = (KeyName::AgeBand, KeyName::Sex, KeyName::Region);
    assert_eq!(said(&[]), "Everybody");
    assert_eq!(said(&[(region, "021")]), "Region 021");
    assert_eq!(said(&[(region, "other")]), "Other regions");
    assert_eq!(said(&[(sex, "male")]), "Men");
    assert_eq!(said(&[(age, "40-59"), (sex, "female")]), "Women 40-59");
    assert_eq!(said(&[(age, "0-17"), (sex, "female")]), "Females 0-17");
    assert_eq!(
        said(&[(age, "80+"), (sex, "male"), (region, "021")]),
        "Men 80 and over, region 021"
    );
    assert_eq!(said(&[(age, "80+"), (KeyName::Facility, "X")]), "Aged 80 and over, facility X");
    assert_eq!(said(&[(age, "40-59"), (sex, "other")]), "People of other sex aged 40-59");
    assert_eq!(said(&[(sex, ""), (KeyName::Race, "é")]), "Sex , race é");
}

#[test]
fn shares_are_told_in_points() {
    let pressure = measure("raised blood pressure", FigureKind::Share, None);
    let told = |statement: &Statement| sentence(&release(), &pressure, statement);
    assert_eq!(
        told(&statement(StatementKind::Trend, 0.31, 0.38, 0.029)),
        "Men 60-69, region 021: share with raised blood pressure 31% -> 38% from 2021 to 2024, a rise \
         of 7.0 points (95% interval 4.1 to 9.9)."
    );
    assert_eq!(
        told(&statement(StatementKind::Latest, 0.38, 0.36, 0.012)),
        "Men 60-69, region 021: share with raised blood pressure 36.0% in 2024, against 38.0% expected \
         by the periods from 2021 to 2023, a fall of 2.0 points (95% interval 0.8 to 3.2)."
    );
    let bend = Statement { first_period: 1, ..statement(StatementKind::Turn, 0.02, 0.03, 0.01) };
    let flu = measure("treated for influenza", FigureKind::Share, None);
    assert_eq!(
        sentence(&release(), &flu, &bend),
        "Men 60-69, region 021: share treated for influenza level at 2.0% up to 2022, then to 3.0% in \
         2024, a rise of 1.0 points (95% interval 0.0 to 2.0)."
    );
}

#[test]
fn means_and_rates_have_their_units() {
    let systolic = measure("systolic blood pressure", FigureKind::Mean, Some("mm[Hg]"));
    assert_eq!(
        sentence(&release(), &systolic, &statement(StatementKind::Trend, 128.31, 131.04, 0.6)),
        "Men 60-69, region 021: mean systolic blood pressure 128.3 -> 131.0 mmHg from 2021 to 2024, a \
         rise of 2.7 (95% interval 2.1 to 3.3)."
    );
    let visits = measure("emergency visits", FigureKind::Rate, None);
    assert_eq!(
        sentence(&release(), &visits, &statement(StatementKind::Trend, 180.2, 150.4, 12.0)),
        "Men 60-69, region 021: emergency visits 180 -> 150 per 1,000 person-years from 2021 to 2024, \
         a fall of 30 (95% interval 18 to 42)."
    );
    assert_eq!(plain_unit("10*3/uL{cells}"), "10^3/uL");
}

#[test]
fn what_else_changed_is_named() {
    let mut measure = measure("raised blood pressure", FigureKind::Share, None);
    measure.coding_changes.push(CodingChange {
        period: 2,
        from_system: "ICD9CM".into(),
        to_system: "ICD10CM".into(),
    });
    let point = |people, measured| Point {
        people: Some(people),
        measured: Some(measured),
        figure: Some(super::super::release::Figure {
            estimate: 0.3,
            low: 0.2,
            high: 0.4,
            standard_error: 0.05,
            freedom: None,
        }),
        ..Point::default()
    };
    let points = vec![point(1000, 500), Point::default(), point(1000, 550), point(1300, 780)];
    let series = Series { measure: "m".into(), group: Group::default(), points };
    let statement = statement(StatementKind::Trend, 0.31, 0.38, 0.03);
    let found = cautions(&release(), &measure, &series, &statement);
    assert_eq!(
        found,
        [
            "The share of people measured rose from 50% to 60% at the same time: part of the change \
             may come from measuring other people.",
            "Codes came from ICD9CM until then and from ICD10CM from 2023 on: the change may be one of \
             coding.",
            "The number of people under observation rose from 1000 to 1300: they may not be the same \
             kind of people.",
            "No figure is shown for 2022.",
        ]
    );
    let steady = Series { points: vec![point(1000, 500); 4], ..series };
    measure.coding_changes.clear();
    assert!(cautions(&release(), &measure, &steady, &statement).is_empty());
    let quarters = Release { period_unit: PeriodUnit::Quarter, ..release() };
    let found = cautions(&quarters, &measure, &steady, &statement);
    assert!(found.len() == 1 && found[0].contains("season"), "{found:?}");
}

/// Ten years of months of which most show nothing, and codes that come and go: cautions stay few, and
/// as short as a release holds them.
#[test]
fn cautions_are_few_and_short() {
    let mut measure = measure("raised blood pressure", FigureKind::Share, None);
    let change = |period: usize| CodingChange {
        period,
        from_system: format!("system-{period}-").repeat(20),
        to_system: format!("system-{}-", period + 1).repeat(20),
    };
    measure.coding_changes = (1..120).map(change).collect();
    let month = |place: usize| Period {
        name: format!("{}-{:02}", 2015 + place / 12, place % 12 + 1),
        first_day: String::new(),
        last_day: String::new(),
    };
    let release = Release { periods: (0..120).map(month).collect(), ..release() };
    let points = vec![Point::default(); 120];
    let series = Series { measure: "m".into(), group: Group::default(), points };
    let statement =
        Statement { last_period: 119, ..statement(StatementKind::Trend, 0.31, 0.38, 0.03) };
    let found = cautions(&release, &measure, &series, &statement);
    let [coding, unseen] = found.as_slice() else { panic!("{found:?}") };
    assert!(coding.len() < 700 && coding.contains("from 2024-12 on"), "{coding}");
    assert!(unseen.ends_with("2024-12 and 108 periods before them."), "{unseen}");
}
