//! The wall clock, for what is told in dates; what is waited for is told by `Instant`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::Time;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Now; a clock set before 1970 counts as 1970.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Now, in whole seconds since 1970-01-01T00:00Z.
pub fn now_seconds() -> i64 {
    now().micros().div_euclid(MICROS_PER_SECOND)
}
