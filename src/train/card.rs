//! `card.md`: what the model is good for and what not, with the figures of its own fit.

use std::fmt::Write;

use super::leaks::LeakVerdict;
use super::metrics::{Estimate, Metrics};
use super::published_figures::{PublishedFigures, Ranking};
use super::report::{Report, SourceNote};
use crate::bundle::Manifest;
use crate::task::Task;

/// The model card of a bundle, in Markdown.
pub(super) fn card(
    task: &Task,
    manifest: &Manifest,
    report: &Report,
    source: &SourceNote,
) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_card(&mut out, task, manifest, report, source);
    out
}

fn write_card(
    out: &mut String,
    task: &Task,
    manifest: &Manifest,
    report: &Report,
    source: &SourceNote,
) -> std::fmt::Result {
    let params = task.params();
    writeln!(out, "# Model card: {}\n", params.title)?;
    writeln!(
        out,
        "Task `{}`, version {}. Seed {}.\n",
        params.name, manifest.version, manifest.seed
    )?;
    writeln!(out, "## What it says\n\nThe probability of {}.\n", params.outcome_text)?;
    writeln!(out, "## What it is for\n\n{}\n", params.card.intended_use)?;
    writeln!(out, "Users: {}\n", params.card.intended_users)?;
    writeln!(out, "## What it is not for\n")?;
    params.card.not_for.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    writeln!(out, "\n## Known limits\n")?;
    params.card.limits.iter().try_for_each(|line| writeln!(out, "- {line}"))?;
    write_data(out, manifest, report, source)?;
    write_figures(out, report)?;
    write_published(out, report)?;
    write_subgroups(out, report)?;
    write_leaks(out, report)?;
    write_columns(out, manifest, report)
}

fn write_data(
    out: &mut String,
    manifest: &Manifest,
    report: &Report,
    source: &SourceNote,
) -> std::fmt::Result {
    let Some(development) = &manifest.development else { return Ok(()) };
    let [first, last] = development.years;
    writeln!(out, "\n## What it was made from\n")?;
    writeln!(out, "{}, {first}-{last}.", development.source)?;
    if development.synthetic_training_data {
        writeln!(
            out,
            "\n**Fitted on a simulated population: nobody's records. It is for showing and trying the \
             software, never for patients; `promote` refuses it.**\n"
        )?;
    }
    if let Some(citation) = &source.citation {
        writeln!(out, "{citation}")?;
    }
    let attrition = &report.attrition;
    writeln!(out, "\n| step | count |\n| --- | ---: |")?;
    writeln!(out, "| index times | {} |", attrition.index_times)?;
    for (criterion, count) in &attrition.left_out {
        writeln!(out, "| left out: {criterion} | {count} |")?;
    }
    writeln!(out, "| left out: not followed to the end | {} |", attrition.censored)?;
    writeln!(
        out,
        "| deaths in the time at risk, counted as without | {} |",
        attrition.competing_deaths
    )?;
    writeln!(out, "| in the cohort | {} |", attrition.samples)?;
    writeln!(out, "| of them with the outcome | {} |", attrition.outcomes)?;
    writeln!(out, "| patients | {} |", attrition.patients)?;
    writeln!(
        out,
        "\nFitted on {} index times of {} patients; part {} of the patients was held out.",
        development.index_times, development.patients, development.held_out_part
    )?;
    match &report.censoring {
        Some(censoring) => writeln!(out, "\nFollow-up: {}.", censoring.sentence()),
        None => Ok(()),
    }
}

fn write_figures(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "\n## How well it does\n")?;
    writeln!(
        out,
        "In use: `{}`, chosen by cross-validated log loss: the simplest of those \
         within one standard error of the lowest, or a blend that beats it by more.\n",
        report.chosen
    )?;
    writeln!(
        out,
        "| model | judged on | AUROC (95% interval) | average precision | Brier | log loss | \
         observed / expected (95% interval) | calibration slope |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    let cross = report.cross_validation.iter().map(|entry| (entry, "cross-validation"));
    let held = report.held_out.iter().map(|entry| (entry, "held-out patients"));
    for ((family, metrics), judged_on) in cross.chain(held) {
        write_row(out, &family.to_string(), judged_on, metrics)?;
    }
    let Some(evaluation) = &report.held_out_evaluation else { return Ok(()) };
    writeln!(
        out,
        "\nThe tiers, on the held-out patients:\n\n| from tier | probability | flagged | share of \
         flagged with the outcome | share of outcomes found |\n| --- | --- | --- | --- | --- |"
    )?;
    for (tier, row) in &evaluation.tiers {
        let percent = |share: Option<Estimate>| {
            share.map_or("-".to_owned(), |share| format!("{:.1}%", share.value * 100.0))
        };
        writeln!(
            out,
            "| {tier} | {:.3} | {} | {} | {} |",
            row.cut,
            percent(row.flagged),
            percent(row.ppv),
            percent(row.sensitivity)
        )?;
    }
    Ok(())
}

fn write_row(
    out: &mut String,
    family: &str,
    judged_on: &str,
    metrics: &Metrics,
) -> std::fmt::Result {
    let [low, high] = metrics.auroc_interval;
    let [least, most] = metrics.observed_over_expected_interval;
    writeln!(
        out,
        "| {family} | {judged_on} | {:.4} ({low:.4} to {high:.4}) | {:.4} | {:.5} | {:.5} | {:.3} \
         ({least:.3} to {most:.3}) | {:.3} |",
        metrics.auroc,
        metrics.average_precision,
        metrics.brier,
        metrics.log_loss,
        metrics.observed_over_expected,
        metrics.calibration_slope
    )
}

fn write_published(out: &mut String, report: &Report) -> std::fmt::Result {
    let published = report.held_out_evaluation.iter().flat_map(|evaluation| &evaluation.published);
    let rows: Vec<&PublishedFigures> = published.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Published scores beside it (held-out patients)\n\nEach as its paper has it, of its own \
         outcome, on the index times for which it gives a number (of a range the lower end); the \
         model on the same ones.\n\n| score | gives a number | its AUROC (95% interval) | the \
         model's AUROC (95% interval) |\n| --- | --- | --- | --- |"
    )?;
    for figures in rows {
        let given = figures.given.map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0));
        let area = |ranking: &Option<Ranking>| match ranking {
            Some(Ranking { auroc, auroc_interval: [low, high] }) => {
                format!("{auroc:.4} ({low:.4} to {high:.4})")
            }
            None => "-".to_owned(),
        };
        let (score, model) = (area(&figures.score), area(&figures.model));
        writeln!(out, "| {} | {given} | {score} | {model} |", figures.id)?;
    }
    Ok(())
}

fn write_subgroups(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(evaluation) = &report.held_out_evaluation else { return Ok(()) };
    writeln!(
        out,
        "\n## By group (held-out patients)\n\nGroups and figures behind which fewer than 11 patients \
         stand are not shown; counts are to the nearest ten.\n\n| attribute | group | index times | AUROC | observed / expected | \
         in the highest tier |\n| --- | --- | ---: | --- | --- | --- |"
    )?;
    for group in &evaluation.subgroups {
        let figure =
            |value: Option<Estimate>| value.map_or("-".to_owned(), |e| format!("{:.3}", e.value));
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            group.attribute,
            group.group,
            group.samples_about,
            figure(group.auroc),
            figure(group.observed_over_expected),
            figure(group.flagged)
        )?;
    }
    Ok(())
}

fn write_leaks(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "\n## Leak check\n\n{}.", report.leaks.sentence())?;
    for verdict in [LeakVerdict::Allowed, LeakVerdict::Warns] {
        for (place, finding) in report.leaks.of(verdict).enumerate() {
            let before = if place == 0 { "\n" } else { "" };
            writeln!(out, "{before}- {}", finding.sentence())?;
        }
    }
    Ok(())
}

fn write_columns(out: &mut String, manifest: &Manifest, report: &Report) -> std::fmt::Result {
    let mut columns: Vec<_> = manifest.columns.iter().collect();
    columns.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    writeln!(
        out,
        "\n## What moves it\n\nThe columns with the largest shares of the score's movement; a share is \
         no cause.\n\n| column | share |\n| --- | --- |"
    )?;
    for column in columns.iter().take(20) {
        writeln!(out, "| {} | {:.1}% |", column.name, column.weight * 100.0)?;
    }
    if !report.unused_columns.is_empty() {
        let names = report.unused_columns.join("`, `");
        writeln!(
            out,
            "\nEmpty, constant or too rare in these records, and so not used: `{names}`."
        )?;
    }
    Ok(())
}
