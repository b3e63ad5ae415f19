//! The section `[worklist]`: where the work list is, and how long somebody stays logged in.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::http::surroundings::{Door, Surroundings};
use crate::strict_toml::SettingFault;

/// The longest time without use, in seconds: four hours.
const IDLE_SECONDS_MAX: u64 = 4 * 3_600;
/// The longest session, in hours: a long shift.
const SESSION_HOURS_MAX: u64 = 24;

/// What stands open where the work list does.
const DOOR: Door = Door {
    to_everybody: "read patients' flags and change them",
    in_the_clear: "passwords and patients' flags",
    proxy: "behind a proxy that does TLS (and set `behind_tls`)",
};

/// The section `[worklist]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorklistSettings {
    /// Address of the work list, and of the trends page beside it; empty for none.
    pub listen: String,
    /// Seconds without use after which somebody is logged off: 1 to 14400.
    pub idle_seconds: u64,
    /// Hours after which somebody has to log in again: 1 to 24.
    pub session_hours: u64,
    /// The zone in which times are shown, by its name in the IANA database, such as `Europe/Berlin`.
    pub timezone: String,
    /// Whether browsers come by a proxy that does TLS: `true` makes the cookies `Secure` and names them
    /// `__Host-...`, so that browsers send them over HTTPS alone. Over plain HTTP nobody can then log
    /// in. With `[tls]` on they are so in any case.
    pub behind_tls: bool,
}

impl Default for WorklistSettings {
    fn default() -> WorklistSettings {
        WorklistSettings {
            listen: String::new(),
            idle_seconds: 15 * 60,
            session_hours: 10,
            timezone: "UTC".to_owned(),
            behind_tls: false,
        }
    }
}

/// The settings of a work list, checked.
#[derive(Debug, Clone)]
pub struct WorklistPlan {
    /// Where to listen.
    pub address: SocketAddr,
    /// How long a session lasts without use.
    pub idle: Duration,
    /// How long a session lasts.
    pub session: Duration,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// Whether browsers come by a proxy that does TLS.
    pub is_behind_tls: bool,
}

impl WorklistSettings {
    /// What is to be begun; `None` for nothing.
    ///
    /// # Errors
    /// Text that is no address or no time zone; times out of their range; an address that other
    /// machines reach where patients would be shown in the clear, or to everybody.
    pub fn check(&self, around: Surroundings) -> Result<Option<WorklistPlan>, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut found = |key, reason: String| faults.push(SettingFault { key, reason });
        // Where callers are known, somebody decides whether there is a work list for them.
        let shows_itself = around.is_demonstration && around.is_anonymous;
        let address = match (self.listen.as_str(), shows_itself) {
            ("", false) => None,
            ("", true) => Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            (listen, _) => {
                let address = listen.parse::<SocketAddr>().ok();
                if address.is_none() {
                    let reason =
                        "expected an address such as 127.0.0.1:8321, or nothing for no work list";
                    found("listen", reason.to_owned());
                }
                address
            }
        };
        if let Some(reason) = address.and_then(|address| around.refuse(address, DOOR)) {
            found("listen", reason);
        }
        if !(1..=IDLE_SECONDS_MAX).contains(&self.idle_seconds) {
            found("idle_seconds", format!("must be 1 to {IDLE_SECONDS_MAX}"));
        }
        if !(1..=SESSION_HOURS_MAX).contains(&self.session_hours) {
            found("session_hours", format!("must be 1 to {SESSION_HOURS_MAX}"));
        }
        let zone = TimeZone::get(&self.timezone);
        if zone.is_err() {
            let reason =
                "expected the name of a time zone in the IANA database, such as `Europe/Berlin`";
            found("timezone", reason.to_owned());
        }
        match (zone, faults.is_empty()) {
            (Ok(zone), true) => Ok(address.map(|address| WorklistPlan {
                address,
                idle: Duration::from_secs(self.idle_seconds),
                session: Duration::from_secs(self.session_hours.saturating_mul(3_600)),
                zone,
                is_behind_tls: self.behind_tls,
            })),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Surroundings = Surroundings {
        is_encrypted: false,
        plaintext_on_network: false,
        is_anonymous: true,
        is_demonstration: false,
    };

    fn at(listen: &str) -> WorklistSettings {
        WorklistSettings { listen: listen.to_owned(), ..WorklistSettings::default() }
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for_and_a_demonstration_asks_for_one() {
        assert!(at("").check(CLOSED).unwrap().is_none());
        let shown = at("").check(Surroundings { is_demonstration: true, ..CLOSED }).unwrap();
        assert!(shown.unwrap().address.ip().is_loopback());
        let known = Surroundings { is_anonymous: false, is_demonstration: true, ..CLOSED };
        assert!(at("").check(known).unwrap().is_none());
        let plan = at("127.0.0.1:8321").check(CLOSED).unwrap().unwrap();
        assert_eq!((plan.idle.as_secs(), plan.session.as_secs()), (900, 36_000));
    }

    #[test]
    fn patients_are_shown_to_no_network_in_the_clear_nor_to_everybody() {
        let far = at("192.0.2.1:443");
        let known = Surroundings { is_anonymous: false, ..CLOSED };
        for (around, word) in [
            (CLOSED, Some("identity.policy_file")),
            (Surroundings { is_encrypted: true, ..CLOSED }, Some("identity.policy_file")),
            (known, Some("--plaintext-on-network")),
            (Surroundings { is_encrypted: true, ..known }, None),
            (Surroundings { plaintext_on_network: true, ..known }, None),
        ] {
            let faults = far.check(around).err().unwrap_or_default();
            let said: Vec<&str> = faults.iter().map(|fault| fault.reason.as_str()).collect();
            assert_eq!(said.len(), usize::from(word.is_some()), "{around:?} {said:?}");
            assert!(word.is_none_or(|word| said[0].contains(word)), "{said:?}");
        }
    }

    #[test]
    fn every_fault_is_named_by_its_key() {
        let settings = WorklistSettings {
            listen: "here".into(),
            idle_seconds: 0,
            session_hours: 25,
            timezone: "Middle/Earth".into(),
            behind_tls: true,
        };
        let faults = settings.check(CLOSED).unwrap_err();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["listen", "idle_seconds", "session_hours", "timezone"]);
    }
}
