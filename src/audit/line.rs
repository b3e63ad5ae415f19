//! The lines of the log: how a record is written, chained and sealed, and how it is read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::CallLine;
use super::key::{Keys, hex};
use crate::record::Time;

/// The longest line that a reader takes, in bytes; the longest that can be written is far shorter.
pub(super) const LINE_BYTES_MAX: usize = 512 << 10;
/// What stands between a record and its seal.
const SEAL: &[u8] = br#","mac":""#;
/// Digits of a seal.
const SEAL_DIGITS: usize = 64;

/// What a record says.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum What<'a> {
    /// The first record of each file.
    Log {
        log: &'a str,
        file: u64,
        patient_key_id: &'a str,
    },
    /// A server has begun to write.
    Opened {
        server: &'a str,
    },
    /// A crash had left so much of a record at the end of a file; it was cut off.
    Recovered {
        file: u64,
        bytes_cut: u64,
    },
    Call(CallLine<'a>),
    /// The answer of the call in that record was withheld after all: it came too late.
    Withheld {
        of: u64,
    },
    /// So many calls could not be recorded one by one.
    Unrecorded {
        calls: u64,
    },
    /// The record before this one, signed.
    Checkpoint {
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// The files up to this one are older than the retention, and are removed.
    Removed {
        through_file: u64,
    },
    /// The server has ended in order.
    Closed {},
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    prev: &'a str,
    time: String,
    #[serde(flatten)]
    what: &'a What<'a>,
}

/// The end of a chain: the next record goes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tip {
    /// The number of the last record; 0 before the first.
    pub(super) seq: u64,
    /// sha256 of the last record's line.
    pub(super) hash: String,
}

impl Tip {
    /// Before the first record.
    pub(super) fn genesis() -> Tip {
        Tip { seq: 0, hash: "0".repeat(64) }
    }

    /// The tip after a record with that line (without its line end).
    pub(super) fn after(seq: u64, line: &[u8]) -> Tip {
        Tip { seq, hash: hex(&Sha256::digest(line)) }
    }

    /// Adds a record to `out`, and moves on to it.
    ///
    /// # Errors
    /// None in practice: memory takes every record.
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        keys: &Keys,
        time: Time,
        what: &What<'_>,
    ) -> Result<(), serde_json::Error> {
        let (start, seq) = (out.len(), self.seq.saturating_add(1));
        let line = Line { seq, prev: &self.hash, time: time.to_string(), what };
        if let Err(error) = serde_json::to_writer(&mut *out, &line) {
            out.truncate(start);
            return Err(error);
        }
        // The closing brace comes after the seal.
        out.pop();
        let seal = keys.seal(out.get(start..).unwrap_or_default());
        out.extend_from_slice(SEAL);
        out.extend_from_slice(seal.as_bytes());
        out.extend_from_slice(b"\"}");
        *self = Tip::after(seq, out.get(start..).unwrap_or_default());
        out.push(b'\n');
        Ok(())
    }
}

/// The kinds of records, for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Log,
    Opened,
    Recovered,
    Call,
    Withheld,
    Unrecorded,
    Checkpoint,
    Removed,
    Closed,
}

/// What a reader needs of every record.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    pub(super) seq: u64,
    pub(super) prev: &'a str,
    pub(super) time: &'a str,
    pub(super) kind: Kind,
}

impl Head<'_> {
    /// Reads a line without its line end; `None` when it is no record.
    pub(super) fn read(line: &[u8]) -> Option<Head<'_>> {
        serde_json::from_slice(line).ok()
    }
}

/// The first record of a file.
#[derive(Debug, Deserialize)]
pub(super) struct FileHead {
    pub(super) log: String,
    pub(super) file: u64,
    pub(super) patient_key_id: String,
    pub(super) time: String,
}

impl FileHead {
    /// Reads a line without its line end; `None` when it begins no file.
    pub(super) fn read(line: &[u8]) -> Option<FileHead> {
        serde_json::from_slice(line).ok()
    }
}

/// Whether the seal of a line is the one that this secret makes.
pub(super) fn is_sealed(line: &[u8], keys: &Keys) -> bool {
    let end = line.len().checked_sub(SEAL_DIGITS + 2);
    let Some((body, seal)) = end.and_then(|end| line.split_at_checked(end)) else { return false };
    let (Some(body), Some(seal)) = (body.strip_suffix(SEAL), seal.strip_suffix(b"\"}")) else {
        return false;
    };
    // Not in constant time: whoever holds the secret needs no oracle.
    keys.seal(body).as_bytes() == seal
}
