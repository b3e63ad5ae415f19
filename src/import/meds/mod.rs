//! MEDS 0.4: folders of Parquet files whose rows are one event of one subject each, in and out.
//!
//! `convention` says what codes mean, by a small file that a site can replace, and `meanings` remembers
//! it; `scan` reads files row by row; `subject` makes a record of the rows of one subject,
//! without those `passed` over; `layout` knows the columns; `metadata` the files beside the data;
//! `write` makes an export of records, by the rows of `out_row`.

mod convention;
mod in_row;
mod layout;
mod meanings;
mod metadata;
mod out_row;
mod passed;
mod pattern;
mod scan;
mod subject;
mod write;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

pub use convention::Convention;
pub use write::{MedsSummary, MedsWriter};

use metadata::Metadata;
use scan::{Scan, Shared};

use super::input::{self, InputFile};
use super::wanted::Wanted;
use super::{Counts, Export, ImportError, Mapping, Meter, Received, Subject};

/// The folders of an export.
const DATA: &str = "data";
const METADATA: &str = "metadata";
/// The deepest folder under `data`.
const DEPTH_MAX: usize = 16;

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
/// 16 bytes for each subject seen.
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
    with_shared(export, files, meter, &Wanted::everything(), |shared| {
        let mut scan = Scan::new(shared, each);
        for file in files {
            scan.file(file)?;
        }
        Ok(scan.counts)
    })
}

/// Reads `files` at one time, each into a part of its own; the parts come back in the order of the
/// files, whatever the number of threads.
///
/// # Errors
/// As `read`: the first fault in the order of files and rows.
pub(super) fn fold<P: Send>(
    export: &Export,
    files: &[InputFile],
    meter: &Meter,
    wanted: &Wanted<'_>,
    begin: impl Fn(usize) -> P + Sync,
    each: impl Fn(&mut P, Subject) -> Received + Sync,
) -> Result<(Vec<P>, Counts), ImportError> {
    with_shared(export, files, meter, wanted, |shared| {
        let read = |file: &InputFile| {
            let mut part = begin(files.len());
            let mut scan = Scan::new(shared, |subject| each(&mut part, subject));
            let ended = scan.file(file);
            let Scan { counts, seen, .. } = scan;
            (part, counts, seen, ended)
        };
        let read: Vec<_> = files.par_iter().with_max_len(1).map(read).collect();
        let (mut parts, mut all) = (Vec::with_capacity(files.len()), Counts::default());
        let mut known: HashMap<i64, u64> = HashMap::new();
        for (file, (part, counts, seen, ended)) in files.iter().zip(read) {
            let again = seen.iter().filter(|(subject, _)| known.contains_key(subject));
            if let Some(row) = again.map(|(_, row)| *row).min() {
                let file = file.name.to_string();
                return Err(ImportError::SubjectParted { file, row });
            }
            ended?;
            known.extend(seen);
            all.add(counts);
            parts.push(part);
        }
        Ok((parts, all))
    })
}

/// Gives `work` what all files have in common.
fn with_shared<T>(
    export: &Export,
    files: &[InputFile],
    meter: &Meter,
    wanted: &Wanted<'_>,
    work: impl FnOnce(&Shared<'_>) -> Result<T, ImportError>,
) -> Result<T, ImportError> {
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
    work(&Shared { convention, metadata, wanted, meter })
}
