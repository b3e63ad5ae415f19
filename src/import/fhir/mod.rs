//! FHIR R4: the lines of a Bulk Data export and the entries of a Bundle, by one road.
//!
//! `fact::read` turns the JSON of one resource into what it tells of a patient; the rooms named after
//! resources know their fields. `gather` puts the facts of each patient together, whatever order
//! they come in, and makes the record. `bulk` and `bundle` are the two doors. Only the fields named
//! in the structs are looked at, and all others may hold anything.

mod bulk;
mod bundle;
mod clinical;
mod codes;
mod element;
mod encounter;
mod fact;
mod gather;
mod medication;
mod patient;

pub(super) use bulk::{files, read};
pub use bundle::{BundleRecord, read_bundle};
