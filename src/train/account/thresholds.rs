//! What is told of a search for a tier's cut, and of the version that was made from it.

use super::tiers::{TITLES, cells};
use super::words::spaced;
use super::{Account, Occasion, calibration, glossary, subgroups, tiers, usefulness};
use crate::bundle::Bundle;
use crate::page::{Page, Section, Table};
use crate::task::{Task, TierRule};
use crate::train::report::SourceNote;
use crate::train::thresholds::{Promise, RateFrom, RecutReport, Thresholds};

/// Of a search alone.
pub(in crate::train) fn search_page(task: &Task, found: &Thresholds) -> Page {
    let mut section = section(found);
    section.table(subgroups::flags_of_groups(GROUPS, &found.groups));
    Page {
        title: task.params().title.clone(),
        subtitle: format!(
            "A cut for tier {} of task {}, version {}. {FEW}",
            found.tier, found.task, found.version
        ),
        sections: vec![section, glossary::section()],
    }
}

const GROUPS: &str = "What flagging by the rule does in each group, with 95% intervals.";
const FEW: &str = "Figures behind which fewer than 11 patients stand are not shown.";

/// The report of a version with a new cut, which is part of it.
pub(in crate::train) fn recut_page(
    bundle: &Bundle,
    report: &RecutReport,
    source: &SourceNote,
) -> Page {
    let found = &report.thresholds;
    let account = account(bundle, report, source);
    Page {
        title: bundle.task().params().title.clone(),
        subtitle: format!(
            "Report of a new cut: task {}, version {}, made from version {} (sha256 {}). {FEW}",
            found.task,
            bundle.manifest().version,
            found.version,
            found.digest
        ),
        sections: vec![
            section(found),
            usefulness::section(&account),
            calibration::section(&account),
            subgroups::section(&account),
            glossary::section(),
        ],
    }
}

/// The card of a version with a new cut: the cut and what came of it, then its parent's card.
pub(in crate::train) fn recut_card(
    bundle: &Bundle,
    report: &RecutReport,
    source: &SourceNote,
    parent: Option<&str>,
) -> String {
    let found = &report.thresholds;
    let account = account(bundle, report, source);
    let mut cut = section(found);
    if source.synthetic {
        cut.warning("Cut on a simulated population: never for patients.");
    }
    let mut groups = Section::new("groups", "By group");
    if let Some(evaluation) = &report.held_out_evaluation {
        tiers::tell(&mut cut, &account, evaluation);
        groups.table(subgroups::flagging(&evaluation.subgroups));
        subgroups::lower_tiers(&mut groups, evaluation);
    }
    let page = Page {
        title: format!(
            "Version {} of {}: version {} with a new cut",
            bundle.manifest().version,
            found.task,
            found.version
        ),
        subtitle: format!(
            "The models, probabilities and reasons are those of version {} (sha256 {}). Records: {}. {}",
            found.version,
            found.digest,
            source.title.trim_end_matches('.'),
            source.citation.as_deref().unwrap_or_default()
        ),
        sections: vec![cut, groups],
    };
    format!(
        "{}\n## The parent's card\n\nIts tiers are those it had.\n\n{}",
        page.markdown(),
        parent.unwrap_or_default()
    )
}

fn account<'a>(bundle: &'a Bundle, report: &'a RecutReport, source: &'a SourceNote) -> Account<'a> {
    let found = &report.thresholds;
    Account {
        task: bundle.task(),
        manifest: bundle.manifest(),
        source,
        attrition: &found.attrition,
        censoring: found.censoring.as_ref(),
        evaluation: report.held_out_evaluation.as_ref(),
        occasion: Occasion::Evaluation { digest: &found.digest, only_held_out: true },
    }
}

fn section(found: &Thresholds) -> Section {
    let mut section = Section::new("cut", "The cut");
    section.text(format!(
        "Tier {} is to begin by the rule \u{201c}{}\u{201d}: {}. The cut was found on {} index times of {} \
         patients, {} with the outcome, and is judged on {} of {} other patients, {} with the outcome \
         (part {}).",
        spaced(&found.tier),
        found.rule,
        how(found.rule),
        found.found_on.index_times,
        found.found_on.patients,
        found.found_on.outcomes,
        found.judged_on.index_times,
        found.judged_on.patients,
        found.judged_on.outcomes,
        found.held_out_part
    ));
    if let (Some(rate), Some(from)) = (found.index_times_per_day, found.index_times_per_day_from) {
        let from = match from {
            RateFrom::Export => "as counted in the export, over all patients",
            RateFrom::Caller => "as stated by who asked",
        };
        section.text(format!("Index times a day: {rate:.1}, {from}."));
    }
    match found.promise {
        Promise::Kept => section.text(found.promise.sentence()),
        Promise::Broken | Promise::NotJudged => section.warning(found.promise.sentence()),
    }
    found.warnings.iter().for_each(|warning| section.warning(warning.clone()));
    let mut table = Table::new(
        "What the rule and its neighbours do to patients the cuts were not found on, with 95% \
         intervals from resampling patients.",
        &["Rule"],
        &TITLES,
    );
    for line in found.lines() {
        table.row([vec![line.name], cells(&line.burden)].concat());
    }
    section.table(table);
    section
}

/// How a rule finds its cut.
fn how(rule: TierRule) -> &'static str {
    match rule {
        TierRule::TopShare(_) => "the share of the probabilities from the top",
        TierRule::FlagsPer100(_) | TierRule::FlagsPerDay(_) => {
            "the lowest cut that flags no more, where those who tie are flagged together or not at all"
        }
        TierRule::PpvMin(_) => {
            "the lowest cut whose PPV is as high by its one-sided 95% lower bound; the estimate itself \
             is highest where chance was kindest"
        }
        TierRule::CostRatio(_) => {
            "the probability at which a needless flag and a missed outcome cost the same, 1 / (1 + ratio)"
        }
    }
}
