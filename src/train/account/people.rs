//! Who is in the figures: from all index times to the cohort, and what came of them.

use super::words::percent;
use super::{Account, Occasion};
use crate::page::{Figure, Flow, FlowStep, Section, Table};
use crate::task::{Censored, CoverageBy, RiskFrom, Task};
use crate::train::small_cell::Shown;

/// The lines of an attrition table that are no reasons to leave somebody out.
const WITHIN: [&str; 5] = ["index_times", "samples", "outcomes", "competing_deaths", "patients"];

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("people", "The people");
    section.text(format!(
        "Records: {}. {}",
        account.source.title.trim_end_matches('.'),
        account.source.citation.as_deref().unwrap_or_default()
    ));
    let lines = account.attrition.table(account.task);
    let parts: Vec<&String> = account.attrition.parts.keys().collect();
    let is_within = |step: &String| WITHIN.contains(&step.as_str()) || parts.contains(&step);
    let left = lines.iter().filter(|line| !is_within(&line.step));
    let left = left.filter(|line| line.count != Shown::Exactly(0));
    let left = left.map(|line| {
        let why = line.text.strip_prefix("left out: ").unwrap_or(&line.text);
        format!("\u{2013} {why}: {}", line.count)
    });
    let mut aside: Vec<String> = left.collect();
    if !aside.is_empty() {
        aside.insert(0, "Left out:".to_owned());
    }
    let attrition = account.attrition;
    let mut steps = vec![
        FlowStep { lines: vec![format!("Index times: {}", attrition.index_times)], aside },
        FlowStep {
            lines: vec![
                format!("In the cohort: {} index times", attrition.samples),
                format!("of {} patients", attrition.patients),
                format!("followed by the outcome: {}", attrition.outcomes),
            ],
            aside: Vec::new(),
        },
    ];
    steps.extend(last_step(account));
    let flow = Flow {
        title: "From all index times to those that count".to_owned(),
        description: "The table below has the same counts, line by line.".to_owned(),
        steps,
    };
    section.figures(vec![Figure::flow(
        flow,
        "Who was left out, and why. An index time is a moment at which a patient could have been \
         scored; one patient may have several.",
    )]);
    let mut table =
        Table::new("From all index times to the cohort, in numbers.", &["Step"], &["Index times"]);
    for line in &lines {
        // Patients are no index times.
        let unit = if line.step == "patients" { " (patients)" } else { "" };
        table.row([line.text.clone(), format!("{}{unit}", line.count)]);
    }
    section.table(table);
    section
}

/// Whom the model was fitted on, and whom it was judged on.
fn last_step(account: &Account<'_>) -> Option<FlowStep> {
    let judged = account.evaluation.map(|evaluation| {
        let metrics = &evaluation.metrics;
        format!("{} index times of {} patients", metrics.rows, metrics.patients)
    });
    let lines = match (account.occasion, judged) {
        (Occasion::Fit(report), judged) => {
            let fitted = format!("Fitted on: {} index times", report.development_samples);
            let held = match (report.held_out_part.as_str(), judged) {
                ("none", _) => "Nobody was held out".to_owned(),
                (part, Some(judged)) => format!("Held out (part {part}) and judged on: {judged}"),
                (part, None) => format!("Held out (part {part}): too few to be judged on"),
            };
            vec![fitted, held]
        }
        (Occasion::Evaluation { .. }, judged) => vec![format!("Judged on: {}", judged?)],
    };
    Some(FlowStep { lines, aside: Vec::new() })
}

/// The outcome, its window, and who could be followed.
pub(super) fn outcome(account: &Account<'_>) -> Section {
    let mut section = Section::new("outcome", "The outcome and how people were followed");
    section.text(format!("The outcome: {}.", account.task.params().outcome_text));
    section.list(rules(account.task));
    match account.censoring {
        Some(censoring) => section.text(format!("Follow-up: {}.", censoring.sentence())),
        None => section.text(
            "Follow-up: every index time in the cohort was followed to the end of its time at risk, \
             as far as the records tell; none had to be weighted.",
        ),
    }
    if let Some(rates) = account.attrition.rates {
        let mut table = Table::new(
            "How often the outcome came, by what is made of those who died before it. Each index time \
             whose outcome is known counts once.",
            &["Those who died before it"],
            &["Share with the outcome"],
        );
        table.row(["count as without the outcome".to_owned(), percent(rates.outcome)]);
        table.row(["count as with it".to_owned(), percent(rates.outcome_or_death)]);
        table.row(["are left out".to_owned(), percent(rates.outcome_of_survivors)]);
        section.table(table);
    }
    section
}

/// The rules of the outcome's window, a line each.
fn rules(task: &Task) -> Vec<String> {
    let params = task.params();
    let risk = &params.time_at_risk;
    let from = match risk.from {
        RiskFrom::Index => "the index time",
        RiskFrom::Discharge => "the end of the stay that is open at the index time",
    };
    let start = match (risk.start_days, risk.start_closed) {
        (0, false) => format!("right after {from}"),
        (0, true) => format!("at {from}"),
        (days, _) => format!("{days} days after {from}"),
    };
    let end = if risk.end_closed { "with the end of" } else { "before the end of" };
    let mut lines =
        vec![format!("It counts from {start} to day {}, {end} that day.", risk.horizon_days)];
    let follow_up = &params.follow_up;
    lines.push(
        match follow_up.coverage {
            CoverageBy::Recorded => {
                "A patient counts as followed while the source records coverage."
            }
            CoverageBy::Assumed => {
                "The source is taken to see everybody all the time: it records no coverage, and care \
                 elsewhere is not seen."
            }
        }
        .to_owned(),
    );
    if follow_up.washout_days > 0 {
        let days = follow_up.washout_days;
        lines.push(format!("The {days} days before an index time must be covered without a gap."));
    }
    if follow_up.min_days > 0 {
        let days = follow_up.min_days;
        lines.push(format!("Followed for less than {days} days without the outcome: left out."));
    }
    lines.push(
        match follow_up.censored {
            Censored::Weighted => {
                "Index times that were not followed to the end are stood for by those that were, by \
                 the inverse of their chance of being followed."
            }
            Censored::Dropped => "Index times that were not followed to the end are left out.",
        }
        .to_owned(),
    );
    lines
}
