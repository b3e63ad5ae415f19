//! The gate that all calls of a server come through, by gRPC or by HTTP: one set of limits, one count
//! of what is in work, one row of numbers for the calls.

mod admission;
mod guard;
mod large;
mod limits;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub use admission::{Admission, Awaited, Place, Shed};
pub use guard::{Incident, guarded, guarded_future};
pub use limits::Limits;

use large::Large;

/// Larger records are scored beside the threads that serve connections, which they would hold up.
const INLINE_ENTRIES_MAX: usize = 2_000;
/// What a large record counts for in the mean cost of a call: many of them keep the processors busy, and
/// one must not make small ones look dear.
const LARGE_COUNTED_MAX: Duration = Duration::from_millis(10);
/// Beside its events a history may have a tenth as many encounters.
const ENCOUNTERS_SHARE: usize = 10;

/// The name of a call, for the log, the audit and the caller's questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where all calls come through.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    admission: Arc<Admission>,
    /// Of the next call: from a number that no other process begins with, and up.
    next_id: AtomicU64,
    large: Large,
}

impl Gate {
    /// The gate of a server on this machine.
    pub fn new(limits: Limits) -> Arc<Gate> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Gate {
            limits,
            admission: Admission::new(&limits, processors),
            next_id: AtomicU64::new(RandomState::new().hash_one(())),
            large: Large::default(),
        })
    }

    /// What the server allows.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The count of calls in work.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The name of one more call.
    pub fn next_id(&self) -> CallId {
        CallId(self.next_id.fetch_add(1, Relaxed))
    }

    /// Whether a record has more entries than any that the server takes. What exactly is too much of
    /// which, `History::build` says; this keeps the work bounded.
    pub fn is_too_many(&self, entries: usize) -> bool {
        entries > self.limits.events_max + self.limits.events_max / ENCOUNTERS_SHARE
    }

    /// Does `work` on a record of so many entries: at once, or in its turn where the record is large.
    ///
    /// # Errors
    /// A large record that finds no place.
    pub async fn work<T: Send + 'static>(
        &self,
        entries: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, Incident>, Shed> {
        if entries > INLINE_ENTRIES_MAX {
            let admission = Arc::clone(&self.admission);
            let counted = move || {
                let began = std::time::Instant::now();
                let done = work();
                admission.took(began.elapsed().min(LARGE_COUNTED_MAX));
                done
            };
            return self.large.work(counted).await;
        }
        let began = std::time::Instant::now();
        let done = guarded(work);
        self.admission.took(began.elapsed());
        Ok(done)
    }

    /// Time that a score has to reach its caller, also where a flag does not reach the disk.
    pub fn flag_wait(&self, left: Option<Duration>) -> Duration {
        left.map_or(self.limits.call_max, |left| left.saturating_sub(SENDING))
    }
}

/// What is left of a call's time for sending its answer.
const SENDING: Duration = Duration::from_millis(20);
