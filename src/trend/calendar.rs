//! Periods: months, quarters and years, from the first one of a specification on.

use super::params::{PeriodParams, PeriodUnit};
use super::release::Period;
use crate::record::{PartialDate, Time};

/// The most periods of a release.
pub const PERIODS_MAX: usize = 600;

/// A period with its ends: from `start` up to, and without, `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub start: Time,
    pub end: Time,
    pub name: String,
}

impl Span {
    pub(super) fn shown(&self) -> Period {
        Period {
            name: self.name.clone(),
            first_day: day(self.start),
            last_day: day(self.end.plus_days(-1)),
        }
    }

    pub(super) fn days(&self) -> f64 {
        self.end.days_since(self.start)
    }
}

/// `2024-03-01`.
fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

impl PeriodUnit {
    pub(super) fn months(self) -> u32 {
        match self {
            PeriodUnit::Month => 1,
            PeriodUnit::Quarter => 3,
            PeriodUnit::Year => 12,
        }
    }

    /// The most of them that make one period.
    fn count_max(self) -> u32 {
        match self {
            PeriodUnit::Month => 1,
            PeriodUnit::Quarter => 1,
            PeriodUnit::Year => 10,
        }
    }
}

/// The first moment of the first period.
///
/// # Errors
/// No date, no beginning of a unit, or a count that makes no sense.
pub(super) fn first(params: &PeriodParams) -> Result<Time, String> {
    let PeriodParams { unit, count, first, .. } = params;
    if !(1..=unit.count_max()).contains(count) {
        return Err("period.count: must be 1, and with `unit = \"year\"` at most 10".to_owned());
    }
    let date = PartialDate::parse(first).filter(|_| first.len() == 10);
    let start = date
        .and_then(PartialDate::earliest)
        .ok_or_else(|| "period.first: must be a date, such as \"2015-01-01\"".to_owned())?;
    let month = month_of(start);
    if start != start.month_start() || !(month - 1).is_multiple_of(unit.months()) {
        return Err("period.first: must be the first day of a month, a quarter or a year, as \
                    `period.unit` has it"
            .to_owned());
    }
    Ok(start)
}

fn month_of(time: Time) -> u32 {
    day(time).get(5..7).and_then(|month| month.parse().ok()).unwrap_or(1)
}

/// All periods from the first on that are over, and settled, by `until`; one more than may be, at most.
pub(super) fn spans(params: &PeriodParams, first: Time, until: Time) -> Vec<Span> {
    let months = params.unit.months() * params.count;
    let mut spans: Vec<Span> = Vec::new();
    let mut start = first;
    while spans.len() <= PERIODS_MAX {
        let end = (0..months).fold(start, |time, _| time.next_month_start());
        if end.plus_days(i64::from(params.settle_days)) > until {
            break;
        }
        spans.push(Span { start, end, name: name(params, start) });
        start = end;
    }
    spans
}

fn name(params: &PeriodParams, start: Time) -> String {
    let (year, month) = (start.year(), month_of(start));
    match (params.unit, params.count) {
        (PeriodUnit::Month, _) => format!("{year}-{month:02}"),
        (PeriodUnit::Quarter, _) => format!("{year}-Q{}", (month - 1) / 3 + 1),
        (PeriodUnit::Year, 1) => format!("{year}"),
        (PeriodUnit::Year, count) => format!("{year}-{}", i64::from(year) + i64::from(count) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(unit: PeriodUnit, count: u32, first: &str) -> PeriodParams {
        PeriodParams { unit, count, first: first.to_owned(), settle_days: 0 }
    }

    fn names(params: &PeriodParams, until: &str) -> Vec<String> {
        let spans = spans(params, first(params).unwrap(), Time::parse(until).unwrap());
        spans.into_iter().map(|span| span.name).collect()
    }

    #[test]
    fn whole_periods_follow_each_other() {
        let quarters = params(PeriodUnit::Quarter, 1, "2023-10-01");
        assert_eq!(names(&quarters, "2024-07-01T00:00:00Z"), ["2023-Q4", "2024-Q1", "2024-Q2"]);
        assert_eq!(names(&quarters, "2024-06-30T23:00:00Z"), ["2023-Q4", "2024-Q1"]);
        let settled = PeriodParams { settle_days: 30, ..quarters };
        assert_eq!(names(&settled, "2024-07-01T00:00:00Z"), ["2023-Q4", "2024-Q1"]);
        let cycles = params(PeriodUnit::Year, 2, "2009-01-01");
        assert_eq!(names(&cycles, "2013-01-01T00:00:00Z"), ["2009-2010", "2011-2012"]);
        let months = params(PeriodUnit::Month, 1, "2024-01-01");
        let spans =
            spans(&months, first(&months).unwrap(), Time::parse("2024-03-05T00:00:00Z").unwrap());
        let shown = spans[1].shown();
        assert_eq!(
            (shown.first_day.as_str(), shown.last_day.as_str()),
            ("2024-02-01", "2024-02-29")
        );
        assert_eq!(spans[1].days(), 29.0);
        assert!(spans.len() <= PERIODS_MAX);
    }

    #[test]
    fn what_is_no_beginning_is_refused() {
        for (unit, count, text) in [
            (PeriodUnit::Year, 1, "2015-02-01"),
            (PeriodUnit::Quarter, 1, "2015-02-01"),
            (PeriodUnit::Month, 1, "2015-02-02"),
            (PeriodUnit::Month, 1, "2015-02"),
            (PeriodUnit::Month, 1, "soon"),
            (PeriodUnit::Month, 2, "2015-02-01"),
            (PeriodUnit::Year, 11, "2015-01-01"),
            (PeriodUnit::Year, 0, "2015-01-01"),
        ] {
            assert!(first(&params(unit, count, text)).is_err(), "{text}");
        }
    }
}
