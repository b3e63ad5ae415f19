//! One file of a table, CSV or Parquet: its header found and checked, then its rows, each with what it
//! is.

use super::csv_rows::{Cells, Dialect, LINE_BYTES_MAX, RowKind, Rows};
use super::input::InputFile;
use super::lines::Lines;
use super::parquet_in::TextTable;
use super::{ImportError, Meter};

const PARQUET: &str = ".parquet";

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
pub(super) enum Told<'c> {
    Row(Found<'c>),
    Skipped(&'static str),
    Quarantined(String),
}

/// A row, and where each wanted column stands in it.
#[derive(Clone, Copy)]
pub(super) struct Found<'c> {
    pub positions: &'c [Option<usize>],
    pub cells: &'c Cells,
}

/// Tells `each` of every line of `file` but its header: its number, and what stands on it. A file
/// without a header that can be read is one quarantined line. The lines of a Parquet file are its
/// rows, from 1.
///
/// # Errors
/// A file that cannot be opened or is in UTF-16, a header that lacks a wanted column or has one
/// twice; what `each` ends with.
pub(super) fn read(
    file: &InputFile,
    dialect: Dialect,
    wanted: &Wanted<'_>,
    meter: &Meter,
    each: impl FnMut(u64, Told<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let ending = file.name.len().saturating_sub(PARQUET.len());
    match file.name.get(ending..).is_some_and(|ending| ending.eq_ignore_ascii_case(PARQUET)) {
        true => read_parquet(file, wanted, meter, each),
        false => read_csv(file, dialect, wanted, meter, each),
    }
}

fn read_parquet(
    file: &InputFile,
    wanted: &Wanted<'_>,
    meter: &Meter,
    mut each: impl FnMut(u64, Told<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let table = TextTable::open(file)?;
    let mut cells = Cells::default();
    let is_wanted = |title: &str| wanted.columns.iter().any(|column| wanted.names(column, title));
    let mut rows = table.rows(is_wanted, meter);
    rows.header(&mut cells);
    let positions = wanted.positions(&file.name, &cells)?;
    while let Some((row, found)) = rows.next(&mut cells) {
        let told = match found {
            Ok(()) => Told::Row(Found { positions: &positions, cells: &cells }),
            Err(fault) => Told::Quarantined(fault.reason()),
        };
        each(row, told)?;
    }
    Ok(())
}

fn read_csv(
    file: &InputFile,
    dialect: Dialect,
    wanted: &Wanted<'_>,
    meter: &Meter,
    mut each: impl FnMut(u64, Told<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut rows = Rows::new(Lines::open(file, LINE_BYTES_MAX, meter)?, dialect);
    let mut header = Cells::default();
    loop {
        let (line, reason) = match rows.next(&mut header) {
            Some((_, Ok(RowKind::Cells))) => break,
            Some((line, Ok(RowKind::Blank))) => {
                each(line, Told::Skipped("blank line"))?;
                continue;
            }
            Some((line, Err(fault))) => {
                let reason = fault.reason();
                (line, format!("the file is not read, because of its header: {reason}"))
            }
            None => (1, "the file holds no header".to_owned()),
        };
        return each(line, Told::Quarantined(reason));
    }
    if matches!(header.get(0), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return Err(ImportError::Utf16 { file: file.name.to_string() });
    }
    rows.expect_columns(header.len());
    let positions = wanted.positions(&file.name, &header)?;
    let mut cells = Cells::default();
    while let Some((line, row)) = rows.next(&mut cells) {
        let told = match row {
            Err(fault) => Told::Quarantined(fault.reason()),
            Ok(RowKind::Blank) => Told::Skipped("blank line"),
            Ok(RowKind::Cells) if cells.iter().eq(header.iter()) => {
                Told::Skipped("repeated header")
            }
            Ok(RowKind::Cells) => Told::Row(Found { positions: &positions, cells: &cells }),
        };
        each(line, told)?;
    }
    Ok(())
}

impl Wanted<'_> {
    /// Where each column stands under `header`.
    fn positions(&self, file: &str, header: &Cells) -> Result<Vec<Option<usize>>, ImportError> {
        let title = |cell| String::from_utf8_lossy(cell).trim().to_owned();
        let titles: Vec<String> = header.iter().map(title).collect();
        let mut positions = Vec::with_capacity(self.columns.len());
        for (place, column) in self.columns.iter().enumerate() {
            let mut found = (0..titles.len())
                .filter(|at| titles.get(*at).is_some_and(|title| self.names(column, title)));
            let first = found.next();
            if found.next().is_some() {
                return Err(ImportError::DoubleColumn {
                    file: file.to_owned(),
                    column: column.clone(),
                });
            }
            if first.is_none() && !(self.optional)(place) {
                let hint = hint(column, self, &titles);
                return Err(ImportError::MissingColumn {
                    file: file.to_owned(),
                    column: column.clone(),
                    hint,
                });
            }
            positions.push(first);
        }
        Ok(positions)
    }

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
