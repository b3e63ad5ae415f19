//! How well the model tells those with the outcome from those without.

use super::Account;
use super::words::{percent, with_interval};
use crate::page::{Axis, Band, Figure, Ink, Layer, Plot, Section, Shows};
use crate::train::evaluate::Evaluation;
use crate::train::metrics::{CurvePoint, ScoreBand};

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("discrimination", "Does it tell patients apart?");
    let Some(evaluation) = account.evaluation else {
        section.text(account.nobody_judged());
        return section;
    };
    let metrics = &evaluation.metrics;
    section.text(format!(
        "AUROC {}; average precision {} at an event rate of {}.",
        with_interval(metrics.auroc, metrics.auroc_interval, 3),
        with_interval(metrics.average_precision, metrics.average_precision_interval, 3),
        percent(metrics.prevalence)
    ));
    if evaluation.curve.is_empty() {
        section.text(
            "Too few patients stand behind any cut of the probability for a curve to be drawn.",
        );
        return section;
    }
    section.figures(vec![roc(evaluation), precision(evaluation)]);
    if evaluation.score_bands.len() > 1 {
        section.figures(vec![distribution(evaluation)]);
    }
    section
}

/// The published probabilities that have curves of their own, with an ink each.
pub(super) fn published(
    evaluation: &Evaluation,
) -> impl Iterator<Item = (&str, Ink, &[CurvePoint])> {
    let with_curve = evaluation.published.iter().filter_map(|score| {
        let probability = score.probability.as_ref()?;
        (!probability.curve.is_empty()).then_some((score.id.as_str(), &probability.curve))
    });
    with_curve.zip(Ink::OTHERS).map(|((id, curve), ink)| (id, ink, curve.as_slice()))
}

fn share(label: &str) -> Axis {
    Axis::new(label, Shows::Percent, 0.0, 1.0)
}

fn line(name: &str, ink: Ink, points: impl Iterator<Item = (f64, f64)>) -> Layer {
    Layer::Line { name: name.to_owned(), ink, points: points.collect() }
}

fn roc(evaluation: &Evaluation) -> Figure {
    let curve = |points: &[CurvePoint]| -> Vec<(f64, f64)> {
        let inner = points.iter().map(|point| (1.0 - point.specificity, point.sensitivity));
        std::iter::once((0.0, 0.0)).chain(inner).chain([(1.0, 1.0)]).collect()
    };
    let mut layers = vec![line("chance", Ink::Grey, [(0.0, 0.0), (1.0, 1.0)].into_iter())];
    layers.extend(
        published(evaluation).map(|(id, ink, points)| line(id, ink, curve(points).into_iter())),
    );
    layers.push(line("model", Ink::Blue, curve(&evaluation.curve).into_iter()));
    let metrics = &evaluation.metrics;
    let plot = Plot {
        title: "ROC curve".to_owned(),
        description: format!(
            "Sensitivity by the share of false alarms, for every cut; the area below is {:.3}.",
            metrics.auroc
        ),
        x: share("false alarms: 1 \u{2212} specificity"),
        y: share("outcomes found: sensitivity"),
        layers,
        is_narrow: true,
    };
    Figure::plot(
        plot,
        format!(
            "ROC curve. The nearer to the upper left corner, the better. Area: {}.",
            with_interval(metrics.auroc, metrics.auroc_interval, 3)
        ),
    )
}

fn precision(evaluation: &Evaluation) -> Figure {
    let metrics = &evaluation.metrics;
    let curve = |points: &[CurvePoint]| -> Vec<(f64, f64)> {
        points.iter().map(|point| (point.sensitivity, point.ppv)).collect()
    };
    let all = (1.0, metrics.prevalence);
    let flat = [(0.0, metrics.prevalence), all];
    let highest = evaluation.curve.iter().map(|point| point.ppv).fold(metrics.prevalence, f64::max);
    let mut layers = vec![line("chance", Ink::Grey, flat.into_iter())];
    layers.extend(
        published(evaluation).map(|(id, ink, points)| line(id, ink, curve(points).into_iter())),
    );
    layers.push(line("model", Ink::Blue, curve(&evaluation.curve).into_iter().chain([all])));
    let to = if highest > 0.5 { 1.0 } else { (20.0 * highest).ceil() / 20.0 + 0.05 };
    let plot = Plot {
        title: "Precision by recall".to_owned(),
        description: format!(
            "Share of flagged index times with the outcome by the share of outcomes found; the mean \
             over the outcomes is {:.3}.",
            metrics.average_precision
        ),
        x: share("outcomes found: sensitivity (recall)"),
        y: Axis::new("flagged with outcome: PPV", Shows::Percent, 0.0, to),
        layers,
        is_narrow: true,
    };
    let average = with_interval(metrics.average_precision, metrics.average_precision_interval, 3);
    Figure::plot(
        plot,
        format!("Precision by recall. The higher, the better. Average precision: {average}."),
    )
}

/// The outline of the bands, as share of the index times per percentage point.
fn outline(bands: &[ScoreBand], share: impl Fn(&ScoreBand) -> f64) -> Vec<(f64, f64)> {
    let density = |band: &ScoreBand| share(band) / (100.0 * (band.to - band.from));
    bands.iter().flat_map(|band| [(band.from, density(band)), (band.to, density(band))]).collect()
}

fn distribution(evaluation: &Evaluation) -> Figure {
    let bands: Vec<ScoreBand> =
        evaluation.score_bands.iter().filter(|band| band.to > band.from).cloned().collect();
    let with = outline(&bands, |band| band.with_outcome);
    let without = outline(&bands, |band| band.without_outcome);
    // The last band reaches to 100%, where hardly anybody is: it is drawn as wide as it begins.
    let last = bands.last().map_or(0.5, |band| band.from);
    let to = ((last * 1.15 * 20.0).ceil() / 20.0).clamp(0.05, 1.0);
    let highest = with.iter().chain(&without).map(|(_, density)| *density);
    let layer = |name: &str, ink, points: &[(f64, f64)]| {
        let edge = [(0.0, 0.0)].into_iter().chain(points.iter().copied());
        line(name, ink, edge)
    };
    let fill = |ink, points: &[(f64, f64)]| Layer::Band {
        ink,
        points: points
            .iter()
            .map(|(x, high)| Band { x: x.min(to), low: 0.0, high: *high })
            .collect(),
    };
    let plot = Plot {
        title: "Probabilities by outcome".to_owned(),
        description:
            "How the probabilities of index times with the outcome and of those without it \
                      are distributed; the further apart, the better."
                .to_owned(),
        x: Axis::new("probability", Shows::Percent, 0.0, to),
        y: Axis::covering(
            "share per percentage point",
            Shows::Percent,
            highest.chain(std::iter::once(0.0)),
        ),
        layers: vec![
            fill(Ink::Vermilion, &without),
            fill(Ink::Blue, &with),
            layer("without the outcome", Ink::Vermilion, &without),
            layer("with the outcome", Ink::Blue, &with),
        ],
        is_narrow: false,
    };
    Figure::plot(
        plot,
        "How the probabilities lie, in bands behind each of which at least eleven patients with the \
         outcome and eleven without stand; the last band reaches to 100%.",
    )
}
