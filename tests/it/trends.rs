//! Trends of a population: from the export to what may be shown, and how it is served.

mod any_figures;
mod change;
mod population;
pub(crate) mod sample;
mod survey;
