//! Where an issuer's keys come from: a file, or an address that a thread of its own asks, so that no
//! call ever waits for it. While the address is out of reach, the keys that were had go on serving.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::Uri;
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::error::{IdentityError, TlsError};
use super::file::{Contents, Guard, Guarded, Watched, next};
use super::key_set::{KEY_SET_BYTES_MAX, KeySet};
use super::settings::JwtSettings;
use super::tls::certificates;

/// From the request to the last byte of the answer.
const FETCH_MAX: Duration = Duration::from_secs(10);
/// How long a start waits for the first answer; then it goes on without keys.
const FIRST_FETCH_MAX: Duration = Duration::from_secs(5);
/// Between two tries while there are no keys at all.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Longer answers' heads are no issuer's.
const HEADER_BYTES_MAX: usize = 32 << 10;

/// Where an issuer's keys come from.
pub(super) enum Issuer {
    File { path: PathBuf, keys: Watched<KeySet> },
    Address(Address),
}

/// Keys that a thread fetches; it ends when this is dropped, after its rest.
pub(super) struct Address {
    keys: Arc<ArcSwapOption<KeySet>>,
    wake: SyncSender<()>,
}

impl Issuer {
    /// The keys by the section `place` of the settings.
    pub(super) fn open(settings: &JwtSettings, place: &str) -> Result<Issuer, IdentityError> {
        match (&settings.jwks_file, &settings.jwks_url) {
            (Some(path), None) => {
                let file = Guarded::new(path, Guard::Rights, KEY_SET_BYTES_MAX);
                let keys = Watched::open(vec![file], |contents| read(path, contents))?;
                Ok(Issuer::File { path: path.clone(), keys })
            }
            (None, Some(url)) => Address::open(url, settings, place).map(Issuer::Address),
            _ => Err(IdentityError::Setting {
                setting: format!("{place}.jwks_file"),
                reason: "name the issuer's keys once: jwks_file or jwks_url".into(),
            }),
        }
    }

    /// The keys as they are now; `None` before the first were fetched.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        match self {
            Issuer::File { keys, .. } => Some(keys.get()),
            Issuer::Address(address) => address.keys.load_full(),
        }
    }

    /// Asks for the keys again, since a token names one that is not among them. However often this
    /// is called, the thread rests between two fetches.
    pub(super) fn ask_again(&self) {
        if let Issuer::Address(address) = self {
            // A full channel means that it was asked already.
            let _ = address.wake.try_send(());
        }
    }

    /// Reads the file again where it changed.
    ///
    /// # Errors
    /// The file is at fault; the keys stay.
    pub(super) fn reload(&self) -> Result<Option<PathBuf>, IdentityError> {
        match self {
            Issuer::File { path, keys } => {
                let is_new = keys.reload(|contents| read(path, contents))?;
                Ok(is_new.then(|| path.clone()))
            }
            Issuer::Address(_) => Ok(None),
        }
    }
}

fn read(path: &Path, mut contents: Contents) -> Result<KeySet, IdentityError> {
    KeySet::parse(next(&mut contents)?.expose_secret())
        .map_err(|reason| IdentityError::KeySet { path: path.to_owned(), reason })
}

impl Address {
    fn open(url: &str, settings: &JwtSettings, place: &str) -> Result<Address, IdentityError> {
        let uri = checked(url).map_err(|reason| {
            let setting = format!("{place}.jwks_url");
            IdentityError::Setting { setting, reason }
        })?;
        let agent = agent(&uri, settings.jwks_ca_file.as_deref(), place)?;
        let keys = Arc::new(ArcSwapOption::empty());
        let (wake, woken) = sync_channel(1);
        let (tell, told) = sync_channel(1);
        let fetcher = Fetcher {
            agent,
            uri,
            keys: Arc::clone(&keys),
            refresh: Duration::from_secs(settings.refresh_seconds.into()),
            rest: Duration::from_secs(settings.refetch_seconds.into()),
        };
        std::thread::Builder::new()
            .name("issuer-keys".into())
            .spawn(move || fetcher.run(&woken, &tell))
            .map_err(IdentityError::Thread)?;
        // Without an answer the server starts all the same, and refuses tokens until there is one.
        let _ = told.recv_timeout(FIRST_FETCH_MAX);
        Ok(Address { keys, wake })
    }
}

/// The address, if keys may come from there.
fn checked(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| "is no address such as https://host/keys".to_owned())?;
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        return Err("holds a name or password: leave it out".into());
    }
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(uri),
        Some("http") if ["127.0.0.1", "[::1]", "localhost"].contains(&host) => Ok(uri),
        _ => {
            Err("must begin with https:// (http:// only on this machine): whoever can change the \
                  keys on their way can issue tokens"
                .into())
        }
    }
}

fn agent(uri: &Uri, authorities: Option<&Path>, place: &str) -> Result<ureq::Agent, IdentityError> {
    let roots = authorities.map(|path| {
        let file = Guarded::new(path, Guard::Rights, KEY_SET_BYTES_MAX);
        let read = |mut contents: Contents| certificates(path, &next(&mut contents)?);
        let found = Watched::open::<TlsError>(vec![file], read);
        let found = found.map_err(|error| IdentityError::Setting {
            setting: format!("{place}.jwks_ca_file"),
            reason: error.to_string(),
        })?;
        let certificate = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
        let certificates: Vec<_> = found.get().iter().map(certificate).collect();
        Ok::<_, IdentityError>(RootCerts::new_with_certs(&certificates))
    });
    let roots = roots.transpose()?.unwrap_or(RootCerts::PlatformVerifier);
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        .https_only(uri.scheme_str() == Some("https"))
        // A redirect could lead anywhere, and the environment's proxy too.
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(FETCH_MAX))
        .max_response_header_size(HEADER_BYTES_MAX)
        .tls_config(tls)
        .build();
    Ok(config.into())
}

struct Fetcher {
    agent: ureq::Agent,
    uri: Uri,
    keys: Arc<ArcSwapOption<KeySet>>,
    refresh: Duration,
    rest: Duration,
}

impl Fetcher {
    fn run(&self, woken: &Receiver<()>, tell: &SyncSender<()>) {
        loop {
            match self.fetch() {
                Ok(true) => tracing::info!("the issuer's keys are new"),
                Ok(false) => {}
                Err(reason) => tracing::warn!(reason, "the issuer's keys cannot be fetched"),
            }
            let _ = tell.try_send(());
            let has_keys = self.keys.load().is_some();
            std::thread::sleep(if has_keys { self.rest } else { self.rest.min(FIRST_RETRY) });
            let waiting =
                if has_keys { self.refresh.saturating_sub(self.rest) } else { Duration::ZERO };
            if woken.recv_timeout(waiting) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    /// Fetches the keys; `true` where they are new.
    fn fetch(&self) -> Result<bool, String> {
        // Addresses and what servers answer stay out of the log.
        let failed = |error: ureq::Error| match error {
            ureq::Error::StatusCode(status) => format!("the answer has status {status}"),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            ureq::Error::HostNotFound => "the host is not known".to_owned(),
            ureq::Error::Io(error) => format!("no connection: {}", error.kind()),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
                "the address's certificate is not trusted; name its authority in jwks_ca_file"
                    .to_owned()
            }
            ureq::Error::BodyExceedsLimit(bytes) => format!("the answer exceeds {bytes} bytes"),
            _ => "the answer is no good HTTP".to_owned(),
        };
        let mut answer = self.agent.get(&self.uri).call().map_err(failed)?;
        if answer.status() != 200 {
            return Err(format!("the answer has status {}", answer.status().as_u16()));
        }
        let body = answer.body_mut().with_config().limit(KEY_SET_BYTES_MAX);
        let keys = KeySet::parse(&body.read_to_vec().map_err(failed)?)?;
        let is_new = self.keys.load().as_ref().is_none_or(|old| old.digest != keys.digest);
        if is_new {
            self.keys.store(Some(Arc::new(keys)));
        }
        Ok(is_new)
    }
}
