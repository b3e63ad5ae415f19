//! `FhirWriter`: records written as FHIR R4 Bulk Data, one resource a line and one type a file, which
//! this program reads back the same as far as FHIR can say it.
//!
//! Not carried, because FHIR has no place for it: the change of a dose on an order, the end of an
//! order, the recorded time of anything but a condition and an observation, and `planned` where the
//! type of admission does not say it. All resources bear the tag of test data.

mod person;
mod resource;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::import::{Subject, WriteError};
use crate::private_file;
use crate::record::{Event, EventKind, EventStatus, Value};
use resource::Resource;

/// After so many lines of one type a new file of it begins.
const FILE_LINES: u64 = 5_000_000;
const BUFFER_BYTES: usize = 1 << 18;

/// The types of resources that are written, in the order of their writers.
const TYPES: [&str; 7] = [
    "Patient",
    "Coverage",
    "Encounter",
    "Condition",
    "Observation",
    "Procedure",
    "MedicationRequest",
];

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FhirSummary {
    pub subjects: u64,
    pub resources: u64,
    pub files: u64,
    /// Events of kinds that are not written, and those that are withdrawn.
    pub events_left_out: u64,
}

/// A FHIR export being written: one open file for each type of resource.
pub struct FhirWriter {
    folder: PathBuf,
    parts: [Option<Part>; TYPES.len()],
    /// How many files of each type there are.
    files: [u64; TYPES.len()],
    line: Vec<u8>,
    summary: FhirSummary,
    failure: Option<WriteError>,
}

struct Part {
    path: PathBuf,
    file: BufWriter<File>,
    lines: u64,
}

impl FhirWriter {
    /// Begins an export in `folder`, which is made, readable by its owner alone.
    ///
    /// # Errors
    /// A folder that holds something, or cannot be made.
    pub fn create(folder: &Path) -> Result<FhirWriter, WriteError> {
        private_file::make_empty_folder(folder)
            .map_err(|source| WriteError::Io { path: folder.to_owned(), source })?;
        Ok(FhirWriter {
            folder: folder.to_owned(),
            parts: [const { None }; TYPES.len()],
            files: [0; TYPES.len()],
            line: Vec::new(),
            summary: FhirSummary::default(),
            failure: None,
        })
    }

    /// Adds a subject. What the disk does not take is told by `finish`.
    pub fn push(&mut self, subject: &Subject) {
        if self.failure.is_some() {
            return;
        }
        self.failure = self.write(subject).err();
    }

    /// Whether the disk has not taken something: more need not be pushed.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Brings all files to disk.
    ///
    /// # Errors
    /// When the disk did not take something.
    pub fn finish(mut self) -> Result<FhirSummary, WriteError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        for part in &mut self.parts {
            part.take().map_or(Ok(()), Part::finish)?;
        }
        self.summary.files = self.files.iter().sum();
        Ok(self.summary)
    }

    fn write(&mut self, subject: &Subject) -> Result<(), WriteError> {
        let record = &subject.record;
        let id = record.patient_id.as_str();
        self.line_of(Resource::patient(record))?;
        for (place, period) in record.coverage.iter().enumerate() {
            let insurance = record.audit_attributes.insurance.as_deref();
            self.line_of(Resource::coverage(id, place, period, insurance))?;
        }
        for encounter in &record.encounters {
            // The importer takes the ranks of diagnoses from the encounter that lists them.
            let ranked = record.events.iter().filter(|event| {
                event.rank.is_some() && event.encounter_id.as_ref() == Some(&encounter.id)
            });
            self.line_of(Resource::encounter(id, encounter, ranked))?;
        }
        let mut events = record.events.iter().peekable();
        while let Some(event) = events.next() {
            let other = events.peek().filter(|other| is_one_reading(event, other)).copied();
            let written = event.status == EventStatus::Counted;
            match Resource::event(id, event, other, self.summary.resources).filter(|_| written) {
                Some(resource) => self.line_of(resource)?,
                None => self.summary.events_left_out += 1,
            }
            if other.is_some() {
                events.next();
            }
        }
        self.summary.subjects += 1;
        Ok(())
    }

    fn line_of(&mut self, resource: Resource<'_>) -> Result<(), WriteError> {
        let place = resource.place();
        self.line.clear();
        let path = || self.folder.join(TYPES[place]);
        serde_json::to_writer(&mut self.line, &resource)
            .map_err(|error| WriteError::Io { path: path(), source: io::Error::from(error) })?;
        self.line.push(b'\n');
        self.summary.resources += 1;
        let mut part = match self.parts[place].take() {
            Some(part) => part,
            None => {
                let name = format!("{}.{:03}.ndjson", TYPES[place], self.files[place]);
                self.files[place] += 1;
                Part::create(self.folder.join(name))?
            }
        };
        part.write(&self.line)?;
        if part.lines >= FILE_LINES {
            return part.finish();
        }
        self.parts[place] = Some(part);
        Ok(())
    }
}

/// Whether two events are the systolic and the diastolic value of one reading.
fn is_one_reading(event: &Event, other: &Event) -> bool {
    let is_number = |event: &Event| matches!(event.value, Some(Value::Number(_)));
    let kind = EventKind::Measurement;
    event.id.is_some()
        && event.id == other.id
        && event.time == other.time
        && event.kind == kind
        && other.kind == kind
        && is_number(event)
        && is_number(other)
}

impl Part {
    fn create(path: PathBuf) -> Result<Part, WriteError> {
        match private_file::for_writing().create_new(true).open(&path) {
            Ok(file) => {
                Ok(Part { path, file: BufWriter::with_capacity(BUFFER_BYTES, file), lines: 0 })
            }
            Err(source) => Err(WriteError::Io { path, source }),
        }
    }

    fn write(&mut self, line: &[u8]) -> Result<(), WriteError> {
        self.lines += 1;
        let Part { path, file, .. } = self;
        file.write_all(line).map_err(|source| WriteError::Io { path: path.clone(), source })
    }

    fn finish(self) -> Result<(), WriteError> {
        let Part { path, file, .. } = self;
        let io = |source| WriteError::Io { path: path.clone(), source };
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)
    }
}
