//! Label files: index times with their outcome, made elsewhere (MEDS label schema, as Parquet).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::input::{self, InputFile};
use super::parquet_in::{Batch, Holds, ParquetFile};
use super::{Counts, ImportError, Label, Meter, Subject};

/// The columns of a label file. A text `patient_id` goes before `subject_id`.
const SUBJECT: &str = "subject_id";
const PATIENT: &str = "patient_id";
const TIME: &str = "prediction_time";
const VALUE: &str = "boolean_value";

/// The labels of one subject.
#[derive(Debug, Default)]
struct Given {
    labels: Vec<Label>,
    /// Whether the subject was met in an export.
    met: AtomicBool,
}

/// Labels by subject.
#[derive(Debug, Default)]
pub struct Labels {
    by_subject: HashMap<i64, Given>,
    by_patient: HashMap<String, Given>,
    counts: Counts,
    contradictory: u64,
}

impl Labels {
    /// Reads a label file, or every `*.parquet` file of a folder. A row without a subject, a time or a
    /// value, or with a time that a record cannot hold, is quarantined.
    ///
    /// # Errors
    /// A file that cannot be opened or is damaged, a column that is missing or of the wrong type.
    pub fn read(path: &Path) -> Result<Labels, ImportError> {
        let mut labels = Labels::default();
        for file in files(path)? {
            labels.file(&file)?;
        }
        let mut contradictory = 0;
        for given in labels.by_subject.values_mut().chain(labels.by_patient.values_mut()) {
            let list = &mut given.labels;
            list.sort_by_key(|label| (label.prediction_time, label.boolean_value));
            list.dedup();
            // One time with both values says nothing.
            let before = list.len();
            let at_once = list.chunk_by(|a, b| a.prediction_time == b.prediction_time);
            *list = at_once.filter(|labels| labels.len() == 1).flatten().copied().collect();
            contradictory += (before - list.len()) as u64;
        }
        labels.contradictory = contradictory;
        Ok(labels)
    }

    /// How many labels were left out because another of the same subject and time says the opposite.
    pub fn contradictory(&self) -> u64 {
        self.contradictory
    }

    fn file(&mut self, file: &InputFile) -> Result<(), ImportError> {
        let opened = ParquetFile::open(file)?;
        let missing = |column: &str| ImportError::MissingColumn {
            file: file.name.to_string(),
            column: column.to_owned(),
            hint: String::new(),
        };
        let is_time = |holds| matches!(holds, Holds::Instant { .. } | Holds::Date);
        let subject = opened.find(SUBJECT, "whole numbers", |holds| holds == Holds::Integer)?;
        let patient = opened.find(PATIENT, "text", |holds| holds == Holds::Text)?;
        let time = opened.find(TIME, "instants", is_time)?.ok_or_else(|| missing(TIME))?;
        let value = opened.find(VALUE, "true or false", |holds| holds == Holds::Boolean)?;
        let value = value.ok_or_else(|| missing(VALUE))?;
        if subject.is_none() && patient.is_none() {
            return Err(missing(SUBJECT));
        }
        let mut asked = vec![time, value];
        asked.extend(patient);
        asked.extend(subject);
        let meter = Meter::default();
        for batch in opened.batches(&asked, &meter) {
            let damaged =
                |_| ImportError::NoParquet { file: file.name.to_string(), reason: "it is damaged" };
            self.batch(file, &batch.map_err(damaged)?, patient.is_some(), subject.is_some());
        }
        Ok(())
    }

    fn batch(&mut self, file: &InputFile, batch: &Batch, by_patient: bool, by_subject: bool) {
        let [times, values, who @ ..] = batch.columns.as_slice() else { return };
        let patients = who.first().filter(|_| by_patient);
        let subjects = who.last().filter(|_| by_subject);
        for row in 0..batch.rows {
            let time = times.time(row).filter(|time| time.is_believable());
            let label = time
                .zip(values.boolean(row))
                .map(|(prediction_time, boolean_value)| Label { prediction_time, boolean_value });
            let patient = patients.and_then(|who| std::str::from_utf8(who.text(row)?).ok());
            let subject = subjects.and_then(|who| who.integer(row));
            let of_whom = match (patient, subject) {
                (Some(id), _) => Some(self.by_patient.entry(id.to_owned()).or_default()),
                (None, Some(id)) => Some(self.by_subject.entry(id).or_default()),
                (None, None) => None,
            };
            match (of_whom, label) {
                (Some(given), Some(label)) => {
                    given.labels.push(label);
                    self.counts.use_one();
                }
                _ => self.counts.quarantine_one(|| {
                    let reason = "needs a subject, a prediction_time and a boolean_value";
                    file.quarantined(batch.row + row as u64, None, reason.to_owned())
                }),
            }
        }
    }

    /// The labels of a subject, by time.
    pub fn of(&self, subject: &Subject) -> Vec<Label> {
        // A file may name some rows of a subject by the one and some by the other.
        let by_id = self.by_patient.get(&subject.source_id);
        let both = by_id.into_iter().chain(self.by_subject.get(&subject.subject_id));
        let mut found: Vec<Label> = Vec::new();
        for given in both {
            given.met.store(true, Ordering::Relaxed);
            found.extend(&given.labels);
        }
        found.sort_by_key(|label| label.prediction_time);
        found
    }

    /// How many labels were never asked for: their subjects are not in the export.
    pub fn left(&self) -> u64 {
        let lists = self.by_subject.values().chain(self.by_patient.values());
        let unmet = lists.filter(|given| !given.met.load(Ordering::Relaxed));
        unmet.map(|given| given.labels.len() as u64).sum()
    }

    /// What became of the rows of the files.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn files(path: &Path) -> Result<Vec<InputFile>, ImportError> {
    if path.is_dir() {
        let found = input::files(path, |name| name.ends_with(".parquet"))?;
        let (folder, pattern) = (path.to_owned(), "*.parquet".to_owned());
        return if found.is_empty() {
            Err(ImportError::NoFile { folder, pattern })
        } else {
            Ok(found)
        };
    }
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(vec![InputFile { name: Arc::from(name.unwrap_or_default()), path: path.to_owned(), bytes }])
}
