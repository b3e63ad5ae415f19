//! Brings what was written to the disk ten times a second, while the writer goes on writing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::AuditError;
use super::disk::Flushable;

/// How far apart flushes are: what a loss of power may cost.
const INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Wanted {
    file: Option<Flushable>,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    wake: Condvar,
    has_failed: AtomicBool,
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut wanted = self.wanted();
            while wanted.file.is_none() && !wanted.is_over {
                wanted = self.wake.wait(wanted).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(file) = wanted.file.take() else { return };
            drop(wanted);
            if file.flush().is_err() {
                self.has_failed.store(true, Ordering::Release);
                return;
            }
            thread::sleep(INTERVAL);
        }
    }
}

/// The thread that flushes; ends when this is dropped.
#[derive(Debug)]
pub(super) struct Flusher(Arc<Shared>);

impl Flusher {
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start() -> Result<Flusher, AuditError> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("audit-flush".into());
        thread.spawn(move || of_thread.run()).map_err(AuditError::Thread)?;
        Ok(Flusher(shared))
    }

    /// Has the file flushed, soon.
    pub(super) fn ask(&self, file: impl FnOnce() -> Flushable) {
        let mut wanted = self.0.wanted();
        if wanted.file.is_none() {
            wanted.file = Some(file());
            self.0.wake.notify_one();
        }
    }

    /// Whether a flush has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::Acquire)
    }

    /// A file that is flushed already is not flushed again.
    pub(super) fn forget(&self) {
        self.0.wanted().file = None;
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.0.wanted().is_over = true;
        self.0.wake.notify_one();
    }
}
