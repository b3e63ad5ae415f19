//! Every figure: a table per measure and grouping.

use super::words::{count, figure_text, keys_title, measure_title};
use super::{groupings, largest};
use crate::page::{Section, Table};
use crate::trend::statement::words;
use crate::trend::{FigureKind, KeyName, Measure, Point, Release, Series};

/// The most groups of one table.
const ROWS_MAX: usize = 60;
/// The most periods of one table: the latest.
const PERIODS_MAX: usize = 6;
/// What stands in a cell that is kept back: the caption says why.
const NOT_SHOWN: &str = "not shown";

pub(super) fn section(release: &Release) -> Section {
    let mut section = Section::new("figures", "The figures");
    let earlier = release.periods.len().saturating_sub(PERIODS_MAX);
    if earlier > 0 {
        section.text(format!(
            "Of {} periods the latest {PERIODS_MAX} stand here; the table file has all of them.",
            release.periods.len()
        ));
    }
    for measure in &release.measures {
        section.heading(measure_title(measure));
        for keys in groupings(release, measure) {
            let of = release.series_of(measure).filter(|series| series.keys() == keys);
            let (shown, left_out) = largest(of.collect(), ROWS_MAX);
            section.table(table(release, measure, &keys, &shown));
            if left_out > 0 {
                section.text(format!(
                    "These are the {ROWS_MAX} groups with the most people; {left_out} more are in the \
                     table file."
                ));
            }
        }
    }
    section
}

fn table(release: &Release, measure: &Measure, keys: &[KeyName], shown: &[&Series]) -> Table {
    let earlier = release.periods.len().saturating_sub(PERIODS_MAX);
    let periods = release.periods.iter().skip(earlier);
    let mut columns: Vec<&str> = periods.map(|period| &*period.name).collect();
    let last = format!("{} in the last period", of_whom(measure.kind));
    columns.push(&last);
    let caption = format!(
        "{}, {}, with 95% intervals. \u{201c}{NOT_SHOWN}\u{201d}: fewer than {}, or kept back so that \
         another such figure cannot be found by subtraction.",
        measure_title(measure),
        keys_title(keys),
        crate::SMALL_CELL_PATIENTS
    );
    let mut table = Table::new(caption, &["Group"], &columns);
    for series in shown {
        let figures = series.points.iter().skip(earlier).map(|point| cell(measure.kind, point));
        let counts = series
            .points
            .last()
            .map_or_else(|| NOT_SHOWN.to_owned(), |point| counts(measure.kind, point));
        let cells = [words(&series.group)].into_iter().chain(figures).chain([counts]);
        table.row(cells);
    }
    table
}

/// What the counts beside the figures are.
fn of_whom(kind: FigureKind) -> &'static str {
    match kind {
        FigureKind::Share | FigureKind::Outcome => "With it / measured / people",
        FigureKind::Mean | FigureKind::Rate | FigureKind::Risk => "Measured / people",
    }
}

fn cell(kind: FigureKind, point: &Point) -> String {
    match &point.figure {
        Some(figure) => figure_text(kind, figure),
        None if point.is_suppressed(kind) => NOT_SHOWN.to_owned(),
        None => "nobody measured".to_owned(),
    }
}

fn counts(kind: FigureKind, point: &Point) -> String {
    let told = |number: Option<u64>| number.map_or_else(|| NOT_SHOWN.to_owned(), count);
    let both = format!("{} / {}", told(point.measured), told(point.people));
    match kind {
        FigureKind::Share | FigureKind::Outcome => format!("{} / {both}", told(point.hits)),
        FigureKind::Mean | FigureKind::Rate | FigureKind::Risk => both,
    }
}
