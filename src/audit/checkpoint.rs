//! Checkpoints: the state of the log, signed, so that nobody can cut its end off unseen.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::AuditError;
use super::line::Tip;
use crate::private_file;
use crate::record::Time;
use crate::signing::{PrivateKey, PublicKey};

/// The latest checkpoint, beside the files of the log.
pub(super) const FILE: &str = "checkpoint.json";

/// The state of a log: all records up to one. `checkpoint.json` holds the latest; a copy of it kept
/// elsewhere shows when the end of the log is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The log's id.
    pub log: String,
    /// The number of the last record.
    pub seq: u64,
    /// sha256 of the last record's line.
    pub hash: String,
    /// When it was made (RFC 3339).
    pub time: String,
    /// ed25519 over the other fields (see `message`), in base64; absent where the log has no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Checkpoint {
    /// What is signed.
    fn message(log: &str, tip: &Tip, time: &str) -> String {
        format!("prodrome audit checkpoint 1\n{log}\n{}\n{}\n{time}\n", tip.seq, tip.hash)
    }

    /// Whether the signature is by that key.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let tip = Tip { seq: self.seq, hash: self.hash.clone() };
        is_signature(key, &self.log, &tip, &self.time, self.signature.as_deref())
    }

    /// Reads a checkpoint; `None` when the file is not there.
    ///
    /// # Errors
    /// A file that cannot be read, or is no checkpoint.
    pub(super) fn read(path: &Path) -> Result<Option<Checkpoint>, AuditError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(AuditError::io(path)(error)),
        };
        let wrong = |_| AuditError::NoCheckpoint { path: path.to_owned() };
        serde_json::from_slice(&bytes).map(Some).map_err(wrong)
    }
}

/// Whether `signature` is that key's over the state.
pub(super) fn is_signature(
    key: &PublicKey,
    log: &str,
    tip: &Tip,
    time: &str,
    signature: Option<&str>,
) -> bool {
    let message = Checkpoint::message(log, tip, time);
    signature.is_some_and(|signature| key.verifies_text(message.as_bytes(), signature))
}

/// Makes the checkpoints of a log, signed where it has a key.
pub(super) struct Sealer {
    key: Option<PrivateKey>,
    pub(super) log: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Sealer {
    pub(super) fn new(key: Option<PrivateKey>, log: String) -> Sealer {
        Sealer { key, log }
    }

    /// The signature over the state at `tip`; `None` without a key.
    pub(super) fn signature(&self, tip: &Tip, time: Time) -> Option<String> {
        let message = Checkpoint::message(&self.log, tip, &time.to_string());
        self.key.as_ref().map(|key| key.sign(message.as_bytes()).signature)
    }

    /// Writes the checkpoint of the state at `tip` beside the log.
    ///
    /// # Errors
    /// A disk that does not take it; the one before stays.
    pub(super) fn write(&self, folder: &Path, tip: &Tip, time: Time) -> std::io::Result<()> {
        let checkpoint = Checkpoint {
            log: self.log.clone(),
            seq: tip.seq,
            hash: tip.hash.clone(),
            time: time.to_string(),
            signature: self.signature(tip, time),
        };
        let text = serde_json::to_string(&checkpoint)?;
        private_file::write_atomically(&folder.join(FILE), (text + "\n").as_bytes())
    }
}

/// Reads a private key to sign with (PKCS#8 PEM).
///
/// # Errors
/// A file that is not there, that others may read, or that holds no such key.
pub(super) fn read_signing_key(path: &Path) -> Result<PrivateKey, AuditError> {
    let bytes = private_file::read_secret(path).map_err(AuditError::io(path))?;
    PrivateKey::parse(&bytes).map_err(|_| AuditError::NoSigningKey { path: path.to_owned() })
}

/// Reads a public key to verify with (PEM, as `openssl pkey -pubout` writes it).
///
/// # Errors
/// A file that is not there, or that holds no such key.
pub(super) fn read_public_key(path: &Path) -> Result<PublicKey, AuditError> {
    let bytes = fs::read(path).map_err(AuditError::io(path))?;
    PublicKey::parse(&bytes).map_err(|_| AuditError::NoPublicKey { path: path.to_owned() })
}
