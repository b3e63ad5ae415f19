//! The section that is the server's own: where it listens.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::SettingFault;

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
