//! `api-key`: make a key for a program that calls the server, and the entry for the server's key file.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use super::CommandError;
use crate::access::{Caller, Scope};
use crate::identity::NewApiKey;

/// What `api-key` is asked to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiKeyRequest {
    /// The caller's name, for the audit log and for rates.
    pub name: String,
    /// Roles of the policy file.
    pub roles: Vec<String>,
    /// Where the caller may act; `*` is anywhere.
    pub facilities: Vec<String>,
    pub units: Vec<String>,
    pub teams: Vec<String>,
    /// When the key ends, as an RFC 3339 time; never without it.
    pub expires: Option<String>,
}

/// A key that was just made. It is shown once and kept nowhere.
#[derive(Debug, Serialize)]
pub struct ApiKeyMade {
    /// What the program sends as `x-api-key`.
    #[serde(serialize_with = "shown")]
    pub key: SecretString,
    /// What the server's key file gets: it holds a hash of the key alone.
    pub entry: String,
}

impl ApiKeyMade {
    /// The entry, and the key this once.
    pub fn summary(&self) -> String {
        let ApiKeyMade { key, entry } = self;
        format!(
            "# Append this entry to the server's key file (mode 0600):\n\n{entry}\n\
             # The key, shown this once; send it as the metadata x-api-key:\n{}",
            key.expose_secret()
        )
    }
}

/// To be read by whoever asked for it: the one place where a key is written.
fn shown<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_secret())
}

/// Makes a key.
///
/// # Errors
/// A name, role or time that a key file cannot hold.
pub fn api_key(request: ApiKeyRequest) -> Result<ApiKeyMade, CommandError> {
    let ApiKeyRequest { name, roles, facilities, units, teams, expires } = request;
    let scope = Scope { facilities: Some(facilities), units: Some(units), teams: Some(teams) };
    let caller = Caller { name, roles, scope };
    let NewApiKey { key, entry } =
        NewApiKey::generate(&caller, expires.as_deref()).map_err(CommandError::Usage)?;
    Ok(ApiKeyMade { key, entry })
}
