//! What is told of a release to people: the report, its charts, and figures and groups in plain words,
//! which the pages of the server use as well. Nothing is counted here that the release does not hold.

mod changes;
mod chart;
mod panels;
mod reading;
mod regions;
mod tables;
mod words;

pub use changes::finding;
pub use chart::{chart, chart_axis};
pub use words::{
    change_text, figure_text, key_title, measure_title, point_text, standard_title,
    suppressed_text, value_text,
};

use std::collections::BTreeSet;

use super::{FigureKind, KeyName, Measure, Point, Release, Series};
use crate::page::Page;

/// A report of `release` for people: what is rising and falling first, then every group.
pub fn report(release: &Release) -> Page {
    let span = match (release.periods.first(), release.periods.last()) {
        (Some(first), Some(last)) if first.name != last.name => {
            format!("{} to {}", first.name, last.name)
        }
        (Some(only), _) => only.name.clone(),
        (None, _) => "no period".to_owned(),
    };
    Page {
        title: release.title.clone(),
        subtitle: format!(
            "Trends of a population, {span}. Source: {}. Nothing that rests on 1 to 10 people is shown.",
            release.source
        ),
        sections: vec![
            changes::section(release),
            panels::section(release),
            regions::section(release),
            tables::section(release),
            reading::not_shown(release),
            reading::section(release),
        ],
    }
}

impl Release {
    /// The series of `measure`, in order.
    pub fn series_of<'a>(&'a self, measure: &'a Measure) -> impl Iterator<Item = &'a Series> {
        self.series.iter().filter(move |series| series.measure == measure.name)
    }

    /// The measure of that name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name == name)
    }
}

impl Series {
    /// The keys that its group is made by.
    fn keys(&self) -> Vec<KeyName> {
        self.group.0.keys().copied().collect()
    }

    /// By how many people its latest count that is shown was under observation.
    fn people(&self) -> u64 {
        self.points.iter().rev().find_map(|point| point.people).unwrap_or_default()
    }

    /// Whether any figure of it is shown.
    fn is_shown(&self) -> bool {
        self.points.iter().any(|point| point.figure.is_some())
    }
}

impl Point {
    /// Whether something of it, of a measure of this kind, is kept back. Without a figure it may be
    /// that nobody was measured: then there is nothing to keep back.
    pub fn is_suppressed(&self, kind: FigureKind) -> bool {
        let hits_are_missing = kind.counts_hits() && self.hits.is_none();
        self.people.is_none() || self.measured.is_none() || hits_are_missing
    }
}

/// The groupings of a measure: by which keys its groups are made, in the order of the release.
fn groupings(release: &Release, measure: &Measure) -> Vec<Vec<KeyName>> {
    let mut known = BTreeSet::new();
    let each = release.series_of(measure).map(Series::keys);
    let mut found: Vec<Vec<KeyName>> = each.filter(|keys| known.insert(keys.clone())).collect();
    found.sort_by_key(Vec::len);
    found
}

/// The `most` largest of `series`, in the order in which they came, and how many are left out.
fn largest(series: Vec<&Series>, most: usize) -> (Vec<&Series>, usize) {
    let left_out = series.len().saturating_sub(most);
    let mut ranked: Vec<(usize, &Series)> = series.into_iter().enumerate().collect();
    // A stable sort: of equally large ones those that come first.
    ranked.sort_by_key(|(_, series)| std::cmp::Reverse(series.people()));
    ranked.truncate(most);
    ranked.sort_by_key(|(place, _)| *place);
    (ranked.into_iter().map(|(_, series)| series).collect(), left_out)
}
