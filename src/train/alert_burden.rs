//! What flagging from a cut upwards asks of a team, what it finds and what it misses.

use serde::Serialize;

use super::cohort::Sample;
use super::metrics::{Estimate, ThresholdRow};

/// Index times of a shorter span tell no rate: weeks have their weekends.
const SPAN_DAYS_MIN: i64 = 28;

/// What flagging from a cut upwards asks and brings; a figure with too few patients behind it is
/// `None`. Intervals are 95% intervals from resampling patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AlertBurden {
    /// The cut, a probability: from it upwards is flagged.
    pub cut: f64,
    /// Flags per 100 index times.
    pub flags_per_100: Option<Estimate>,
    /// Flags a day; `None` also where nothing tells how many index times a day there are.
    pub flags_per_day: Option<Estimate>,
    /// Share of the flagged with the outcome.
    pub ppv: Option<Estimate>,
    /// Share of the outcomes that are found.
    pub sensitivity: Option<Estimate>,
    /// Share of the outcomes that are missed: 1 - `sensitivity`.
    pub missed: Option<Estimate>,
    /// Flagged patients that are looked at for each with the outcome: 1 / `ppv`.
    pub number_needed_to_evaluate: Option<Estimate>,
    /// Outcomes found less needless flags at the odds of the cut, per 100 index times (Vickers and
    /// Elkin 2006); flagging nobody has 0.
    pub net_benefit_per_100: Option<Estimate>,
}

impl AlertBurden {
    /// Of a cut, at so many index times a day, where that is known.
    pub fn of(row: &ThresholdRow, index_times_per_day: Option<f64>) -> AlertBurden {
        let per_100 = |share: Estimate| share.rising(|share| 100.0 * share);
        let per_day =
            |share: Estimate| index_times_per_day.map(|a_day| share.rising(|share| share * a_day));
        let needed = row.ppv.filter(|ppv| ppv.interval.iter().all(|end| *end > 0.0));
        AlertBurden {
            cut: row.cut,
            flags_per_100: row.flagged.map(per_100),
            flags_per_day: row.flagged.and_then(per_day),
            ppv: row.ppv,
            sensitivity: row.sensitivity,
            missed: row.sensitivity.map(|found| found.falling(|found| 1.0 - found)),
            number_needed_to_evaluate: needed.map(|ppv| ppv.falling(|ppv| 1.0 / ppv)),
            net_benefit_per_100: row.net_benefit.map(per_100),
        }
    }
}

/// How many index times a day the records have, by the days (UTC) from the first to the last;
/// `None` where they span fewer than 28, or all stand at a day that was made up.
pub fn index_times_per_day(samples: &[Sample]) -> Option<f64> {
    let days = samples.iter().map(|sample| sample.prediction_time.day());
    let span = days.clone().max()? - days.min()? + 1;
    (span >= SPAN_DAYS_MIN).then(|| samples.len() as f64 / span as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::{population, task};

    #[test]
    fn what_is_missed_and_needed_turns_its_interval_round() {
        let of = |value, low, high| Some(Estimate { value, interval: [low, high] });
        let row = ThresholdRow {
            cut: 0.1,
            flagged: of(0.08, 0.07, 0.09),
            ppv: of(0.25, 0.2, 0.4),
            sensitivity: of(0.2, 0.1, 0.4),
            specificity: None,
            net_benefit: of(0.01, -0.01, 0.02),
        };
        let told = AlertBurden::of(&row, Some(50.0));
        let close = |of: Option<Estimate>, value: f64, [low, high]: [f64; 2]| {
            let Estimate { value: ours, interval } = of.unwrap();
            let apart = [ours - value, interval[0] - low, interval[1] - high];
            assert!(apart.iter().all(|apart| apart.abs() < 1e-12), "{ours} {interval:?}");
        };
        close(told.flags_per_100, 8.0, [7.0, 9.0]);
        close(told.flags_per_day, 4.0, [3.5, 4.5]);
        close(told.missed, 0.8, [0.6, 0.9]);
        close(told.number_needed_to_evaluate, 4.0, [2.5, 5.0]);
        close(told.net_benefit_per_100, 1.0, [-1.0, 2.0]);
        assert_eq!(AlertBurden::of(&row, None).flags_per_day, None);
        let none_found = ThresholdRow { ppv: of(0.1, 0.0, 0.3), ..row };
        assert_eq!(AlertBurden::of(&none_found, None).number_needed_to_evaluate, None);
    }

    #[test]
    fn a_rate_needs_four_weeks() {
        let (_, task) = task();
        let mut samples: Vec<Sample> =
            population(&task, 560, 0.0, 1).into_iter().map(|known| known.sample).collect();
        assert_eq!(index_times_per_day(&samples), None, "all at one time");
        let first = samples[0].prediction_time;
        let spread = |samples: &mut [Sample], days: i64| {
            for (number, sample) in samples.iter_mut().enumerate() {
                sample.prediction_time = first.plus_days(number as i64 % days);
            }
        };
        spread(&mut samples, 27);
        assert_eq!(index_times_per_day(&samples), None);
        spread(&mut samples, 28);
        assert_eq!(index_times_per_day(&samples), Some(20.0));
        assert_eq!(index_times_per_day(&[]), None);
    }
}
