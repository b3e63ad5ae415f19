//! Where a tier of a finished version is to begin, by what a team can follow up: found on one part of
//! the patients, judged on another.
//!
//! Neither part may hold patients whom the model learnt from: it knows them too well, and a cut found
//! on them flags others more rarely. The models stay as they are; a new version differs in its cuts.

use super::alert_burden::{AlertBurden, index_times_per_day};
use super::censoring::{CensoringReport, FollowUp};
use super::cohort::{Cohort, Sample};
use super::evaluate::BOOTSTRAP_SEED;
use super::judgement::{Rows, group_flags};
use super::metrics::{calibration_curve, enough, threshold_table};
use super::recalibrate::part;
use super::report::{SourceNote, TrainError};
use super::small_cell::Count;
use super::split::HeldOut;
use super::tier_cut::CutRows;
use crate::bundle::Bundle;
use crate::task::TierRule;

mod found;
mod recut;

pub use found::{PartCount, Promise, RateFrom, RuleFigures, ThresholdLine, Thresholds};
pub use recut::{RecutReport, RecutVersion};

/// What is asked beside what a rule asks for, as shares of it: a team sees what a little more or less
/// would bring.
const NEIGHBOURS: [f64; 6] = [0.5, 0.75, 0.9, 1.1, 1.25, 1.5];

/// What a search for a cut is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdsParams {
    /// Place of the tier among the bundle's, 0 the highest.
    pub tier: usize,
    pub rule: TierRule,
    /// Whom to judge on and not to find the cut on.
    pub held_out: HeldOut,
    /// Only patients that are in all of these are used: those whom the model has not learnt from.
    /// Empty for an export with nobody of the fit.
    pub not_learnt_from: Vec<HeldOut>,
    /// As the caller states it; by the records where `None`.
    pub index_times_per_day: Option<f64>,
    pub source: SourceNote,
}

/// A finished search, from which a new version can be made. It holds rows of patients, and so no
/// `Debug`.
pub struct ThresholdSearch<'a> {
    bundle: &'a Bundle,
    params: ThresholdsParams,
    own: Rows<'a>,
    judged: Rows<'a>,
    report: Thresholds,
}

/// Finds the cut that the rule gives on one part of the samples of `cohort` and judges it on the
/// other, given the probability that `bundle` gave each (`None` for one without enough data, which is
/// left out).
///
/// # Errors
/// A rule that gives no cut on these patients; a part without both outcomes.
pub fn thresholds<'a>(
    bundle: &'a Bundle,
    cohort: &'a Cohort<'_>,
    params: ThresholdsParams,
    probability: impl Fn(&Sample) -> Option<f64>,
) -> Result<ThresholdSearch<'a>, TrainError> {
    let samples = cohort.samples();
    let is_new = |sample: &Sample| {
        params.not_learnt_from.iter().all(|part| part.holds(&sample.group, sample.split))
    };
    let is_judged = |sample: &Sample| params.held_out.holds(&sample.group, sample.split);
    let finds: Vec<bool> = samples.iter().map(|one| is_new(one) && !is_judged(one)).collect();
    let judges: Vec<bool> = samples.iter().map(|one| is_new(one) && is_judged(one)).collect();
    let follow_up = FollowUp::of(cohort, &finds);
    let of = |chosen: &[bool]| part(cohort, &follow_up, &probability, |row| chosen[row]);
    let (own, judged) = (of(&finds), of(&judges));
    check_part(&own, "to find the cut on")?;
    check_part(&judged, "to judge it on")?;
    let finding = Finding { bundle, params: &params, own: &own, judged: &judged, cohort };
    let report = finding.report(follow_up.report)?;
    Ok(ThresholdSearch { bundle, params, own, judged, report })
}

impl ThresholdSearch<'_> {
    /// What was found.
    pub fn report(&self) -> &Thresholds {
        &self.report
    }
}

fn check_part(rows: &Rows<'_>, what_for: &str) -> Result<(), TrainError> {
    let stands = |with: bool| {
        let of = rows.y.iter().zip(&rows.patients).filter(|(y, _)| **y == with);
        enough(of.map(|(_, patient)| *patient))
    };
    match stands(true) && stands(false) {
        true => Ok(()),
        false => {
            Err(TrainError::TooFewForCut { what_for: what_for.to_owned(), count: count(rows) })
        }
    }
}

fn count(rows: &Rows<'_>) -> PartCount {
    let mut patients = rows.patients.clone();
    patients.dedup();
    PartCount {
        index_times: Count(rows.p.len() as u64),
        patients: Count(patients.len() as u64),
        outcomes: Count(rows.y.iter().filter(|y| **y).count() as u64),
    }
}

/// What a report is made from.
struct Finding<'a> {
    bundle: &'a Bundle,
    params: &'a ThresholdsParams,
    own: &'a Rows<'a>,
    judged: &'a Rows<'a>,
    cohort: &'a Cohort<'a>,
}

impl Finding<'_> {
    fn report(&self, censoring: Option<CensoringReport>) -> Result<Thresholds, TrainError> {
        let Finding { bundle, params, own, judged, cohort } = *self;
        let manifest = bundle.manifest();
        let present = manifest.upper_tiers().get(params.tier).ok_or(TrainError::NoTier)?;
        let counted = index_times_per_day(cohort.samples());
        let rate = params.index_times_per_day.or(counted);
        let from = match params.index_times_per_day {
            Some(_) => RateFrom::Caller,
            None => RateFrom::Export,
        };
        let weights = own.weights();
        let (p, y, patients) = (&own.p, &own.y, &own.patients);
        let rows = CutRows { p, y, patients, weights, index_times_per_day: rate };
        let asked = params.rule;
        let fault = |fault| TrainError::Tier { tier: present.name.clone(), rule: asked, fault };
        let cut = rows.cut(asked).map_err(fault)?;
        let present_cut = Some(present.from).filter(|from| *from == cut || self.apart(cut, *from));
        let rules = self.figures(&self.neighbours(&rows, cut, present_cut), rate);
        let as_it_is = present_cut.map(|from| self.figures(&[(asked, from)], rate));
        let as_it_is = as_it_is.and_then(|rows| rows.first().map(|row| row.burden));
        let burden = rules.iter().find(|row| row.is_asked).map(|row| row.burden);
        Ok(Thresholds {
            task: manifest.task.clone(),
            version: manifest.version.clone(),
            digest: bundle.digest().to_owned(),
            tier: present.name.clone(),
            rule: asked,
            index_times_per_day: rate,
            index_times_per_day_from: rate.map(|_| from),
            found_on: count(own),
            judged_on: count(judged),
            held_out_part: params.held_out.to_string(),
            attrition: cohort.attrition().shown(),
            censoring,
            cut,
            promise: burden.map_or(Promise::NotJudged, |burden| Promise::of(asked, &burden)),
            rules,
            as_it_is,
            groups: group_flags(judged, cut, None, BOOTSTRAP_SEED),
            warnings: self.warnings(cut),
        })
    }

    /// The cuts of the rule and of its neighbours that the judged patients can tell apart, from the
    /// highest down.
    fn neighbours(
        &self,
        rows: &CutRows<'_>,
        cut: f64,
        present: Option<f64>,
    ) -> Vec<(TierRule, f64)> {
        let asked = self.params.rule;
        let mut found: Vec<(TierRule, f64)> = vec![(asked, cut)];
        let beside = NEIGHBOURS.iter().map(|share| asked.with_value(share * asked.value()));
        let mut beside: Vec<(TierRule, f64)> = beside
            .filter(|rule| rule.fault().is_none())
            .filter_map(|rule| Some((rule, rows.cut(rule).ok()?)))
            .collect();
        // The nearest first, so that none is lost to one that is farther away.
        beside.sort_by(|a, b| (a.1 - cut).abs().total_cmp(&(b.1 - cut).abs()));
        for (rule, other) in beside {
            let mut told = found.iter().map(|(_, known)| *known).chain(present);
            if told.all(|known| self.apart(known, other)) {
                found.push((rule, other));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found
    }

    /// Whether enough judged patients with and without the outcome lie between two cuts: whoever knows
    /// the figures of both knows theirs.
    fn apart(&self, one: f64, other: f64) -> bool {
        let Rows { p, y, patients, .. } = self.judged;
        let between = one.min(other)..one.max(other);
        [true, false].iter().all(|with| {
            let rows = (0..p.len()).filter(|row| between.contains(&p[*row]) && y[*row] == *with);
            enough(rows.map(|row| patients[row]))
        })
    }

    fn figures(&self, cuts: &[(TierRule, f64)], rate: Option<f64>) -> Vec<RuleFigures> {
        let Rows { p, y, patients, .. } = self.judged;
        let values: Vec<f64> = cuts.iter().map(|(_, cut)| *cut).collect();
        let weights = self.judged.weights();
        let table = threshold_table(p, y, patients, weights, &values, BOOTSTRAP_SEED);
        let line = |((rule, _), row): (&(TierRule, f64), _)| RuleFigures {
            rule: *rule,
            is_asked: *rule == self.params.rule,
            burden: AlertBurden::of(row, rate),
        };
        cuts.iter().zip(&table).map(line).collect()
    }

    fn warnings(&self, cut: f64) -> Vec<String> {
        let Finding { bundle, params, own, .. } = *self;
        let tiers = &bundle.manifest().tiers;
        let mut found = Vec::new();
        if let Some(above) = params.tier.checked_sub(1).and_then(|place| tiers.get(place))
            && cut > above.from
        {
            found.push(format!("the tier would begin above the higher tier `{}`", above.name));
        }
        if let Some(below) = tiers.get(params.tier + 1)
            && cut < below.from
        {
            found.push(format!("the tier would begin below the lower tier `{}`", below.name));
        }
        if let TierRule::CostRatio(_) = params.rule {
            let weights = own.weights();
            let (p, y, patients) = (&own.p, &own.y, &own.patients);
            let curve = calibration_curve(p, y, patients, weights, BOOTSTRAP_SEED);
            let near = curve
                .into_iter()
                .min_by(|a, b| (a.predicted - cut).abs().total_cmp(&(b.predicted - cut).abs()));
            let off =
                near.filter(|at| at.predicted < at.interval[0] || at.predicted > at.interval[1]);
            found.extend(off.map(|at| {
                format!(
                    "a cost ratio takes the probabilities at their word, and where the model says \
                     {:.1}% these records show {:.1}% ({:.1} to {:.1}): `evaluate --recalibrate` \
                     first",
                    100.0 * at.predicted,
                    100.0 * at.observed,
                    100.0 * at.interval[0],
                    100.0 * at.interval[1]
                )
            }));
        }
        found
    }
}

#[cfg(test)]
mod tests;
