//! `card.md`: what the model is good for and what not, short for people and complete for regulators.

use super::words::{percent, with_interval};
use super::{
    Account, features, leak_check, making, people, published, source_attributes, subgroups,
    summary, tiers, tripod, uses,
};
use crate::page::{Page, Section};
use crate::task::Task;

/// The card of a fit.
pub(super) fn card(account: &Account<'_>) -> String {
    let params = account.task.params();
    let mut sections = vec![
        summary::section(account),
        uses::section(account),
        people::section(account),
        people::outcome(account),
        figures(account),
    ];
    sections.extend([
        published::section(account),
        groups(account),
        leak_check::section(account),
        leaned_on(account),
        source_attributes::section(account.task, Some(account)),
        tripod::section(account),
    ]);
    Page {
        title: format!("Model card: {}", params.title),
        subtitle: format!(
            "Task {}, version {}, seed {}. The whole report is report.html in the same folder.",
            params.name, account.manifest.version, account.manifest.seed
        ),
        sections,
    }
    .markdown()
}

fn figures(account: &Account<'_>) -> Section {
    let mut section = Section::new("figures", "How well it does");
    if let Some(report) = account.fit() {
        section.text(format!("In use: {}.", report.chosen));
        making::figures(&mut section, report);
    }
    let Some(evaluation) = account.evaluation else { return section };
    let metrics = &evaluation.metrics;
    section.text(format!(
        "On held-out patients: AUROC {}, average precision {} at an event rate of {}.",
        with_interval(metrics.auroc, metrics.auroc_interval, 4),
        with_interval(metrics.average_precision, metrics.average_precision_interval, 4),
        percent(metrics.prevalence)
    ));
    tiers::tell(&mut section, account, evaluation);
    section
}

fn groups(account: &Account<'_>) -> Section {
    let mut section = Section::new("groups", "By group (held-out patients)");
    match account.evaluation.map(|evaluation| evaluation.subgroups.as_slice()) {
        Some(groups) if !groups.is_empty() => {
            section.text(
                "Groups and figures behind which fewer than 11 patients stand are not shown; counts \
                 are to the nearest ten.",
            );
            section.table(subgroups::figures(groups));
            section.table(subgroups::flagging(groups));
            account.evaluation.iter().for_each(|of| subgroups::lower_tiers(&mut section, of));
        }
        Some(_) => section.text("No group has enough patients to be shown."),
        None => section.text(account.nobody_judged()),
    }
    section
}

fn leaned_on(account: &Account<'_>) -> Section {
    let mut section = Section::new("columns", "What moves it");
    section.text("A share of the score's movement is no cause.");
    section.table(features::movement(account));
    features::unused(&mut section, account);
    section
}

/// The card of a version that shows published scores and nothing of our own.
pub(in crate::train) fn published_only_card(task: &Task) -> String {
    let params = task.params();
    let mut shown = Section::new("scores", "What it shows");
    for formula in task.published() {
        shown.heading(format!("{}, {}", formula.id(), formula.title()));
        shown.text(format!("{}.", formula.outcome()));
        shown.list(formula.citations().iter().cloned());
    }
    Page {
        title: format!("Card: {}", params.title),
        subtitle: format!(
            "Task {}. It shows published scores; nothing in it was fitted to records, and no \
             probability of this project's own is given.",
            params.name
        ),
        sections: vec![shown, uses::of_task(task), source_attributes::section(task, None)],
    }
    .markdown()
}
