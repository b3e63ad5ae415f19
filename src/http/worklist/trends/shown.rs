//! What the page shows, in words.

use askama::Template;

use super::asked::Asked;
use super::{Chosen, Found};
use crate::http::worklist::render::Frame;
use crate::http::worklist::words;
use crate::page::{Finding, Multiples, MultiplesSize};
use crate::service::{FoundSeries, FoundStatement, PRIVACY_NOTE};
use crate::trend::{
    Direction, Group, Key, Measure, Release, Series, chart, chart_axis, figure_text, finding,
    key_title, measure_title, point_text, standard_title, suppressed_text, value_text,
    words as group_words,
};

/// The most values of a key that are offered to choose from: a longer list is slower than to write.
const CHOICES_MAX: usize = 200;
/// The most periods of the table of figures: the latest.
const PERIODS_MAX: usize = 60;
/// The most groups that are offered to go on to.
const NARROWER_MAX: usize = 40;

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    value: String,
    text: String,
    is_chosen: bool,
}

/// What can be chosen of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyChoices {
    name: &'static str,
    title: String,
    /// What the address asks for.
    value: String,
    /// Empty where there are too many to choose from.
    choices: Vec<Choice>,
}

/// A statement with its way to the figures.
#[derive(Debug, Clone)]
pub(super) struct StatementView {
    finding: Finding,
    is_rise: bool,
    /// What it is about: measure and group.
    of: String,
    href: String,
}

/// The figures of one group.
#[derive(Debug, Clone)]
pub(super) struct SeriesView {
    title: String,
    /// SVG, whose texts are escaped.
    chart: String,
    standard: Option<&'static str>,
    has_smoothed: bool,
    rows: Vec<RowView>,
    earlier: usize,
    is_measured_in_part: bool,
    coding: Vec<String>,
}

/// A period of them.
#[derive(Debug, Clone)]
pub(super) struct RowView {
    period: String,
    people: String,
    measured: String,
    figure: String,
    standardised: String,
    smoothed: String,
}

/// A group that is a part of the one that is shown.
#[derive(Debug, Clone)]
pub(super) struct NarrowerView {
    title: String,
    figure: String,
    href: String,
}

#[derive(Template)]
#[template(path = "worklist/trends.html")]
pub(super) struct TrendsPage {
    frame: Frame,
    /// Why there is nothing to see, where there is nothing.
    absent: Option<String>,
    is_synthetic: bool,
    source: Option<String>,
    is_filtered: bool,
    releases: Vec<Choice>,
    measures: Vec<Choice>,
    keys: Vec<KeyChoices>,
    count: String,
    statements: Vec<StatementView>,
    /// The rank of the first statement of this page.
    first_place: u64,
    first_page: Option<String>,
    next: Option<String>,
    /// What the figures below are of.
    heading: String,
    series: Option<SeriesView>,
    narrower: Vec<NarrowerView>,
    /// How many more there are.
    narrower_more: usize,
    rate_percent: String,
    privacy_note: &'static str,
}

impl TrendsPage {
    /// A page that says why there is nothing on it.
    pub(super) fn without(frame: Frame, absent: String) -> TrendsPage {
        TrendsPage {
            frame,
            absent: Some(absent),
            is_synthetic: false,
            source: None,
            is_filtered: false,
            releases: Vec::new(),
            measures: Vec::new(),
            keys: Vec::new(),
            count: String::new(),
            statements: Vec::new(),
            first_place: 1,
            first_page: None,
            next: None,
            heading: String::new(),
            series: None,
            narrower: Vec::new(),
            narrower_more: 0,
            rate_percent: String::new(),
            privacy_note: PRIVACY_NOTE,
        }
    }

    /// The page of what was found; `is_allowed` says which measures the visitor may choose.
    pub(super) fn of(
        frame: Frame,
        asked: &Asked,
        found: &Found,
        is_allowed: &dyn Fn(&Measure) -> bool,
    ) -> TrendsPage {
        let Some(chosen) = &found.chosen else {
            let text =
                "The release holds no figures of what was asked for, or none that you may see.";
            return TrendsPage::without(frame, text.to_owned());
        };
        let release = chosen.release.release();
        let measures = release.measures.iter().filter(|measure| is_allowed(measure));
        let choice = |measure: &Measure| Choice {
            value: measure.name.clone(),
            text: measure_title(measure),
            is_chosen: asked.measure.as_ref() == Some(&measure.name),
        };
        let before = asked.page.as_ref().map_or(0, |(_, before)| *before);
        let shown = before.saturating_add(found.statements.statements.len() as u64);
        let next = found.statements.next.clone();
        let next =
            next.map(|token| Asked { page: Some((token, shown)), ..asked.clone() }.address());
        let first = Asked { page: None, ..asked.clone() };
        let (narrower, narrower_more) = narrower(asked, chosen);
        TrendsPage {
            absent: None,
            is_synthetic: release.synthetic,
            source: Some(format!("{}. Source: {}.", release.title, release.source)),
            is_filtered: asked.is_set(),
            releases: releases(release, found),
            measures: measures.map(choice).collect(),
            keys: release.keys.iter().map(|key| key_choices(key, asked)).collect(),
            count: count(found, asked, before, shown),
            statements: found.statements.statements.iter().filter_map(statement_view).collect(),
            first_place: before.saturating_add(1),
            first_page: asked.page.is_some().then(|| first.address()),
            next,
            heading: heading(release, chosen, &asked.group),
            series: series_view(release, chosen, &asked.group),
            narrower,
            narrower_more,
            rate_percent: format!("{:.0}", 100.0 * release.false_discovery_rate),
            ..TrendsPage::without(frame, String::new())
        }
    }
}

/// The releases to choose from; none where there is but one.
fn releases(chosen: &Release, found: &Found) -> Vec<Choice> {
    let loaded = &found.loaded;
    let choice = |release: &Release| Choice {
        value: release.name.clone(),
        text: release.title.clone(),
        is_chosen: release.name == chosen.name,
    };
    match loaded.releases() {
        [] | [_] => Vec::new(),
        several => several.iter().map(|of| choice(of.release())).collect(),
    }
}

fn key_choices(key: &Key, asked: &Asked) -> KeyChoices {
    let value = asked.group.0.get(&key.name).cloned().unwrap_or_default();
    let choice = |name: &String| Choice {
        value: name.clone(),
        text: name.clone(),
        is_chosen: *name == value,
    };
    let is_long = key.values.len() > CHOICES_MAX;
    let values = key.values.iter().filter(|_| !is_long);
    KeyChoices {
        name: key.name.name(),
        title: words::capital(key_title(key.name)),
        choices: values.map(|of| choice(&of.name)).collect(),
        value,
    }
}

/// How many statements there are, in words.
fn count(found: &Found, asked: &Asked, before: u64, shown: u64) -> String {
    let count = found.statements.statements_count as u64;
    let mut all = words::count(count, "change");
    if asked.is_set() {
        all = format!("{all} that {}", if count == 1 { "fits" } else { "fit" });
    }
    match before == 0 && shown >= count {
        true => all,
        false => format!("{} to {shown} of {all}", before.saturating_add(1)),
    }
}

fn statement_view(found: &FoundStatement) -> Option<StatementView> {
    let release = found.release.release();
    let statement = found.statement()?;
    let measure = release.measure(&statement.measure)?;
    let asked = Asked {
        release: Some(release.name.clone()),
        measure: Some(statement.measure.clone()),
        group: statement.group.clone(),
        page: None,
    };
    Some(StatementView {
        finding: finding(release, statement)?,
        is_rise: statement.direction == Direction::Rising,
        of: format!("{}: {}", measure_title(measure), group_words(&statement.group)),
        href: asked.address(),
    })
}

fn heading(release: &Release, chosen: &Chosen, group: &Group) -> String {
    let title = release.measure(&chosen.measure).map(measure_title).unwrap_or_default();
    format!("{title}: {}", group_words(group))
}

fn series_view(release: &Release, chosen: &Chosen, group: &Group) -> Option<SeriesView> {
    let measure = release.measure(&chosen.measure)?;
    let mut each = chosen.series.series.iter().filter_map(FoundSeries::series);
    let series = each.find(|series| series.group == *group)?;
    let title = group_words(group);
    let multiples = Multiples {
        periods: release.periods.iter().map(|period| period.name.clone()).collect(),
        y: chart_axis(measure, std::iter::once(series)),
        size: MultiplesSize::Large,
        panels: vec![chart(release, measure, series, title.clone())],
    };
    let earlier = release.periods.len().saturating_sub(PERIODS_MAX);
    let points = release.periods.iter().zip(&series.points).skip(earlier);
    let rows = points.map(|(period, point)| {
        let counted =
            |count: Option<u64>| count.map_or_else(suppressed_text, |count| count.to_string());
        let standardised = point.standardised.as_ref();
        RowView {
            period: period.name.clone(),
            people: counted(point.people),
            measured: counted(point.measured),
            figure: point_text(measure.kind, point),
            standardised: standardised
                .map_or_else(dash, |figure| figure_text(measure.kind, figure)),
            smoothed: point.smoothed.map_or_else(dash, |value| value_text(measure.kind, value)),
        }
    });
    let is_standardised = series.points.iter().any(|point| point.standardised.is_some());
    let coding = measure.coding_changes.iter().filter_map(|change| {
        let from = &release.periods.get(change.period)?.name;
        let (before, after) = (&change.from_system, &change.to_system);
        Some(format!("From {from} on most codes come from {after} and no longer from {before}."))
    });
    Some(SeriesView {
        title,
        chart: multiples.svgs(1).concat(),
        standard: release.standard.filter(|_| is_standardised).map(standard_title),
        has_smoothed: series.points.iter().any(|point| point.smoothed.is_some()),
        rows: rows.collect(),
        earlier,
        is_measured_in_part: measure.is_measured_in_part,
        coding: coding.collect(),
    })
}

fn dash() -> String {
    "\u{2013}".to_owned()
}

/// The groups that divide the one that is asked for by one key more, and how many are left out.
fn narrower(asked: &Asked, chosen: &Chosen) -> (Vec<NarrowerView>, usize) {
    let release = chosen.release.release();
    let Some(measure) = release.measure(&chosen.measure) else { return (Vec::new(), 0) };
    let each = chosen.series.series.iter().filter_map(FoundSeries::series);
    // The next division that there is: where groups are made by age and sex together, both at once.
    let own = asked.group.0.len();
    let more = each.filter(|series| series.group.0.len() > own).collect::<Vec<_>>();
    let nearest = more.iter().map(|series| series.group.0.len()).min().unwrap_or_default();
    let mut nearest: Vec<_> =
        more.into_iter().filter(|series| series.group.0.len() == nearest).collect();
    let left_out = nearest.len().saturating_sub(NARROWER_MAX);
    nearest.truncate(NARROWER_MAX);
    let view = |series: &Series| NarrowerView {
        title: group_words(&series.group),
        figure: series.points.last().map_or_else(dash, |point| point_text(measure.kind, point)),
        href: Asked {
            release: asked.release.clone(),
            measure: Some(measure.name.clone()),
            group: series.group.clone(),
            page: None,
        }
        .address(),
    };
    (nearest.into_iter().map(view).collect(), left_out)
}
