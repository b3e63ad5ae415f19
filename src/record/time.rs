//! Instants and partial dates: microseconds since 1970 (as MEDS has them) and FHIR dates.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// An instant in UTC, in microseconds since 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(i64);

impl Time {
    /// The earliest instant a record may hold (1800-01-01): anything before is a typing fault.
    pub const EARLIEST: Time = Time(-5_364_662_400_000_000);
    /// The latest instant a record may hold (2300-01-01); de-identified sources shift dates far ahead.
    pub const LATEST: Time = Time(10_413_792_000_000_000);

    /// The instant `micros` microseconds after 1970-01-01T00:00Z.
    pub const fn from_micros(micros: i64) -> Time {
        Time(micros)
    }

    /// Microseconds since 1970-01-01T00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 instant such as `2005-01-01T12:00:00Z`.
    pub fn parse(text: &str) -> Option<Time> {
        text.trim().parse::<Timestamp>().ok().map(|instant| Time(instant.as_microsecond()))
    }

    /// Whether the instant lies where a record's instants may lie.
    pub fn is_believable(self) -> bool {
        (Time::EARLIEST..Time::LATEST).contains(&self)
    }

    /// This instant moved by whole days; stops at the ends of the range.
    pub fn plus_days(self, days: i64) -> Time {
        Time(self.0.saturating_add(days.saturating_mul(MICROS_PER_DAY)))
    }

    /// This instant moved by whole hours; stops at the ends of the range.
    pub fn plus_hours(self, hours: i64) -> Time {
        Time(self.0.saturating_add(hours.saturating_mul(MICROS_PER_HOUR)))
    }

    /// The UTC calendar day, in days since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(MICROS_PER_DAY)
    }

    /// Midnight (UTC) of its day.
    pub fn start_of_day(self) -> Time {
        Time(self.day().saturating_mul(MICROS_PER_DAY))
    }

    /// The first instant (UTC) of its month.
    pub fn month_start(self) -> Time {
        self.date().map_or(self, |date| Time::of_date(date.first_of_month()))
    }

    /// The first instant (UTC) of the month after its month.
    pub fn next_month_start(self) -> Time {
        let next = self.date().and_then(|date| date.last_of_month().tomorrow().ok());
        next.map_or(self.plus_days(31), Time::of_date)
    }

    fn of_date(date: Date) -> Time {
        let since = Date::constant(1970, 1, 1).duration_until(date);
        Time(since.as_secs().saturating_mul(1_000_000))
    }

    /// The UTC calendar year.
    pub fn year(self) -> i16 {
        self.date().map_or(1970, |date| date.year())
    }

    /// Days from `earlier` to this instant, with fraction; negative when `earlier` is later.
    pub fn days_since(self, earlier: Time) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / MICROS_PER_DAY as f64
    }

    fn date(self) -> Option<Date> {
        let instant = Timestamp::from_microsecond(self.0).ok()?;
        Some(instant.to_zoned(TimeZone::UTC).date())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => f.write_str("out of range"),
        }
    }
}

/// A date of which the day, or the month and the day, may be unknown (FHIR `date`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialDate {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
}

impl PartialDate {
    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; `None` for anything else or a day that never was.
    pub fn parse(text: &str) -> Option<PartialDate> {
        let mut parts = text.trim().split('-');
        let year = number(parts.next()?, 4)?;
        let month = match parts.next() {
            Some(part) => Some(number(part, 2)? as i8),
            None => None,
        };
        let day = match parts.next() {
            Some(part) => Some(number(part, 2)? as i8),
            None => None,
        };
        if parts.next().is_some() {
            return None;
        }
        Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
        Some(PartialDate { year, month, day })
    }

    /// A date of which only the year is known; `None` outside the years 1 to 9999.
    pub fn from_year(year: i16) -> Option<PartialDate> {
        (1..=9999).contains(&year).then_some(PartialDate { year, month: None, day: None })
    }

    /// The first instant the date can mean.
    pub fn earliest(self) -> Option<Time> {
        let date = Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()?;
        let start = date.to_zoned(TimeZone::UTC).ok()?;
        Some(Time(start.timestamp().as_microsecond()))
    }

    /// Completed years of age at `time` for a person born on this date; where the day or the month
    /// of birth is unknown, the difference of calendar months or years.
    pub fn age_years_at(self, time: Time) -> i32 {
        let Some(at) = time.date() else { return 0 };
        let years = i32::from(at.year()) - i32::from(self.year);
        let before_birthday = match (self.month, self.day) {
            (Some(month), Some(day)) => (at.month(), at.day()) < (month, day),
            (Some(month), None) => at.month() < month,
            _ => false,
        };
        years - i32::from(before_birthday)
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

fn number(part: &str, digits: usize) -> Option<i16> {
    if part.len() != digits || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    part.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_count_completed_years() {
        let at = Time::parse("2005-01-01T12:00:00Z").unwrap();
        let age = |text: &str| PartialDate::parse(text).unwrap().age_years_at(at);
        assert_eq!(age("1950"), 55);
        assert_eq!(age("1950-01-01"), 55);
        assert_eq!(age("1950-01-02"), 54);
        assert_eq!(age("1950-02"), 54);
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in ["", "50", "1950-13", "1950-02-30", "1950-1-1", "1950-01-01-01", "19x0"] {
            assert_eq!(PartialDate::parse(text), None, "{text}");
        }
        assert_eq!(
            PartialDate::parse("2004-02-29").map(|d| d.to_string()).as_deref(),
            Some("2004-02-29")
        );
    }

    #[test]
    fn believable_range_is_1800_to_2300() {
        assert_eq!(Time::EARLIEST.to_string(), "1800-01-01T00:00:00Z");
        assert_eq!(Time::LATEST.to_string(), "2300-01-01T00:00:00Z");
    }
}
