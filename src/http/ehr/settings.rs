//! The section `[ehr]`: the door for EHRs, and the FHIR servers that may be asked back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderValue, Uri};
use serde::{Deserialize, Serialize};

use crate::fhir_client::{FhirServers, FhirServersSettings};
use crate::http::surroundings::{Door, Surroundings};
use crate::service::TaskRef;
use crate::strict_toml::SettingFault;

/// The most pages of other origins that may call.
const ORIGINS_MAX: usize = 64;
/// The longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 1_024;

const DOOR: Door = Door {
    to_everybody: "ask for scores",
    in_the_clear: "patients' records",
    proxy: "behind a proxy that does TLS (and set `base_url`)",
};

/// The section `[ehr]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EhrSettings {
    /// Address of FHIR and CDS Hooks over HTTP; empty for none.
    pub listen: String,
    /// The address by which EHRs call it, such as `https://risk.example`: what their tokens name as
    /// audience. Empty for the address it listens at.
    pub base_url: String,
    /// Pages of other origins that may call it, such as `https://ehr.example`; `*` is refused.
    pub allowed_origins: Vec<String>,
    /// The address by which people reach the work list, for links on cards; empty for no links.
    pub worklist_url: String,
    /// The team that follows up the patients of CDS Hooks, for flags; empty for none.
    pub team: String,
    /// FHIR servers that may be asked for what an EHR did not send, such as
    /// `https://ehr.example/fhir/r4`; http only on this machine. Empty for none.
    pub fhir_servers: Vec<String>,
    /// PEM: the authorities that their certificates are checked by; those of the machine without it.
    pub fhir_ca_file: Option<PathBuf>,
    /// Seconds that all questions of one call may take together: 1 to 60.
    pub fhir_seconds_max: u64,
    /// Bytes that all answers to one call may have together: up to 64 MiB.
    pub fhir_bytes_max: u64,
    /// Pages that all answers to one call may have together: 1 to 200.
    pub fhir_pages_max: u32,
}

impl Default for EhrSettings {
    fn default() -> EhrSettings {
        let FhirServersSettings {
            fhir_servers,
            fhir_ca_file,
            fhir_seconds_max,
            fhir_bytes_max,
            fhir_pages_max,
        } = FhirServersSettings::default();
        EhrSettings {
            listen: String::new(),
            base_url: String::new(),
            allowed_origins: Vec::new(),
            worklist_url: String::new(),
            team: String::new(),
            fhir_servers,
            fhir_ca_file,
            fhir_seconds_max,
            fhir_bytes_max,
            fhir_pages_max,
        }
    }
}

/// The settings of the door, checked.
#[derive(Debug, Clone)]
pub struct EhrPlan {
    /// Where to listen.
    pub address: SocketAddr,
    /// The address by which EHRs call it, without a slash at the end; `None` for the one it listens at.
    pub base_url: Option<String>,
    /// Pages of other origins that may call.
    pub allowed_origins: Vec<HeaderValue>,
    /// The address of the work list, without a slash at the end.
    pub worklist_url: Option<String>,
    pub team: Option<String>,
    /// The servers that may be asked.
    pub servers: Arc<FhirServers>,
}

impl EhrSettings {
    /// What is to be begun; `None` for nothing.
    ///
    /// # Errors
    /// Text that is no address; limits out of their range; a file that cannot be read; an address that
    /// other machines reach where everybody could ask, or in the clear.
    pub fn check(&self, around: Surroundings) -> Result<Option<EhrPlan>, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut found = |key, reason: String| faults.push(SettingFault { key, reason });
        let address = self.listen.parse::<SocketAddr>().ok();
        if address.is_none() && !self.listen.is_empty() {
            let reason = "expected an address such as 127.0.0.1:8090, or nothing for no such door";
            found("listen", reason.to_owned());
        }
        if let Some(reason) = address.and_then(|address| around.refuse(address, DOOR)) {
            found("listen", reason);
        }
        let base_url = web_address(&self.base_url).map_err(|reason| found("base_url", reason));
        let worklist_url =
            web_address(&self.worklist_url).map_err(|reason| found("worklist_url", reason));
        if let Some(reason) = TaskRef::fault_of_name(&self.team) {
            found("team", reason.to_owned());
        }
        let origins = origins(&self.allowed_origins);
        let origins = origins.map_err(|reason| found("allowed_origins", reason));
        let servers = FhirServers::new(&FhirServersSettings {
            fhir_servers: self.fhir_servers.clone(),
            fhir_ca_file: self.fhir_ca_file.clone(),
            fhir_seconds_max: self.fhir_seconds_max,
            fhir_bytes_max: self.fhir_bytes_max,
            fhir_pages_max: self.fhir_pages_max,
        });
        let servers = servers.map_err(|more| faults.extend(more));
        match (base_url, worklist_url, origins, servers) {
            (Ok(base_url), Ok(worklist_url), Ok(allowed_origins), Ok(servers))
                if faults.is_empty() =>
            {
                let team = Some(self.team.clone()).filter(|team| !team.is_empty());
                let servers = Arc::new(servers);
                let plan = |address| EhrPlan {
                    address,
                    base_url,
                    allowed_origins,
                    worklist_url,
                    team,
                    servers,
                };
                Ok(address.map(plan))
            }
            _ => Err(faults),
        }
    }
}

/// An address of the web without query, and without a slash at its end; `None` for nothing.
fn web_address(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let reason = || "expected an address such as https://risk.example, without a query".to_owned();
    let uri: Uri = text.parse().map_err(|_| reason())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let is_plain = !text.contains(['@', '?', '#']) && text.len() <= ADDRESS_BYTES_MAX;
    if is_web && has_host && is_plain {
        return Ok(Some(text.trim_end_matches('/').to_owned()));
    }
    Err(reason())
}

/// Origins that may call, as browsers name them.
fn origins(given: &[String]) -> Result<Vec<HeaderValue>, String> {
    if given.len() > ORIGINS_MAX {
        return Err(format!("names more than {ORIGINS_MAX} origins"));
    }
    let each = given.iter().enumerate().map(|(place, text)| {
        let reason = || {
            format!(
                "number {}: expected scheme, host and port alone, such as https://ehr.example; for all \
                 origins there is no word, since any page could then ask with a user's rights",
                place + 1
            )
        };
        let address = web_address(text)?.ok_or_else(reason)?;
        let (_, rest) = address.split_once("://").ok_or_else(reason)?;
        let is_origin = !rest.contains('/') && address == *text;
        let value = HeaderValue::from_str(text).map_err(|_| reason())?;
        if is_origin { Ok(value) } else { Err(reason()) }
    });
    each.collect()
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

    #[test]
    fn nothing_is_begun_unless_it_is_asked_for() {
        assert!(EhrSettings::default().check(CLOSED).unwrap().is_none());
        let settings = EhrSettings {
            listen: "127.0.0.1:8090".into(),
            base_url: "https://risk.example/prodrome/".into(),
            allowed_origins: vec!["https://ehr.example:8443".into()],
            ..EhrSettings::default()
        };
        let plan = settings.check(CLOSED).unwrap().unwrap();
        assert_eq!(plan.base_url.as_deref(), Some("https://risk.example/prodrome"));
        assert_eq!((plan.allowed_origins.len(), plan.team, plan.worklist_url), (1, None, None));
    }

    #[test]
    fn every_fault_is_named_by_its_key() {
        let settings = EhrSettings {
            listen: "192.0.2.7:443".into(),
            base_url: "risk.example".into(),
            allowed_origins: vec!["*".into()],
            worklist_url: "file:///etc/passwd".into(),
            team: "\u{1}".into(),
            fhir_servers: vec!["file:///etc".into()],
            fhir_seconds_max: 0,
            ..EhrSettings::default()
        };
        let faults = settings.check(CLOSED).unwrap_err();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key).collect();
        let expected =
            ["listen", "base_url", "worklist_url", "team", "allowed_origins", "fhir_servers"];
        assert_eq!(keys.iter().take(6).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
        assert!(keys.contains(&"fhir_seconds_max"));
        for origin in ["https://ehr.example/", "https://ehr.example/page", "null", "ehr.example"] {
            assert!(origins(&[origin.to_owned()]).is_err(), "{origin}");
        }
    }
}
