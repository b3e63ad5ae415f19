//! NHANES 2009-2012: shares of raised blood pressure by the survey's design, read straight from its
//! table; none of the six changes is more than chance.

use std::collections::{BTreeMap, BTreeSet};

use prodrome::trend::{
    ChangeParams, Direction, FigureKind, KeyName, Point, Release, Series, Tally, direction,
    estimate, tell,
};

use super::figures::{Population, empty};
use super::sample::group;
use crate::support::full_data;

/// For each cycle a share and its standard error, in points.
type Cycles = [(f64, f64); 2];

const CYCLES: [&str; 2] = ["2009_10", "2011_12"];

/// By sex and age band: found with other software, by the survey's strata and sampling units.
const EXPECTED: [(&str, &str, Cycles); 6] = [
    ("male", "18-39", [(7.3, 0.69), (6.8, 0.73)]),
    ("male", "40-59", [(16.5, 1.00), (17.8, 1.77)]),
    ("male", "60+", [(26.8, 1.67), (29.6, 2.26)]),
    ("female", "18-39", [(2.5, 0.52), (3.7, 0.64)]),
    ("female", "40-59", [(10.3, 1.49), (10.9, 1.57)]),
    ("female", "60+", [(30.8, 1.70), (33.2, 2.02)]),
];

/// By sex and age band one tally for each cycle, of adults with a reading.
fn tallies(table: &str) -> BTreeMap<(String, &'static str), [Tally; 2]> {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let columns =
        ["SurveyYr", "Gender", "Age", "BPSysAve", "BPDiaAve", "WTMEC2YR", "SDMVSTRA", "SDMVPSU"];
    let columns = columns.map(place);
    let mut tallies: BTreeMap<(String, &str), [Tally; 2]> = BTreeMap::new();
    for line in lines {
        let [cycle, sex, age, systolic, diastolic, weight, stratum, unit] =
            columns.map(|column| line[column]);
        let band = match age.parse::<u32>().unwrap() {
            0..18 => continue,
            18..40 => "18-39",
            40..60 => "40-59",
            _ => "60+",
        };
        let (Ok(systolic), Ok(diastolic)) = (systolic.parse::<f64>(), diastolic.parse::<f64>())
        else {
            continue;
        };
        let raised = f64::from(u8::from(systolic >= 140.0 || diastolic >= 90.0));
        let cycle = CYCLES.iter().position(|name| *name == cycle).unwrap();
        let tally = &mut tallies.entry((sex.to_owned(), band)).or_default()[cycle];
        tally.person(raised, 1.0);
        let unit = (stratum.parse().unwrap(), unit.parse().unwrap());
        tally.weighted(raised, 1.0, weight.parse().unwrap(), unit);
    }
    tallies
}

#[test]
fn nhanes_shares_have_the_survey_s_standard_errors_and_no_change_is_told() {
    let Some(folder) = full_data("nhanes") else { return };
    let table = std::fs::read_to_string(folder.join("nhanes_2009_2012.csv")).unwrap();
    let tallies = tallies(&table);
    assert_eq!(tallies.values().flatten().map(|tally| tally.measured).sum::<u64>(), 11_424);
    let units = [0, 1].map(|cycle| -> BTreeSet<(i64, i64)> {
        let of_cycle =
            tallies.values().flat_map(|tallies: &[Tally; 2]| tallies[cycle].design.keys());
        of_cycle.copied().collect()
    });
    let mut release: Release = empty(&Population::shares(2));
    for (sex, band, cycles) in EXPECTED {
        let tallies = &tallies[&(sex.to_owned(), band)];
        let each = tallies.iter().zip(&units).zip(cycles);
        let points = each.map(|((tally, units), (share, standard_error))| {
            let figure = estimate(tally, FigureKind::Share, Some(units)).unwrap();
            assert!((100.0 * figure.estimate - share).abs() <= 0.1, "{sex} {band} {figure:?}");
            let found = 100.0 * figure.standard_error;
            assert!((found - standard_error).abs() <= 0.02, "{sex} {band} {figure:?}");
            assert!(figure.low < figure.estimate && figure.estimate < figure.high);
            assert!(matches!(figure.freedom, Some(16 | 17)), "{figure:?}");
            let measured = Some(tally.measured);
            Point { people: measured, measured, figure: Some(figure), ..Point::default() }
        });
        let group = group(&[(KeyName::AgeBand, band), (KeyName::Sex, sex)]);
        release.series.push(Series { measure: "measure".into(), group, points: points.collect() });
    }
    tell(&mut release, &ChangeParams { points_min: 0.0, ..ChangeParams::default() });
    assert_eq!((release.tested, release.statements.len()), (6, 0));
    let group = &release.series[0].group;
    assert_eq!(direction(&release, "measure", group), Direction::NoClearChange);
}
