//! MEDS 0.4: folders of Parquet files whose rows are one event of one subject each, in and out.
//!
//! `convention` says what codes mean, by a small file that a site can replace; `subject` makes a record
//! of the rows of one subject; `layout` knows the columns; `metadata` the files beside the data;
//! `write` makes an export of records, by the rows of `out_row`.

mod convention;
mod in_row;
mod layout;
mod metadata;
mod out_row;
mod pattern;
mod subject;
mod write;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

pub use convention::Convention;
pub use write::{MedsSummary, MedsWriter};

use convention::Meaning;
use layout::{Columns, Field, NoText, Row};
use metadata::Metadata;
use subject::{Finished, Gathering, LeftOut};

use super::input::{self, InputFile};
use super::parquet_in::{Batch, ParquetFile};
use super::{Counts, Export, ImportError, Mapping, Meter, Received, Subject};
use crate::train::Split;

/// The folders of an export.
const DATA: &str = "data";
const METADATA: &str = "metadata";
/// The deepest folder under `data`.
const DEPTH_MAX: usize = 16;
/// How many codes are remembered with their meaning.
const MEANINGS_MAX: usize = 100_000;
const WHOLE_SUBJECT: &str = "the subject of this row cannot be used: ";

/// The files of a MEDS export, by name; none where `folder` is no such export.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn files(folder: &Path) -> Result<Vec<InputFile>, ImportError> {
    let mut found = Vec::new();
    let data = folder.join(DATA);
    if data.is_dir() {
        collect(&data, DATA, 0, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(
    folder: &Path,
    name: &str,
    depth: usize,
    found: &mut Vec<InputFile>,
) -> Result<(), ImportError> {
    for file in input::files(folder, |name| name.ends_with(".parquet"))? {
        found.push(InputFile { name: Arc::from(format!("{name}/{}", file.name)), ..file });
    }
    let unreadable = |source| ImportError::Unreadable { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let inner = path.file_name().and_then(|name| name.to_str());
        let inner = inner.filter(|inner| !inner.starts_with('.') && depth < DEPTH_MAX);
        if let Some(inner) = inner.filter(|_| path.is_dir() && !path.is_symlink()) {
            collect(&path, &format!("{name}/{inner}"), depth + 1, found)?;
        }
    }
    Ok(())
}

/// Reads `files` in their order, subject by subject. In memory are one batch of rows and one subject, and
/// 8 bytes for each subject seen.
///
/// # Errors
/// A file that cannot be opened or is no Parquet file, a column that is missing or of the wrong type, a
/// subject whose rows do not stand together. Bad rows are counted and never end the run.
pub(super) fn read(
    export: &Export,
    files: &[InputFile],
    meter: &Meter,
    each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    input::announce(files, meter);
    let built_in;
    let convention = match &export.mapping {
        Some(Mapping::Meds(convention)) => convention.as_ref(),
        _ => {
            built_in = Convention::built_in()?;
            &built_in
        }
    };
    let metadata = Metadata::read(&export.folder.join(METADATA), convention)?;
    let counts = Counts::default();
    let (meanings, seen) = (HashMap::new(), HashSet::new());
    let mut run = Run { convention, metadata, meter, counts, meanings, seen, each };
    for file in files {
        run.file(file)?;
    }
    Ok(run.counts)
}

struct Run<'a, F> {
    convention: &'a Convention,
    metadata: Metadata,
    meter: &'a Meter,
    counts: Counts,
    meanings: HashMap<String, Arc<Meaning>>,
    seen: HashSet<i64>,
    each: F,
}

impl<F: FnMut(Subject) -> Received> Run<'_, F> {
    fn file(&mut self, file: &InputFile) -> Result<(), ImportError> {
        let opened = ParquetFile::open(file)?;
        let columns = Columns::find(&opened, &file.name, &self.convention.visit_columns)?;
        let mut current: Option<Gathering> = None;
        let mut cut = false;
        for batch in opened.batches(&columns.places, self.meter) {
            match batch {
                Ok(batch) => self.batch(file, &batch, &columns, &mut current, &mut cut)?,
                Err(broken) => {
                    let reason = "the file is damaged here: the rest of a row group is not read";
                    let row = || file.quarantined(broken.row, None, reason.to_owned());
                    self.counts.quarantine_many(broken.rows, row);
                    // What is lost may be of the subject before and of the one after.
                    if let Some(current) = &mut current {
                        current.fault = Some("the file is damaged among its rows");
                    }
                    cut = true;
                }
            }
        }
        self.finish(file, current);
        Ok(())
    }

    fn batch(
        &mut self,
        file: &InputFile,
        batch: &Batch,
        columns: &Columns,
        current: &mut Option<Gathering>,
        cut: &mut bool,
    ) -> Result<(), ImportError> {
        for at in 0..batch.rows {
            let row = Row { batch, columns, at };
            let Some(subject_id) = row.integer(Field::Subject) else {
                self.leave_out(file, row.number(), quarantine(Field::Subject, "missing"));
                continue;
            };
            if current.as_ref().is_none_or(|current| current.subject_id != subject_id) {
                self.finish(file, current.take());
                if !self.seen.insert(subject_id) {
                    let (file, row) = (file.name.to_string(), row.number());
                    return Err(ImportError::SubjectParted { file, row });
                }
                let has_visits = columns.has(Field::Visit);
                *current = Some(Gathering::new(subject_id, row.number(), has_visits));
            }
            let Some(current) = current else { continue };
            if std::mem::take(cut) {
                current.fault = Some("the file is damaged among its rows");
            }
            let left_out = match self.meaning(row) {
                Ok(meaning) => current.take(row, &meaning),
                Err(left_out) => Some(left_out),
            };
            if let Some(left_out) = left_out {
                self.leave_out(file, row.number(), left_out);
            }
        }
        Ok(())
    }

    /// What the code of a row means.
    fn meaning(&mut self, row: Row<'_>) -> Result<Arc<Meaning>, LeftOut> {
        let no_text =
            |NoText(field)| quarantine(field, "not UTF-8 text, or longer than 1024 bytes");
        let code = row.text(Field::Code).map_err(no_text)?;
        let code = code.filter(|code| !code.trim().is_empty());
        let code = code.ok_or_else(|| quarantine(Field::Code, "missing"))?;
        if let Some(kind) = row.text(Field::Kind).map_err(no_text)?.and_then(layout::kind) {
            let system = row.text(Field::System).map_err(no_text)?;
            return layout::own_event(code, system, kind).map(Arc::new);
        }
        if let Some(known) = self.meanings.get(code) {
            return Ok(Arc::clone(known));
        }
        let parents = &self.metadata.parents;
        let meaning = Arc::new(self.convention.meaning(code, |code| parents.get(code).cloned()));
        if self.meanings.len() >= MEANINGS_MAX {
            self.meanings.clear();
        }
        self.meanings.insert(code.to_owned(), Arc::clone(&meaning));
        Ok(meaning)
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
        let finished = gathering.finish(self.convention);
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
        let splits = self.metadata.splits.as_ref();
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

fn quarantine(field: Field, reason: &'static str) -> LeftOut {
    LeftOut::Quarantined { field, reason }
}
