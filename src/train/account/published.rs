//! The published scores of the task beside the model, on the same index times.

use super::Account;
use super::words::{number_of, or_not_shown, percent, with_interval};
use crate::page::{Section, Table};
use crate::task::Task;
use crate::train::evaluate::Evaluation;
use crate::train::metrics::Difference;
use crate::train::published_figures::Ranking;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("published", "Published scores beside it");
    let Some(evaluation) = account.evaluation else {
        section.text(account.nobody_judged());
        return section;
    };
    if evaluation.published.is_empty() {
        section.text("The task names no published scores.");
        return section;
    }
    section.text(
        "Each score is as its paper has it, made for its own outcome and judged here on the outcome of \
         this task, at the index times for which it gives a number (of a range the lower end); the \
         model on the same ones.",
    );
    section.table(ranks(evaluation, account.task));
    section.table(probabilities(evaluation, account.task));
    section
}

fn title<'a>(task: &'a Task, id: &'a str) -> &'a str {
    let found = task.published().iter().find(|formula| formula.id() == id);
    found.map_or(id, |formula| formula.title())
}

/// How each score ranks, as a table.
fn ranks(evaluation: &Evaluation, task: &Task) -> Table {
    let mut table = Table::new(
        "How they rank patients. Difference: the model's AUROC less the score's, on the same resampled \
         patients; above 0 the model ranks better.",
        &["Score"],
        &["Gives a number", "Its AUROC", "The model's AUROC", "Difference", "p"],
    );
    for figures in &evaluation.published {
        let area = |ranking: &Option<Ranking>| {
            let told = |of: &Ranking| with_interval(of.auroc, of.auroc_interval, 3);
            or_not_shown(ranking.as_ref().map(told))
        };
        let difference = figures.comparison.as_ref().map(|comparison| comparison.auroc);
        let told = |of: Difference| with_interval(of.difference, of.interval, 3);
        let p = |of: Difference| match of.p_value {
            small if small < 0.01 => format!("{small:.3}"),
            value => format!("{value:.2}"),
        };
        table.row([
            format!("{} ({})", title(task, &figures.id), figures.id),
            or_not_shown(figures.given.map(percent)),
            area(&figures.score),
            area(&figures.model),
            or_not_shown(difference.map(told)),
            or_not_shown(difference.map(p)),
        ]);
    }
    table
}

/// What scores that give probabilities are worth as probabilities, as a table.
fn probabilities(evaluation: &Evaluation, task: &Task) -> Table {
    let mut table = Table::new(
        "Scores that give a probability, as probabilities of this task's outcome, not recalibrated.",
        &["Score"],
        &["Observed / expected", "Calibration slope"],
    );
    for figures in &evaluation.published {
        let Some(probability) = &figures.probability else { continue };
        table.row([
            format!("{} ({})", title(task, &figures.id), figures.id),
            number_of(Some(probability.observed_over_expected), 2),
            number_of(Some(probability.calibration_slope), 2),
        ]);
    }
    table
}
