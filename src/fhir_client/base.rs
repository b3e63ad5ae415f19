//! The address of a FHIR server in one spelling. An address that can be read in two ways is refused,
//! because another program might read it in the other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{FetchError, Refused};

/// The longest address of a server, in bytes.
const BASE_BYTES_MAX: usize = 1_024;
/// The longest question, in bytes, with the address of its server.
const URL_BYTES_MAX: usize = 8_192;
/// The longest name of a host and of a part of it (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// In lower case.
    Name(String),
    Literal(IpAddr),
}

/// The address of a server: scheme, host, port and the steps of a path, each compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    scheme: Scheme,
    host: Host,
    port: u16,
    steps: Vec<String>,
}

impl Base {
    /// Reads an address; one slash at its end says nothing.
    pub(super) fn parse(text: &str) -> Result<Base, Refused> {
        if text.len() > BASE_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        Base::read(text)
    }

    fn read(text: &str) -> Result<Base, Refused> {
        if text.contains(['?', '#']) {
            return Err(Refused::Query);
        }
        // Of an escaped character nobody knows who reads it as what: `%2e%2e` is `..` to some.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\%<>\"^`{|}'".contains(&byte);
        if !text.bytes().all(is_plain) {
            return Err(Refused::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Refused::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(Refused::Scheme),
        };
        if rest.contains('@') {
            return Err(Refused::UserInfo);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_and_port(authority)?;
        let host = read_host(host)?;
        let port = port.map_or(Ok(scheme.port()), read_port)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let steps: Vec<String> = match path {
            "" => Vec::new(),
            path => path.split('/').map(str::to_owned).collect(),
        };
        if steps.iter().any(|step| matches!(step.as_str(), "" | "." | "..")) {
            return Err(Refused::Path);
        }
        let base = Base { scheme, host, port, steps };
        if base.scheme == Scheme::Http && !base.is_here() {
            return Err(Refused::Scheme);
        }
        Ok(base)
    }

    /// Whether it is written as an address of this machine.
    fn is_here(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::Literal(address) => address.is_loopback(),
        }
    }

    /// The whole address of what `link` names, absolute or inside this server, where it lies in it.
    pub(super) fn inside(&self, link: &str) -> Result<String, FetchError> {
        let (path, query) = match link.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (link, None),
        };
        let absolute = match (path, path.contains("://")) {
            (path, true) => path.to_owned(),
            ("", false) => self.to_string(),
            (path, false) if path.starts_with('/') => return Err(FetchError::Query),
            (path, false) => format!("{self}/{path}"),
        };
        let asked = Base::read(&absolute).map_err(|_| FetchError::Query)?;
        let is_inside = asked.scheme == self.scheme
            && asked.host == self.host
            && asked.port == self.port
            && asked.steps.starts_with(&self.steps);
        // What an http::Uri takes in a query; a fragment would begin with `#`.
        let is_query = |byte: u8| byte.is_ascii_graphic() && !b"\\#<>\"`^".contains(&byte);
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{asked}{query}");
        if !is_inside || !query.bytes().all(is_query) || url.len() > URL_BYTES_MAX {
            return Err(FetchError::Query);
        }
        Ok(url)
    }
}

/// The one spelling.
impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Literal(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Literal(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        if self.port != self.scheme.port() {
            write!(f, ":{}", self.port)?;
        }
        self.steps.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

/// The two parts of what stands between the scheme and the path.
fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), Refused> {
    let end = match authority.starts_with('[') {
        true => authority.find(']').ok_or(Refused::Host)? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(end).ok_or(Refused::Host)?;
    match rest {
        "" => Ok((host, None)),
        rest => Ok((host, Some(rest.strip_prefix(':').ok_or(Refused::Host)?))),
    }
}

fn read_port(text: &str) -> Result<u16, Refused> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port != 0);
    port.ok_or(Refused::Port)
}

fn read_host(text: &str) -> Result<Host, Refused> {
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = inside.parse::<Ipv6Addr>().map_err(|_| Refused::Host)?;
        return Ok(Host::Literal(IpAddr::V6(address)));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Literal(IpAddr::V4(address)));
    }
    let name = text.to_ascii_lowercase();
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label =
        |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(is_letter);
    let last = name.rsplit('.').next().unwrap_or_default();
    // `2130706433`, `0x7f.1` and `127.1` are this machine to some programs.
    let hexadecimal = last.strip_prefix("0x");
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || hexadecimal.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    let fits = name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label) && !is_number;
    if fits { Ok(Host::Name(name)) } else { Err(Refused::Host) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_for_what_is_one_address() {
        let read = |text: &str| Base::parse(text).map(|base| base.to_string());
        for text in [
            "https://ehr.example/fhir/r4",
            "HTTPS://EHR.Example/fhir/r4/",
            "https://ehr.example:443/fhir/r4",
        ] {
            assert_eq!(read(text).unwrap(), "https://ehr.example/fhir/r4");
        }
        assert_eq!(read("http://[::1]:8080/").unwrap(), "http://[::1]:8080");
        assert_eq!(read("http://LOCALHOST:80/R4").unwrap(), "http://localhost/R4");
        assert_ne!(read("https://ehr.example/FHIR/r4"), read("https://ehr.example/fhir/r4"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        use Refused::{Character, Host, Path, Port, Query, Scheme, TooLong, UserInfo};
        let long = format!("https://ehr.example/{}", "a".repeat(1_024));
        for (text, why) in [
            ("", Scheme),
            ("ehr.example/fhir", Scheme),
            ("file:///etc/passwd", Scheme),
            ("ftp://ehr.example/fhir", Scheme),
            ("gopher://ehr.example/", Scheme),
            ("javascript://ehr.example/%0aalert(1)", Character),
            ("http://ehr.example/fhir", Scheme),
            ("http://10.0.0.1/fhir", Scheme),
            ("https:ehr.example", Scheme),
            ("https://", Host),
            ("https:///fhir", Host),
            ("https://ehr.example@evil.example/fhir", UserInfo),
            ("https://user:secret@ehr.example/fhir", UserInfo),
            ("https://ehr.example\\@evil.example/fhir", Character),
            ("https://ehr.example\\fhir", Character),
            ("https://ehr.example/fhir?x=1", Query),
            ("https://evil.example/#https://ehr.example/fhir", Query),
            ("https://ehr.example/fhir/../admin", Path),
            ("https://ehr.example/./fhir", Path),
            ("https://ehr.example//fhir", Path),
            ("https://ehr.example/fhir/%2e%2e/admin", Character),
            ("https://ehr.example%00.evil.example/", Character),
            ("https://ehr.example /fhir", Character),
            ("https://ehr.example\r\nHost: evil.example/", Character),
            ("https://ehr.example\t/fhir", Character),
            ("https://\u{435}hr.example/fhir", Character),
            ("https://ehr.example:0/fhir", Port),
            ("https://ehr.example:/fhir", Port),
            ("https://ehr.example:65536/fhir", Port),
            ("https://ehr.example:+443/fhir", Port),
            ("https://ehr.example:443:80/fhir", Port),
            ("https://ehr.example./fhir", Host),
            ("https://.ehr.example/fhir", Host),
            ("https://2130706433/fhir", Host),
            ("https://0x7f000001/fhir", Host),
            ("https://0x7f.1/fhir", Host),
            ("https://127.1/fhir", Host),
            ("https://0177.0.0.1/fhir", Host),
            ("https://127.0.0.01/fhir", Host),
            ("https://[::1/fhir", Host),
            ("https://[::1]x/fhir", Host),
            ("https://[fe80::1%25eth0]/fhir", Character),
            ("https://::1/fhir", Host),
            (&long, TooLong),
        ] {
            assert_eq!(Base::parse(text).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn links_lead_nowhere_else() {
        let base = Base::parse("https://ehr.example/fhir/r4").unwrap();
        for (link, whole) in [
            ("Patient/1", "https://ehr.example/fhir/r4/Patient/1"),
            (
                "Observation?code=http://loinc.org%7C8480-6",
                "https://ehr.example/fhir/r4/Observation?code=http://loinc.org%7C8480-6",
            ),
            ("?_getpages=1", "https://ehr.example/fhir/r4?_getpages=1"),
            ("https://EHR.example:443/fhir/r4/?page=2", "https://ehr.example/fhir/r4?page=2"),
            ("https://ehr.example/fhir/r4/next/abc", "https://ehr.example/fhir/r4/next/abc"),
        ] {
            assert_eq!(base.inside(link).unwrap(), whole);
        }
        for link in [
            "https://evil.example/fhir/r4?page=2",
            "http://ehr.example/fhir/r4?page=2",
            "https://ehr.example:8443/fhir/r4?page=2",
            "https://ehr.example/fhir?page=2",
            "https://ehr.example/fhir/r45?page=2",
            "https://ehr.example/fhir/r4/../admin",
            "https://ehr.example/fhir/r4/%2e%2e/admin",
            "https://ehr.example@evil.example/fhir/r4",
            "//evil.example/fhir/r4",
            "/fhir/r4?page=2",
            "../admin",
            "Patient?name=a#b",
            "Patient?name=\u{e9}",
            "Patient?a=1\r\nHost: evil.example",
            "file:///etc/passwd",
        ] {
            assert_eq!(base.inside(link), Err(FetchError::Query), "{link}");
        }
    }

    /// Pieces of which hostile addresses are made.
    fn link() -> impl Strategy<Value = String> {
        let pieces = vec![
            "https",
            "http",
            "file",
            ":",
            "//",
            "/",
            "\\",
            "@",
            "?",
            "#",
            "%2e",
            "%00",
            "..",
            ".",
            "ehr.example",
            "evil.example",
            ":443",
            ":8443",
            "fhir",
            "r4",
            "[::1]",
            "127.0.0.1",
            "&",
            "=",
            " ",
            "\r\n",
            "\u{e9}",
            "https://ehr.example/fhir/r4",
            "Patient",
        ];
        let built = prop::collection::vec(prop::sample::select(pieces), 0..8);
        prop_oneof![built.prop_map(|pieces| pieces.concat()), any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_link_says_it_leads_nowhere_else(link in link()) {
            let base = Base::parse("https://ehr.example/fhir/r4").unwrap();
            let Ok(url) = base.inside(&link) else { return Ok(()) };
            let rest = url.strip_prefix("https://ehr.example/fhir/r4");
            prop_assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])), "{url}");
            // What asks reads it the same way.
            let uri: http::Uri = url.parse().unwrap();
            prop_assert_eq!(uri.authority().map(|of| of.as_str()), Some("ehr.example"));
            let leads_up = uri.path().split('/').any(|step| step == "..");
            prop_assert!(uri.path().starts_with("/fhir/r4") && !leads_up, "{url}");
        }

        #[test]
        fn what_is_read_once_reads_the_same_again(text in link()) {
            let Ok(base) = Base::parse(&text) else { return Ok(()) };
            prop_assert_eq!(Base::parse(&base.to_string()), Ok(base.clone()));
            let uri: http::Uri = base.to_string().parse().unwrap();
            prop_assert!(uri.host().is_some());
        }
    }
}
