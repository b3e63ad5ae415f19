//! Tables of several files that are joined by the patient's id, by a `TableSet`: every line of every
//! file is told to `gather`, which makes the records; small tables that others refer to are read first.

mod check;
mod columns;
mod contents;
mod file;
mod lookup;
mod moment;
mod row;
mod table_check;
mod table_set;

use lookup::Lookup;
use row::Row;
use table_set::Table;
pub use table_set::TableSet;

use super::export::Export;
use super::gather::{self, Keep, Sink};
use super::input::{self, InputFile};
use super::table_file::{self, Found, Told, Wanted};
use super::{Counts, ImportError, Meter, Received, Subject};

/// Reads the lookups, then all tables of `export`, and gives the patients to `each` one by one. A file
/// belongs to the first table of the mapping whose pattern it fits.
///
/// # Errors
/// A folder or file that cannot be opened, a table without its file, a header that lacks a column, a
/// lookup that is too large, two patients with one subject id.
pub(super) fn read(
    set: &TableSet,
    export: &Export,
    meter: &Meter,
    each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    let forms = set.tables.iter().map(|table| &table.form);
    let files = input::files(&export.folder, |name| forms.clone().any(|form| form.fits(name)))?;
    let mut counts = Counts::default();
    for (place, table) in set.tables.iter().enumerate() {
        let has_file = files.iter().any(|file| {
            let owner = set.tables.iter().position(|one| one.form.fits(&file.name));
            owner == Some(place)
        });
        if !has_file {
            miss(export, table.form.optional, table.form.pattern(), &mut counts)?;
        }
    }
    let lookups = lookups(set, export, meter, &files, &mut counts)?;
    let read_file = |file: &InputFile, sink: &mut Sink<'_>| {
        let Some(table) = set.tables.iter().find(|table| table.form.fits(&file.name)) else {
            return Ok(());
        };
        Reader { set, table, lookups: &lookups, export, meter }.file(file, sink)
    };
    // What a lookup says decides what the lines of a table tell.
    let digests: Vec<String> = lookups.iter().map(Lookup::digest).collect();
    let read_as = format!("tables {set:?} {:?} {digests:?}", export.reading);
    let keep = Keep { work: export.work.as_deref(), read_as: &read_as };
    counts.add(gather::import(&files, keep, meter, read_file, each)?);
    Ok(counts)
}

/// Notes that no file is there, where one need not be.
fn miss(
    export: &Export,
    optional: bool,
    pattern: &str,
    counts: &mut Counts,
) -> Result<(), ImportError> {
    if !optional {
        let (folder, pattern) = (export.folder.clone(), pattern.to_owned());
        return Err(ImportError::NoFile { folder, pattern });
    }
    counts.count_issue(&format!("no file is named like `{pattern}`"));
    Ok(())
}

/// Reads the lookups. The lines of a file that is a table as well are counted with the table.
fn lookups(
    set: &TableSet,
    export: &Export,
    meter: &Meter,
    tables: &[InputFile],
    counts: &mut Counts,
) -> Result<Vec<Lookup>, ImportError> {
    let mut read = Vec::with_capacity(set.lookups.len());
    for map in &set.lookups {
        let files = input::files(&export.folder, |name| map.form.fits(name))?;
        if files.is_empty() {
            miss(export, map.form.optional, map.form.pattern(), counts)?;
        }
        input::announce(&files, meter);
        let (own, shared): (Vec<&InputFile>, Vec<&InputFile>) =
            files.iter().partition(|file| !tables.contains(file));
        let mut uncounted = Counts::default();
        let counts = if shared.is_empty() { &mut *counts } else { &mut uncounted };
        let files: Vec<&InputFile> = own.into_iter().chain(shared).collect();
        read.push(Lookup::read(map, &set.missing, &files, meter, counts)?);
    }
    Ok(read)
}

/// What the files of one table are read with.
struct Reader<'a> {
    set: &'a TableSet,
    table: &'a Table,
    lookups: &'a [Lookup],
    export: &'a Export,
    meter: &'a Meter,
}

impl Reader<'_> {
    fn file(&self, file: &InputFile, sink: &mut Sink<'_>) -> Result<(), ImportError> {
        let form = &self.table.form;
        let optional = |place| form.optional_columns.iter().any(|column| column.0 == place);
        let wanted = Wanted { columns: &form.columns, optional: &optional, any_case: true };
        table_file::read(file, form.dialect, &wanted, self.meter, |line, told| {
            match told {
                _ if sink.has_failed() => {}
                Told::Row(Found { positions, cells }) => {
                    let (set, table, lookups) = (self.set, self.table, self.lookups);
                    let zone = &self.export.reading.timezone;
                    let row = Row { set, table, lookups, zone, positions, cells };
                    self.row(line, &row, sink);
                }
                Told::Skipped(kind) => sink.skip(kind),
                Told::Quarantined(reason) => sink.quarantine(line, None, &reason),
            }
            Ok(())
        })
    }

    fn row(&self, line: u64, row: &Row<'_>, sink: &mut Sink<'_>) {
        match contents::read(row) {
            Ok(contents::Told::Item(item)) => sink.item(line, *item),
            Ok(contents::Told::Nothing(kind)) => sink.skip(kind),
            Err(fault) => {
                let column = self.table.form.columns.get(fault.column.0).map(String::as_str);
                sink.quarantine(line, column, fault.reason);
            }
        }
    }
}
