//! What else changed while a figure did, and may explain it.

use super::numbers::Numbers;
use crate::trend::chance::two_sided_p;
use crate::trend::change::parts_of_a_year;
use crate::trend::release::{CodingChange, Measure, Point, Release, Series, Statement};

/// The share of people measured is named from so large a change on, in points (percent).
const MEASURED_POINTS_MIN: f64 = 3.0;
/// And where chance makes it so rarely.
const MEASURED_P_MAX: f64 = 0.05;
/// The number of people is named from this part of a change on.
const PEOPLE_PART_MIN: f64 = 0.25;
/// The most changes of coding that are named, the latest ones, and the characters of a system's name.
const CODING_MAX: usize = 5;
const SYSTEM_CHARS_MAX: usize = 60;
/// The most periods without a figure that are named.
const HIDDEN_MAX: usize = 12;

/// The cautions of a statement on `series`, over the periods it spans: one of each kind at most, and
/// none longer than a release may hold.
pub(in crate::trend) fn cautions(
    release: &Release,
    measure: &Measure,
    series: &Series,
    statement: &Statement,
) -> Vec<String> {
    let (first, last) = (statement.first_period, statement.last_period);
    let points = series.points.get(first..=last).unwrap_or_default();
    let mut cautions = Vec::new();
    if measure.is_measured_in_part {
        cautions.extend(measured(points));
    }
    let name = |place: usize| release.periods.get(place).map_or("", |period| period.name.as_str());
    let inside = |period: usize| first < period && period <= last;
    let coded: Vec<&CodingChange> =
        measure.coding_changes.iter().filter(|change| inside(change.period)).collect();
    cautions.extend(coding(
        coded.get(coded.len().saturating_sub(CODING_MAX)..).unwrap_or_default(),
        &name,
    ));
    cautions.extend(people(points));
    let hidden: Vec<&str> = points
        .iter()
        .enumerate()
        .filter(|(_, point)| point.figure.is_none())
        .map(|(place, _)| name(first + place))
        .collect();
    cautions.extend(unseen(&hidden));
    let parts = parts_of_a_year(release);
    if parts > 1 && release.periods.len() < 2 * parts {
        cautions.push(
            "There are fewer than two years of periods: part of the change may come from the season."
                .to_owned(),
        );
    }
    cautions
}

/// The changes of coding, in one sentence.
fn coding<'p>(changes: &[&CodingChange], name: &dyn Fn(usize) -> &'p str) -> Option<String> {
    let first = changes.first()?;
    let since = changes.iter().map(|change| {
        let system: String = change.to_system.chars().take(SYSTEM_CHARS_MAX).collect();
        format!("from {system} from {} on", name(change.period))
    });
    let from: String = first.from_system.chars().take(SYSTEM_CHARS_MAX).collect();
    let since: Vec<String> = since.collect();
    Some(format!(
        "Codes came from {from} until then and {}: the change may be one of coding.",
        since.join(", "),
    ))
}

/// The periods without a figure; of many the last ones by name.
fn unseen(hidden: &[&str]) -> Option<String> {
    let earlier = hidden.len().saturating_sub(HIDDEN_MAX);
    let names = hidden.get(earlier..)?.join(", ");
    match (hidden.len(), earlier) {
        (0, _) => None,
        (_, 0) => Some(format!("No figure is shown for {names}.")),
        (_, earlier) => {
            Some(format!("No figure is shown for {names} and {earlier} periods before them."))
        }
    }
}

/// Whether another share of the people was measured at the end than at the beginning.
fn measured(points: &[Point]) -> Option<String> {
    let counts = |point: &Point| {
        let (measured, people) = (point.measured? as f64, point.people? as f64);
        (people > 0.0 && measured <= people).then_some((measured, people))
    };
    let ((first, of_first), (last, of_last)) =
        (points.iter().find_map(counts)?, points.iter().rev().find_map(counts)?);
    let (before, after) = (first / of_first, last / of_last);
    let common = (first + last) / (of_first + of_last);
    let variance = common * (1.0 - common) * (1.0 / of_first + 1.0 / of_last);
    let p_value = two_sided_p((after - before) / variance.sqrt(), f64::INFINITY);
    let is_large = 100.0 * (after - before).abs() >= MEASURED_POINTS_MIN;
    let verb = if after > before { "rose" } else { "fell" };
    let whom = if after > before { "other people" } else { "fewer people" };
    (is_large && p_value < MEASURED_P_MAX).then(|| {
        format!(
            "The share of people measured {verb} from {} to {} at the same time: part of the change may \
             come from measuring {whom}.",
            Numbers::percent(before),
            Numbers::percent(after),
        )
    })
}

/// Whether there were many more or fewer people.
fn people(points: &[Point]) -> Option<String> {
    let first = points.iter().find_map(|point| point.people).filter(|people| *people > 0)?;
    let last = points.iter().rev().find_map(|point| point.people)?;
    let part = last as f64 / first as f64 - 1.0;
    let verb = if part > 0.0 { "rose" } else { "fell" };
    (part.abs() > PEOPLE_PART_MIN).then(|| {
        format!(
            "The number of people under observation {verb} from {first} to {last}: they may not be the \
             same kind of people."
        )
    })
}
