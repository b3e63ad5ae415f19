//! From what was gathered to what may be shown. What is suppressed goes here; all that is told after
//! that is found from the release alone.

use std::collections::{BTreeMap, BTreeSet};

use super::carry::{CarryError, carry};
use super::change::{direction, tell};
use super::estimate::estimate;
use super::gather::{Gathered, Gatherer, TooMuch};
use super::groups::{GroupPlace, GroupsError, Rolled, roll};
use super::peers::peers;
use super::release::{
    CodingChange, FORMAT_VERSION, FigureKind, Group, Key, Measure, Point, Release, Series,
};
use super::small_values::merge_small_values;
use super::spec::{Counted, Rule, Spec};
use super::suppress::{Masks, suppress};
use super::tally::{Amount, Cell, Coordinates, Frame};
use crate::SMALL_CELL_PATIENTS;

/// The most points of a release.
const POINTS_MAX: usize = 2_000_000;
/// A system has taken another's place when it finds this share of the people of both.
const CODING_SHARE_MIN: f64 = 0.75;
/// The most changes of coding that are told of a measure.
const CODING_CHANGES_MAX: usize = 5;

/// What is said of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseNote {
    pub source: String,
    /// Nobody's records, but a simulated population's.
    pub synthetic: bool,
}

/// Why nothing is released.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Values(#[from] TooMuch),
    #[error(transparent)]
    Groups(#[from] GroupsError),
    #[error(transparent)]
    Carry(#[from] CarryError),
    #[error("{points} points are too many to be shown (at most {POINTS_MAX}): name fewer groups")]
    Points { points: usize },
    #[error("nobody of the export belongs to the population in any period")]
    Nobody,
}

/// What may be shown of all that was gathered.
///
/// # Errors
/// A key with too many values, too many groups, nobody at all, a release before that it cannot continue.
pub fn publish(
    spec: &Spec<'_>,
    gatherer: &Gatherer<'_, '_>,
    note: ReleaseNote,
    previous: Option<&Release>,
) -> Result<Release, PublishError> {
    let gathered = coarsened(spec, gatherer.finish()?, previous);
    let frame = spec.frame(&gathered.keys);
    let rolled = roll(&gathered.table, &frame)?;
    let places: BTreeSet<&GroupPlace> = (0..rolled.period_count())
        .flat_map(|period| rolled.period(period).map(|(at, _)| at))
        .collect();
    let points = places.len() * rolled.period_count() * spec.measures.len();
    match points {
        0 => return Err(PublishError::Nobody),
        points if points > POINTS_MAX => return Err(PublishError::Points { points }),
        _ => {}
    }
    let kinds: Vec<FigureKind> = spec.measures.iter().map(Counted::kind).collect();
    let masks = suppress(&rolled, &kinds);
    let designs = if spec.survey.is_some() { designs(&rolled) } else { Vec::new() };
    let source =
        Source { spec, rolled: &rolled, masks: &masks, keys: &gathered.keys, designs: &designs };
    let series = source.series(&frame, &places);
    let coding = coding_changes(&gathered);
    let params = spec.params;
    let release = Release {
        format_version: FORMAT_VERSION,
        name: params.name.clone(),
        title: params.title.clone(),
        spec_digest: spec.digest().to_owned(),
        source: note.source,
        synthetic: note.synthetic,
        period_unit: params.period.unit,
        period_count: params.period.count,
        periods: gatherer.spans().iter().map(|span| span.shown()).collect(),
        keys: gathered.keys.clone(),
        region_digits_max: params.region.digits_max,
        measures: spec
            .measures
            .iter()
            .enumerate()
            .map(|(place, counted)| {
                shown(spec, counted, coding.get(&place).cloned().unwrap_or_default())
            })
            .collect(),
        standard: params.standard.as_ref().map(|standard| standard.population),
        series,
        statements: Vec::new(),
        tested: 0,
        false_discovery_rate: params.change.false_discovery_rate,
        peers: Vec::new(),
        privacy: masks.privacy(previous.map_or(0, |release| release.periods.len())),
    };
    let mut release = match previous {
        Some(previous) => carry(previous, release)?,
        None => release,
    };
    tell(&mut release, &params.change);
    release.peers = match previous {
        // The same people once more would tell of those who came late.
        Some(previous) if previous.periods.len() == release.periods.len() => previous.peers.clone(),
        _ => peers(spec, &gathered, &release, &direction),
    };
    Ok(release)
}

/// Values of few people are shown together.
fn coarsened(spec: &Spec<'_>, mut gathered: Gathered, previous: Option<&Release>) -> Gathered {
    for place in 0..gathered.keys.len() {
        let Some(key) = gathered.keys.get(place).cloned() else { continue };
        let (new, table) =
            merge_small_values(&key, place, &gathered.table, &spec.params.region, previous);
        if new == key {
            continue;
        }
        gathered.table = table;
        gathered.scales = moved_scales(&gathered, place, &key, &new);
        if let Some(slot) = gathered.keys.get_mut(place) {
            *slot = new;
        }
    }
    gathered
}

type Scales = BTreeMap<(usize, Coordinates), BTreeMap<Amount, u64>>;

/// The scales of peers by the new values of a key; what has no value of its own is in the last.
fn moved_scales(gathered: &Gathered, place: usize, old: &Key, new: &Key) -> Scales {
    let last = new.values.len().saturating_sub(1);
    let moves: Vec<u16> = old
        .values
        .iter()
        .map(|value| new.values.iter().position(|known| known.name == value.name).unwrap_or(last))
        .map(|place| u16::try_from(place).unwrap_or(u16::MAX))
        .collect();
    let mut scales = Scales::new();
    for ((scale, at), values) in &gathered.scales {
        let mut at = at.clone();
        if let Some(value) = at.get_mut(place) {
            *value = moves.get(usize::from(*value)).copied().unwrap_or(u16::MAX);
        }
        let sums = scales.entry((*scale, at)).or_default();
        values.iter().for_each(|(value, count)| *sums.entry(*value).or_default() += count);
    }
    scales
}

/// Where the points come from.
struct Source<'x> {
    spec: &'x Spec<'x>,
    rolled: &'x Rolled,
    masks: &'x Masks,
    keys: &'x [Key],
    /// Of a survey: for each period all its sampling units.
    designs: &'x [BTreeSet<(i64, i64)>],
}

/// For each period the sampling units that anybody with any measure is from.
fn designs(rolled: &Rolled) -> Vec<BTreeSet<(i64, i64)>> {
    let of_period = |period: usize| {
        // Everybody is in the group without a key.
        let everybody = rolled.period(period).filter(|((_, at), _)| at.is_empty());
        let tallies = everybody.flat_map(|(_, cell)| &cell.tallies);
        tallies.flat_map(|tally| tally.design.keys().copied()).collect()
    };
    (0..rolled.period_count()).map(of_period).collect()
}

impl Source<'_> {
    /// For each measure and group all its points.
    fn series(&self, frame: &Frame, places: &BTreeSet<&GroupPlace>) -> Vec<Series> {
        let mut series = Vec::new();
        for (measure, counted) in self.spec.measures.iter().enumerate() {
            for place in places {
                let periods = 0..self.rolled.period_count();
                series.push(Series {
                    measure: counted.params.name.clone(),
                    group: group(self.keys, &frame.groupings, place),
                    points: periods
                        .map(|at| self.point(measure, counted.kind(), at, place))
                        .collect(),
                });
            }
        }
        series
    }

    fn point(&self, measure: usize, kind: FigureKind, period: usize, place: &GroupPlace) -> Point {
        let nobody = Cell::default();
        let cell = self.rolled.cell(period, place).unwrap_or(&nobody);
        let tally = cell.tallies.get(measure).cloned().unwrap_or_default();
        let (grouping, at) = place;
        let shown = self.masks.shown(period, *grouping, at);
        let of_measure = shown.measures.get(measure).copied().unwrap_or_default();
        // A figure rests on enough people.
        let enough = tally.measured >= SMALL_CELL_PATIENTS as u64;
        Point {
            people: shown.people.then_some(cell.people),
            measured: of_measure.measured.then_some(tally.measured),
            hits: of_measure.hits.then_some(tally.hits),
            figure: (of_measure.figure && enough)
                .then(|| estimate(&tally, kind, self.designs.get(period)))
                .flatten(),
            standardised: None,
            smoothed: None,
        }
    }
}

fn group(keys: &[Key], groupings: &[Vec<usize>], place: &GroupPlace) -> Group {
    let (grouping, at) = place;
    let of_keys = groupings.get(*grouping).map(Vec::as_slice).unwrap_or_default();
    let named = of_keys.iter().zip(at).filter_map(|(key, value)| {
        let key = keys.get(*key)?;
        Some((key.name, key.values.get(usize::from(*value))?.name.clone()))
    });
    Group(named.collect())
}

fn shown(spec: &Spec<'_>, counted: &Counted<'_>, coding_changes: Vec<CodingChange>) -> Measure {
    let (mut unit, mut task, mut bundle_digest) = (None, None, None);
    let concepts = match &counted.rule {
        Rule::Share { happening, .. } => happening.concepts(),
        Rule::Mean(values) => {
            unit = spec.concepts.get(values.concept()).and_then(|concept| concept.unit.clone());
            vec![values.concept()]
        }
        Rule::Contacts(_) => Vec::new(),
        Rule::Outcome(of) => {
            task = Some(of.params().name.clone());
            of.outcome().iter().flat_map(|part| part.rule.outcome_concepts()).collect()
        }
        Rule::Risk(bundle) => {
            task = Some(bundle.task().params().name.clone());
            bundle_digest = Some(bundle.digest().to_owned());
            Vec::new()
        }
    };
    let named = spec.concepts.iter().filter(|(id, ..)| concepts.contains(id));
    Measure {
        name: counted.params.name.clone(),
        title: counted.params.title.clone(),
        kind: counted.kind(),
        unit,
        more_is_worse: counted.params.more_is_worse,
        task,
        bundle_digest,
        concepts: named.map(|(_, name, _)| name.to_owned()).collect(),
        is_measured_in_part: counted.is_measured_in_part(spec.survey.is_some()),
        coding_changes,
    }
}

/// For each measure the periods from which on most people are found by codes of another system, the
/// latest ones alone. Two systems that are both in use are no change from one to the other.
fn coding_changes(gathered: &Gathered) -> BTreeMap<usize, Vec<CodingChange>> {
    let mut changes: BTreeMap<usize, Vec<CodingChange>> = BTreeMap::new();
    let mut before: BTreeMap<usize, &String> = BTreeMap::new();
    for ((measure, period), systems) in &gathered.systems {
        let enough = systems.iter().filter(|(_, people)| **people >= SMALL_CELL_PATIENTS as u64);
        // Of equal ones the first by name, so that nothing depends on the order of people.
        let Some((most, people)) = enough.max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0))) else {
            continue;
        };
        let Some(from) = before.get(measure).copied() else {
            before.insert(*measure, most);
            continue;
        };
        let both = people + systems.get(from).copied().unwrap_or(0);
        if from == most || (*people as f64) < CODING_SHARE_MIN * both as f64 {
            continue;
        }
        before.insert(*measure, most);
        let of_measure = changes.entry(*measure).or_default();
        of_measure.push(CodingChange {
            period: *period,
            from_system: from.clone(),
            to_system: most.clone(),
        });
        let earlier = of_measure.len().saturating_sub(CODING_CHANGES_MAX);
        of_measure.drain(..earlier);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each period the people found by ICD9CM and by ICD10CM.
    fn changes(people: &[(u64, u64)]) -> Vec<CodingChange> {
        let systems = people.iter().enumerate().map(|(period, (old, new))| {
            ((0, period), [("ICD9CM".to_owned(), *old), ("ICD10CM".to_owned(), *new)].into())
        });
        let gathered = Gathered { systems: systems.collect(), ..Gathered::default() };
        coding_changes(&gathered).remove(&0).unwrap_or_default()
    }

    #[test]
    fn systems_side_by_side_are_no_change_of_coding() {
        let even: Vec<(u64, u64)> =
            (0..120).map(|period| (100 + period * 37 % 9, 100 + period * 53 % 9)).collect();
        assert_eq!(changes(&even), []);
        let found = changes(&[(90, 3), (80, 40), (40, 80), (30, 90), (2, 110), (0, 8), (0, 120)]);
        let [change] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((change.period, change.to_system.as_str()), (3, "ICD10CM"));
    }

    #[test]
    fn the_latest_changes_of_coding_are_kept() {
        let found = changes(&[(100, 1), (1, 100)].repeat(60));
        let periods: Vec<usize> = found.iter().map(|change| change.period).collect();
        assert_eq!(periods, [115, 116, 117, 118, 119]);
    }
}
