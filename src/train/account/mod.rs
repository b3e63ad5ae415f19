//! What is told of a model to people: `report.html` and `card.md`, made of the same sections.
//!
//! A section takes what a fit or an evaluation has found and puts it into words, tables and plots; it
//! counts nothing anew, so whatever is not told there is not told here. Where a figure is absent, the
//! section says why.

mod calibration;
mod card;
mod discrimination;
mod drift;
mod features;
mod glossary;
mod leak_check;
mod making;
mod over_time;
mod panels;
mod people;
mod published;
mod size;
mod source_attributes;
mod subgroups;
mod summary;
mod table_one;
mod thresholds;
mod tiers;
mod tripod;
mod usefulness;
mod uses;
mod versions;
mod words;

use super::attrition::ShownAttrition;
use super::censoring::CensoringReport;
use super::evaluate::Evaluation;
use super::report::{Report, SourceNote};
use crate::bundle::{Bundle, Manifest};
use crate::page::Page;
use crate::task::Task;

pub(super) use card::published_only_card;
pub(super) use thresholds::{recut_card, recut_page, search_page};

/// What there is to tell of a model.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    pub task: &'a Task,
    pub manifest: &'a Manifest,
    /// Where the records come from.
    pub source: &'a SourceNote,
    /// Who was left out.
    pub attrition: &'a ShownAttrition,
    /// What was done about samples that were not followed to the end.
    pub censoring: Option<&'a CensoringReport>,
    /// The model on patients it has not seen, or on those of the export; `None` where nobody was held
    /// out.
    pub evaluation: Option<&'a Evaluation>,
    pub occasion: Occasion<'a>,
}

/// When the account is given.
#[derive(Debug, Clone, Copy)]
pub enum Occasion<'a> {
    /// At the end of a fit; the account is part of the bundle.
    Fit(&'a Report),
    /// After an evaluation of a finished bundle on an export.
    Evaluation {
        /// Of the bundle.
        digest: &'a str,
        /// Whether only patients that the fit held out were judged.
        only_held_out: bool,
    },
}

impl<'a> Account<'a> {
    /// Of a fit that ends with `manifest`.
    pub(super) fn of_fit(
        task: &'a Task,
        manifest: &'a Manifest,
        source: &'a SourceNote,
        report: &'a Report,
    ) -> Account<'a> {
        Account {
            task,
            manifest,
            source,
            attrition: &report.attrition,
            censoring: report.censoring.as_ref(),
            evaluation: report.held_out_evaluation.as_ref(),
            occasion: Occasion::Fit(report),
        }
    }

    /// Of `evaluation`, which judged `bundle` on the records of `source`.
    pub fn of_evaluation(
        bundle: &'a Bundle,
        source: &'a SourceNote,
        attrition: &'a ShownAttrition,
        evaluation: &'a Evaluation,
        only_held_out: bool,
    ) -> Account<'a> {
        Account {
            task: bundle.task(),
            manifest: bundle.manifest(),
            source,
            attrition,
            censoring: evaluation.censoring.as_ref(),
            evaluation: Some(evaluation),
            occasion: Occasion::Evaluation { digest: bundle.digest(), only_held_out },
        }
    }

    /// `report.html`: one file that needs nothing else.
    pub fn html(&self) -> String {
        let sections = vec![
            summary::section(self),
            uses::section(self),
            people::section(self),
            people::outcome(self),
            table_one::section(self),
            making::section(self),
            discrimination::section(self),
            calibration::section(self),
            usefulness::section(self),
            published::section(self),
            subgroups::section(self),
            over_time::section(self),
            features::section(self),
            leak_check::section(self),
            size::section(self),
            drift::section(self),
            uses::not_told(self),
            versions::section(self),
            glossary::section(),
        ];
        let params = self.task.params();
        let kind = match self.occasion {
            Occasion::Fit(_) => "Report of a fit",
            Occasion::Evaluation { .. } => "Report of an evaluation",
        };
        Page {
            title: params.title.clone(),
            subtitle: format!(
                "{kind}: task {}, version {}. Counts and figures behind which fewer than 11 patients \
                 stand are not shown.",
                params.name, self.manifest.version
            ),
            sections,
        }
        .html()
    }

    /// `card.md`: the short form, with the source attributes and the checklist that rules ask for.
    pub(super) fn card(&self) -> String {
        card::card(self)
    }

    /// The fit, where this is the account of one.
    fn fit(&self) -> Option<&'a Report> {
        match self.occasion {
            Occasion::Fit(report) => Some(report),
            Occasion::Evaluation { .. } => None,
        }
    }

    /// Whom the figures are of, as the end of a sentence.
    fn judged_on(&self) -> &'static str {
        match self.occasion {
            Occasion::Fit(_) => "held-out patients, whom no part of the fit has seen",
            Occasion::Evaluation { only_held_out: true, .. } => {
                "patients of the export whom the fit held out"
            }
            Occasion::Evaluation { .. } => "all patients of the export",
        }
    }

    /// Why there are no figures, where there are none.
    fn nobody_judged(&self) -> &'static str {
        match self.fit() {
            Some(report) if report.held_out_part == "none" => {
                "No patients were held out of this fit, so it was judged on nobody. The \
                 cross-validated figures under \u{201c}How the model was made\u{201d} are all there is; \
                 evaluate it on other patients before it is used."
            }
            _ => {
                "Too few held-out patients had the outcome, or too few did not: nothing can be said \
                 of how the model does on patients it has not seen."
            }
        }
    }
}
