//! A version of a bundle for other patients: the same models, their probabilities moved to where the
//! outcomes of those patients are.
//!
//! Two parts of the patients are taken: on one the level (and with enough outcomes the slope) of the
//! log-odds is fitted (Cox 1958; Steyerberg et al. 2004 call it logistic recalibration), on the other
//! the new version is judged. Ranks stay as they were, and so does everything that says why.

use serde::Serialize;

use super::assemble::{json, reference, years};
use super::attrition::ShownAttrition;
use super::censoring::{CensoringReport, FollowUp};
use super::cohort::{Cohort, Sample};
use super::evaluate::{BOOTSTRAP_SEED, Evaluation, evaluation, predicted};
use super::interval::interval;
use super::judgement::{Rows, drift_reference};
use super::metrics::{
    Metrics, calibration_in_the_large, calibration_line, enough, log_odds, paired,
};
use super::report::{SourceNote, TrainError, headline};
use super::small_cell::Count;
use super::split::HeldOut;
use super::tier_cut::{CutRows, named_rules, tier_cuts};
use super::versus::Beside;
use crate::bundle::{
    Bundle, CARD, Files, MANIFEST, METRICS, Manifest, REPORT, Recalibration, sealed,
};
use crate::model::sigmoid;

/// With fewer outcomes the level alone is moved: a slope would follow chance (Steyerberg 2019, ch. 20).
const SLOPE_EVENTS_MIN: usize = 100;

/// What a recalibration is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct RecalibrateParams {
    /// The version to write into the new bundle.
    pub version: String,
    /// Whom to judge on and not to recalibrate on.
    pub held_out: HeldOut,
    pub source: SourceNote,
    /// Of the whole source; `None` where nothing tells.
    pub index_times_per_day: Option<f64>,
}

/// Everything that is reported about a recalibration; `metrics.json` of the new bundle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecalibrationReport {
    pub task: String,
    pub recalibrated: Recalibration,
    pub attrition: ShownAttrition,
    /// What was done about samples that were not followed to the end; absent where all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub censoring: Option<CensoringReport>,
    /// The version it was made from, on the patients that the new one is judged on.
    pub before: Option<Metrics>,
    /// The new version on patients it was not recalibrated on.
    pub held_out_evaluation: Option<Evaluation>,
    /// The new version less the one it was made from, on those patients.
    pub beside: Option<Beside>,
}

impl RecalibrationReport {
    /// What was done and what came of it, in sentences.
    pub fn sentence(&self) -> String {
        let Recalibration { intercept, slope, index_times, outcomes, .. } = &self.recalibrated;
        let before = self.before.as_ref().map_or("not judged".to_owned(), Metrics::sentence);
        let after = self.held_out_evaluation.as_ref();
        let after = after.map_or("not judged".to_owned(), |judged| judged.metrics.sentence());
        format!(
            "log-odds = {intercept:+.3} + {slope:.3} x those before, on {index_times} index times with \
             {outcomes} outcomes\non other patients before: {before}\non other patients after: {after}"
        )
    }
}

/// A finished recalibration.
#[derive(Debug)]
pub struct RecalibratedVersion {
    pub files: Files,
    pub bundle: Bundle,
    pub report: RecalibrationReport,
}

/// Recalibrates `bundle`, whose files are `files`, on the samples of `cohort`, given the probability
/// it gave each (`None` for one without enough data, which is left out).
///
/// # Errors
/// Too few outcomes to recalibrate on, or a bundle that ranks these patients the wrong way round.
pub fn recalibrate(
    bundle: &Bundle,
    files: &Files,
    cohort: &Cohort<'_>,
    params: &RecalibrateParams,
    probability: impl Fn(&Sample) -> Option<f64>,
) -> Result<RecalibratedVersion, TrainError> {
    let holds = |sample: &Sample| params.held_out.holds(&sample.group, sample.split);
    let held_out: Vec<bool> = cohort.samples().iter().map(holds).collect();
    let learns: Vec<bool> = held_out.iter().map(|held| !held).collect();
    let follow_up = FollowUp::of(cohort, &learns);
    let part = |held: bool| part(cohort, &follow_up, &probability, |row| held_out[row] == held);
    let (own, judged) = (part(false), part(true));
    let recalibrated = recalibration(&own, bundle, params)?;
    let parent_card = files.get(CARD).map(|card| String::from_utf8_lossy(card).into_owned());
    let mut files = without_account(files);
    let mut manifest = moved(&own, bundle, &recalibrated, params)?;
    let draft = Bundle::draft(&sealed(manifest.clone(), files.clone())?)?;
    for golden in &mut manifest.golden {
        golden.probability = draft.predict(&golden.values()).probability;
    }
    let mut report = report(bundle, &draft, cohort, &judged, &follow_up, recalibrated);
    if let Some(judged) = &mut report.held_out_evaluation {
        judged.index_times_per_day = params.index_times_per_day;
    }
    manifest.held_out = report.held_out_evaluation.as_ref().map(|of| headline(&of.metrics));
    files.insert(METRICS.into(), json(&report)?);
    let card = card(&manifest, &report, &params.source, &parent_card.unwrap_or_default());
    files.insert(CARD.into(), card.into_bytes());
    let files = sealed(manifest, files)?;
    let bundle = Bundle::open(&files)?;
    Ok(RecalibratedVersion { files, bundle, report })
}

/// The files of a version without those that are written of it, and not true of one made from it.
pub(super) fn without_account(files: &Files) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| ![METRICS, CARD, MANIFEST, REPORT].contains(&name.as_str()));
    files
}

fn report(
    parent: &Bundle,
    draft: &Bundle,
    cohort: &Cohort<'_>,
    judged: &Rows<'_>,
    follow_up: &FollowUp,
    recalibrated: Recalibration,
) -> RecalibrationReport {
    let Rows { samples, p, y, patients, .. } = judged;
    let weights = judged.weights();
    let after: Vec<f64> = samples.iter().map(|sample| said(draft, sample)).collect();
    let comparison = paired(&after, p, y, patients, weights, BOOTSTRAP_SEED);
    RecalibrationReport {
        task: parent.manifest().task.clone(),
        recalibrated,
        attrition: cohort.attrition().shown(),
        censoring: follow_up.report.clone(),
        before: Metrics::of(p, y, patients, weights, BOOTSTRAP_SEED),
        held_out_evaluation: evaluation(draft, &predicted(judged, &after)),
        beside: comparison.map(|comparison| Beside {
            version: parent.manifest().version.clone(),
            digest: parent.digest().to_owned(),
            comparison,
        }),
    }
}

/// The card of the new version: what moved it and what came of that, then its parent's card.
fn card(
    manifest: &Manifest,
    report: &RecalibrationReport,
    source: &SourceNote,
    parent: &str,
) -> String {
    let by = &report.recalibrated;
    let [first, last] = by.years;
    let row = |name: &str, metrics: Option<&Metrics>| {
        let Some(metrics) = metrics else { return format!("| {name} | - | - | - | - |\n") };
        let [low, high] = metrics.observed_over_expected_interval;
        let [flat, steep] = metrics.calibration_slope_interval;
        format!(
            "| {name} | {:.4} | {:.3} ({low:.3} to {high:.3}) | {:.3} ({flat:.3} to {steep:.3}) | {:.5} |\n",
            metrics.auroc, metrics.observed_over_expected, metrics.calibration_slope, metrics.brier
        )
    };
    let synthetic = match by.synthetic_training_data {
        true => "\n**Recalibrated on a simulated population: never for patients.**\n",
        false => "",
    };
    let citation = source.citation.as_ref().map_or(String::new(), |text| format!("{text}\n"));
    format!(
        "# Version {} of `{}`: version {} recalibrated\n{synthetic}\n## What it was recalibrated on\n\n\
         {}, {first}-{last}.\n{citation}\nOn {} index times of {} patients, {} with the outcome: \
         log-odds = {:+.4} + {:.4} x those of the parent (sha256 {}). Tiers, reference percentiles \
         and intervals are those of these patients; the models and their reasons are the parent's. \
         Part {} of the patients was held out.\n\n## How well it does on the patients held out\n\n\
         | version | AUROC | observed / expected (95% interval) | calibration slope (95% interval) | \
         Brier |\n| --- | --- | --- | --- | --- |\n{}{}\n## The parent's card\n\nIts figures are those of \
         its own patients.\n\n{parent}",
        manifest.version,
        manifest.task,
        by.parent_version,
        by.source,
        by.index_times,
        by.patients,
        by.outcomes,
        by.intercept,
        by.slope,
        by.parent_digest,
        by.held_out_part,
        row("parent", report.before.as_ref()),
        row("this", report.held_out_evaluation.as_ref().map(|judged| &judged.metrics)),
    )
}

/// What a bundle says of a sample.
fn said(bundle: &Bundle, sample: &Sample) -> f64 {
    bundle.predict(&bundle.manifest().vocabulary.row(&sample.facts)).probability
}

/// Some rows of a cohort with what the old version says of them.
pub(super) fn part<'a>(
    cohort: &'a Cohort<'_>,
    follow_up: &FollowUp,
    probability: impl Fn(&Sample) -> Option<f64>,
    is_in: impl Fn(usize) -> bool,
) -> Rows<'a> {
    let samples = cohort.samples();
    let rows = follow_up.weights().counted((0..samples.len()).filter(|row| is_in(*row)));
    let given = |row: usize| Some((row, probability(&samples[row])?));
    let (rows, p): (Vec<usize>, Vec<f64>) = rows.into_iter().filter_map(given).unzip();
    let numbers = cohort.patient_numbers();
    Rows {
        samples: rows.iter().map(|row| &samples[*row]).collect(),
        p,
        y: rows.iter().map(|row| samples[*row].boolean_value).collect(),
        patients: rows.iter().map(|row| numbers[*row]).collect(),
        weights: follow_up.weights().uneven(&rows),
    }
}

/// The line of the outcomes on the log-odds of the old probabilities, and what it rests on.
fn recalibration(
    rows: &Rows<'_>,
    parent: &Bundle,
    params: &RecalibrateParams,
) -> Result<Recalibration, TrainError> {
    let Rows { samples, p, y, patients, .. } = rows;
    let weights = rows.weights();
    let events = y.iter().filter(|event| **event).count();
    let too_few = || {
        let negatives = Count((y.len() - events) as u64);
        TrainError::TooFewToRecalibrate { positives: Count(events as u64), negatives }
    };
    let of = |with: bool| y.iter().zip(patients).filter(move |(y, _)| **y == with);
    if [true, false].iter().any(|with| !enough(of(*with).map(|(_, patient)| *patient))) {
        return Err(too_few());
    }
    let line = match events >= SLOPE_EVENTS_MIN {
        true => calibration_line(p, y, weights),
        false => calibration_in_the_large(p, y, weights).map(|level| (level, 1.0)),
    };
    let (intercept, slope) = line.ok_or_else(too_few)?;
    if slope <= 0.0 {
        return Err(TrainError::RanksTheWrongWay);
    }
    let mut distinct = patients.clone();
    distinct.dedup();
    Ok(Recalibration {
        parent_version: parent.manifest().version.clone(),
        parent_digest: parent.digest().to_owned(),
        source: params.source.title.clone(),
        years: years(&params.source, samples),
        index_times: samples.len() as u64,
        patients: distinct.len() as u64,
        outcomes: events as u64,
        held_out_part: params.held_out.to_string(),
        intercept,
        slope,
        synthetic_training_data: params.source.synthetic,
    })
}

/// The parent's manifest with all that follows from the new probabilities: calibrators, tiers,
/// references and interval. Its golden inputs and figures are still to come.
fn moved(
    rows: &Rows<'_>,
    parent: &Bundle,
    by: &Recalibration,
    params: &RecalibrateParams,
) -> Result<Manifest, TrainError> {
    let weights = rows.weights();
    let all: Vec<usize> = (0..rows.p.len()).collect();
    let worth = weights.effective(&all).round().max(1.0) as u64;
    let mut manifest = parent.manifest().clone();
    manifest.version = params.version.clone();
    for member in &mut manifest.members {
        member.calibrator = member.calibrator.recalibrated(by.intercept, by.slope, worth);
        member.held_out = None;
    }
    let new = |p: &f64| sigmoid(by.intercept + by.slope * log_odds(*p));
    let p: Vec<f64> = rows.p.iter().map(new).collect();
    let Rows { y, patients, samples, .. } = rows;
    let cut_rows =
        CutRows { p: &p, y, patients, weights, index_times_per_day: params.index_times_per_day };
    manifest.tiers = tier_cuts(&named_rules(parent.task(), parent.manifest()), &cut_rows)?;
    manifest.reference = reference(&p, weights);
    manifest.interval = interval(&p, y, patients, weights, manifest.seed);
    let facts = samples.iter().map(|sample| &sample.facts);
    let matrix = manifest.vocabulary.matrix(manifest.columns.len(), facts);
    manifest.drift_reference = Some(drift_reference(&matrix, patients, &p));
    manifest.recalibrated = Some(by.clone());
    Ok(manifest)
}
