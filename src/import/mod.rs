//! Import: exports of a source's records read as `Record`s, and Parquet files written.
//!
//! A table with one row per hospital stay is read by a mapping file (`Mapping`, then `read`). A bad
//! row never ends a run and is never lost without a word: `Counts` says of every row whether it was
//! used, skipped or quarantined, and a quarantined row is named by file, line and reason, never by
//! a value. Nothing here prints.

mod counts;
mod csv_lines;
mod csv_rows;
mod ids;
mod mapping;
mod mapping_check;
mod mapping_file;
mod parquet_out;
mod subject;
mod table;

pub use counts::{Counts, Quarantined, Received};
pub use ids::subject_id;
pub use mapping::{Mapping, MappingError, TableSource};
pub use parquet_out::{Column, ColumnType, ParquetWriter, WriteError};
pub use subject::{Label, Subject};
pub use table::{ImportError, read};
