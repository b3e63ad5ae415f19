//! Trends of a population: from the export to what may be shown, and how it is served.

mod nhanes;
mod peers;
mod people;
mod program;
mod report;
pub(crate) mod attack;
mod division;
mod population;
mod privacy;
pub(crate) mod sample;
mod serve;
mod table;
