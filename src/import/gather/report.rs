//! What became of every line about a patient, once the patient's record is whole.

use super::{Gathered, LeftOut, Place};
use crate::import::ids::{Seen, SeenIds, subject_id};
use crate::import::input::InputFile;
use crate::import::{Counts, ImportError, Quarantined, Received, Subject};

const WHOLE_PATIENT: &str = "the patient this line is about cannot be used: ";

/// The counts of an import, under the names of its files.
pub(super) struct Report<'a> {
    files: &'a [InputFile],
    seen: SeenIds,
    pub counts: Counts,
}

impl<'a> Report<'a> {
    pub(super) fn new(files: &'a [InputFile]) -> Report<'a> {
        Report { files, seen: SeenIds::default(), counts: Counts::default() }
    }

    /// Counts the lines about one patient, and gives the patient to `each`.
    pub(super) fn patient(
        &mut self,
        gathered: Gathered,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let Gathered { record, used, left_out, patient, .. } = gathered;
        for (place, why) in left_out {
            match why {
                LeftOut::Skipped(kind) => self.counts.skip_one(kind),
                LeftOut::Quarantined { path, reason } => {
                    let row = || row(self.files, place, Some(path), reason.to_owned());
                    self.counts.quarantine_one(row);
                }
            }
        }
        let Some(place) = patient.or_else(|| used.first().copied()) else { return Ok(()) };
        if patient.is_none() {
            self.counts.count_issue("a patient without a Patient resource");
        }
        let source_id = record.patient_id.clone();
        let subject = Subject {
            subject_id: subject_id(&source_id),
            group: source_id.clone(),
            source_id,
            record,
            label: None,
            split: None,
            file: self.files.get(place.file).map(|file| file.name.clone()).unwrap_or_default(),
            line: place.line,
        };
        if self.seen.add(subject.subject_id, &subject.source_id) == Seen::Collision {
            return Err(ImportError::Collision {
                file: subject.file.to_string(),
                line: subject.line,
            });
        }
        let lines = used.len() as u64;
        self.counts.receive(each(subject), lines, |reason| {
            row(self.files, place, None, format!("{WHOLE_PATIENT}{reason}"))
        });
        Ok(())
    }
}

fn row(files: &[InputFile], place: Place, path: Option<&str>, reason: String) -> Quarantined {
    match files.get(place.file) {
        Some(file) => file.quarantined(place.line, path, reason),
        None => {
            let column = path.map(str::to_owned);
            Quarantined { file: String::new(), line: place.line, column, reason }
        }
    }
}
