//! The servers that may be asked, and the one among them that a call names.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::unversioned::transport::DefaultConnector;

use super::address::{CheckedResolver, Lookup, system_lookup};
use super::base::Base;
use super::error::Refused;
use super::settings::{FetchLimits, FhirServersSettings};
use crate::strict_toml::SettingFault;

/// The largest file of authorities, in bytes.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;
/// Until a connection stands, with its encryption.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longer answers' heads are no FHIR server's.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Connections kept for the next question.
const IDLE_MAX: usize = 16;

/// The FHIR servers that may be asked.
pub struct FhirServers {
    allowed: Vec<Arc<Base>>,
    agent: ureq::Agent,
    limits: FetchLimits,
}

/// One of the servers that may be asked.
#[derive(Clone)]
pub struct AllowedServer {
    pub(super) base: Arc<Base>,
    pub(super) agent: ureq::Agent,
}

impl FhirServers {
    /// The servers of the settings, checked, with the authorities that vouch for them.
    ///
    /// # Errors
    /// An address that is refused, a limit out of its range, a file of authorities that cannot be read.
    pub fn new(settings: &FhirServersSettings) -> Result<FhirServers, Vec<SettingFault>> {
        FhirServers::with_lookup(settings, system_lookup())
    }

    /// The same with another way from names to addresses.
    pub(super) fn with_lookup(
        settings: &FhirServersSettings,
        lookup: Lookup,
    ) -> Result<FhirServers, Vec<SettingFault>> {
        let allowed = settings.bases()?.into_iter().map(Arc::new).collect();
        let roots = match &settings.fhir_ca_file {
            None => RootCerts::PlatformVerifier,
            Some(path) => authorities(path)
                .map_err(|reason| vec![SettingFault { key: "fhir_ca_file", reason }])?,
        };
        Ok(FhirServers { allowed, agent: agent(roots, lookup), limits: settings.limits() })
    }

    /// Whether none may be asked.
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty()
    }

    /// What all questions of one call may use up together.
    pub fn limits(&self) -> &FetchLimits {
        &self.limits
    }

    /// The server of this address, where it may be asked: scheme, host, port and path as they stand in the
    /// settings.
    ///
    /// # Errors
    /// What is wrong with the address, or that no server of the settings has it.
    pub fn find(&self, given: &str) -> Result<AllowedServer, Refused> {
        let given = Base::parse(given)?;
        let known = self.allowed.iter().find(|base| ***base == given).ok_or(Refused::NotListed)?;
        Ok(AllowedServer { base: Arc::clone(known), agent: self.agent.clone() })
    }
}

impl fmt::Debug for FhirServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FhirServers").field("allowed", &self.allowed.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for AllowedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllowedServer({})", self.base)
    }
}

/// The authorities in a PEM file.
fn authorities(path: &Path) -> Result<RootCerts, String> {
    let mut pem = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(AUTHORITIES_BYTES_MAX + 1).read_to_end(&mut pem));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if pem.len() as u64 > AUTHORITIES_BYTES_MAX {
        return Err("is larger than 1 MiB".to_owned());
    }
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| "is no PEM".to_owned())? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    Ok(RootCerts::new_with_certs(&found))
}

fn agent(roots: RootCerts, lookup: Lookup) -> ureq::Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        // A redirect could lead anywhere, and the environment's proxy too.
        .max_redirects(0)
        .proxy(None)
        // Whatever the status, the answer is looked at here.
        .http_status_as_error(false)
        .accept_encoding("identity")
        .user_agent(concat!("prodrome/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_MAX))
        .max_response_header_size(HEADER_BYTES_MAX)
        .max_idle_connections(IDLE_MAX)
        .tls_config(tls)
        .build();
    ureq::Agent::with_parts(config, DefaultConnector::new(), CheckedResolver::new(lookup))
}
