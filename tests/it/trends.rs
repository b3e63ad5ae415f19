//! Trends of a population: from the export to what may be shown, and how it is served.

mod any_figures;
mod change;
mod peers;
mod population;
mod report;
pub(crate) mod sample;
mod serve;
mod survey;
mod table;
