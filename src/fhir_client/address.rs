//! Where the name of a server may lead to. The addresses that were checked are those that are connected
//! to: there is no second look-up that could give others.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;

use http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Look-ups at once; one that hangs keeps its thread until the system gives it up.
const LOOKUPS_MAX: usize = 64;
/// How many of a name's addresses are tried.
const ADDRESSES_MAX: usize = 8;

/// What addresses a name has.
pub(super) type Lookup = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The look-up of the system.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name, port| Ok((name, port).to_socket_addrs()?.collect()))
}

/// A name led to an address that is never asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name leads to an address that is never asked")]
pub(super) struct AddressRefused;

/// Finds the addresses of a server, and refuses those behind which no hospital's server is.
pub(super) struct CheckedResolver {
    lookup: Lookup,
    running: Arc<AtomicUsize>,
}

impl CheckedResolver {
    pub(super) fn new(lookup: Lookup) -> CheckedResolver {
        CheckedResolver { lookup, running: Arc::default() }
    }

    fn named(
        &self,
        name: &str,
        port: u16,
        timeout: NextTimeout,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        if self.running.fetch_add(1, Relaxed) >= LOOKUPS_MAX {
            self.running.fetch_sub(1, Relaxed);
            return Err(ureq::Error::HostNotFound);
        }
        let (tell, told) = sync_channel(1);
        let (lookup, running) = (Arc::clone(&self.lookup), Arc::clone(&self.running));
        let name = name.to_owned();
        let looked = std::thread::Builder::new().name("fhir-lookup".into()).spawn(move || {
            let _ = tell.send(lookup(&name, port));
            running.fetch_sub(1, Relaxed);
        });
        if looked.is_err() {
            self.running.fetch_sub(1, Relaxed);
            return Err(ureq::Error::HostNotFound);
        }
        // Every question has an end; a wait without one would never come back from a dead name server.
        let found = told.recv_timeout(*timeout.after);
        let found = found.map_err(|_| ureq::Error::Timeout(timeout.reason))?;
        let found = found.map_err(|_| ureq::Error::HostNotFound)?;
        if found.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        // One bad address among good ones is how a name is made to change its mind.
        if found.iter().any(|address| is_refused(address.ip())) {
            return Err(ureq::Error::Other(Box::new(AddressRefused)));
        }
        Ok(found)
    }
}

impl fmt::Debug for CheckedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedResolver")
    }
}

impl Resolver for CheckedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let found = match literal {
            // Somebody wrote down this very address.
            Ok(address) => vec![SocketAddr::new(address, port)],
            // RFC 6761 section 6.3: whatever a name server says of it.
            Err(_) if host.eq_ignore_ascii_case("localhost") => {
                let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                here.map(|address| SocketAddr::new(address, port)).to_vec()
            }
            Err(_) => self.named(host, port, timeout)?,
        };
        let mut addresses = self.empty();
        found.into_iter().take(ADDRESSES_MAX).for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

/// Whether no hospital's server has this address: this machine, the neighbours on a wire (where clouds
/// keep the secrets of their machines), multicast, and what is reserved. Private networks are where
/// hospitals are.
fn is_refused(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_refused_v4(address),
        IpAddr::V6(address) => is_refused_v6(address),
    }
}

fn is_refused_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || address.is_broadcast()
        // "This network", of which 0.0.0.0 is this machine.
        || a == 0
        // Reserved for the protocols themselves, and for what is to come.
        || (a, b, c) == (192, 0, 0)
        || a >= 240
        // A cloud's secrets, outside of the link-local block.
        || (a, b, c, d) == (100, 100, 100, 200)
}

fn is_refused_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_refused_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Unspecified, loopback, and IPv4 written as IPv6: mapped, compatible, translated.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => true,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => inner(high, low),
        // Teredo, documentation.
        [0x2001, 0 | 0xdb8, ..] => true,
        // A cloud's secrets among private addresses.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => true,
        // Link-local, what was site-local, multicast.
        [first, ..] => (0xfe80..=0xfeff).contains(&first) || first >= 0xff00,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_no_address_of_this_machine_or_of_a_cloud() {
        for text in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.7",
            "198.51.100.7",
            "203.0.113.7",
            "192.0.0.192",
            "100.100.100.200",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "::ffff:0.0.0.0",
        ] {
            assert!(is_refused(text.parse().unwrap()), "{text}");
        }
        for text in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "8.8.8.8",
            "fd12:3456::1",
            "2606:4700::1",
            "::ffff:10.1.2.3",
            "64:ff9b::a01:203",
            "2002:a01:203::1",
        ] {
            assert!(!is_refused(text.parse().unwrap()), "{text}");
        }
    }

    fn resolve(url: &str, answer: &'static [&'static str]) -> Result<Vec<String>, ureq::Error> {
        let lookup: Lookup = Arc::new(move |_, port| {
            Ok(answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        });
        let timeout = NextTimeout {
            after: ureq::unversioned::transport::time::Duration::from_secs(5),
            ..NextTimeout::default()
        };
        let config = ureq::Agent::config_builder().build();
        let found =
            CheckedResolver::new(lookup).resolve(&url.parse().unwrap(), &config, timeout)?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_name_gives_exactly_the_addresses_that_were_checked() {
        let found = resolve("https://ehr.example/fhir", &["10.0.0.5", "10.0.0.6"]).unwrap();
        assert_eq!(found, ["10.0.0.5:443", "10.0.0.6:443"]);
        let found = resolve("https://ehr.example:8443/fhir", &["fd12::5"]).unwrap();
        assert_eq!(found, ["[fd12::5]:8443"]);
        for answer in [&["127.0.0.1"][..], &["10.0.0.5", "169.254.169.254"], &["::ffff:127.0.0.1"]]
        {
            let error = resolve("https://ehr.example/fhir", answer).unwrap_err();
            assert!(matches!(&error, ureq::Error::Other(why) if why.is::<AddressRefused>()));
        }
        let none = resolve("https://ehr.example/fhir", &[]).unwrap_err();
        assert!(matches!(none, ureq::Error::HostNotFound));
    }

    #[test]
    fn what_is_written_down_as_an_address_is_not_looked_up() {
        let elsewhere = &["10.9.9.9"];
        assert_eq!(resolve("http://127.0.0.1:80/fhir", elsewhere).unwrap(), ["127.0.0.1:80"]);
        assert_eq!(resolve("http://[::1]:81/fhir", elsewhere).unwrap(), ["[::1]:81"]);
        let here = resolve("http://localhost:82/fhir", elsewhere).unwrap();
        assert_eq!(here, ["127.0.0.1:82", "[::1]:82"]);
    }

    #[test]
    fn a_look_up_without_an_end_ends_in_time() {
        let lookup: Lookup = Arc::new(|_, _| {
            std::thread::sleep(std::time::Duration::from_secs(3));
            Ok(Vec::new())
        });
        let timeout = NextTimeout {
            after: ureq::unversioned::transport::time::Duration::from_millis(50),
            ..NextTimeout::default()
        };
        let config = ureq::Agent::config_builder().build();
        let begun = std::time::Instant::now();
        let uri = "https://ehr.example/fhir".parse().unwrap();
        let error = CheckedResolver::new(lookup).resolve(&uri, &config, timeout).unwrap_err();
        assert!(matches!(error, ureq::Error::Timeout(_)));
        assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    }
}
