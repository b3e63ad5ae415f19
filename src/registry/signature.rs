//! Who vouches for a version: `signature.json` beside its manifest, outside its digest, and the keys
//! that a server trusts.
//!
//! A signature is over the version's digest with its task and number, so it holds for this version
//! alone. With keys to trust, the stages file must be signed too (`promote --key`): it decides what is
//! in service, and its serial number only rises, so an older one cannot be put back under a running
//! server. Across a restart nothing remembers the serial; there, revoking a key is what withdraws
//! trust.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::{self, read_plain};
use super::{ModelSettings, RegistryError, version};
use crate::private_file;
use crate::signing::{KeyId, PrivateKey, PublicKey, Signature};

/// The file with a version's signatures.
pub(super) const SIGNATURE: &str = "signature.json";
/// The largest file of signatures, keys or key ids, in bytes.
const BYTES_MAX: u64 = 64 << 10;
/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 16;

/// Why no signature makes its version trusted; from what says least to what says most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SignatureFault {
    #[error("not signed: a key that this server trusts must sign it (`prodrome-train {mend}`)")]
    Unsigned { mend: &'static str },
    #[error("signed by key {0}, which is not among those trusted")]
    UnknownKey(KeyId),
    #[error("signed by key {0}, which is revoked")]
    Revoked(KeyId),
    #[error("the signature of key {0} is of something else: it was changed after it was signed")]
    Wrong(KeyId),
    #[error("more than {SIGNATURES_MAX} signatures")]
    TooMany,
    #[error("the signatures cannot be read: {0}")]
    Unreadable(String),
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    signatures: Vec<Signature>,
}

/// What is signed, and what to do where it is not.
pub(super) struct Message {
    bytes: Vec<u8>,
    mend: &'static str,
}

impl Message {
    /// Of a version.
    pub(super) fn of_version(task: &str, version: &str, digest: &str) -> Message {
        let text = format!("prodrome bundle signature 1\n{task}\n{version}\n{digest}\n");
        Message { bytes: text.into_bytes(), mend: "sign" }
    }

    /// Of a task's stages, as JSON without their signatures.
    pub(super) fn of_stages(task: &str, json: &str) -> Message {
        let text = format!("prodrome stages signature 1\n{task}\n{json}\n");
        Message { bytes: text.into_bytes(), mend: "promote --key" }
    }

    /// The signature of `key` over it.
    pub(super) fn signed(&self, key: &PrivateKey) -> Signature {
        key.sign(&self.bytes)
    }
}

/// The keys that a server trusts.
#[derive(Debug)]
pub(super) struct Trust {
    keys: Vec<PublicKey>,
    revoked: BTreeSet<KeyId>,
}

impl Trust {
    /// The keys that `settings` name; `None` where no signature is asked for.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no key or key ids.
    pub(super) fn read(settings: &ModelSettings) -> Result<Option<Trust>, RegistryError> {
        if settings.require_signature.is_empty() {
            return Ok(None);
        }
        let keys = public_keys(&settings.require_signature)?;
        let mut revoked = BTreeSet::new();
        if let Some(path) = &settings.revoked_keys {
            let text = String::from_utf8_lossy(&read_plain(path, BYTES_MAX)?).into_owned();
            for line in text.lines().map(str::trim) {
                if !line.is_empty() && !line.starts_with('#') {
                    let id = KeyId::parse(line);
                    revoked.insert(id.map_err(|error| RegistryError::key(path, error))?);
                }
            }
        }
        Ok(Some(Trust { keys, revoked }))
    }

    /// Whether one of `signatures` over `message` is by a key that is trusted and not revoked.
    ///
    /// # Errors
    /// `Signature` with the fault that says most.
    pub(super) fn check(
        &self,
        path: &Path,
        message: &Message,
        signatures: &[Signature],
    ) -> Result<(), RegistryError> {
        match signed_by(&self.keys, &self.revoked, message, signatures) {
            Ok(_) => Ok(()),
            Err(fault) => Err(RegistryError::Signature { path: path.to_owned(), fault }),
        }
    }
}

/// The keys whose signatures hold.
fn signed_by(
    keys: &[PublicKey],
    revoked: &BTreeSet<KeyId>,
    message: &Message,
    signatures: &[Signature],
) -> Result<Vec<KeyId>, SignatureFault> {
    if signatures.len() > SIGNATURES_MAX {
        return Err(SignatureFault::TooMany);
    }
    let mut holding = Vec::new();
    let mut fault = SignatureFault::Unsigned { mend: message.mend };
    for signature in signatures {
        let id = signature.key_id.clone();
        let found = match keys.iter().find(|key| *key.id() == id) {
            _ if revoked.contains(&id) => SignatureFault::Revoked(id),
            None => SignatureFault::UnknownKey(id),
            Some(key) if key.verifies(&message.bytes, signature) => {
                holding.push(id);
                continue;
            }
            Some(_) => SignatureFault::Wrong(id),
        };
        fault = fault.max(found);
    }
    if holding.is_empty() { Err(fault) } else { Ok(holding) }
}

fn public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, RegistryError> {
    let key = |path: &PathBuf| {
        let pem = read_plain(path, BYTES_MAX)?;
        PublicKey::parse(&pem).map_err(|error| RegistryError::key(path, error))
    };
    paths.iter().map(key).collect()
}

/// A key to sign with, from a file that its owner alone may read.
///
/// # Errors
/// A file that others may read, or that holds no such key.
pub(super) fn private_key(path: &Path) -> Result<PrivateKey, RegistryError> {
    let pem = private_file::read_secret(path).map_err(RegistryError::io(path))?;
    PrivateKey::parse(&pem).map_err(|error| RegistryError::key(path, error))
}

/// The signatures beside a manifest; none where there is no such file.
pub(super) fn read_signatures(version: &Path) -> Result<Vec<Signature>, RegistryError> {
    let path = version.join(SIGNATURE);
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(Vec::new());
    }
    let bytes = read_plain(&path, BYTES_MAX)?;
    let file: SignatureFile = serde_json::from_slice(&bytes).map_err(|error| {
        let fault = SignatureFault::Unreadable(error.to_string());
        RegistryError::Signature { path, fault }
    })?;
    Ok(file.signatures)
}

/// A version and the keys that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedVersion {
    pub task: String,
    pub version: String,
    /// sha256 of the bundle, in hexadecimal.
    pub digest: String,
    pub key_ids: Vec<KeyId>,
}

/// Signs the bundle in a version folder, once it has passed every check. Signatures of other keys stay;
/// an earlier one of this key is replaced.
///
/// # Errors
/// A bundle that is refused, a key that cannot be used, a folder that cannot be written.
pub fn sign(bundle: &Path, key: &Path) -> Result<SignedVersion, RegistryError> {
    let key = private_key(key)?;
    let (mut signed, message) = described(bundle)?;
    let signature = message.signed(&key);
    signed.key_ids.push(signature.key_id.clone());
    let mut signatures = read_signatures(bundle)?;
    signatures.retain(|known| known.key_id != signature.key_id);
    signatures.push(signature);
    let path = bundle.join(SIGNATURE);
    let fault = |fault| RegistryError::Signature { path: path.clone(), fault };
    if signatures.len() > SIGNATURES_MAX {
        return Err(fault(SignatureFault::TooMany));
    }
    let text = serde_json::to_string_pretty(&SignatureFile { signatures })
        .map_err(|error| fault(SignatureFault::Unreadable(error.to_string())))?;
    // Not inside the folder: a server that reads it meanwhile would find a file too many.
    let incoming = bundle.with_file_name(format!(".incoming-signature-{}", signed.version));
    folder::write_atomically(&path, &incoming, format!("{text}\n").as_bytes())?;
    Ok(signed)
}

/// Checks the bundle in a version folder and that one of the keys signed it.
///
/// # Errors
/// A bundle that is refused, one that none of the keys signed, a key that cannot be read.
pub fn verify(bundle: &Path, keys: &[PathBuf]) -> Result<SignedVersion, RegistryError> {
    let keys = public_keys(keys)?;
    let (mut signed, message) = described(bundle)?;
    let signatures = read_signatures(bundle)?;
    signed.key_ids = signed_by(&keys, &BTreeSet::new(), &message, &signatures)
        .map_err(|fault| RegistryError::Signature { path: bundle.to_owned(), fault })?;
    Ok(signed)
}

fn described(path: &Path) -> Result<(SignedVersion, Message), RegistryError> {
    let bundle = version::open(path, &[])?;
    let (manifest, digest) = (bundle.manifest(), bundle.digest());
    let message = Message::of_version(&manifest.task, &manifest.version, digest);
    let (task, version) = (manifest.task.clone(), manifest.version.clone());
    Ok((SignedVersion { task, version, digest: digest.to_owned(), key_ids: Vec::new() }, message))
}
