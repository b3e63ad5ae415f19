//! Who gets in: calls in work are counted over all connections, and where those before a new one would
//! keep the processors busy for too long, it is refused at once instead of joining the wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::Limits;
use crate::meters;

/// So few calls in work are never too many: the processors must not stand still.
const FEW_CALLS: usize = 16;
/// What a caller who is refused is told to wait at least.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// How many calls the mean cost remembers, as a power of two.
const MEMORY_SHIFT: u32 = 4;

/// The count of calls in work, and what a call takes.
#[derive(Debug)]
pub struct Admission {
    in_work: AtomicUsize,
    /// Of those, calls whose request is still to come in: they take a place and no processor.
    awaited: AtomicUsize,
    /// The mean time of a score that is worked out at once, the latest counting most.
    cost_ns: AtomicU64,
    calls_at_once_max: usize,
    queue_max: Duration,
    processors: u64,
}

/// Why a call was refused, and when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shed {
    pub what: meters::Shed,
    pub retry_after: Duration,
}

/// A call's place; it is free again when dropped.
#[derive(Debug)]
pub struct Place(Arc<Admission>);

/// A call in work whose request is awaited, until dropped.
#[derive(Debug)]
pub struct Awaited(Arc<Admission>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.awaited.fetch_sub(1, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Relaxed);
    }
}

impl Admission {
    /// Admission to so many processors.
    pub fn new(limits: &Limits, processors: usize) -> Arc<Admission> {
        Arc::new(Admission {
            in_work: AtomicUsize::new(0),
            awaited: AtomicUsize::new(0),
            cost_ns: AtomicU64::new(0),
            calls_at_once_max: limits.calls_at_once_max,
            queue_max: limits.queue_max,
            processors: processors.max(1) as u64,
        })
    }

    /// A place for one call.
    ///
    /// # Errors
    /// When all are taken, or those before would take too long.
    pub fn enter(self: &Arc<Admission>) -> Result<Place, Shed> {
        let before = self.in_work.fetch_add(1, Relaxed);
        // From here on the place is given back, whatever happens.
        let place = Place(Arc::clone(self));
        let busy = before.saturating_sub(self.awaited.load(Relaxed));
        let wait = self.wait(busy);
        let what = if before >= self.calls_at_once_max {
            meters::Shed::CallsAtOnce
        } else if busy >= FEW_CALLS && wait > self.queue_max {
            meters::Shed::Queue
        } else {
            return Ok(place);
        };
        Err(Shed { what, retry_after: RETRY_MIN.max(wait) })
    }

    /// Notes that a call in work waits for its request.
    pub fn awaits(self: &Arc<Admission>) -> Awaited {
        self.awaited.fetch_add(1, Relaxed);
        Awaited(Arc::clone(self))
    }

    /// How long `calls` keep the processors busy, if they are like those of late.
    fn wait(&self, calls: usize) -> Duration {
        let cost_ns = self.cost_ns.load(Relaxed);
        Duration::from_nanos((calls as u64).saturating_mul(cost_ns) / self.processors)
    }

    /// Notes what a score took. Two at once may note one; the mean bears it.
    pub fn took(&self, cost: Duration) {
        let cost_ns = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.cost_ns.load(Relaxed);
        let next = mean - (mean >> MEMORY_SHIFT) + (cost_ns >> MEMORY_SHIFT);
        self.cost_ns.store(next, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_over_all_and_come_back() {
        let admission = Admission::new(&Limits { calls_at_once_max: 2, ..Limits::default() }, 2);
        let first = admission.enter().unwrap();
        let _second = admission.enter().unwrap();
        let shed = admission.enter().unwrap_err();
        assert_eq!(shed.what, meters::Shed::CallsAtOnce);
        assert!(shed.retry_after >= RETRY_MIN);
        assert_eq!(admission.in_work.load(Relaxed), 2, "the refused call holds no place");
        drop(first);
        admission.enter().unwrap();
    }

    #[test]
    fn slow_senders_keep_nobody_out() {
        let admission = Admission::new(&Limits::default(), 2);
        for _ in 0..200 {
            admission.took(Duration::from_secs(1));
        }
        let places: Vec<Place> = (0..FEW_CALLS).map(|_| admission.enter().unwrap()).collect();
        assert_eq!(admission.enter().unwrap_err().what, meters::Shed::Queue);
        let awaited: Vec<Awaited> = places.iter().map(|_| admission.awaits()).collect();
        let others: Vec<Place> = (0..FEW_CALLS).map(|_| admission.enter().unwrap()).collect();
        drop(awaited);
        assert_eq!(admission.enter().unwrap_err().what, meters::Shed::Queue, "now they are work");
        drop((places, others));
        admission.enter().unwrap();
    }

    #[test]
    fn dear_calls_are_refused_sooner_than_cheap_ones() {
        let places = |cost: Duration| {
            let admission = Admission::new(&Limits::default(), 2);
            for _ in 0..200 {
                admission.took(cost);
            }
            let held: Vec<Place> = (0..5_000).map_while(|_| admission.enter().ok()).collect();
            (held.len(), admission.enter().unwrap_err())
        };
        let (cheap, shed) = places(Duration::from_micros(50));
        assert_eq!((cheap, shed.what), (1_024, meters::Shed::CallsAtOnce));
        let (dear, shed) = places(Duration::from_millis(1));
        assert!((80..=90).contains(&dear), "{dear} calls of 1 ms on two processors are 40 ms");
        assert_eq!(shed.what, meters::Shed::Queue);
        assert!(shed.retry_after > Duration::from_millis(35));
        let (dearest, _) = places(Duration::from_secs(1));
        assert_eq!(dearest, FEW_CALLS);
    }
}
