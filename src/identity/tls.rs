//! Encrypted connections: TLS 1.3, and 1.2 with authenticated ciphers only; certificates, keys and
//! lists of revoked certificates are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use secrecy::ExposeSecret;

use super::certificate;
use super::error::TlsError;
use super::file::{Content, Contents, Guard, Guarded, Watched, next};
use super::settings::{ClientCertificates, TlsSettings};

/// Longer files are no certificates.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// The lists of large authorities hold hundreds of thousands of numbers.
const CRL_BYTES_MAX: u64 = 32 << 20;

/// The server's side of encrypted connections, as its files are at the moment.
pub struct Tls {
    files: Files,
    current: Watched<Current>,
}

/// The settings, checked.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    clients: Clients,
}

/// What is asked of clients, checked: who asks for certificates knows their authorities.
enum Clients {
    NotAsked,
    Asked { authorities: PathBuf, revoked: Vec<PathBuf>, required: bool },
}

struct Current {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    expires_seconds: i64,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Settings that contradict each other, a file that cannot be read or is not what it should be, a
    /// key that others can read, a certificate or list that is out of date at `now_seconds`.
    pub fn open(settings: &TlsSettings, now_seconds: i64) -> Result<Tls, TlsError> {
        let files = Files::check(settings)?;
        let current = Watched::open(files.all(), |contents| files.build(contents, now_seconds))?;
        Ok(Tls { files, current })
    }

    /// For a new connection that is to speak gRPC; open ones keep what they began with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.get().grpc)
    }

    /// For a new connection that is to speak HTTP/1.1: probes and metrics.
    pub fn http_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.get().http)
    }

    /// The last second at which the server's certificate is valid: for a metric and its alarm.
    pub fn expires_seconds(&self) -> i64 {
        self.current.get().expires_seconds
    }

    /// Reads the files again where they changed; `true` where new connections get new ones.
    ///
    /// # Errors
    /// As of `open`: what was read before stays. Each fault is told once.
    pub fn reload(&self, now_seconds: i64) -> Result<bool, TlsError> {
        self.current.reload(|contents| self.files.build(contents, now_seconds))
    }
}

impl Files {
    fn check(settings: &TlsSettings) -> Result<Files, TlsError> {
        let TlsSettings {
            certificate_file,
            key_file,
            client_certificates,
            client_ca_file,
            crl_files,
        } = settings;
        let wrong = |setting, reason: &str| TlsError::Setting { setting, reason: reason.into() };
        let missing = |setting| wrong(setting, "must name a PEM file");
        let certificate =
            certificate_file.clone().ok_or_else(|| missing("tls.certificate_file"))?;
        let key = key_file.clone().ok_or_else(|| missing("tls.key_file"))?;
        let clients = match (client_certificates, client_ca_file) {
            (ClientCertificates::None, None) if crl_files.is_empty() => Clients::NotAsked,
            (ClientCertificates::None, _) => {
                return Err(wrong(
                    "tls.client_certificates",
                    "is \"none\", yet client_ca_file or crl_files are set: say \"required\" or \
                     \"optional\", or leave them out",
                ));
            }
            (_, None) => return Err(missing("tls.client_ca_file")),
            (asked, Some(authorities)) => Clients::Asked {
                authorities: authorities.clone(),
                revoked: crl_files.clone(),
                required: *asked == ClientCertificates::Required,
            },
        };
        Ok(Files { certificate, key, clients })
    }

    /// All files, in the order in which `build` takes their contents.
    fn all(&self) -> Vec<Guarded> {
        let mut all = vec![
            Guarded::new(&self.certificate, Guard::Rights, PEM_BYTES_MAX),
            Guarded::new(&self.key, Guard::Secret, PEM_BYTES_MAX),
        ];
        if let Clients::Asked { authorities, revoked, .. } = &self.clients {
            all.push(Guarded::new(authorities, Guard::Rights, PEM_BYTES_MAX));
            all.extend(revoked.iter().map(|p| Guarded::new(p, Guard::Rights, CRL_BYTES_MAX)));
        }
        all
    }

    fn build(&self, mut contents: Contents, now_seconds: i64) -> Result<Current, TlsError> {
        let chain = certificates(&self.certificate, &next(&mut contents)?)?;
        let expires_seconds = own(&self.certificate, &chain, now_seconds)?;
        let key = PrivateKeyDer::from_pem_slice(next(&mut contents)?.expose_secret())
            .map_err(|_| content(&self.key, "holds no private key in PEM that is not encrypted"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| content(&self.certificate, &error.to_string()))?;
        let builder = match &self.clients {
            Clients::NotAsked => builder.with_no_client_auth(),
            Clients::Asked { authorities, revoked, required } => {
                let roots = roots(authorities, &next(&mut contents)?)?;
                let mut lists = Vec::new();
                for path in revoked {
                    lists.extend(revocations(path, &next(&mut contents)?, now_seconds)?);
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, provider).with_crls(lists);
                let verifier = if *required { verifier } else { verifier.allow_unauthenticated() };
                let verifier =
                    verifier.build().map_err(|error| content(authorities, &error.to_string()))?;
                builder.with_client_cert_verifier(verifier as Arc<dyn ClientCertVerifier>)
            }
        };
        let mut grpc = builder.with_single_cert(chain, key).map_err(|error| {
            let reason = format!("does not go with {}: {error}", self.certificate.display());
            content(&self.key, &reason)
        })?;
        if matches!(self.clients, Clients::Asked { .. }) {
            // A session taken up again skips the check of the certificate, which may be revoked since.
            grpc.session_storage = Arc::new(NoServerSessionStorage {});
            grpc.send_tls13_tickets = 0;
        }
        let mut http = grpc.clone();
        grpc.alpn_protocols = vec![b"h2".to_vec()];
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Current { grpc: Arc::new(grpc), http: Arc::new(http), expires_seconds })
    }
}

fn content(path: &Path, reason: &str) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason: reason.to_owned() }
}

/// The certificates of a PEM file, one at least.
pub(super) fn certificates(
    path: &Path,
    pem: &Content,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose_secret()).collect();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(content(path, "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")),
    }
}

/// Until when the server's own certificate is valid.
fn own(path: &Path, chain: &[CertificateDer<'_>], now_seconds: i64) -> Result<i64, TlsError> {
    let own = chain.first().and_then(certificate::own);
    let own = own.ok_or_else(|| content(path, "its first certificate cannot be read"))?;
    if now_seconds > own.expires_seconds {
        return Err(content(path, "the certificate has expired: renew it"));
    }
    if now_seconds < own.begins_seconds {
        return Err(content(path, "the certificate is not valid yet: is the clock right?"));
    }
    if !own.is_named {
        return Err(content(
            path,
            "the certificate has no subjectAltName with a DNS name, an address or a URI: clients \
             refuse it",
        ));
    }
    Ok(own.expires_seconds)
}

fn roots(path: &Path, pem: &Content) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, pem)? {
        roots.add(authority).map_err(|error| content(path, &error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

/// The lists of a file, in PEM or DER, one at least.
fn revocations(
    path: &Path,
    bytes: &Content,
    now_seconds: i64,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bytes = bytes.expose_secret();
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(bytes).collect();
    let lists = match found {
        Ok(lists) if !lists.is_empty() => lists,
        _ => vec![CertificateRevocationListDer::from(bytes.to_vec())],
    };
    for list in &lists {
        match certificate::next_update_seconds(list) {
            None => return Err(content(path, "holds no list of revoked certificates (CRL)")),
            Some(Some(due)) if due < now_seconds => {
                return Err(content(path, "the list is out of date: fetch a new one"));
            }
            Some(_) => {}
        }
    }
    Ok(lists)
}
