//! From a mapping file to a checked `TableSet`: the parts that tables share, and lookups.

use super::columns::{Columns, Lookups, invalid};
use super::file::{LookupFile, OneOrMany, TablesFile};
use super::moment;
use super::table_check::TableCheck;
use super::table_set::{Form, LookupMap, TableSet, TimeFormat};
use crate::import::csv_rows::Dialect;
use crate::import::file_pattern::FilePattern;
use crate::import::mapping::MappingError;
use crate::strict_toml;

/// The most tables, lookups, events of a table, and cells of a field.
pub(super) const PARTS_MAX: usize = 100;

impl TableSet {
    /// Reads a mapping file and checks it.
    ///
    /// # Errors
    /// Syntax, an unknown key with the nearest known one, or the place of a rule that is broken.
    pub(in crate::import) fn parse(text: &str) -> Result<TableSet, MappingError> {
        let file: TablesFile = strict_toml::parse(text).map_err(MappingError::Syntax)?;
        if file.table.is_empty() || file.table.len() > PARTS_MAX || file.lookup.len() > PARTS_MAX {
            return invalid("table", format!("a mapping has 1 to {PARTS_MAX} tables and lookups"));
        }
        for (system, short) in &file.systems {
            if short.trim().is_empty() || short.contains("//") {
                return invalid("systems", format!("`{system}` stands for no system"));
            }
        }
        let formats = formats("time_formats", &file.time_formats)?;
        let mut lookups = Lookups::default();
        for (place, one) in file.lookup.into_iter().enumerate() {
            let place = format!("lookup[{place}]");
            let (name, values) = (one.name.clone(), one.values.clone());
            let map = lookup(&place, one)?;
            lookups.add(&place, name, values, map)?;
        }
        let mut tables = Vec::new();
        for (place, one) in file.table.into_iter().enumerate() {
            let place = format!("table[{place}]");
            tables.push(TableCheck::new(&lookups, &formats).table(&place, one)?);
        }
        let TablesFile { source, missing, systems, .. } = file;
        Ok(TableSet { source, missing, systems, lookups: lookups.maps, tables })
    }
}

pub(super) fn patterns(place: &str, files: &OneOrMany) -> Result<Vec<FilePattern>, MappingError> {
    let place = format!("{place}.files");
    if files.0.is_empty() || files.0.len() > PARTS_MAX {
        return invalid(&place, "needs a file name");
    }
    let pattern =
        |text: &String| FilePattern::parse(text).or_else(|reason| invalid(&place, reason));
    files.0.iter().map(pattern).collect()
}

pub(super) fn dialect(place: &str, delimiter: char, quotes: bool) -> Result<Dialect, MappingError> {
    Dialect::new(delimiter, quotes).map_or_else(
        || invalid(&format!("{place}.delimiter"), "must be one ASCII character that is no letter"),
        Ok,
    )
}

pub(super) fn formats(place: &str, given: &[String]) -> Result<Vec<TimeFormat>, MappingError> {
    if given.len() > PARTS_MAX {
        return invalid(place, "too many formats");
    }
    let format = |text: &String| {
        let read = TimeFormat::parse(text);
        read.map_or_else(|| invalid(place, moment::bad_format(text)), Ok)
    };
    given.iter().map(format).collect()
}

fn lookup(place: &str, file: LookupFile) -> Result<LookupMap, MappingError> {
    let mut columns = Columns::default();
    columns.add(place, &file.key)?;
    if file.values.is_empty() || file.values.len() > PARTS_MAX {
        return invalid(place, "needs `values`");
    }
    for value in &file.values {
        columns.add(place, value)?;
    }
    if columns.names().len() != file.values.len() + 1 {
        return invalid(place, "the key and the values must be different columns");
    }
    let mut keep = Vec::new();
    for (column, values) in file.keep {
        keep.push((columns.add(place, &column)?, values));
    }
    let form = Form {
        files: patterns(place, &file.files)?,
        dialect: dialect(place, file.delimiter, file.quote)?,
        columns: columns.into_names(),
        optional_columns: Vec::new(),
        optional: file.optional,
    };
    Ok(LookupMap { form, values: file.values.len(), keep })
}
