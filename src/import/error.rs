//! `ImportError`: why an export cannot be read at all. A bad row is no such reason.

use std::io;
use std::path::PathBuf;

use super::MappingError;

/// Why an export cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{folder}: no file is named like `{pattern}`")]
    NoFile { folder: PathBuf, pattern: String },
    #[error("{file}: no column is called `{column}`{hint}")]
    MissingColumn { file: String, column: String, hint: String },
    #[error("{file}: more than one column is called `{column}`")]
    DoubleColumn { file: String, column: String },
    #[error("{file}: a lookup of more than {rows} rows or 1 GiB; use `keep` to hold fewer")]
    LookupTooLarge { file: String, rows: usize },
    #[error("{file}: column `{column}` must hold {wanted}")]
    ColumnType { file: String, column: String, wanted: &'static str },
    #[error("{file}: cannot be read as Parquet: {reason}")]
    NoParquet { file: String, reason: &'static str },
    #[error("{file}: is UTF-16; it must be UTF-8")]
    Utf16 { file: String },
    #[error(
        "{folder}: neither a FHIR export (*.ndjson) nor a MEDS one (data/**/*.parquet), and tables \
         need a mapping: --mapping FILE"
    )]
    NoMapping { folder: PathBuf },
    #[error(
        "{file} row {row}: this subject has rows before another subject's; sort by subject_id and \
         time, and keep each subject in one file"
    )]
    SubjectParted { file: String, row: u64 },
    #[error(transparent)]
    Convention(#[from] MappingError),
    #[error(
        "the export does not fit into 1 GiB of memory, packed: name a folder for it with --work"
    )]
    NeedsWork,
    #[error("{path}: the work folder cannot be used: {source}")]
    Work { path: PathBuf, source: io::Error },
    #[error("{path}: another run is using it; wait for it, or name another --work folder")]
    WorkInUse { path: PathBuf },
    #[error("{file} line {line}: another source id has the same subject id")]
    Collision { file: String, line: u64 },
}
