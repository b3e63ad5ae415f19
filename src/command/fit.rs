//! `fit`: a new version folder under the models folder, not yet in service.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CommandError;
use super::records::{self, Source};
use crate::import::{Column, ColumnType, Counts, Meter, ParquetWriter};
use crate::registry;
use crate::train::{self, Cohort, Dump, FitParams, HeldOut, Report};

/// How many rows of a dumped matrix are written at a time.
const DUMP_ROWS: usize = 8_192;

/// What `fit` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct FitRequest {
    pub task: PathBuf,
    pub source: Source,
    pub models: PathBuf,
    pub concepts: Vec<PathBuf>,
    /// Formula files of the site, which the task may name beside those built in.
    pub published: Vec<PathBuf>,
    pub seed: u64,
    pub held_out: HeldOut,
    pub dump_matrix: Option<PathBuf>,
}

/// What `fit` made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FitOutcome {
    pub bundle: PathBuf,
    pub version: String,
    pub digest: String,
    pub lines: Counts,
    pub metrics: Report,
}

impl FitOutcome {
    /// What was made, in sentences.
    pub fn summary(&self) -> String {
        let Report { chosen, cross_validation, held_out, attrition, .. } = &self.metrics;
        let mut text = format!(
            "{}: {} index times of {} patients, {} with the outcome\n{}\n",
            self.metrics.task,
            attrition.samples,
            attrition.patients,
            attrition.outcomes,
            self.lines.sentence()
        );
        for (judged_on, figures) in [("cross-validation", cross_validation), ("held out", held_out)]
        {
            for (family, metrics) in figures {
                let [low, high] = metrics.auroc_interval;
                text += &format!(
                    "{judged_on}, {family}: AUROC {:.4} ({low:.4} to {high:.4}), observed / expected \
                     {:.3}, calibration slope {:.3}\n",
                    metrics.auroc, metrics.observed_over_expected, metrics.calibration_slope
                );
            }
        }
        text += &format!(
            "in use: {chosen}\nwritten: {} (digest {})\nnot yet in service: see `promote`",
            self.bundle.display(),
            self.digest
        );
        text
    }

    /// What should be looked at before the model is used.
    pub fn warnings(&self) -> Vec<String> {
        let unused = self.metrics.unused_columns.iter();
        let mut warnings: Vec<String> = unused
            .map(|column| format!("column {column} is empty, constant or too rare: not used"))
            .collect();
        warnings.extend(self.lines.warnings());
        warnings
    }
}

/// Fits the task's models on an export and publishes them as a new version.
///
/// # Errors
/// Files that cannot be read or written, a cohort too small, a fault of a model library.
pub fn fit(
    request: &FitRequest,
    meter: &Meter,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<FitOutcome, CommandError> {
    let concepts = records::concepts(&request.task, &request.concepts)?;
    let formulas = records::formulas(&request.published)?;
    let task = records::task(&request.task, &concepts, &formulas)?;
    let export = records::export(&request.source)?;
    progress("reading records");
    let (cohort, lines) = records::cohort(&task, &concepts, &export, meter, |_| true)?;
    let name = task.params().name.as_str();
    let params = FitParams {
        version: registry::next_version(&request.models, name)?,
        seed: request.seed,
        held_out: request.held_out,
        source: records::source_params(&export),
    };
    let fitted = train::fit(&cohort, &params, progress)?;
    if let Some(path) = &request.dump_matrix {
        progress("writing the matrix");
        dump(path, &cohort, &fitted.dump)?;
    }
    let bundle = registry::publish(&request.models, name, &params.version, &fitted.files)?;
    Ok(FitOutcome {
        bundle,
        version: params.version,
        digest: fitted.bundle.digest().to_owned(),
        lines,
        metrics: fitted.report,
    })
}

/// Writes the matrix that was fitted: ids, outcome, split, fold, and one column a feature column.
fn dump(path: &Path, cohort: &Cohort<'_>, dump: &Dump) -> Result<(), CommandError> {
    let mut columns = vec![
        ("subject_id", ColumnType::Integer),
        ("patient_id", ColumnType::Text),
        ("group", ColumnType::Integer),
        ("prediction_time", ColumnType::Time),
        ("boolean_value", ColumnType::Boolean),
        ("split", ColumnType::Text),
        ("fold", ColumnType::Integer),
    ];
    columns.extend(dump.columns.iter().map(|column| (column.name.as_str(), ColumnType::Float)));
    let mut writer = ParquetWriter::create(path, &columns)?;
    let groups = cohort.patient_numbers();
    for from in (0..cohort.samples().len()).step_by(DUMP_ROWS) {
        let rows = from..(from + DUMP_ROWS).min(cohort.samples().len());
        let samples = &cohort.samples()[rows.clone()];
        let folds = &dump.folds[rows.clone()];
        let values: Vec<Vec<f32>> = (0..dump.columns.len())
            .map(|column| rows.clone().map(|row| dump.matrix.get(row, column)).collect())
            .collect();
        let ids: Vec<i64> = samples.iter().map(|s| s.subject_id).collect();
        let patients: Vec<_> = samples.iter().map(|s| Some(s.patient_id.as_str())).collect();
        let groups: Vec<i64> = groups[rows.clone()].iter().map(|g| i64::from(*g)).collect();
        let times: Vec<_> = samples.iter().map(|s| Some(s.prediction_time)).collect();
        let labels: Vec<_> = samples.iter().map(|s| Some(s.boolean_value)).collect();
        let split = |fold: &Option<u8>| Some(if fold.is_some() { "train" } else { "held_out" });
        let splits: Vec<_> = folds.iter().map(split).collect();
        let folds: Vec<i64> = folds.iter().map(|fold| fold.map_or(-1, i64::from)).collect();
        let mut batch = vec![
            Column::Integer(&ids),
            Column::Text(&patients),
            Column::Integer(&groups),
            Column::Time(&times),
            Column::Boolean(&labels),
            Column::Text(&splits),
            Column::Integer(&folds),
        ];
        batch.extend(values.iter().map(|column| Column::Float(column)));
        writer.append(&batch)?;
    }
    Ok(writer.finish()?)
}
