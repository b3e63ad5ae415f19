//! Trends: what happens in a population from period to period, by group, fit to be shown to anybody.
//!
//! - `params`: the specification file as written; `spec`: checked, by `check`.
//! - `person`: one person, period by period; `gather`: all of them, from many threads; `list`: those of
//!   one group; `calendar`: periods.
//! - `tally`: what is counted of people, in whole numbers, so that any order gives the same sums.
//! - `groups`, `small_values`: the people of all groups that are shown, small regions and other values
//!   of few people together; `suppress`: what may be shown of them; `carry`: a period is shown once.
//! - `estimate`: from counts to a figure with its interval; `chance`: the distributions behind it.
//! - `account`: what is told of a release to people: the report, charts, words.
//! - `rows`: the figures of a release as a flat table.
//! - `release`: what may be shown. All that is told (intervals beside what was suppressed, standardised
//!   and smoothed figures, statements, peers) is found from what is released, so that nothing that is
//!   suppressed can come back by another way.
//! - `standard`, `smooth`: figures by a standard population, and drawn to their neighbours'; `change`: what
//!   changed beyond chance; `statement`: that in words.

mod account;
mod calendar;
mod carry;
mod chance;
mod change;
mod check;
mod estimate;
mod gather;
mod groups;
mod list;
mod params;
mod peers;
mod person;
mod publish;
mod release;
mod rows;
mod small_values;
mod smooth;
mod spec;
mod standard;
mod standing;
mod statement;
mod suppress;
mod tally;

pub use account::{
    change_text, chart, chart_axis, figure_text, finding, key_title, measure_title, point_text,
    report, standard_title, suppressed_text, value_text,
};
pub use calendar::PERIODS_MAX;
pub use carry::{CarryError, carry};
pub use change::{direction, tell};
pub use estimate::estimate;
pub use gather::{Gatherer, Part, TALLIES_MAX, TooMuch, VALUES_MAX};
pub use groups::{GroupPlace, GroupsError, Rolled, roll};
pub use list::{ListError, ListReader, Listed, Lister, Spans};
pub use params::{
    ChangeParams, KeyName, MeasureParams, MeasureRuleParams, ObservedBy, ObservedParams,
    PeersParams, PeriodParams, PeriodUnit, PopulationParams, RegionParams, StandardName,
    StandardParams, SurveyParams, TrendParams,
};
pub use peers::peer_class;
pub use person::{Scorer, region_shown};
pub use publish::{PublishError, ReleaseNote, publish};
pub use release::{
    CodingChange, Direction, FORMAT_VERSION, Figure, FigureKind, Group, Key, KeyValue, Measure,
    OTHER, PeerGroup, PeerScale, PeerScaleOf, Period, Point, Privacy, Release, Series, Statement,
    StatementKind, UNKNOWN,
};
pub use rows::{Column, Row, Value, columns, rows};
pub use small_values::merge_small_values;
pub use spec::{GROUPINGS_MAX, KEYS_MAX, MEASURES_MAX, Named, Spec, SpecError};
pub use standard::{StandardError, check_bands};
pub use standing::Standing;
pub use statement::words;
pub use suppress::{Masks, Shown, ShownMeasure, suppress};
pub use tally::{Amount, Cell, Coordinates, Design, Frame, Table, Tally};
