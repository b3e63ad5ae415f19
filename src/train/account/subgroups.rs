//! The figures by group of patients, and how far each group is from the others.

use super::Account;
use super::panels::{mark, ratio_and_area};
use super::words::{number_of, or_not_shown, percent, percent_of, spaced};
use crate::page::{Figure, Section, Strip, Strips, Table};
use crate::train::evaluate::Evaluation;
use crate::train::judgement::{Gap, GroupFlags, Subgroup};
use crate::train::metrics::Estimate;

/// A figure with more rows would be longer than a page.
const ROWS_MAX: usize = 30;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("subgroups", "Does it hold for all groups?");
    let Some(evaluation) = account.evaluation else {
        section.text(account.nobody_judged());
        return section;
    };
    let groups = &evaluation.subgroups;
    if groups.is_empty() {
        section.text("No group has enough patients to be shown.");
        return section;
    }
    section.text(
        "Groups behind which fewer than 11 patients stand are not named, nor are figures behind which \
         fewer than 11 with or without the outcome stand; counts are to the nearest ten. Where many \
         groups are looked at, one in twenty intervals misses its line by chance alone.",
    );
    section.table(figures(groups));
    section.figures(forests(&with(groups, |of| {
        of.observed_over_expected.is_some() || of.auroc.is_some()
    })));
    let flagged =
        with(groups, |of| [of.flagged, of.ppv, of.sensitivity].iter().any(Option::is_some));
    let apart = with(groups, |of| {
        let Gap { auroc, observed_over_expected, flagged, ppv, sensitivity, .. } = of.gap;
        [auroc, observed_over_expected, flagged, ppv, sensitivity].iter().any(Option::is_some)
    });
    if [&flagged, &apart].iter().any(|told| told.len() < groups.len()) {
        section
            .text("Groups of which none of its figures can be shown are left out of what follows.");
    }
    section.table(flagging(&flagged));
    lower_tiers(&mut section, evaluation);
    section.table(gaps(&apart));
    section
}

/// The groups of which something can be told.
fn with(groups: &[Subgroup], told: impl Fn(&Subgroup) -> bool) -> Vec<Subgroup> {
    groups.iter().filter(|group| told(group)).cloned().collect()
}

/// The groups attribute by attribute.
fn by_attribute(groups: &[Subgroup]) -> impl Iterator<Item = (&'static str, &[Subgroup])> {
    let chunks = groups.chunk_by(|a, b| a.attribute == b.attribute);
    chunks.filter_map(|chunk| Some((chunk.first()?.attribute, chunk)))
}

fn forests(groups: &[Subgroup]) -> Vec<Figure> {
    if groups.is_empty() {
        return Vec::new();
    }
    let ratios = groups.iter().filter_map(|group| group.observed_over_expected);
    let panels = ratio_and_area(ratios, groups.iter().filter_map(|group| group.auroc));
    let mut figures: Vec<Vec<Strip>> = vec![Vec::new()];
    for (attribute, chunk) in by_attribute(groups) {
        let is_full = |rows: &Vec<Strip>| rows.len() + chunk.len() + 1 > ROWS_MAX;
        if figures.last().is_some_and(|rows| !rows.is_empty() && is_full(rows)) {
            figures.push(Vec::new());
        }
        let Some(rows) = figures.last_mut() else { continue };
        rows.push(Strip { name: capital(attribute), marks: Vec::new() });
        rows.extend(chunk.iter().map(|group| Strip {
            name: group.group.clone(),
            marks: vec![group.observed_over_expected.map(mark), group.auroc.map(mark)],
        }));
    }
    let many = figures.len();
    let figure = |(place, rows): (usize, Vec<Strip>)| {
        let strips = Strips {
            title: "Figures by group".to_owned(),
            description:
                "Observed over expected outcomes and AUROC of each group with 95% intervals; \
                          the table above has the same figures."
                    .to_owned(),
            panels: panels.clone(),
            rows,
        };
        let of = if many > 1 { format!(" ({} of {many})", place + 1) } else { String::new() };
        Figure::strips(
            strips,
            format!(
                "Figures by group{of}, with 95% intervals. Left: outcomes that came for each one \
                 expected; at the dashed line as many as expected. Right: how well patients within \
                 the group are ranked; at the dashed line no better than chance."
            ),
        )
    };
    figures.into_iter().enumerate().map(figure).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A table with a row for each group.
fn table(
    caption: &str,
    titles: &[&str],
    groups: &[Subgroup],
    cells: impl Fn(&Subgroup) -> Vec<String>,
) -> Table {
    let mut table = Table::new(caption, &["Group"], titles);
    for (attribute, chunk) in by_attribute(groups) {
        table.group(capital(attribute));
        for group in chunk {
            table.row(std::iter::once(group.group.clone()).chain(cells(group)));
        }
    }
    table
}

/// The figures of each group, as a table.
pub(super) fn figures(groups: &[Subgroup]) -> Table {
    table(
        "The figures of each group, with 95% intervals.",
        &["Index times, about", "With the outcome", "AUROC", "Observed / expected", "Slope"],
        groups,
        |group| {
            vec![
                group.samples_about.to_string(),
                or_not_shown(group.prevalence.map(percent)),
                number_of(group.auroc, 3),
                number_of(group.observed_over_expected, 2),
                number_of(group.calibration_slope, 2),
            ]
        },
    )
}

pub(super) fn flagging(groups: &[Subgroup]) -> Table {
    table(
        "What flagging from the highest tier does in each group, with 95% intervals.",
        &["Flagged", "PPV: flagged with the outcome", "Sensitivity: outcomes found"],
        groups,
        |group| {
            vec![percent_of(group.flagged), percent_of(group.ppv), percent_of(group.sensitivity)]
        },
    )
}

/// The same of each tier below the highest.
pub(super) fn lower_tiers(section: &mut Section, evaluation: &Evaluation) {
    for (tier, groups) in &evaluation.tier_groups {
        section.table(flags_of_groups(
            &format!(
                "What flagging from tier {} upwards does in each group, with 95% intervals.",
                spaced(tier)
            ),
            groups,
        ));
    }
}

/// What flagging does in each group, as a table.
pub(super) fn flags_of_groups(caption: &str, groups: &[GroupFlags]) -> Table {
    let titles = ["Flagged", "PPV: flagged with the outcome", "Sensitivity: outcomes found"];
    let mut table = Table::new(caption, &["Group"], &titles);
    for chunk in groups.chunk_by(|a, b| a.attribute == b.attribute) {
        let told =
            |of: &&GroupFlags| [of.flagged, of.ppv, of.sensitivity].iter().any(Option::is_some);
        let mut told = chunk.iter().filter(told).peekable();
        told.peek().iter().for_each(|first| table.group(capital(first.attribute)));
        for of in told {
            let GroupFlags { group, flagged, ppv, sensitivity, .. } = of;
            let figures = [flagged, ppv, sensitivity].map(|figure| percent_of(*figure));
            table.row(std::iter::once(group.clone()).chain(figures));
        }
    }
    table
}

fn gaps(groups: &[Subgroup]) -> Table {
    table(
        "Gaps: each group less all others of its attribute, with 95% intervals; shares in percentage \
         points. An interval that holds 0 shows no gap beyond chance.",
        &["AUROC", "Observed / expected", "Flagged", "PPV", "Sensitivity"],
        groups,
        |group| {
            let gap = &group.gap;
            let points = |of: Option<Estimate>| {
                let points = of.map(|of| of.rising(|share| 100.0 * share));
                number_of(points, 1)
            };
            vec![
                number_of(gap.auroc, 3),
                number_of(gap.observed_over_expected, 2),
                points(gap.flagged),
                points(gap.ppv),
                points(gap.sensitivity),
            ]
        },
    )
}
