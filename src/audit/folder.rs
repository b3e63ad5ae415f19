//! The folder of a log: its files by number, the lock on it, and where its last record ends.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::AuditError;
use super::key::Keys;
use super::line::{FileHead, Head, LINE_BYTES_MAX, Tip, is_sealed};
use crate::private_file;

/// The path of a file of the log.
pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("audit-{number:06}.jsonl"))
}

/// The files of the log, by number.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<u64, PathBuf>, AuditError> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(AuditError::io(folder))? {
        let path = entry.map_err(AuditError::io(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let digits = name.and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        let number = digits.and_then(|digits| digits.parse().ok());
        // Other spellings of a number are not ours.
        if let Some(number) = number.filter(|number| path == path_of(folder, *number)) {
            files.insert(number, path);
        }
    }
    Ok(files)
}

/// Keeps all other servers from a folder until it is dropped. It is given up by word, not by closing
/// the file: a child process that has just been forked holds the file open for a moment.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // One that cannot be given up goes with the process.
        let _ = self.0.unlock();
    }
}

/// Locks the folder.
///
/// # Errors
/// `Locked` when another server has it.
pub(super) fn lock(folder: &Path) -> Result<Lock, AuditError> {
    let held = File::open(folder).map_err(AuditError::io(folder))?;
    match held.try_lock() {
        Ok(()) => Ok(Lock(held)),
        Err(TryLockError::WouldBlock) => Err(AuditError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(AuditError::io(folder)(error)),
    }
}

/// Whether a server has the folder.
pub(super) fn is_locked(folder: &Path) -> bool {
    let Ok(held) = File::open(folder) else { return false };
    match held.try_lock_shared() {
        Ok(()) => {
            drop(Lock(held));
            false
        }
        Err(fault) => matches!(fault, TryLockError::WouldBlock),
    }
}

/// The first record of a file; `None` when there is no whole one, or it begins no file.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn file_head(path: &Path) -> Result<Option<FileHead>, AuditError> {
    let file = File::open(path).map_err(AuditError::io(path))?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(file).take(LINE_BYTES_MAX as u64);
    reader.read_until(b'\n', &mut line).map_err(AuditError::io(path))?;
    Ok(line.strip_suffix(b"\n").and_then(FileHead::read))
}

/// Where the last whole record of a file is.
#[derive(Debug)]
pub(super) struct LastRecord {
    pub(super) tip: Tip,
    /// The length of the whole records, in bytes.
    pub(super) bytes: u64,
    /// What a crash left behind them, in bytes.
    pub(super) torn_bytes: u64,
}

/// Finds the last whole record of a file; `None` when there is none.
///
/// # Errors
/// A file that cannot be read, or whose last record is not one that was written under this secret.
pub(super) fn last_record(path: &Path, keys: &Keys) -> Result<Option<LastRecord>, AuditError> {
    let (tail, start) = tail(path).map_err(AuditError::io(path))?;
    let damaged = || AuditError::Damaged { path: path.to_owned() };
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
        return if start == 0 { Ok(None) } else { Err(damaged()) };
    };
    let whole = tail.get(..end).unwrap_or_default();
    let begin = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let line = whole.get(begin..).unwrap_or_default();
    let head = Head::read(line).filter(|_| is_sealed(line, keys)).ok_or_else(damaged)?;
    Ok(Some(LastRecord {
        tip: Tip::after(head.seq, line),
        bytes: start + end as u64 + 1,
        torn_bytes: (tail.len() - end - 1) as u64,
    }))
}

/// The end of a file, long enough to hold a whole record and a torn one, and where it starts.
fn tail(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(2 * LINE_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok((tail, start))
}

/// Cuts a file to so many bytes, and brings that to disk.
///
/// # Errors
/// A file that cannot be cut.
pub(super) fn cut(path: &Path, bytes: u64) -> Result<(), AuditError> {
    let cut = |file: File| file.set_len(bytes).and_then(|()| file.sync_all());
    OpenOptions::new().write(true).open(path).and_then(cut).map_err(AuditError::io(path))
}

/// Removes files, oldest first, and brings that to disk.
///
/// # Errors
/// A folder that does not let go of them.
pub(super) fn remove(folder: &Path, numbers: &[u64]) -> io::Result<()> {
    for number in numbers {
        fs::remove_file(path_of(folder, *number))?;
    }
    private_file::sync_folder(folder)
}
