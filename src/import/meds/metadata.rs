//! `metadata/`: the parents of codes, and the split of each subject.

use std::collections::HashMap;
use std::path::Path;

use super::convention::Convention;
use crate::import::input::{self, InputFile};
use crate::import::parquet_in::{Batch, Holds, ParquetFile};
use crate::import::{ImportError, Meter};
use crate::record::Code;
use crate::train::Split;

/// What the files beside the data say.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// For a code the first parent in a known system.
    pub parents: HashMap<String, Code>,
    /// `None` where the export has no splits.
    pub splits: Option<HashMap<i64, Split>>,
}

impl Metadata {
    /// Reads `codes.parquet` and `subject_splits.parquet`, where they are.
    ///
    /// # Errors
    /// A file that cannot be opened or is damaged, or a column of the wrong type.
    pub(super) fn read(folder: &Path, convention: &Convention) -> Result<Metadata, ImportError> {
        let mut metadata = Metadata::default();
        if !folder.is_dir() {
            return Ok(metadata);
        }
        for file in input::files(folder, |name| name == "codes.parquet")? {
            let parents = &mut metadata.parents;
            each_batch(&file, ["code", "parent_codes"], [Holds::Text, Holds::Texts], |batch| {
                add_parents(batch, convention, parents);
            })?;
        }
        for file in input::files(folder, |name| name == "subject_splits.parquet")? {
            let splits = metadata.splits.get_or_insert_default();
            let mut unknown = false;
            each_batch(&file, ["subject_id", "split"], [Holds::Integer, Holds::Text], |batch| {
                unknown |= !add_splits(batch, splits);
            })?;
            if unknown {
                let (file, column) = (file.name.to_string(), "split".to_owned());
                let wanted = "train, tuning or held_out";
                return Err(ImportError::ColumnType { file, column, wanted });
            }
        }
        Ok(metadata)
    }
}

/// Reads two columns of a small file; without the second there is nothing to read.
fn each_batch(
    file: &InputFile,
    names: [&str; 2],
    kinds: [Holds; 2],
    mut each: impl FnMut(&Batch),
) -> Result<(), ImportError> {
    let opened = ParquetFile::open(file)?;
    let mut places = Vec::new();
    for (name, kind) in names.into_iter().zip(kinds) {
        let wanted = match kind {
            Holds::Integer => "whole numbers",
            Holds::Texts => "lists of text",
            _ => "text",
        };
        let Some(place) = opened.find(name, wanted, |holds| holds == kind)? else { return Ok(()) };
        places.push(place);
    }
    let meter = Meter::default();
    for batch in opened.batches(&places, &meter) {
        let damaged =
            |_| ImportError::NoParquet { file: file.name.to_string(), reason: "it is damaged" };
        each(&batch.map_err(damaged)?);
    }
    Ok(())
}

fn add_parents(batch: &Batch, convention: &Convention, parents: &mut HashMap<String, Code>) {
    let [codes, lists] = batch.columns.as_slice() else { return };
    for row in 0..batch.rows {
        let Some(Ok(code)) = codes.text(row).map(std::str::from_utf8) else { continue };
        let known = |parent: &[u8]| convention.known_code(std::str::from_utf8(parent).ok()?);
        if let Some((parent, _)) = lists.texts(row).find_map(known) {
            parents.insert(code.to_owned(), parent);
        }
    }
}

/// Whether all splits have names that MEDS knows.
fn add_splits(batch: &Batch, splits: &mut HashMap<i64, Split>) -> bool {
    let [subjects, names] = batch.columns.as_slice() else { return true };
    (0..batch.rows).all(|row| {
        let name = names.text(row).and_then(|name| std::str::from_utf8(name).ok());
        let entry = subjects.integer(row).zip(name.and_then(Split::parse));
        entry.map(|(subject, split)| splits.insert(subject, split)).is_some()
    })
}
