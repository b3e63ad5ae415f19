//! `sign` and `verify`: who vouches for a version.

use std::path::PathBuf;

use serde::Serialize;

use super::CommandError;
use crate::registry::{self, RegistryError, SignedVersion};

/// What `sign` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequest {
    /// A version folder.
    pub bundle: PathBuf,
    /// An ed25519 private key (PKCS#8 PEM) that its owner alone may read.
    pub key: PathBuf,
}

/// What `sign` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    pub task: String,
    pub version: String,
    pub digest: String,
    /// The first half of the sha256 of the public key: what a list of revoked keys names it by.
    pub key_id: String,
}

impl Signed {
    /// What was done, in a sentence.
    pub fn summary(&self) -> String {
        let Signed { task, version, digest, key_id } = self;
        format!("version {version} of {task} (digest {digest}) is signed by key {key_id}")
    }
}

/// Signs a version, once every check of its bundle has passed; the signature stands beside the manifest
/// and changes no digest.
///
/// # Errors
/// A bundle that is refused, a key that others may read or that is none, a folder that takes no file.
pub fn sign(request: &SignRequest) -> Result<Signed, CommandError> {
    let SignedVersion { task, version, digest, key_ids } =
        registry::sign(&request.bundle, &request.key)?;
    let key_id = key_ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(Signed { task, version, digest, key_id })
}

/// What `verify` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyRequest {
    /// A version folder.
    pub bundle: PathBuf,
    /// ed25519 public keys (PEM); one of them must have signed it.
    pub public_keys: Vec<PathBuf>,
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The keys among those given whose signatures hold.
    pub key_ids: Vec<String>,
    /// sha256 of the bundle; absent where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it is refused; absent where it is signed and whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Verified {
    /// What was found, in a sentence.
    pub fn summary(&self) -> String {
        match &self.refused {
            Some(reason) => format!("refused: {reason}"),
            None => format!("whole, and signed by key {}", self.key_ids.join(", key ")),
        }
    }

    /// 1 where it is refused.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.refused.is_some())
    }
}

/// Checks a version as a server does that asks for signatures: whole, and signed by one of the keys.
///
/// # Errors
/// A folder or a key that cannot be read. What is wrong with the version is an answer.
pub fn verify(request: &VerifyRequest) -> Result<Verified, CommandError> {
    match registry::verify(&request.bundle, &request.public_keys) {
        Ok(SignedVersion { digest, key_ids, .. }) => {
            let key_ids = key_ids.iter().map(ToString::to_string).collect();
            Ok(Verified { key_ids, digest: Some(digest), refused: None })
        }
        Err(error @ (RegistryError::Io { .. } | RegistryError::Key { .. })) => Err(error.into()),
        Err(refused) => {
            let refused = Some(refused.to_string());
            Ok(Verified { key_ids: Vec::new(), digest: None, refused })
        }
    }
}
