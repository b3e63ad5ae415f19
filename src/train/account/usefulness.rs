//! What follows from acting on the score: net benefit, and what each way of flagging finds.

use super::Account;
use super::discrimination::published;
use super::tiers;
use super::words::{NOT_SHOWN, percent, percent_of};
use crate::page::{Axis, Figure, Ink, Layer, Plot, Section, Shows, Table};
use crate::train::evaluate::Evaluation;
use crate::train::metrics::{CurvePoint, Estimate};

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("usefulness", "What would follow from acting on it?");
    let Some(evaluation) = account.evaluation else {
        section.text(account.nobody_judged());
        return section;
    };
    if evaluation.curve.len() > 1 {
        section.figures(vec![decision_curve(evaluation)]);
        section.text(
            "Net benefit counts outcomes found, less false alarms at the odds of the cut (Vickers and \
             Elkin 2006). Whoever would act from a probability of 10% upwards holds one missed outcome \
             for as bad as nine false alarms. At each cut, the highest curve is the way to go: a model \
             is worth having where it lies above flagging everybody and above flagging nobody.",
        );
    } else {
        section.text("Too few patients stand behind any cut for a decision curve to be drawn.");
    }
    tiers::tell(&mut section, account, evaluation);
    section.table(top_shares(evaluation));
    section
}

fn decision_curve(evaluation: &Evaluation) -> Figure {
    let prevalence = evaluation.metrics.prevalence;
    let drawn = |points: &[CurvePoint], value: &dyn Fn(&CurvePoint) -> f64| {
        // Whoever acts at any probability flags everybody, and no false alarm costs anything.
        let mut each: Vec<(f64, f64)> = vec![(0.0, prevalence)];
        each.extend(points.iter().rev().map(|point| (point.cut, value(point))));
        each
    };
    let line = |name: &str, ink, points| Layer::Line { name: name.to_owned(), ink, points };
    let to = evaluation.curve.iter().map(|point| point.cut).fold(0.0, f64::max);
    let mut layers = vec![
        line("flag nobody", Ink::Black, vec![(0.0, 0.0), (1.0, 0.0)]),
        line("flag everybody", Ink::Grey, drawn(&evaluation.curve, &|at| at.net_benefit_of_all)),
    ];
    layers.extend(
        published(evaluation)
            .map(|(id, ink, points)| line(id, ink, drawn(points, &|at| at.net_benefit))),
    );
    layers.push(line("model", Ink::Blue, drawn(&evaluation.curve, &|at| at.net_benefit)));
    let plot = Plot {
        title: "Decision curve".to_owned(),
        description: "Net benefit of flagging by the model, of flagging everybody and of flagging \
                      nobody, by the probability from which somebody would act."
            .to_owned(),
        x: Axis::covering("probability from which one acts", Shows::Percent, [0.0, to].into_iter()),
        y: Axis::new(
            "net benefit per index time",
            Shows::Number,
            -0.3 * prevalence,
            1.05 * prevalence,
        ),
        layers,
        is_narrow: false,
    };
    Figure::plot(plot, "Decision curve. The higher, the better; below 0, acting does harm.")
}

/// Index times that are flagged for each with the outcome among them.
fn needed_to_flag(ppv: Option<Estimate>) -> String {
    let needed = ppv.filter(|ppv| ppv.value > 0.0).map(|ppv| format!("{:.1}", 1.0 / ppv.value));
    needed.unwrap_or_else(|| NOT_SHOWN.to_owned())
}

fn top_shares(evaluation: &Evaluation) -> Table {
    let mut table = Table::new(
        "What flagging the share with the highest probabilities would do.",
        &["Alerts per 100"],
        &[
            "Lowest probability flagged",
            "PPV: flagged with the outcome",
            "Sensitivity: outcomes found",
            "Specificity",
            "Flagged per outcome found",
        ],
    );
    for row in &evaluation.top_shares {
        table.row([
            format!("{:.0}", 100.0 * row.top_share),
            percent(row.cut),
            percent_of(Some(row.ppv)),
            percent_of(Some(row.sensitivity)),
            percent_of(Some(row.specificity)),
            needed_to_flag(Some(row.ppv)),
        ]);
    }
    table
}
