//! A folder of FHIR R4 Bulk Data: `*.ndjson` files, plain or packed, one resource a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fact::{self, Told};
use super::gather::{Gather, Gathered, LeftOut, Place};
use crate::import::ids::{Seen, SeenIds, subject_id};
use crate::import::lines::{LineFault, Lines};
use crate::import::{Counts, ImportError, Quarantined, Received, Subject};

/// The longest line, in bytes: a resource may carry whole documents.
const LINE_BYTES_MAX: usize = 16 << 20;
const ENDINGS: [&str; 3] = [".ndjson", ".ndjson.gz", ".ndjson.zst"];
const WHOLE_PATIENT: &str = "the patient this line is about cannot be used: ";

/// The files of an export by name; none where it is no FHIR export. What is in them their lines say:
/// names and numbers of parts do not matter.
///
/// # Errors
/// A folder that cannot be read.
pub(in crate::import) fn files(export: &Path) -> Result<Vec<(Arc<str>, PathBuf)>, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: export.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(export).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_ours = |name: &&str| ENDINGS.iter().any(|ending| name.ends_with(ending));
        if let Some(name) = name.filter(is_ours).filter(|_| path.is_file()) {
            found.push((Arc::from(name), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads all files, then gives the patients to `each` one by one, by id. What `each` says of a
/// patient counts for all lines about the patient.
///
/// # Errors
/// A file that cannot be opened, two patients with one subject id.
pub(in crate::import) fn read(
    files: &[(Arc<str>, PathBuf)],
    mut each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    let mut run = Run { files, counts: Counts::default(), gather: Gather::default() };
    for (file, (_, path)) in files.iter().enumerate() {
        run.file(file, path)?;
    }
    let Run { files: _, mut counts, gather } = run;
    let report = Report { files };
    let mut seen = SeenIds::default();
    for gathered in gather.drain() {
        report.patient(gathered, &mut counts, &mut seen, &mut each)?;
    }
    Ok(counts)
}

struct Run<'a> {
    files: &'a [(Arc<str>, PathBuf)],
    counts: Counts,
    gather: Gather,
}

impl Run<'_> {
    fn file(&mut self, file: usize, path: &Path) -> Result<(), ImportError> {
        let mut lines = Lines::open(path, LINE_BYTES_MAX)
            .map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
        let mut text = Vec::new();
        while let Some((line, found)) = lines.next_into(&mut text) {
            let place = Place { file, line };
            match found {
                Ok(()) => self.line(place, &text),
                Err(fault) => self.quarantine(place, None, line_reason(fault)),
            }
        }
        Ok(())
    }

    fn line(&mut self, place: Place, bytes: &[u8]) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return self.counts.skip_one("blank line");
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.quarantine(place, None, "not UTF-8");
        };
        match fact::read(text, None) {
            // Counted with its patient.
            Ok(Told::Item(item)) => self.gather.add(place, *item),
            Ok(Told::Medication { id, code }) => {
                self.gather.add_medication(id, code);
                self.counts.use_one();
            }
            Ok(Told::Nothing(kind)) => self.counts.skip_one(kind),
            Err(fault) => {
                let (path, reason) = fault.parts();
                self.quarantine(place, path, reason);
            }
        }
    }

    fn quarantine(&mut self, place: Place, path: Option<&'static str>, reason: &'static str) {
        let report = Report { files: self.files };
        self.counts.quarantine_one(|| report.row(place, path, reason.to_owned()));
    }
}

/// What the report calls the places of an export.
#[derive(Clone, Copy)]
struct Report<'a> {
    files: &'a [(Arc<str>, PathBuf)],
}

impl Report<'_> {
    fn name(&self, place: Place) -> Arc<str> {
        self.files.get(place.file).map_or_else(|| Arc::from(""), |(name, _)| Arc::clone(name))
    }

    fn row(&self, place: Place, path: Option<&str>, reason: String) -> Quarantined {
        let (file, column) = (self.name(place).to_string(), path.map(str::to_owned));
        Quarantined { file, line: place.line, column, reason }
    }

    /// Counts the lines about one patient, and gives the patient to `each`.
    fn patient(
        &self,
        gathered: Gathered,
        counts: &mut Counts,
        seen: &mut SeenIds,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let Gathered { record, used, left_out, doubts, patient, .. } = gathered;
        for (place, why) in left_out {
            match why {
                LeftOut::Skipped(kind) => counts.skip_one(kind),
                LeftOut::Quarantined { path, reason } => {
                    counts.quarantine_one(|| self.row(place, Some(path), reason.to_owned()));
                }
            }
        }
        for (_, kind, doubt) in doubts {
            counts.count_issue(&format!("{kind:?}.{}: {}", doubt.path, doubt.reason));
        }
        let Some(place) = patient.or_else(|| used.first().copied()) else { return Ok(()) };
        if patient.is_none() {
            counts.count_issue("a patient without a Patient resource");
        }
        let source_id = record.patient_id.clone();
        let subject = Subject {
            subject_id: subject_id(&source_id),
            group: source_id.clone(),
            source_id,
            record,
            label: None,
            file: self.name(place),
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

fn line_reason(fault: LineFault) -> &'static str {
    match fault {
        LineFault::TooLong => "a line longer than 16 MiB",
        LineFault::Broken => "the file breaks off or is damaged: it is not read from here on",
    }
}
