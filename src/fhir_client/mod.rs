//! A client of the FHIR server that an EHR names: a closed list of servers, no way around it, an end to all.
//!
//! - `base`: the address of a server, in one spelling, and which addresses lie inside it
//! - `settings`: the servers that may be asked, and the limits of asking
//! - `address`: where a name may lead to; a connection goes to what was checked
//! - `budget`: the time, bytes and pages that one call may use up
//! - `fetch`: the questions themselves, page by page
//!
//! It blocks; whoever has a runtime calls it from a thread of its own.

mod address;
mod base;
mod budget;
mod error;
mod fetch;
#[cfg(test)]
mod hostile_tests;
mod server;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use budget::Budget;
pub use error::{FetchError, Refused};
pub use server::{AllowedServer, FhirServers};
pub use settings::{FetchLimits, FhirServersSettings};
