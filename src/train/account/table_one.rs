//! Table 1: what the patients were like.

use super::Account;
use super::words::{NOT_SHOWN, fixed, or_not_shown, percent, spaced};
use crate::feature::Source;
use crate::page::{Section, Table};
use crate::train::judgement::{Described, Description, Summary};

/// Columns that move the score more go before others once a table would have more rows.
const ROWS_MAX: usize = 60;
/// Standardised differences above this are marked (Austin 2009).
const DIFFERENCE_MARKED: f64 = 0.1;

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("table-one", "What the patients were like (Table 1)");
    let of_evaluation = account.evaluation.and_then(|of| of.description.as_ref());
    let of_fit = account.fit().and_then(|report| report.description.as_ref());
    let Some(description) = of_fit.or(of_evaluation) else {
        section.text("The characteristics of these patients were not summed up.");
        return section;
    };
    section.text(
        "Medians with quartiles, else means with standard deviations (SD); of features that are there \
         or not, the share of index times with it. Missing: share of index times without a value. \
         Index times count once each.",
    );
    let kept = kept(account, description);
    if kept.len() < description.columns.len() {
        section.text(format!(
            "Shown are the {} columns that move the score most, in the order of the task file; all {} \
             are in metrics.json.",
            kept.len(),
            description.columns.len()
        ));
    }
    match description.development_rows {
        Some(_) => of_both(&mut section, account, description, &kept),
        None => of_judged(&mut section, account, description, &kept),
    }
    section
}

/// The columns with the largest shares of the score's movement, in their own order.
fn kept<'a>(account: &Account<'_>, description: &'a Description) -> Vec<&'a Described> {
    let weight = |name: &str| {
        let column = account.manifest.columns.iter().find(|column| column.name == name);
        column.map_or(0.0, |column| column.weight)
    };
    let mut order: Vec<(usize, f64)> =
        description.columns.iter().map(|column| weight(&column.column)).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.truncate(ROWS_MAX);
    order.sort_by_key(|(place, _)| *place);
    order.into_iter().filter_map(|(place, _)| description.columns.get(place)).collect()
}

fn of_both(
    section: &mut Section,
    account: &Account<'_>,
    description: &Description,
    kept: &[&Described],
) {
    let title = |what: &str, rows: Option<usize>| match rows {
        Some(rows) => format!("{what} (n = {rows})"),
        None => what.to_owned(),
    };
    let fitted = title("Fitted on", description.development_rows);
    let judged = title("Judged on", description.judged_rows);
    let mut titles = vec![fitted.as_str(), "with the outcome", "without it", "Missing"];
    let has_judged = description.judged_rows.is_some();
    if has_judged {
        titles.extend([judged.as_str(), "Difference (SMD)"]);
    }
    let mut table = Table::new(caption(has_judged), &["Characteristic"], &titles);
    for column in kept {
        let mut cells = vec![
            name(account, column),
            told(column.development.as_ref()),
            told(column.development_with_outcome.as_ref()),
            told(column.development_without_outcome.as_ref()),
            missing(column.development.as_ref()),
        ];
        if has_judged {
            cells.push(told(column.judged.as_ref()));
            cells.push(difference(column.standardised_difference));
        }
        table.row(cells);
    }
    section.table(table);
}

fn caption(has_judged: bool) -> String {
    let base = "Characteristics at the index time";
    match has_judged {
        true => format!(
            "{base}. SMD: standardised mean difference between those fitted on and those judged on; \
             above {DIFFERENCE_MARKED} in size it is marked with *."
        ),
        false => format!("{base}."),
    }
}

fn of_judged(
    section: &mut Section,
    account: &Account<'_>,
    description: &Description,
    kept: &[&Described],
) {
    let all = description.judged_rows.map_or("All".to_owned(), |rows| format!("All (n = {rows})"));
    let titles = [all.as_str(), "with the outcome", "without it", "Missing"];
    let mut table = Table::new(caption(false), &["Characteristic"], &titles);
    for column in kept {
        table.row([
            name(account, column),
            told(column.judged.as_ref()),
            told(column.judged_with_outcome.as_ref()),
            told(column.judged_without_outcome.as_ref()),
            missing(column.judged.as_ref()),
        ]);
    }
    section.table(table);
}

fn name(account: &Account<'_>, column: &Described) -> String {
    let mut features = account.task.spec().features().iter();
    let feature = features.find(|feature| feature.name == column.feature);
    if feature.is_some_and(|feature| matches!(feature.source, Source::Sex)) {
        return "sex: female".to_owned();
    }
    let unit = column.unit.as_ref().map_or(String::new(), |unit| format!(" ({unit})"));
    format!("{}{unit}", spaced(&column.column))
}

fn told(summary: Option<&Summary>) -> String {
    match summary {
        Some(Summary::Share { share, .. }) => or_not_shown(share.map(percent)),
        Some(Summary::Spread { quartiles: Some([low, middle, high]), .. }) => {
            format!("{} [{} to {}]", number(*middle), number(*low), number(*high))
        }
        Some(Summary::Spread { mean, sd, .. }) => {
            format!("mean {} (SD {})", number(*mean), number(*sd))
        }
        Some(Summary::Absent) => "no values".to_owned(),
        None => NOT_SHOWN.to_owned(),
    }
}

fn missing(summary: Option<&Summary>) -> String {
    match summary {
        Some(Summary::Share { missing, .. } | Summary::Spread { missing, .. }) => {
            or_not_shown(missing.map(percent))
        }
        Some(Summary::Absent) => "all".to_owned(),
        None => NOT_SHOWN.to_owned(),
    }
}

/// With as many digits as a reader can use.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 || value.fract() == 0.0 => {
            format!("{value:.1}").trim_end_matches(".0").to_owned()
        }
        _ => format!("{value:.2}"),
    }
}

fn difference(value: Option<f64>) -> String {
    let mark = |value: f64| if value.abs() > DIFFERENCE_MARKED { " *" } else { "" };
    or_not_shown(value.map(|value| format!("{}{}", fixed(value, 2), mark(value))))
}
