//! Figures of small areas, drawn towards those of their neighbours: the fewer the people, the more.
//!
//! Marshall's empirical Bayes by the method of moments (1991, Mapping disease and mortality rates using
//! empirical Bayes estimators, Appl Stat 40:283), over the released figures of one period alone. The
//! neighbours of a group are the groups that differ from it in region or facility alone: men aged 60-69
//! of one region are drawn to men aged 60-69 of all regions, never to women or to the young.

use std::collections::BTreeMap;

use super::change::worth;
use super::params::KeyName;
use super::release::{Figure, FigureKind, Group, Point, Release};

/// Fewer neighbours do not say how far areas differ.
const AREAS_MIN: usize = 3;

/// Gives every shown share, outcome and rate of a region or facility its smoothed value, in the unit
/// of the figure; takes away what was there before.
pub(super) fn smooth(release: &mut Release) {
    let kinds: BTreeMap<String, FigureKind> =
        release.measures.iter().map(|measure| (measure.name.clone(), measure.kind)).collect();
    let mut neighbours: BTreeMap<(String, Vec<KeyName>, Group), Vec<usize>> = BTreeMap::new();
    for (place, series) in release.series.iter_mut().enumerate() {
        series.points.iter_mut().for_each(|point| point.smoothed = None);
        let is_counted = kinds.get(&series.measure).is_some_and(|kind| kind.counts_hits());
        let mut rest = series.group.clone();
        rest.0.retain(|key, _| !is_area(*key));
        if is_counted && rest.0.len() < series.group.0.len() {
            let keys = series.group.0.keys().copied().collect();
            neighbours.entry((series.measure.clone(), keys, rest)).or_default().push(place);
        }
    }
    for ((measure, ..), places) in neighbours {
        let Some(kind) = kinds.get(&measure) else { continue };
        for period in 0..release.periods.len() {
            areas(release, &places, period, *kind);
        }
    }
}

fn is_area(key: KeyName) -> bool {
    matches!(key, KeyName::Region | KeyName::Facility)
}

/// Smooths the points of one period in the series at these places.
fn areas(release: &mut Release, places: &[usize], period: usize, kind: FigureKind) {
    let point = |place: &usize| release.series.get(*place).and_then(|s| s.points.get(period));
    let shown: Vec<(usize, f64, f64)> = places
        .iter()
        .filter_map(|place| {
            let point = point(place)?;
            let figure = point.figure?;
            let weight = independent(&figure, point, kind)?;
            Some((*place, figure.estimate, weight))
        })
        .collect();
    if shown.len() < AREAS_MIN {
        return;
    }
    let all: f64 = shown.iter().map(|(_, _, weight)| weight).sum();
    let mean = shown.iter().map(|(_, value, weight)| weight * value).sum::<f64>() / all;
    // What one independent person, or one unit of person-time, varies by at the common mean.
    let unit_variance = if kind == FigureKind::Rate { mean } else { mean * (1.0 - mean) };
    let seen: f64 =
        shown.iter().map(|(_, value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / all;
    let by_chance = unit_variance * shown.len() as f64 / all;
    let between = (seen - by_chance).max(0.0);
    for (place, value, weight) in shown {
        let noise = unit_variance / weight;
        let trust = if between > 0.0 { between / (between + noise) } else { 0.0 };
        let smoothed = mean + trust * (value - mean);
        let point = release.series.get_mut(place).and_then(|s| s.points.get_mut(period));
        if let Some(point) = point.filter(|_| smoothed.is_finite()) {
            point.smoothed = Some(smoothed);
        }
    }
}

/// How many independent people, or units of person-time, a figure is worth. One that nobody, or
/// everybody, is behind is worth its people.
fn independent(figure: &Figure, point: &Point, kind: FigureKind) -> Option<f64> {
    let by_people = || point.measured.filter(|_| kind != FigureKind::Rate).map(|all| all as f64);
    worth(figure, kind).or_else(by_people).filter(|worth| *worth > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(people: f64, estimate: f64) -> (Figure, Point) {
        let standard_error = (estimate * (1.0 - estimate) / people).sqrt();
        let figure = Figure { estimate, low: 0.0, high: 1.0, standard_error, freedom: None };
        (figure, Point { measured: Some(people as u64), ..Point::default() })
    }

    #[test]
    fn a_figure_is_worth_its_people_or_its_time() {
        let (figure, point) = share(250.0, 0.2);
        let worth = independent(&figure, &point, FigureKind::Share).unwrap();
        assert!((worth - 250.0).abs() < 1e-9, "{worth}");
        let (nobody, point) = share(250.0, 0.0);
        assert_eq!(independent(&nobody, &point, FigureKind::Share), Some(250.0));
        // 20 contacts in 400 person-years: 50 per 1,000, standard error 1000 * sqrt(20) / 400.
        let standard_error = 1000.0 * 20.0f64.sqrt() / 400.0;
        let rate = Figure { estimate: 50.0, low: 0.0, high: 1.0, standard_error, freedom: None };
        let worth = independent(&rate, &point, FigureKind::Rate).unwrap();
        assert!((worth - 0.4).abs() < 1e-9, "{worth}");
    }
}
