//! `Sink`: what a reader tells of the lines of one file.

use super::spill::{Spill, SpillWriter};
use super::work::Work;
use crate::import::fact::{Doubt, Item, Kind};
use crate::import::input::InputFile;
use crate::import::{Counts, ImportError};
use crate::record::Code;

/// What the lines of one file tell. Every line must be told of once: as an item, a medication, a
/// skipped or a quarantined line.
pub(in crate::import) struct Sink<'a> {
    file: &'a InputFile,
    counts: Counts,
    medications: Vec<(String, Code)>,
    spill: SpillWriter,
    /// Why no more can be kept. Readers need not look for it after every line.
    fault: Option<ImportError>,
}

impl<'a> Sink<'a> {
    /// A sink for file `number`, into the work folder where there is one.
    pub(super) fn new(
        number: usize,
        file: &'a InputFile,
        shards: u32,
        work: Option<&Work>,
    ) -> Result<Sink<'a>, ImportError> {
        let spill = match work {
            Some(work) => work.begin(number, shards)?,
            None => SpillWriter::in_memory(number, shards),
        };
        let (counts, medications) = (Counts::default(), Vec::new());
        Ok(Sink { file, counts, medications, spill, fault: None })
    }

    /// The line is about a patient. It is counted with the patient.
    pub(in crate::import) fn item(&mut self, line: u64, item: Item) {
        for doubt in &item.doubts {
            self.counts.count_issue(&doubt_text(item.kind, doubt));
        }
        if self.fault.is_none() {
            self.fault = self.spill.add(line, &item).err();
        }
    }

    /// The line is a drug that orders refer to by `id`.
    pub(in crate::import) fn medication(&mut self, id: String, code: Code) {
        self.medications.push((id, code));
        self.counts.use_one();
    }

    /// The line holds nothing a record takes.
    pub(in crate::import) fn skip(&mut self, kind: &str) {
        self.counts.skip_one(kind);
    }

    /// The line is wrong; `path` is the field or column at fault, where one is.
    pub(in crate::import) fn quarantine(&mut self, line: u64, path: Option<&str>, reason: &str) {
        self.counts.quarantine_one(|| self.file.quarantined(line, path, reason.to_owned()));
    }

    /// Why reading on is of no use, where something is.
    pub(in crate::import) fn has_failed(&self) -> bool {
        self.fault.is_some()
    }

    /// Closes the file's spill.
    pub(super) fn finish(self) -> Result<Spill, ImportError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => self.spill.finish(self.counts, self.medications),
        }
    }
}

fn doubt_text(kind: Kind, doubt: &Doubt) -> String {
    format!("{kind:?}.{}: {}", doubt.path, doubt.reason)
}
