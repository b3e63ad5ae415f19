//! Trends of a population: from the export to what may be shown, and how it is served.

mod attack;
mod bounds;
mod division;
mod population;
mod privacy;
pub(crate) mod sample;
