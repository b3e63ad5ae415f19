//! What the model leans on.

use super::Account;
use super::words::{percent, spaced};
use crate::page::{Axis, Figure, Ink, Mark, Panel, Section, Shows, Strip, Strips, Table};
use crate::train::judgement::FeatureImportance;

/// The features that are drawn.
const DRAWN_MAX: usize = 20;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("features", "What it leans on");
    section.text(
        "A feature that the model leans on is associated with the outcome in these records; that does \
         not make it a cause, and changing it need not change the outcome.",
    );
    match account.evaluation.map(|evaluation| evaluation.importance.as_slice()) {
        Some(importance) if !importance.is_empty() => {
            section.figures(vec![drawn(importance)]);
            section.text(
                "Features that tell the same stand in for each other, so each of them may look \
                 needless (permutation importance: Breiman 2001; Fisher, Rudin and Dominici 2019).",
            );
        }
        Some(_) => section.text("What the model loses without a feature was not measured."),
        None => section.text(
            "What the model loses without a feature is measured on held-out patients; there were none.",
        ),
    }
    section.table(movement(account));
    unused(&mut section, account);
    section
}

fn drawn(importance: &[FeatureImportance]) -> Figure {
    let top = || importance.iter().take(DRAWN_MAX);
    let rows = top().map(|feature| Strip {
        name: spaced(&feature.feature),
        marks: vec![Some(Mark::Bar(feature.auroc_fall)), Some(Mark::Bar(feature.log_loss_rise))],
    });
    let panel = |label: &str, ink, values: Vec<f64>| Panel {
        axis: Axis::covering(label, Shows::Number, values.into_iter().chain([0.0])),
        reference: Some(0.0),
        ink,
    };
    let strips = Strips {
        title: "What the model loses without a feature".to_owned(),
        description:
            "Fall of the AUROC and rise of the log loss when the values of one feature are \
                      shuffled among the patients judged, for the features that are worth most."
                .to_owned(),
        panels: vec![
            panel("Fall of the AUROC", Ink::Blue, top().map(|of| of.auroc_fall).collect()),
            panel("Rise of the log loss", Ink::Orange, top().map(|of| of.log_loss_rise).collect()),
        ],
        rows: rows.collect(),
    };
    let shown = importance.len().min(DRAWN_MAX);
    Figure::strips(
        strips,
        format!(
            "What the model loses when the values of one feature are shuffled among the patients: the \
             {shown} of {} features that are worth most.",
            importance.len()
        ),
    )
}

/// The columns that move the score most, as a table.
pub(super) fn movement(account: &Account<'_>) -> Table {
    let mut columns: Vec<_> = account.manifest.columns.iter().collect();
    columns.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut table = Table::new(
        "The columns with the largest shares of the score's movement (mean size of their contributions \
         in log-odds).",
        &["Column"],
        &["Share"],
    );
    for column in columns.iter().take(DRAWN_MAX) {
        table.row([spaced(&column.name), percent(column.weight)]);
    }
    table
}

/// Columns that no model reads, in a line.
pub(super) fn unused(section: &mut Section, account: &Account<'_>) {
    let names = account.fit().map_or(&[][..], |report| &report.unused_columns);
    if !names.is_empty() {
        section.text(format!(
            "Empty, constant or too rare in these records, and so not used: {}.",
            names.join(", ")
        ));
    }
}
