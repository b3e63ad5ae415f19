//! What the model is for and what not, in the words of the task file; and what no figure here tells.

use super::{Account, Occasion};
use crate::page::Section;
use crate::task::Task;

pub(super) fn section(account: &Account<'_>) -> Section {
    of_task(account.task)
}

/// As the task file has it.
pub(super) fn of_task(task: &Task) -> Section {
    let card = &task.params().card;
    let mut section = Section::new("uses", "What it is for, and what not");
    section.heading("Intended use");
    section.text(card.intended_use.clone());
    section.text(format!("Users: {}", card.intended_users));
    section.heading("Not for");
    section.list(card.not_for.iter().cloned());
    section.heading("Known limits");
    section.list(card.limits.iter().cloned());
    section
}

/// What stays open however good the figures are.
pub(super) fn not_told(account: &Account<'_>) -> Section {
    let mut section = Section::new("not-told", "What this report does not tell");
    let elsewhere = match account.occasion {
        Occasion::Fit(_) => {
            "How the model does elsewhere. The patients it was judged on are other patients of the \
             same records; another hospital codes, treats and records in other ways. Judge it on your \
             own records before use."
        }
        Occasion::Evaluation { only_held_out: true, .. } => {
            "How the model does elsewhere: these are held-out patients, but of the records it was \
             fitted on, if the export is the one of the fit."
        }
        Occasion::Evaluation { .. } => {
            "Whether the patients are new to the model: where this export is the one it was fitted \
             on, the figures flatter it, and only held-out patients should be judged."
        }
    };
    let lines = [
        elsewhere,
        "Whether acting on the score helps anybody. That takes a trial, or at least a comparison of \
         times or places with and without it.",
        "What causes the outcome. A feature that moves the score goes with the outcome in these \
         records; changing it need not change the outcome.",
        "What one patient's own risk is. A probability is the share of patients with the same \
         recorded features who had the outcome.",
        "Anything about groups that are too small to be shown. Nothing shown does not mean nothing \
         wrong.",
        "What happens once care follows the score: outcomes that are prevented make the model look \
         worse, and its figures must be watched with that in mind.",
    ];
    section.list(lines.into_iter().map(str::to_owned));
    section.text(
        "Intervals are 95% intervals from resampling patients (all index times of a patient \
         together). They show the play of chance among patients like these, and not what the records \
         leave out.",
    );
    section
}
