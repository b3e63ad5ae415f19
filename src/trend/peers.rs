//! Peers: how risks and measurements lie among people of one age band and sex, and of one region where
//! there are enough of them.

use std::collections::BTreeMap;

use super::gather::Gathered;
use super::params::KeyName;
use super::release::{Direction, Group, PeerGroup, PeerScale, PeerScaleOf, Release};
use super::spec::{Rule, Spec};
use super::tally::{Amount, Coordinates};
use crate::SMALL_CELL_PATIENTS;

/// The most quantiles of a scale: a twentieth of the people between two of them.
const QUANTILES_MAX: usize = 19;
/// The fewest: with fewer a percentile says nothing.
const QUANTILES_MIN: usize = 3;
/// Digits of a risk that are told.
const RISK_STEP: f64 = 1e-4;
/// Numbers of people are told in tens, so that two releases tell of no single person.
const PEOPLE_STEP: u64 = 10;

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
    let place = |name: KeyName| spec.keys.iter().position(|key| *key == name);
    let (Some(age), Some(sex)) = (place(KeyName::AgeBand), place(KeyName::Sex)) else {
        return Vec::new();
    };
    let with_region = place(KeyName::Region).map(|region| vec![age, sex, region]);
    let mut groups = Vec::new();
    for keys in [Some(vec![age, sex]), with_region].into_iter().flatten() {
        let mut scales: BTreeMap<Coordinates, Vec<PeerScale>> = BTreeMap::new();
        for ((scale, at), values) in rolled_up(gathered, &keys) {
            let Some((of, measures)) = scale_of(spec, scale) else { continue };
            let is_risk = matches!(of, PeerScaleOf::Risk { .. });
            let Some((people, quantiles)) = quantiles(&values, is_risk) else { continue };
            let Some(group) = group(gathered, &keys, &at) else { continue };
            if is_suppressed(release, &group) {
                continue;
            }
            let known = measures.iter().map(|measure| direction(release, measure, &group));
            let direction = known
                .max_by_key(|direction| match direction {
                    Direction::Rising | Direction::Falling => 2,
                    Direction::NoClearChange => 1,
                    Direction::NotKnown => 0,
                })
                .unwrap_or(Direction::NotKnown);
            scales.entry(at).or_default().push(PeerScale { of, people, quantiles, direction });
        }
        groups.extend(scales.into_iter().filter_map(|(at, scales)| {
            Some(PeerGroup { group: group(gathered, &keys, &at)?, scales })
        }));
    }
    groups
}

/// Whether the release keeps back how many people a group has in the last period.
fn is_suppressed(release: &Release, group: &Group) -> bool {
    let mut series = release.series.iter().filter(|series| series.group == *group);
    series.any(|series| series.points.last().is_some_and(|point| point.people.is_none()))
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

/// The group at a place; `None` where a value stands for different things ("other", "unknown").
fn group(gathered: &Gathered, keys: &[usize], at: &Coordinates) -> Option<Group> {
    let mut group = Group::default();
    for (key, place) in keys.iter().zip(at) {
        let key = gathered.keys.get(*key)?;
        let value = &key.values.get(usize::from(*place))?.name;
        if ["other", "unknown"].contains(&value.as_str()) {
            return None;
        }
        group.0.insert(key.name, value.clone());
    }
    Some(group)
}

/// What a scale is of, and the measures whose direction is that of the scale: those that rest on the
/// concept, or the risk itself.
fn scale_of(spec: &Spec<'_>, scale: usize) -> Option<(PeerScaleOf, Vec<String>)> {
    if let Some((name, values)) = spec.peers.get(scale) {
        let concept = spec.concepts.get(values.concept())?;
        let rests = |rule: &Rule<'_>| match rule {
            Rule::Share { happening, .. } => happening.concepts().contains(&values.concept()),
            Rule::Mean(of) => of.concept() == values.concept(),
            Rule::Contacts(_) | Rule::Outcome(_) | Rule::Risk(_) => false,
        };
        let measures = spec.measures.iter().filter(|counted| rests(&counted.rule));
        let of = PeerScaleOf::Measurement {
            concept: name.clone(),
            title: concept.title.clone(),
            unit: concept.unit.clone(),
        };
        return Some((of, measures.map(|counted| counted.params.name.clone()).collect()));
    }
    let mut risks = spec.measures.iter().filter_map(|counted| match counted.rule {
        Rule::Risk(bundle) => Some((bundle, counted.params.name.clone())),
        _ => None,
    });
    let (bundle, measure) = risks.nth(scale.checked_sub(spec.peers.len())?)?;
    let of = PeerScaleOf::Risk {
        task: bundle.task().params().name.clone(),
        bundle_digest: bundle.digest().to_owned(),
    };
    Some((of, vec![measure]))
}

/// Equally spaced quantiles, with at least 11 people between two of them; the number of people is
/// told in tens. `None` for too few.
fn quantiles(values: &Values, is_risk: bool) -> Option<(u64, Vec<f64>)> {
    let all: u64 = values.values().sum();
    let people = all / PEOPLE_STEP * PEOPLE_STEP;
    let parts = usize::try_from(people).unwrap_or(usize::MAX) / SMALL_CELL_PATIENTS;
    let count = parts.saturating_sub(1).min(QUANTILES_MAX);
    if count < QUANTILES_MIN {
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
    Some((people, quantiles))
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
        for count in [44_usize, 50, 97, 219, 220, 1_000] {
            let values: Vec<f64> =
                (0..count).map(|n| 100.0 + ((n * 7_919) % count) as f64).collect();
            let Some((people, quantiles)) = quantiles(&of(&values), false) else {
                assert!(count < 50, "{count}");
                continue;
            };
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(people as usize, count / 10 * 10);
            assert!(people as usize / (quantiles.len() + 1) >= 11);
            for (place, quantile) in quantiles.iter().enumerate() {
                let share = (place + 1) as f64 / (quantiles.len() + 1) as f64;
                let rank = (share * count as f64 - 1e-9).ceil() as usize;
                assert_eq!(*quantile, sorted[rank - 1], "{count} {place}");
            }
        }
    }

    #[test]
    fn few_people_have_no_quantiles_and_risks_are_rounded() {
        assert_eq!(quantiles(&of(&[1.0; 43]), false), None);
        assert_eq!(quantiles(&Values::new(), false), None);
        let (people, risks) = quantiles(&of(&[0.123_456; 60]), true).unwrap();
        assert_eq!((people, risks.len()), (60, 4));
        assert!(risks.iter().all(|risk| (risk - 0.1235).abs() < 1e-12));
    }
}
