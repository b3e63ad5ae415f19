//! Region by region: the latest figure beside what it would be if regions were alike in size and age.

use super::largest;
use super::words::{
    change_text, count, figure_text, measure_title, standard_title, suppressed_text, value_text,
};
use crate::page::{Section, Table};
use crate::trend::{KeyName, Measure, Release, Series};

/// The most regions of one table.
const TOLD_MAX: usize = 100;

pub(super) fn section(release: &Release) -> Section {
    let mut section = Section::new("regions", "Region by region");
    if !release.keys.iter().any(|key| key.name == KeyName::Region) {
        section.text("The figures of this release are not told by region.");
        return section;
    }
    section.text(
        "Regions stand in the order of their names, not of their figures: most of what differs between \
         small regions is chance. The smoothed figure is drawn towards the mean of all regions, the \
         more the smaller the region; compare regions by it.",
    );
    let mut tables = 0;
    for measure in &release.measures {
        let is_region = |series: &&Series| series.keys() == [KeyName::Region];
        let (regions, left_out) =
            largest(release.series_of(measure).filter(is_region).collect(), TOLD_MAX);
        if regions.is_empty() {
            continue;
        }
        tables += 1;
        section.table(table(release, measure, &regions));
        if left_out > 0 {
            section.text(format!(
                "These are the {TOLD_MAX} regions with the most people; {left_out} more are in the \
                 table file."
            ));
        }
    }
    if tables == 0 {
        section.text("Regions are told apart in this release only together with age or sex.");
    }
    section
}

fn table(release: &Release, measure: &Measure, regions: &[&Series]) -> Table {
    let name = |period: Option<&crate::trend::Period>| {
        period.map_or_else(String::new, |period| period.name.clone())
    };
    let (first, last) = (name(release.periods.first()), name(release.periods.last()));
    let since = format!("Change since {first}");
    let mut numbers = vec!["People", "Measured", "Figure (95% interval)", "Smoothed"];
    let standard = release.standard.map(standard_title);
    if standard.is_some() {
        numbers.push("Standardised");
    }
    numbers.push(&since);
    let caption = match standard {
        Some(standard) => format!(
            "{} by region in {last}; standardised to the {standard}.",
            measure_title(measure)
        ),
        None => format!("{} by region in {last}.", measure_title(measure)),
    };
    let mut table = Table::new(caption, &["Region"], &numbers);
    for series in regions {
        let region = series.group.0.get(&KeyName::Region).cloned().unwrap_or_default();
        table.row(cells(measure, series, region, standard.is_some()));
    }
    table
}

fn cells(measure: &Measure, series: &Series, region: String, is_standardised: bool) -> Vec<String> {
    let kind = measure.kind;
    let (first, last) = (series.points.first(), series.points.last());
    let is_suppressed = last.is_none_or(|point| point.is_suppressed(kind));
    let absent = || if is_suppressed { suppressed_text() } else { "\u{2013}".to_owned() };
    let dash = || "\u{2013}".to_owned();
    let people = last.and_then(|point| point.people);
    let measured = last.and_then(|point| point.measured);
    let figure = last.and_then(|point| point.figure);
    let change = first.and_then(|point| point.figure).zip(figure);
    let measured_text = match (people, measured) {
        (Some(people), Some(measured)) if people > 0 => {
            format!("{} ({:.0}%)", count(measured), 100.0 * measured as f64 / people as f64)
        }
        (_, Some(measured)) => count(measured),
        _ => absent(),
    };
    let mut cells = vec![
        region,
        people.map_or_else(absent, count),
        measured_text,
        figure.map_or_else(absent, |figure| figure_text(kind, &figure)),
        last.and_then(|point| point.smoothed).map_or_else(dash, |value| value_text(kind, value)),
    ];
    if is_standardised {
        let figure = last.and_then(|point| point.standardised);
        cells.push(figure.map_or_else(dash, |figure| figure_text(kind, &figure)));
    }
    let change = change.map(|(first, last)| change_text(kind, last.estimate - first.estimate));
    cells.push(change.unwrap_or_else(dash));
    cells
}
