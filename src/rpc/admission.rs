//! Who gets in: calls in work are counted over all connections, and while work waits too long for a
//! processor, new calls are refused at once instead of joining the wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::limits::Limits;
use crate::meters;

/// How often the wait for a processor is measured while there are calls.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// With so few calls in work a wait is not their doing: the machine has other work.
const FEW_CALLS: usize = 16;
/// What a caller who is refused is told to wait at least.
const RETRY_MIN: Duration = Duration::from_millis(20);

/// The count of calls in work, and how long work waits.
#[derive(Debug)]
pub(super) struct Admission {
    in_work: AtomicUsize,
    /// How late a timer woke up when last looked: what any work that is ready has to wait.
    wait_us: AtomicU64,
    has_calls: Notify,
    calls_at_once_max: usize,
    queue_max: Duration,
}

/// Why a call was refused, and when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shed {
    pub(super) what: meters::Shed,
    pub(super) retry_after: Duration,
}

/// A call's place; it is free again when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Admission>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Relaxed);
    }
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Arc<Admission> {
        Arc::new(Admission {
            in_work: AtomicUsize::new(0),
            wait_us: AtomicU64::new(0),
            has_calls: Notify::new(),
            calls_at_once_max: limits.calls_at_once_max,
            queue_max: limits.queue_max,
        })
    }

    /// A place for one call.
    ///
    /// # Errors
    /// When all are taken, or work waits too long as it is.
    pub(super) fn enter(self: &Arc<Admission>) -> Result<Place, Shed> {
        let before = self.in_work.fetch_add(1, Relaxed);
        // From here on the place is given back, whatever happens.
        let place = Place(Arc::clone(self));
        if before == 0 {
            self.has_calls.notify_one();
        }
        let wait = Duration::from_micros(self.wait_us.load(Relaxed));
        let what = if before >= self.calls_at_once_max {
            meters::Shed::CallsAtOnce
        } else if before >= FEW_CALLS && wait > self.queue_max {
            meters::Shed::Queue
        } else {
            return Ok(place);
        };
        Err(Shed { what, retry_after: RETRY_MIN.max(wait) })
    }

    /// Calls in work.
    pub(super) fn in_work(&self) -> usize {
        self.in_work.load(Relaxed)
    }

    /// Measures the wait for as long as it is polled.
    pub(super) async fn watch(self: Arc<Admission>) {
        loop {
            if self.in_work() == 0 {
                self.wait_us.store(0, Relaxed);
                self.has_calls.notified().await;
            }
            let began = Instant::now();
            sleep(LOOK_EVERY).await;
            let late = began.elapsed().saturating_sub(LOOK_EVERY);
            self.wait_us.store(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_over_all_and_come_back() {
        let admission = Admission::new(&Limits { calls_at_once_max: 2, ..Limits::default() });
        let first = admission.enter().unwrap();
        let _second = admission.enter().unwrap();
        let shed = admission.enter().unwrap_err();
        assert_eq!(shed.what, meters::Shed::CallsAtOnce);
        assert!(shed.retry_after >= RETRY_MIN);
        assert_eq!(admission.in_work(), 2, "the refused call holds no place");
        drop(first);
        admission.enter().unwrap();
    }

    #[test]
    fn a_long_wait_refuses_until_it_is_short_again() {
        let admission = Admission::new(&Limits::default());
        admission.wait_us.store(60_000, Relaxed);
        let few: Vec<Place> = (0..FEW_CALLS).map(|_| admission.enter().unwrap()).collect();
        let shed = admission.enter().unwrap_err();
        assert_eq!((shed.what, shed.retry_after), (meters::Shed::Queue, Duration::from_millis(60)));
        admission.wait_us.store(1_000, Relaxed);
        admission.enter().unwrap();
        drop(few);
    }
}
