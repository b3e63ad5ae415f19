//! The settings of the access log: as a file gives them, and checked.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AuditError;

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncRule {
    /// The operating system has it: no kill of the server loses it. It reaches the disk within a
    /// tenth of a second, which is what a loss of power may cost.
    #[default]
    Interval,
    /// The disk has it, before the answer goes out. Records that come together share one flush.
    Each,
}

/// What becomes of a call whose record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is refused: no answer without a record.
    #[default]
    Refuse,
    /// It is answered, and counted as unrecorded until its record can be written.
    Serve,
}

/// The settings of the access log, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSettings {
    /// The folder of the log, for one server alone; without one, no log is kept.
    pub folder: Option<PathBuf>,
    /// The secret that patient ids are hashed with and records are sealed with: 32 bytes in hex or
    /// base64, mode 0600 or 0400. By default the folder's name with `.key` added. A new log makes
    /// the file if it is not there; a log that is already there never does.
    pub key_file: Option<PathBuf>,
    /// An ed25519 private key (PKCS#8 PEM, mode 0600 or 0400) to sign checkpoints with.
    pub signing_key_file: Option<PathBuf>,
    /// The longest a call waits for its record, in milliseconds.
    pub append_wait_milliseconds: u64,
    pub sync: SyncRule,
    /// The size at which a new file is begun, in bytes.
    pub rotate_bytes: u64,
    /// Files are removed once all their records are older than so many days. The default is six
    /// years: 45 CFR 164.316(b)(2)(i).
    pub retention_days: u32,
    pub on_failure: OnFailure,
    /// How often the state of the log is sealed by a checkpoint, in seconds.
    pub checkpoint_seconds: u64,
}

impl Default for AuditSettings {
    fn default() -> AuditSettings {
        AuditSettings {
            folder: None,
            key_file: None,
            signing_key_file: None,
            append_wait_milliseconds: 500,
            sync: SyncRule::Interval,
            rotate_bytes: 64 << 20,
            retention_days: 2_192,
            on_failure: OnFailure::Refuse,
            checkpoint_seconds: 60,
        }
    }
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) folder: PathBuf,
    pub(super) key_file: PathBuf,
    pub(super) signing_key_file: Option<PathBuf>,
    pub(super) append_wait: Duration,
    pub(super) sync: SyncRule,
    pub(super) rotate_bytes: u64,
    pub(super) retention_days: i64,
    pub(super) on_failure: OnFailure,
    pub(super) checkpoint_every: Duration,
}

impl AuditSettings {
    /// Checks the values; touches no file.
    ///
    /// # Errors
    /// The first value that is out of range, and what it may be.
    pub fn check(&self) -> Result<(), AuditError> {
        self.rules().map(|_| ())
    }

    pub(super) fn rules(&self) -> Result<Rules, AuditError> {
        let within = |key: &'static str, value: u64, from: u64, to: u64| {
            let is_in = (from..=to).contains(&value);
            is_in.then_some(value).ok_or(AuditError::Setting { key, value, from, to })
        };
        let wait = within("append_wait_milliseconds", self.append_wait_milliseconds, 1, 60_000)?;
        let checkpoint = within("checkpoint_seconds", self.checkpoint_seconds, 1, 86_400)?;
        let retention = within("retention_days", self.retention_days.into(), 1, 36_500)?;
        let folder = self.folder.clone().ok_or(AuditError::NoFolder)?;
        let beside = || {
            let mut name = folder.clone().into_os_string();
            name.push(".key");
            PathBuf::from(name)
        };
        Ok(Rules {
            key_file: self.key_file.clone().unwrap_or_else(beside),
            signing_key_file: self.signing_key_file.clone(),
            append_wait: Duration::from_millis(wait),
            sync: self.sync,
            rotate_bytes: within("rotate_bytes", self.rotate_bytes, 4 << 10, 4 << 30)?,
            retention_days: retention as i64,
            on_failure: self.on_failure,
            checkpoint_every: Duration::from_secs(checkpoint),
            folder,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict_toml;

    #[test]
    fn settings_read_strictly_and_are_checked() {
        let text = "folder = \"/var/lib/prodrome/audit/\"\nsync = \"each\"\non_failure = \"serve\"";
        let settings: AuditSettings = strict_toml::parse(text).unwrap();
        let rules = settings.rules().unwrap();
        assert_eq!((rules.sync, rules.on_failure), (SyncRule::Each, OnFailure::Serve));
        let error = strict_toml::parse::<AuditSettings>("retention_day = 1").unwrap_err();
        assert!(error.contains("did you mean `retention_days`?"), "{error}");
        let zero = AuditSettings { retention_days: 0, ..settings };
        let said = zero.check().unwrap_err().to_string();
        assert_eq!(said, "audit: retention_days = 0: must be 1 to 36500");
        assert!(AuditSettings::default().check().unwrap_err().to_string().contains("folder"));
    }
}
