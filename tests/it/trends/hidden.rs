//! That peers show nothing that the figures of a release keep back: populations with groups of which
//! nearly everybody is measured, and an attacker who takes what is told from each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prodrome::command::trends;
use prodrome::import::Meter;
use prodrome::trend::{Group, KeyName, PeerScale, Release};

use super::people::{Somebody, request, write};
use super::sample::group;
use crate::support::root;

/// The class in which so many people are told.
pub(crate) fn class(people: usize) -> Option<usize> {
    [1_000, 500, 200, 100, 50].into_iter().find(|class| *class <= people)
}

const REGIONS: [&str; 4] = ["021", "022", "026", "027"];
/// Birth years of the age bands.
const BANDS: [(&str, i32); 3] = [("40-59", 1970), ("60-69", 1955), ("70+", 1945)];

/// The people of one age, sex and region: all of them, and those who are measured in the last year.
struct Kind {
    at: Group,
    people: Vec<Somebody>,
    measured: usize,
}

fn kind(rng: &mut fastrand::Rng, region: &'static str, band: (&str, i32), is_male: bool) -> Kind {
    let count = match rng.u32(..4) {
        0 => rng.usize(12..70),
        1 => rng.usize(90..125),
        _ => rng.usize(180..240),
    };
    let left_out = match rng.u32(..3) {
        0 => 0,
        1 => rng.usize(1..11),
        _ => rng.usize(11..40).min(count),
    };
    let share = if rng.u32(..6) == 0 { 0.03 } else { 0.4 };
    let somebody = |number: usize| {
        let pressure = 100 + rng.u32(..40) + if rng.f64() < share { 40 } else { 0 };
        let is_measured = number >= left_out;
        Somebody {
            id: format!("who-{region}-{}-{is_male}-{number}", band.1),
            birth_year: band.1,
            is_male,
            region,
            pressures: is_measured.then_some((2023, pressure)).into_iter().collect(),
            treated_from: number.is_multiple_of(3).then_some(2020),
            left: None,
        }
    };
    let people = (0..count).map(somebody).collect();
    let sex = if is_male { "male" } else { "female" };
    let at = group(&[(KeyName::AgeBand, band.0), (KeyName::Sex, sex), (KeyName::Region, region)]);
    Kind { at, people, measured: count - left_out }
}

fn released(folder: &Path, kinds: &[Kind], spec: &str) -> Release {
    let out = folder.join("release.json");
    let mut call = request(folder, "2023-12-31", out.clone());
    call.spec = folder.join("spec.toml");
    std::fs::write(&call.spec, spec).unwrap();
    let everybody: Vec<&Somebody> = kinds.iter().flat_map(|kind| &kind.people).collect();
    write(folder, everybody);
    trends(&call, &Meter::default()).unwrap();
    serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap()
}

fn wide(group: &Group) -> Group {
    let mut wide = group.clone();
    wide.0.remove(&KeyName::Region);
    wide
}

/// Everybody and the measured, of each group that peers may be of; regions that are not named alone
/// are not among them.
fn truth(kinds: &[Kind]) -> BTreeMap<Group, (usize, usize)> {
    let mut all: BTreeMap<Group, (usize, usize)> = BTreeMap::new();
    for kind in kinds {
        for at in [kind.at.clone(), wide(&kind.at)] {
            let sums = all.entry(at).or_default();
            *sums = (sums.0 + kind.people.len(), sums.1 + kind.measured);
        }
    }
    all
}

fn is_small(count: usize) -> bool {
    (1..11).contains(&count)
}

/// What is counted of what peers told; the groups with few left out of whom nothing was told.
fn check(release: &Release, truth: &BTreeMap<Group, (usize, usize)>) -> (usize, usize) {
    let told: BTreeMap<&Group, &PeerScale> = release
        .peers
        .iter()
        .map(|peers| {
            let [scale] = peers.scales.as_slice() else { panic!("one measurement") };
            (&peers.group, scale)
        })
        .collect();
    for (group, scale) in &told {
        let (people, measured) = truth[*group];
        assert!(!is_small(people - measured), "{group:?}: {people} {measured}");
        assert_eq!(Some(scale.people as usize), class(measured));
        for series in release.series.iter().filter(|series| series.group == **group) {
            let point = series.points.last().unwrap();
            assert_eq!(point.people, Some(people as u64));
            let rests = ["raised_bp", "mean_systolic"].contains(&&*series.measure);
            assert!(!rests || point.figure.is_some(), "{}: {group:?}", series.measure);
        }
    }
    // As if each class gave away its count: the told regions taken from all regions.
    let named: BTreeSet<Group> = told.keys().map(|group| wide(group)).collect();
    for whole in named.iter().filter(|whole| told.contains_key(whole)) {
        let mut rest = truth[whole];
        for (part, (people, measured)) in truth.iter().filter(|(part, _)| wide(part) == *whole) {
            if part != whole && told.contains_key(part) {
                rest = (rest.0 - people, rest.1 - measured);
            }
        }
        assert!(!is_small(rest.0 - rest.1) && !is_small(rest.1), "{whole:?}: {rest:?}");
    }
    let few = truth.values().filter(|(people, measured)| is_small(people - measured));
    (told.len(), few.count())
}

#[test]
fn peers_tell_of_no_count_that_is_suppressed() {
    let spec = std::fs::read_to_string(root().join("tests/data/trends/spec.toml")).unwrap();
    // Once with measures of the same concept, and once with none that would show it.
    let from = spec.find("[[measure]]\nname = \"raised_bp\"").unwrap();
    let to = spec.find("[[measure]]\nname = \"treated\"").unwrap();
    let bare = format!("{}{}", &spec[..from], &spec[to..]);
    let (mut told, mut few, mut without_region) = (0, 0, 0);
    for seed in 0..5 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut kinds = Vec::new();
        for region in REGIONS {
            for band in BANDS {
                kinds.extend([true, false].map(|is_male| kind(&mut rng, region, band, is_male)));
            }
        }
        let truth = truth(&kinds);
        let folder = tempfile::tempdir().unwrap();
        for spec in [&spec, &bare] {
            let release = released(folder.path(), &kinds, spec);
            std::fs::remove_file(folder.path().join("release.json")).unwrap();
            let (of_release, hidden) = check(&release, &truth);
            (told, few) = (told + of_release, few + hidden);
        }
        // Of groups that are not named nothing was decided, and nothing is told.
        let wide = bare.replace(", [\"age_band\", \"sex\", \"region\"]", "");
        let release = released(folder.path(), &kinds, &wide);
        std::fs::remove_file(folder.path().join("release.json")).unwrap();
        assert!(release.peers.iter().all(|peers| peers.group.0.len() == 2));
        without_region += check(&release, &truth).0;
    }
    eprintln!("{told} scales told, {few} groups with few left out, {without_region} of no region");
    assert!(told > 20 && few > 20 && without_region > 2, "{told} {few} {without_region}");
}
