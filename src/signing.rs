//! ed25519 keys as `openssl genpkey -algorithm ed25519` makes them, and what they sign. Pure: whoever
//! has the files reads them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Half of a sha256, in hexadecimal: enough that no two keys share it.
const KEY_ID_CHARS: usize = 32;

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("no ed25519 private key in PKCS#8 PEM (openssl genpkey -algorithm ed25519)")]
    NotPrivate,
    #[error("no ed25519 public key in PEM (openssl pkey -pubout)")]
    NotPublic,
    #[error("no key id: {KEY_ID_CHARS} hexadecimal digits")]
    NotAnId,
}

/// Names a public key: the first half of its sha256, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The id as it is written.
    ///
    /// # Errors
    /// Anything but 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<KeyId, KeyError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == KEY_ID_CHARS && text.bytes().all(is_digit) {
            true => Ok(KeyId(text.to_owned())),
            false => Err(KeyError::NotAnId),
        }
    }

    fn of(key: &VerifyingKey) -> KeyId {
        let mut digits = format!("{:x}", Sha256::digest(key.as_bytes()));
        digits.truncate(KEY_ID_CHARS);
        KeyId(digits)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyError;

    fn try_from(text: String) -> Result<KeyId, KeyError> {
        KeyId::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.0
    }
}

/// A signature and whose it says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub key_id: KeyId,
    /// ed25519, 64 bytes in base64.
    pub signature: String,
}

/// A key to sign with. Its `Debug` shows nothing, and dropping it wipes it.
pub struct PrivateKey(SigningKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl PrivateKey {
    /// The key in `pem`.
    ///
    /// # Errors
    /// `NotPrivate`.
    pub fn parse(pem: &[u8]) -> Result<PrivateKey, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPrivate)?;
        SigningKey::from_pkcs8_pem(text).map(PrivateKey).map_err(|_| KeyError::NotPrivate)
    }

    /// Its signature over `message`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature = BASE64.encode(self.0.sign(message).to_bytes());
        Signature { key_id: KeyId::of(&self.0.verifying_key()), signature }
    }
}

/// A key to verify with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: VerifyingKey,
}

impl PublicKey {
    /// The key in `pem`.
    ///
    /// # Errors
    /// `NotPublic`.
    pub fn parse(pem: &[u8]) -> Result<PublicKey, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPublic)?;
        let key = VerifyingKey::from_public_key_pem(text).map_err(|_| KeyError::NotPublic)?;
        Ok(PublicKey { id: KeyId::of(&key), key })
    }

    /// What signatures name it by.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        signature.key_id == self.id && self.verifies_text(message, &signature.signature)
    }

    /// Whether `signature`, 64 bytes in base64, is this key's over `message`.
    pub fn verifies_text(&self, message: &[u8], signature: &str) -> bool {
        let bytes = BASE64.decode(signature).ok();
        let given = bytes.and_then(|bytes| ed25519_dalek::Signature::from_slice(&bytes).ok());
        given.is_some_and(|given| self.key.verify_strict(message, &given).is_ok())
    }
}
