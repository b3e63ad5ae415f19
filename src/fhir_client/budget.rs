//! What the questions of one call may use up together: time, bytes and pages.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::error::FetchError;
use super::settings::FetchLimits;

/// What is left of the time, bytes and pages of one call; shared by all its questions.
#[derive(Debug)]
pub struct Budget {
    deadline: Instant,
    bytes: AtomicU64,
    pages: AtomicU32,
}

impl Budget {
    /// The whole of `limits`, from now on and not beyond `deadline`, by which the call has to be answered.
    pub fn new(limits: &FetchLimits, deadline: Instant) -> Budget {
        let own = Instant::now().checked_add(limits.time);
        Budget {
            deadline: own.map_or(deadline, |own| own.min(deadline)),
            bytes: AtomicU64::new(limits.bytes_max),
            pages: AtomicU32::new(limits.pages_max),
        }
    }

    /// The time that is left.
    pub(super) fn time(&self) -> Result<Duration, FetchError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(FetchError::TooSlow) } else { Ok(left) }
    }

    /// The bytes that are left.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Uses up `count` bytes.
    pub(super) fn use_bytes(&self, count: usize) -> Result<(), FetchError> {
        let less = |left: u64| left.checked_sub(count as u64);
        let used = self.bytes.fetch_update(Relaxed, Relaxed, less);
        used.map(|_| ()).map_err(|_| FetchError::TooLarge)
    }

    /// Uses up a page.
    pub(super) fn use_page(&self) -> Result<(), FetchError> {
        let used = self.pages.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        used.map(|_| ()).map_err(|_| FetchError::TooManyPages)
    }
}
