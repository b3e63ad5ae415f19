//! How the model was made: what was tried, what was chosen and why, and how missing values are met.

use super::words::{contender, family, percent, settings, with_interval};
use super::{Account, Occasion};
use crate::model::Family;
use crate::page::{Section, Table};
use crate::train::metrics::Metrics;
use crate::train::report::Report;
use crate::train::select::{CandidateReport, Contender};

/// The best settings that are listed.
const LISTED_MAX: usize = 30;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("making", "How the model was made");
    match account.occasion {
        Occasion::Fit(report) => {
            section.text(chosen(report));
            if report.shares.len() > 1 {
                shares(&mut section, report);
            }
            figures(&mut section, report);
            tried(&mut section, report);
        }
        Occasion::Evaluation { .. } => of_bundle(&mut section, account),
    }
    section.heading("How it deals with its inputs");
    section.list(inputs(account));
    section
}

fn chosen(report: &Report) -> String {
    let who = contender(report.chosen);
    let families = "Each family was tried with several settings inside cross-validation by patient (all \
                    index times of a patient in one part; codes, medians and model learned anew in \
                    each part)";
    match report.chosen {
        Contender::Blend => format!(
            "{families}. In use is a {who}: the average of the calibrated log-odds of several \
             families, which beat the best of them alone by more than three standard errors of \
             cross-validated log loss."
        ),
        Contender::Family(_) => format!(
            "{families}. In use is {}: the simplest of those within three standard errors of the lowest \
             cross-validated log loss, which no blend beat by more than that.",
            with_article(who)
        ),
    }
}

fn with_article(name: &str) -> String {
    match name {
        "logistic regression" | "gradient-boosted trees" => name.to_owned(),
        name => format!("a {name}"),
    }
}

fn shares(section: &mut Section, report: &Report) {
    let mut table = Table::new("The blend.", &["Family"], &["Share of the log-odds"]);
    for (of, share) in &report.shares {
        table.row([family(*of).to_owned(), percent(*share)]);
    }
    section.table(table);
}

/// The best of each family and the whole, cross-validated and on held-out patients.
pub(super) fn figures(section: &mut Section, report: &Report) {
    let mut table = Table::new(
        "The best setting of each family, and what is in use; 95% intervals in parentheses. Lower \
         Brier score and log loss are better.",
        &["Model", "Judged on"],
        &["AUROC", "Average precision", "Brier", "Log loss", "Observed / expected", "Slope"],
    );
    let cross = report.cross_validation.iter().map(|entry| (entry, "cross-validation"));
    let held = report.held_out.iter().map(|entry| (entry, "held-out patients"));
    for ((of, metrics), judged_on) in cross.chain(held) {
        let in_use = if *of == report.chosen { " (in use)" } else { "" };
        table.row(figure_row(&format!("{of}{in_use}"), judged_on, metrics));
    }
    section.table(table);
}

fn figure_row(model: &str, judged_on: &str, metrics: &Metrics) -> [String; 8] {
    [
        model.to_owned(),
        judged_on.to_owned(),
        with_interval(metrics.auroc, metrics.auroc_interval, 4),
        format!("{:.4}", metrics.average_precision),
        format!("{:.5}", metrics.brier),
        format!("{:.5}", metrics.log_loss),
        with_interval(metrics.observed_over_expected, metrics.observed_over_expected_interval, 3),
        format!("{:.3}", metrics.calibration_slope),
    ]
}

fn tried(section: &mut Section, report: &Report) {
    let mut order: Vec<&CandidateReport> = report.candidates.iter().collect();
    let loss = |of: &CandidateReport| of.log_loss.unwrap_or(f64::INFINITY);
    order.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    let many = order.len();
    let listed = if many > LISTED_MAX {
        format!("the best {LISTED_MAX} of {many} settings; the others are in metrics.json")
    } else {
        "all settings".to_owned()
    };
    let mut table = Table::new(
        format!("What was tried, by cross-validated log loss: {listed}."),
        &["Family", "Settings"],
        &["Log loss", "AUROC, mean of the parts"],
    );
    for one in order.into_iter().take(LISTED_MAX) {
        let parts = one.auroc_by_fold.len();
        let mean = one.auroc_by_fold.iter().sum::<f64>() / parts as f64;
        let given_up = || "given up after the first part".to_owned();
        table.row([
            family(one.candidate.family()).to_owned(),
            settings(&one.candidate),
            one.log_loss.map_or_else(given_up, |loss| format!("{loss:.5}")),
            if parts > 0 { format!("{mean:.4}") } else { "none".to_owned() },
        ]);
    }
    section.table(table);
}

fn of_bundle(section: &mut Section, account: &Account<'_>) {
    let mut table =
        Table::new("The models of this version.", &["Family"], &["Share of the log-odds"]);
    for member in account.manifest.members.iter().filter(|member| member.weight > 0.0) {
        table.row([family(member.family).to_owned(), percent(member.weight)]);
    }
    section.table(table);
    section.text(
        "How they were chosen is told by the report of the fit, in the version's own folder.",
    );
}

fn inputs(account: &Account<'_>) -> Vec<String> {
    let manifest = account.manifest;
    let features = account.task.spec().features().len();
    let mut lines = vec![format!(
        "{features} features of the task make {} columns, of which the model reads {}.",
        manifest.columns.len(),
        manifest.input.kept.len()
    )];
    let has =
        |wanted: &[Family]| manifest.members.iter().any(|member| wanted.contains(&member.family));
    if has(&[Family::Logistic, Family::Forest]) {
        lines.push(format!(
            "Logistic regression and random forest: a missing value is read as the median of the \
             patients fitted on, and {} indicators tell the model that something is missing; very \
             high and very low values are cut to what is usual.",
            manifest.input.indicators.len()
        ));
    }
    if has(&[Family::Boosted]) {
        lines.push(
            "Gradient-boosted trees: a missing value stays missing; every split has learned to which \
             side it goes."
                .to_owned(),
        );
    }
    lines.push(
        "Rows with and without the outcome are taken as they come: nothing was resampled or weighted \
         to even them out, so that probabilities stay probabilities."
            .to_owned(),
    );
    lines.push(
        "Probabilities are calibrated on predictions for patients whom the model had not seen in \
         cross-validation."
            .to_owned(),
    );
    lines
}
