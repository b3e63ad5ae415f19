//! `Standing`: how a number lies among the people of a scale, as far as its quantiles tell.

use super::release::PeerScale;

/// Where a number lies among people, in percent of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The share that lies below, as near as the quantiles tell: linear between two of them, in the
    /// middle of those that are equal to the number, and at the outermost for what lies beyond.
    pub percentile: u32,
    /// The share of the last quantile below the number (0 without one), and that of the first above it
    /// (100 without one): the share that lies below is between them.
    pub low: u32,
    pub high: u32,
}

impl PeerScale {
    /// The number that half of the people lie below; `None` without quantiles.
    pub fn median(&self) -> Option<f64> {
        let upper = self.quantiles.get(self.quantiles.len() / 2)?;
        let lower = self.quantiles.get(self.quantiles.len().saturating_sub(1) / 2)?;
        Some(f64::midpoint(*lower, *upper))
    }

    /// Where `value` lies; `None` for what is no number, and without quantiles.
    pub fn standing(&self, value: f64) -> Option<Standing> {
        let quantiles = &self.quantiles;
        if !value.is_finite() || quantiles.is_empty() {
            return None;
        }
        let below = quantiles.partition_point(|quantile| *quantile < value);
        let up_to = quantiles.partition_point(|quantile| *quantile <= value);
        let count = quantiles.len();
        let share = |place: f64| 100.0 * place / (count + 1) as f64;
        let place = if up_to > below {
            // The places of equal quantiles count from 1: from `below` + 1 to `up_to`.
            (below + 1 + up_to) as f64 / 2.0
        } else {
            let last = below.checked_sub(1).and_then(|at| quantiles.get(at));
            match (last, quantiles.get(below)) {
                (Some(low), Some(high)) => below as f64 + (value - low) / (high - low),
                (None, _) => 1.0,
                (_, None) => count as f64,
            }
        };
        Some(Standing {
            percentile: share(place).round() as u32,
            low: share(below as f64).floor() as u32,
            high: share((up_to + 1) as f64).ceil() as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::{Direction, PeerScaleOf};

    fn standing(quantiles: &[f64], value: f64) -> Option<(u32, u32, u32)> {
        let of = PeerScaleOf::Measurement { concept: "c".into(), title: "c".into(), unit: None };
        let (people, direction) = (220, Direction::NotKnown);
        let scale = PeerScale { of, people, quantiles: quantiles.to_vec(), direction };
        scale.standing(value).map(|found| (found.percentile, found.low, found.high))
    }

    #[test]
    fn a_value_lies_between_the_quantiles_around_it() {
        let quartiles = [10.0, 20.0, 40.0];
        for (value, wanted) in [
            (5.0, (25, 0, 25)),
            (10.0, (25, 0, 50)),
            (15.0, (38, 25, 50)),
            (30.0, (63, 50, 75)),
            (40.0, (75, 50, 100)),
            (99.0, (75, 75, 100)),
        ] {
            assert_eq!(standing(&quartiles, value), Some(wanted), "{value}");
        }
        assert_eq!(standing(&quartiles, f64::NAN), None);
        assert_eq!(standing(&[], 1.0), None);
    }

    #[test]
    fn of_equal_quantiles_the_middle_counts() {
        assert_eq!(standing(&[0.0, 0.0, 0.0, 5.0], 0.0), Some((40, 0, 80)));
        assert_eq!(standing(&[1.0, 5.0, 5.0, 5.0], 5.0), Some((60, 20, 100)));
        assert_eq!(standing(&[3.0; 4], 3.0), Some((50, 0, 100)));
    }
}
