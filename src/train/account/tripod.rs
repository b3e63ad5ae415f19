//! The checklist of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378): 27 items, each with where it is
//! told, or a named blank.

use super::Account;
use super::source_attributes::stated;
use crate::page::{Section, Table};
use crate::task::Statement;

/// Where an item is told.
#[derive(Clone, Copy)]
enum Told {
    /// In a section of `report.html`, by its id, or in words.
    At(&'static str),
    /// By the developer.
    By(Statement),
    /// By both.
    Both(&'static str, Statement),
}

use Told::{At, Both, By};

/// The items with what each asks.
const ITEMS: [(&str, &str, Told); 52] = [
    ("1", "title", At("the title: the outcome and the people; developed or evaluated")),
    ("2", "abstract", At("#summary")),
    ("3a", "healthcare context and rationale", At("#uses")),
    ("3b", "target population and intended use", At("#uses")),
    ("3c", "known health inequalities", By(Statement::HealthInequalities)),
    ("4", "objectives", At("#uses, #outcome")),
    ("5a", "sources of data", At("#people")),
    ("5b", "dates", At("#summary: years of the records; finer dates would tell of patients")),
    ("6a", "setting", At("#people")),
    ("6b", "eligibility", At("#people")),
    ("6c", "treatments received", By(Statement::Treatments)),
    ("7", "data preparation", At("#making; task.toml and concepts.toml of the version")),
    ("8a", "outcome and time horizon", At("#outcome")),
    ("8b", "assessors of the outcome", By(Statement::OutcomeAssessment)),
    ("8c", "blinding of the assessment", By(Statement::OutcomeAssessment)),
    ("9a", "choice of initial predictors", At("task.toml of the version, with its reasons")),
    ("9b", "definition of predictors", At("task.toml and concepts.toml of the version")),
    ("9c", "assessors of the predictors", At("recorded in routine care")),
    ("10", "sample size", At("#size")),
    ("11", "missing data", At("#making, #table-one")),
    ("12a", "how the data were used", At("#people, #making")),
    ("12b", "handling of predictors", At("#making")),
    ("12c", "type of model, building, internal validation", At("#making")),
    ("12d", "heterogeneity across clusters", At("#subgroups by region, #over-time")),
    ("12e", "measures of performance", At("#discrimination, #calibration, #usefulness")),
    ("12f", "model updating", At("none in a fit: a refit is a new version")),
    (
        "12g",
        "how predictions were calculated",
        At("the version's own files, by the program that serves"),
    ),
    ("13", "class imbalance", At("#making: none was corrected for")),
    ("14", "fairness", Both("#subgroups", Statement::FairnessApproach)),
    ("15", "output of the model", At("#summary, #usefulness")),
    ("16", "differences between development and evaluation", At("#table-one, #drift")),
    ("17", "ethical approval", By(Statement::Ethics)),
    ("18a", "funding", By(Statement::Funding)),
    ("18b", "conflicts of interest", By(Statement::ConflictsOfInterest)),
    ("18c", "protocol", By(Statement::Protocol)),
    ("18d", "registration", By(Statement::Registration)),
    ("18e", "data sharing", By(Statement::DataSharing)),
    ("18f", "code sharing", By(Statement::CodeSharing)),
    ("19", "patient and public involvement", By(Statement::PatientInvolvement)),
    ("20a", "flow of participants", At("#people")),
    ("20b", "characteristics of participants", At("#table-one")),
    ("20c", "comparison of development and evaluation", At("#table-one")),
    ("21", "participants and outcomes in each analysis", At("#people, #size")),
    ("22", "full specification of the model", At("the version's own files; #versions")),
    (
        "23a",
        "performance with intervals, and by group",
        At("#discrimination, #calibration, #subgroups"),
    ),
    ("23b", "heterogeneity in performance", At("#subgroups, #over-time")),
    ("24", "results of model updating", At("none in a fit")),
    ("25", "interpretation, fairness among it", At("#summary, #published, #subgroups")),
    ("26", "limitations", At("#uses, #not-told")),
    (
        "27a",
        "poor or missing input in use",
        At("graded A to D with each answer; at D there is none"),
    ),
    ("27b", "interaction and expertise of users", Both("#uses", Statement::UserTraining)),
    ("27c", "next steps", By(Statement::NextSteps)),
];

pub(super) fn section(account: &Account<'_>) -> Section {
    let mut section = Section::new("tripod", "TRIPOD+AI checklist");
    section.text(
        "Where each item (Collins et al., BMJ 2024;385:e078378) is told; a name after # is a section \
         of report.html in the same folder.",
    );
    let mut table = Table::new("", &["Item", "What it asks", "Where it is told"], &[]);
    for (item, asks, told) in ITEMS {
        let place = match told {
            At(place) => place.to_owned(),
            By(statement) => stated(account.task, statement),
            Both(place, statement) => format!("{place}; {}", stated(account.task, statement)),
        };
        table.row([item.to_owned(), asks.to_owned(), place]);
    }
    section.table(table);
    section
}

#[cfg(test)]
mod tests {
    use super::{At, Both, ITEMS};

    #[test]
    fn the_items_are_the_twenty_seven_in_order() {
        let number =
            |item: &str| item.trim_end_matches(char::is_alphabetic).parse::<u32>().unwrap();
        let mut numbers: Vec<u32> = ITEMS.iter().map(|(item, _, _)| number(item)).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers, (1..=27).collect::<Vec<u32>>());
    }

    #[test]
    fn the_sections_that_are_named_are_there() {
        let modules = include_str!("mod.rs");
        assert!(modules.contains("pub fn html"));
        let all = [
            include_str!("summary.rs"),
            include_str!("uses.rs"),
            include_str!("people.rs"),
            include_str!("table_one.rs"),
            include_str!("making.rs"),
            include_str!("discrimination.rs"),
            include_str!("calibration.rs"),
            include_str!("usefulness.rs"),
            include_str!("published.rs"),
            include_str!("subgroups.rs"),
            include_str!("over_time.rs"),
            include_str!("size.rs"),
            include_str!("drift.rs"),
            include_str!("versions.rs"),
        ]
        .concat();
        for (item, _, told) in ITEMS {
            let (At(place) | Both(place, _)) = told else { continue };
            for id in place.split('#').skip(1) {
                let end = id.find(|c: char| !c.is_ascii_lowercase() && c != '-');
                let id = id.get(..end.unwrap_or(id.len())).unwrap();
                assert!(all.contains(&format!("Section::new(\"{id}\"")), "item {item}: {id}");
            }
        }
    }
}
