//! `evaluate`: judge a bundle on an export, with every prediction it made.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use super::predictions::{PredictionFile, Row};
use super::records::{self, Source};
use super::score::{histories, rows};
use super::{CommandError, io_error};
use crate::import::{Counts, Meter, Received, Wanted};
use crate::record::Histories;
use crate::train::{self, Cohort, Evaluation, HeldOut, ShownAttrition};

/// What `evaluate` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateRequest {
    /// A version folder.
    pub bundle: PathBuf,
    pub source: Source,
    pub concepts: Vec<PathBuf>,
    /// A folder for `metrics.json` and `predictions.parquet`.
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
struct Part<'b> {
    cohort: Cohort<'b>,
    rows: Vec<Row>,
    histories: Histories<'b>,
}

/// Judges a bundle on every labelled index time of an export.
///
/// # Errors
/// A bundle that is refused, files that cannot be read or written, a cohort without both outcomes.
pub fn evaluate(request: &EvaluateRequest, meter: &Meter) -> Result<Evaluated, CommandError> {
    let bundle = records::bundle(&request.bundle, &request.concepts)?;
    let export = records::export(&request.source)?;
    let development = bundle.manifest().development.as_ref();
    let part = development.map_or("none", |development| development.held_out_part.as_str());
    let held_out = match request.only_held_out {
        true => Some(HeldOut::parse(part).filter(|h| *h != HeldOut::Nobody).ok_or_else(|| {
            CommandError::Data("the fit of this bundle held nobody out: nothing to judge on".into())
        })?),
        false => None,
    };
    std::fs::create_dir_all(&request.out).map_err(io_error(&request.out))?;
    let mut file = PredictionFile::create(&request.out.join("predictions.parquet"))?;
    let begin = |parts| Part {
        cohort: Cohort::part(bundle.task(), bundle.concepts(), parts),
        rows: Vec::new(),
        histories: histories(&bundle),
    };
    let (parts, lines) =
        export.fold(meter, &Wanted::for_index_times(bundle.task()), begin, |part, subject| {
            if held_out.is_some_and(|held_out| !held_out.holds(&subject.group, subject.split)) {
                return Received::Skipped("not held out".to_owned());
            }
            let case = records::case(subject);
            match case.history(bundle.task(), &mut part.histories) {
                Ok(None) => {}
                Ok(Some(history)) => {
                    part.rows.extend(rows(&bundle, &case, &history));
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
    let evaluation = train::evaluate(&bundle, &cohort, |sample| {
        probabilities.get(&(sample.subject_id, sample.prediction_time)).copied().flatten()
    });
    let evaluation = evaluation.ok_or_else(|| {
        CommandError::Data("the cohort does not hold both outcomes: nothing can be judged".into())
    })?;
    let manifest = bundle.manifest();
    let evaluated = Evaluated {
        task: manifest.task.clone(),
        version: manifest.version.clone(),
        digest: bundle.digest().to_owned(),
        only_held_out: request.only_held_out,
        lines,
        attrition: cohort.attrition().shown(),
        evaluation,
    };
    let path = request.out.join("metrics.json");
    let text = serde_json::to_string_pretty(&evaluated)
        .map_err(|error| CommandError::Json(error.to_string()))?;
    std::fs::write(&path, text + "\n").map_err(io_error(&path))?;
    Ok(evaluated)
}
