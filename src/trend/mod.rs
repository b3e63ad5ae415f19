//! Trends: what happens in a population from period to period, by group, fit to be shown to anybody.
//!
//! - `params`: the specification file as written; `spec`: checked.
//! - `tally`: what is counted of people, in whole numbers, so that any order gives the same sums.
//! - `estimate`: from counts to a figure with its interval; `chance`: the distributions behind it.
//! - `release`: what may be shown. All that is told (intervals beside what was suppressed, standardised
//!   and smoothed figures, statements, peers) is found from what is released, so that nothing that is
//!   suppressed can come back by another way.
//! - `standard`, `smooth`: figures by a standard population, and drawn to their neighbours'; `change`: what
//!   changed beyond chance; `statement`: that in words.

mod chance;
mod change;
mod estimate;
mod params;
mod release;
mod smooth;
mod standard;
mod statement;
mod tally;

pub use change::{direction, tell};
pub use estimate::estimate;
pub use params::{
    ChangeParams, KeyName, MeasureParams, MeasureRuleParams, ObservedBy, ObservedParams,
    PeersParams, PeriodParams, PeriodUnit, PopulationParams, RegionParams, StandardName,
    StandardParams, SurveyParams, TrendParams,
};
pub use release::{
    CodingChange, Direction, FORMAT_VERSION, Figure, FigureKind, Group, Key, KeyValue, Measure,
    PeerGroup, PeerScale, PeerScaleOf, Period, Point, Privacy, Release, Series, Statement,
    StatementKind,
};
pub use standard::{StandardError, check_bands};
pub use statement::words;
pub use tally::{Amount, Cell, Coordinates, Design, Frame, Table, Tally};
