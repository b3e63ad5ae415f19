//! `evaluate`: judge a bundle on an export, with every prediction it made.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use super::predictions::{PredictionFile, Row};
use super::records::{self, Source};
use super::score::{histories, rows};
use super::{CommandError, io_error, write_json};
use crate::bundle::{Bundle, REPORT, TierCut};
use crate::import::{Counts, Export, Meter, Received, Wanted};
use crate::record::{Histories, Time};
use crate::train::{self, Account, Cohort, Evaluation, HeldOut, Sample, ShownAttrition};

/// What `evaluate` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateRequest {
    /// A version folder.
    pub bundle: PathBuf,
    pub source: Source,
    pub concepts: Vec<PathBuf>,
    /// A folder for `metrics.json`, `report.html` and `predictions.parquet`.
    pub out: PathBuf,
    /// Only patients that the fit of this bundle held out.
    pub only_held_out: bool,
}

/// What `evaluate` found; `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    pub task: String,
    pub version: String,
    pub digest: String,
    pub only_held_out: bool,
    pub lines: Counts,
    pub attrition: ShownAttrition,
    pub evaluation: Evaluation,
}

impl Evaluated {
    /// What was found, in sentences.
    pub fn summary(&self) -> String {
        let follow_up = self.evaluation.censoring.as_ref();
        let published = self.evaluation.published.iter();
        let published: String = published.map(|one| format!("\n{}", one.sentence())).collect();
        format!(
            "{} version {}: {} index times of {} patients, {} with the outcome\n{}\n{}{}{published}",
            self.task,
            self.version,
            self.attrition.samples,
            self.attrition.patients,
            self.attrition.outcomes,
            self.lines.sentence(),
            follow_up.map_or(String::new(), |censoring| censoring.sentence() + "\n"),
            self.evaluation.metrics.sentence()
        )
    }
}

/// What one part of an export gives.
struct Part<'a> {
    cohort: Cohort<'a>,
    rows: Vec<Row>,
    histories: Histories<'a>,
}

/// The cohort of an export with what a bundle says of it.
pub(super) struct Replayed<'a> {
    pub cohort: Cohort<'a>,
    pub lines: Counts,
    probabilities: HashMap<(i64, Time), Option<f64>>,
}

impl Replayed<'_> {
    /// The probability that the bundle gave a sample; `None` without enough data.
    pub(super) fn probability(&self, sample: &Sample) -> Option<f64> {
        self.probabilities.get(&(sample.subject_id, sample.prediction_time)).copied().flatten()
    }
}

/// Judges a bundle on every labelled index time of an export.
///
/// # Errors
/// A bundle that is refused, files that cannot be read or written, a cohort without both outcomes.
pub fn evaluate(request: &EvaluateRequest, meter: &Meter) -> Result<Evaluated, CommandError> {
    let bundle = records::bundle(&request.bundle, &request.concepts)?;
    let export = records::export(&request.source)?;
    let replayed = replayed(&bundle, &export, request, meter)?;
    judged(&bundle, &replayed, &export, request)
}

/// Replays the export; every prediction goes to `predictions.parquet`.
pub(super) fn replayed<'a>(
    bundle: &'a Bundle,
    export: &Export,
    request: &EvaluateRequest,
    meter: &Meter,
) -> Result<Replayed<'a>, CommandError> {
    let held_out = match request.only_held_out {
        true => held_out(bundle)?,
        false => Vec::new(),
    };
    std::fs::create_dir_all(&request.out).map_err(io_error(&request.out))?;
    let mut file = PredictionFile::create(&request.out.join("predictions.parquet"))?;
    let begin = |parts| Part {
        cohort: Cohort::part(bundle.task(), bundle.concepts(), parts),
        rows: Vec::new(),
        histories: histories(bundle),
    };
    let wanted = Wanted::for_index_times(bundle.task());
    let (parts, lines) = export.fold(meter, &wanted, begin, |part, subject| {
        if held_out.iter().any(|held_out| !held_out.holds(&subject.group, subject.split)) {
            return Received::Skipped("not held out".to_owned());
        }
        let case = records::case(subject);
        match case.history(bundle.task(), &mut part.histories) {
            Ok(None) => {}
            Ok(Some(history)) => {
                part.rows.extend(rows(bundle, &case, &history));
                part.cohort.add_history(&case, &history);
            }
            Err(error) => return Received::Quarantined(error.to_string()),
        }
        Received::Used
    })?;
    let mut probabilities = HashMap::new();
    let mut cohorts = Vec::with_capacity(parts.len());
    for Part { cohort, rows, histories: _ } in parts {
        cohorts.push(cohort);
        for row in rows {
            probabilities.insert((row.subject_id, row.prediction_time), row.probability);
            file.push(row);
        }
    }
    file.finish()?;
    let cohort = Cohort::joined(bundle.task(), bundle.concepts(), cohorts);
    Ok(Replayed { cohort, lines, probabilities })
}

/// Judges what was replayed; the figures go to `metrics.json`.
pub(super) fn judged(
    bundle: &Bundle,
    replayed: &Replayed<'_>,
    export: &Export,
    request: &EvaluateRequest,
) -> Result<Evaluated, CommandError> {
    let evaluation =
        train::evaluate(bundle, &replayed.cohort, |sample| replayed.probability(sample));
    let mut evaluation = evaluation.ok_or_else(|| {
        CommandError::Data("the cohort does not hold both outcomes: nothing can be judged".into())
    })?;
    // Held-out patients alone are not all that come a day.
    if !request.only_held_out {
        evaluation.index_times_per_day = train::index_times_per_day(replayed.cohort.samples());
    }
    let manifest = bundle.manifest();
    let evaluated = Evaluated {
        task: manifest.task.clone(),
        version: manifest.version.clone(),
        digest: bundle.digest().to_owned(),
        only_held_out: request.only_held_out,
        lines: replayed.lines.clone(),
        attrition: replayed.cohort.attrition().shown(),
        evaluation,
    };
    write_json(&request.out.join("metrics.json"), &evaluated)?;
    let source = records::source_params(export);
    let Evaluated { attrition, evaluation, .. } = &evaluated;
    let account =
        Account::of_evaluation(bundle, &source, attrition, evaluation, request.only_held_out);
    let path = request.out.join(REPORT);
    std::fs::write(&path, account.html()).map_err(io_error(&path))?;
    Ok(evaluated)
}

/// Whom the fit of a bundle held out, and its recalibration where there was one: patients that it has
/// not learnt from are in all of these.
pub(super) fn not_learnt_from(bundle: &Bundle) -> Result<Vec<HeldOut>, CommandError> {
    let manifest = bundle.manifest();
    let fit = manifest.development.as_ref().map_or("none", |of| of.held_out_part.as_str());
    let moved = manifest.recalibrated.as_ref().map(|of| of.held_out_part.as_str());
    parsed(bundle, [Some(fit), moved].into_iter().flatten())
}

/// As `not_learnt_from`, without those that a tier's cut was found on.
pub(super) fn held_out(bundle: &Bundle) -> Result<Vec<HeldOut>, CommandError> {
    let recuts = bundle.manifest().tiers.iter().filter_map(TierCut::recut);
    let mut parts = not_learnt_from(bundle)?;
    parts.extend(parsed(bundle, recuts.map(|of| of.held_out_part.as_str()))?);
    Ok(parts)
}

fn parsed<'a>(
    bundle: &Bundle,
    parts: impl Iterator<Item = &'a str>,
) -> Result<Vec<HeldOut>, CommandError> {
    let manifest = bundle.manifest();
    let somebody = parts.map(|part| HeldOut::parse(part).filter(|h| *h != HeldOut::Nobody));
    somebody.collect::<Option<Vec<HeldOut>>>().ok_or_else(|| {
        CommandError::Data(format!(
            "the fit of {} version {} held nobody out: nothing to judge on",
            manifest.task, manifest.version
        ))
    })
}
