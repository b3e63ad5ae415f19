//! `carry`: a period is shown once.
//!
//! Exports grow: late records change the counts of periods that were told already. Were such a period
//! decided and told again, everyone could take one release from the other, and see the few people that
//! came late, or see through the suppression of either by what the other shows. So a period that an
//! earlier release of the specification holds is taken over from it as it stands, what is suppressed
//! with it, and nothing else about it is ever told: a group that is new since then has no counts there,
//! not even of nobody, and one that has nobody in the new periods either (late records put somebody into
//! an old one) is not told at all, nor is a value that only such groups have. What is told of one period is then always what one run of `suppress` decided,
//! and two periods are counts of different things (people in different spans of time), of which no
//! equation holds both. So all releases together tell no more of a period than its first one.
//!
//! This holds for releases of one specification, which its digest tells. Another specification cuts the
//! same people in another way; who publishes releases of several has to mind what they tell together.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::release::{CodingChange, FORMAT_VERSION, Group, Key, KeyValue, Point, Release, Series};

/// Why a release cannot follow another.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CarryError {
    #[error(
        "the earlier release is of format {found}, this program reads {FORMAT_VERSION}: carry on with \
         the program that wrote it: a period is shown once"
    )]
    Format { found: u32 },
    #[error(
        "the earlier release `{name}` is of another specification: name the release that was made by \
         this one in --previous; another specification is another matter and needs a name of its own"
    )]
    Specification { name: String },
    #[error(
        "the earlier release has other periods than this one ({found} stands where {wanted} does now): \
         period unit, count and first day must stay as they were"
    )]
    Periods { found: String, wanted: String },
    #[error("the earlier release does not hold together ({what}): take the file as it was written")]
    Damaged { what: &'static str },
}

/// The release `new` with every period that `previous` holds taken over from that as it stands.
///
/// `new.privacy` must count the new periods alone (see `Masks::privacy`); counts of both come together.
/// Keys get the values of both, so far as series name them, groups and coding changes too. Standardised and smoothed figures of
/// taken over points stay; statements, peers and all else are those of `new`, and those that rest on
/// points are to be made again from the result.
///
/// # Errors
/// The releases are not of one specification, or `previous` is damaged.
pub fn carry(previous: &Release, new: Release) -> Result<Release, CarryError> {
    check(previous, &new)?;
    let kept = previous.periods.len();
    let mut privacy = new.privacy.clone();
    privacy.points += previous.privacy.points;
    privacy.suppressed_small += previous.privacy.suppressed_small;
    privacy.suppressed_beside += previous.privacy.suppressed_beside;
    privacy.kept_periods = kept as u64;
    let mut measures = new.measures;
    for measure in &mut measures {
        let old = previous.measures.iter().find(|old| old.name == measure.name);
        let old = old.map_or(&[][..], |old| &old.coding_changes);
        measure.coding_changes = coding_changes(old, &measure.coding_changes, kept);
    }
    let periods = previous.periods.iter().chain(new.periods.iter().skip(kept)).cloned().collect();
    let names: Vec<&str> = measures.iter().map(|measure| &*measure.name).collect();
    let series = series(&names, &previous.series, &new.series, kept, Vec::len(&periods));
    let keys = new.keys.iter().map(|key| {
        let old = previous.keys.iter().find(|old| old.name == key.name);
        let named: BTreeSet<&str> = series
            .iter()
            .filter_map(|series| series.group.0.get(&key.name).map(String::as_str))
            .collect();
        let told = key.values.iter().filter(|value| named.contains(&*value.name));
        Key { name: key.name, values: values(old.map_or(&[][..], |old| &old.values), told) }
    });
    let keys = keys.collect();
    Ok(Release { privacy, measures, periods, series, keys, ..new })
}

fn check(previous: &Release, new: &Release) -> Result<(), CarryError> {
    if previous.format_version != FORMAT_VERSION {
        return Err(CarryError::Format { found: previous.format_version });
    }
    if previous.spec_digest != new.spec_digest {
        return Err(CarryError::Specification { name: previous.name.clone() });
    }
    let unit = |release: &Release| format!("{} {:?}", release.period_count, release.period_unit);
    if (previous.period_unit, previous.period_count) != (new.period_unit, new.period_count) {
        let (found, wanted) = (unit(previous), unit(new));
        return Err(CarryError::Periods { found, wanted });
    }
    let mut both = previous.periods.iter().zip(&new.periods);
    if let Some((found, wanted)) = both.find(|(found, wanted)| found != wanted) {
        let (found, wanted) = (found.name.clone(), wanted.name.clone());
        return Err(CarryError::Periods { found, wanted });
    }
    let count = previous.periods.len();
    if previous.series.iter().any(|series| series.points.len() != count) {
        return Err(CarryError::Damaged { what: "a series has not one point for each period" });
    }
    let places: BTreeSet<(&str, &Group)> =
        previous.series.iter().map(|series| (&*series.measure, &series.group)).collect();
    if places.len() != previous.series.len() {
        return Err(CarryError::Damaged { what: "a group has two series of one measure" });
    }
    let names = |release: &Release| {
        let measures = release.measures.iter();
        measures.map(|measure| (measure.name.clone(), measure.kind as u8)).collect::<Vec<_>>()
    };
    if names(previous) != names(new) {
        return Err(CarryError::Damaged {
            what: "its measures are not those of its specification",
        });
    }
    let keys = |release: &Release| release.keys.iter().map(|key| key.name).collect::<Vec<_>>();
    if keys(previous) != keys(new) {
        return Err(CarryError::Damaged { what: "its keys are not those of its specification" });
    }
    Ok(())
}

/// Those of the taken over periods as they were told, those since as they are now.
fn coding_changes(old: &[CodingChange], new: &[CodingChange], kept: usize) -> Vec<CodingChange> {
    let old = old.iter().filter(|change| change.period < kept);
    old.chain(new.iter().filter(|change| change.period >= kept)).cloned().collect()
}

/// The values of both, in an order that keeps those of each wherever they agree.
fn values<'a>(old: &[KeyValue], new: impl Iterator<Item = &'a KeyValue>) -> Vec<KeyValue> {
    let mut all = old.to_vec();
    let mut after = 0;
    for value in new {
        match all.iter().position(|known| known.name == value.name) {
            Some(place) => after = place + 1,
            None => {
                all.insert(after, value.clone());
                after += 1;
            }
        }
    }
    all
}

/// The series of both by measure and group: the first `kept` points are the old ones.
fn series(
    measures: &[&str],
    old: &[Series],
    new: &[Series],
    kept: usize,
    periods: usize,
) -> Vec<Series> {
    let by_place = |series: &'_ [Series]| -> BTreeMap<(usize, Group), Vec<Point>> {
        let place = |series: &Series| {
            let measure = measures.iter().position(|name| *name == series.measure)?;
            Some(((measure, series.group.clone()), series.points.clone()))
        };
        series.iter().filter_map(place).collect()
    };
    let (mut old, mut new) = (by_place(old), by_place(new));
    // Whoever is in a group is in its series of every measure.
    let has_anybody =
        |points: &[Point]| points.iter().skip(kept).any(|point| point.people != Some(0));
    new.retain(|place, points| old.contains_key(place) || has_anybody(points));
    let places: BTreeSet<(usize, Group)> = old.keys().chain(new.keys()).cloned().collect();
    let series = places.into_iter().map(|place| {
        let mut points = old.remove(&place).unwrap_or_default();
        points.resize_with(kept, Point::default);
        points.extend(new.remove(&place).unwrap_or_default().into_iter().skip(kept));
        points.resize_with(periods, Point::default);
        let measure = measures.get(place.0).copied().unwrap_or_default().to_owned();
        Series { measure, group: place.1, points }
    });
    series.collect()
}
