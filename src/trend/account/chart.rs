//! The line of a series over its periods: the figure with its interval, gaps where it is not shown, and
//! the periods that a statement is about.

use super::words::{measure_title, point_text, value_text};
use crate::page::{Axis, Band, Ink, Layer, Multiple, Point as Mark, Shows, Span};
use crate::trend::statement::is_percent;
use crate::trend::{Direction, Figure, Measure, Period, Point, Release, Series};

/// From so many periods on single figures cannot be told apart in a chart, and weigh.
const DENSE_PERIODS: usize = 40;
/// The least that an axis of shares spans.
const SHARES_SPAN: f64 = 0.1;

/// The axis that all of `series` fit on; figures of shares begin at 0 where that is near.
pub fn chart_axis<'a>(measure: &Measure, series: impl Iterator<Item = &'a Series>) -> Axis {
    let figures = series.flat_map(|series| &series.points).filter_map(|point| point.figure);
    let ends: Vec<f64> = figures.flat_map(|figure| [figure.low, figure.high]).collect();
    let lowest = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let is_percent = is_percent(measure.kind);
    let shows = if is_percent { Shows::Percent } else { Shows::Number };
    // From 0 where that costs less than half of the height, and never over fewer points than make a
    // small change look small.
    let begins_at_zero = lowest >= 0.0 && lowest < 0.5 * highest;
    let middle = f64::midpoint(lowest, highest);
    let least = [middle - SHARES_SPAN / 2.0, middle + SHARES_SPAN / 2.0];
    let least = least.into_iter().filter(|_| is_percent).map(|end| end.clamp(0.0, 1.0));
    Axis::covering("", shows, ends.into_iter().chain(begins_at_zero.then_some(0.0)).chain(least))
}

/// The chart of `series`, of `measure` in `release`, under `title`.
pub fn chart(release: &Release, measure: &Measure, series: &Series, title: String) -> Multiple {
    let figures: Vec<Option<&Figure>> =
        series.points.iter().map(|point| point.figure.as_ref()).collect();
    let mut layers = Vec::new();
    for run in runs(&figures) {
        let bands =
            run.iter().map(|(x, figure)| Band { x: *x, low: figure.low, high: figure.high });
        layers.push(Layer::Band { ink: Ink::Blue, points: bands.collect() });
        let line = run.iter().map(|(x, figure)| (*x, figure.estimate));
        layers.push(Layer::Line { name: String::new(), ink: Ink::Blue, points: line.collect() });
        if figures.len() >= DENSE_PERIODS && run.len() > 1 {
            continue;
        }
        let marks = run.iter().map(|(x, figure)| Mark {
            x: *x,
            y: figure.estimate,
            interval: Some([figure.low, figure.high]),
        });
        layers.push(Layer::Points { name: String::new(), ink: Ink::Blue, points: marks.collect() });
    }
    let told = release.statements.iter();
    let told = told.filter(|of| of.measure == series.measure && of.group == series.group);
    let spans = told.map(|of| Span {
        from: of.first_period,
        to: of.last_period,
        is_rise: of.direction == Direction::Rising,
    });
    let absent = series.points.iter().enumerate().filter(|(_, point)| point.figure.is_none());
    Multiple {
        description: in_words(release, measure, series),
        title,
        layers,
        spans: spans.collect(),
        absent: absent.map(|(period, _)| period).collect(),
    }
}

/// The figures that stand beside each other without a gap, with their places.
fn runs<'a>(figures: &[Option<&'a Figure>]) -> Vec<Vec<(f64, &'a Figure)>> {
    let mut runs: Vec<Vec<(f64, &Figure)>> = Vec::new();
    let mut is_open = false;
    for (place, figure) in figures.iter().enumerate() {
        match (figure, runs.last_mut().filter(|_| is_open)) {
            (Some(figure), Some(run)) => run.push((place as f64, figure)),
            (Some(figure), None) => runs.push(vec![(place as f64, figure)]),
            (None, _) => {}
        }
        is_open = figure.is_some();
    }
    runs
}

/// The chart for those who do not see it: every period, or of many the first, the last, and between
/// which figures the others lie.
fn in_words(release: &Release, measure: &Measure, series: &Series) -> String {
    let told = |(period, point): (&Period, &Point)| {
        format!("{}: {}", period.name, point_text(measure.kind, point))
    };
    let each = || release.periods.iter().zip(&series.points);
    let mut words: Vec<String> = match each().len() {
        0..DENSE_PERIODS => each().map(told).collect(),
        _ => each().next().into_iter().chain(each().next_back()).map(told).collect(),
    };
    if each().len() >= DENSE_PERIODS {
        let figures = || series.points.iter().filter_map(|point| point.figure);
        let estimates = || figures().map(|figure| figure.estimate);
        let (low, high) = (
            estimates().fold(f64::INFINITY, f64::min),
            estimates().fold(f64::NEG_INFINITY, f64::max),
        );
        if low <= high {
            let [low, high] = [low, high].map(|end| value_text(measure.kind, end));
            words.push(format!("all figures lie between {low} and {high}"));
        }
        let absent = each().len() - figures().count();
        words.push(format!("{absent} periods are not shown"));
    }
    format!("{}. {}.", measure_title(measure), words.join("; "))
}
