//! A figure with its interval.

use serde::Serialize;

/// A figure and how far resampling the patients moves it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure on the rows as they are.
    pub value: f64,
    /// 95% interval, patients resampled.
    pub interval: [f64; 2],
}

impl Estimate {
    /// The same in another unit, where more is more.
    pub(in crate::train) fn rising(self, to: impl Fn(f64) -> f64) -> Estimate {
        let [low, high] = self.interval;
        Estimate { value: to(self.value), interval: [to(low), to(high)] }
    }

    /// The same told the other way round, where more is less.
    pub(in crate::train) fn falling(self, to: impl Fn(f64) -> f64) -> Estimate {
        let [low, high] = self.interval;
        Estimate { value: to(self.value), interval: [to(high), to(low)] }
    }
}
