//! Trends: what happens in a population from period to period, by group, fit to be shown to anybody.
//!
//! - `params`: the specification file as written; `spec`: checked.
//! - `tally`: what is counted of people, in whole numbers, so that any order gives the same sums.
//! - `groups`, `regions`: the people of all groups that are shown, small regions together; `suppress`:
//!   what may be shown of them; `carry`: a period is shown once.
//! - `estimate`: from counts to a figure with its interval; `chance`: the distributions behind it.
//! - `release`: what may be shown. All that is told (intervals beside what was suppressed, standardised
//!   and smoothed figures, statements, peers) is found from what is released, so that nothing that is
//!   suppressed can come back by another way.
//! - `standard`, `smooth`: figures by a standard population, and drawn to their neighbours'; `change`: what
//!   changed beyond chance; `statement`: that in words.

mod calendar;
mod gather;
mod list;
mod chance;
mod change;
mod estimate;
mod params;
mod peers;
mod person;
mod release;
mod spec;
mod standing;
mod tally;

pub use gather::{Gatherer, Part, TooManyValues, VALUES_MAX};
pub use list::{ListError, ListReader, Listed, Lister, Spans};
mod carry;
mod groups;
mod regions;
mod suppress;

pub use carry::{CarryError, carry};
pub use groups::{GroupPlace, GroupsError, Rolled, roll};
mod smooth;
mod standard;
mod statement;

pub use change::{direction, tell};
pub use estimate::estimate;
pub use params::{
    ChangeParams, KeyName, MeasureParams, MeasureRuleParams, ObservedBy, ObservedParams,
    PeersParams, PeriodParams, PeriodUnit, PopulationParams, RegionParams, StandardName,
    StandardParams, SurveyParams, TrendParams,
};
pub use person::{Scorer, region_shown};
pub use regions::{OTHER, merge_small_regions};
pub use release::{
    CodingChange, Direction, FORMAT_VERSION, Figure, FigureKind, Group, Key, KeyValue, Measure,
    PeerGroup, PeerScale, PeerScaleOf, Period, Point, Privacy, Release, Series, Statement,
    StatementKind,
};
pub use spec::{GROUPINGS_MAX, KEYS_MAX, MEASURES_MAX, Named, Spec, SpecError};
pub use suppress::{Masks, Shown, ShownMeasure, suppress};
pub use standard::{StandardError, check_bands};
pub use statement::words;
pub use standing::Standing;
pub use tally::{Amount, Cell, Coordinates, Design, Frame, Table, Tally};
