//! A table with one row per hospital stay, by a `StayTable`: one row at a time becomes a subject, and
//! of each it is said what became of it.

mod check;
mod file;
mod row;
mod stay_table;

use std::path::Path;
use std::sync::Arc;

use row::Row;
use stay_table::ColumnRef;
pub use stay_table::StayTable;

use super::csv_rows::{Cells, LINE_BYTES_MAX, RowFault, RowKind, Rows};
use super::ids::{Seen, SeenIds};
use super::input::{self, InputFile};
use super::lines::{LineFault, Lines};
use super::{Counts, ImportError, Meter, Quarantined, Received, Subject};

/// The fewest of a mapping's columns that a first line must hold to be taken for a header. Below
/// it the line may be a row, and an error must not repeat any of it.
const HEADER_SHARE_MIN: f64 = 0.5;

/// Reads every file of `export` that the mapping names, in the order of their names, and gives
/// each subject to `each`, which says what it did with it. Holds one row at a time, and 16 bytes
/// for each id seen.
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
    let mut run = Run { mapping, meter, seen: SeenIds::default(), counts: Counts::default() };
    for file in &files {
        run.file(file, &mut each)?;
    }
    Ok(run.counts)
}

struct Run<'a> {
    mapping: &'a StayTable,
    meter: &'a Meter,
    seen: SeenIds,
    counts: Counts,
}

/// What one file is read with.
struct Open<'a> {
    name: &'a Arc<str>,
    positions: Vec<Option<usize>>,
}

impl Run<'_> {
    fn file(
        &mut self,
        file: &InputFile,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let name = &file.name;
        let lines = Lines::open(file, LINE_BYTES_MAX, self.meter)?;
        let mut rows = Rows::new(lines, self.mapping.delimiter);
        let mut header = Cells::default();
        if !self.header(name, &mut rows, &mut header) {
            return Ok(());
        }
        rows.expect_columns(header.len());
        let open = Open { name, positions: self.positions(name, &header)? };
        let mut cells = Cells::default();
        while let Some((line, row)) = rows.next(&mut cells) {
            match row {
                Err(fault) => self.quarantine(name, line, None, || fault.reason()),
                Ok(RowKind::Blank) => self.counts.skip_one("blank line"),
                Ok(RowKind::Cells) if cells.iter().eq(header.iter()) => {
                    self.counts.skip_one("repeated header");
                }
                Ok(RowKind::Cells) => self.row(&open, line, &cells, each)?,
            }
        }
        Ok(())
    }

    /// Reads the first row that is not blank into `header`; whether there is one.
    fn header(&mut self, name: &Arc<str>, rows: &mut Rows<'_>, header: &mut Cells) -> bool {
        loop {
            match rows.next(header) {
                Some((_, Ok(RowKind::Cells))) => return true,
                Some((_, Ok(RowKind::Blank))) => self.counts.skip_one("blank line"),
                Some((line, Err(fault))) => {
                    self.quarantine(name, line, None, || {
                        format!("the file is not read, because of its header: {}", fault.reason())
                    });
                    return false;
                }
                None => {
                    self.quarantine(name, 1, None, || "the file holds no header".to_owned());
                    return false;
                }
            }
        }
    }

    /// Where each of the mapping's columns stands under `header`.
    fn positions(
        &self,
        name: &Arc<str>,
        header: &Cells,
    ) -> Result<Vec<Option<usize>>, ImportError> {
        let file = || name.to_string();
        let titles: Vec<String> =
            header.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        if matches!(header.get(0), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(ImportError::Utf16 { file: file() });
        }
        let columns = &self.mapping.columns;
        let mut positions = Vec::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            let mut found = (0..titles.len()).filter(|at| titles.get(*at) == Some(column));
            let first = found.next();
            if found.next().is_some() {
                return Err(ImportError::DoubleColumn { file: file(), column: column.clone() });
            }
            if first.is_none() && !self.mapping.is_optional(ColumnRef(place)) {
                let hint = hint(column, columns, &titles);
                return Err(ImportError::MissingColumn {
                    file: file(),
                    column: column.clone(),
                    hint,
                });
            }
            positions.push(first);
        }
        Ok(positions)
    }

    fn row(
        &mut self,
        open: &Open<'_>,
        line: u64,
        cells: &Cells,
        each: &mut impl FnMut(Subject) -> Received,
    ) -> Result<(), ImportError> {
        let name = open.name;
        let row = Row { mapping: self.mapping, positions: &open.positions, cells };
        let subject = row.exclusion().and_then(|reason| match reason {
            Some(reason) => Ok(Err(reason)),
            None => row.subject(name, line).map(Ok),
        });
        let subject = match subject {
            Ok(Ok(subject)) => subject,
            Ok(Err(reason)) => {
                self.counts.skip_one(reason);
                return Ok(());
            }
            Err(fault) => {
                self.quarantine(name, line, Some(fault.column), || fault.reason.to_owned());
                return Ok(());
            }
        };
        match self.seen.add(subject.subject_id, &subject.source_id) {
            Seen::New => {}
            Seen::Again => {
                let column = Some(self.mapping.subject_id);
                let reason = || "this id stands on an earlier row".to_owned();
                self.quarantine(name, line, column, reason);
                return Ok(());
            }
            Seen::Collision => {
                return Err(ImportError::Collision { file: name.to_string(), line });
            }
        }
        match each(subject) {
            Received::Used => self.counts.use_one(),
            Received::Skipped(kind) => self.counts.skip_one(&kind),
            Received::Quarantined(reason) => self.quarantine(name, line, None, || reason),
        }
        Ok(())
    }

    fn quarantine(
        &mut self,
        name: &Arc<str>,
        line: u64,
        column: Option<ColumnRef>,
        reason: impl FnOnce() -> String,
    ) {
        let column = column.and_then(|column| self.mapping.columns.get(column.0).cloned());
        let file = name.to_string();
        self.counts.quarantine_one(|| Quarantined { file, line, column, reason: reason() });
    }
}

impl RowFault {
    fn reason(self) -> String {
        match self {
            RowFault::Line(LineFault::TooLong) => "a line longer than 65536 bytes".to_owned(),
            RowFault::Line(LineFault::Broken) => {
                "the file breaks off or is damaged: it is not read from here on".to_owned()
            }
            RowFault::OpenQuote => "a quote is opened and not closed".to_owned(),
            RowFault::StrayQuote => "a quote inside a quoted cell is not doubled".to_owned(),
            RowFault::Columns(found, expected) => {
                format!("{found} columns, where the header has {expected}")
            }
        }
    }
}

/// What helps to find a missing column: the nearest title, or that there seems to be no header.
fn hint(column: &str, columns: &[String], titles: &[String]) -> String {
    let known = columns.iter().filter(|column| titles.contains(column)).count();
    if (known as f64) < HEADER_SHARE_MIN * columns.len() as f64 {
        return "; its first line does not look like this table's header".to_owned();
    }
    let free = titles.iter().filter(|title| !columns.contains(title));
    let near = free.map(|title| (strsim::damerau_levenshtein(column, title), title)).min();
    match near {
        Some((distance, title)) if distance <= column.chars().count().div_ceil(2) => {
            format!("; the nearest is `{title}`")
        }
        _ => String::new(),
    }
}
