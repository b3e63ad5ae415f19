//! What of the other settings bears on a page or a door about patients: where it must not stand open.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};

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

/// Whether a page of `origin` is one of the host that the request is for.
pub(super) fn is_of_this_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let (_, of_origin) = origin.split_once("://").unwrap_or_default();
    host.is_some_and(|host| host.eq_ignore_ascii_case(of_origin))
}

/// Whether the server is called by an address or as this machine: a page of another name that was
/// made to lead here (DNS rebinding) calls it by that name.
pub(super) fn is_called_as_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_server_for_one_machine_answers_to_no_other_name() {
        for (host, is_ours) in [
            ("127.0.0.1:8321", true),
            ("localhost:8321", true),
            ("LOCALHOST", true),
            ("[::1]:8321", true),
            ("evil.example:8321", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(host));
            assert_eq!(is_called_as_this_machine(&headers), is_ours, "{host}");
        }
        assert!(!is_called_as_this_machine(&HeaderMap::new()));
    }
}
