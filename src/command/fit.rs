//! `fit`: a new version folder under the models folder, not yet in service.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::CommandError;
use super::records::{self, Source};
use super::task_source::TaskSource;
use crate::import::{Column, ColumnType, Counts, Meter, ParquetWriter};
use crate::registry;
use crate::train::{
    self, CensoringReport, Cohort, Dump, FitParams, HeldOut, Pace, Report, Search, Step,
};

/// How many rows of a dumped matrix are written at a time.
const DUMP_ROWS: usize = 8_192;

/// What `fit` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct FitRequest {
    pub task: TaskSource,
    pub source: Source,
    pub models: PathBuf,
    /// A MEDS label file (or a folder of them) that replaces the task's own index times and outcome.
    pub labels: Option<PathBuf>,
    pub seed: u64,
    pub held_out: HeldOut,
    pub search: Search,
    /// After so long nothing new is tried. What is found then depends on the machine.
    pub time_limit: Option<Duration>,
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
    /// What is doubtful about the label file.
    pub label_warnings: Vec<String>,
}

impl FitOutcome {
    /// What was made, in sentences.
    pub fn summary(&self) -> String {
        let Report { shares, cross_validation, held_out, attrition, .. } = &self.metrics;
        let mut text = format!(
            "{}: {} index times of {} patients, {} with the outcome\n{}\n",
            self.metrics.task,
            attrition.samples,
            attrition.patients,
            attrition.outcomes,
            self.lines.sentence()
        );
        if let Some(censoring) = &self.metrics.censoring {
            text += &format!("{}\n", censoring.sentence());
        }
        for (judged_on, figures) in [("cross-validation", cross_validation), ("held out", held_out)]
        {
            for (contender, metrics) in figures {
                text += &format!("{judged_on}, {contender}: {}\n", metrics.sentence());
            }
        }
        let judged = &self.metrics.held_out_evaluation;
        for figures in judged.iter().flat_map(|judged| &judged.published) {
            text += &format!("held out, {}\n", figures.sentence());
        }
        let in_use: Vec<String> = shares
            .iter()
            .map(|(family, share)| format!("{:.0}% {family}", share * 100.0))
            .collect();
        let in_use = in_use.join(", ");
        text += &format!(
            "in use: {in_use}\nwritten: {} (digest {})\nnot yet in service: see `promote`",
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
        warnings.extend(self.metrics.censoring.iter().filter_map(CensoringReport::warning));
        let leaks = self.metrics.leaks.findings.iter();
        warnings.extend(leaks.map(|finding| format!("leak check: {}", finding.sentence())));
        warnings.extend(self.label_warnings.iter().cloned());
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
    progress: &(dyn Fn(&Step<'_>) + Sync),
) -> Result<FitOutcome, CommandError> {
    let begun = Instant::now();
    let is_over = || request.time_limit.is_some_and(|limit| begun.elapsed() >= limit);
    let (task, concepts) = request.task.read()?;
    let export = records::export(&request.source)?;
    progress(&Step::of("reading records"));
    let (cohort, lines, label_warnings) =
        records::cohort(&task, &concepts, &export, meter, request.labels.as_deref())?;
    let name = task.params().name.as_str();
    let params = FitParams {
        version: registry::next_version(&request.models, name)?,
        seed: request.seed,
        held_out: request.held_out,
        source: records::source_params(&export),
        search: request.search.clone(),
    };
    let pace = Pace { progress, is_over: &is_over };
    let fitted = train::fit(&cohort, &params, pace)?;
    if let Some(path) = &request.dump_matrix {
        progress(&Step::of("writing the matrix"));
        dump(path, &cohort, &fitted.dump)?;
    }
    let bundle = registry::publish(&request.models, name, &params.version, &fitted.files)?;
    Ok(FitOutcome {
        bundle,
        version: params.version,
        digest: fitted.bundle.digest().to_owned(),
        lines,
        metrics: fitted.report,
        label_warnings,
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
        ("weight", ColumnType::Float),
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
        let labels: Vec<_> =
            samples.iter().map(|s| (!s.censored).then_some(s.boolean_value)).collect();
        let weights: Vec<f32> =
            dump.weights[rows.clone()].iter().map(|weight| *weight as f32).collect();
        let split = |fold: &Option<u8>| Some(if fold.is_some() { "train" } else { "held_out" });
        let splits: Vec<_> = folds.iter().map(split).collect();
        let folds: Vec<i64> = folds.iter().map(|fold| fold.map_or(-1, i64::from)).collect();
        let mut batch = vec![
            Column::Integer(&ids),
            Column::Text(&patients),
            Column::Integer(&groups),
            Column::Time(&times),
            Column::Boolean(&labels),
            Column::Float(&weights),
            Column::Text(&splits),
            Column::Integer(&folds),
        ];
        batch.extend(values.iter().map(|column| Column::Float(column)));
        writer.append(&batch)?;
    }
    Ok(writer.finish()?)
}
