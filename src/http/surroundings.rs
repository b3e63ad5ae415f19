//! What of the other settings bears on a page or a door about patients: where it must not stand open.

use std::net::SocketAddr;

/// What of the other settings bears on what is shown of patients.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// Whether TLS is on.
    pub is_encrypted: bool,
    /// Whether whoever runs the server said that the network itself is protected.
    pub plaintext_on_network: bool,
    /// Whether nobody has to say who calls.
    pub is_anonymous: bool,
    /// Whether simulated patients are shown, which begins a work list where the settings have none.
    pub is_demonstration: bool,
}

/// What stands open where a door does, as parts of sentences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Door {
    /// What anyone could do.
    pub(super) to_everybody: &'static str,
    /// What would cross the network.
    pub(super) in_the_clear: &'static str,
    /// The proxy that may stand before it.
    pub(super) proxy: &'static str,
}

impl Surroundings {
    /// Why there must be no such door at `address`.
    pub(super) fn refuse(&self, address: SocketAddr, door: Door) -> Option<String> {
        if address.ip().is_loopback() {
            return None;
        }
        let Door { to_everybody, in_the_clear, proxy } = door;
        if self.is_anonymous {
            return Some(format!(
                "{address} can be reached from other machines, and anyone there could {to_everybody}: \
                 set `identity.policy_file`, or listen on 127.0.0.1"
            ));
        }
        if !self.is_encrypted && !self.plaintext_on_network {
            return Some(format!(
                "{address} can be reached from other machines, and this server does not encrypt: \
                 {in_the_clear} would cross the network in the clear. Set `[tls]`, listen on 127.0.0.1 \
                 {proxy}, or pass --plaintext-on-network if the network itself is protected."
            ));
        }
        None
    }
}
