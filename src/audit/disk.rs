//! The file that is being written: whole records or none.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use super::AuditError;

/// What tests let go wrong; nothing outside of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    #[cfg(test)]
    pub(super) plan: Arc<super::tests::Plan>,
}

/// What is done to a file, where a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Write,
    Sync,
    Cut,
}

impl Faults {
    /// How many of `bytes` the disk takes now.
    #[cfg(not(test))]
    fn strike(&self, _: Operation, bytes: usize) -> io::Result<usize> {
        Ok(bytes)
    }

    #[cfg(test)]
    fn strike(&self, operation: Operation, bytes: usize) -> io::Result<usize> {
        self.plan.strike(operation, bytes)
    }
}

/// Why records are not in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskFault {
    /// The file is as it was before: it may be tried again.
    NotNow(ErrorKind),
    /// Nobody knows what is in the file, or on the disk: nothing more must be written.
    Broken(ErrorKind),
}

impl From<DiskFault> for AuditError {
    fn from(fault: DiskFault) -> AuditError {
        match fault {
            DiskFault::NotNow(kind) => AuditError::NotNow(kind),
            DiskFault::Broken(kind) => AuditError::Broken(kind),
        }
    }
}

/// A file that records are added to.
#[derive(Debug)]
pub(super) struct Disk {
    file: Arc<File>,
    /// The length of the whole records, in bytes.
    pub(super) bytes: u64,
    faults: Faults,
}

/// A file that can be flushed from another thread.
#[derive(Debug, Clone)]
pub(super) struct Flushable {
    file: Arc<File>,
    faults: Faults,
}

impl Flushable {
    /// Brings what was written to the disk.
    ///
    /// # Errors
    /// Then nobody knows what is on it: a second try would tell of success whatever was lost.
    pub(super) fn flush(&self) -> Result<(), DiskFault> {
        let flushed = self.faults.strike(Operation::Sync, 0).and_then(|_| self.file.sync_data());
        flushed.map_err(|error| DiskFault::Broken(error.kind()))
    }
}

impl Disk {
    pub(super) fn new(file: File, bytes: u64, faults: Faults) -> Disk {
        Disk { file: Arc::new(file), bytes, faults }
    }

    /// Opens a file to add to it.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(super) fn open(path: &Path, faults: Faults) -> io::Result<Disk> {
        let file = OpenOptions::new().append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Disk::new(file, bytes, faults))
    }

    pub(super) fn flushable(&self) -> Flushable {
        Flushable { file: Arc::clone(&self.file), faults: self.faults.clone() }
    }

    /// Adds whole records: all of them or, where it fails, none.
    ///
    /// # Errors
    /// A disk that does not take them.
    pub(super) fn write(&mut self, records: &[u8]) -> Result<(), DiskFault> {
        match self.write_through(records) {
            Ok(()) => {
                self.bytes = self.bytes.saturating_add(records.len() as u64);
                Ok(())
            }
            Err(error) => {
                self.cut()?;
                Err(DiskFault::NotNow(error.kind()))
            }
        }
    }

    fn write_through(&self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let taken = self.faults.strike(Operation::Write, rest.len())?;
            match (&*self.file).write(rest.get(..taken).unwrap_or(rest)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts off what a failed write left behind.
    fn cut(&self) -> Result<(), DiskFault> {
        let struck = self.faults.strike(Operation::Cut, 0);
        let cut = struck.and_then(|_| self.file.set_len(self.bytes));
        cut.map_err(|error| DiskFault::Broken(error.kind()))
    }
}
