//! Whether probabilities are as large as they should be, along their range.

use super::Account;
use super::words::{interval_of, with_interval};
use crate::page::{Axis, Band, Figure, Ink, Layer, Plot, Point, Section, Shows, Table};
use crate::train::evaluate::Evaluation;
use crate::train::metrics::Metrics;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("calibration", "Are its probabilities right?");
    let Some(evaluation) = account.evaluation else {
        section.text(account.nobody_judged());
        return section;
    };
    if evaluation.calibration_curve.len() > 1 || !evaluation.metrics.bins.is_empty() {
        section.figures(vec![curve(evaluation)]);
    } else {
        section.text("Too few patients stand behind the probabilities for a curve to be drawn.");
    }
    section.table(figures(&evaluation.metrics));
    section
}

fn curve(evaluation: &Evaluation) -> Figure {
    let points = &evaluation.calibration_curve;
    let bins = &evaluation.metrics.bins;
    let ends = points.iter().flat_map(|point| [point.predicted, point.observed]);
    let highest = ends.chain(bins.iter().flat_map(|bin| [bin.predicted, bin.observed]));
    let axis = |label: &str, ends: &mut dyn Iterator<Item = f64>| {
        let ends = ends.chain([0.0]).map(|end| end.clamp(0.0, 1.0));
        Axis::covering(label, Shows::Percent, ends)
    };
    let highest: Vec<f64> = highest.collect();
    let to = highest.iter().copied().fold(0.0, f64::max);
    let mut layers = vec![Layer::Line {
        name: "ideal".to_owned(),
        ink: Ink::Grey,
        points: vec![(0.0, 0.0), (1.0, 1.0)],
    }];
    if points.len() > 1 {
        let band = points.iter().map(|point| Band {
            x: point.predicted,
            low: point.interval[0],
            high: point.interval[1],
        });
        layers.push(Layer::Band { ink: Ink::Blue, points: band.collect() });
        layers.push(Layer::Line {
            name: "smooth curve, 95% band".to_owned(),
            ink: Ink::Blue,
            points: points.iter().map(|point| (point.predicted, point.observed)).collect(),
        });
    }
    let groups = bins.iter().map(|bin| Point { x: bin.predicted, y: bin.observed, interval: None });
    layers.push(Layer::Points {
        name: format!("{} groups by probability", bins.len()),
        ink: Ink::Vermilion,
        points: groups.collect(),
    });
    let plot = Plot {
        title: "Calibration".to_owned(),
        description: "Share with the outcome by the probability that was given; on the dashed \
                      diagonal both are the same."
            .to_owned(),
        x: axis("probability given", &mut [to].into_iter()),
        y: axis("share with the outcome", &mut [to].into_iter()),
        layers,
        is_narrow: false,
    };
    Figure::plot(
        plot,
        "Calibration. On the diagonal, as many have the outcome as were told to; above it more, below \
         it fewer. The curve is a logistic regression on a spline of the log-odds (Harrell 2001); the \
         groups hold about equally many index times.",
    )
}

fn figures(metrics: &Metrics) -> Table {
    let mut table = Table::new(
        "Calibration and accuracy in figures, with 95% intervals.",
        &["Figure", "Best"],
        &["Value", "Interval"],
    );
    let mut row =
        |name: &str, best: &str, value: f64, interval: Option<[f64; 2]>, digits: usize| {
            let interval = interval.map_or_else(String::new, |ends| interval_of(ends, digits));
            table.row([name.to_owned(), best.to_owned(), format!("{value:.digits$}"), interval]);
        };
    let of = metrics;
    let ratio = Some(of.observed_over_expected_interval);
    row("Observed / expected outcomes", "1", of.observed_over_expected, ratio, 3);
    let shift = Some(of.calibration_in_the_large_interval);
    row("Calibration in the large (log-odds)", "0", of.calibration_in_the_large, shift, 3);
    let intercept = Some(of.calibration_intercept_interval);
    row("Calibration intercept", "0", of.calibration_intercept, intercept, 3);
    row("Calibration slope", "1", of.calibration_slope, Some(of.calibration_slope_interval), 3);
    row("ICI: mean distance from the curve", "0", of.ici, None, 4);
    row("E50: median distance", "0", of.e50, None, 4);
    row("E90: distance that nine in ten keep", "0", of.e90, None, 4);
    row("Brier score", "0", of.brier, Some(of.brier_interval), 5);
    row("Scaled Brier score", "1", of.scaled_brier, Some(of.scaled_brier_interval), 4);
    row("Log loss", "0", of.log_loss, None, 5);
    table
}

/// The two figures that a card leads with.
pub(super) fn in_short(metrics: &Metrics) -> String {
    format!(
        "observed / expected {}, calibration slope {}, ICI {:.4}",
        with_interval(metrics.observed_over_expected, metrics.observed_over_expected_interval, 3),
        with_interval(metrics.calibration_slope, metrics.calibration_slope_interval, 3),
        metrics.ici
    )
}
