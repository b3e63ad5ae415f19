//! What else changed while a figure did, and may explain it.

use super::numbers::Numbers;
use crate::trend::chance::two_sided_p;
use crate::trend::change::parts_of_a_year;
use crate::trend::release::{Measure, Point, Release, Series, Statement};

/// The share of people measured is named from so large a change on, in points (percent).
const MEASURED_POINTS_MIN: f64 = 3.0;
/// And where chance makes it so rarely.
const MEASURED_P_MAX: f64 = 0.05;
/// The number of people is named from this part of a change on.
const PEOPLE_PART_MIN: f64 = 0.25;

/// The cautions of a statement on `series`, over the periods it spans.
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
    for change in measure.coding_changes.iter().filter(|change| inside(change.period)) {
        cautions.push(format!(
            "Codes came from {} until then and from {} from {} on: the change may be one of coding.",
            change.from_system,
            change.to_system,
            name(change.period),
        ));
    }
    cautions.extend(people(points));
    let hidden: Vec<&str> = points
        .iter()
        .enumerate()
        .filter(|(_, point)| point.figure.is_none())
        .map(|(place, _)| name(first + place))
        .collect();
    if !hidden.is_empty() {
        cautions.push(format!("No figure is shown for {}.", hidden.join(", ")));
    }
    let parts = parts_of_a_year(release);
    if parts > 1 && release.periods.len() < 2 * parts {
        cautions.push(
            "There are fewer than two years of periods: part of the change may come from the season."
                .to_owned(),
        );
    }
    cautions
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
