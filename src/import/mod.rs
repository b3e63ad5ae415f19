//! Import: exports of a source's records read as `Record`s, and Parquet files written.
//!
//! `Export::read` looks what an export is: a folder of FHIR R4 Bulk Data (`*.ndjson`), a MEDS one
//! (`data/**/*.parquet`), or tables with one row per hospital stay, which a mapping file explains
//! (`Mapping`). One FHIR Bundle is read by
//! `read_bundle`, several and single resources by `read_parts`, by the same road as the lines of an export. A bad
//! row never ends a run and is never lost without a word: `Counts` says of every row whether it was
//! used, skipped or quarantined, and a quarantined row is named by file, line and reason, never by
//! a value. Nothing here prints.

mod counts;
mod csv_rows;
mod error;
mod export;
mod fact;
mod fhir;
mod file_pattern;
mod gather;
mod ids;
mod input;
mod label_file;
mod lines;
mod mapping;
mod meds;
mod meter;
mod moment;
mod parquet_in;
mod parquet_out;
#[doc(hidden)]
pub mod probe;
mod reading;
mod stays;
mod subject;
mod synthetic;
mod table_file;
mod tables;
mod wanted;

pub use counts::{Counts, Quarantined, Received};
pub use error::ImportError;
pub use export::Export;
pub use fhir::{
    BundleRecord, EntryPlace, FhirSummary, FhirWriter, Part, is_partial, read_bundle, read_parts,
};
pub use ids::subject_id;
pub use label_file::Labels;
pub use mapping::{Mapping, MappingError, TableSource};
pub use meds::{Convention, MedsSummary, MedsWriter};
pub use meter::Meter;
pub use parquet_out::{Column, ColumnType, ParquetWriter, WriteError};
pub use reading::{Reading, RegionFrom, Timezone};
pub use stays::StayTable;
pub use subject::{Label, Subject};
pub use synthetic::SyntheticMark;
pub use tables::TableSet;
pub use wanted::Wanted;
