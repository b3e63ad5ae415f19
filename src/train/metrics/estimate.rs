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
