//! `prodrome-train trends` on tables: counts as by hand, what is small is gone, what rises is found, a
//! release is continued, and a list names those who could be looked after.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use prodrome::command::{
    self, CommandError, FlagsRekeyRequest, TrendsListRequest, TrendsRequest, trends, trends_list,
    with_threads,
};
use prodrome::flag_store::{FlagSettings, FlagStore};
use prodrome::import::Meter;
use prodrome::trend::{Direction, Group, KeyName, PeerScaleOf, Release};

use super::hidden::class;
use super::people::{RISING, Somebody, YEARS, people, request, source, write};
use super::sample::group;
use crate::support::{root, time};

fn rising() -> Group {
    group(&[(KeyName::AgeBand, "60-69"), (KeyName::Sex, "male"), (KeyName::Region, RISING)])
}

fn read(path: &std::path::Path) -> Release {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// People of the release's group: `other` is who lives in no region that it names.
fn members<'p>(people: &'p [Somebody], group: &Group, year: i32) -> Vec<&'p Somebody> {
    // The restricted area of three digits, and the smallest that makes `other` large enough.
    let named_regions = [RISING, "022"];
    let mut named = group.clone();
    let is_other = named.0.get(&KeyName::Region).is_some_and(|region| region == "other");
    if is_other {
        named.0.remove(&KeyName::Region);
    }
    people
        .iter()
        .filter(|one| {
            one.is_in(&named, year) && (!is_other || !named_regions.contains(&one.region))
        })
        .collect()
}

#[test]
fn counts_are_those_of_a_count_by_hand_and_small_ones_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let people = people();
    write(folder.path(), &people);
    let out = folder.path().join("release.json");
    let report = folder.path().join("report.html");
    let table = folder.path().join("table.csv");
    let call = TrendsRequest {
        report: Some(report.clone()),
        table: Some(table.clone()),
        ..request(folder.path(), "2023-12-31", out.clone())
    };
    let released = trends(&call, &Meter::default()).unwrap();
    assert_eq!((released.periods, released.first_period.as_str()), (5, "2019"));
    let release = read(&out);
    let (mut shown, mut hidden) = (0, 0);
    for series in release.series.iter().filter(|series| series.measure != "mean_systolic") {
        for (year, point) in YEARS.zip(&series.points) {
            let of_it = members(&people, &series.group, year);
            let is_raised = series.measure == "raised_bp";
            let measured =
                of_it.iter().filter(|one| !is_raised || one.pressures.contains_key(&year));
            let hits = measured.clone().filter(|one| match is_raised {
                true => one.is_raised(year),
                false => one.treated_from == Some(year),
            });
            let all = [of_it.len(), measured.clone().count(), hits.count()].map(|n| n as u64);
            for (told, counted) in [point.people, point.measured, point.hits].iter().zip(all) {
                assert!(told.is_none_or(|told| told == counted), "{series:?} {year} {all:?}");
                assert!(told.is_none() || !(1..=10).contains(&counted));
                (shown, hidden) =
                    (shown + u32::from(told.is_some()), hidden + u32::from(told.is_none()));
            }
            let [people, measured, hits] = all;
            for (told, rest) in [(point.measured, people - measured), (point.hits, measured - hits)]
            {
                assert!(told.is_none() || !(1..=10).contains(&rest));
            }
            let estimate = point.figure.map(|figure| figure.estimate);
            let share = hits as f64 / measured as f64;
            assert!(estimate.is_none_or(|estimate| (estimate - share).abs() < 1e-12));
        }
    }
    assert!(shown > 300 && hidden > 30, "{shown} {hidden}");
    let regions = release.keys.iter().find(|key| key.name == KeyName::Region).unwrap();
    let names: Vec<&str> = regions.values.iter().map(|value| value.name.as_str()).collect();
    assert_eq!(names, [RISING, "022", "other"]);

    let first = &release.statements[0];
    assert_eq!((&first.group, first.direction), (&rising(), Direction::Rising), "{first:?}");
    assert!(first.text.starts_with("Men 60-69, region 021: "), "{}", first.text);
    let standardised = release.series.iter().flat_map(|series| &series.points);
    assert!(standardised.filter(|point| point.standardised.is_some()).count() > 5);

    let page = std::fs::read_to_string(&report).unwrap();
    let rows = std::fs::read_to_string(&table).unwrap();
    assert!(
        page.contains(&first.text.replace("->", "-&gt;")) || page.contains("Men 60-69"),
        "report"
    );
    assert!(rows.lines().count() > release.series.len());
    let all = [std::fs::read_to_string(&out).unwrap(), page, rows].concat();
    assert!(!people.iter().any(|one| all.contains(&one.id)), "nobody is named");
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let people = people();
    write(folder.path(), &people);
    let meds = folder.path().join("meds");
    let convert = command::ConvertRequest {
        source: source(folder.path(), "2023-12-31"),
        out: meds.clone(),
        keep_ids: true,
    };
    command::convert(&convert, &Meter::default()).unwrap();
    let release = |threads: usize| {
        let out = folder.path().join(format!("release-{threads}.json"));
        let mut call = request(&meds, "2023-12-31", out.clone());
        call.source.mapping = None;
        with_threads(Some(threads), || trends(&call, &Meter::default())).unwrap().unwrap();
        std::fs::read(out).unwrap()
    };
    let one = release(1);
    assert_eq!(one, release(2));
    // The same people by another road.
    let out = folder.path().join("tables.json");
    trends(&request(folder.path(), "2023-12-31", out.clone()), &Meter::default()).unwrap();
    let (mut tables, mut meds) = (read(&out), serde_json::from_slice::<Release>(&one).unwrap());
    (tables.source, meds.source) = (String::new(), String::new());
    assert_eq!(tables, meds);
}

#[test]
fn a_release_is_continued_and_what_was_shown_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut people = people();
    let later: Vec<u32> =
        people.iter_mut().map(|one| one.pressures.remove(&2023).unwrap_or_default()).collect();
    write(folder.path(), &people);
    let out = folder.path().join("release.json");
    trends(&request(folder.path(), "2022-12-31", out.clone()), &Meter::default()).unwrap();
    let before = read(&out);
    assert_eq!(before.periods.len(), 4);
    // Late records of old years come with those of the new one.
    for (place, (one, pressure)) in people.iter_mut().zip(later).enumerate() {
        if pressure > 0 {
            one.pressures.insert(2023, pressure);
        }
        if place % 150 == 0 {
            one.pressures.insert(2021, 170);
        }
    }
    write(folder.path(), &people);
    let released = trends(&request(folder.path(), "2023-12-31", out.clone()), &Meter::default());
    assert_eq!(released.unwrap().privacy.kept_periods, 4);
    let after = read(&out);
    assert_eq!(after.periods.len(), 5);
    for series in &before.series {
        let of_it = |one: &&prodrome::trend::Series| {
            one.measure == series.measure && one.group == series.group
        };
        let now = after.series.iter().find(of_it).unwrap();
        for (then, now) in series.points.iter().zip(&now.points) {
            let counts = |point: &prodrome::trend::Point| {
                (point.people, point.measured, point.hits, point.figure)
            };
            assert_eq!(counts(then), counts(now), "{:?}", series.group);
        }
    }
    let mut other = request(folder.path(), "2023-12-31", out.clone());
    let spec =
        std::fs::read_to_string(&other.spec).unwrap().replace("[40, 60, 70]", "[40, 60, 75]");
    other.spec = folder.path().join("other.toml");
    std::fs::write(&other.spec, spec).unwrap();
    let error = trends(&other, &Meter::default()).unwrap_err();
    assert!(error.to_string().contains("another specification"), "{error}");
    assert_eq!(read(&out), after, "what stands there stays");
}

#[test]
fn a_list_names_those_of_a_rising_group_who_are_neither_treated_nor_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let people = people();
    write(folder.path(), &people);
    let out = folder.path().join("release.json");
    trends(&request(folder.path(), "2023-12-31", out.clone()), &Meter::default()).unwrap();
    let statement = read(&out).statements[0].clone();
    assert_eq!(statement.group, rising());
    let list = folder.path().join("list.parquet");
    let mut call = TrendsListRequest {
        source: source(folder.path(), "2023-12-31"),
        spec: root().join("tests/data/trends/spec.toml"),
        models: root().join("models"),
        concepts: Vec::new(),
        release: out,
        statement: statement.id.clone(),
        out: list.clone(),
        flags: None,
    };
    let now = time("2024-01-10T00:00:00Z");
    let listed = trends_list(&call, now, &Meter::default()).unwrap();
    let mut wanted: BTreeSet<String> = members(&people, &rising(), 2023)
        .into_iter()
        .filter(|one| one.is_raised(2023) && one.treated_from.is_none())
        .map(|one| one.id.clone())
        .collect();
    assert!(wanted.len() > 50, "{}", wanted.len());
    assert_eq!(patients(&list), wanted);
    assert_eq!(listed.listed.0, wanted.len() as u64);
    assert_eq!(listed.group.0, members(&people, &rising(), 2023).len() as u64);
    let mode = std::fs::metadata(&list).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    call.statement = "nothing".to_owned();
    let error = trends_list(&call, now, &Meter::default()).unwrap_err();
    assert!(error.to_string().contains(&statement.id), "those that are there are named: {error}");
    assert!(matches!(error, CommandError::Usage(_)));

    // Somebody whose flag is open is looked after already.
    let flagged = wanted.pop_first().unwrap();
    let settings = FlagSettings {
        store: Some(folder.path().join("flags.db").to_str().unwrap().to_owned()),
        ..FlagSettings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = FlagStore::open(&settings, now).await.unwrap();
        store.sight(&[crate::flags::made::score(&flagged, now, 0.9)], now).await.unwrap();
        store.close().await;
    });
    call.statement = statement.id;
    call.flags = Some(FlagsRekeyRequest { store: settings.store.unwrap(), key_file: None });
    let listed = trends_list(&call, now, &Meter::default()).unwrap();
    assert_eq!((listed.flagged.0, patients(&list)), (1, wanted));
}

fn patients(list: &std::path::Path) -> BTreeSet<String> {
    let reader = SerializedFileReader::new(std::fs::File::open(list).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().get_string(1).unwrap().clone()).collect()
}

#[test]
fn peers_are_those_of_a_count_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let people = people();
    write(folder.path(), &people);
    let out = folder.path().join("release.json");
    trends(&request(folder.path(), "2023-12-31", out.clone()), &Meter::default()).unwrap();
    let release = read(&out);
    assert!(release.peers.len() > 10, "{}", release.peers.len());
    for peers in &release.peers {
        let [scale] = peers.scales.as_slice() else { panic!("one measurement") };
        assert!(
            matches!(&scale.of, PeerScaleOf::Measurement { concept, .. } if concept == "systolic_bp")
        );
        let of_it = members(&people, &peers.group, 2023);
        let mut values: Vec<f64> = of_it
            .iter()
            .filter_map(|one| one.pressures.get(&2023))
            .map(|p| f64::from(*p))
            .collect();
        values.sort_by(f64::total_cmp);
        assert_eq!(Some(scale.people as usize), class(values.len()));
        let parts = scale.quantiles.len() + 1;
        assert_eq!(parts, (scale.people as usize / 11).min(20));
        for (place, quantile) in scale.quantiles.iter().enumerate() {
            let below = values.iter().filter(|value| *value < quantile).count();
            let up_to = values.iter().filter(|value| *value <= quantile).count();
            let rank = ((place + 1) * values.len()).div_ceil(parts);
            assert!((below + 1..=up_to).contains(&rank), "{:?} {place}", peers.group);
        }
        let is_rising = peers.group == rising();
        assert!(!is_rising || scale.direction == Direction::Rising, "{:?}", scale.direction);
    }
    // Too few people have no scale: the smallest regions are nobody's peers.
    let small = |group: &Group| {
        let measured = members(&people, group, 2023);
        measured.iter().filter(|one| one.pressures.contains_key(&2023)).count() < 50
    };
    assert!(!release.peers.iter().any(|peers| small(&peers.group)));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &people()[..200]);
    let spec = std::fs::read_to_string(root().join("tests/data/trends/spec.toml")).unwrap();
    for (from, to, said) in [
        ("[period]", "[perod]", "did you mean `period`"),
        ("\"systolic_bp\", at_least", "\"systolic_pb\", at_least", "systolic_bp"),
        ("2019-01-01", "2019-02-01", "period.first"),
        ("[40, 60, 70]", "[40, 60, 60]", "age_band_starts_years"),
        ("\"region\"], [", "\"region\", \"region\"], [", "groups[0]"),
        ("name = \"treated\"", "name = \"raised_bp\"", "measure `raised_bp`"),
        ("\"raised blood pressure\"", "\"\"", "title"),
        // Whether a crossing that is not shown may be told was never decided.
        (
            "[\"age_band\", \"sex\"], ",
            "[\"age_band\"], [\"sex\"], ",
            "peers: are of one age band and",
        ),
    ] {
        assert!(spec.contains(from), "{from}");
        let mut call = request(folder.path(), "2023-12-31", folder.path().join("out.json"));
        call.spec = folder.path().join("spec.toml");
        std::fs::write(&call.spec, spec.replacen(from, to, 1)).unwrap();
        let error = trends(&call, &Meter::default()).unwrap_err();
        assert!(error.to_string().contains(said), "{to}: {error}");
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    let mut call = request(folder.path(), "2018-12-31", folder.path().join("out.json"));
    let error = trends(&call, &Meter::default()).unwrap_err();
    assert!(error.to_string().contains("no period is over"), "{error}");
    call.source.reading.data_until = None;
    let error = trends(&call, &Meter::default()).unwrap_err();
    assert!(error.to_string().contains("--data-until"), "{error}");
    assert!(!folder.path().join("out.json").exists());
}
