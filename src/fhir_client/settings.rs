//! The FHIR servers that may be asked, and what one call may cost them and us.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::base::Base;
use crate::strict_toml::SettingFault;

/// The most servers; one site has a handful.
const SERVERS_MAX: usize = 64;
/// The most that one call may take in: what fits in memory many times over.
const BYTES_MAX: u64 = 64 << 20;
const PAGES_MAX: u32 = 200;
const SECONDS_MAX: u64 = 60;

/// Which FHIR servers may be asked for what an EHR did not send, and how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirServersSettings {
    /// Their addresses, such as `https://ehr.example/fhir/r4`; http only on this machine. Empty for none.
    pub fhir_servers: Vec<String>,
    /// PEM: the authorities that their certificates are checked by; those of the machine without it.
    pub fhir_ca_file: Option<PathBuf>,
    /// Seconds that all questions of one call may take together: 1 to 60.
    pub fhir_seconds_max: u64,
    /// Bytes that all answers of one call may have together: up to 64 MiB.
    pub fhir_bytes_max: u64,
    /// Pages that all answers of one call may have together: 1 to 200.
    pub fhir_pages_max: u32,
}

impl Default for FhirServersSettings {
    fn default() -> FhirServersSettings {
        FhirServersSettings {
            fhir_servers: Vec::new(),
            fhir_ca_file: None,
            fhir_seconds_max: 5,
            fhir_bytes_max: 8 << 20,
            fhir_pages_max: 20,
        }
    }
}

/// What all questions of one call may use up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    pub time: Duration,
    pub bytes_max: u64,
    pub pages_max: u32,
}

impl FhirServersSettings {
    /// What all questions of one call may use up together.
    pub fn limits(&self) -> FetchLimits {
        FetchLimits {
            time: Duration::from_secs(self.fhir_seconds_max),
            bytes_max: self.fhir_bytes_max,
            pages_max: self.fhir_pages_max,
        }
    }

    /// The addresses, read.
    pub(super) fn bases(&self) -> Result<Vec<Base>, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut fault = |key, reason: String| faults.push(SettingFault { key, reason });
        if self.fhir_servers.len() > SERVERS_MAX {
            fault("fhir_servers", format!("names more than {SERVERS_MAX} servers"));
        }
        let mut bases: Vec<Base> = Vec::new();
        for (place, text) in self.fhir_servers.iter().take(SERVERS_MAX).enumerate() {
            match Base::parse(text) {
                Ok(base) => bases.push(base),
                Err(refused) => fault("fhir_servers", format!("number {}: {refused}", place + 1)),
            }
        }
        if !(1..=SECONDS_MAX).contains(&self.fhir_seconds_max) {
            fault("fhir_seconds_max", format!("must be 1 to {SECONDS_MAX}"));
        }
        if !(1..=BYTES_MAX).contains(&self.fhir_bytes_max) {
            fault("fhir_bytes_max", format!("must be 1 to {BYTES_MAX}"));
        }
        if !(1..=PAGES_MAX).contains(&self.fhir_pages_max) {
            fault("fhir_pages_max", format!("must be 1 to {PAGES_MAX}"));
        }
        if faults.is_empty() { Ok(bases) } else { Err(faults) }
    }
}
