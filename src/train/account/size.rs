//! Whether there were enough patients.

use super::Account;
use super::words::percent;
use crate::page::{Axis, Figure, Ink, Layer, Plot, Point, Section, Shows, Table};
use crate::train::judgement::{LearningPoint, SampleSize};
use crate::train::metrics::Estimate;
use crate::train::report::Report;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("size", "Were there enough patients?");
    let Some(report) = account.fit() else {
        section
            .text("That is a question to the fit; the report in the version's folder answers it.");
        return section;
    };
    match &report.sample_size {
        Some(needed) => sample_size(&mut section, needed),
        None => section.text("How many patients a model of this size needs could not be reckoned."),
    }
    learning(&mut section, report);
    section
}

fn sample_size(section: &mut Section, of: &SampleSize) {
    let enough = if of.have >= of.needed as f64 { "enough" } else { "fewer than needed" };
    section.text(format!(
        "Needed by the criteria of Riley et al. (BMJ 2020;368:m441) for {} inputs at an event rate of \
         {}: {} index times (about {} with the outcome). There were {:.0} of even weight: {enough}.",
        of.parameters,
        percent(of.prevalence),
        of.needed,
        of.events_needed,
        of.have
    ));
    let source = match of.r2_is_cross_validated {
        true => "from cross-validation",
        false => "15% of the largest possible one, as nothing better is known",
    };
    let mut table = Table::new(
        format!(
            "Index times needed, by criterion; anticipated Cox-Snell R squared {:.4}, {source}.",
            of.r2_cox_snell
        ),
        &["Criterion"],
        &["Index times"],
    );
    table.row(["overall risk within 0.05".to_owned(), of.for_overall_risk.to_string()]);
    let none = || "its formula holds for at most 30 inputs".to_owned();
    let mean_error = of.for_mean_error.map_or_else(none, |rows| rows.to_string());
    table.row(["mean error of the probabilities of 0.05".to_owned(), mean_error]);
    table.row(["shrinkage of at most 10%".to_owned(), of.for_shrinkage.to_string()]);
    table.row(["optimism of at most 0.05 in R squared".to_owned(), of.for_optimism.to_string()]);
    section.table(table);
    section.text(
        "The criteria were made for regression; trees that find interactions need more, and \
         penalties and cross-validation allow for less.",
    );
}

fn learning(section: &mut Section, report: &Report) {
    let points = &report.learning_curve;
    if points.len() < 2 {
        section.text(match report.held_out_part.as_str() {
            "none" => "Without held-out patients there is no learning curve.",
            _ => {
                "There is no learning curve: parts of these patients are too few to fit a model on, or \
                 the time for the fit was over."
            }
        });
        return;
    }
    section.figures(vec![
        plot(points, "AUROC", |point| point.auroc),
        plot(points, "Brier score", |point| point.brier),
    ]);
    let mut table = Table::new(
        "The best single model fitted on parts of the patients, judged on the held-out ones.",
        &["Share of the patients"],
        &["Index times", "With the outcome", "AUROC", "Brier", "Log loss"],
    );
    for point in points {
        table.row([
            percent(point.share),
            point.rows.to_string(),
            point.events.to_string(),
            format!("{:.4}", point.auroc.value),
            format!("{:.5}", point.brier.value),
            format!("{:.5}", point.log_loss),
        ]);
    }
    section.table(table);
}

fn plot(points: &[LearningPoint], name: &str, figure: fn(&LearningPoint) -> Estimate) -> Figure {
    let rows = |point: &LearningPoint| point.rows as f64;
    let most = points.iter().map(rows).fold(0.0, f64::max);
    let ends = points.iter().flat_map(|point| figure(point).interval);
    let line = points.iter().map(|point| (rows(point), figure(point).value));
    let dots = points.iter().map(|point| {
        let Estimate { value, interval } = figure(point);
        Point { x: rows(point), y: value, interval: Some(interval) }
    });
    let plot = Plot {
        title: format!("Learning curve: {name}"),
        description: format!(
            "{name} on the held-out patients by the number of index times fitted on, with 95% \
             intervals."
        ),
        x: Axis::covering("index times fitted on", Shows::Number, [0.0, most].into_iter()),
        y: Axis::covering(name, Shows::Number, ends),
        layers: vec![
            Layer::Line { name: String::new(), ink: Ink::Black, points: line.collect() },
            Layer::Points { name: String::new(), ink: Ink::Blue, points: dots.collect() },
        ],
        is_narrow: true,
    };
    Figure::plot(
        plot,
        format!(
            "{name} by how many index times were fitted on, with 95% intervals. Where it still \
             changes at the right end, more patients would help."
        ),
    )
}
