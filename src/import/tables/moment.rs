//! Times as tables write them: formats, and what a cell in one of them means.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::table_set::TimeFormat;
use crate::import::Timezone;
use crate::import::moment::{Moment, OUTSIDE};
use crate::record::{Time, TimePrecision};

const PATTERN_BYTES_MAX: usize = 64;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// A time whose parts are all different, so that a pattern that mixes two of them is seen.
const PROBE: &str = "2001-02-03T16:05:06Z";

pub(super) const NOT_A_TIME: &str = "not a time in one of the formats";

/// A time cell before it is known which zone it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Day(Date),
    Clock(DateTime),
    Instant(Timestamp),
}

impl Written {
    /// The calendar day that is written.
    pub(super) fn date(self) -> Date {
        match self {
            Written::Day(date) => date,
            Written::Clock(clock) => clock.date(),
            Written::Instant(instant) => instant.to_zoned(TimeZone::UTC).date(),
        }
    }

    /// The time that 00:00:00 stands for where a source fills it in for "no time said".
    pub(super) fn without_midnight(self) -> Written {
        match self {
            Written::Clock(clock) if clock == clock.date().to_datetime(jiff::civil::Time::MIN) => {
                Written::Day(clock.date())
            }
            // Parquet files of some writers hold every time as one in UTC.
            Written::Instant(instant) if instant.as_microsecond() % MICROS_PER_DAY == 0 => {
                Written::Day(self.date())
            }
            other => other,
        }
    }

    /// Where it lies, with the zone for times without one.
    ///
    /// # Errors
    /// A time that no record may hold.
    pub(super) fn moment(self, zone: &Timezone) -> Result<Moment, &'static str> {
        let (time, precision) = match self {
            // A day is a day of the calendar, in whatever zone: by its date in UTC.
            Written::Day(date) => {
                let start = date.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
                (start.map(time_of), TimePrecision::Day)
            }
            Written::Clock(clock) => (zone.instant(clock), TimePrecision::Instant),
            Written::Instant(instant) => (Some(time_of(instant)), TimePrecision::Instant),
        };
        let time = time.filter(|time| time.is_believable()).ok_or(OUTSIDE)?;
        Ok(Moment { time, precision })
    }
}

fn time_of(instant: Timestamp) -> Time {
    Time::from_micros(instant.as_microsecond())
}

/// Why `text` is no format.
pub(super) fn bad_format(text: &str) -> String {
    format!("`{text}` is neither `iso` nor a pattern such as `%m/%d/%Y %H:%M` that gives a date")
}

impl TimeFormat {
    /// Reads `iso` or a pattern; `None` for a pattern from which no date can be read back.
    pub(super) fn parse(text: &str) -> Option<TimeFormat> {
        if text == "iso" {
            return Some(TimeFormat::Iso);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let probe: Timestamp = PROBE.parse().ok()?;
        let written = strtime::format(text, &probe.to_zoned(TimeZone::UTC)).ok()?;
        let format = TimeFormat::Pattern(text.to_owned());
        let read = format.read(&written)?;
        (read.date() == Date::new(2001, 2, 3).ok()?).then_some(format)
    }

    /// What `text` says in this format.
    pub(super) fn read(&self, text: &str) -> Option<Written> {
        match self {
            TimeFormat::Iso if text.len() == "2001-02-03".len() => {
                let is_dashed = text.as_bytes().get(4) == Some(&b'-');
                text.parse().ok().filter(|_| is_dashed).map(Written::Day)
            }
            TimeFormat::Iso if text.len() < "2001-02-03T04:05".len() => None,
            TimeFormat::Iso => {
                let instant = || text.parse().ok().map(Written::Instant);
                instant().or_else(|| text.parse().ok().map(Written::Clock))
            }
            TimeFormat::Pattern(pattern) => {
                let parts = strtime::parse(pattern, text).ok()?;
                if parts.offset().is_some() {
                    return parts.to_timestamp().ok().map(Written::Instant);
                }
                match parts.hour() {
                    Some(_) => parts.to_datetime().ok().map(Written::Clock),
                    None => parts.to_date().ok().map(Written::Day),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_their_format_says() {
        let read = |format: &str, text: &str| {
            let written = TimeFormat::parse(format).unwrap().read(text)?;
            let moment = written.moment(&Timezone::parse("Europe/Berlin").unwrap()).unwrap();
            Some((moment.time.to_string(), moment.precision == TimePrecision::Day))
        };
        let noon = Some(("2020-07-01T12:00:00Z".to_owned(), false));
        assert_eq!(read("iso", "2020-07-01 14:00:00"), noon);
        assert_eq!(read("iso", "2020-07-01T14:00"), noon);
        assert_eq!(read("iso", "2020-07-01T12:00:00Z"), noon);
        assert_eq!(read("iso", "2020-07-01 14:00:00.000000"), noon);
        assert_eq!(read("%m/%d/%Y %H:%M", "07/01/2020 14:00"), noon);
        assert_eq!(read("%d.%m.%Y %I:%M %p", "01.07.2020 02:00 PM"), noon);
        assert_eq!(read("%Y-%m-%dT%H:%M:%S%z", "2020-07-01T14:00:00+0200"), noon);
        let day = Some(("2020-07-01T00:00:00Z".to_owned(), true));
        assert_eq!(read("iso", "2020-07-01"), day);
        assert_eq!(read("%Y%m%d", "20200701"), day);
        for text in ["", "20200701", "2020-13-01", "2021-02-29", "07/01/2020", "soon", "2020"] {
            assert_eq!(read("iso", text), None, "{text}");
        }
        for format in ["%Y-%m", "%H:%M", "", "%Q", "%Y-%d", "date"] {
            assert_eq!(TimeFormat::parse(format), None, "{format}");
        }
    }

    #[test]
    fn midnight_may_stand_for_the_day_and_odd_years_are_refused() {
        let read = |text: &str| TimeFormat::Iso.read(text).unwrap();
        assert_eq!(read("2020-07-01 00:00:00").without_midnight(), read("2020-07-01"));
        assert_eq!(read("2020-07-01 00:00:01").without_midnight(), read("2020-07-01 00:00:01"));
        for text in ["0001-01-01", "9999-12-31", "9999-12-31 23:59:59", "1799-12-31T23:00:00Z"] {
            assert_eq!(read(text).moment(&Timezone::default()), Err(OUTSIDE), "{text}");
        }
        let day = read("2020-07-01").moment(&Timezone::default()).unwrap();
        assert_eq!(day.latest().unwrap().to_string(), "2020-07-01T23:59:59.999999Z");
    }
}
