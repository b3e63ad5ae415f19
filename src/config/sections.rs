//! The sections that are the server's own: where it listens, and which models it serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SettingFault;
use crate::registry::{ModelSettings, VERSIONS_KEPT};

/// The section `[listen]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSettings {
    /// Address of the gRPC service; port 0 picks a free one.
    pub address: SocketAddr,
    /// Listen on an address that other machines reach, although nothing is encrypted.
    pub plaintext_on_network: bool,
}

impl Default for ListenSettings {
    fn default() -> ListenSettings {
        let address = SocketAddr::from(([127, 0, 0, 1], 50_051));
        ListenSettings { address, plaintext_on_network: false }
    }
}

impl ListenSettings {
    /// Whether records may travel so; `is_encrypted` says whether TLS is on.
    ///
    /// # Errors
    /// An address that other machines reach, without TLS and without the word of whoever runs it.
    pub fn check(&self, is_encrypted: bool) -> Result<(), Vec<SettingFault>> {
        if self.address.ip().is_loopback() || is_encrypted || self.plaintext_on_network {
            return Ok(());
        }
        let reason = format!(
            "{} can be reached from other machines, and this server does not encrypt: patients' \
             records would cross the network in the clear, and anyone could ask for scores. Listen \
             on 127.0.0.1 behind a proxy that does TLS and checks callers, or pass \
             --plaintext-on-network if the network itself is protected.",
            self.address
        );
        Err(vec![SettingFault { key: "address", reason }])
    }
}

/// The section `[models]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsSettings {
    /// Folder of the models.
    pub folder: PathBuf,
    /// Files of further concepts, the site's own.
    pub concepts: Vec<PathBuf>,
    /// Serve demonstration versions, fitted on a simulated population, where a task has one.
    pub demo: bool,
    /// Public keys (PEM): with any, only versions and stages that one of them signed count.
    pub require_signature: Vec<PathBuf>,
    /// A file with the ids of keys that count no more, one a line.
    pub revoked_keys: Option<PathBuf>,
    /// How many versions of a task are loaded beside the one in service, at most.
    pub versions_kept: usize,
    /// How often the folder is looked at for changes.
    pub reload_seconds: u64,
}

impl Default for ModelsSettings {
    fn default() -> ModelsSettings {
        ModelsSettings {
            folder: "models".into(),
            concepts: Vec::new(),
            demo: false,
            require_signature: Vec::new(),
            revoked_keys: None,
            versions_kept: VERSIONS_KEPT,
            reload_seconds: 5,
        }
    }
}

impl ModelsSettings {
    /// What the registry is told.
    pub fn registry(&self) -> ModelSettings {
        let ModelsSettings { folder, concepts, demo, .. } = self.clone();
        let ModelsSettings { require_signature, revoked_keys, versions_kept, .. } = self.clone();
        ModelSettings { folder, concepts, demo, require_signature, revoked_keys, versions_kept }
    }
}
