//! The interval of an answer: where the event rate of all patients with this score lies. It is no
//! interval of one patient's own risk, and grows with what the development cohort leaves open.

use serde::{Deserialize, Serialize};

/// 95% bounds of the event rate among patients with the same score, at rising probabilities.
///
/// Between two knots the bounds are straight lines; beyond the last ones they run to 0 and 1, so that
/// a bound never crosses the probability it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Rising; at or beyond each on either side stand eleven patients or more.
    pub probabilities: Vec<f64>,
    /// At each of them, never falling and never above the probability.
    pub low: Vec<f64>,
    /// At each of them, never falling and never below the probability.
    pub high: Vec<f64>,
}

impl Interval {
    /// The bounds of the event rate at `probability`, both from 0 to 1; they hold it between them and
    /// never fall where it rises.
    pub fn around(&self, probability: f64) -> [f64; 2] {
        let above = self.probabilities.partition_point(|knot| *knot <= probability);
        // Before the first and after the last knot the line goes on to (0, 0) and to (1, 1) on the
        // side where it would otherwise cross the probability; the other side stays level.
        let (start, end) = ((0.0, 0.0), (1.0, 1.0));
        let bound = |bounds: &[f64], towards: Option<(f64, f64)>| {
            let knot = |at: usize| Some((*self.probabilities.get(at)?, *bounds.get(at)?));
            let below = above.checked_sub(1).and_then(knot);
            match (below, knot(above)) {
                (Some(below), Some(above)) => line(below, above, probability),
                (Some(last), None) => towards.map_or(last.1, |to| line(last, to, probability)),
                (None, Some(first)) => towards.map_or(first.1, |to| line(to, first, probability)),
                (None, None) => probability,
            }
        };
        let (is_first, is_last) = (above == 0, above == self.probabilities.len());
        let low = bound(&self.low, is_first.then_some(start));
        let high = bound(&self.high, is_last.then_some(end));
        [low.min(probability).max(0.0), high.max(probability).min(1.0)]
    }

    /// Whether the numbers are what the fields say.
    pub(super) fn is_sound(&self) -> bool {
        let Interval { probabilities, low, high } = self;
        let inside = |values: &[f64]| values.iter().all(|value| (0.0..=1.0).contains(value));
        let between = low.iter().zip(probabilities).zip(high);
        !probabilities.is_empty()
            && [low.len(), high.len()] == [probabilities.len(); 2]
            && [probabilities, low, high].iter().all(|values| inside(values))
            && probabilities.windows(2).all(|pair| pair[0] < pair[1])
            && [low, high].iter().all(|values| values.is_sorted())
            && between.into_iter().all(|((low, p), high)| low <= p && p <= high)
    }
}

/// The straight line through two points, at `x` between them.
fn line((x0, y0): (f64, f64), (x1, y1): (f64, f64), x: f64) -> f64 {
    if x1 <= x0 {
        return y0;
    }
    let share = ((x - x0) / (x1 - x0)).clamp(0.0, 1.0);
    (y0 + share * (y1 - y0)).clamp(y0.min(y1), y0.max(y1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval() -> Interval {
        Interval { probabilities: vec![0.1, 0.3], low: vec![0.05, 0.2], high: vec![0.2, 0.35] }
    }

    #[test]
    fn the_bounds_hold_every_probability_and_never_fall() {
        let interval = interval();
        assert!(interval.is_sound());
        let mut last = [0.0; 2];
        for step in 0..=1000 {
            let p = f64::from(step) / 1000.0;
            let [low, high] = interval.around(p);
            assert!(low <= p && p <= high, "{p}: {low} {high}");
            assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
            assert!(last[0] <= low && last[1] <= high, "{p}");
            last = [low, high];
        }
        let [low, high] = interval.around(0.2);
        assert!((low - 0.125).abs() < 1e-12 && (high - 0.275).abs() < 1e-12);
        assert_eq!((interval.around(0.0), interval.around(1.0)), ([0.0, 0.2], [0.2, 1.0]));
    }

    #[test]
    fn unsound_bounds_are_seen() {
        let wrong = [
            Interval { low: vec![0.15, 0.2], ..interval() },
            Interval { high: vec![0.2, 0.1], ..interval() },
            Interval { low: vec![0.05], ..interval() },
            Interval { probabilities: vec![0.3, 0.3], ..interval() },
            Interval { high: vec![0.2, f64::NAN], ..interval() },
            Interval { probabilities: vec![], low: vec![], high: vec![] },
        ];
        assert!(wrong.iter().all(|interval| !interval.is_sound()));
    }
}
