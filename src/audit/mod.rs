//! The access log: who asked for which patient's scores, what for, and what came of it. Appended to
//! and never changed; each record holds the hash of the one before.
//!
//! # One record for each call
//!
//! A call is answered once its record is in the file. Where that does not come about within the wait,
//! the call is refused, and its record, once it can be written, says so: outcome `UNAVAILABLE`, and
//! under `withheld` how the call had ended. A record that was being written when the wait ended is
//! followed by one of kind `withheld` that names it. Calls beyond what memory keeps are counted in a
//! record of kind `unrecorded`. So there is one record of kind `call` for each call, or the log says
//! how many are not in it. A failed flush is the exception: what is on the disk then is unknown, so
//! nothing more is written; records may say `OK` of calls that were refused, never the reverse.
//!
//! # The format
//!
//! Files `audit-<number>.jsonl`, one JSON object a line, of which `seq` counts through all files,
//! `prev` is the sha256 of the line before (without its line end; 64 zeros before the first), `time`
//! is RFC 3339 and `mac`, the last member, is the HMAC-SHA256 of the line up to its comma under a key
//! made of the log's secret. Order is by `seq`: clocks may jump. The hash chain shows that a record
//! was changed, removed or moved to whoever has the record after it; the seal shows forged records to
//! whoever has the secret; checkpoints, signed and kept elsewhere, show a missing end to everybody.

mod calls;
mod checkpoint;
mod disk;
mod entry;
mod flusher;
mod folder;
mod key;
mod line;
mod lines;
mod log;
mod queue;
mod rotation;
mod settings;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use calls::{AuditedCall, CallsRead, calls};
pub use checkpoint::Checkpoint;
pub use entry::{Entry, ModelUsed, REASON_BYTES_MAX};
pub use key::PatientKey;
pub use log::{AuditFigures, AuditLog};
pub use settings::{AuditSettings, OnFailure, SyncRule};
pub use verify::{Evidence, Fault, FaultKind, Verdict, verify};

/// Why a log cannot be opened, read or written to.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("audit: {key} = {value}: must be {from} to {to}")]
    Setting { key: &'static str, value: u64, from: u64, to: u64 },
    #[error("audit: folder is not set: name the folder that the access log goes to")]
    NoFolder,
    #[error(
        "{folder}: another server writes this access log: stop it, or give this server a folder of \
         its own"
    )]
    Locked { folder: PathBuf },
    #[error("{path}: holds no key: it must be 32 bytes in hex or base64 (openssl rand -hex 32)")]
    NoKey { path: PathBuf },
    #[error(
        "{path}: the key of the access log in {folder} is not there; bring it back. Another key \
         would give every patient another name in the log"
    )]
    KeyGone { path: PathBuf, folder: PathBuf },
    #[error(
        "{path}: not the key that the access log in {folder} was written with; bring that one back, \
         or begin a new log in another folder"
    )]
    OtherKey { path: PathBuf, folder: PathBuf },
    #[error("{path}: no ed25519 private key in PKCS#8 PEM (openssl genpkey -algorithm ed25519)")]
    NoSigningKey { path: PathBuf },
    #[error("{path}: no ed25519 public key in PEM (openssl pkey -pubout)")]
    NoPublicKey { path: PathBuf },
    #[error("{path}: no checkpoint of an access log")]
    NoCheckpoint { path: PathBuf },
    #[error(
        "{path}: the end of the access log is damaged; `prodrome-train audit-verify` says where. \
         Keep the folder as it is, and begin a new log in another"
    )]
    Damaged { path: PathBuf },
    #[error(
        "{folder}: the access log ends at record {last}, and checkpoint.json knows {known} of it: \
         records are missing. Keep the folder as it is, and begin a new log in another"
    )]
    Shortened { folder: PathBuf, last: u64, known: u64 },
    #[error("{file}, line {line}: {kind}; `prodrome-train audit-verify` says more")]
    BadRecord { file: PathBuf, line: u64, kind: FaultKind },
    #[error(
        "{folder}: more than {max} answers of this access log were withheld; read it in parts, file by file"
    )]
    TooManyWithheld { folder: PathBuf, max: usize },
    #[error("{folder}: no access log is here (audit-000001.jsonl ...)")]
    NoLog { folder: PathBuf },
    #[error("the call could not be recorded within {milliseconds} ms")]
    TimedOut { milliseconds: u128 },
    #[error("the call cannot be recorded now: {0}")]
    NotNow(io::ErrorKind),
    #[error("the access log has failed, and takes records again after a restart: {0}")]
    Broken(io::ErrorKind),
    #[error("the access log is closed")]
    Closed,
    #[error("the access log's thread cannot be started: {0}")]
    Thread(io::Error),
}

impl AuditError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> AuditError {
        let path = path.to_owned();
        move |source| AuditError::Io { path, source }
    }
}
