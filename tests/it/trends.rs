//! Trends of a population: from the export to what may be shown, and how it is served.

mod peers;
mod report;
pub(crate) mod sample;
mod serve;
mod table;
