//! The model in three sentences, and its main figures in words.

use super::words::{interval_of, percent, percent_of, with_interval};
use super::{Account, Occasion};
use crate::page::{Section, Table};
use crate::train::metrics::{Metrics, TopShareRow};
use crate::train::small_cell::Count;

/// Fewer outcomes tell little of how well a model does (Collins, Ogundimu and Altman 2016).
const EVENTS_MIN: usize = 100;
/// The share with the highest probabilities whose finding is told first.
const TOP: f64 = 0.1;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("summary", "In short");
    warnings(&mut section, account);
    let params = account.task.params();
    section.text(format!("The model gives the probability of {}.", params.outcome_text));
    section.text(made_from(account));
    let Some(evaluation) = account.evaluation else {
        section.warning(account.nobody_judged());
        return section;
    };
    let metrics = &evaluation.metrics;
    section.text(judged(account, metrics));
    if metrics.events < EVENTS_MIN {
        section.warning(format!(
            "It was judged on {} outcomes: with fewer than {EVENTS_MIN}, all figures below are rough, \
             as their intervals show.",
            Count(metrics.events as u64)
        ));
    }
    let mut table = Table::new(
        format!(
            "The main figures, on {}; in parentheses 95% intervals, patients resampled.",
            account.judged_on()
        ),
        &["Question", "Figure", "In words"],
        &[],
    );
    ranking(&mut table, metrics);
    level(&mut table, metrics);
    let top = evaluation.top_shares.iter().find(|row| (row.top_share - TOP).abs() < 1e-9);
    top.iter().for_each(|row| flagging(&mut table, row, metrics));
    section.table(table);
    section
}

fn warnings(section: &mut Section, account: &Account<'_>) {
    if account.manifest.is_synthetic() || account.source.synthetic {
        let what = match account.occasion {
            Occasion::Fit(_) => "Fitted",
            Occasion::Evaluation { .. } => "Fitted or judged",
        };
        section.warning(format!(
            "{what} on a simulated population: nobody's records. It is for showing and trying the \
             software, never for patients."
        ));
    }
    if account.task.params().not_validated {
        section.warning(
            "The definition of this task was only written down: nobody who knows the records has \
             checked it against them.",
        );
    }
}

fn made_from(account: &Account<'_>) -> String {
    match &account.manifest.development {
        Some(development) => {
            let [first, last] = development.years;
            format!(
                "It was fitted on {} index times of {} patients, {} of them followed by the outcome \
                 (records: {}, {first}\u{2013}{last}).",
                Count(development.index_times),
                Count(development.patients),
                Count(development.outcomes),
                development.source.trim_end_matches('.')
            )
        }
        None => "Nothing was fitted: it shows published scores alone.".to_owned(),
    }
}

fn judged(account: &Account<'_>, metrics: &Metrics) -> String {
    format!(
        "It was judged on {} index times of {} {}; {} of the index times ({}) were followed by the \
         outcome.",
        metrics.rows,
        metrics.patients,
        match account.occasion {
            Occasion::Fit(_) => "other patients, whom no part of the fit has seen",
            Occasion::Evaluation { only_held_out: true, .. } => "patients whom its fit held out",
            Occasion::Evaluation { .. } => "patients of the export",
        },
        metrics.events,
        percent(metrics.prevalence)
    )
}

fn ranking(table: &mut Table, metrics: &Metrics) {
    let area = metrics.auroc;
    table.row([
        "Does it rank patients?".to_owned(),
        format!("AUROC {}", with_interval(area, metrics.auroc_interval, 3)),
        format!(
            "Of two index times, one with the outcome and one without, it gives the higher \
             probability to the right one in {:.0} of 100 pairs; 50 would be chance.",
            100.0 * area
        ),
    ]);
    let [low, high] = metrics.average_precision_interval;
    table.row([
        "Are those it puts first the right ones?".to_owned(),
        format!(
            "average precision {} ({:.1} to {:.1})",
            percent(metrics.average_precision),
            100.0 * low,
            100.0 * high
        ),
        format!(
            "Going down from the highest probability, {:.0} of 100 patients met have the outcome, on \
             average over those with it; picking by chance {:.0} would.",
            100.0 * metrics.average_precision,
            100.0 * metrics.prevalence
        ),
    ]);
}

fn level(table: &mut Table, metrics: &Metrics) {
    table.row([
        "Are the probabilities right on the whole?".to_owned(),
        format!(
            "observed / expected {}",
            with_interval(
                metrics.observed_over_expected,
                metrics.observed_over_expected_interval,
                2
            )
        ),
        observed_in_words(metrics),
    ]);
    table.row([
        "Do they spread as they should?".to_owned(),
        format!(
            "calibration slope {}",
            with_interval(metrics.calibration_slope, metrics.calibration_slope_interval, 2)
        ),
        slope_in_words(metrics.calibration_slope_interval),
    ]);
    table.row([
        "How far off is a probability?".to_owned(),
        format!("ICI {:.2} percentage points", 100.0 * metrics.ici),
        format!(
            "On average the share that has the outcome among patients with the same probability lies \
             {:.2} percentage points from it; for nine in ten it lies within {:.2}.",
            100.0 * metrics.ici,
            100.0 * metrics.e90
        ),
    ]);
    table.row([
        "Does it tell more than the average does?".to_owned(),
        format!(
            "scaled Brier score {} ({})",
            percent(metrics.scaled_brier),
            interval_of(metrics.scaled_brier_interval.map(|end| 100.0 * end), 1)
        ),
        "Share by which the squared error is smaller than that of telling everybody the average \
         risk; 100% would be knowing the outcome."
            .to_owned(),
    ]);
}

/// How the outcomes compare with what was expected, as far as the interval tells.
fn observed_in_words(metrics: &Metrics) -> String {
    let [low, high] = metrics.observed_over_expected_interval;
    let per_hundred = 100.0 * metrics.observed_over_expected;
    let more = match (low, high) {
        (low, _) if low > 1.0 => "more than chance explains: it says too little",
        (_, high) if high < 1.0 => "fewer than chance explains: it says too much",
        _ => "which chance explains",
    };
    format!("For every 100 outcomes that were expected {per_hundred:.0} came, {more}.")
}

/// What the slope says, as far as its interval tells.
fn slope_in_words([low, high]: [f64; 2]) -> String {
    match (low, high) {
        (_, high) if high < 1.0 => {
            "Below 1: high probabilities are too high and low ones too low (overfitting)."
        }
        (low, _) if low > 1.0 => {
            "Above 1: high probabilities are too low and low ones too high (too timid)."
        }
        _ => {
            "As far as can be told, high and low probabilities are as far apart as they should be."
        }
    }
    .to_owned()
}

fn flagging(table: &mut Table, row: &TopShareRow, metrics: &Metrics) {
    table.row([
        "What would flagging a tenth find?".to_owned(),
        format!(
            "sensitivity {}, PPV {}",
            percent_of(Some(row.sensitivity)),
            percent_of(Some(row.ppv))
        ),
        format!(
            "Of 100 index times the 10 with the highest probability are flagged: {:.0} of 100 \
             outcomes are among them, where chance would find 10; {:.0} of 100 flagged have the \
             outcome, where chance would hit {:.0}.",
            100.0 * row.sensitivity.value,
            100.0 * row.ppv.value,
            100.0 * metrics.prevalence
        ),
    ]);
}
