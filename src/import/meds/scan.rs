//! `Scan`: the rows of files, in their order, gathered to subjects.

use std::collections::HashMap;

use super::convention::{Convention, Meaning};
use super::in_row::class_of;
use super::layout::{Columns, Field, Row};
use super::meanings::{Meanings, quarantine};
use super::metadata::Metadata;
use super::subject::{Finished, Gathering, LeftOut};
use crate::import::input::InputFile;
use crate::import::parquet_in::{Batch, ParquetFile};
use crate::import::wanted::Wanted;
use crate::import::{Counts, ImportError, Meter, Received, Subject};
use crate::train::Split;

const WHOLE_SUBJECT: &str = "the subject of this row cannot be used: ";
const DAMAGED: &str = "the file is damaged among its rows";

/// What the files of an export have in common.
pub(super) struct Shared<'a> {
    pub convention: &'a Convention,
    pub metadata: Metadata,
    pub wanted: &'a Wanted<'a>,
    pub meter: &'a Meter,
}

/// A reader of files, one after the other.
pub(super) struct Scan<'a, F> {
    shared: &'a Shared<'a>,
    meanings: Meanings<'a>,
    pub counts: Counts,
    /// The subjects met, each with the number of its first row.
    pub seen: HashMap<i64, u64>,
    each: F,
}

/// How far a file has been read.
#[derive(Default)]
struct Progress {
    current: Option<Gathering>,
    /// Whether rows are lost before the next one.
    cut: bool,
}

impl<'a, F: FnMut(Subject) -> Received> Scan<'a, F> {
    pub(super) fn new(shared: &'a Shared<'a>, each: F) -> Scan<'a, F> {
        let meanings = Meanings::new(shared.convention, &shared.metadata, shared.wanted);
        Scan { shared, meanings, counts: Counts::default(), seen: HashMap::new(), each }
    }

    /// Reads one file.
    ///
    /// # Errors
    /// A file that cannot be opened or is no Parquet file, a column that is missing or of the wrong
    /// type, a subject whose rows do not stand together.
    pub(super) fn file(&mut self, file: &InputFile) -> Result<(), ImportError> {
        let opened = ParquetFile::open(file)?;
        let Shared { convention, wanted, meter, .. } = self.shared;
        let visits = &convention.visit_columns;
        let columns = Columns::find(&opened, &file.name, visits, !wanted.is_whole())?;
        let mut progress = Progress::default();
        for batch in opened.batches(&columns.places, meter) {
            match batch {
                Ok(batch) => self.batch(file, &batch, &columns, &mut progress)?,
                Err(broken) => {
                    let reason = "the file is damaged here: the rest of a row group is not read";
                    let row = || file.quarantined(broken.row, None, reason.to_owned());
                    self.counts.quarantine_many(broken.rows, row);
                    // What is lost may be of the subject before and of the one after.
                    if let Some(current) = &mut progress.current {
                        current.fault = Some(DAMAGED);
                    }
                    progress.cut = true;
                }
            }
        }
        self.finish(file, progress.current);
        Ok(())
    }

    fn batch(
        &mut self,
        file: &InputFile,
        batch: &Batch,
        columns: &Columns,
        progress: &mut Progress,
    ) -> Result<(), ImportError> {
        self.meanings.begin(batch, columns);
        for at in 0..batch.rows {
            let row = Row { batch, columns, at };
            let Some(subject_id) = row.integer(Field::Subject) else {
                self.leave_out(file, row.number(), quarantine(Field::Subject, "missing"));
                continue;
            };
            let same = progress.current.as_ref().is_some_and(|now| now.subject_id == subject_id);
            if !same {
                self.finish(file, progress.current.take());
                if self.seen.insert(subject_id, row.number()).is_some() {
                    let (file, row) = (file.name.to_string(), row.number());
                    return Err(ImportError::SubjectParted { file, row });
                }
                let visits = columns.has(Field::Visit);
                let mut current = Gathering::new(subject_id, row.number(), visits);
                current.without_events = self.is_unasked(row, subject_id);
                progress.current = Some(current);
            }
            let Some(current) = &mut progress.current else { continue };
            if std::mem::take(&mut progress.cut) {
                current.fault = Some(DAMAGED);
            }
            let left_out = match self.meanings.of(row) {
                Ok(known) => current.take(row, known, self.shared.wanted),
                Err(left_out) => Some(left_out),
            };
            if let Some(left_out) = left_out {
                self.leave_out(file, row.number(), left_out);
            }
        }
        Ok(())
    }

    /// Whether nobody asks for the events of the subject that begins with `first`, as far as this batch
    /// tells: all rows of the subject must be in it.
    fn is_unasked(&mut self, first: Row<'_>, subject_id: i64) -> bool {
        let wanted = self.shared.wanted;
        if !wanted.passes_subjects() {
            return false;
        }
        for row in (first.at..first.batch.rows).map(|at| Row { at, ..first }) {
            match row.integer(Field::Subject) {
                Some(subject) if subject == subject_id => {}
                other => return other.is_some(),
            }
            let Ok(known) = self.meanings.of(row) else { continue };
            let Meaning::Start(_, start) = &*known.meaning else { continue };
            if class_of(row, start).is_ok_and(|class| wanted.subject_with(class)) {
                return false;
            }
        }
        false
    }

    fn leave_out(&mut self, file: &InputFile, row: u64, left_out: LeftOut) {
        match left_out {
            LeftOut::Skipped(kind) => self.counts.skip_one(kind),
            LeftOut::Quarantined { reason, .. } => {
                let row = || file.quarantined(row, left_out.column(), reason.to_owned());
                self.counts.quarantine_one(row);
            }
        }
    }

    /// Gives a subject whose rows are all there, and counts them.
    fn finish(&mut self, file: &InputFile, gathering: Option<Gathering>) {
        let Some(gathering) = gathering else { return };
        let finished = gathering.finish(self.shared.convention);
        let Finished { subject_id, row, used, fault, group, record, left_out } = finished;
        for (row, why) in left_out {
            self.leave_out(file, row, why);
        }
        if used == 0 {
            return;
        }
        if let Some(reason) = fault {
            let row = || file.quarantined(row, None, format!("{WHOLE_SUBJECT}{reason}"));
            self.counts.quarantine_many(used, row);
            return;
        }
        let source_id = record.patient_id.clone();
        let group = group.unwrap_or_else(|| source_id.clone());
        let splits = self.shared.metadata.splits.as_ref();
        let split = splits.map(|splits| splits.get(&subject_id).copied());
        if split == Some(None) {
            self.counts.count_issue("a subject without a split: taken as train");
        }
        let split = split.map(|split| split.unwrap_or(Split::Train));
        let (label, name) = (None, file.name.clone());
        let subject =
            Subject { subject_id, source_id, group, record, label, split, file: name, line: row };
        self.counts.receive((self.each)(subject), used, |reason| {
            file.quarantined(row, None, format!("{WHOLE_SUBJECT}{reason}"))
        });
    }
}
