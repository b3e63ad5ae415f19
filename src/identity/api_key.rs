//! API keys: `pk_<id>_<secret>`, a random secret of 256 bits. The file holds a keyed hash of it: who
//! reads the file cannot call.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::{AuthError, IdentityError};
use super::file::{Contents, next};
use super::name::{is_name, places};
use crate::access::{Caller, Scope};
use crate::record::Time;
use crate::strict_toml;

/// What every key begins with: scanners for leaked secrets find them by it.
const PREFIX: &str = "pk_";
/// What the file's hashes begin with; another way of hashing would begin otherwise.
const HASH_PREFIX: &str = "hmac-sha256:";
/// Random bytes of a key and of its id.
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 8;
/// The longest key file, in bytes.
pub(super) const KEYS_BYTES_MAX: u64 = 4 << 20;

/// The keys of a file.
#[derive(Default)]
pub struct ApiKeys(HashMap<String, ApiKey>);

struct ApiKey {
    hash: [u8; 32],
    expires_seconds: Option<i64>,
    caller: Arc<Caller>,
}

/// The key file, unchecked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    name: String,
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facilities: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    units: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    teams: Vec<String>,
    /// RFC 3339; for ever without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    hash: String,
}

impl ApiKeys {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// One sentence with the line or the key's number, and what is wrong.
    pub fn parse(text: &str) -> Result<ApiKeys, String> {
        let file: KeyFile = strict_toml::parse(text)?;
        let mut keys = HashMap::new();
        for (at, entry) in file.keys.into_iter().enumerate() {
            let id = entry.id.clone();
            let key = entry.check().map_err(|reason| format!("key {}: {reason}", at + 1))?;
            if keys.insert(id, key).is_some() {
                return Err(format!("key {}: its id stands twice", at + 1));
            }
        }
        Ok(ApiKeys(keys))
    }

    pub(super) fn read(path: &Path, mut contents: Contents) -> Result<ApiKeys, IdentityError> {
        let wrong = |reason| IdentityError::ApiKeys { path: path.to_owned(), reason };
        let content = next(&mut contents)?;
        let text = std::str::from_utf8(content.expose_secret());
        let text = text.map_err(|_| wrong("is not UTF-8".to_owned()))?;
        ApiKeys::parse(text).map_err(wrong)
    }

    /// The caller whose key this is.
    ///
    /// # Errors
    /// The key is malformed, unknown or revoked (which of them is not told), or has expired.
    pub fn caller(&self, key: &str, now_seconds: i64) -> Result<Arc<Caller>, AuthError> {
        let (id, secret) = parts(key).ok_or(AuthError::ApiKey)?;
        let known = self.0.get(id).ok_or(AuthError::ApiKey)?;
        // In constant time: `verify_slice` looks at every byte.
        let hash = keyed(id, &secret).ok_or(AuthError::ApiKey)?;
        hash.verify_slice(&known.hash).map_err(|_| AuthError::ApiKey)?;
        if known.expires_seconds.is_some_and(|expires| now_seconds >= expires) {
            return Err(AuthError::ApiKeyExpired);
        }
        Ok(Arc::clone(&known.caller))
    }
}

impl KeyEntry {
    fn check(self) -> Result<ApiKey, String> {
        let KeyEntry { id, name, roles, facilities, units, teams, expires, hash } = self;
        if id.len() != 2 * ID_BYTES || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("`id` must be 16 hexadecimal digits".into());
        }
        for (what, names) in [("facilities", &facilities), ("units", &units), ("teams", &teams)] {
            if !names.iter().all(|name| is_name(name)) {
                return Err(format!("`{what}` holds an empty or unprintable name"));
            }
        }
        if !is_name(&name) {
            return Err("`name` must be 1 to 256 printable bytes".into());
        }
        if roles.is_empty() || !roles.iter().all(|role| is_name(role)) {
            return Err("`roles` must name the roles of this key".into());
        }
        let hash = hash.strip_prefix(HASH_PREFIX).and_then(decode);
        let hash = hash.ok_or("`hash` is not what `prodrome-train api-key` prints")?;
        let expires = expires.map(|text| {
            Time::parse(&text).ok_or("`expires` must be a time such as 2027-01-31T00:00:00Z")
        });
        let expires_seconds = expires.transpose()?.map(|time| time.micros().div_euclid(1_000_000));
        let scope =
            Scope { facilities: places(facilities), units: places(units), teams: places(teams) };
        Ok(ApiKey { hash, expires_seconds, caller: Arc::new(Caller { name, roles, scope }) })
    }
}

/// A key that was just made: to be shown once.
#[derive(Debug)]
pub struct NewApiKey {
    /// What the program sends.
    pub key: SecretString,
    /// What the key file gets.
    pub entry: String,
}

impl NewApiKey {
    /// Makes a key for `caller`; `expires` is an RFC 3339 time.
    ///
    /// # Errors
    /// One sentence: what of the caller a key file cannot hold, or no random bytes.
    pub fn generate(caller: &Caller, expires: Option<&str>) -> Result<NewApiKey, String> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut id)
            .and_then(|()| getrandom::fill(&mut secret))
            .map_err(|_| IdentityError::Random.to_string())?;
        let id = format!("{:016x}", u64::from_be_bytes(id));
        let hash = keyed(&id, &secret).ok_or("the key cannot be hashed")?;
        let hash = URL_SAFE_NO_PAD.encode(hash.finalize().into_bytes());
        let anywhere =
            |places: &Option<Vec<String>>| places.clone().unwrap_or_else(|| vec!["*".to_owned()]);
        let entry = KeyEntry {
            id: id.clone(),
            name: caller.name.clone(),
            roles: caller.roles.clone(),
            facilities: anywhere(&caller.scope.facilities),
            units: anywhere(&caller.scope.units),
            teams: anywhere(&caller.scope.teams),
            expires: expires.map(str::to_owned),
            hash: format!("{HASH_PREFIX}{hash}"),
        };
        let entry = toml::to_string(&KeyFile { keys: vec![entry] }).map_err(|e| e.to_string())?;
        // As the server will read it.
        ApiKeys::parse(&entry)?;
        let key = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        Ok(NewApiKey { key: key.into(), entry })
    }
}

/// The id and the secret of a key.
fn parts(key: &str) -> Option<(&str, [u8; SECRET_BYTES])> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_once('_')?;
    Some((id, decode(secret)?))
}

fn decode(text: &str) -> Option<[u8; 32]> {
    // 43 characters are 32 bytes: longer ones are not looked at.
    let text = Some(text).filter(|text| text.len() == 43)?;
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// HMAC-SHA256 under the secret. The id is its salt, so that an entry is good for one key alone; the
/// secret is random and long, so that a slow hash would add nothing.
fn keyed(id: &str, secret: &[u8; SECRET_BYTES]) -> Option<Hmac<Sha256>> {
    let mut hash = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    hash.update(b"prodrome/api-key/1/");
    hash.update(id.as_bytes());
    Some(hash)
}
