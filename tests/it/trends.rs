//! Trends of a population: from the export to what may be shown, and how it is served.

mod any_figures;
mod attack;
mod bounds;
mod change;
mod division;
mod figures;
mod hidden;
mod measures;
mod nhanes;
mod peers;
mod people;
mod population;
mod privacy;
mod program;
mod report;
pub(crate) mod sample;
mod serve;
mod survey;
mod table;
