//! Whether the figures hold over time: by period, and for the last of the judged times against the rest.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Rows;
use crate::record::Time;
use crate::train::metrics::{Core, DRAWS_OF_GROUPS, Estimate, Resampling};

/// The share of the index times, counted from the last, that is judged as later.
const LATER_SHARE: f64 = 0.25;
/// No more periods than this are told apart: more of them are joined.
const PERIODS_MAX: usize = 24;

/// The figures of the judged rows over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OverTime {
    /// There is nothing to tell apart.
    Skipped {
        /// In one sentence.
        reason: String,
    },
    Judged {
        /// Periods in order: calendar years, or months where all index times lie in one year. A
        /// period with too few patients with or without the outcome is taken together with the next.
        periods: Vec<PeriodFigures>,
        /// All periods but the last quarter of the index times, as near as whole periods come to it.
        earlier: Box<PeriodFigures>,
        /// The rest: what the model does after its time, as far as one set of patients can show it.
        later: Box<PeriodFigures>,
    },
}

/// The figures of the rows of some period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeriodFigures {
    /// First year, or year and month (`2019-07`).
    pub from: String,
    /// Last year, or year and month.
    pub to: String,
    pub rows: usize,
    /// Rows with the outcome.
    pub events: usize,
    /// Weighted share of rows with the outcome.
    pub prevalence: f64,
    pub auroc: Estimate,
    pub observed_over_expected: Estimate,
    pub calibration_slope: Estimate,
}

/// A span of years or months with its rows.
#[derive(Clone)]
struct Period {
    from: String,
    to: String,
    rows: Vec<usize>,
}

/// The figures of `rows` by the time of their index.
pub(in crate::train) fn over_time(rows: &Rows<'_>, seed: u64) -> OverTime {
    let times = rows.samples.iter().map(|sample| sample.prediction_time);
    let by_year = periods(times.clone(), |time| time.year().to_string());
    let by_period = match by_year.len() {
        0 | 1 => periods(times, month),
        _ => by_year,
    };
    if by_period.len() < 2 {
        return skipped("all index times lie in one month: there is no earlier and later");
    }
    let resampling = Resampling::of(&rows.patients, seed);
    let periods = joined(rows, &resampling, by_period);
    let parted = parted(&periods, rows.p.len());
    let figures = |period: &Period| figures(rows, &resampling, period);
    let told: Option<Vec<PeriodFigures>> = periods.iter().map(figures).collect();
    let halves = parted.map(|[earlier, later]| [figures(&earlier), figures(&later)]);
    match (told, halves) {
        (Some(periods), Some([Some(earlier), Some(later)])) => {
            let (earlier, later) = (Box::new(earlier), Box::new(later));
            OverTime::Judged { periods, earlier, later }
        }
        _ => skipped("too few patients with or without the outcome to tell two periods apart"),
    }
}

fn skipped(reason: &str) -> OverTime {
    OverTime::Skipped { reason: reason.to_owned() }
}

/// Year and month, such as `2019-07`.
fn month(time: Time) -> String {
    time.to_string().chars().take(7).collect()
}

fn periods(times: impl Iterator<Item = Time>, name: impl Fn(Time) -> String) -> Vec<Period> {
    let mut found: BTreeMap<Time, Vec<usize>> = BTreeMap::new();
    for (row, time) in times.enumerate() {
        found.entry(time.month_start()).or_default().push(row);
    }
    let mut periods: Vec<Period> = Vec::new();
    for (start, rows) in found {
        let name = name(start);
        match periods.last_mut() {
            Some(last) if last.to == name => last.rows.extend(rows),
            _ => periods.push(Period { from: name.clone(), to: name, rows }),
        }
    }
    periods
}

/// Periods with enough patients each: small ones take in the next, the last one is taken in.
fn joined(rows: &Rows<'_>, resampling: &Resampling, periods: Vec<Period>) -> Vec<Period> {
    let size = if periods.len() > PERIODS_MAX { rows.p.len().div_ceil(PERIODS_MAX) } else { 1 };
    let mut joined: Vec<Period> = Vec::new();
    let mut open: Option<Period> = None;
    for period in periods {
        let period = match open.take() {
            Some(before) => before.with(period),
            None => period,
        };
        let stands = Core::of(&period.rows, (&rows.p, &rows.y, rows.weights()), resampling);
        if period.rows.len() >= size && stands.is_some() {
            joined.push(period);
        } else {
            open = Some(period);
        }
    }
    match (joined.pop(), open) {
        (Some(last), Some(rest)) => joined.push(last.with(rest)),
        (last, rest) => joined.extend(last.or(rest)),
    }
    joined
}

impl Period {
    fn with(mut self, later: Period) -> Period {
        self.to = later.to;
        self.rows.extend(later.rows);
        self.rows.sort_unstable();
        self
    }
}

/// The periods in two: the later part as near to a quarter of the rows as whole periods come.
fn parted(periods: &[Period], rows: usize) -> Option<[Period; 2]> {
    let far = |at: &usize| {
        let later: usize = periods[*at..].iter().map(|period| period.rows.len()).sum();
        (later as f64 / rows as f64 - LATER_SHARE).abs()
    };
    let at = (1..periods.len()).min_by(|a, b| far(a).total_cmp(&far(b)))?;
    let (earlier, later) = periods.split_at(at);
    let whole = |part: &[Period]| part.iter().cloned().reduce(Period::with);
    Some([whole(earlier)?, whole(later)?])
}

fn figures(rows: &Rows<'_>, resampling: &Resampling, period: &Period) -> Option<PeriodFigures> {
    let weights = rows.weights();
    let core = Core::of(&period.rows, (&rows.p, &rows.y, weights), resampling)?;
    let figures = resampling.figures(DRAWS_OF_GROUPS, |times| core.drawn(times).to_vec());
    let events: Vec<usize> = period.rows.iter().copied().filter(|row| rows.y[*row]).collect();
    Some(PeriodFigures {
        from: period.from.clone(),
        to: period.to.clone(),
        rows: period.rows.len(),
        events: events.len(),
        prevalence: weights.sum(&events) / weights.sum(&period.rows),
        auroc: figures.estimate(0)?,
        observed_over_expected: figures.estimate(1)?,
        calibration_slope: figures.estimate(2)?,
    })
}
