//! `simulate`: a population with known risks, written as an export with its truth beside it.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::{CommandError, io_error};
use crate::import::{
    Column, ColumnType, FhirWriter, MedsWriter, ParquetWriter, Subject, SyntheticMark, subject_id,
};
use crate::record::Record;
use crate::simulate::{KnownTask, Population, Settings, Simulated, TruthRow};

/// How many patients are in memory at a time, once drawn and once being written.
const BATCH_PATIENTS: u64 = 512;
/// How many rows of the truth are gathered before they are written.
const BATCH_ROWS: usize = 16_384;
/// The truth, in the export's folder, where no other file is named.
const TRUTH: &str = "truth.parquet";
/// The folder within the export's in which it is written.
const UNFINISHED: &str = ".unfinished";
/// The name of every simulated dataset.
const TITLE: &str = "prodrome simulated population";

const COLUMNS: [(&str, ColumnType); 7] = [
    ("subject_id", ColumnType::Integer),
    ("patient_id", ColumnType::Text),
    ("task", ColumnType::Text),
    ("prediction_time", ColumnType::Time),
    ("probability", ColumnType::Double),
    ("boolean_value", ColumnType::Boolean),
    ("true_value", ColumnType::Boolean),
];

/// What an export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// FHIR R4 Bulk Data.
    Fhir,
    /// MEDS 0.4.
    Meds,
}

impl ExportFormat {
    /// Reads `fhir` or `meds`.
    pub fn parse(text: &str) -> Option<ExportFormat> {
        match text {
            "fhir" => Some(ExportFormat::Fhir),
            "meds" => Some(ExportFormat::Meds),
            _ => None,
        }
    }
}

/// What `simulate` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateRequest {
    pub settings: Settings,
    pub format: ExportFormat,
    /// The folder to write to; it must be empty or not there.
    pub out: PathBuf,
    /// The file of the true probabilities; `truth.parquet` in `out` by default.
    pub truth: Option<PathBuf>,
}

/// What is known of one task in the population.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TaskTruth {
    pub task: String,
    pub index_times: u64,
    /// Index times after which the outcome came, seen or not.
    pub outcomes: u64,
    /// Index times of which the records do not say what came.
    pub unknown: u64,
    pub mean_probability: f64,
}

/// What `simulate` wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedExport {
    pub out: PathBuf,
    pub truth: PathBuf,
    pub patients: u64,
    pub encounters: u64,
    pub events: u64,
    pub files: u64,
    pub tasks: Vec<TaskTruth>,
}

impl SimulatedExport {
    /// What was written, in sentences.
    pub fn summary(&self) -> String {
        let SimulatedExport { out, truth, patients, encounters, events, files, tasks } = self;
        let mut text = format!(
            "written: {patients} simulated patients with {encounters} encounters and {events} \
             events in {files} files in {}\ntrue probabilities: {}",
            out.display(),
            truth.display()
        );
        for known in tasks {
            let TaskTruth { task, index_times, outcomes, unknown, mean_probability } = known;
            text += &format!(
                "\n{task}: {index_times} index times, {outcomes} outcomes, {unknown} unknown in \
                 the records, mean probability {mean_probability:.3}"
            );
        }
        text
    }
}

/// Writes a simulated population. Nothing in `out` has its name until all of it is written (a run that
/// is killed leaves a folder `.unfinished` there), and the same request gives the same bytes for any number of threads.
///
/// # Errors
/// Settings out of their range, a folder that is not empty, files that cannot be written.
pub fn simulate(request: &SimulateRequest) -> Result<SimulatedExport, CommandError> {
    let population = Population::new(request.settings.clone())?;
    let SimulateRequest { settings, format, out, truth } = request;
    let unfinished = Unfinished::begin(out)?;
    let folder = unfinished.folder.clone();
    let folder = folder.as_path();
    let truth_path = truth.clone().unwrap_or_else(|| folder.join(TRUTH));
    let mut tally = Tally::default();
    let mut writer = ExportWriter::create(*format, folder)?;
    let mut rows = TruthFile::create(&truth_path)?;
    each_patient(&population, |subject, truth| {
        tally.add(subject, truth);
        writer.push(subject);
        rows.push(subject, truth);
        if writer.has_failed() || rows.failed.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let files = writer.finish()?;
    let about = serde_json::json!({
        "dataset_name": TITLE, "made_by": "prodrome-train simulate",
        "version": env!("CARGO_PKG_VERSION"), "settings": settings,
    });
    SyntheticMark::write(folder, &about)?;
    // The truth gets its name last: a truth without its export is none.
    rows.finish()?;
    if let Err(error) = unfinished.finish() {
        if let Some(truth) = truth {
            let _ = fs::remove_file(truth);
        }
        return Err(error);
    }
    let truth = truth.clone().unwrap_or_else(|| out.join(TRUTH));
    Ok(tally.export(out.clone(), truth, files))
}

/// The export being written.
enum ExportWriter {
    Fhir(FhirWriter),
    Meds(MedsWriter),
}

impl ExportWriter {
    fn create(format: ExportFormat, folder: &Path) -> Result<ExportWriter, CommandError> {
        Ok(match format {
            ExportFormat::Fhir => ExportWriter::Fhir(FhirWriter::create(folder)?),
            ExportFormat::Meds => ExportWriter::Meds(MedsWriter::create(folder, true)?),
        })
    }

    fn push(&mut self, subject: &Subject) {
        match self {
            ExportWriter::Fhir(writer) => writer.push(subject),
            ExportWriter::Meds(writer) => writer.push(subject),
        }
    }

    fn has_failed(&self) -> bool {
        match self {
            ExportWriter::Fhir(writer) => writer.has_failed(),
            ExportWriter::Meds(writer) => writer.has_failed(),
        }
    }

    /// How many files were written.
    fn finish(self) -> Result<u64, CommandError> {
        Ok(match self {
            ExportWriter::Fhir(writer) => writer.finish()?.files,
            ExportWriter::Meds(writer) => writer.finish(TITLE)?.files,
        })
    }
}

/// Draws all patients in batches and gives them in order, while the next batch is being drawn, until
/// `each` has enough.
fn each_patient(
    population: &Population,
    mut each: impl FnMut(&Subject, &[TruthRow]) -> ControlFlow<()> + Send,
) {
    let patients = population.settings().patients;
    let draw = |from: u64| -> Vec<Simulated> {
        let numbers = from..patients.min(from.saturating_add(BATCH_PATIENTS));
        numbers.into_par_iter().map(|number| population.patient(number)).collect()
    };
    let mut batch = draw(0);
    let mut next = BATCH_PATIENTS;
    while !batch.is_empty() {
        let written = std::mem::take(&mut batch);
        let give = || {
            let mut written = (0..).zip(written);
            written.try_for_each(|(place, Simulated { record, truth })| {
                each(&subject(record, place), &truth)
            })
        };
        let (given, drawn) = rayon::join(give, || draw(next));
        if given.is_break() {
            return;
        }
        batch = drawn;
        next = next.saturating_add(BATCH_PATIENTS);
    }
}

fn subject(record: Record, line: u64) -> Subject {
    Subject {
        subject_id: subject_id(&record.patient_id),
        source_id: record.patient_id.clone(),
        group: record.patient_id.clone(),
        record,
        label: None,
        split: None,
        file: "".into(),
        line,
    }
}

/// What was written so far.
#[derive(Default)]
struct Tally {
    patients: u64,
    encounters: u64,
    events: u64,
    tasks: [TaskTruth; KnownTask::ALL.len()],
}

impl Tally {
    fn add(&mut self, subject: &Subject, rows: &[TruthRow]) {
        self.patients += 1;
        self.encounters += subject.record.encounters.len() as u64;
        self.events += subject.record.events.len() as u64;
        for row in rows {
            let known = &mut self.tasks[row.task as usize];
            known.index_times += 1;
            known.outcomes += u64::from(row.true_value);
            known.unknown += u64::from(row.boolean_value.is_none());
            // A sum until the end.
            known.mean_probability += row.probability;
        }
    }

    fn export(self, out: PathBuf, truth: PathBuf, files: u64) -> SimulatedExport {
        let Tally { patients, encounters, events, tasks } = self;
        let named = tasks.into_iter().zip(KnownTask::ALL).map(|(known, task)| TaskTruth {
            task: task.name().to_owned(),
            mean_probability: known.mean_probability / known.index_times.max(1) as f64,
            ..known
        });
        let tasks = named.collect();
        SimulatedExport { out, truth, patients, encounters, events, files, tasks }
    }
}

/// What is being written, in a folder within the one that is asked for (which may be a volume of its
/// own). Unless it is finished, all of it is removed on drop.
struct Unfinished {
    out: PathBuf,
    folder: PathBuf,
    /// Whether `out` was not there before.
    is_new: bool,
    /// What has got its name already.
    named: Vec<PathBuf>,
    kept: bool,
}

impl Unfinished {
    fn begin(out: &Path) -> Result<Unfinished, CommandError> {
        let mut found = fs::read_dir(out);
        let is_new = match found.as_mut().map(Iterator::next) {
            Ok(None) => false,
            Ok(Some(_)) => {
                let error = io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty");
                return Err(io_error(out)(error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(io_error(out)(io::Error::from(error.kind()))),
        };
        let (out, folder) = (out.to_owned(), out.join(UNFINISHED));
        Ok(Unfinished { out, folder, is_new, named: Vec::new(), kept: false })
    }

    fn finish(mut self) -> Result<(), CommandError> {
        let entries = fs::read_dir(&self.folder).map_err(io_error(&self.folder))?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(io_error(&self.folder))?.file_name());
        }
        // The mark first: no data may stand there without it.
        names.sort_by_key(|name| (!SyntheticMark::is_name(name), name.clone()));
        for name in names {
            let path = self.out.join(&name);
            fs::rename(self.folder.join(&name), &path).map_err(io_error(&path))?;
            self.named.push(path);
        }
        self.kept = true;
        // An empty folder left over does no harm.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Nothing can be done about a failure here; the folder is 0700 and named as unfinished.
        let _ = fs::remove_dir_all(&self.folder);
        for path in &self.named {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        if self.is_new {
            let _ = fs::remove_dir(&self.out);
        }
    }
}

/// The truth being written, one row an index time.
struct TruthFile {
    writer: ParquetWriter,
    rows: Vec<(i64, String, TruthRow)>,
    /// What went wrong first; nothing is written after it, and `finish` tells it.
    failed: Option<CommandError>,
}

impl TruthFile {
    fn create(path: &Path) -> Result<TruthFile, CommandError> {
        let writer = ParquetWriter::create(path, &COLUMNS)?;
        Ok(TruthFile { writer, rows: Vec::new(), failed: None })
    }

    fn push(&mut self, subject: &Subject, rows: &[TruthRow]) {
        let named = rows.iter().map(|row| (subject.subject_id, subject.source_id.clone(), *row));
        self.rows.extend(named);
        if self.failed.is_none() && self.rows.len() >= BATCH_ROWS {
            self.failed = self.write().err();
        }
    }

    fn finish(mut self) -> Result<(), CommandError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.write()?;
        Ok(self.writer.finish()?)
    }

    fn write(&mut self) -> Result<(), CommandError> {
        let rows = std::mem::take(&mut self.rows);
        let ids: Vec<i64> = rows.iter().map(|(id, _, _)| *id).collect();
        let patients: Vec<_> = rows.iter().map(|(_, patient, _)| Some(patient.as_str())).collect();
        let tasks: Vec<_> = rows.iter().map(|(_, _, row)| Some(row.task.name())).collect();
        let times: Vec<_> = rows.iter().map(|(_, _, row)| Some(row.prediction_time)).collect();
        let probabilities: Vec<_> = rows.iter().map(|(_, _, row)| Some(row.probability)).collect();
        let seen: Vec<_> = rows.iter().map(|(_, _, row)| row.boolean_value).collect();
        let truths: Vec<_> = rows.iter().map(|(_, _, row)| Some(row.true_value)).collect();
        self.writer.append(&[
            Column::Integer(&ids),
            Column::Text(&patients),
            Column::Text(&tasks),
            Column::Time(&times),
            Column::Double(&probabilities),
            Column::Boolean(&seen),
            Column::Boolean(&truths),
        ])?;
        Ok(())
    }
}
