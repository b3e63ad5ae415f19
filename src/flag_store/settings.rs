//! The settings of the flag store: as a file gives them, and checked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::flag::{FlagRules, FlagRulesParams};
use crate::strict_toml::SettingFault;

/// What becomes of a score whose flag cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is answered, and the answer says that its flags are not recorded.
    #[default]
    Score,
    /// It is refused.
    Refuse,
}

/// The section `[flags]`, unchecked.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlagSettings {
    /// Where flags are kept: the path of an SQLite file (`sqlite:///var/lib/prodrome/flags.db` or
    /// the path alone), or `postgres://user@host/database`, whose password may stand in the file
    /// that PGPASSFILE names. Without one, no flags are raised.
    pub store: Option<String>,
    /// The keys that patient ids and reasons are encrypted with, mode 0600 or 0400: 64 hexadecimal
    /// digits a line; the first encrypts, all decrypt. By default, for SQLite, the store's path with
    /// `.key` added; a new store makes the file if it is not there.
    pub key_file: Option<PathBuf>,
    /// Flags that are over, with what was done about them, are removed after so many days.
    pub retention_days: u32,
    pub on_failure: OnFailure,
    /// The longest that a score waits for the store in all, and another call at one point, in
    /// milliseconds.
    pub wait_milliseconds: u64,
    #[serde(flatten)]
    pub rules: FlagRulesParams,
}

/// Without the store's address, which may hold a password.
impl fmt::Debug for FlagSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagSettings").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Default for FlagSettings {
    fn default() -> FlagSettings {
        FlagSettings {
            store: None,
            key_file: None,
            retention_days: 400,
            on_failure: OnFailure::Score,
            wait_milliseconds: 2_000,
            rules: FlagRulesParams::default(),
        }
    }
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) place: Place,
    pub(super) key_file: PathBuf,
    pub(super) retention_days: i64,
    pub(super) wait: Duration,
    pub(super) rules: FlagRules,
}

impl FlagSettings {
    /// Checks the values; touches no file and no network.
    ///
    /// # Errors
    /// All values that make no sense.
    pub fn check(&self) -> Result<(), Vec<SettingFault>> {
        let mut faults = Vec::new();
        self.check_numbers(&mut faults);
        faults.extend(FlagRules::new(&self.rules, false).err().unwrap_or_default());
        if let Some(Err(fault)) = self.store.as_deref().map(|_| self.files()) {
            faults.push(fault);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn check_numbers(&self, faults: &mut Vec<SettingFault>) {
        let mut within = |key: &'static str, value: u64, from: u64, to: u64| {
            if !(from..=to).contains(&value) {
                let reason = format!("{value}: must be {from} to {to}");
                faults.push(SettingFault { key, reason });
            }
        };
        within("retention_days", self.retention_days.into(), 1, 36_500);
        within("wait_milliseconds", self.wait_milliseconds, 1, 60_000);
    }

    /// Where the flags are and where their key is.
    fn files(&self) -> Result<(Place, PathBuf), SettingFault> {
        let Some(store) = &self.store else {
            let reason = "without a store there are no flags".to_owned();
            return Err(SettingFault { key: "store", reason });
        };
        let place = Place::parse(store)
            .map_err(|reason| SettingFault { key: "store", reason: reason.to_owned() })?;
        let beside = match &place {
            Place::Sqlite(path) => {
                let mut name = path.clone().into_os_string();
                name.push(".key");
                Some(PathBuf::from(name))
            }
            Place::Postgres(_) => None,
        };
        match self.key_file.clone().or(beside) {
            Some(key_file) => Ok((place, key_file)),
            None => {
                let reason = "PostgreSQL needs one that all servers have: 64 hexadecimal digits \
                              (openssl rand -hex 32), mode 0600"
                    .to_owned();
                Err(SettingFault { key: "key_file", reason })
            }
        }
    }

    /// # Errors
    /// The first value that makes no sense.
    pub(super) fn checked(&self, is_demonstration: bool) -> Result<Checked, SettingFault> {
        let mut faults = Vec::new();
        self.check_numbers(&mut faults);
        if let Some(fault) = faults.into_iter().next() {
            return Err(fault);
        }
        let (place, key_file) = self.files()?;
        let rules = FlagRules::new(&self.rules, is_demonstration).map_err(|faults| {
            let unknown = SettingFault { key: "rules", reason: String::new() };
            faults.into_iter().next().unwrap_or(unknown)
        })?;
        Ok(Checked {
            place,
            key_file,
            retention_days: self.retention_days.into(),
            wait: Duration::from_millis(self.wait_milliseconds),
            rules,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict_toml;

    #[test]
    fn settings_stand_beside_the_rules_in_one_section() {
        let text = "store = \"/var/lib/prodrome/flags.db\"\nclear_ratio = 0.7\nretention_days = 30";
        let settings: FlagSettings = strict_toml::parse(text).unwrap();
        assert_eq!((settings.rules.clear_ratio, settings.retention_days), (0.7, 30));
        let checked = settings.checked(false).unwrap();
        assert_eq!(checked.key_file, PathBuf::from("/var/lib/prodrome/flags.db.key"));
        assert_eq!(FlagSettings::default().check(), Ok(()), "no store, no flags");
    }

    #[test]
    fn each_fault_is_named_and_no_password_is_shown() {
        let settings = FlagSettings {
            store: Some("postgres://prodrome:hunter2@db.example.org/flags".into()),
            retention_days: 0,
            wait_milliseconds: 0,
            rules: FlagRulesParams { clear_ratio: 2.0, ..FlagRulesParams::default() },
            ..FlagSettings::default()
        };
        let faults = settings.check().unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["retention_days", "wait_milliseconds", "clear_ratio", "store"]);
        assert!(!format!("{settings:?}{faults:?}").contains("hunter2"));
        let url = "postgres://prodrome@db.example.org/flags?sslmode=verify-full";
        let settings = FlagSettings { store: Some(url.into()), ..FlagSettings::default() };
        let faults = settings.check().unwrap_err();
        assert!(faults[0].key == "key_file" && faults[0].reason.contains("openssl rand"));
    }
}
