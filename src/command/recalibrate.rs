//! `evaluate --recalibrate`: a version of a bundle for other patients, not yet in service.

use std::path::PathBuf;

use serde::Serialize;

use super::evaluate::{EvaluateRequest, Evaluated, judged, replayed};
use super::{CommandError, records};
use crate::import::{Counts, Meter};
use crate::registry;
use crate::train::{self, HeldOut, RecalibrateParams, RecalibrationReport};

/// What `evaluate --recalibrate` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct RecalibrateRequest {
    /// The bundle and the export; the bundle as it is is judged on it too.
    pub evaluate: EvaluateRequest,
    /// The models folder that gets the new version.
    pub models: PathBuf,
    /// Whom to judge on and not to recalibrate on.
    pub held_out: HeldOut,
}

impl RecalibrateRequest {
    /// Half of the patients.
    pub const HELD_OUT: HeldOut = HeldOut::Part { part: 0, of: 2 };
}

/// What `evaluate --recalibrate` made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecalibratedOutcome {
    pub bundle: PathBuf,
    pub version: String,
    pub digest: String,
    pub lines: Counts,
    pub metrics: RecalibrationReport,
    /// The bundle it was made from, on all of the export.
    pub evaluated: Evaluated,
}

impl RecalibratedOutcome {
    /// What was made, in sentences.
    pub fn summary(&self) -> String {
        format!(
            "{}\nrecalibrated: {}\nwritten: {} (digest {})\nnot yet in service: see `promote`",
            self.evaluated.summary(),
            self.metrics.sentence(),
            self.bundle.display(),
            self.digest
        )
    }
}

/// Judges a bundle on an export, recalibrates it on one part of the patients and judges it on the
/// other; the result is published as a new version.
///
/// # Errors
/// As `evaluate`; also too few outcomes, a bundle without a model, or one that ranks these patients the
/// wrong way round.
pub fn recalibrate(
    request: &RecalibrateRequest,
    meter: &Meter,
) -> Result<RecalibratedOutcome, CommandError> {
    let RecalibrateRequest { evaluate, models, held_out } = request;
    let bundle = records::bundle(&evaluate.bundle, &evaluate.concepts)?;
    let task = bundle.manifest().task.as_str();
    if bundle.is_published_only() {
        return Err(CommandError::Usage(format!(
            "this version of {task} shows published scores alone: there is no model to recalibrate"
        )));
    }
    if *held_out == HeldOut::Nobody {
        return Err(CommandError::Usage(
            "--held-out: some patients must be left to judge the recalibration on".to_owned(),
        ));
    }
    let files = registry::read_files(&evaluate.bundle)?;
    let export = records::export(&evaluate.source)?;
    let replayed = replayed(&bundle, &export, evaluate, meter)?;
    let evaluated = judged(&bundle, &replayed, &export, evaluate)?;
    let all_read = !evaluate.only_held_out;
    let params = RecalibrateParams {
        version: registry::next_version(models, task)?,
        held_out: *held_out,
        source: records::source_params(&export),
        index_times_per_day: train::index_times_per_day(replayed.cohort.samples())
            .filter(|_| all_read),
    };
    let probability = |sample: &train::Sample| replayed.probability(sample);
    let made = train::recalibrate(&bundle, &files, &replayed.cohort, &params, probability)?;
    let folder = registry::publish(models, task, &params.version, &made.files)?;
    Ok(RecalibratedOutcome {
        bundle: folder,
        version: params.version,
        digest: made.bundle.digest().to_owned(),
        lines: replayed.lines.clone(),
        metrics: made.report,
        evaluated,
    })
}
