//! One CSV file of a table: its header found and checked, then its rows, each with what it is.

use super::csv_rows::{Cells, Dialect, LINE_BYTES_MAX, RowKind, Rows};
use super::input::InputFile;
use super::lines::Lines;
use super::{ImportError, Meter};

/// The fewest of a mapping's columns that a first line must hold to be taken for a header. Below
/// it the line may be a row, and an error must not repeat any of it.
const HEADER_SHARE_MIN: f64 = 0.5;

/// The columns that a mapping reads of a file.
pub(super) struct Wanted<'w> {
    pub columns: &'w [String],
    /// Whether the file may lack the column at this place.
    pub optional: &'w dyn Fn(usize) -> bool,
    /// Whether `SUBJECT_ID` and `subject_id` are one name.
    pub any_case: bool,
}

/// What stands on a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A row, which `TableFile::cells` holds.
    Row,
    Skipped(&'static str),
    Quarantined(String),
}

/// The rows of one file under its header.
pub(super) struct TableFile<'m> {
    rows: Rows<'m>,
    file: String,
    /// The header; empty until it is read.
    header: Cells,
    positions: Vec<Option<usize>>,
    cells: Cells,
    ended: bool,
}

impl<'m> TableFile<'m> {
    /// Opens `file`.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(super) fn open(
        file: &InputFile,
        dialect: Dialect,
        meter: &'m Meter,
    ) -> Result<TableFile<'m>, ImportError> {
        let rows = Rows::new(Lines::open(file, LINE_BYTES_MAX, meter)?, dialect);
        let (header, cells) = (Cells::default(), Cells::default());
        let file = file.name.to_string();
        Ok(TableFile { rows, file, header, positions: Vec::new(), cells, ended: false })
    }

    /// The cells of the row that was read last.
    pub(super) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Where each wanted column stands; known from the first row on.
    pub(super) fn positions(&self) -> &[Option<usize>] {
        &self.positions
    }

    /// Reads the next line that is no header: its number, and what stands on it. A file without a
    /// header that can be read is one quarantined line.
    ///
    /// # Errors
    /// A header that lacks a wanted column or has one twice, a file in UTF-16.
    pub(super) fn next(&mut self, wanted: &Wanted<'_>) -> Result<Option<(u64, Told)>, ImportError> {
        if self.ended {
            return Ok(None);
        }
        if self.header.len() == 0
            && let Some(told) = self.read_header(wanted)?
        {
            return Ok(Some(told));
        }
        let row = self.rows.next(&mut self.cells).map(|(line, row)| match row {
            Err(fault) => (line, Told::Quarantined(fault.reason())),
            Ok(RowKind::Blank) => (line, Told::Skipped("blank line")),
            Ok(RowKind::Cells) if self.cells.iter().eq(self.header.iter()) => {
                (line, Told::Skipped("repeated header"))
            }
            Ok(RowKind::Cells) => (line, Told::Row),
        });
        Ok(row)
    }

    /// Reads the first row that is not blank; what is to be told of a line when it is none.
    fn read_header(&mut self, wanted: &Wanted<'_>) -> Result<Option<(u64, Told)>, ImportError> {
        let (line, reason) = match self.rows.next(&mut self.cells) {
            Some((_, Ok(RowKind::Cells))) => {
                std::mem::swap(&mut self.header, &mut self.cells);
                self.rows.expect_columns(self.header.len());
                self.positions = self.find(wanted)?;
                return Ok(None);
            }
            Some((line, Ok(RowKind::Blank))) => {
                return Ok(Some((line, Told::Skipped("blank line"))));
            }
            Some((line, Err(fault))) => {
                let reason = fault.reason();
                (line, format!("the file is not read, because of its header: {reason}"))
            }
            None => (1, "the file holds no header".to_owned()),
        };
        self.ended = true;
        Ok(Some((line, Told::Quarantined(reason))))
    }

    fn find(&self, wanted: &Wanted<'_>) -> Result<Vec<Option<usize>>, ImportError> {
        let file = || self.file.clone();
        if matches!(self.header.get(0), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(ImportError::Utf16 { file: file() });
        }
        let title = |cell| String::from_utf8_lossy(cell).trim().to_owned();
        let titles: Vec<String> = self.header.iter().map(title).collect();
        let mut positions = Vec::with_capacity(wanted.columns.len());
        for (place, column) in wanted.columns.iter().enumerate() {
            let mut found = (0..titles.len())
                .filter(|at| titles.get(*at).is_some_and(|title| wanted.names(column, title)));
            let first = found.next();
            if found.next().is_some() {
                return Err(ImportError::DoubleColumn { file: file(), column: column.clone() });
            }
            if first.is_none() && !(wanted.optional)(place) {
                let hint = hint(column, wanted, &titles);
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
}

impl Wanted<'_> {
    fn names(&self, column: &str, title: &str) -> bool {
        if self.any_case { column.eq_ignore_ascii_case(title) } else { column == title }
    }
}

/// What helps to find a missing column: the nearest title, or that there seems to be no header.
fn hint(column: &str, wanted: &Wanted<'_>, titles: &[String]) -> String {
    let columns = wanted.columns;
    let is_there = |column: &&String| titles.iter().any(|title| wanted.names(column, title));
    let known = columns.iter().filter(is_there).count();
    if (known as f64) < HEADER_SHARE_MIN * columns.len() as f64 {
        return "; its first line does not look like this table's header".to_owned();
    }
    let free = titles.iter().filter(|title| !columns.iter().any(|c| wanted.names(c, title)));
    let near = free.map(|title| (strsim::damerau_levenshtein(column, title), title)).min();
    match near {
        Some((distance, title)) if distance <= column.chars().count().div_ceil(2) => {
            format!("; the nearest is `{title}`")
        }
        _ => String::new(),
    }
}
