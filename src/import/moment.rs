//! `Moment`: a time as a source writes it, and what it can mean at most.

use crate::record::{Time, TimePrecision};

/// What is said of a time that no record may hold.
pub(super) const OUTSIDE: &str = "outside the years 1800 to 2299";

/// When something happened: its first instant, and how exactly it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub time: Time,
    pub precision: TimePrecision,
}

impl Moment {
    /// When it is over in whatever zone a date was written, for what became known then; `None` when it
    /// is known to the month or year only.
    pub(super) fn surely_past(self) -> Option<Time> {
        match self.precision {
            TimePrecision::Instant => Some(self.time),
            TimePrecision::Day => Some(self.time.plus_hours(36)),
            TimePrecision::Month | TimePrecision::Year => None,
        }
    }

    /// The last instant it can mean, for ends; `None` when it is known to the month or year only.
    pub(super) fn latest(self) -> Option<Time> {
        match self.precision {
            TimePrecision::Instant => Some(self.time),
            TimePrecision::Day => Some(Time::from_micros(self.time.plus_days(1).micros() - 1)),
            TimePrecision::Month | TimePrecision::Year => None,
        }
    }
}
