//! One door to an export: its kind is found by looking.

use std::path::Path;

use super::table::{self, ImportError};
use super::{Counts, Mapping, Received, Subject, fhir};

/// Reads an export of any kind and gives each subject to `each`, which says what it did with it. A
/// mapping says that the export is tables; without one it must be FHIR R4 Bulk Data.
///
/// # Errors
/// A folder or file that cannot be opened, no file of a known kind, a table without its columns, two
/// source ids with one subject id. Bad rows and lines are counted and never end the run.
pub fn read_export(
    export: &Path,
    mapping: Option<&Mapping>,
    each: impl FnMut(Subject) -> Received,
) -> Result<Counts, ImportError> {
    if let Some(mapping) = mapping {
        return table::read(export, mapping, each);
    }
    let files = fhir::files(export)?;
    if files.is_empty() {
        return Err(ImportError::NoMapping { folder: export.to_owned() });
    }
    fhir::read(&files, each)
}
