//! Peers: how risks and measurements lie among people of one age band and sex, and of one region where
//! there are enough of them.
//!
//! Scales are made of people, not of the release, and must tell nothing that the release keeps back. So
//! they are told of groups alone that the specification names and of which the release shows the people.
//! How many people have a value is a count like others: `suppress` decides of which groups it may be
//! shown, and of the others nothing is told. What a measure rests on is told only where its figure is
//! shown too. And even then the count is told by coarse classes alone (`peer_class`), on which the
//! number of quantiles rests, so that it cannot be compared with that of a measure which counts nearly
//! the same people.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Gathered;
use super::groups::roll;
use super::params::KeyName;
use super::release::{
    Direction, FigureKind, Group, OTHER, PeerGroup, PeerScale, PeerScaleOf, Point, Release, UNKNOWN,
};
use super::spec::{Rule, Spec};
use super::suppress::{Masks, suppress};
use super::tally::{Amount, Cell, Coordinates, Table, Tally};
use crate::SMALL_CELL_PATIENTS;

/// The most quantiles of a scale: a twentieth of the people between two of them.
const QUANTILES_MAX: usize = 19;
/// Classes are these times powers of ten.
const CLASS_STEPS: [u64; 3] = [5, 10, 20];
/// More people than there ever were.
const CLASS_POWER_MAX: u32 = 10;
/// Digits of a risk that are told.
const RISK_STEP: f64 = 1e-4;

/// The class of so many people (50, 100, 200, 500, 1,000, 2,000, 5,000 and so on: the greatest that is
/// no more), and how many quantiles go with it, with at least 11 people between two of them. `None` for
/// fewer than 50, of whom a percentile says nothing.
pub fn peer_class(people: u64) -> Option<(u64, usize)> {
    let powers = (1..=CLASS_POWER_MAX).map(|power| 10_u64.pow(power));
    let classes = powers.flat_map(|power| CLASS_STEPS.map(|step| step * power));
    let class = classes.take_while(|class| *class <= people).last()?;
    let parts = usize::try_from(class).unwrap_or(usize::MAX) / SMALL_CELL_PATIENTS;
    Some((class, parts.saturating_sub(1).min(QUANTILES_MAX)))
}

/// The peer groups of the last period. `direction` says where a measure goes in a group.
pub(super) fn peers(
    spec: &Spec<'_>,
    gathered: &Gathered,
    release: &Release,
    direction: &dyn Fn(&Release, &str, &Group) -> Direction,
) -> Vec<PeerGroup> {
    if spec.params.peers.is_none() {
        return Vec::new();
    }
    let Some(masks) = masks(spec, gathered) else { return Vec::new() };
    let shown = shown(release);
    let mut groups = Vec::new();
    for (grouping, keys) in groupings(spec) {
        let mut scales: BTreeMap<Coordinates, Vec<PeerScale>> = BTreeMap::new();
        for ((place, at), values) in rolled_up(gathered, keys) {
            let may = masks.shown(0, grouping, &at);
            if !may.measures.get(place).is_some_and(|of_scale| of_scale.measured) {
                continue;
            }
            let Some(scale) = scale_of(spec, place) else { continue };
            let Some(group) = group(gathered, keys, &at) else { continue };
            if !shown.get(&group).is_some_and(|points| is_shown(points, &scale)) {
                continue;
            }
            let Some((people, count)) = peer_class(values.values().sum()) else { continue };
            let is_risk = matches!(scale.of, PeerScaleOf::Risk { .. });
            let Some(quantiles) = quantiles(&values, count, is_risk) else { continue };
            let known = scale.moves_with.iter().map(|measure| direction(release, measure, &group));
            let direction = known
                .max_by_key(|direction| match direction {
                    Direction::Rising | Direction::Falling => 2,
                    Direction::NoClearChange => 1,
                    Direction::NotKnown => 0,
                })
                .unwrap_or(Direction::NotKnown);
            let scale = PeerScale { of: scale.of, people, quantiles, direction };
            scales.entry(at).or_default().push(scale);
        }
        groups.extend(scales.into_iter().filter_map(|(at, scales)| {
            Some(PeerGroup { group: group(gathered, keys, &at)?, scales })
        }));
    }
    groups
}

/// What may be shown of how many people of the last period have a value, by scale, as of a measure.
fn masks(spec: &Spec<'_>, gathered: &Gathered) -> Option<Masks> {
    let scales = spec.peers.len()
        + spec.measures.iter().filter(|of| matches!(of.rule, Rule::Risk(_))).count();
    let cells = gathered.table.periods.last()?.iter().map(|(at, cell)| {
        let tally = |scale| {
            let values = gathered.scales.get(&(scale, at.clone()));
            let measured = values.map_or(0, |values| values.values().sum());
            Tally { measured, ..Tally::default() }
        };
        (at.clone(), Cell { people: cell.people, tallies: (0..scales).map(tally).collect() })
    });
    let table = Table { periods: vec![cells.collect()] };
    let rolled = roll(&table, &spec.frame(&gathered.keys)).ok()?;
    Some(suppress(&rolled, &vec![FigureKind::Mean; scales]))
}

/// Age band and sex, and these with region, where the specification names these groups: the places of
/// the grouping and of its keys.
fn groupings<'s>(spec: &'s Spec<'_>) -> impl Iterator<Item = (usize, &'s [usize])> {
    let names = |keys: &[usize]| -> BTreeSet<KeyName> {
        keys.iter().filter_map(|key| spec.keys.get(*key).copied()).collect()
    };
    let wide = BTreeSet::from([KeyName::AgeBand, KeyName::Sex]);
    let narrow = BTreeSet::from([KeyName::AgeBand, KeyName::Sex, KeyName::Region]);
    let all = spec.groupings.iter().enumerate().map(|(place, keys)| (place, keys.as_slice()));
    all.filter(move |(_, keys)| [&wide, &narrow].contains(&&names(keys)))
}

/// What the release shows of each group in the last period, by measure.
fn shown(release: &Release) -> BTreeMap<&Group, BTreeMap<&str, &Point>> {
    let mut shown: BTreeMap<&Group, BTreeMap<&str, &Point>> = BTreeMap::new();
    for series in &release.series {
        if let Some(point) = series.points.last() {
            shown.entry(&series.group).or_default().insert(&series.measure, point);
        }
    }
    shown
}

/// Whether the release shows the people of a group, and the figures of the measures that have to do with
/// a scale.
fn is_shown(points: &BTreeMap<&str, &Point>, scale: &Scale) -> bool {
    let point = |measure: &String| points.get(measure.as_str());
    let is_told = |measure| point(measure).is_some_and(|point| point.figure.is_some());
    // A group has the same people for every measure.
    points.values().all(|point| point.people.is_some()) && scale.counted_with.iter().all(is_told)
}

type Values = BTreeMap<Amount, u64>;

/// The values of everybody who stands at the same place in these keys, by scale.
fn rolled_up(gathered: &Gathered, keys: &[usize]) -> BTreeMap<(usize, Coordinates), Values> {
    let mut all: BTreeMap<(usize, Coordinates), Values> = BTreeMap::new();
    for ((scale, at), values) in &gathered.scales {
        let at = keys.iter().filter_map(|key| at.get(*key).copied()).collect();
        let sums = all.entry((*scale, at)).or_default();
        values.iter().for_each(|(value, count)| *sums.entry(*value).or_default() += count);
    }
    all
}

/// The group at a place; `None` where a value stands for different things.
fn group(gathered: &Gathered, keys: &[usize], at: &Coordinates) -> Option<Group> {
    let mut group = Group::default();
    for (key, place) in keys.iter().zip(at) {
        let key = gathered.keys.get(*key)?;
        let value = &key.values.get(usize::from(*place))?.name;
        if [OTHER, UNKNOWN].contains(&value.as_str()) {
            return None;
        }
        group.0.insert(key.name, value.clone());
    }
    Some(group)
}

/// A scale, and the measures that have to do with it, by name.
struct Scale {
    of: PeerScaleOf,
    /// Those whose direction is that of the scale.
    moves_with: Vec<String>,
    /// Those of which a count is, or nearly, that of the people with a value, or of a part of them.
    counted_with: Vec<String>,
}

fn scale_of(spec: &Spec<'_>, scale: usize) -> Option<Scale> {
    let Some((name, values)) = spec.peers.get(scale) else {
        return risk_scale(spec, scale.checked_sub(spec.peers.len())?);
    };
    let concept = spec.concepts.get(values.concept())?;
    let moves = |rule: &Rule<'_>| match rule {
        Rule::Share { happening, .. } => happening.concepts().contains(&values.concept()),
        Rule::Mean(of) => of.concept() == values.concept(),
        Rule::Contacts(_) | Rule::Outcome(_) | Rule::Risk(_) => false,
    };
    let counts = |rule: &Rule<'_>| match rule {
        Rule::Share { measured_by, .. } => measured_by.contains(&values.concept()) || moves(rule),
        _ => moves(rule),
    };
    let named = |is_it: &dyn Fn(&Rule<'_>) -> bool| {
        let measures = spec.measures.iter().filter(|counted| is_it(&counted.rule));
        measures.map(|counted| counted.params.name.clone()).collect()
    };
    let of = PeerScaleOf::Measurement {
        concept: name.clone(),
        title: concept.title.clone(),
        unit: concept.unit.clone(),
    };
    Some(Scale { of, moves_with: named(&moves), counted_with: named(&counts) })
}

/// The scale of the risk measure at this place among those.
fn risk_scale(spec: &Spec<'_>, place: usize) -> Option<Scale> {
    let mut risks = spec.measures.iter().filter_map(|counted| match counted.rule {
        Rule::Risk(bundle) => Some((bundle, counted.params.name.clone())),
        _ => None,
    });
    let (bundle, measure) = risks.nth(place)?;
    let of = PeerScaleOf::Risk {
        task: bundle.task().params().name.clone(),
        bundle_digest: bundle.digest().to_owned(),
    };
    Some(Scale { of, moves_with: vec![measure.clone()], counted_with: vec![measure] })
}

/// So many equally spaced quantiles; `None` of nobody.
fn quantiles(values: &Values, count: usize, is_risk: bool) -> Option<Vec<f64>> {
    let all: u64 = values.values().sum();
    if all == 0 {
        return None;
    }
    let mut quantiles = Vec::with_capacity(count);
    let (mut each, mut below) = (values.iter(), 0_u64);
    let mut current = 0.0;
    for place in 1..=count as u64 {
        // The smallest value that at least this share of the people have or stay below.
        let rank = (place * all).div_ceil(count as u64 + 1);
        while below < rank {
            let (value, more) = each.next()?;
            (current, below) = (value.value(), below + more);
        }
        quantiles.push(if is_risk { (current / RISK_STEP).round() * RISK_STEP } else { current });
    }
    Some(quantiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Values {
        let mut counts = Values::new();
        values.iter().for_each(|value| *counts.entry(Amount::of(*value)).or_default() += 1);
        counts
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        for count in [50_usize, 97, 100, 219, 220, 500, 1_000] {
            let values: Vec<f64> =
                (0..count).map(|n| 100.0 + ((n * 7_919) % count) as f64).collect();
            let (class, wanted) = peer_class(count as u64).unwrap();
            let quantiles = quantiles(&of(&values), wanted, false).unwrap();
            assert_eq!(quantiles.len(), wanted);
            assert!(class as usize <= count && class as usize / (wanted + 1) >= 11);
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            for (place, quantile) in quantiles.iter().enumerate() {
                let share = (place + 1) as f64 / (quantiles.len() + 1) as f64;
                let rank = (share * count as f64 - 1e-9).ceil() as usize;
                assert_eq!(*quantile, sorted[rank - 1], "{count} {place}");
            }
        }
        let risks = quantiles(&of(&[0.123_456; 60]), 3, true).unwrap();
        assert!(risks.iter().all(|risk| (risk - 0.1235).abs() < 1e-12) && risks.len() == 3);
        assert_eq!(quantiles(&Values::new(), 3, false), None);
    }

    #[test]
    fn people_are_told_by_class() {
        let class = |people| peer_class(people).map(|(class, _)| class);
        assert_eq!((class(0), class(49)), (None, None));
        for (people, wanted) in [
            (50, (50, 3)),
            (99, (50, 3)),
            (100, (100, 8)),
            (499, (200, 17)),
            (500, (500, 19)),
            (123_456, (100_000, 19)),
        ] {
            assert_eq!(peer_class(people), Some(wanted), "{people}");
        }
        assert!(class(u64::MAX).is_some_and(|most| most > 10_u64.pow(11)));
    }
}
