//! Group by group: a small plot of each, on the same axes.

use super::chart::{chart, chart_axis};
use super::largest;
use super::words::measure_title;
use crate::page::{Figure, Multiples, MultiplesSize, Section};
use crate::trend::statement::words;
use crate::trend::{Measure, Release, Series};

/// The most plots of one measure.
const DRAWN_MAX: usize = 60;

pub(super) fn section(release: &Release) -> Section {
    let mut section = Section::new("groups", "Group by group");
    section.text(
        "Each small plot is one group over all periods; all plots of a measure have the same axes. The \
         band and the upright lines are 95% intervals. A cross at the bottom is a period that is not \
         shown, and the line has a gap there. A bracket at the top with an arrow up or down marks the \
         periods of a statement.",
    );
    for measure in &release.measures {
        section.heading(measure_title(measure));
        match drawn(release, measure) {
            Some(figure) => section.figures(vec![figure]),
            None => section.text("No figure of it may be shown."),
        }
    }
    section
}

fn drawn(release: &Release, measure: &Measure) -> Option<Figure> {
    let all: Vec<&Series> = release.series_of(measure).filter(|series| series.is_shown()).collect();
    let empty = release.series_of(measure).count() - all.len();
    if all.is_empty() {
        return None;
    }
    let (shown, left_out) = largest(all, DRAWN_MAX);
    let panel = |series: &&Series| chart(release, measure, series, words(&series.group));
    let multiples = Multiples {
        periods: release.periods.iter().map(|period| period.name.clone()).collect(),
        y: chart_axis(measure, shown.iter().copied()),
        size: MultiplesSize::Small,
        panels: shown.iter().map(panel).collect(),
    };
    let mut caption = format!("{}, by group.", measure_title(measure));
    if left_out > 0 {
        caption += &format!(
            " These are the {DRAWN_MAX} groups with the most people; {left_out} more are in the table file."
        );
    }
    if empty > 0 {
        caption += &format!(" Of {empty} more no period may be shown.");
    }
    Some(Figure::multiples(multiples, caption))
}
