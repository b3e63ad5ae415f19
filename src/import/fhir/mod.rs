//! FHIR R4: the lines of a Bulk Data export and the entries of a Bundle, by one road.
//!
//! `resource::read` turns the JSON of one resource into what it tells of a patient; the rooms named after
//! resources know their fields. `bulk` and `bundle` are the two doors. Only the fields named
//! in the structs are looked at, and all others may hold anything.

mod bulk;
mod bundle;
mod clinical;
pub(super) mod codes;
mod element;
mod encounter;
mod medication;
mod moment;
mod patient;
mod plain;
mod resource;
mod write;

pub(super) use bulk::{Said, each_line, files, read, read_one};
pub use bundle::{BundleRecord, EntryPlace, Part, is_partial, read_bundle, read_parts};
pub(super) use resource::Told;
pub use write::{FhirSummary, FhirWriter};
