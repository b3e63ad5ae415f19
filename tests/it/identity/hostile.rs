//! Whatever comes, nothing panics, nobody is let in, and no error repeats what came.

use prodrome::access::{Caller, Method, Scope};
use prodrome::identity::{
    ApiKeys, Ask, CdsClientSettings, Credentials, Identity, IdentitySettings, JwtSettings, Policy,
    peer_name,
};
use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::signer::{Signer, base64, claims, key_set};
use super::{NOW_SECONDS, bearer, sample_policy, tokens, write_secret};

fn identity() -> (tempfile::TempDir, Identity, Signer) {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::es256("k");
    let (keys, jwks) = (folder.path().join("keys.toml"), folder.path().join("keys.json"));
    write_secret(&keys, "");
    std::fs::write(&jwks, key_set(&[&signer])).unwrap();
    let jwt = JwtSettings { jwks_file: Some(jwks), ..JwtSettings::default() };
    let client = CdsClientSettings {
        issuer: "https://ehr.example".into(),
        jwks_file: jwt.jwks_file.clone(),
        ..CdsClientSettings::default()
    };
    let settings = IdentitySettings {
        api_keys_file: Some(keys),
        cds_clients: vec![client],
        ..tokens::settings(jwt)
    };
    (folder, Identity::open(&settings).unwrap(), signer)
}

#[test]
fn nothing_that_a_call_brings_lets_in_or_panics() {
    let (_folder, identity, signer) = identity();
    let good = signer.token(&claims());
    let of_ehr =
        json!({"iss": "https://ehr.example", "aud": "a", "jti": "1", "iat": 0, "exp": 300});
    let of_ehr = signer.token(&of_ehr);
    let unsigned = of_ehr.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap();
    let piece = prop_oneof![
        Just(unsigned),
        ".*",
        "[A-Za-z0-9_.-]{0,200}",
        Just(good.clone()),
        Just(base64(json!({"alg": "ES256", "kid": "k"}).to_string())),
        "pk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}",
        Just(".".to_owned()),
    ];
    let text = prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) };
    proptest!(config, |(text in text, now in any::<i64>())| {
        let all = [
            bearer(&text),
            Credentials { api_key: Some(&text), ..Credentials::default() },
            Credentials { peer: Some(&text), ..Credentials::default() },
            Credentials { peer: Some(&text), bearer: Some(&text), api_key: Some(&text) },
        ];
        for credentials in all {
            let outcome = identity.authenticate(&credentials, now);
            let at_hooks = identity.authenticate_cds(&credentials, "a", now);
            let is_good = text == good && credentials.bearer.is_some();
            for outcome in [outcome, at_hooks] {
                prop_assert!(is_good || outcome.is_err());
                if let Err(error) = outcome
                    && text.len() > 12
                {
                    let said = format!("{error} {error:?}");
                    prop_assert!(!said.contains(&text), "{said}");
                }
            }
        }
    });
    assert!(identity.authenticate(&bearer(&good), NOW_SECONDS).is_ok());
}

#[test]
fn signed_claims_of_any_shape_do_not_panic() {
    let (_folder, identity, signer) = identity();
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,12}".prop_map(|value| json!(value)),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map("[a-z.]{0,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    let names =
        vec!["iss", "aud", "exp", "nbf", "iat", "sub", "roles", "facilities", "scope", "jti"];
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) };
    proptest!(config, |(name in prop::sample::select(names), value in value)| {
        let mut claims = claims();
        claims[name] = value;
        if let Ok(caller) = identity.authenticate(&bearer(&signer.token(&claims)), NOW_SECONDS) {
            prop_assert!(caller.name.len() <= 256 && !caller.name.chars().any(char::is_control));
        }
    });
}

#[test]
fn files_and_certificates_of_any_content_do_not_panic() {
    let sample = std::fs::read_to_string(sample_policy()).unwrap();
    let authority = super::authority::Authority::new("site");
    let good = authority.issue(&super::authority::Says::default()).certificate;
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) };
    proptest!(config, |(at in any::<prop::sample::Index>(), byte in any::<u8>(), text in ".{0,40}")| {
        let mut changed = sample.clone().into_bytes();
        let place = at.index(changed.len());
        changed.splice(place..place, text.bytes().chain([byte & 0x7f]));
        if let Ok(text) = String::from_utf8(changed)
            && let Ok(policy) = Policy::parse(&text)
        {
            let nobody = Caller { name: "n".into(), roles: vec![], scope: Scope::default() };
            for method in Method::ALL {
                prop_assert!(policy.decide(&nobody, &Ask::new(method)).is_err());
            }
        }
        let _ = ApiKeys::parse(&text);
        let mut der = good.to_vec();
        let place = at.index(der.len());
        der[place] = byte;
        let _ = peer_name(&[CertificateDer::from(der.clone())]);
        der.truncate(place);
        let _ = peer_name(&[CertificateDer::from(der)]);
    });
}

#[test]
fn key_sets_of_any_content_do_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let good = key_set(&[&Signer::es256("k"), &Signer::rsa("r", jsonwebtoken::Algorithm::RS256)]);
    let jwt = JwtSettings { jwks_file: Some(file.clone()), ..JwtSettings::default() };
    let settings = tokens::settings(jwt);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) };
    proptest!(config, |(at in any::<prop::sample::Index>(), text in ".{0,4}", cut in any::<bool>())| {
        let mut changed = good.clone().into_bytes();
        let place = at.index(changed.len());
        changed.splice(place..place + usize::from(cut), text.bytes());
        std::fs::write(&file, &changed).unwrap();
        if let Ok(identity) = Identity::open(&settings) {
            let forged = Signer::es256("k").token(&claims());
            prop_assert!(identity.authenticate(&bearer(&forged), NOW_SECONDS).is_err());
        }
    });
}
