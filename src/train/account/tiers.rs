//! Tier by tier: by which rule it begins, how much it flags, what that finds and what it misses.

use super::Account;
use super::words::{number_of, percent, percent_of, spaced};
use crate::bundle::{Recut, TierCut};
use crate::page::{Section, Table};
use crate::task::TierRule;
use crate::train::alert_burden::AlertBurden;
use crate::train::evaluate::Evaluation;
use crate::train::tier_cut::named_rules;

/// A sentence for each tier but the last, and a table of all of them.
pub(super) fn tell(section: &mut Section, account: &Account<'_>, evaluation: &Evaluation) {
    let tiers = burdens(account, evaluation);
    let rules = named_rules(account.task, account.manifest);
    section.list(tiers.iter().map(|(cut, burden)| {
        let rule = rules.iter().find(|(name, _)| *name == cut.name).and_then(|(_, rule)| *rule);
        sentence(cut, rule, burden, rate(cut, evaluation))
    }));
    section.table(table(&tiers));
}

/// The upper tiers, highest first, each with what flagging from it upwards does.
fn burdens<'a>(account: &Account<'a>, evaluation: &Evaluation) -> Vec<(&'a TierCut, AlertBurden)> {
    let upper = account.manifest.upper_tiers().iter();
    let told = upper.filter_map(|cut| {
        let row = evaluation.tiers.get(&cut.name)?;
        Some((cut, AlertBurden::of(row, rate(cut, evaluation))))
    });
    told.collect()
}

/// The index times a day: of the records that are judged, else those the cut was found with.
fn rate(cut: &TierCut, evaluation: &Evaluation) -> Option<f64> {
    let found_with = cut.basis.as_ref().and_then(|basis| basis.index_times_per_day);
    evaluation.index_times_per_day.or(found_with)
}

fn sentence(
    cut: &TierCut,
    rule: Option<TierRule>,
    burden: &AlertBurden,
    rate: Option<f64>,
) -> String {
    let a_day = match (burden.flags_per_day, rate) {
        (Some(flags), Some(rate)) => {
            let flags = number_of(Some(flags), 1);
            format!(", which is {flags} flags a day at {rate:.1} index times a day")
        }
        _ => String::new(),
    };
    let rule = rule.map_or_else(String::new, |rule| format!(" by the rule \u{201c}{rule}\u{201d}"));
    format!(
        "From tier {} upwards{rule} (from a probability of {}): of 100 index times {} are flagged{a_day}. \
         It finds {} of the outcomes and misses {}. Of the flagged, {} have the outcome: {} are looked \
         at for each one that is found.{}",
        spaced(&cut.name),
        percent(cut.from),
        number_of(burden.flags_per_100, 1),
        percent_of(burden.sensitivity),
        percent_of(burden.missed),
        percent_of(burden.ppv),
        number_of(burden.number_needed_to_evaluate, 1),
        cut.recut().map_or_else(String::new, made_on)
    )
}

/// On whose records a cut was found anew.
fn made_on(recut: &Recut) -> String {
    let Recut { parent_version, source, years: [first, last], index_times, patients, .. } = recut;
    format!(
        " This cut was found on {index_times} index times of {patients} patients ({}, \
         {first}\u{2013}{last}) other than those of part {}, with the model of version \
         {parent_version}.",
        source.trim_end_matches('.'),
        recut.held_out_part
    )
}

fn table(tiers: &[(&TierCut, AlertBurden)]) -> Table {
    let mut table = Table::new(
        "What flagging from a tier upwards would do, with 95% intervals.",
        &["From tier"],
        &TITLES,
    );
    for (cut, burden) in tiers {
        table.row([vec![spaced(&cut.name)], cells(burden)].concat());
    }
    table
}

/// The titles of `cells`.
pub(super) const TITLES: [&str; 8] = [
    "Cut",
    "Alerts per 100",
    "Alerts a day",
    "PPV: flagged with the outcome",
    "Sensitivity: outcomes found",
    "Outcomes missed",
    "Flagged per outcome found",
    "Net benefit per 100",
];

/// The figures of a cut, as a row of a table has them.
pub(super) fn cells(burden: &AlertBurden) -> Vec<String> {
    // Where nothing tells how many index times a day there are, nobody is hidden.
    let a_day = match (burden.flags_per_100, burden.flags_per_day) {
        (Some(_), None) => "not known".to_owned(),
        (_, a_day) => number_of(a_day, 1),
    };
    vec![
        percent(burden.cut),
        number_of(burden.flags_per_100, 1),
        a_day,
        percent_of(burden.ppv),
        percent_of(burden.sensitivity),
        percent_of(burden.missed),
        number_of(burden.number_needed_to_evaluate, 1),
        number_of(burden.net_benefit_per_100, 2),
    ]
}
