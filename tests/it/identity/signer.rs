//! An issuer's private key, and tokens of any shape under it.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::NOW_SECONDS;

/// What a PKCS#8 file of an RSA key of 2048 bits holds before the key itself.
const PKCS8_RSA_2048_BYTES: usize = 26;

pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn es256(id: &str) -> Signer {
        Signer::elliptic(id, &rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256, "P-256")
    }

    pub(crate) fn es384(id: &str) -> Signer {
        Signer::elliptic(id, &rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384, "P-384")
    }

    fn elliptic(
        id: &str,
        kind: &'static rcgen::SignatureAlgorithm,
        algorithm: Algorithm,
        curve: &str,
    ) -> Signer {
        let pair = KeyPair::generate_for(kind).unwrap();
        let (x, y) = {
            let point = &pair.public_key_raw()[1..];
            point.split_at(point.len() / 2)
        };
        let jwk = json!({"kty": "EC", "crv": curve, "kid": id, "x": base64(x), "y": base64(y)});
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        Signer { id: id.into(), algorithm, key, jwk }
    }

    /// The same RSA key each time: making one takes long.
    pub(crate) fn rsa(id: &str, algorithm: Algorithm) -> Signer {
        static PAIR: OnceLock<KeyPair> = OnceLock::new();
        let pair = PAIR.get_or_init(|| KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
        let info = pair.subject_public_key_info();
        let (_, info) = SubjectPublicKeyInfo::from_der(&info).unwrap();
        let PublicKey::RSA(public) = info.parsed().unwrap() else { panic!("no RSA key") };
        let modulus = public.modulus.strip_prefix(&[0]).unwrap_or(public.modulus);
        let (n, e) = (base64(modulus), base64(public.exponent));
        let jwk = json!({"kty": "RSA", "kid": id, "use": "sig", "n": n, "e": e});
        let key = EncodingKey::from_rsa_der(&pair.serialize_der()[PKCS8_RSA_2048_BYTES..]);
        Signer { id: id.into(), algorithm, key, jwk }
    }

    pub(crate) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": format!("{:?}", self.algorithm), "kid": self.id});
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A token of this text, signed.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

pub(crate) fn key_set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Claims that do.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "prodrome", "sub": "svc-ehr", "jti": "1",
        "iat": NOW_SECONDS - 10, "nbf": NOW_SECONDS - 10, "exp": NOW_SECONDS + 300,
        "roles": ["clinician"], "facilities": ["north"],
    })
}

/// Those claims, with one of them set; `null` takes it out.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.into(), value),
    };
    claims
}
