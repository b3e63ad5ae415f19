//! Whether the patients judged are like those the model was fitted on.

use super::words::spaced;
use super::{Account, Occasion};
use crate::page::{Axis, Figure, Ink, Mark, Panel, Section, Shows, Strip, Strips};
use crate::train::judgement::Drift;

/// The columns that are drawn.
const DRAWN_MAX: usize = 20;
/// Bounds of the population stability index (Siddiqi 2006).
const ALIKE_BELOW: f64 = 0.1;
const UNLIKE_FROM: f64 = 0.25;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("drift", "Are the patients like those it was fitted on?");
    match (account.occasion, account.evaluation.and_then(|of| of.drift.as_ref())) {
        (Occasion::Fit(_), _) => section.text(match account.manifest.drift_reference {
            Some(_) => {
                "Patients who are held out come from the same records. The version keeps coarse shares of \
                 every column and of the score (never fewer than eleven patients), against which later \
                 patients are held by an evaluation and by the service."
            }
            None => {
                "Patients who are held out come from the same records. This version keeps no reference \
                 that later patients could be held against."
            }
        }),
        (Occasion::Evaluation { .. }, None) => section.text(
            "The version does not say what the patients it was fitted on were like: nothing can be \
             compared.",
        ),
        (Occasion::Evaluation { .. }, Some(drift)) => of_drift(&mut section, drift),
    }
    section
}

fn of_drift(section: &mut Section, drift: &Drift) {
    let said = |psi: f64| match psi {
        psi if psi < ALIKE_BELOW => "alike",
        psi if psi < UNLIKE_FROM => "somewhat unlike",
        _ => "unlike",
    };
    let unlike = drift.columns.iter().filter(|column| column.psi >= UNLIKE_FROM).count();
    section.text(format!(
        "By the population stability index (below {ALIKE_BELOW} alike, from {UNLIKE_FROM} on unlike: \
         Siddiqi 2006) the scores are {} ({:.3}); {unlike} of {} columns are unlike.",
        said(drift.score),
        drift.score,
        drift.columns.len()
    ));
    if drift.columns.is_empty() {
        return;
    }
    let drawn = || drift.columns.iter().take(DRAWN_MAX);
    let rows = drawn().map(|column| Strip {
        name: spaced(&column.column),
        marks: vec![Some(Mark::Bar(column.psi))],
    });
    let values = drawn().map(|column| column.psi).chain([0.0, UNLIKE_FROM]);
    let strips = Strips {
        title: "How far columns are from what they were".to_owned(),
        description:
            "Population stability index of the columns that are farthest from what they were \
                      when the model was fitted."
                .to_owned(),
        panels: vec![Panel {
            axis: Axis::covering("Population stability index", Shows::Number, values),
            reference: Some(UNLIKE_FROM),
            ink: Ink::Purple,
        }],
        rows: rows.collect(),
    };
    section.figures(vec![Figure::strips(
        strips,
        format!(
            "The {} columns that are farthest from what they were; from the dashed line on, unlike.",
            drift.columns.len().min(DRAWN_MAX)
        ),
    )]);
}
