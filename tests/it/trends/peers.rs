//! Peers: what is said of a patient agrees with a count of the people themselves; a small group widens
//! or stays silent, and nothing of a protected class is told to those who may not see it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use prodrome::access::{Classes, SensitiveClass};
use prodrome::record::{Code, Event, EventKind, PartialDate, Record, Sex, Value};
use prodrome::service::{Answer, Peer, PeerStanding, ScoreOptions, ScoreRequest, Service};
use prodrome::trend::{Direction, Group, KeyName, PeerGroup, PeerScale, PeerScaleOf, Release};

use super::sample;
use super::serve::{showing, written};
use crate::support::{discharge, patient, shipped};

/// Regions with many, some, few and nearly no people.
const REGIONS: [(&str, usize); 4] = [("02139", 240), ("02215", 60), ("02301", 30), ("99999", 5)];

/// One of the population, with the latest systolic pressure.
fn person(rng: &mut fastrand::Rng, region: &str) -> (Record, f64) {
    let mut record = patient();
    record.sex = Sex::Male;
    record.region = Some(region.to_owned());
    let years = 1955 + rng.i32(0..8);
    record.birth_date = PartialDate::parse(&format!("{years}-02-{:02}", rng.u8(1..28)));
    for _ in 0..rng.usize(0..5) {
        let again = record.events[rng.usize(2..record.events.len())].clone();
        record.events.push(again);
    }
    // Coarse, so that many have the same.
    let value = f64::from(100 + 5 * rng.u32(0..15));
    let older = discharge().plus_days(-300);
    record.events.push(pressure(value - 50.0, older));
    record.events.push(pressure(value, discharge().plus_hours(-30)));
    (record, value)
}

fn pressure(value: f64, time: prodrome::record::Time) -> Event {
    let code = Code::parse("LOINC//8480-6").unwrap();
    let mut event = Event::new(EventKind::Measurement, code, time);
    event.value = Some(Value::Number(value));
    event.unit = Some("mm[Hg]".into());
    event
}

fn ask(record: Record, peers: bool) -> ScoreRequest {
    ScoreRequest {
        record,
        issues: Vec::new(),
        only_allowed: false,
        tasks: Vec::new(),
        prediction_time: Some(discharge().plus_hours(1)),
        options: ScoreOptions { peers, ..ScoreOptions::default() },
        team: None,
    }
}

/// The probability, and the patient among peers where that is asked for.
fn scored(service: &Service, record: &Record, peers: bool) -> (f64, Option<Peer>) {
    let response = service.score(&ask(record.clone(), peers), discharge()).unwrap();
    let [assessment] = response.assessments.as_slice() else { panic!("one task") };
    let Answer::Score(score) = &assessment.outcome else { panic!("a score") };
    (score.probability.unwrap(), assessment.peer.as_deref().cloned())
}

/// The class of so many people, and into how many parts the quantiles cut them.
fn class(people: usize) -> Option<(usize, usize)> {
    let classes = [(500, 20), (200, 18), (100, 9), (50, 4)];
    classes.into_iter().find(|(class, _)| *class <= people)
}

/// A scale as sorting gives it; `None` for too few people.
fn scale(of: PeerScaleOf, values: &[f64]) -> Option<PeerScale> {
    let (people, parts) = class(values.len())?;
    let count = parts - 1;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted[(place * sorted.len()).div_ceil(count + 1) - 1];
    let quantiles = (1..=count).map(at).collect();
    let direction = Direction::Rising;
    Some(PeerScale { of, people: people as u64, quantiles, direction })
}

fn systolic() -> PeerScaleOf {
    PeerScaleOf::Measurement {
        concept: "systolic_bp".into(),
        title: "systolic blood pressure".into(),
        unit: Some("mm[Hg]".into()),
    }
}

fn risk(bundle_digest: &str) -> PeerScaleOf {
    PeerScaleOf::Risk {
        task: shipped().manifest().task.clone(),
        bundle_digest: bundle_digest.to_owned(),
    }
}

struct Someone {
    record: Record,
    region: &'static str,
    risk: f64,
    pressure: f64,
}

fn population(service: &Service) -> Vec<Someone> {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut all = Vec::new();
    for (region, count) in REGIONS {
        for _ in 0..count {
            let (record, pressure) = person(&mut rng, region);
            let (risk, peer) = scored(service, &record, false);
            assert_eq!(peer, None, "nobody asked");
            all.push(Someone { record, region, risk, pressure });
        }
    }
    all
}

fn men(region: Option<&str>) -> Group {
    let mut group = sample::group(&[(KeyName::AgeBand, "60-69"), (KeyName::Sex, "male")]);
    group.0.extend(region.map(|region| (KeyName::Region, region.to_owned())));
    group
}

/// The release that this population makes: of each group what is large enough.
fn release(population: &[Someone], bundle_digest: &str) -> Release {
    let mut release = Release { synthetic: false, ..sample::release() };
    let mut of_groups: BTreeMap<Group, Vec<&Someone>> = BTreeMap::new();
    for someone in population {
        of_groups.entry(men(None)).or_default().push(someone);
        of_groups.entry(men(Some(&someone.region[..3]))).or_default().push(someone);
    }
    let region = release.keys.iter_mut().find(|key| key.name == KeyName::Region).unwrap();
    for (name, _) in REGIONS {
        let mut value = region.values[0].clone();
        value.name = name[..3].to_owned();
        if region.values.iter().all(|known| known.name != value.name) {
            region.values.push(value);
        }
    }
    let group = |(group, people): (Group, Vec<&Someone>)| {
        let values = |of: fn(&Someone) -> f64| people.iter().map(|p| of(p)).collect::<Vec<f64>>();
        let scales = [
            scale(risk(bundle_digest), &values(|person| person.risk)),
            scale(systolic(), &values(|person| person.pressure)),
        ];
        let scales: Vec<PeerScale> = scales.into_iter().flatten().collect();
        (!scales.is_empty()).then_some(PeerGroup { group, scales })
    };
    release.peers = of_groups.into_iter().filter_map(group).collect();
    release
}

fn shown(release: &Release) -> (tempfile::TempDir, Arc<Service>) {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = written(folder.path(), "release.json", release);
    let service = showing(vec![file]);
    assert!(service.trends().refused().is_empty(), "{:?}", service.trends().refused());
    (folder, service)
}

/// Whether what is said agrees with a count of the people of the group.
fn agrees(standing: &PeerStanding, population: &[Someone], of: fn(&Someone) -> f64) {
    let region = standing.group.0.get(&KeyName::Region);
    let inside = |p: &&Someone| region.is_none_or(|region| p.region.starts_with(region.as_str()));
    let values: Vec<f64> = population.iter().filter(inside).map(of).collect();
    let (people, parts) = class(values.len()).unwrap();
    assert_eq!(standing.people as usize, people);
    let percent = |count: usize| 100.0 * count as f64 / values.len() as f64;
    let below = percent(values.iter().filter(|value| **value < standing.value - 1e-12).count());
    let up_to = percent(values.iter().filter(|value| **value <= standing.value + 1e-12).count());
    let found = standing.standing;
    let (low, high) = (f64::from(found.low), f64::from(found.high));
    assert!(low <= up_to + 1e-9 && high >= below - 1e-9, "{found:?} {below} {up_to}");
    // As near as the quantiles tell: half a percent for the rounding.
    let resolution = 100.0 / parts as f64 + 0.5;
    let percentile = f64::from(found.percentile);
    assert!(
        (below - resolution..=up_to + resolution).contains(&percentile),
        "{found:?} {below} {up_to} {resolution}"
    );
}

#[test]
fn peers_agree_with_a_count_of_the_people() {
    let plain = showing(Vec::new());
    let population = population(&plain);
    let (_folder, service) = shown(&release(&population, shipped().digest()));
    let mut regions = BTreeMap::new();
    for someone in &population {
        let (risk, peer) = scored(&service, &someone.record, true);
        assert_eq!(risk, someone.risk, "a score is the same with peers beside it");
        let peer = peer.unwrap();
        assert_eq!((peer.not_available.as_deref(), peer.notes.len()), (None, 0));
        let of_risk = peer.risk.unwrap();
        let [of_pressure] = peer.measurements.as_slice() else { panic!("one scale") };
        assert_eq!((of_risk.value, of_pressure.value), (someone.risk, someone.pressure));
        agrees(&of_risk, &population, |person| person.risk);
        agrees(of_pressure, &population, |person| person.pressure);
        let wanted = match someone.region {
            "02139" => men(Some("021")),
            "02215" => men(Some("022")),
            // Too few for a scale: the wider group stands.
            _ => men(None),
        };
        assert_eq!((&of_risk.group, &of_pressure.group), (&wanted, &wanted));
        *regions.entry(of_pressure.group_text.clone()).or_insert(0) += 1;
        let said = "In this group systolic blood pressure is rising.";
        assert_eq!((of_pressure.text.as_str(), of_pressure.period.as_str()), (said, "2024"));
        assert!(of_pressure.people >= 11 && of_risk.people >= 11);
    }
    let texts: Vec<(&str, i32)> = regions.iter().map(|(text, count)| (&**text, *count)).collect();
    assert_eq!(
        texts,
        [("Men 60-69", 35), ("Men 60-69, region 021", 240), ("Men 60-69, region 022", 60)]
    );
}

#[test]
fn what_cannot_be_compared_is_not_and_the_reason_is_given() {
    let mut rng = fastrand::Rng::with_seed(8);
    let (record, value) = person(&mut rng, "02139");
    let plain = showing(Vec::new());
    let (_, peer) = scored(&plain, &record, true);
    let reason = peer.unwrap().not_available.unwrap();
    assert_eq!(reason, "no release with peer groups is loaded");

    // The group is released, and its risks are those of another version.
    let values: Vec<f64> = (0..220).map(|place| 90.0 + f64::from(place) / 2.0).collect();
    let mut made = Release { synthetic: false, ..sample::release() };
    let scales = [scale(risk(&"0".repeat(64)), &values), scale(systolic(), &values)];
    let scales: Vec<PeerScale> = scales.into_iter().flatten().collect();
    made.peers = vec![PeerGroup { group: men(None), scales }];
    let (_folder, service) = shown(&made);
    let (_, peer) = scored(&service, &record, true);
    let peer = peer.unwrap();
    assert_eq!((peer.risk, peer.measurements.len(), peer.notes.len()), (None, 1, 1));
    assert!(peer.notes[0].contains("another version of the model"), "{:?}", peer.notes);
    assert_eq!(peer.measurements[0].value, value);

    let of = |change: &dyn Fn(&mut Record)| {
        let mut other = record.clone();
        change(&mut other);
        scored(&service, &other, true).1.unwrap()
    };
    let silent = |peer: Peer| {
        assert!(peer.risk.is_none() && peer.measurements.is_empty(), "{peer:?}");
        peer.not_available.unwrap()
    };
    let woman = of(&|record| record.sex = Sex::Female);
    assert!(silent(woman).contains("too few people of the same age and sex"));
    let older = of(&|record| record.birth_date = PartialDate::parse("1940-01-01"));
    assert!(silent(older).contains("too few people of the same age and sex"));
    let unknown = of(&|record| record.sex = Sex::Unknown);
    assert!(silent(unknown).contains("no sex that peers have"));
    // The value is more than a year old, or was taken after the index time.
    let old = of(&|record| {
        let keep = record.events.len() - 2;
        record.events.truncate(keep);
        record.events.push(pressure(120.0, discharge().plus_days(-366)));
        record.events.push(pressure(120.0, discharge().plus_hours(1)));
    });
    assert!(silent(old).contains("nothing of this patient"));
    // The age is that of the index time.
    let young = of(&|record| record.birth_date = PartialDate::parse("1964-03-07"));
    assert!(silent(young).contains("too few people"), "still 59 on the day of discharge");
    let sixty = of(&|record| record.birth_date = PartialDate::parse("1964-03-06"));
    assert_eq!(sixty.measurements.len(), 1);
}

#[test]
fn a_value_of_a_protected_class_is_left_out_for_those_who_may_not_see_it() {
    let mut rng = fastrand::Rng::with_seed(9);
    let (mut record, _) = person(&mut rng, "02139");
    let mut labelled = pressure(140.0, discharge().plus_hours(-1));
    labelled.sensitive = Classes::of(SensitiveClass::Reproductive);
    record.events.push(labelled);
    let (_folder, service) = shown(&sample::release());
    let (_, peer) = scored(&service, &record, true);
    let peer = peer.unwrap();
    assert_eq!(peer.measurements[0].value, 140.0);
    let said = peer.notes.join("; ");
    assert!(said.contains("the people of `blood_pressure` are simulated"), "{said}");
    let allowed = Classes::of(SensitiveClass::Reproductive);
    assert_eq!(peer.clone().seen_by(allowed).measurements, peer.measurements);
    let veiled = peer.seen_by(Classes::of(SensitiveClass::Hiv));
    assert!(veiled.measurements.is_empty());
    let said = format!("{veiled:?}");
    assert!(!said.contains("140") && !said.contains("systolic"), "{said}");
}
