//! The issuer's public keys (JWK Set, RFC 7517): which key proves which signatures.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::settings::JwtAlgorithm;

/// The longest key set, in bytes.
pub(super) const KEY_SET_BYTES_MAX: u64 = 1 << 20;
/// No issuer publishes more.
const KEYS_MAX: usize = 256;
/// The largest RSA modulus that the cryptographic library takes, in bits.
const RSA_BITS_MAX: usize = 8_192;
/// Below this an RSA key can be broken (NIST SP 800-131A).
const RSA_BITS_MIN: usize = 2_048;

/// An issuer's keys.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// sha256 of what it was read from: tokens proved by another set are proved again.
    pub(super) digest: [u8; 32],
}

struct Key {
    id: String,
    algorithms: Vec<JwtAlgorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct KeySetFile {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a key set. Keys of other kinds and uses are passed over, as RFC 7517 section 5 asks.
    ///
    /// # Errors
    /// One sentence: it is no key set, or holds no key that can prove a token.
    pub(super) fn parse(bytes: &[u8]) -> Result<KeySet, String> {
        // Not what the reader says: it may quote the file.
        let file: KeySetFile = serde_json::from_slice(bytes)
            .map_err(|_| "is no JSON Web Key Set: {\"keys\": [...]}".to_owned())?;
        if file.keys.len() > KEYS_MAX {
            return Err(format!("holds more than {KEYS_MAX} keys"));
        }
        let keys: Vec<Key> = file.keys.into_iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err("holds no key with a `kid` for RS256, RS384, ES256 or ES384 signatures \
                        (RSA of 2048 bits or more, P-256, P-384)"
                .to_owned());
        }
        Ok(KeySet { keys, digest: Sha256::digest(bytes).into() })
    }

    /// Whether there is a key of that name at all.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// The key of that name that proves signatures of `algorithm`.
    pub(super) fn find(&self, id: &str, algorithm: JwtAlgorithm) -> Option<&DecodingKey> {
        let fits = |key: &&Key| key.id == id && key.algorithms.contains(&algorithm);
        self.keys.iter().find(fits).map(|key| &key.key)
    }
}

/// A key that can prove a token.
fn key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let id = common.key_id.clone()?;
    if common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
        return None;
    }
    if common.key_operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
        return None;
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => {
            let bits = decoded_bytes(&key.n)? * 8;
            let fits = (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits);
            fits.then(|| vec![JwtAlgorithm::RS256, JwtAlgorithm::RS384])?
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let (bytes, algorithm) = match key.curve {
                EllipticCurve::P256 => (32, JwtAlgorithm::ES256),
                EllipticCurve::P384 => (48, JwtAlgorithm::ES384),
                EllipticCurve::P521 | EllipticCurve::Ed25519 => return None,
            };
            let fits = [&key.x, &key.y].iter().all(|part| decoded_bytes(part) == Some(bytes));
            fits.then(|| vec![algorithm])?
        }
        AlgorithmParameters::OctetKey(_) | AlgorithmParameters::OctetKeyPair(_) => return None,
    };
    if let Some(only) = common.key_algorithm {
        algorithms.retain(|algorithm| named(only) == Some(*algorithm));
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(Key { id, algorithms, key })
}

fn decoded_bytes(text: &str) -> Option<usize> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.len())
}

fn named(algorithm: KeyAlgorithm) -> Option<JwtAlgorithm> {
    match algorithm {
        KeyAlgorithm::RS256 => Some(JwtAlgorithm::RS256),
        KeyAlgorithm::RS384 => Some(JwtAlgorithm::RS384),
        KeyAlgorithm::ES256 => Some(JwtAlgorithm::ES256),
        KeyAlgorithm::ES384 => Some(JwtAlgorithm::ES384),
        _ => None,
    }
}
