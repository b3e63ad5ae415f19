//! How the values of keys are divided, and how a release follows another.

use std::collections::BTreeMap;

use prodrome::trend::{
    CarryError, Cell, CodingChange, Group, Key, KeyName, KeyValue, OTHER, PeriodUnit, Point,
    RegionParams, Release, Table, carry, merge_small_values,
};

use super::population::World;
use super::sample;

fn key(name: KeyName, values: &[&str]) -> Key {
    let value = |name: &&str| KeyValue {
        name: (*name).to_owned(),
        age_years_min: None,
        age_years_max: None,
    };
    Key { name, values: values.iter().map(value).collect() }
}

fn names(key: &Key) -> Vec<&str> {
    key.values.iter().map(|value| value.name.as_str()).collect()
}

/// People by region and period; the region is the second key.
fn table(periods: &[&[u64]]) -> Table {
    let cells = |people: &&[u64]| {
        let regions = people.iter().enumerate().filter(|(_, people)| **people > 0);
        let halves = regions.flat_map(|(region, people)| {
            let cell = |people| Cell { people, tallies: Vec::new() };
            let region = u16::try_from(region).unwrap();
            [(vec![0, region], cell(people / 2)), (vec![1, region], cell(people - people / 2))]
        });
        halves.collect::<BTreeMap<_, _>>()
    };
    Table { periods: periods.iter().map(cells).collect() }
}

/// People by region.
fn people(table: &Table, period: usize) -> BTreeMap<u16, u64> {
    let mut people = BTreeMap::new();
    for (place, cell) in &table.periods[period] {
        *people.entry(place[1]).or_default() += cell.people;
    }
    people
}

const PARAMS: RegionParams = RegionParams { digits_max: 3, people_min: 100 };

/// The sample with these regions, as the release before.
fn before(regions: &[&str]) -> Release {
    let mut release = sample::release();
    release.keys[2] = key(KeyName::Region, regions);
    release
}

#[test]
fn small_regions_are_told_together() {
    let regions = key(KeyName::Region, &["021", "022", "023", "024", "025"]);
    let counts = table(&[&[500, 20, 99, 300, 0], &[500, 110, 80, 300, 3]]);
    let (merged, told) = merge_small_values(&regions, 1, &counts, &PARAMS, None);
    // 022 reaches 100 once; 023 and 025 never do, and would be 99 together: the smallest joins them.
    assert_eq!(names(&merged), ["021", "024", OTHER]);
    assert_eq!(people(&told, 0), BTreeMap::from([(0, 500), (1, 300), (2, 119)]));
    assert_eq!(people(&told, 1), BTreeMap::from([(0, 500), (1, 300), (2, 193)]));
    let enough = table(&[&[500, 120, 70, 300, 40]]);
    let (merged, told) = merge_small_values(&regions, 1, &enough, &PARAMS, None);
    assert_eq!(names(&merged), ["021", "022", "024", OTHER]);
    assert_eq!(people(&told, 0)[&3], 110);
    // Nothing small: nothing is merged. All small: all is.
    let large = table(&[&[500, 120, 170, 300, 140]]);
    let (merged, told) = merge_small_values(&regions, 1, &large, &PARAMS, None);
    assert_eq!((names(&merged), told), (names(&regions), large));
    let small = table(&[&[5, 1, 7, 3, 4]]);
    let (merged, told) = merge_small_values(&regions, 1, &small, &PARAMS, None);
    assert_eq!(names(&merged), [OTHER]);
    assert_eq!(people(&told, 0), BTreeMap::from([(0, 20)]));
}

#[test]
fn small_areas_of_the_safe_harbor_rule_are_never_told() {
    let names_of = |name, values: &[&str]| {
        let counts = table(&[&[40_000, 30_000, 50_000]]);
        let (merged, told) = merge_small_values(&key(name, values), 1, &counts, &PARAMS, None);
        let all: u64 = people(&told, 0).values().sum();
        assert_eq!(all, 120_000, "nobody is lost");
        names(&merged).join(" ")
    };
    assert_eq!(names_of(KeyName::Region, &["021", "036", "893"]), "021 other");
    assert_eq!(names_of(KeyName::Region, &["021", "037", "other"]), "021 037 other");
    assert_eq!(names_of(KeyName::Facility, &["021", "036", "893"]), "021 036 893");
    assert_eq!(names_of(KeyName::Sex, &["021", "036", "other"]), "021 036 other", "no region");
    // Whole codes of such an area, and more of the code than three digits.
    for within in ["03601", "036 01", "03601-1234", "036011234", "8930"] {
        assert_eq!(names_of(KeyName::Region, &["02139", within, "0213"]), "02139 0213 other");
        assert_eq!(
            names_of(KeyName::Insurance, &["A", within, "B"]),
            format!("A {within} B"),
            "no region"
        );
    }
    for outside in ["03", "03701", "0360112345", "36036", "036X"] {
        let all = names_of(KeyName::Region, &["021", outside, "022"]);
        assert_eq!(all, format!("021 {outside} 022"));
    }
}

/// A payor's name may be one person's, and any attribute may hold what nobody meant to write there.
#[test]
fn values_of_few_people_are_told_together_whatever_they_are_of() {
    let long = "x".repeat(65);
    let values = ["HMO", "Ann Example", "Guild", &*long, "a\tb", "unknown"];
    let counts = table(&[&[500, 1, 110, 900, 900, 30], &[500, 1, 90, 900, 900, 20]]);
    for name in [
        KeyName::Region,
        KeyName::Facility,
        KeyName::Race,
        KeyName::Ethnicity,
        KeyName::Language,
        KeyName::Insurance,
    ] {
        let (merged, told) = merge_small_values(&key(name, &values), 1, &counts, &PARAMS, None);
        assert_eq!(names(&merged), ["HMO", "Guild", OTHER], "{name:?}");
        assert_eq!(people(&told, 0), BTreeMap::from([(0, 500), (1, 110), (2, 1_831)]));
        // What the release before showed by name stays so, and nothing else gets a name.
        let mut earlier = sample::release();
        earlier.keys = vec![key(name, &["Guild", &*long, OTHER])];
        let (merged, told) =
            merge_small_values(&key(name, &values), 1, &counts, &PARAMS, Some(&earlier));
        assert_eq!(names(&merged), ["Guild", OTHER], "{name:?}");
        assert_eq!(people(&told, 1), BTreeMap::from([(0, 90), (1, 2_321)]));
    }
    for name in [KeyName::AgeBand, KeyName::Sex] {
        let few = key(name, &values);
        assert_eq!(merge_small_values(&few, 1, &counts, &PARAMS, None), (few, counts.clone()));
    }
}

#[test]
fn the_division_stays_as_an_earlier_release_has_it() {
    let regions = key(KeyName::Region, &["021", "022", "023", "024"]);
    // 021 has become small, 023 large, 024 is new.
    let counts = table(&[&[30, 200, 900, 250]]);
    let earlier = before(&["021", "022", OTHER]);
    let (merged, told) = merge_small_values(&regions, 1, &counts, &PARAMS, Some(&earlier));
    assert_eq!(names(&merged), ["021", "022", OTHER]);
    assert_eq!(people(&told, 0), BTreeMap::from([(0, 30), (1, 200), (2, 1150)]));
    // An `other` that appears for the first time must be large enough.
    let earlier = before(&["021", "022", "023"]);
    let counts = table(&[&[300, 200, 900, 25]]);
    let (merged, told) = merge_small_values(&regions, 1, &counts, &PARAMS, Some(&earlier));
    assert_eq!(names(&merged), ["021", "023", OTHER]);
    assert_eq!(people(&told, 0)[&2], 225);
}

/// The sample a year later: one region more, other figures throughout.
fn a_year_later() -> Release {
    let mut release = sample::release();
    let (name, day) = ("2025".to_owned(), |end: &str| format!("2025-{end}"));
    let (first_day, last_day) = (day("01-01"), day("12-31"));
    release.periods.push(prodrome::trend::Period { name, first_day, last_day });
    for series in &mut release.series {
        for point in &mut series.points {
            point.people = point.people.map(|people| people + 3);
        }
        series.points.push(series.points[0].clone());
    }
    release.keys[2] = key(KeyName::Region, &["020", "021", "0215", "other"]);
    let of_new = sample::group(&[(KeyName::Region, "0215")]);
    let new = prodrome::trend::Series { group: of_new, ..release.series[1].clone() };
    release.series.push(new);
    release.source = "a later export".to_owned();
    release.privacy.points = 57;
    release
}

fn points<'a>(release: &'a Release, measure: &str, group: &Group) -> &'a [Point] {
    let mut series = release.series.iter();
    let found = series.find(|series| series.measure == measure && series.group == *group);
    &found.unwrap().points
}

#[test]
fn periods_that_were_told_stay_as_they_were_told() {
    let (earlier, later) = (sample::release(), a_year_later());
    let carried = carry(&earlier, later.clone()).unwrap();
    assert_eq!(carried.periods, later.periods);
    assert_eq!(carried.source, "a later export");
    for old in &earlier.series {
        let points = points(&carried, &old.measure, &old.group);
        assert_eq!(points[..5], old.points[..]);
        assert_eq!(points[5].people, old.points[0].people.map(|people| people + 3));
    }
    let new = sample::group(&[(KeyName::Region, "0215")]);
    let of_new = points(&carried, "raised_bp", &new);
    assert!(of_new[..5].iter().all(|point| *point == Point::default()));
    assert!(of_new[5].people.is_some());
    // 020 is a value of no group.
    assert_eq!(names(&carried.keys[2]), ["021", "0215", "022", "other"]);
    assert_eq!((carried.privacy.kept_periods, carried.privacy.points), (5, 280 + 57));
    assert_eq!(carried.series.len(), earlier.series.len() + 1);
    let places = carried.series.iter().map(|series| (&series.measure, &series.group));
    let measures: Vec<&str> = carried.series.iter().map(|series| &*series.measure).collect();
    assert!(measures.is_sorted_by_key(|name| *name != "raised_bp"), "by measure, as in `measures`");
    assert!(
        places.clone().zip(places.skip(1)).all(|(one, next)| one.0 != next.0 || one.1 < next.1)
    );
    // Again changes nothing, and a shorter export takes nothing back.
    assert_eq!(carry(&carried, later).unwrap().series, carried.series);
    let shorter = carry(&carried, sample::release()).unwrap();
    assert_eq!((shorter.series, shorter.periods), (carried.series, carried.periods));
}

#[test]
fn a_group_that_is_gone_says_nothing_of_new_periods() {
    let (earlier, mut later) = (sample::release(), a_year_later());
    later.series.retain(|series| series.group != sample::rising());
    let carried = carry(&earlier, later).unwrap();
    let points = points(&carried, "raised_bp", &sample::rising());
    assert!(points[4].people.is_some());
    assert_eq!(points[5], Point::default());
}

/// Somebody came late into an old period, where no one had been: that there is such a group is news of
/// that period.
#[test]
fn a_group_that_late_records_made_is_not_told() {
    let (earlier, mut later) = (sample::release(), a_year_later());
    let late = sample::group(&[(KeyName::Region, "0215")]);
    for series in later.series.iter_mut().filter(|series| series.group == late) {
        series.points[5] = Point { people: Some(0), ..Point::default() };
    }
    let carried = carry(&earlier, later.clone()).unwrap();
    assert!(carried.series.iter().all(|series| series.group != late));
    assert_eq!(carried.keys, earlier.keys);
    // One that may not be told how many it has in the new period has somebody.
    for series in later.series.iter_mut().filter(|series| series.group == late) {
        series.points[5].people = None;
    }
    let carried = carry(&earlier, later).unwrap();
    assert!(carried.series.iter().any(|series| series.group == late));
    assert_eq!(names(&carried.keys[2]), ["021", "0215", "022", "other"]);
}

#[test]
fn coding_changes_are_told_once() {
    let change = |period, to: &str| CodingChange {
        period,
        from_system: "ICD9CM".to_owned(),
        to_system: to.to_owned(),
    };
    let (mut earlier, mut later) = (sample::release(), a_year_later());
    earlier.measures[0].coding_changes = vec![change(2, "ICD10CM")];
    later.measures[0].coding_changes = vec![change(1, "ICD10CM"), change(5, "SNOMED")];
    let carried = carry(&earlier, later).unwrap();
    assert_eq!(carried.measures[0].coding_changes, [change(2, "ICD10CM"), change(5, "SNOMED")]);
}

#[test]
fn releases_that_do_not_belong_together_are_refused() {
    let refused = |change: &dyn Fn(&mut Release)| {
        let mut earlier = sample::release();
        change(&mut earlier);
        carry(&earlier, a_year_later()).unwrap_err()
    };
    let other = refused(&|release| release.spec_digest = "00".repeat(32));
    assert_eq!(other, CarryError::Specification { name: "blood_pressure".to_owned() });
    assert!(other.to_string().contains("--previous"));
    let format = refused(&|release| release.format_version = 9);
    assert_eq!(format, CarryError::Format { found: 9 });
    // Nothing that they advise shows a period a second time.
    assert!(!format!("{other} {format}").contains("--out"));
    for change in [
        &|release: &mut Release| release.period_unit = PeriodUnit::Month,
        &|release: &mut Release| release.period_count = 2,
        &|release: &mut Release| release.periods[0].first_day = "2019-01-01".to_owned(),
    ] as [&dyn Fn(&mut Release); 3]
    {
        assert!(matches!(refused(change), CarryError::Periods { .. }));
    }
    for change in [
        &|release: &mut Release| release.series[3].points.truncate(4),
        &|release: &mut Release| release.series[3] = release.series[4].clone(),
        &|release: &mut Release| release.measures.truncate(1),
        &|release: &mut Release| release.keys.truncate(1),
    ] as [&dyn Fn(&mut Release); 4]
    {
        assert!(matches!(refused(change), CarryError::Damaged { .. }));
    }
}

/// What cannot be rolled up is refused, not mixed up.
#[test]
fn tables_outside_of_their_frame_are_refused() {
    use prodrome::trend::{FigureKind, Frame, GroupsError, Tally, roll};
    let frame = |sizes: &[u16], groupings: &[&[usize]]| Frame {
        sizes: sizes.to_vec(),
        groupings: groupings.iter().map(|keys| keys.to_vec()).collect(),
    };
    let fits = frame(&[2, 3], &[&[], &[0], &[0, 1]]);
    let world = World { frame: fits.clone(), kinds: vec![FigureKind::Share; 2] };
    let table = world.table(&mut fastrand::Rng::with_seed(3), 2);
    assert!(roll(&table, &fits).is_ok());
    for (frame, error) in [
        (frame(&[2; 9], &[&[]]), GroupsError::Keys { keys: 9 }),
        (frame(&[2, 3], &[&[], &[1, 0]]), GroupsError::Grouping { grouping: 1 }),
        (frame(&[2, 3], &[&[], &[2]]), GroupsError::Grouping { grouping: 1 }),
        (frame(&[2, 3], &[&[0]]), GroupsError::Groupings),
        (frame(&[2, 3], &[&[], &[0], &[0]]), GroupsError::Groupings),
    ] {
        assert_eq!(roll(&table, &frame), Err(error));
    }
    let with = |change: &dyn Fn(&mut Cell)| {
        let tally = Tally { measured: 5, hits: 2, ..Tally::default() };
        let mut cell = Cell { people: 9, tallies: vec![tally.clone(), tally] };
        change(&mut cell);
        let mut table = table.clone();
        table.periods[1].insert(vec![1, 2], cell);
        roll(&table, &fits)
    };
    assert!(with(&|_| ()).is_ok());
    assert_eq!(with(&|cell| cell.people = 4), Err(GroupsError::Counts { period: 1 }));
    assert_eq!(with(&|cell| cell.tallies[1].hits = 6), Err(GroupsError::Counts { period: 1 }));
    assert_eq!(with(&|cell| cell.tallies.truncate(1)), Err(GroupsError::Measures { period: 1 }));
    let mut outside = table.clone();
    outside.periods[0].insert(vec![2, 0], Cell::default());
    assert_eq!(roll(&outside, &fits), Err(GroupsError::Place { period: 0 }));
}
