//! Who calls: by token, by key, or by the certificate of the connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::api_key::{ApiKeys, KEYS_BYTES_MAX};
use super::error::{AuthError, IdentityError};
use super::file::{Contents, Guard, Guarded, Watched, next};
use super::policy::{Ask, Denied, Permit, Policy};
use super::policy_file::{POLICY_BYTES_MAX, PolicyError};
use super::settings::IdentitySettings;
use super::token::{Tokens, claimed_issuer};
use crate::access::{Caller, Scope};

/// The caller of every call where nothing is set up to recognise one.
pub const ANONYMOUS: &str = "anonymous";

/// The most EHRs; each has a memory of used tokens, and a thread where its keys come from an address.
const CDS_CLIENTS_MAX: usize = 32;

/// What a call brings to show who calls.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The name in the certificate of the connection (`peer_name`), if the client showed one.
    pub peer: Option<&'a str>,
    /// What stands behind `Bearer ` in `authorization`.
    pub bearer: Option<&'a str>,
    /// What stands in `x-api-key`.
    pub api_key: Option<&'a str>,
}

/// Who may call, and what each may do.
pub struct Identity {
    anonymous: Option<Arc<Caller>>,
    policy: Watched<Policy>,
    policy_file: Option<PathBuf>,
    api_keys: Option<(PathBuf, Watched<ApiKeys>)>,
    tokens: Option<Tokens>,
    cds_clients: Vec<Tokens>,
}

/// What a look at the files found.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Files that are in force anew.
    pub changed: Vec<PathBuf>,
    /// Files at fault: what they said before stays in force. Each fault is told once.
    pub faults: Vec<IdentityError>,
}

impl Identity {
    /// Reads the files, and waits a few seconds at most for an issuer's keys. Where nothing is set,
    /// everybody is `ANONYMOUS` and may do everything.
    ///
    /// # Errors
    /// A file or setting at fault, or settings by which nobody could do anything.
    pub fn open(settings: &IdentitySettings) -> Result<Identity, IdentityError> {
        let IdentitySettings { policy_file, api_keys_file, jwt, cds_clients } = settings;
        let Some(policy_file) = policy_file else {
            if api_keys_file.is_some() || jwt.is_some() || !cds_clients.is_empty() {
                return Err(IdentityError::Setting {
                    setting: "identity.policy_file".into(),
                    reason: "is missing: callers are recognised, but may do nothing".into(),
                });
            }
            return Ok(Identity::everybody());
        };
        let file = Guarded::new(policy_file, Guard::Rights, POLICY_BYTES_MAX);
        let policy = Watched::open(vec![file], |contents| read_policy(policy_file, contents))?;
        let shows_itself = api_keys_file.is_some() || jwt.is_some() || !cds_clients.is_empty();
        if !shows_itself && !policy.get().knows_peers() {
            return Err(IdentityError::Setting {
                setting: "identity".into(),
                reason: "no caller can be recognised: set api_keys_file or jwt, or name \
                         [[identity.cds_clients]], or [[peers]] in the policy file"
                    .into(),
            });
        }
        let api_keys = api_keys_file.clone().map(|path| {
            let file = Guarded::new(&path, Guard::Secret, KEYS_BYTES_MAX);
            let keys = Watched::open(vec![file], |contents| ApiKeys::read(&path, contents))?;
            Ok::<_, IdentityError>((path, keys))
        });
        Ok(Identity {
            anonymous: None,
            policy,
            policy_file: Some(policy_file.clone()),
            api_keys: api_keys.transpose()?,
            tokens: jwt.as_ref().map(Tokens::open).transpose()?,
            cds_clients: open_cds_clients(settings)?,
        })
    }

    /// Everybody is `ANONYMOUS` and may do everything.
    pub fn everybody() -> Identity {
        let (name, roles) = (ANONYMOUS.to_owned(), Vec::new());
        let anonymous = Arc::new(Caller { name, roles, scope: Scope::default() });
        Identity {
            anonymous: Some(anonymous),
            policy: Watched::fixed(Policy::everything()),
            policy_file: None,
            api_keys: None,
            tokens: None,
            cds_clients: Vec::new(),
        }
    }

    /// Whether everybody may do everything.
    pub fn is_anonymous(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Who calls, at `now_seconds`. A token or a key goes before the connection's certificate, which
    /// may be a proxy's; one that does not do is an error whatever the certificate says.
    ///
    /// # Errors
    /// Nobody was recognised.
    pub fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        now_seconds: i64,
    ) -> Result<Arc<Caller>, AuthError> {
        if let Some(anonymous) = &self.anonymous {
            return Ok(Arc::clone(anonymous));
        }
        match (credentials.bearer, credentials.api_key, credentials.peer) {
            (Some(_), Some(_), _) => Err(AuthError::TwoCredentials),
            (Some(token), None, _) => {
                let tokens = self.tokens.as_ref().ok_or(AuthError::NoTokensTaken)?;
                tokens.caller(token, None, now_seconds)
            }
            (None, Some(key), _) => {
                let (_, keys) = self.api_keys.as_ref().ok_or(AuthError::NoApiKeysTaken)?;
                keys.get().caller(key, now_seconds)
            }
            (None, None, Some(peer)) => self.policy.get().peer(peer).ok_or(AuthError::PeerUnknown),
            (None, None, None) => Err(AuthError::NoCredentials),
        }
    }

    /// Who calls CDS Hooks at the address `audience`, at `now_seconds`: an EHR by a one-time token for that
    /// very address, else anybody whom `authenticate` knows. The issuer that a token claims chooses no more
    /// than whose keys have to prove it.
    ///
    /// # Errors
    /// Nobody was recognised.
    pub fn authenticate_cds(
        &self,
        credentials: &Credentials<'_>,
        audience: &str,
        now_seconds: i64,
    ) -> Result<Arc<Caller>, AuthError> {
        let Credentials { bearer: Some(token), api_key: None, .. } = credentials else {
            return self.authenticate(credentials, now_seconds);
        };
        let issuer = (!self.cds_clients.is_empty()).then(|| claimed_issuer(token)).flatten();
        let client =
            self.cds_clients.iter().find(|known| Some(known.issuer()) == issuer.as_deref());
        match client {
            Some(client) => client.caller(token, Some(audience), now_seconds),
            None => self.authenticate(credentials, now_seconds),
        }
    }

    /// Whether the caller may do what the call asks for.
    ///
    /// # Errors
    /// What the caller's rights lack.
    pub fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Result<Permit, Denied> {
        self.policy.get().decide(caller, ask)
    }

    /// Reads the files again where they changed. To be called every few seconds: a key that is taken
    /// out of its file is good until then.
    pub fn reload(&self) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let mut note = |outcome: Result<Option<PathBuf>, IdentityError>| match outcome {
            Ok(changed) => reloaded.changed.extend(changed),
            Err(fault) => reloaded.faults.push(fault),
        };
        if let Some(path) = &self.policy_file {
            let outcome = self.policy.reload(|contents| read_policy(path, contents));
            note(outcome.map(|is_new| is_new.then(|| path.clone())));
        }
        if let Some((path, keys)) = &self.api_keys {
            let outcome = keys.reload(|contents| ApiKeys::read(path, contents));
            note(outcome.map(|is_new| is_new.then(|| path.clone())));
        }
        for tokens in self.tokens.iter().chain(&self.cds_clients) {
            note(tokens.reload());
        }
        reloaded
    }
}

/// The EHRs of the settings, each known by an issuer of its own.
fn open_cds_clients(settings: &IdentitySettings) -> Result<Vec<Tokens>, IdentityError> {
    let IdentitySettings { jwt, cds_clients, .. } = settings;
    let wrong = |setting: String, reason: &str| {
        Err(IdentityError::Setting { setting, reason: reason.to_owned() })
    };
    if cds_clients.len() > CDS_CLIENTS_MAX {
        return wrong("identity.cds_clients".to_owned(), "names more than 32 clients");
    }
    let mut issuers: Vec<&str> = jwt.iter().map(|jwt| jwt.issuer.as_str()).collect();
    let mut found = Vec::new();
    for (place, client) in cds_clients.iter().enumerate() {
        let section = format!("cds_clients[{place}]");
        if issuers.contains(&client.issuer.as_str()) {
            let reason = "is the issuer of other tokens too: each needs one of its own";
            return wrong(format!("{section}.issuer"), reason);
        }
        issuers.push(&client.issuer);
        found.push(Tokens::of_cds_client(client, &section)?);
    }
    Ok(found)
}

fn read_policy(path: &Path, mut contents: Contents) -> Result<Policy, IdentityError> {
    let content = next(&mut contents)?;
    let text = std::str::from_utf8(content.expose_secret()).map_err(|_| PolicyError::Utf8);
    text.and_then(Policy::parse)
        .map_err(|error| IdentityError::Policy { path: path.to_owned(), error })
}
