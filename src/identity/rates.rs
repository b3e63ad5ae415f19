//! How often a caller may call: a bucket for each caller, so that one who runs wild is slowed down
//! and the others are not.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::settings::{CallerRate, RateSettings};
use crate::access::Caller;

/// Callers with a bucket of their own at one time; those above share one.
const CALLERS_MAX: usize = 10_000;
/// Full buckets are thrown away after so many new callers: to look for them costs time.
const SWEEP_CALLS: usize = 1_000;
/// The fastest rate that the clock can count, in calls a second.
const PER_SECOND_MAX: f64 = 1e9;

/// What is wrong with the rates of the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatesError {
    #[error("rates{}: calls_per_second must be above 0 and at most 1e9", of(.caller))]
    PerSecond { caller: Option<String> },
    #[error("rates{}: burst must be 1 or more", of(.caller))]
    Burst { caller: Option<String> },
}

fn of(caller: &Option<String>) -> String {
    caller.as_ref().map(|name| format!(".callers.\"{name}\"")).unwrap_or_default()
}

/// A caller has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller calls too often: wait {} ms", .wait.as_millis())]
pub struct TooOften {
    /// Until the next call would be taken.
    pub wait: Duration,
}

/// A bucket for each caller.
pub struct Rates {
    clock: DefaultClock,
    others: DefaultKeyedRateLimiter<String>,
    overflow: DefaultDirectRateLimiter,
    own: HashMap<String, DefaultDirectRateLimiter>,
    since_sweep: AtomicUsize,
}

impl Rates {
    /// Full buckets.
    ///
    /// # Errors
    /// A rate or a burst that allows nothing.
    pub fn new(settings: &RateSettings) -> Result<Rates, RatesError> {
        let RateSettings { calls_per_second, burst, callers } = settings;
        let all = CallerRate { calls_per_second: *calls_per_second, burst: *burst };
        let all = quota(None, &all)?;
        let own = callers
            .iter()
            .map(|(name, rate)| Ok((name.clone(), RateLimiter::direct(quota(Some(name), rate)?))));
        Ok(Rates {
            clock: DefaultClock::default(),
            others: RateLimiter::keyed(all),
            overflow: RateLimiter::direct(all),
            own: own.collect::<Result<_, RatesError>>()?,
            since_sweep: AtomicUsize::new(0),
        })
    }

    /// Takes one call out of the caller's bucket.
    ///
    /// # Errors
    /// The bucket is empty.
    pub fn take(&self, caller: &Caller) -> Result<(), TooOften> {
        let name = &caller.name;
        let taken = match self.own.get(name) {
            Some(own) => own.check(),
            None if self.has_room() => self.others.check_key(name),
            None => self.overflow.check(),
        };
        taken.map_err(|until| TooOften { wait: until.wait_time_from(self.clock.now()) })
    }

    /// Whether a new caller can have a bucket.
    fn has_room(&self) -> bool {
        if self.others.len() < CALLERS_MAX {
            return true;
        }
        if self.since_sweep.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_CALLS) {
            self.others.retain_recent();
        }
        self.others.len() < CALLERS_MAX
    }
}

fn quota(caller: Option<&String>, rate: &CallerRate) -> Result<Quota, RatesError> {
    let caller = || caller.cloned();
    let per_second = rate.calls_per_second;
    let period = Duration::try_from_secs_f64(1.0 / per_second);
    let quota = period.ok().filter(|_| per_second <= PER_SECOND_MAX).and_then(Quota::with_period);
    let quota = quota.ok_or_else(|| RatesError::PerSecond { caller: caller() })?;
    let burst = NonZeroU32::new(rate.burst);
    Ok(quota.allow_burst(burst.ok_or_else(|| RatesError::Burst { caller: caller() })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn caller(name: &str) -> Caller {
        Caller { name: name.to_owned(), roles: Vec::new(), scope: Scope::default() }
    }

    fn settings(calls_per_second: f64, burst: u32) -> RateSettings {
        RateSettings { calls_per_second, burst, ..RateSettings::default() }
    }

    #[test]
    fn an_empty_bucket_tells_how_long_to_wait_and_empties_no_other() {
        let mut settings = settings(0.01, 3);
        settings.callers.insert("batch".into(), CallerRate { calls_per_second: 0.1, burst: 1 });
        let rates = Rates::new(&settings).unwrap();
        let (ehr, app, batch) = (caller("ehr"), caller("app"), caller("batch"));
        for _ in 0..3 {
            rates.take(&ehr).unwrap();
        }
        let wait = rates.take(&ehr).unwrap_err().wait;
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(100), "{wait:?}");
        rates.take(&app).unwrap();
        rates.take(&batch).unwrap();
        let wait = rates.take(&batch).unwrap_err().wait;
        assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10), "{wait:?}");
    }

    #[test]
    fn a_call_comes_back_with_time() {
        let rates = Rates::new(&settings(1_000.0, 1)).unwrap();
        let caller = caller("ehr");
        rates.take(&caller).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        rates.take(&caller).unwrap();
    }

    #[test]
    fn buckets_are_bounded_and_callers_above_share_one() {
        let rates = Rates::new(&settings(0.001, 2)).unwrap();
        let taken = |number: usize| rates.take(&caller(&format!("caller-{number}"))).is_ok();
        let all = (0..CALLERS_MAX + 100).filter(|number| taken(*number)).count();
        assert_eq!(all, CALLERS_MAX + 2, "the shared bucket holds two calls");
        assert!(rates.others.len() <= CALLERS_MAX);
    }

    #[test]
    fn rates_that_allow_nothing_are_refused() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            let error = Rates::new(&settings(per_second, 1)).err().unwrap();
            assert_eq!(error, RatesError::PerSecond { caller: None }, "{per_second}");
        }
        assert_eq!(Rates::new(&settings(1.0, 0)).err(), Some(RatesError::Burst { caller: None }));
    }
}
