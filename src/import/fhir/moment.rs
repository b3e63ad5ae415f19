//! FHIR dates and dateTimes as instants, with how exactly they are known.

use jiff::civil::DateTime;

use crate::import::Timezone;
use crate::import::moment::{Moment, OUTSIDE};
use crate::record::{PartialDate, Time, TimePrecision};

pub(super) const NOT_A_TIME: &str = "not a FHIR date or dateTime";
const NO_ZONE: &str = "a time without its zone: add Z or an offset such as +01:00";

/// Reads a date or dateTime. `timezone` is that of a dateTime without one. A date has none in FHIR:
/// it is the day as the people there wrote it down, and stands as that day of the UTC calendar,
/// in which records count their days.
pub(super) fn read(text: &str, timezone: &Timezone) -> Result<Moment, &'static str> {
    let moment = if text.len() <= "2000-01-01".len() {
        let precision = match text.len() {
            4 => TimePrecision::Year,
            7 => TimePrecision::Month,
            _ => TimePrecision::Day,
        };
        let date = PartialDate::parse(text).and_then(PartialDate::earliest);
        Moment { time: date.ok_or_else(|| date_fault(text))?, precision }
    } else {
        let instant = plain_instant(text).or_else(|| Time::parse(text));
        let instant = instant.or_else(|| local_instant(text, timezone));
        // The ends of the calendar are no instants in every zone, but dates all the same.
        let Some(time) = instant else {
            let lacks_zone = timezone.is_required() && Time::parse(&format!("{text}Z")).is_some();
            return Err(if lacks_zone { NO_ZONE } else { date_fault(text) });
        };
        Moment { time, precision: TimePrecision::Instant }
    };
    if moment.time.is_believable() { Ok(moment) } else { Err(OUTSIDE) }
}

/// What is wrong with a dateTime that is no instant.
fn date_fault(text: &str) -> &'static str {
    let date = text.split('T').next().and_then(PartialDate::parse);
    let is_outside =
        date.is_some_and(|date| date.earliest().is_none_or(|time| !time.is_believable()));
    if is_outside { OUTSIDE } else { NOT_A_TIME }
}

/// The instant of a dateTime without a zone.
fn local_instant(text: &str, timezone: &Timezone) -> Option<Time> {
    // With a zone it would be another fault.
    Time::parse(&format!("{text}Z"))?;
    timezone.instant(text.trim().parse::<DateTime>().ok()?)
}

/// The instant of a text in the one shape that nearly all are written in,
/// `2000-01-31T23:59:59.999999+01:00`, where the fraction may be shorter or absent and `Z` may stand
/// for the offset; `None` for any other, which the library reads.
fn plain_instant(text: &str) -> Option<Time> {
    let (whole, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [y, e, a, r, b'-', m, o, b'-', d, t, b'T', h, u, b':', n, i, b':', s, c] = *whole else {
        return None;
    };
    let year = 100 * two(y, e)? + two(a, r)?;
    let day = days_from_1970(year, two(m, o)?, two(d, t)?)?;
    let (hour, minute, second) = (two(h, u)?, two(n, i)?, two(s, c)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, rest) = fraction_micros(rest)?;
    let offset_minutes = match *rest {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h, o, b':', m, i] => {
            let (hours, minutes) = (two(h, o)?, two(m, i)?);
            let offset = 60 * hours + minutes;
            // RFC 3339 lets `-00:00` mean something of its own.
            if hours > 14 || minutes > 59 || (sign == b'-' && offset == 0) {
                return None;
            }
            if sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let minutes = (day * 24 + hour) * 60 + minute - offset_minutes;
    Some(Time::from_micros((minutes * 60 + second) * 1_000_000 + micros))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// The microseconds of a fraction of one to six digits, 0 where there is none, and what follows it.
fn fraction_micros(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(count).filter(|_| (1..=6).contains(&count))?;
    let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((number * 10_i64.pow(6 - count as u32), rest))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` where there is no such day, and
/// outside the years that records hold. Years count from March, so that a leap day is the last of
/// its year (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1800..2300).contains(&year) || !(1..=days_of_month).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Result<Moment, &'static str> {
        super::read(text, &Timezone::default())
    }

    #[test]
    fn moments_keep_their_precision() {
        let read = |text| moment(text).map(|m| (m.time.to_string(), m.precision));
        let noon = "2020-02-29T12:00:00Z".to_owned();
        assert_eq!(read("2020-02-29T13:00:00+01:00"), Ok((noon.clone(), TimePrecision::Instant)));
        assert_eq!(read("2020-02-29T12:00:00"), Ok((noon, TimePrecision::Instant)));
        let day = "2020-02-29T00:00:00Z".to_owned();
        assert_eq!(read("2020-02-29"), Ok((day, TimePrecision::Day)));
        assert_eq!(read("2020-02").map(|read| read.1), Ok(TimePrecision::Month));
        assert_eq!(read("2020").map(|read| read.1), Ok(TimePrecision::Year));
        for text in ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(read(text), Err(OUTSIDE), "{text}");
        }
        for text in ["", "2021-02-29", "12/31/2020", "2020-13", "2020-01-01T25:00:00Z", "soon"] {
            assert_eq!(read(text), Err(NOT_A_TIME), "{text}");
        }
    }
    #[test]
    fn a_datetime_without_a_zone_gets_that_of_the_source() {
        let berlin = Timezone::parse("Europe/Berlin").unwrap();
        let read = |text| super::read(text, &berlin).map(|m| m.time.to_string());
        assert_eq!(read("2020-07-01T12:00:00"), Ok("2020-07-01T10:00:00Z".into()));
        assert_eq!(read("2020-01-01T12:00:00.5"), Ok("2020-01-01T11:00:00.5Z".into()));
        assert_eq!(read("2020-07-01T12:00:00Z"), Ok("2020-07-01T12:00:00Z".into()));
        assert_eq!(read("2020-07-01T12:00:00-04:00"), Ok("2020-07-01T16:00:00Z".into()));
        assert_eq!(read("2020-07-01"), Ok("2020-07-01T00:00:00Z".into()), "a date stays its day");
        assert_eq!(read("2020-07-01T12:00:00+99:00"), Err(NOT_A_TIME));
    }

    #[test]
    fn the_plain_shape_is_read_as_the_library_reads_it() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut plain = 0;
        for _ in 0..200_000 {
            let (year, month, day) =
                (random.i32(1795..2305), random.i32(0..=13), random.i32(0..=32));
            let (hour, minute, second) =
                (random.i32(0..=24), random.i32(0..=60), random.i32(0..=60));
            let fraction = match random.usize(0..=8) {
                0 => String::new(),
                digits => format!(".{:0digits$}", random.u32(0..10_u32.pow(digits as u32))),
            };
            let zone = match random.u8(0..8) {
                0 => "",
                1 => "z",
                2 => "-00:00",
                3 => "+05:30",
                4 => "-11:59",
                5 => "+26:00",
                _ => "Z",
            };
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
            );
            if let Some(time) = plain_instant(&text) {
                assert_eq!(Some(time), Time::parse(&text), "{text}");
                plain += 1;
            }
        }
        assert!(plain > 10_000, "{plain}");
    }
}
