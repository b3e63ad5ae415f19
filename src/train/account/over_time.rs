//! Whether the figures hold over time.

use super::Account;
use super::panels::{mark, ratio_and_area};
use super::words::{number_of, percent};
use crate::page::{Figure, Section, Strip, Strips, Table};
use crate::train::judgement::{OverTime, PeriodFigures};

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("over-time", "Does it hold over time?");
    let Some(evaluation) = account.evaluation else {
        section.text(account.nobody_judged());
        return section;
    };
    match &evaluation.over_time {
        OverTime::Skipped { reason } => section.text(format!("Not judged: {reason}.")),
        OverTime::Judged { periods, earlier, later } => {
            section.figures(vec![figure(periods)]);
            let mut table = Table::new(
                "The last of the judged index times against those before, with 95% intervals.",
                &["Part", "From", "To"],
                &["Index times", "With the outcome", "AUROC", "Observed / expected", "Slope"],
            );
            for (name, part) in [("earlier", earlier), ("later", later)] {
                table.row([
                    name.to_owned(),
                    part.from.clone(),
                    part.to.clone(),
                    part.rows.to_string(),
                    percent(part.prevalence),
                    number_of(Some(part.auroc), 3),
                    number_of(Some(part.observed_over_expected), 2),
                    number_of(Some(part.calibration_slope), 2),
                ]);
            }
            section.table(table);
        }
    }
    section
}

fn figure(periods: &[PeriodFigures]) -> Figure {
    let rows = periods.iter().map(|period| Strip {
        name: match period.from == period.to {
            true => period.from.clone(),
            false => format!("{} to {}", period.from, period.to),
        },
        marks: [period.observed_over_expected, period.auroc].map(|of| Some(mark(of))).into(),
    });
    let ratios = periods.iter().map(|period| period.observed_over_expected);
    let areas = periods.iter().map(|period| period.auroc);
    let strips = Strips {
        title: "Figures by period".to_owned(),
        description: "Observed over expected outcomes and AUROC of each period with 95% intervals."
            .to_owned(),
        panels: ratio_and_area(ratios, areas),
        rows: rows.collect(),
    };
    Figure::strips(
        strips,
        "Figures by period of the index time, with 95% intervals. A drift away from the dashed line on \
         the left means that outcomes have become more frequent, or rarer, than the model says.",
    )
}
