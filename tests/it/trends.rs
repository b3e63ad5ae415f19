//! Trends of a population: from the export to what may be shown, and how it is served.

mod nhanes;
mod peers;
mod people;
mod program;
mod any_figures;
mod change;
mod population;
mod report;
pub(crate) mod attack;
mod division;
mod privacy;
pub(crate) mod sample;
mod serve;
mod survey;
mod table;
