//! HTTP beside gRPC: `/metrics`, `/livez`, `/readyz`, which show nothing of any patient; the work list, which
//! has a door and a lock of its own; and `ehr`, the door for EHRs (FHIR and CDS Hooks).
//!
//! The former listen on an address of their own, so that probes and scrapers need no way to the records, and
//! stay open while the gRPC side drains, so that `/readyz` can say so.

mod ehr;
mod listener;
mod readiness;
mod server;
mod surroundings;
mod worklist;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use ehr::{Ehr, EhrPlan, EhrSettings};
pub use readiness::{NotReady, Readiness};
pub use server::{Pages, serve};
pub use surroundings::Surroundings;
pub use worklist::{Worklist, WorklistError, WorklistPlan, WorklistSettings};

use crate::strict_toml::SettingFault;

/// The section `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address of the pages; empty for none.
    pub listen: String,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings { listen: "127.0.0.1:9464".to_owned() }
    }
}

impl HttpSettings {
    /// Where to listen; `None` for nowhere.
    ///
    /// # Errors
    /// Text that is no address.
    pub fn check(&self) -> Result<Option<SocketAddr>, Vec<SettingFault>> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let reason = "expected an address such as 127.0.0.1:9464, or nothing for no pages";
        let fault = || vec![SettingFault { key: "listen", reason: reason.to_owned() }];
        self.listen.parse().map(Some).map_err(|_| fault())
    }
}
