//! A table with one row per hospital stay, by a `StayTable`: one row at a time becomes a subject, and
//! of each it is said what became of it.

mod check;
mod check_event;
mod earlier_rows;
mod file;
mod row;
mod stay_table;

use std::path::Path;

use earlier_rows::EarlierRows;
use row::Row;
use stay_table::ColumnRef;
pub use stay_table::StayTable;

use super::ids::{Seen, SeenIds};
use super::input::{self, InputFile};
use super::table_file::{self, Found, Told, Wanted};
use super::{Counts, ImportError, Meter, Received, Subject};

/// Reads every file of `export` that the mapping names, in the order of their names, and gives
/// each subject to `each`, which says what it did with it. Holds one row at a time, and 16 bytes
/// for each id seen. Where the mapping counts earlier rows of a person the files are read twice, and
/// 16 bytes are held for each row.
///
/// # Errors
/// A folder or file that cannot be opened, no file with a fitting name, a header that lacks a
/// column, two source ids with one subject id. Bad rows are counted and never end the run.
pub(super) fn read(
    export: &Path,
    mapping: &StayTable,
    meter: &Meter,
    mut each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    let files = input::files(export, |name| mapping.files.fits(name))?;
    if files.is_empty() {
        let (folder, pattern) = (export.to_owned(), mapping.files.0.clone());
        return Err(ImportError::NoFile { folder, pattern });
    }
    input::announce(&files, meter);
    let earlier = earlier_rows(&files, mapping, meter)?;
    let (seen, counts) = (SeenIds::default(), Counts::default());
    let mut run = Run { mapping, meter, earlier, seen, counts };
    for file in &files {
        run.file(file, &mut each)?;
    }
    Ok(run.counts)
}

/// The places of all rows in the order that the mapping gives; none where it gives no order.
fn earlier_rows(
    files: &[InputFile],
    mapping: &StayTable,
    meter: &Meter,
) -> Result<EarlierRows, ImportError> {
    let mut earlier = EarlierRows::default();
    if mapping.earlier_rows.is_none() {
        return Ok(earlier);
    }
    input::announce(files, meter);
    let (nothing, optional) = (EarlierRows::default(), mapping.optional());
    for file in files {
        let wanted = Wanted { columns: &mapping.columns, optional: &optional, any_case: false };
        table_file::read(file, mapping.dialect, &wanted, meter, |_, told| {
            if let Told::Row(Found { positions, cells }) = told {
                let row = Row { mapping, positions, cells, earlier: &nothing };
                // A row without a place in the order is told of when it is read for good.
                if let Ok(Some((group, order))) = row.order() {
                    earlier.add(group, order);
                }
            }
            Ok(())
        })?;
    }
    earlier.finish();
    Ok(earlier)
}

struct Run<'a> {
    mapping: &'a StayTable,
    meter: &'a Meter,
    earlier: EarlierRows,
    seen: SeenIds,
    counts: Counts,
}

impl Run<'_> {
    fn file(
        &mut self,
        file: &InputFile,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let optional = self.mapping.optional();
        let wanted =
            Wanted { columns: &self.mapping.columns, optional: &optional, any_case: false };
        let (dialect, meter) = (self.mapping.dialect, self.meter);
        table_file::read(file, dialect, &wanted, meter, |line, told| match told {
            Told::Row(found) => self.row(file, found, line, each),
            Told::Skipped(kind) => {
                self.counts.skip_one(kind);
                Ok(())
            }
            Told::Quarantined(reason) => {
                self.quarantine(file, line, None, || reason);
                Ok(())
            }
        })
    }

    fn row(
        &mut self,
        file: &InputFile,
        found: Found<'_>,
        line: u64,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let Found { positions, cells } = found;
        let row = Row { mapping: self.mapping, positions, cells, earlier: &self.earlier };
        let subject = row.exclusion().and_then(|reason| match reason {
            Some(reason) => Ok(Err(reason)),
            None => row.subject(&file.name, line).map(Ok),
        });
        let subject = match subject {
            Ok(Ok(subject)) => subject,
            Ok(Err(reason)) => {
                self.counts.skip_one(reason);
                return Ok(());
            }
            Err(fault) => {
                self.quarantine(file, line, Some(fault.column), || fault.reason.to_owned());
                return Ok(());
            }
        };
        match self.seen.add(subject.subject_id, &subject.source_id) {
            Seen::New => {}
            Seen::Again => {
                let column = Some(self.mapping.subject_id);
                let reason = || "this id stands on an earlier row".to_owned();
                self.quarantine(file, line, column, reason);
                return Ok(());
            }
            Seen::Collision => {
                return Err(ImportError::Collision { file: file.name.to_string(), line });
            }
        }
        self.counts.receive(each(subject), 1, |reason| file.quarantined(line, None, reason));
        Ok(())
    }

    fn quarantine(
        &mut self,
        file: &InputFile,
        line: u64,
        column: Option<ColumnRef>,
        reason: impl FnOnce() -> String,
    ) {
        let column = column.and_then(|column| self.mapping.columns.get(column.0));
        let column = column.map(String::as_str);
        self.counts.quarantine_one(|| file.quarantined(line, column, reason()));
    }
}
