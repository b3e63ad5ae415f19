//! `Meter`: how far an import has come, for whoever watches from another thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the export's files, as they lie on disk: in all, and read so far.
#[derive(Debug, Default)]
pub struct Meter {
    total_bytes: AtomicU64,
    read_bytes: AtomicU64,
}

impl Meter {
    /// Bytes to be read in all; 0 before the files are known.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn await_bytes(&self, bytes: u64) {
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: u64) {
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
