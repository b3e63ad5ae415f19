//! Gathering: exports whose files are not sorted by patient, put together patient by patient.
//!
//! A reader takes one file and tells a `Sink` what each line says; `import` then makes the record of
//! each patient of all that was told of the patient, whatever file and order it came in.

mod assemble;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub(super) use assemble::{Gathered, LeftOut};

use super::fact::{Doubt, Item, Kind};
use super::ids::{Seen, SeenIds, subject_id};
use super::input::{self, InputFile};
use super::{Counts, ImportError, Meter, Quarantined, Received, Subject};
use crate::record::Code;

const WHOLE_PATIENT: &str = "the patient this line is about cannot be used: ";

/// Where a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The number of the file; 0 for a Bundle.
    pub file: usize,
    /// The line, from 1; for a Bundle the entry, from 0.
    pub line: u64,
}

/// What the lines of one file tell. Every line must be told of once: as an item, a medication, a
/// skipped or a quarantined line.
pub(super) struct Sink<'a> {
    number: usize,
    file: &'a InputFile,
    counts: Counts,
    items: Vec<(Place, Item)>,
    medications: HashMap<String, Code>,
}

impl Sink<'_> {
    /// The line is about a patient. It is counted with the patient.
    pub(super) fn item(&mut self, line: u64, item: Item) {
        let kind = item.kind;
        for doubt in &item.doubts {
            self.issue(&doubt_text(kind, doubt));
        }
        self.items.push((Place { file: self.number, line }, item));
    }

    /// The line is a drug that orders refer to by `id`.
    pub(super) fn medication(&mut self, id: String, code: Code) {
        self.medications.insert(id, code);
        self.counts.use_one();
    }

    /// The line holds nothing a record takes.
    pub(super) fn skip(&mut self, kind: &str) {
        self.counts.skip_one(kind);
    }

    /// The line is wrong; `path` is the field or column at fault, where one is.
    pub(super) fn quarantine(&mut self, line: u64, path: Option<&str>, reason: &str) {
        let row = || row(self.file, line, path, reason.to_owned());
        self.counts.quarantine_one(row);
    }

    /// Something was left out of a line that is otherwise used.
    pub(super) fn issue(&mut self, kind: &str) {
        self.counts.count_issue(kind);
    }
}

/// Reads all files with `read_file`, then gives the patients to `each` one by one. What `each` says of
/// a patient counts for all lines about the patient.
///
/// # Errors
/// What `read_file` ends with; two patients with one subject id.
pub(super) fn import(
    files: &[InputFile],
    _work: Option<&Path>,
    meter: &Meter,
    read_file: impl Fn(&InputFile, &mut Sink<'_>) -> Result<(), ImportError> + Sync,
    mut each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    input::announce(files, meter);
    let mut counts = Counts::default();
    let (mut items, mut medications) = (Vec::new(), HashMap::new());
    for (number, file) in files.iter().enumerate() {
        let (own, found) = (Counts::default(), Vec::new());
        let mut sink =
            Sink { number, file, counts: own, items: found, medications: HashMap::new() };
        read_file(file, &mut sink)?;
        counts.add(sink.counts);
        items.append(&mut sink.items);
        medications.extend(sink.medications);
    }
    let report = Report { files };
    let mut seen = SeenIds::default();
    for gathered in gathered(items, &medications) {
        report.patient(gathered, &mut counts, &mut seen, &mut each)?;
    }
    Ok(counts)
}

/// The patients of `items`, by id.
pub(super) fn gathered(
    items: Vec<(Place, Item)>,
    medications: &HashMap<String, Code>,
) -> impl Iterator<Item = Gathered> {
    let mut patients: BTreeMap<String, Vec<(Place, Item)>> = BTreeMap::new();
    for (place, item) in items {
        match patients.get_mut(&item.patient) {
            Some(items) => items.push((place, item)),
            None => {
                patients.insert(item.patient.clone(), vec![(place, item)]);
            }
        }
    }
    let each = patients.into_iter();
    each.map(move |(patient, items)| assemble::assemble(patient, items, medications))
}

/// What the report calls the places of an export.
#[derive(Clone, Copy)]
struct Report<'a> {
    files: &'a [InputFile],
}

impl Report<'_> {
    fn row(&self, place: Place, path: Option<&str>, reason: String) -> Quarantined {
        match self.files.get(place.file) {
            Some(file) => row(file, place.line, path, reason),
            None => Quarantined { file: String::new(), line: place.line, column: None, reason },
        }
    }

    /// Counts the lines about one patient, and gives the patient to `each`.
    fn patient(
        &self,
        gathered: Gathered,
        counts: &mut Counts,
        seen: &mut SeenIds,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let Gathered { record, used, left_out, patient, .. } = gathered;
        for (place, why) in left_out {
            match why {
                LeftOut::Skipped(kind) => counts.skip_one(kind),
                LeftOut::Quarantined { path, reason } => {
                    counts.quarantine_one(|| self.row(place, Some(path), reason.to_owned()));
                }
            }
        }
        let Some(place) = patient.or_else(|| used.first().copied()) else { return Ok(()) };
        if patient.is_none() {
            counts.count_issue("a patient without a Patient resource");
        }
        let Some(file) = self.files.get(place.file) else { return Ok(()) };
        let source_id = record.patient_id.clone();
        let subject = Subject {
            subject_id: subject_id(&source_id),
            group: source_id.clone(),
            source_id,
            record,
            label: None,
            split: None,
            file: file.name.clone(),
            line: place.line,
        };
        if seen.add(subject.subject_id, &subject.source_id) == Seen::Collision {
            return Err(ImportError::Collision {
                file: subject.file.to_string(),
                line: subject.line,
            });
        }
        let lines = used.len() as u64;
        match each(subject) {
            Received::Used => counts.use_many(lines),
            Received::Skipped(kind) => counts.skip_many(&kind, lines),
            Received::Quarantined(reason) => {
                let reason = format!("{WHOLE_PATIENT}{reason}");
                counts.quarantine_many(lines, || self.row(place, None, reason));
            }
        }
        Ok(())
    }
}

fn row(file: &InputFile, line: u64, path: Option<&str>, reason: String) -> Quarantined {
    let (file, column) = (file.name.to_string(), path.map(str::to_owned));
    Quarantined { file, line, column, reason }
}

fn doubt_text(kind: Kind, doubt: &Doubt) -> String {
    format!("{kind:?}.{}: {}", doubt.path, doubt.reason)
}
