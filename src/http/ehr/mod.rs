//! The door for EHRs: FHIR operations and CDS Hooks over HTTP.

mod cds;
